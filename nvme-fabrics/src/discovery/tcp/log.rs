//! Reading the log of one service.

use std::future::Future;

use nvme_proto::Status;
use nvme_proto::discovery::{
    DiscoveryLog, DiscoveryRequest, GetLogPage, LogReadError, LogReader, LogReaderLimits, Next,
};

/// Somebody who sends Get Log Page.
pub(super) trait LogSource {
    /// Why a command gave no bytes.
    type Error: From<LogReadError>;

    /// The bytes of this part of the page.
    fn page(&self, command: GetLogPage) -> impl Future<Output = Result<Vec<u8>, Self::Error>> + Send;
    /// The status with which the controller answered, if that is why.
    fn status(error: &Self::Error) -> Option<Status>;
}

/// The log, all of one generation.
pub(super) async fn read<S: LogSource + Sync>(
    source: &S,
    limits: LogReaderLimits,
    request: DiscoveryRequest,
) -> Result<DiscoveryLog, S::Error> {
    let mut reader = LogReader::new(limits).asking(request);
    loop {
        match reader.next() {
            Next::Done(log) => return Ok(log),
            Next::Read(command) => match source.page(command).await {
                Ok(bytes) => reader.supply(&bytes)?,
                // The reader knows which statuses mean that the log has changed.
                Err(error) => match S::status(&error) {
                    Some(status) => reader.failed(status)?,
                    None => return Err(error),
                },
            },
        }
    }
}

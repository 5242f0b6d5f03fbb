//! What there is where the subsystem that was asked for is not.

use nvme_proto::SubsysNqn;
use nvme_proto::discovery::{DiscoveryLog, LogReader, LogReaderLimits, Next, SubsystemType};
use nvme_proto::host::Command;

use super::super::Cause;
use super::super::finding::Offer;
use super::{Admin, Probe, Reach};
use crate::discovery::tcp::Portal;

/// Entries of a discovery log that are read.
const OFFERS: u32 = 256;

impl<R: Reach> Probe<'_, R> {
    /// What the discovery service of the same port names; `None` when it does not answer.
    pub(super) async fn offers(&self) -> Option<Vec<Offer>> {
        let mut admin = self.admin(&SubsysNqn::discovery()).await.ok()?;
        let log = self.log(&mut admin).await;
        self.leave(admin).await;
        let entries = log.ok()?.entries;
        let named = entries.iter().filter(|entry| entry.subsystem_type() == SubsystemType::NVM);
        let offer = named.filter_map(|entry| {
            let traddr = entry.traddr().ok().and_then(|traddr| traddr.ip());
            let port = entry.trsvcid().ok().and_then(|trsvcid| trsvcid.port());
            let at = traddr.zip(port).map(|(traddr, port)| Portal { traddr, port });
            Some(Offer { nqn: entry.subnqn().ok()?, at })
        });
        Some(offer.collect())
    }

    async fn log(&self, admin: &mut Admin<R::Stream>) -> Result<DiscoveryLog, Cause> {
        const LOG: &str = "Get Log Page";
        self.enable(admin).await?;
        let mut reader = LogReader::new(LogReaderLimits::new(OFFERS, 3));
        let unusable = |_| Cause::Ended { during: LOG, failure: None };
        loop {
            let command = match reader.next() {
                Next::Done(log) => return Ok(log),
                Next::Read(command) => command,
            };
            let len = usize::try_from(command.len()).unwrap_or(4);
            let asked = Command::new(command.to_sqe()).read(vec![0; len]);
            let (data, result) = self.transfer(&mut admin.queue, LOG, asked).await?;
            match result {
                Ok(_) => reader.supply(&data).map_err(unusable)?,
                Err(error) => reader.failed(error.status()).map_err(unusable)?,
            }
        }
    }
}

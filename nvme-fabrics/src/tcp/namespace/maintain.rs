//! Flushing, zeroing, giving back, comparing and verifying.

use bytes::{Bytes, BytesMut};
use nvme_proto::command::io::{Compare, DatasetManagement, DatasetRange, Flush, Verify, WriteZeroes};

use super::super::core::Failure;
use super::super::error::CommandError;
use super::super::join::in_order;
use super::super::queue::{Effect, Finished, Payload};
use super::Namespace;

/// Blocks of one range of Dataset Management at most.
const RANGE_BLOCKS: u64 = 1 << 31;

/// Blocks of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockRange {
    /// The first.
    pub lba: u64,
    /// How many.
    pub blocks: u64,
}

/// Whether blocks that are zeroed keep their place on the media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Deallocate {
    /// They do.
    #[default]
    No,
    /// They may give it up, if they read as zeros then.
    #[doc(alias = "DEAC")]
    Allowed,
}

impl Namespace {
    /// What was written before is on the media when this is over.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn flush(&self) -> Result<(), CommandError> {
        let sqe = Flush::new(self.shape.nsid.get()).to_sqe();
        self.command(sqe, Payload::None, Effect::Nothing).await?;
        Ok(())
    }

    /// Makes blocks read as zeros, without sending any. The controller need not have the command (`identify().io_commands()`, ONCS).
    ///
    /// # Errors
    /// [`CommandError`]. When it was split, other pieces of it may have been zeroed.
    pub async fn write_zeroes(&self, range: BlockRange, deallocate: Deallocate) -> Result<(), CommandError> {
        self.check(range.lba, range.blocks)?;
        let nsid = self.shape.nsid.get();
        all(self.bare_pieces(range.lba, range.blocks).map(|piece| {
            let mut command = WriteZeroes::new(nsid, piece.lba, piece.blocks_less_one());
            command.deallocate = deallocate == Deallocate::Allowed;
            self.command(command.to_sqe(), Payload::None, Effect::Overwrites)
        }))
        .await
    }

    /// Says that blocks are not needed any more; what they read as afterwards is up to the controller (DLFEAT). Any number of ranges, 256 in a
    /// command.
    ///
    /// # Errors
    /// [`CommandError`]. When there were several commands, others of them may have been executed.
    #[doc(alias = "deallocate")]
    pub async fn discard(&self, ranges: &[BlockRange]) -> Result<(), CommandError> {
        let mut split = Vec::with_capacity(ranges.len());
        for range in ranges {
            self.check(range.lba, range.blocks)?;
            let (mut lba, mut left) = (range.lba, range.blocks);
            while left > 0 {
                let blocks = left.min(RANGE_BLOCKS);
                split.push(DatasetRange::new(lba, u32::try_from(blocks).unwrap_or(u32::MAX)));
                (lba, left) = (lba.saturating_add(blocks), left.saturating_sub(blocks));
            }
        }
        let nsid = self.shape.nsid.get();
        all(split.chunks(DatasetManagement::MAX_RANGES).map(|ranges| {
            let less_one = u8::try_from(ranges.len().saturating_sub(1)).unwrap_or(u8::MAX);
            let mut data = BytesMut::with_capacity(ranges.len().saturating_mul(DatasetRange::LEN));
            for range in ranges {
                data.extend_from_slice(&range.encode());
            }
            let sqe = DatasetManagement::deallocate(nsid, less_one).to_sqe();
            self.command(sqe, Payload::Write(data.freeze()), Effect::Overwrites)
        }))
        .await
    }

    /// Compares blocks with data. That they differ is an error with the status Compare Failure.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn compare(&self, lba: u64, data: impl Into<Bytes>) -> Result<(), CommandError> {
        let mut data = data.into();
        let blocks = self.whole_blocks("what is compared", u64::try_from(data.len()).unwrap_or(u64::MAX))?;
        self.check(lba, blocks)?;
        let (nsid, block_log2) = (self.shape.nsid.get(), self.shape.block_log2);
        all(self.data_pieces(lba, blocks).map(|piece| {
            let len = usize::try_from(u64::from(piece.blocks) << block_log2).unwrap_or(usize::MAX);
            let part = data.split_to(len.min(data.len()));
            let sqe = Compare::new(nsid, piece.lba, piece.blocks_less_one()).to_sqe();
            self.command(sqe, Payload::Write(part), Effect::Nothing)
        }))
        .await
    }

    /// Lets the controller read blocks and check that they are readable, without transferring them.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn verify(&self, range: BlockRange) -> Result<(), CommandError> {
        self.check(range.lba, range.blocks)?;
        let nsid = self.shape.nsid.get();
        all(self.bare_pieces(range.lba, range.blocks).map(|piece| {
            let sqe = Verify::new(nsid, piece.lba, piece.blocks_less_one()).to_sqe();
            self.command(sqe, Payload::None, Effect::Nothing)
        }))
        .await
    }
}

/// Runs commands until all are over; the first error.
async fn all<F>(commands: impl Iterator<Item = F>) -> Result<(), CommandError>
where
    F: Future<Output = Result<Finished, Failure>>,
{
    let mut failed = None;
    in_order(commands, |result| {
        if let Err(failure) = result {
            CommandError::keep(&mut failed, failure.error);
        }
    })
    .await;
    match failed {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

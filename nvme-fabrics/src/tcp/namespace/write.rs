//! Writing.

use bytes::{Bytes, BytesMut};
use nvme_proto::command::io::Write;

use super::super::core::Execute;
use super::super::error::CommandError;
use super::super::join::in_order;
use super::super::queue::{Effect, Payload};
use super::Namespace;
use super::pieces::Piece;

/// When a write is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// When the data are in the controller's hands; a volatile cache may lose them until the next flush.
    #[default]
    Cached,
    /// When the data survive a loss of power: force unit access.
    #[doc(alias = "FUA")]
    Durable,
}

impl Namespace {
    /// Writes blocks from `lba` on, without a copy: `Bytes`, `Vec<u8>`, `&'static [u8]`, or by [`Bytes::from_owner`] whatever owns memory.
    ///
    /// # Errors
    /// [`CommandError`]. When the write was split, other pieces of it may have been written.
    pub async fn write(&self, lba: u64, data: impl Into<Bytes>) -> Result<(), CommandError> {
        self.write_with(lba, data.into(), Durability::Cached).await
    }

    /// Writes blocks from `lba` on, with a say when it is complete.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_with(
        &self,
        lba: u64,
        data: Bytes,
        durability: Durability,
    ) -> Result<(), CommandError> {
        let blocks = self.write_range(lba, data.len())?;
        let pieces = self.data_pieces(lba, blocks);
        if let Some(piece) = pieces.single() {
            self.write_piece(piece, data, durability).await?;
            return Ok(());
        }
        let block_log2 = self.shape.block_log2;
        let mut rest = data;
        let writes = pieces.map(|piece| {
            let len = usize::try_from(u64::from(piece.blocks) << block_log2).unwrap_or(usize::MAX);
            let part = rest.split_to(len.min(rest.len()));
            self.write_piece(piece, part, durability)
        });
        let mut failed = None;
        in_order(writes, |result| {
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

    /// Writes blocks from `lba` on, with one copy.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_from(&self, lba: u64, data: &[u8]) -> Result<(), CommandError> {
        self.write_range(lba, data.len())?;
        self.write_with(lba, Bytes::copy_from_slice(data), Durability::Cached).await
    }

    /// Writes buffers one behind the other, from `lba` on. Together they are whole blocks.
    ///
    /// If each is, each is written by commands of its own, all at the same time, without a copy; else they are put together first.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_vectored(&self, lba: u64, buffers: Vec<Bytes>) -> Result<(), CommandError> {
        let block = usize::try_from(self.block_size()).unwrap_or(usize::MAX);
        let whole = buffers.iter().all(|buffer| buffer.len().checked_rem(block) == Some(0));
        let len = buffers.iter().fold(0_usize, |len, buffer| len.saturating_add(buffer.len()));
        self.write_range(lba, len)?;
        if !whole {
            let mut together = BytesMut::with_capacity(len);
            for buffer in &buffers {
                together.extend_from_slice(buffer);
            }
            return self.write(lba, together).await;
        }
        let mut at = lba;
        let block_log2 = self.shape.block_log2;
        let writes = buffers.into_iter().filter(|buffer| !buffer.is_empty()).map(|buffer| {
            let lba = at;
            at = at.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX) >> block_log2);
            self.write_with(lba, buffer, Durability::Cached)
        });
        let mut failed = None;
        in_order(writes, |result| {
            if let Err(error) = result {
                CommandError::keep(&mut failed, error);
            }
        })
        .await;
        match failed {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Writes from byte `offset` on. It and the length are multiples of the block size.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_at(&self, offset: u64, data: impl Into<Bytes>) -> Result<(), CommandError> {
        self.write(self.block_at(offset)?, data).await
    }

    /// The number of blocks of so many bytes, which are there.
    fn write_range(&self, lba: u64, len: usize) -> Result<u64, CommandError> {
        let blocks = self.whole_blocks("a write", u64::try_from(len).unwrap_or(u64::MAX))?;
        self.check(lba, blocks)?;
        Ok(blocks)
    }

    /// One command.
    #[inline]
    fn write_piece(&self, piece: Piece, data: Bytes, durability: Durability) -> Execute<'_> {
        let mut write = Write::new(self.shape.nsid.get(), piece.lba, piece.blocks_less_one());
        write.force_unit_access = durability == Durability::Durable;
        self.command(write.to_sqe(), Payload::Write(data), Effect::Overwrites)
    }
}

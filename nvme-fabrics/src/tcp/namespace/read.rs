//! Reading.

use bytes::{Bytes, BytesMut};
use nvme_proto::Nsid;
use nvme_proto::command::io::Read;
use nvme_proto::host::Data;
use nvme_proto::sqe::Sqe;

use super::super::buffer::ReadBuffer;
use super::super::core::Execute;
use super::super::error::{CommandError, CommandName, FailedRead};
use super::super::join::{all_filled, in_order};
use super::super::queue::{Effect, Finished, Payload, ToSqe};
use super::pieces::{Piece, Pieces};
use super::{Failure, Namespace};

impl Namespace {
    /// Reads `blocks` blocks from `lba` on into new memory, without a copy.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn read(&self, lba: u64, blocks: u32) -> Result<Bytes, CommandError> {
        self.check(lba, blocks.into())?;
        let len = u64::from(blocks) << self.shape.block_log2;
        let len = usize::try_from(len).map_err(|_| CommandError::Parameter {
            what: "the number of blocks",
            value: blocks.into(),
            allowed: "the data have to fit into memory",
        })?;
        let pieces = self.data_pieces(lba, blocks.into());
        if let Some(piece) = pieces.single() {
            return Ok(self.read_piece(piece, ReadBuffer::zeroed(len)).await?.into_bytes());
        }
        let (memory, error) = self.read_pieces(pieces, BytesMut::zeroed(len)).await;
        match error {
            None => Ok(memory.freeze()),
            Some(error) => Err(error),
        }
    }

    /// Reads as many blocks as `buffer` has room for into it, without a copy: it belongs to the connection until it is full.
    ///
    /// Buffers are `Vec<u8>`, `BytesMut`, `Box<[u8]>` or any other owned memory. A borrowed slice cannot be filled without a copy
    /// ([`read_to`](Self::read_to)): data may arrive after the future was dropped, when its owner has it back.
    ///
    /// # Errors
    /// [`FailedRead`] with the buffer, which converts into [`CommandError`] by `?`.
    pub async fn read_into<B>(&self, lba: u64, mut buffer: B) -> Result<B, FailedRead<B>>
    where
        B: AsMut<[u8]> + Send + 'static,
    {
        let len = buffer.as_mut().len();
        let blocks = match self.read_range(lba, len) {
            Ok(blocks) => blocks,
            Err(error) => return Err(FailedRead { error, buffer: Some(buffer) }),
        };
        let pieces = self.data_pieces(lba, blocks);
        if let Some(piece) = pieces.single() {
            return match self.read_piece(piece, ReadBuffer::of(buffer)).await {
                Ok(Finished { data: Data::Read(buffer), .. }) => given_back(buffer, None),
                Ok(_) => Err(FailedRead { error: lost_buffer(), buffer: None }),
                Err(Failure { error, data: Data::Read(buffer) }) => given_back(buffer, Some(error)),
                Err(Failure { error, .. }) => Err(FailedRead { error, buffer: None }),
            };
        }
        match ReadBuffer::of(buffer) {
            ReadBuffer::Bytes(memory) => {
                let (memory, error) = self.read_pieces(pieces, memory).await;
                given_back(ReadBuffer::Bytes(memory), error)
            }
            ReadBuffer::Vec(memory) => {
                // No copy: the memory changes its owner.
                let memory =
                    Bytes::from(memory).try_into_mut().unwrap_or_else(|bytes| BytesMut::from(&bytes[..]));
                let (memory, error) = self.read_pieces(pieces, memory).await;
                given_back(ReadBuffer::Vec(memory.into()), error)
            }
            other @ ReadBuffer::Other { .. } => self.read_one_by_one(pieces, other).await,
        }
    }

    /// Reads as many blocks as `to` has room for, with one copy.
    ///
    /// # Errors
    /// [`CommandError`]; `to` is as it was then.
    pub async fn read_to(&self, lba: u64, to: &mut [u8]) -> Result<(), CommandError> {
        let blocks = self.read_range(lba, to.len())?;
        let data = self.read(lba, u32::try_from(blocks).unwrap_or(u32::MAX)).await?;
        // As many as were asked for.
        if to.len() == data.len() {
            to.copy_from_slice(&data);
        }
        Ok(())
    }

    /// Reads blocks that follow each other into several buffers, one behind the other. Each has room for whole blocks.
    ///
    /// Each buffer is read by commands of its own, all at the same time, without a copy.
    ///
    /// # Errors
    /// [`CommandError`] of the first buffer that failed; the buffers are lost then.
    pub async fn read_vectored<B>(&self, lba: u64, buffers: Vec<B>) -> Result<Vec<B>, CommandError>
    where
        B: AsMut<[u8]> + Send + 'static,
    {
        let mut requests = Vec::with_capacity(buffers.len());
        let mut at = lba;
        for mut buffer in buffers {
            let blocks = self.read_range(at, buffer.as_mut().len())?;
            requests.push((at, buffer));
            at = at.saturating_add(blocks);
        }
        all_filled(requests.into_iter().map(|(lba, buffer)| self.read_into(lba, buffer))).await
    }

    /// Reads `len` bytes from byte `offset` on. Both are multiples of the block size.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn read_at(&self, offset: u64, len: u32) -> Result<Bytes, CommandError> {
        let blocks = self.whole_blocks("a read", len.into())?;
        self.read(self.block_at(offset)?, u32::try_from(blocks).unwrap_or(u32::MAX)).await
    }

    /// The number of blocks of so many bytes, which are there.
    fn read_range(&self, lba: u64, len: usize) -> Result<u64, CommandError> {
        let blocks = self.whole_blocks("a buffer", u64::try_from(len).unwrap_or(u64::MAX))?;
        self.check(lba, blocks)?;
        Ok(blocks)
    }

    /// One command.
    #[inline]
    fn read_piece(&self, piece: Piece, buffer: ReadBuffer) -> Execute<'_, ReadOf> {
        self.command(ReadOf { nsid: self.shape.nsid, piece }, Payload::Read(buffer), Effect::Nothing)
    }

    /// Several commands at a time into pieces of one memory, which is put together again.
    async fn read_pieces(&self, pieces: Pieces, mut memory: BytesMut) -> (BytesMut, Option<CommandError>) {
        let block_log2 = self.shape.block_log2;
        let reads = pieces.map(|piece| {
            let len = usize::try_from(u64::from(piece.blocks) << block_log2).unwrap_or(usize::MAX);
            let part = memory.split_to(len.min(memory.len()));
            self.read_piece(piece, ReadBuffer::Bytes(part))
        });
        let mut whole: Option<BytesMut> = None;
        let mut failed = None;
        in_order(reads, |result| {
            let data = match result {
                Ok(finished) => finished.data,
                Err(failure) => {
                    failed.get_or_insert(failure.error);
                    failure.data
                }
            };
            if let Data::Read(ReadBuffer::Bytes(part)) = data {
                match &mut whole {
                    Some(whole) => whole.unsplit(part),
                    None => whole = Some(part),
                }
            }
        })
        .await;
        (whole.unwrap_or_default(), failed)
    }

    /// One command after the other into pieces of a buffer that cannot be divided.
    async fn read_one_by_one<B: 'static>(
        &self,
        pieces: Pieces,
        buffer: ReadBuffer,
    ) -> Result<B, FailedRead<B>> {
        let mut buffer = buffer;
        let mut at = 0_usize;
        for piece in pieces {
            let ReadBuffer::Other { buffer: inner, .. } = buffer else {
                return given_back(buffer, Some(lost_buffer()));
            };
            let len = usize::try_from(u64::from(piece.blocks) << self.shape.block_log2).unwrap_or(usize::MAX);
            let part = ReadBuffer::Other { buffer: inner, from: at, len };
            buffer = match self.read_piece(piece, part).await {
                Ok(Finished { data: Data::Read(buffer), .. }) => buffer,
                Ok(_) => return Err(FailedRead { error: lost_buffer(), buffer: None }),
                Err(Failure { error, data: Data::Read(buffer) }) => return given_back(buffer, Some(error)),
                Err(Failure { error, .. }) => return Err(FailedRead { error, buffer: None }),
            };
            at = at.saturating_add(len);
        }
        given_back(buffer, None)
    }
}

/// A read command, in short.
#[derive(Debug, Clone, Copy)]
struct ReadOf {
    nsid: Nsid,
    piece: Piece,
}

impl ToSqe for ReadOf {
    #[inline]
    fn to_sqe(&self) -> Sqe {
        Read::new(self.nsid.get(), self.piece.lba, self.piece.blocks_less_one()).to_sqe()
    }
}

/// The caller's buffer.
#[inline]
fn given_back<B: 'static>(buffer: ReadBuffer, error: Option<CommandError>) -> Result<B, FailedRead<B>> {
    let buffer = buffer.into_caller();
    match (buffer, error) {
        (Some(buffer), None) => Ok(buffer),
        (buffer, Some(error)) => Err(FailedRead { error, buffer }),
        (None, None) => Err(FailedRead { error: lost_buffer(), buffer: None }),
    }
}

/// A completion without the buffer that belongs to it: the connection's task was taken away with it.
fn lost_buffer() -> CommandError {
    let command = CommandName::io(&Read::new(0, 0, 0).to_sqe());
    CommandError::Lost { command, failure: None }
}

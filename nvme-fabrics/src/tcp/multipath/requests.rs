//! The requests to a disk.

use bytes::Bytes;
use nvme_proto::command::io::{AcquireAction, PersistChange, RegisterAction, ReleaseAction, ReservationType};

use super::super::join::all_filled;
use super::super::namespace::{BlockRange, Deallocate, Durability, Reservations};
use super::verdict::Nature;
use super::{Disk, DiskError, FailedRead};

/// Tries a request on one path after the other until it is over.
///
/// Not a function of a closure: whether the future of a closure that borrows can be sent to another thread is more than the compiler can tell.
macro_rules! over_paths {
    ($disk:ident, $nature:expr, |$namespace:ident| $request:expr) => {{
        let mut journey = $disk.core.begin($nature);
        loop {
            let lease = journey.path().await?;
            let $namespace = &lease.namespace;
            match $request.await {
                Ok(done) => return Ok(done),
                Err(error) => journey.failed(lease, error).await?,
            }
        }
    }};
}

impl Disk {
    /// Reads `blocks` blocks from `lba` on into new memory, without a copy.
    ///
    /// # Errors
    /// [`DiskError`].
    pub async fn read(&self, lba: u64, blocks: u32) -> Result<Bytes, DiskError> {
        over_paths!(self, Nature::Reads, |namespace| namespace.read(lba, blocks))
    }

    /// Reads as many blocks as `buffer` has room for into it, without a copy.
    ///
    /// # Errors
    /// [`FailedRead`] with the buffer.
    pub async fn read_into<B>(&self, lba: u64, buffer: B) -> Result<B, FailedRead<B>>
    where
        B: AsMut<[u8]> + Send + 'static,
    {
        let mut journey = self.core.begin(Nature::Reads);
        let mut buffer = buffer;
        loop {
            let lease = match journey.path().await {
                Ok(lease) => lease,
                Err(error) => return Err(FailedRead { error, buffer: Some(buffer) }),
            };
            let failed = match lease.namespace.read_into(lba, buffer).await {
                Ok(buffer) => return Ok(buffer),
                Err(failed) => failed,
            };
            let Some(back) = failed.buffer else {
                return Err(FailedRead { error: failed.error.into(), buffer: None });
            };
            if let Err(error) = journey.failed(lease, failed.error).await {
                return Err(FailedRead { error, buffer: Some(back) });
            }
            buffer = back;
        }
    }

    /// Reads as many blocks as `to` has room for, with one copy.
    ///
    /// # Errors
    /// [`DiskError`]; `to` is as it was then.
    pub async fn read_to(&self, lba: u64, to: &mut [u8]) -> Result<(), DiskError> {
        over_paths!(self, Nature::Reads, |namespace| namespace.read_to(lba, to))
    }

    /// Reads `len` bytes from byte `offset` on. Both are multiples of the block size.
    ///
    /// # Errors
    /// [`DiskError`].
    pub async fn read_at(&self, offset: u64, len: u32) -> Result<Bytes, DiskError> {
        over_paths!(self, Nature::Reads, |namespace| namespace.read_at(offset, len))
    }

    /// Writes blocks from `lba` on, without a copy.
    ///
    /// # Errors
    /// [`DiskError`]. When the write was split, other pieces of it may have been written.
    pub async fn write(&self, lba: u64, data: impl Into<Bytes>) -> Result<(), DiskError> {
        self.write_with(lba, data.into(), Durability::Cached).await
    }

    /// Writes blocks from `lba` on, with a say when it is complete.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_with(&self, lba: u64, data: Bytes, durability: Durability) -> Result<(), DiskError> {
        over_paths!(self, Nature::Overwrites, |namespace| namespace.write_with(lba, data.clone(), durability))
    }

    /// Writes blocks from `lba` on, with one copy.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_from(&self, lba: u64, data: &[u8]) -> Result<(), DiskError> {
        self.write_with(lba, Bytes::copy_from_slice(data), Durability::Cached).await
    }

    /// Writes from byte `offset` on. It and the length are multiples of the block size.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_at(&self, offset: u64, data: impl Into<Bytes>) -> Result<(), DiskError> {
        let data = data.into();
        over_paths!(self, Nature::Overwrites, |namespace| namespace.write_at(offset, data.clone()))
    }

    /// What was written before is on the media when this is over, by whatever path it was written.
    ///
    /// # Errors
    /// [`DiskError`].
    pub async fn flush(&self) -> Result<(), DiskError> {
        over_paths!(self, Nature::Reads, |namespace| namespace.flush())
    }

    /// Makes blocks read as zeros, without sending any.
    ///
    /// # Errors
    /// [`DiskError`]. When it was split, other pieces of it may have been zeroed.
    pub async fn write_zeroes(&self, range: BlockRange, deallocate: Deallocate) -> Result<(), DiskError> {
        over_paths!(self, Nature::Overwrites, |namespace| namespace.write_zeroes(range, deallocate))
    }

    /// Says that blocks are not needed any more.
    ///
    /// # Errors
    /// [`DiskError`]. When there were several commands, others of them may have been executed.
    #[doc(alias = "deallocate")]
    pub async fn discard(&self, ranges: &[BlockRange]) -> Result<(), DiskError> {
        over_paths!(self, Nature::Overwrites, |namespace| namespace.discard(ranges))
    }

    /// Compares blocks with data. That they differ is an error with the status Compare Failure.
    ///
    /// # Errors
    /// [`DiskError`].
    pub async fn compare(&self, lba: u64, data: impl Into<Bytes>) -> Result<(), DiskError> {
        let data = data.into();
        over_paths!(self, Nature::Reads, |namespace| namespace.compare(lba, data.clone()))
    }

    /// Lets the controller read blocks and check that they are readable, without transferring them.
    ///
    /// # Errors
    /// [`DiskError`].
    pub async fn verify(&self, range: BlockRange) -> Result<(), DiskError> {
        over_paths!(self, Nature::Reads, |namespace| namespace.verify(range))
    }

    /// Reads blocks that follow each other into several buffers, one behind the other, all at the same time. Each has room for whole blocks.
    ///
    /// # Errors
    /// [`DiskError`] of the first buffer that failed; the buffers are lost then.
    pub async fn read_vectored<B>(&self, lba: u64, buffers: Vec<B>) -> Result<Vec<B>, DiskError>
    where
        B: AsMut<[u8]> + Send + 'static,
    {
        let block = u64::from(self.block_size());
        let mut at = lba;
        let reads = buffers.into_iter().map(|mut buffer| {
            let begin = at;
            let len = u64::try_from(buffer.as_mut().len()).unwrap_or(u64::MAX);
            at = at.saturating_add(len.checked_div(block).unwrap_or(0));
            self.read_into(begin, buffer)
        });
        all_filled(reads).await
    }

    /// Writes several buffers one behind the other, from `lba` on, as [`write`](Self::write) does with one.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_vectored(&self, lba: u64, buffers: Vec<Bytes>) -> Result<(), DiskError> {
        over_paths!(self, Nature::Overwrites, |namespace| namespace.write_vectored(lba, buffers.clone()))
    }

    /// Registers a key of this host, replaces it, or removes the registration, as
    /// [`Namespace::reservation_register`](crate::tcp::Namespace::reservation_register). Reservations are the host's: they hold whatever path it takes.
    ///
    /// # Errors
    /// [`DiskError`]. Executed twice it may make a difference, so that it is not repeated when the [outcome is unknown](DiskError::outcome_unknown).
    pub async fn reservation_register(
        &self,
        action: RegisterAction,
        current: u64,
        new: u64,
        persist: PersistChange,
    ) -> Result<(), DiskError> {
        over_paths!(self, Nature::Once, |namespace| namespace
            .reservation_register(action, current, new, persist))
    }

    /// Takes the reservation, as [`Namespace::reservation_acquire`](crate::tcp::Namespace::reservation_acquire).
    ///
    /// # Errors
    /// As [`reservation_register`](Self::reservation_register).
    pub async fn reservation_acquire(
        &self,
        action: AcquireAction,
        kind: ReservationType,
        current: u64,
        other: u64,
    ) -> Result<(), DiskError> {
        over_paths!(self, Nature::Once, |namespace| namespace
            .reservation_acquire(action, kind, current, other))
    }

    /// Gives the reservation up, as [`Namespace::reservation_release`](crate::tcp::Namespace::reservation_release).
    ///
    /// # Errors
    /// As [`reservation_register`](Self::reservation_register).
    pub async fn reservation_release(
        &self,
        action: ReleaseAction,
        kind: ReservationType,
        current: u64,
    ) -> Result<(), DiskError> {
        over_paths!(self, Nature::Once, |namespace| namespace.reservation_release(action, kind, current))
    }

    /// Who is registered and who holds the reservation.
    ///
    /// # Errors
    /// [`DiskError`].
    pub async fn reservations(&self) -> Result<Reservations, DiskError> {
        over_paths!(self, Nature::Reads, |namespace| namespace.reservations())
    }
}

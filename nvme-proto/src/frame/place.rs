//! Data on their way to where they belong.

use super::buffer::LinearBuffer;
use super::framer::to_usize;
use super::rules::DataDigest;
use crate::digest::Crc32c;
use crate::pdu::Shape;

/// What [`Framer::place`](super::Framer::place) has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// More is to come.
    More {
        /// Bytes of the place that are filled.
        filled: usize,
        /// Bytes of the place that are missing; 0 when only the digest is.
        missing: usize,
    },
    /// All data are in their place.
    Done(DataDigest),
}

/// Why [`Framer::place`](super::Framer::place) has done nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The place is smaller than the data.
    #[error(
        "the place for the data has {have} bytes of the {need} needed: compare with the header before placing"
    )]
    TooSmall {
        /// Bytes of data.
        need: usize,
        /// Bytes of the place.
        have: usize,
    },
    /// There are no data to take.
    #[error("no data are to be placed: the last PDU has none, or they were taken already")]
    NoData,
}

/// Data of a PDU whose header was given out.
#[derive(Debug)]
pub(super) struct Pending {
    shape: Shape,
    /// Padding before the data that has not come yet.
    padding: usize,
    /// Bytes of data that have come.
    filled: usize,
    /// Bytes of data that have been digested.
    digested: usize,
    digest: Crc32c,
    /// Bytes of data and digest that are still to be thrown away, once that has begun.
    discard: Option<usize>,
}

impl Pending {
    /// Data are digested in pieces of at least this size, except for the last: small ones cost several times as much a byte.
    const PIECE: usize = 16 << 10;

    /// `None` if the PDU ends with its header.
    #[inline]
    pub(super) fn new(shape: Shape) -> Option<Self> {
        if shape.data_len == 0 {
            return None;
        }
        let padding = usize::from(shape.data_offset).saturating_sub(shape.header_end());
        Some(Self { shape, padding, filled: 0, digested: 0, digest: Crc32c::new(), discard: None })
    }

    #[inline]
    pub(super) const fn shape(&self) -> &Shape {
        &self.shape
    }

    #[inline]
    pub(super) fn data_len(&self) -> usize {
        to_usize(self.shape.data_len)
    }

    /// Bytes of padding, and of data and digest, that have not been taken.
    pub(super) fn lengths(&self) -> (usize, usize) {
        let digest = if self.shape.data_digest { 4 } else { 0 };
        let rest = self.data_len().saturating_sub(self.filled).saturating_add(digest);
        (self.padding, self.discard.unwrap_or(rest))
    }

    /// Whether nothing has been placed or thrown away.
    pub(super) const fn is_untouched(&self) -> bool {
        self.filled == 0 && self.discard.is_none()
    }

    /// `place` has [`data_len`](Self::data_len) bytes.
    #[inline]
    pub(super) fn place(&mut self, place: &mut [u8], buffer: &mut LinearBuffer) -> Placed {
        self.padding = self.padding.saturating_sub(buffer.take(self.padding).len());
        let missing = place.get_mut(self.filled..).unwrap_or_default();
        let come = buffer.take(missing.len());
        if let Some(room) = missing.get_mut(..come.len()) {
            room.copy_from_slice(come);
        }
        self.filled = self.filled.saturating_add(come.len());
        let missing = place.len().saturating_sub(self.filled);
        if self.shape.data_digest {
            let undigested = place.get(self.digested..self.filled).unwrap_or_default();
            if missing == 0 || undigested.len() >= Self::PIECE {
                self.digest.update(undigested);
                self.digested = self.filled;
            }
        }
        if missing > 0 {
            return Placed::More { filled: self.filled, missing };
        }
        if !self.shape.data_digest {
            return Placed::Done(DataDigest::Absent);
        }
        match buffer.filled().first_chunk().copied() {
            Some(received) => {
                buffer.take(4);
                Placed::Done(DataDigest::compare(u32::from_le_bytes(received), self.digest.finish()))
            }
            None => Placed::More { filled: self.filled, missing },
        }
    }

    /// `n` bytes were placed by the reader; as many as could have been are counted.
    #[inline]
    pub(super) fn placed(&mut self, n: usize) -> usize {
        if self.padding > 0 {
            return 0;
        }
        let n = n.min(self.data_len().saturating_sub(self.filled));
        self.filled = self.filled.saturating_add(n);
        n
    }

    /// How many of `have` buffered bytes are to be thrown away.
    pub(super) fn throw_away(&mut self, have: usize) -> usize {
        let (padding, rest) = self.lengths();
        let left = padding.saturating_add(rest);
        let n = left.min(have);
        self.padding = 0;
        self.discard = Some(left.saturating_sub(n));
        n
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self.discard, Some(0))
    }
}

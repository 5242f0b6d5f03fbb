//! Data on their way to where they belong.

use super::buffer::LinearBuffer;
use super::framer::to_usize;
use super::rules::DataDigest;
use crate::digest::Crc32c;
use crate::pdu::{PduType, Shape};

/// What [`Framer::place`](super::Framer::place) has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// More is to come.
    More {
        /// Bytes of the place that are filled.
        filled: usize,
        /// Bytes that may be read straight to where the place is not filled. 0: padding in front of the data or the digest behind them comes
        /// next, so read into the framer.
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

    /// `n` bytes that nobody wants, all of them still to come.
    pub(super) const fn unwanted(n: usize) -> Self {
        let shape = Shape {
            pdu_type: PduType::C2hData,
            header_digest: false,
            data_digest: false,
            data_offset: 0,
            data_len: 0,
            pdu_len: 0,
        };
        Self { shape, padding: 0, filled: 0, digested: 0, digest: Crc32c::new(), discard: Some(n) }
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
        if self.padding > 0 {
            self.padding = self.padding.saturating_sub(buffer.take(self.padding).len());
            if self.padding > 0 {
                return Placed::More { filled: 0, missing: 0 };
            }
        }
        if buffer.len() > 0 {
            let missing = place.get_mut(self.filled..).unwrap_or_default();
            let come = buffer.take(missing.len());
            if let Some(room) = missing.get_mut(..come.len()) {
                room.copy_from_slice(come);
            }
            self.filled = self.filled.saturating_add(come.len());
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataAlignment;
    use crate::digest::Digests;
    use crate::frame::{Framer, Limits, Transmit};
    use crate::pdu::{C2hData, Format, Role};
    use alloc::vec::Vec;

    /// A reader that puts as much as it may straight to the place meets 36 bytes of padding, cut anywhere.
    #[test]
    fn padding_never_goes_to_the_place() {
        let format = Format { digests: Digests::BOTH, alignment: DataAlignment::new(15).unwrap() };
        let data: Vec<u8> = (1..=80).collect();
        let mut bytes =
            Transmit::new(C2hData::new(1, 0, 80).last(), format, &data).unwrap().chunks().concat();
        bytes[28..64].fill(0xee);
        for cut in 28..bytes.len() {
            let mut framer = Framer::new(Role::Host, Limits::default());
            framer.ready(format, Limits::default());
            framer.push(&bytes[..cut]);
            framer.next_header().unwrap().unwrap();
            let (mut place, mut rest) = ([0; 80], &bytes[cut..]);
            let digest = loop {
                let n = match framer.place(&mut place).unwrap() {
                    Placed::Done(digest) => break digest,
                    Placed::More { missing: 0, .. } => framer.push(&rest[..1]),
                    Placed::More { filled, missing } => {
                        assert!(missing <= 80 - filled, "{cut}");
                        let n = missing.min(7);
                        place[filled..filled + n].copy_from_slice(&rest[..n]);
                        framer.placed(n);
                        n
                    }
                };
                rest = &rest[n..];
            };
            assert_eq!((&place[..], digest, rest.len()), (&data[..], DataDigest::Good, 0), "{cut}");
            assert_eq!(framer.position(), u64::try_from(bytes.len()).unwrap());
        }
    }
}

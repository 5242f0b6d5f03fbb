//! The short way for the state machines: PDUs without digests and padding, whose data are just bytes.
//!
//! A header that [`take_plain`](Framer::take_plain) gave is followed by its data, which the framer does not keep account of: the machine takes all of them,
//! by [`take_data`](Framer::take_data), [`fill_place`](Framer::fill_place), [`passed`](Framer::passed) or [`ignore`](Framer::ignore), before it asks for the next header.

use super::Framer;
use super::place::{Pending, Placed};
use super::rules::DataDigest;
use crate::machine::Direct;
use crate::pdu::CapsuleCmd;
use crate::pdu::header::Usual;
use crate::sqe::Sqe;

impl Framer {
    /// The code of the PDU in front, if PDUs without digests and padding are what comes.
    #[inline(always)]
    pub(crate) fn plain_code(&self) -> Option<u8> {
        if !self.is_usual || self.pending.is_some() {
            return None;
        }
        self.buffer.filled().first().copied()
    }

    /// Whether nothing has come that was not taken, of PDUs without digests and padding.
    #[inline(always)]
    pub(crate) fn is_dry(&self) -> bool {
        self.is_usual && self.buffer.len() == 0
    }

    /// Takes the header in front if it is one of this type, without digests and padding, and right, and tells how many bytes of data follow. The caller
    /// has asked for the [`plain_code`](Self::plain_code), and it is that of the type.
    #[inline(always)]
    pub(crate) fn take_plain<H: Usual>(&mut self) -> Option<(H, usize)> {
        let (header, shape) = self.rules.usual_as(self.buffer.filled())?;
        let len = usize::from(H::HEADER_LEN);
        self.pass_header(len);
        Some((header, super::framer::to_usize(shape.data_len)))
    }

    /// The same for a command capsule, whose command goes to `sqe`.
    #[inline(always)]
    pub(crate) fn take_command(&mut self, sqe: &mut Sqe) -> Option<usize> {
        let bytes: &[u8; CapsuleCmd::LEN] = self.buffer.filled().first_chunk()?;
        let (_, shape) = self.rules.usual_as::<CapsuleCmd>(bytes)?;
        read_command(bytes.last_chunk()?, sqe);
        self.pass_header(CapsuleCmd::LEN);
        Some(super::framer::to_usize(shape.data_len))
    }

    /// `len` bytes of data, if they are all there: if [`buffered`](Self::buffered) says so.
    #[inline(always)]
    pub(crate) fn take_data(&mut self, len: usize) -> Option<&[u8]> {
        if self.buffer.len() < len {
            return None;
        }
        self.last = 0;
        self.advance(len);
        Some(self.buffer.take(len))
    }

    /// `n` bytes of data are needed to get on.
    #[inline]
    pub(crate) const fn expect(&mut self, n: usize) {
        self.want = n;
    }

    /// Copies data to their place, as many as have come; whether that were all that are missing.
    ///
    /// A place that is too small is one that has shrunk while the machine had it: the data have no place any more, and are thrown away.
    #[inline(always)]
    pub(crate) fn fill_place(&mut self, place: &mut [u8], direct: &mut Direct) -> bool {
        self.last = 0;
        if place.len() < direct.missing {
            self.ignore(direct.missing);
            *direct = Direct::default();
            return true;
        }
        self.want = 1;
        let n = direct.missing.min(self.buffer.len());
        if n > 0
            && let Some(room) = place.get_mut(..n)
            && let Some(come) = self.buffer.filled().get(..n)
        {
            room.copy_from_slice(come);
            self.buffer.pass(n);
            self.advance(n);
            direct.received(n);
        }
        direct.missing == 0
    }

    /// The same for data that have padding or a digest: [`place`](Framer::place) for a place of the right size. `None`: more is to come, to where `direct`
    /// tells; `at` is where the place begins.
    #[inline(never)]
    pub(crate) fn place_at(
        &mut self,
        place: &mut [u8],
        at: usize,
        direct: &mut Direct,
    ) -> Option<DataDigest> {
        *direct = Direct::default();
        match self.place(place) {
            Ok(Placed::Done(digest)) => Some(digest),
            Ok(Placed::More { filled, missing }) => {
                *direct = Direct { from: at.saturating_add(filled), missing };
                None
            }
            // The place has shrunk: the data are thrown away when the next header is asked for.
            Err(_) => Some(DataDigest::Absent),
        }
    }

    /// `n` bytes of data went straight to their place.
    #[inline(always)]
    pub(crate) const fn passed(&mut self, n: usize) {
        self.advance(n);
    }

    /// `n` bytes of data are thrown away as they come.
    #[cold]
    pub(crate) fn ignore(&mut self, n: usize) {
        self.last = 0;
        self.want = 1;
        self.pending = Some(Pending::unwanted(n));
    }

    /// Goes on behind a header of `len` bytes, which are there.
    #[inline(always)]
    fn pass_header(&mut self, len: usize) {
        self.buffer.pass(len);
        self.advance(len);
        self.last = len;
    }
}

/// On its own, so that the compiler sees that it is but a copy of 64 bytes.
#[inline(never)]
fn read_command(bytes: &[u8; Sqe::LEN], sqe: &mut Sqe) {
    *sqe = Sqe::from_bytes(bytes);
}

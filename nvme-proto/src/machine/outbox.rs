//! What is to be sent: heads and digests in one piece of memory, data where the caller left it.

use alloc::boxed::Box;
use alloc::vec;

use super::Ring;
use crate::digest::{Digests, crc32c};
use crate::pdu::{Flags, Format, PduHeader};

/// Bytes in front of the data of any PDU (header, digest, padding), and behind them. The longest are those of a capsule with a header digest
/// (76 bytes) and data aligned to 72 bytes.
const HEAD_MAX: usize = 144;
const DIGEST_LEN: usize = 4;
/// The largest PDU without lent data: a terminate request, 24 bytes and up to 128 of the header it is about.
const TERM_MAX: usize = 152;
/// Parts a PDU has at most: head, data, digest.
const PARTS: usize = 3;

/// PDUs that wait for the socket, as parts.
///
/// Heads and digests are encoded into an arena of a fixed size. Neighbours in the arena are lent as one chunk, so a batch of PDUs without
/// data is one chunk, and PDUs with data take two chunks each.
#[derive(Debug)]
pub(crate) struct Outbox {
    arena: Box<[u8]>,
    /// End of what is used of the arena.
    end: usize,
    parts: Ring<Part>,
    /// Bytes of the first part that are sent.
    sent: usize,
    /// The PDU in front is sent in part.
    begun: bool,
}

/// Bytes that are sent in one piece.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    /// The slot whose buffer has them; `None`: the arena does.
    slot: Option<u16>,
    /// The PDU ends here.
    last: bool,
    /// The first of them.
    from: usize,
    len: usize,
}

/// Data that a PDU takes from the buffer of a slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lent {
    pub(crate) slot: u16,
    pub(crate) from: usize,
    pub(crate) len: usize,
    /// Digest of the data, when digests are on.
    pub(crate) digest: Option<u32>,
}

impl Lent {
    /// `len` bytes from byte `from` of a slot's buffer, with their digest if data digests are on; `None` if the buffer does not have them.
    #[inline]
    pub(crate) fn of(slot: u16, bytes: &[u8], from: u32, len: u32, digests: Digests) -> Option<Self> {
        let from = usize::try_from(from).ok()?;
        let len = usize::try_from(len).ok()?;
        let piece = bytes.get(from..)?.get(..len)?;
        let digest = digests.data.then(|| crc32c(piece));
        Some(Self { slot, from, len, digest })
    }
}

impl Outbox {
    /// Room for `pdus` PDUs.
    pub(crate) fn new(pdus: usize) -> Self {
        let pdus = pdus.max(1);
        let arena = pdus.saturating_mul(HEAD_MAX + DIGEST_LEN).saturating_add(TERM_MAX);
        Self {
            arena: vec![0; arena].into_boxed_slice(),
            end: 0,
            parts: Ring::new(pdus.saturating_add(1).saturating_mul(PARTS)),
            sent: 0,
            begun: false,
        }
    }

    /// Whether one more PDU fits; room for a terminate request is kept back.
    #[inline]
    pub(crate) fn has_room(&mut self) -> bool {
        if self.free() < TERM_MAX + HEAD_MAX + DIGEST_LEN {
            self.compact();
        }
        self.free() >= TERM_MAX + HEAD_MAX + DIGEST_LEN
            && self.parts.len().saturating_add(2 * PARTS) <= self.parts.room()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds a PDU in `format`. `false`: there was no room (or the header does not fit the data), and nothing was added.
    pub(crate) fn push_pdu<H: PduHeader>(
        &mut self,
        mut header: H,
        format: Format,
        data: Option<Lent>,
    ) -> bool {
        let len = u32::try_from(data.map_or(0, |data| data.len)).unwrap_or(u32::MAX);
        if format.apply(&mut header, len).is_err() {
            return false;
        }
        let encoded = header.to_bytes();
        let encoded = encoded.as_ref();
        let envelope = header.envelope();
        let has_digest = envelope.flags.contains(Flags::HDGSTF);
        let end = encoded.len().saturating_add(if has_digest { DIGEST_LEN } else { 0 });
        // Without data PDO is 0.
        let head_len = end.max(usize::from(envelope.data_offset));
        let Some((head, at)) = self.head(head_len, data) else { return false };
        let Some((header, behind)) = head.split_at_mut_checked(encoded.len()) else { return false };
        header.copy_from_slice(encoded);
        if !behind.is_empty() {
            behind.fill(0);
            if has_digest && let Some(digest) = behind.first_chunk_mut() {
                *digest = crc32c(encoded).to_le_bytes();
            }
        }
        self.parts(at, head_len, data);
        true
    }

    /// Adds a PDU: its head, and its data if it has any. `false`: there was no room, and nothing was added.
    pub(crate) fn push(&mut self, head: &[u8], data: Option<Lent>) -> bool {
        let Some((room, at)) = self.head(head.len(), data) else { return false };
        room.copy_from_slice(head);
        self.parts(at, head.len(), data);
        true
    }

    /// Room for the head of a PDU, with the digest of its data written behind it, and where that is.
    #[inline]
    fn head(&mut self, len: usize, data: Option<Lent>) -> Option<(&mut [u8], usize)> {
        let digest = data.and_then(|data| data.digest);
        let need = len.saturating_add(if digest.is_some() { DIGEST_LEN } else { 0 });
        if self.free() < need {
            self.compact();
        }
        let at = self.end;
        let (head, behind) = self.arena.get_mut(at..)?.get_mut(..need)?.split_at_mut_checked(len)?;
        if let (Some(digest), Some(behind)) = (digest, behind.first_chunk_mut()) {
            *behind = digest.to_le_bytes();
        }
        self.end = at.saturating_add(need);
        Some((head, at))
    }

    /// The parts of a PDU whose head is at `at`.
    #[inline]
    fn parts(&mut self, at: usize, len: usize, data: Option<Lent>) {
        self.parts.push(Part { slot: None, last: data.is_none(), from: at, len });
        let Some(data) = data else { return };
        let last = data.digest.is_none();
        self.parts.push(Part { slot: Some(data.slot), last, from: data.from, len: data.len });
        if !last {
            let from = at.saturating_add(len);
            self.parts.push(Part { slot: None, last: true, from, len: DIGEST_LEN });
        }
    }

    /// The bytes to send, in order, in as few pieces as can be. `data` finds a slot's buffer.
    pub(crate) fn chunks<'a, F>(&'a self, data: F) -> impl Iterator<Item = &'a [u8]>
    where
        F: Fn(u16) -> &'a [u8] + 'a,
    {
        let mut number = 0_usize;
        let mut skip = self.sent;
        core::iter::from_fn(move || {
            let part = self.parts.get(number)?;
            number = number.saturating_add(1);
            let from = part.from.saturating_add(core::mem::take(&mut skip));
            let mut end = part.from.saturating_add(part.len);
            let bytes = match part.slot {
                Some(slot) => data(slot),
                None => {
                    while let Some(next) = self.parts.get(number)
                        && next.slot.is_none()
                        && next.from == end
                    {
                        end = end.saturating_add(next.len);
                        number = number.saturating_add(1);
                    }
                    &self.arena
                }
            };
            Some(part_of(bytes, from, end.saturating_sub(from)))
        })
    }

    /// `n` bytes were sent. `released` is told of each slot whose data a PDU has done with.
    #[inline]
    pub(crate) fn sent(&mut self, n: usize, mut released: impl FnMut(u16)) {
        self.sent = self.sent.saturating_add(n);
        while let Some(part) = self.parts.front().copied() {
            if self.sent < part.len {
                self.begun |= self.sent > 0;
                return;
            }
            self.sent = self.sent.saturating_sub(part.len);
            self.take_front(&mut released);
        }
        // More than there was to send: nothing to count it against.
        self.sent = 0;
    }

    /// Drops every PDU of which no byte was sent. One that was begun has to be ended, or the peer could not tell where the next begins.
    pub(crate) fn keep_begun(&mut self, mut released: impl FnMut(u16)) {
        let begun = self.begun_parts();
        while self.parts.len() > begun {
            let Some(part) = self.parts.pop_last() else { break };
            if let Some(slot) = part.slot {
                released(slot);
            }
        }
        let ends = self.in_arena().map(|part| part.from.saturating_add(part.len));
        self.end = ends.max().unwrap_or(0);
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, mut released: impl FnMut(u16)) {
        while !self.parts.is_empty() {
            self.take_front(&mut released);
        }
        self.sent = 0;
        self.end = 0;
    }

    /// Parts of the PDU in front if a byte of it was sent, else none.
    fn begun_parts(&self) -> usize {
        if !self.begun {
            return 0;
        }
        self.parts.iter().position(|part| part.last).map_or(0, |at| at.saturating_add(1))
    }

    #[inline]
    fn take_front(&mut self, released: &mut impl FnMut(u16)) {
        let Some(part) = self.parts.pop() else { return };
        self.begun = !part.last;
        if let Some(slot) = part.slot {
            released(slot);
        }
        if self.parts.is_empty() {
            self.end = 0;
        }
    }

    /// The parts in the arena.
    fn in_arena(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.slot.is_none())
    }

    #[inline]
    fn free(&self) -> usize {
        self.arena.len().saturating_sub(self.end)
    }

    /// Moves what is not sent to the beginning of the arena.
    #[cold]
    fn compact(&mut self) {
        let start = self.in_arena().next().map_or(self.end, |part| part.from);
        if start == 0 || start > self.end {
            return;
        }
        self.arena.copy_within(start..self.end, 0);
        for number in 0..self.parts.len() {
            if let Some(part) = self.parts.get_mut(number)
                && part.slot.is_none()
            {
                part.from = part.from.saturating_sub(start);
            }
        }
        self.end = self.end.saturating_sub(start);
    }
}

/// `len` bytes from `from` on, fewer when there are fewer.
fn part_of(bytes: &[u8], from: usize, len: usize) -> &[u8] {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.get(..len).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const DATA: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

    fn chunks(outbox: &Outbox) -> Vec<Vec<u8>> {
        outbox.chunks(|_| &DATA).map(<[u8]>::to_vec).collect()
    }

    fn lent(digest: Option<u32>) -> Option<Lent> {
        Some(Lent { slot: 3, from: 2, len: 4, digest })
    }

    #[test]
    fn neighbours_are_one_chunk_and_data_is_lent() {
        let mut outbox = Outbox::new(8);
        assert!(outbox.push(b"aaaaaaaa", None));
        assert!(outbox.push(b"bbbbbbbb", lent(Some(0x6463_6261))));
        assert!(outbox.push(b"cccccccc", lent(None)));
        assert_eq!(
            chunks(&outbox),
            [&b"aaaaaaaabbbbbbbb"[..], &[3, 4, 5, 6], b"abcdcccccccc", &[3, 4, 5, 6]]
        );
    }

    #[test]
    fn every_way_to_send_in_two_gives_the_same_bytes_and_releases_once() {
        let fill = || {
            let mut outbox = Outbox::new(8);
            outbox.push(b"aaaaaaaa", lent(Some(0x6463_6261)));
            outbox.push(b"bbbbbbbb", lent(None));
            outbox.push(b"cccccccc", None);
            outbox
        };
        let all = chunks(&fill()).concat();
        assert_eq!(all.len(), 8 + 4 + 4 + 8 + 4 + 8);
        for cut in 0..=all.len() {
            let mut outbox = fill();
            let mut released = Vec::new();
            outbox.sent(cut, |slot| released.push(slot));
            assert_eq!(chunks(&outbox).concat(), &all[cut..]);
            outbox.sent(all.len() - cut, |slot| released.push(slot));
            assert!(outbox.is_empty() && !outbox.begun && outbox.end == 0);
            assert_eq!(released, [3, 3]);
        }
    }

    #[test]
    fn what_has_begun_is_kept_and_what_has_not_is_dropped() {
        let fill = || {
            let mut outbox = Outbox::new(8);
            outbox.push(b"aaaaaaaa", lent(Some(0x6463_6261)));
            outbox.push(b"bbbbbbbb", lent(None));
            outbox.push(b"cccccccc", None);
            outbox
        };
        let all = chunks(&fill()).concat();
        let ends = [0, 16, 28, 36];
        for cut in 0..=all.len() {
            let mut outbox = fill();
            let mut released = 0;
            outbox.sent(cut, |_| released += 1);
            outbox.keep_begun(|_| released += 1);
            let end = *ends.iter().find(|end| **end >= cut).unwrap();
            assert_eq!(chunks(&outbox).concat(), &all[cut..end], "{cut}");
            assert!(outbox.push(b"tttttttt", None));
            assert_eq!(chunks(&outbox).concat(), [&all[cut..end], b"tttttttt"].concat());
            outbox.sent(usize::MAX, |_| released += 1);
            assert_eq!((released, outbox.begun), (2, false));
        }
    }

    #[test]
    fn every_alignment_has_room_for_its_padding() {
        use crate::DataAlignment;
        use crate::pdu::{CapsuleCmd, CommonHeader};
        let mut longest = 0;
        for (field, dgst) in (0..32).flat_map(|field| [(field, 0), (field, 3)]) {
            let digests = Digests::from_dgst(dgst);
            let format = Format { digests, alignment: DataAlignment::new(field).unwrap() };
            let mut outbox = Outbox::new(1);
            assert!(outbox.push_pdu(CapsuleCmd::new([7; 64]), format, lent(digests.data.then_some(9))));
            let chunks = chunks(&outbox);
            let common = CommonHeader::decode(chunks[0].first_chunk().unwrap());
            assert_eq!(chunks[0].len(), usize::from(common.data_offset));
            assert_eq!(chunks.concat().len(), usize::try_from(common.pdu_len).unwrap());
            assert_eq!(chunks[0].len() % usize::from(format.alignment.bytes()), 0);
            longest = longest.max(chunks[0].len());
        }
        assert_eq!(longest, HEAD_MAX);
    }

    #[test]
    fn the_arena_never_grows_and_goes_round() {
        let mut outbox = Outbox::new(4);
        let (size, parts) = (outbox.arena.len(), outbox.parts.room());
        let mut queued = 0_u32;
        let mut sent = Vec::new();
        for round in 0_u32..1000 {
            while outbox.has_room() {
                let mut head = [0; HEAD_MAX];
                head[..4].copy_from_slice(&queued.to_le_bytes());
                assert!(outbox.push(&head, None));
                queued += 1;
            }
            let take = usize::try_from(round).unwrap() % 300;
            let bytes = chunks(&outbox).concat();
            sent.extend_from_slice(&bytes[..take.min(bytes.len())]);
            outbox.sent(take.min(bytes.len()), |_| {});
        }
        assert_eq!((outbox.arena.len(), outbox.parts.room()), (size, parts));
        for (want, head) in (0_u32..).zip(sent.chunks_exact(HEAD_MAX)) {
            assert_eq!(head[..4], want.to_le_bytes());
        }
    }
}

//! What is to be sent: heads and digests in one piece of memory, data where the caller left it.

use alloc::boxed::Box;
use alloc::vec;

mod encode;
mod rest;

pub(crate) use encode::Lent;

use super::Ring;
use crate::frame::to_usize;
use rest::{Rest, part_of};

/// Bytes in front of the data of any PDU (header, digest, padding), and behind them. The longest are those of a capsule with a header digest
/// (76 bytes) and data aligned to 72 bytes.
const HEAD_MAX: usize = 144;
const DIGEST_LEN: usize = 4;
/// The largest PDU without lent data: a terminate request, 24 bytes and up to 128 of the header it is about.
const TERM_MAX: usize = 152;
/// What has to be free for one more PDU: its own room, and that of a terminate request.
const RESERVE: usize = TERM_MAX + HEAD_MAX + DIGEST_LEN;

/// PDUs that wait for the socket.
///
/// Heads and digests are encoded into an arena of a fixed size. Neighbours in the arena are lent as one chunk, so a batch of PDUs without
/// data is one chunk, and PDUs with data take two chunks each.
#[derive(Debug)]
pub(crate) struct Outbox {
    arena: Box<[u8]>,
    /// End of what is used of the arena.
    end: usize,
    /// Where `end` may be at most for one more PDU.
    end_max: usize,
    queue: Ring<Queued>,
    /// PDUs that may be queued at most for one more.
    queue_max: usize,
    /// Bytes of the PDU in front that are sent.
    sent: usize,
    /// PDUs that were ever queued, and how many of them the caller has seen.
    pushed: u64,
    given: u64,
}

/// A PDU: its head in the arena, its data in the buffer of a slot, the digest of the data behind the head in the arena.
///
/// Kept small: three of them share a line of the cache.
#[derive(Debug, Clone, Copy, Default)]
struct Queued {
    /// The first byte of the data in the buffer of the slot, and their length.
    from: u32,
    data: u32,
    /// Where the head begins, and its length.
    at: u32,
    head: u8,
    /// Bytes of the digest of the data.
    digest: u8,
    /// The slot whose buffer has the data; `None`: no data.
    slot: Option<u16>,
}

impl Queued {
    /// Bytes of the whole PDU.
    #[inline]
    fn len(&self) -> usize {
        self.in_arena().wrapping_add(to_usize(self.data))
    }

    /// Bytes in the arena.
    #[inline]
    fn in_arena(&self) -> usize {
        usize::from(self.head).wrapping_add(usize::from(self.digest))
    }

    /// Where the head begins in the arena.
    #[inline]
    fn start(&self) -> usize {
        to_usize(self.at)
    }

    /// Where the head ends in the arena.
    #[inline]
    fn head_end(&self) -> usize {
        self.start().wrapping_add(usize::from(self.head))
    }
}

impl Outbox {
    /// Room for `pdus` PDUs.
    pub(crate) fn new(pdus: usize) -> Self {
        let pdus = pdus.max(1);
        let arena = pdus.saturating_mul(HEAD_MAX + DIGEST_LEN).saturating_add(TERM_MAX);
        // Most heads are less than half as long as the longest.
        let queue: Ring<Queued> = Ring::new(pdus.saturating_add(1).saturating_mul(2));
        Self {
            end_max: arena.saturating_sub(RESERVE),
            arena: vec![0; arena].into_boxed_slice(),
            end: 0,
            queue_max: queue.room().saturating_sub(2),
            queue,
            sent: 0,
            pushed: 0,
            given: 0,
        }
    }

    /// Whether one more PDU fits; room for a terminate request is kept back.
    #[inline]
    pub(crate) fn has_room(&mut self) -> bool {
        if self.end > self.end_max {
            self.compact();
        }
        self.end <= self.end_max && self.queue.len() <= self.queue_max
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a PDU: its head, and its data if it has any. `false`: there was no room, and nothing was added.
    pub(crate) fn push(&mut self, head: &[u8], data: Option<Lent>) -> bool {
        let Some(room) = self.head(head.len(), data) else { return false };
        room.copy_from_slice(head);
        true
    }

    /// Adds a PDU whose head is still to be written, which is lent for that; the digest of its data is written behind it.
    #[inline(always)]
    fn head(&mut self, len: usize, data: Option<Lent>) -> Option<&mut [u8]> {
        let digest = data.and_then(|data| data.digest);
        // Both are at most 152.
        let in_arena = len.wrapping_add(if digest.is_some() { DIGEST_LEN } else { 0 });
        if self.arena.len().wrapping_sub(self.end) < in_arena {
            self.compact();
        }
        let at = self.end;
        let end = at.wrapping_add(in_arena);
        let room = self.arena.get_mut(at..end)?;
        let (head, behind) = room.split_at_mut_checked(len)?;
        if let (Some(digest), Some(behind)) = (digest, behind.first_chunk_mut()) {
            *behind = digest.to_le_bytes();
        }
        let pdu = Queued {
            from: data.map_or(0, |data| data.from),
            data: data.map_or(0, |data| data.len),
            // The arena has less than a megabyte, and no head more than 152 bytes.
            at: u32::try_from(at).unwrap_or(u32::MAX),
            head: u8::try_from(len).unwrap_or(u8::MAX),
            digest: if digest.is_some() { 4 } else { 0 },
            slot: data.map(|data| data.slot),
        };
        if !self.queue.push(pdu) {
            return None;
        }
        self.end = end;
        self.pushed = self.pushed.wrapping_add(1);
        Some(head)
    }

    /// The number of the PDU that was queued last.
    #[inline]
    pub(crate) fn ticket(&self) -> u64 {
        self.pushed
    }

    /// The caller sees all that is queued, and may send it.
    #[inline]
    pub(crate) fn give(&mut self) {
        self.given = self.pushed;
    }

    /// Whether the PDU with this number may have been sent: the peer cannot know of it before.
    #[inline]
    pub(crate) fn is_given(&self, ticket: u64) -> bool {
        ticket <= self.given
    }

    /// The bytes to send, in order, in as few pieces as can be. `data` finds a slot's buffer.
    pub(crate) fn chunks<'a, F>(&'a self, data: F) -> impl Iterator<Item = &'a [u8]>
    where
        F: Fn(u16) -> &'a [u8] + 'a,
    {
        let mut rest = Rest::of(self.queue.front(), self.sent);
        core::iter::from_fn(move || {
            if let Some((slot, from, len)) = rest.piece.take() {
                return Some(part_of(data(slot), from, len));
            }
            // Heads and digests up to the next data: they are neighbours.
            let start = rest.at;
            let mut end = self.end;
            while let Some(pdu) = self.queue.get(rest.number) {
                rest.number = rest.number.wrapping_add(1);
                if let Some(slot) = pdu.slot {
                    end = pdu.head_end();
                    rest.piece = Some((slot, to_usize(pdu.from), to_usize(pdu.data)));
                    break;
                }
            }
            rest.at = end;
            (start < end).then(|| part_of(&self.arena, start, end.wrapping_sub(start)))
        })
    }

    /// `n` bytes were sent. `released` is told of each slot whose data a PDU has done with.
    #[inline]
    pub(crate) fn sent(&mut self, n: usize, mut released: impl FnMut(u16)) {
        let mut sent = self.sent.saturating_add(n);
        while let Some(front) = self.queue.front() {
            let (len, slot) = (front.len(), front.slot);
            if sent < len {
                self.sent = sent;
                return;
            }
            sent = sent.wrapping_sub(len);
            self.queue.pop();
            if let Some(slot) = slot {
                released(slot);
            }
        }
        // More than there was to send: nothing to count it against.
        self.sent = 0;
        self.end = 0;
    }

    /// Drops every PDU of which no byte was sent. One that was begun has to be ended, or the peer could not tell where the next begins.
    pub(crate) fn keep_begun(&mut self, mut released: impl FnMut(u16)) {
        let begun = usize::from(self.sent > 0);
        while self.queue.len() > begun
            && let Some(pdu) = self.queue.pop_last()
        {
            if let Some(slot) = pdu.slot {
                released(slot);
            }
        }
        self.end = self.queue.front().map_or(0, |pdu| pdu.start().saturating_add(pdu.in_arena()));
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self, released: impl FnMut(u16)) {
        self.sent(usize::MAX, released);
    }

    /// Moves what is not sent to the beginning of the arena.
    #[cold]
    fn compact(&mut self) {
        let start = self.queue.front().map_or(self.end, Queued::start);
        if start == 0 || start > self.end {
            return;
        }
        self.arena.copy_within(start..self.end, 0);
        for number in 0..self.queue.len() {
            if let Some(pdu) = self.queue.get_mut(number) {
                pdu.at = pdu.at.saturating_sub(u32::try_from(start).unwrap_or(0));
            }
        }
        self.end = self.end.saturating_sub(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digests;
    use crate::pdu::{CapsuleCmd, Format};
    use alloc::vec::Vec;

    const DATA: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

    fn chunks(outbox: &Outbox) -> Vec<Vec<u8>> {
        outbox.chunks(|_| &DATA).map(<[u8]>::to_vec).collect()
    }

    fn lent(digest: Option<u32>) -> Option<Lent> {
        Some(Lent { slot: 3, from: 2, len: 4, digest })
    }

    /// Two PDUs with data and one without.
    fn filled() -> Outbox {
        let mut outbox = Outbox::new(8);
        outbox.push(b"aaaaaaaa", lent(Some(0x6463_6261)));
        outbox.push(b"bbbbbbbb", lent(None));
        outbox.push(b"cccccccc", None);
        outbox
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
        let all = chunks(&filled()).concat();
        assert_eq!(all.len(), 8 + 4 + 4 + 8 + 4 + 8);
        for cut in 0..=all.len() {
            let mut outbox = filled();
            let mut released = Vec::new();
            outbox.sent(cut, |slot| released.push(slot));
            assert_eq!(chunks(&outbox).concat(), &all[cut..]);
            outbox.sent(all.len() - cut, |slot| released.push(slot));
            assert_eq!((outbox.is_empty(), outbox.sent, outbox.end), (true, 0, 0));
            assert_eq!(released, [3, 3]);
        }
    }

    #[test]
    fn what_has_begun_is_kept_and_what_has_not_is_dropped() {
        let all = chunks(&filled()).concat();
        let ends = [0, 16, 28, 36];
        for cut in 0..=all.len() {
            let mut outbox = filled();
            let mut released = 0;
            outbox.sent(cut, |_| released += 1);
            outbox.keep_begun(|_| released += 1);
            let end = *ends.iter().find(|end| **end >= cut).unwrap();
            assert_eq!(chunks(&outbox).concat(), &all[cut..end], "{cut}");
            assert!(outbox.push(b"tttttttt", None));
            assert_eq!(chunks(&outbox).concat(), [&all[cut..end], b"tttttttt"].concat());
            outbox.sent(usize::MAX, |_| released += 1);
            assert_eq!((released, outbox.sent), (2, 0));
        }
    }

    #[test]
    fn every_alignment_has_room_for_its_padding() {
        use crate::DataAlignment;
        use crate::pdu::CommonHeader;
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
        let (size, room) = (outbox.arena.len(), outbox.queue.room());
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
        assert_eq!((outbox.arena.len(), outbox.queue.room()), (size, room));
        for (want, head) in (0_u32..).zip(sent.chunks_exact(HEAD_MAX)) {
            assert_eq!(head[..4], want.to_le_bytes());
        }
    }
}

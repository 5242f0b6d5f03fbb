//! A linear buffer: filled at its end, consumed at its start.

use alloc::vec;
use alloc::vec::Vec;

/// Bytes that were received and not consumed yet.
///
/// They move to the front when the room behind them is too small, which costs less than one copied byte for each byte received: what moves
/// belongs to one PDU, and each PDU moves at most once, or else a quarter of the buffer moves after half of it was consumed.
#[derive(Debug)]
pub(crate) struct LinearBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl LinearBuffer {
    /// The least it grows to: room for any header and its digest.
    const LEAST: usize = 256;

    pub(crate) fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity], start: 0, end: 0 }
    }

    /// What was received and not consumed.
    #[inline]
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Consumes `n` bytes, or all, and lends them.
    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> &[u8] {
        let start = self.start;
        self.start = start.saturating_add(n).min(self.end);
        self.bytes.get(start..self.start).unwrap_or_default()
    }

    /// Consumes `n` bytes that are there.
    #[inline(always)]
    pub(crate) fn pass(&mut self, n: usize) {
        // At most `end`, if the caller keeps its word; else nothing is there any more.
        self.start = self.start.wrapping_add(n);
    }

    /// Up to `n` bytes before what was not consumed: they were consumed last.
    pub(crate) fn behind(&self, n: usize) -> &[u8] {
        self.bytes.get(self.start.saturating_sub(n)..self.start).unwrap_or_default()
    }

    /// Room at the end; at least one byte unless `want` unconsumed bytes are there. `want` is how many are needed to get on. The buffer grows
    /// only when it is full and still short of `want`, and at most to twice what was received.
    #[inline]
    pub(crate) fn space(&mut self, want: usize) -> &mut [u8] {
        let len = self.len();
        let capacity = self.bytes.len();
        if len == 0 {
            self.start = 0;
            self.end = 0;
            if want <= capacity && capacity > 0 {
                return &mut self.bytes;
            }
        }
        let tail = capacity.saturating_sub(self.end);
        let small = capacity / 4;
        if self.start > 0
            && (want > capacity.saturating_sub(self.start) || tail == 0 || (tail < small && len <= small))
        {
            self.bytes.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = len;
        }
        if self.end == capacity && len < want {
            let grown = capacity.saturating_mul(2).min(want).max(Self::LEAST);
            self.bytes.resize(grown, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// `n` bytes of the room were filled.
    #[inline]
    pub(crate) fn fill(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills `n` bytes with numbers that go on from `next`.
    fn fill(buffer: &mut LinearBuffer, want: usize, n: usize, next: &mut u8) -> usize {
        let space = buffer.space(want);
        let n = n.min(space.len());
        for byte in &mut space[..n] {
            *byte = *next;
            *next = next.wrapping_add(1);
        }
        buffer.fill(n);
        n
    }

    #[test]
    fn whatever_the_sizes_bytes_stay_in_order_and_the_buffer_stays_small() {
        for capacity in [0, 1, 7, 16, 64] {
            let mut buffer = LinearBuffer::new(capacity);
            let (mut filled, mut taken) = (0, 0);
            for round in 0..2000_usize {
                let want = 1 + round % 23;
                while buffer.len() < want {
                    assert!(
                        fill(&mut buffer, want, 1 + round % 11, &mut filled) > 0,
                        "no room for what is wanted"
                    );
                }
                for byte in buffer.take(want - round % 3 % want) {
                    assert_eq!(*byte, taken);
                    taken = taken.wrapping_add(1);
                }
                assert_eq!(buffer.behind(1), [taken.wrapping_sub(1)]);
            }
            assert!(buffer.bytes.len() <= capacity.max(LinearBuffer::LEAST));
        }
    }

    #[test]
    fn it_grows_with_what_comes_and_not_with_what_is_wanted() {
        let mut buffer = LinearBuffer::new(16);
        let mut next = 0;
        let mut received = 0;
        while received < 10_000 {
            received += fill(&mut buffer, 10_000, 100, &mut next);
            assert!(buffer.bytes.len() <= (2 * received).max(LinearBuffer::LEAST), "{received}");
        }
        assert_eq!((buffer.len(), buffer.bytes.len()), (10_000, 10_000));
        assert!(buffer.space(10_000).is_empty());
        assert_eq!(buffer.take(usize::MAX).len(), 10_000);
        assert_eq!(buffer.space(1).len(), 10_000);
    }
}

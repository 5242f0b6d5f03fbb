//! Memory for the data of a request.

use std::fmt;

use crate::target::serve::budget::Charge;

/// Bytes with an alignment that storage asked for.
///
/// Aligned by taking more and beginning later, so that no unsafe code is needed.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
    /// The largest length it is used for.
    size: usize,
    /// The memory that is counted, given back with the buffer.
    charge: Option<Charge>,
}

impl Buffer {
    /// The largest alignment, in bytes.
    pub(crate) const MAX_ALIGNMENT: usize = 64 << 10;

    /// `len` zeros.
    pub(crate) fn new(len: usize, alignment: usize) -> Self {
        let mut buffer = Self { size: len, len, ..Self::default() };
        buffer.realign(alignment);
        buffer
    }

    /// Memory that is counted: for up to `size` bytes, of which `len` are used.
    pub(crate) fn charged(size: usize, len: usize, alignment: usize, charge: Charge) -> Self {
        let mut buffer = Self::new(size, alignment);
        buffer.len = len.min(size);
        buffer.charge = Some(charge);
        buffer
    }

    /// Makes it `len` bytes long with whatever content; at most [`size`](Self::size).
    pub(crate) fn reset(&mut self, len: usize, alignment: usize) {
        self.len = len.min(self.size);
        self.realign(alignment);
    }

    /// Aligns it; its content does not matter.
    pub(crate) fn realign(&mut self, alignment: usize) {
        let alignment = alignment.clamp(1, Self::MAX_ALIGNMENT);
        let need = self.size.saturating_add(alignment.saturating_sub(1));
        if self.bytes.len() < need {
            // Not `resize`: nothing of the old content is to be copied, and fresh zeros come cheaper.
            self.bytes = vec![0; need];
        }
        let address = self.bytes.as_ptr().addr();
        self.start = address.next_multiple_of(alignment).saturating_sub(address);
    }

    /// Bytes of memory it takes.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// The largest length it is used for.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// Whether its memory is counted.
    pub(crate) const fn is_charged(&self) -> bool {
        self.charge.is_some()
    }

    /// The bytes alone.
    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        if self.start > 0 {
            return self.as_ref().to_vec();
        }
        self.bytes.truncate(self.len);
        self.bytes
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { start: 0, len: bytes.len(), size: bytes.len(), bytes, charge: None }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(self.start..).and_then(|bytes| bytes.get(..self.len)).unwrap_or_default()
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).and_then(|bytes| bytes.get_mut(..self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for Buffer {
    /// Without the data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_used_again() {
        for (size, alignment) in [(1, 1), (4096, 4096), (512, 512), (8192, 4096), (0, 65536), (100, 1 << 30)]
        {
            let mut buffer = Buffer::new(size, alignment);
            assert_eq!((buffer.as_ref().len(), buffer.as_mut().len()), (size, size));
            assert_eq!(buffer.as_ref().as_ptr().addr() % alignment.min(65536), 0);
            let before = buffer.capacity();
            buffer.reset(size / 2, alignment);
            assert_eq!((buffer.as_ref().len(), buffer.capacity()), (size / 2, before));
            buffer.reset(size + 1, alignment);
            assert_eq!(buffer.as_ref().len(), size, "never longer than it was made for");
        }
    }

    #[test]
    fn bytes_are_given_out_alone() {
        let mut buffer = Buffer::new(100, 4096);
        buffer.as_mut().fill(7);
        buffer.reset(10, 4096);
        assert_eq!(buffer.into_vec(), [7; 10]);
        assert_eq!(Buffer::from(vec![1, 2, 3]).into_vec(), [1, 2, 3]);
    }
}

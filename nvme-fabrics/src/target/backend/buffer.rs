//! Memory for the data of a request.

/// Bytes with an alignment that storage asked for.
///
/// Aligned by taking more and beginning later, so that no unsafe code is needed; what is taken too much is kept with the buffer when it is used
/// again.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

#[allow(dead_code, reason = "the server uses the rest")]
impl Buffer {
    /// The largest alignment, in bytes.
    pub(crate) const MAX_ALIGNMENT: usize = 64 << 10;

    /// `len` zeros.
    pub(crate) fn new(len: usize, alignment: usize) -> Self {
        let mut buffer = Self::default();
        buffer.reset(len, alignment);
        buffer
    }

    /// Makes it `len` bytes long with whatever content; memory that is there already is used again.
    pub(crate) fn reset(&mut self, len: usize, alignment: usize) {
        let alignment = alignment.clamp(1, Self::MAX_ALIGNMENT);
        let need = len.saturating_add(alignment.saturating_sub(1));
        if self.bytes.len() < need {
            // Not `resize`: nothing of the old content is to be copied, and fresh zeros come cheaper.
            self.bytes = vec![0; need];
        }
        let address = self.bytes.as_ptr().addr();
        self.start = address.next_multiple_of(alignment).saturating_sub(address);
        self.len = len;
    }

    /// Bytes of memory it takes.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes alone.
    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        if self.start > 0 {
            return self.as_ref().to_vec();
        }
        self.bytes.truncate(self.len);
        self.bytes
    }

    /// Keeps the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self { start: 0, len: bytes.len(), bytes }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_used_again() {
        let mut buffer = Buffer::default();
        for (len, alignment) in [(1, 1), (4096, 4096), (512, 512), (8192, 4096), (0, 65536), (100, 1 << 30)] {
            buffer.reset(len, alignment);
            assert_eq!((buffer.as_ref().len(), buffer.as_mut().len()), (len, len));
            assert_eq!(buffer.as_ref().as_ptr().addr() % alignment.min(65536), 0);
        }
        let before = buffer.capacity();
        buffer.reset(before / 2, 1);
        assert_eq!(buffer.capacity(), before);
    }
}

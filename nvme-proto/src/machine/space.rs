//! Where bytes from the peer go.

/// Where to read from the socket into: first `payload`, then `buffer`. At most one of the two is empty.
///
/// `payload` is the rest of the data that is just arriving, in the command's own buffer: data read there are not copied again. One
/// `readv` over both takes the end of the data and what follows it in one call. A reader that only fills `buffer` while `payload` is empty
/// is right as well; **`payload` has to be full before a byte goes to `buffer`**.
#[derive(Debug)]
pub struct Space<'a> {
    /// The rest of the data that is arriving; empty when a header is expected.
    pub payload: &'a mut [u8],
    /// The receive buffer's free part.
    pub buffer: &'a mut [u8],
}

impl<'a> Space<'a> {
    /// The one of the two to fill first, for readers that read into one place at a time. Never empty.
    #[must_use]
    #[inline]
    pub fn first(self) -> &'a mut [u8] {
        if self.payload.is_empty() { self.buffer } else { self.payload }
    }

    /// Copies bytes in, as a reader would; says how many fitted.
    pub(crate) fn copy(self, bytes: &[u8]) -> usize {
        let mut taken = 0_usize;
        for to in [self.payload, self.buffer] {
            let rest = bytes.get(taken..).unwrap_or_default();
            let n = rest.len().min(to.len());
            if let (Some(to), Some(from)) = (to.get_mut(..n), rest.get(..n)) {
                to.copy_from_slice(from);
            }
            taken = taken.saturating_add(n);
        }
        taken
    }
}

/// Data on the way into the buffer of a slot.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Direct {
    /// First byte of the slot's buffer that the reader may write.
    pub(crate) from: usize,
    /// Bytes missing until the PDU's data are complete; 0: none are arriving.
    pub(crate) missing: usize,
}

impl Direct {
    /// `n` bytes were read; returns how many of them went to the payload.
    #[inline]
    pub(crate) fn received(&mut self, n: usize) -> usize {
        let placed = n.min(self.missing);
        // Within the buffer, which has that many more.
        self.from = self.from.wrapping_add(placed);
        self.missing = self.missing.wrapping_sub(placed);
        placed
    }
}

//! Memory that is about to be read is fetched into the cache meanwhile.
#![allow(unsafe_code, reason = "the processor's hint has no safe function")]

/// Bytes of a line of the cache.
const LINE: usize = 64;
/// Bytes that are asked for at most. Of what is longer, the processor sees by itself that it is read in order.
const MOST: usize = 4096;

/// Tells the processor that `bytes` are about to be read. Nothing is waited for: all lines are on their way at the same time, and until somebody
/// copies or digests them, most of them have come. To the second level of the cache, since all of a deep queue do not fit into the first.
///
/// Of a disk that is larger than the caches, a third of what a small read cost was waiting for its data in the system's copy to the socket. Does nothing
/// on processors other than x86-64.
#[inline]
pub(super) fn fetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.get(..MOST).unwrap_or(bytes).as_chunks::<LINE>().0 {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: every x86-64 processor has the instruction, and it is a hint: it changes nothing that a program sees, whatever the address; this one
        // is that of bytes that are there.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, LINE, MOST);
}

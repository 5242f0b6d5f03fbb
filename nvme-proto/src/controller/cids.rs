//! Which command identifiers are outstanding.

use alloc::boxed::Box;
use alloc::vec;

/// One bit for each of the 65536 identifiers: 8 KiB, and constant time whatever the host chooses.
#[derive(Debug)]
pub(super) struct Cids(Box<[u64]>);

impl Cids {
    pub(super) fn new() -> Self {
        Self(vec![0; 1024].into_boxed_slice())
    }

    /// Marks an identifier; `false` if it was marked already.
    #[inline]
    pub(super) fn insert(&mut self, cid: u16) -> bool {
        let Some((word, bit)) = self.word(cid) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    #[inline]
    pub(super) fn remove(&mut self, cid: u16) {
        if let Some((word, bit)) = self.word(cid) {
            *word &= !bit;
        }
    }

    #[inline]
    fn word(&mut self, cid: u16) -> Option<(&mut u64, u64)> {
        let word = self.0.get_mut(usize::from(cid >> 6))?;
        Some((word, 1_u64.wrapping_shl(u32::from(cid & 63))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_is_on_its_own() {
        let mut cids = Cids::new();
        for cid in 0..=u16::MAX {
            assert!(cids.insert(cid) && !cids.insert(cid));
        }
        for cid in (0..=u16::MAX).step_by(7) {
            cids.remove(cid);
        }
        for cid in 0..=u16::MAX {
            assert_eq!(cids.insert(cid), cid % 7 == 0);
        }
    }
}

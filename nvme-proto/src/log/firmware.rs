//! Firmware slots.

use alloc::string::String;

use crate::layout::put_text;
use crate::text::{printable, trimmed};
use crate::view::{entry, entry_mut, view};

view! {
    /// Firmware Slot Information (LID 0x03). 512 bytes.
    ///
    /// | bytes   | field                                   | meaning                                                     |
    /// |---------|-----------------------------------------|-------------------------------------------------------------|
    /// | 0       | `active` (AFI)                          | 2:0 slot that runs, 6:4 slot that runs after the next reset |
    /// | 8..64   | [`revision`](Self::revision) (FRS)      | 7 slots of 8 bytes: ASCII, blanks behind; NULs: empty       |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 section 5.16.1.4.
    pub struct FirmwareLog("Firmware Slot Information log", 512)
    show revisions
    {
        /// Which slots run: see [`active_slot`](Self::active_slot) and [`next_slot`](Self::next_slot).
        #[doc(alias = "AFI")]
        0 active set_active u8;
    }
}

impl<B: AsRef<[u8]>> FirmwareLog<B> {
    /// Number of slots the page has room for.
    pub const SLOTS: u8 = 7;

    /// The slot whose firmware runs, 1 to 7.
    #[must_use]
    pub fn active_slot(&self) -> u8 {
        self.active() & 0x7
    }

    /// The slot whose firmware runs after the next reset; `None` where it does not change.
    #[must_use]
    pub fn next_slot(&self) -> Option<u8> {
        Some((self.active() >> 4) & 0x7).filter(|slot| *slot != 0)
    }

    /// Revision in a slot, 1 to 7, for people; `None` where the slot is empty or there is no such slot.
    #[must_use]
    pub fn revision(&self, slot: u8) -> Option<String> {
        Some(printable(self.revision_bytes(slot))).filter(|text| !text.is_empty())
    }

    /// Revision in a slot, 1 to 7: up to 8 bytes, without the padding; nothing where the slot is empty.
    #[must_use]
    pub fn revision_bytes(&self, slot: u8) -> &[u8] {
        // The first slot is number 1, and the 8 bytes in front of it are the header: entry 0.
        if matches!(slot, 1..=7) { trimmed(entry(self.0.as_ref(), 0, 8, slot.into())) } else { &[] }
    }

    /// The slots that are not empty, and what is in them.
    #[must_use]
    pub fn revisions(&self) -> alloc::vec::Vec<(u8, String)> {
        (1..=7).filter_map(|slot| self.revision(slot).map(|text| (slot, text))).collect()
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> FirmwareLog<B> {
    /// Writes the revision in a slot, 1 to 7, padded with blanks; bytes beyond 8 are left out, and another slot changes nothing.
    pub fn set_revision(&mut self, slot: u8, text: &[u8]) {
        if matches!(slot, 1..=7) {
            put_text(entry_mut(self.0.as_mut(), 0, 8, slot.into()), 0, 8, text, b' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_counted_from_one() {
        let mut log = FirmwareLog::zeroed();
        log.set_active(0x31);
        log.set_revision(1, b"6.12.107");
        log.set_revision(7, b"1.0");
        log.set_revision(0, b"x");
        log.set_revision(8, b"x");
        assert_eq!((log.active_slot(), log.next_slot()), (1, Some(3)));
        assert_eq!(log.as_bytes()[..16], *b"\x31\x00\x00\x00\x00\x00\x00\x006.12.107");
        assert_eq!(log.as_bytes()[56..65], *b"1.0     \0");
        assert_eq!(log.revisions(), [(1, String::from("6.12.107")), (7, String::from("1.0"))]);
        assert_eq!((log.revision(0), log.revision(2), log.revision(8)), (None, None, None));
        log.set_active(0x81);
        assert_eq!(log.next_slot(), None);
        assert!(FirmwareLog::new_checked([0; 511]).is_err());
    }
}

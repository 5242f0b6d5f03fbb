//! Zones that changed.

use core::fmt;

use crate::layout::{Field, layout};
use crate::view::{entries, entry_mut, view_type};

view_type! {
    /// Changed Zone List (LID 0xbf, of a zoned namespace): zones whose attention is wanted. 4096 bytes, little-endian.
    ///
    /// | bytes   | field                            | meaning                                                             |
    /// |---------|----------------------------------|---------------------------------------------------------------------|
    /// | 0..2    | `count` (NRZID)                  | zones listed; 0xffff: more changed than the list has room for       |
    /// | 8..4096 | [`zones`](Self::zones) (ZID)     | first block of each zone, 8 bytes, ascending                        |
    ///
    /// Source: NVMe Zoned Namespace Command Set 1.1 section 4.1.4.1, libnvme `src/nvme/types.h: struct nvme_zns_changed_zone_log`.
    pub struct ChangedZones("Changed Zone List", 4096);
}

layout! { ChangedZones {
    /// Zones listed, as the controller says; 0xffff: more changed than the list has room for.
    #[doc(alias = "NRZID")]
    0 count set_count u16;
} }

impl<B: AsRef<[u8]>> ChangedZones<B> {
    /// Zones the list has room for.
    pub const ZONES: usize = 511;

    /// Whether more zones changed than the list has room for: all zones have to be looked at.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.count() == u16::MAX
    }

    /// First blocks of the zones listed; none where [`is_incomplete`](Self::is_incomplete).
    pub fn zones(&self) -> impl Iterator<Item = u64> {
        let count = if self.is_incomplete() { 0 } else { usize::from(self.count()).min(Self::ZONES) };
        entries(self.0.as_ref(), 8, 8, count).map(|zone| u64::read(zone, 0))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> ChangedZones<B> {
    /// Writes the list: so many zones that they do not fit become an incomplete list.
    pub fn set_zones(&mut self, zones: impl IntoIterator<Item = u64>) {
        let bytes = self.0.as_mut();
        bytes.fill(0);
        let mut count = 0_u16;
        for (index, zone) in zones.into_iter().enumerate() {
            if index >= Self::ZONES {
                bytes.fill(0);
                count = u16::MAX;
                break;
            }
            zone.write(entry_mut(bytes, 8, 8, index), 0);
            count = count.saturating_add(1);
        }
        self.set_count(count);
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for ChangedZones<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("ChangedZones");
        self.debug_fields(&mut fields);
        fields.field("zones", &self.zones().collect::<alloc::vec::Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_list_has_what_was_put_in() {
        let mut list = ChangedZones::zeroed();
        list.set_zones([0, 0x8000]);
        assert_eq!(list.as_bytes()[..2], [2, 0]);
        assert_eq!(list.as_bytes()[16..24], [0, 0x80, 0, 0, 0, 0, 0, 0]);
        assert_eq!(list.zones().collect::<Vec<_>>(), [0, 0x8000]);
        list.set_zones(0..511);
        assert_eq!((list.count(), list.zones().count(), list.zones().last()), (511, 511, Some(510)));
        list.set_zones(0..512);
        assert_eq!((list.count(), list.is_incomplete(), list.zones().count()), (0xffff, true, 0));
        assert!(list.as_bytes()[2..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_count_that_lies_is_bounded() {
        let mut list = ChangedZones::zeroed();
        list.set_count(0xfffe);
        assert_eq!(list.zones().count(), 511);
        assert!(ChangedZones::new_checked([0; 4095]).is_err());
    }
}

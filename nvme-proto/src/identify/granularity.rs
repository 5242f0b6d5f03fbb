//! Granularity of namespaces.

use alloc::vec::Vec;
use core::fmt;

use crate::error::DecodeError;
use crate::layout::{Field, layout};
use crate::view::{check_count, entries, entry_mut, view_type};

/// Which sizes a namespace of one block format should have. 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Granularity {
    /// Granularity of the size, bytes; 0: not said.
    #[doc(alias = "NSZEGRAN")]
    pub size: u64,
    /// Granularity of the capacity, bytes; 0: not said.
    #[doc(alias = "NCAPGRAN")]
    pub capacity: u64,
}

/// Descriptors the list has room for.
const ROOM: u8 = 16;
const ENTRY: usize = 16;
const ENTRIES_AT: usize = 32;

fn check_descriptors(bytes: &[u8]) -> Result<(), DecodeError> {
    check_count(
        "Namespace Granularity List",
        4,
        "NUMD",
        u8::read(bytes, 4).into(),
        ROOM.saturating_sub(1).into(),
    )
}

view_type! {
    /// Namespace Granularity List (CNS 0x16). 4096 bytes, little-endian.
    ///
    /// | bytes   | field                                           | meaning                                                     |
    /// |---------|-------------------------------------------------|-------------------------------------------------------------|
    /// | 0..4    | `attributes`                                    | bit 0: one descriptor for each block format; otherwise the first is for all |
    /// | 4       | `count`                                         | descriptors, less one                                       |
    /// | 32..288 | [`descriptors`](Self::descriptors)              | up to 16 of 16 bytes: size, capacity                        |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 section 5.17.2.14, libnvme
    /// `src/nvme/types.h: struct nvme_id_ns_granularity_list`.
    pub struct GranularityList("Namespace Granularity List", 4096, check check_descriptors
        => "[`DecodeErrorKind::Limit`](crate::DecodeErrorKind::Limit) for a count above 15.");
}

layout! { GranularityList {
    /// Bit 0: there is one descriptor for each block format.
    0 attributes set_attributes u32;
    /// Descriptors, less one.
    4 count set_count u8;
} }

impl<B: AsRef<[u8]>> GranularityList<B> {
    /// The descriptors.
    pub fn descriptors(&self) -> impl Iterator<Item = Granularity> {
        let count = usize::from(self.count()).saturating_add(1).min(ROOM.into());
        entries(self.0.as_ref(), ENTRIES_AT, ENTRY, count)
            .map(|bytes| Granularity { size: Field::read(bytes, 0), capacity: Field::read(bytes, 8) })
    }

    /// What holds for namespaces of the block format number `index`; `None` where nothing is said.
    #[must_use]
    pub fn for_format(&self, index: u8) -> Option<Granularity> {
        let index = if self.attributes() & 1 == 0 { 0 } else { index.into() };
        self.descriptors().nth(index)
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> GranularityList<B> {
    /// Writes the descriptors: at least one, those beyond 16 are left out.
    pub fn set_descriptors(&mut self, descriptors: impl IntoIterator<Item = Granularity>) {
        let mut last = 0;
        for (index, descriptor) in (0..ROOM).zip(descriptors) {
            let to = entry_mut(self.0.as_mut(), ENTRIES_AT, ENTRY, index.into());
            descriptor.size.write(to, 0);
            descriptor.capacity.write(to, 8);
            last = index;
        }
        self.set_count(last);
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for GranularityList<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("GranularityList");
        self.debug_fields(&mut fields);
        fields.field("descriptors", &self.descriptors().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_for_one_format_or_all() {
        let mut list = GranularityList::zeroed();
        list.set_descriptors((1..20).map(|n| Granularity { size: n, capacity: n << 8 }));
        assert_eq!((list.count(), list.descriptors().count()), (15, 16));
        assert_eq!(list.as_bytes()[32..50], [1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0]);
        assert_eq!(list.for_format(9).map(|granularity| granularity.size), Some(1));
        list.set_attributes(1);
        assert_eq!(list.for_format(9).map(|granularity| granularity.size), Some(10));
        assert_eq!(list.for_format(16), None);
    }

    #[test]
    fn a_count_that_does_not_fit_is_refused() {
        let mut bytes = [0; 4096];
        bytes[4] = 16;
        assert_eq!(GranularityList::new_checked(bytes).unwrap_err().at, 4);
        bytes[4] = 15;
        assert_eq!(GranularityList::new_checked(bytes).unwrap().descriptors().count(), 16);
        assert!(GranularityList::new_checked([0; 4095]).is_err());
    }
}

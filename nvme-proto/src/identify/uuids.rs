//! UUIDs that give meaning to vendor specific commands, features and log pages.

use core::fmt;

use crate::layout::{Field, bytes_at};
use crate::registry::wire_values;
use crate::view::{entry, entry_mut, view_type};

wire_values! {
    /// Whose UUID it is (2 bits).
    pub struct UuidAssociation(u8) {
        /// Not said.
        NONE = 0 => "none",
        /// That of the PCI vendor.
        VENDOR = 1 => "vendor",
        /// That of the subsystem's PCI vendor.
        SUBSYSTEM_VENDOR = 2 => "subsystem vendor",
    }
}

view_type! {
    /// UUID List (CNS 0x17): up to 127 UUIDs, numbered from 1 by the UUID index of commands. 4096 bytes.
    ///
    /// | bytes       | field                                                           |
    /// |-------------|-----------------------------------------------------------------|
    /// | 0..32       | reserved, kept                                                  |
    /// | 32n         | entry n, 1 to 127: 1:0 whose UUID it is                         |
    /// | 32n+16..+32 | the UUID; zeros end the list                                    |
    ///
    /// Source: NVMe Base 2.0 section 5.17.2.15, libnvme `src/nvme/types.h: struct nvme_id_uuid_list`.
    pub struct UuidList("UUID List", 4096);
}

/// Bytes of an entry.
const ENTRY: usize = 32;

impl<B: AsRef<[u8]>> UuidList<B> {
    /// The UUID with this index, 1 to 127, and whose it is; `None` where there is none.
    #[must_use]
    pub fn uuid(&self, index: u8) -> Option<(UuidAssociation, [u8; 16])> {
        let entry = matches!(index, 1..=127).then(|| entry(self.0.as_ref(), 0, ENTRY, index.into()))?;
        let uuid = bytes_at(entry, 16);
        (uuid != [0; 16]).then_some((UuidAssociation(u8::read(entry, 0) & 0x3), uuid))
    }

    /// The UUIDs in front of the first that is zero, with their indices.
    pub fn uuids(&self) -> impl Iterator<Item = (u8, UuidAssociation, [u8; 16])> {
        (1..=127).map_while(|index| self.uuid(index).map(|(association, uuid)| (index, association, uuid)))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> UuidList<B> {
    /// Writes the UUID with this index, 1 to 127; another index changes nothing.
    pub fn set_uuid(&mut self, index: u8, association: UuidAssociation, uuid: [u8; 16]) {
        if matches!(index, 1..=127) {
            let entry = entry_mut(self.0.as_mut(), 0, ENTRY, index.into());
            (association.0 & 0x3).write(entry, 0);
            uuid.write(entry, 16);
        }
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for UuidList<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.uuids()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn indices_begin_with_one_and_end_at_zeros() {
        let mut list = UuidList::zeroed();
        list.set_uuid(1, UuidAssociation::VENDOR, [1; 16]);
        list.set_uuid(3, UuidAssociation(0xff), [3; 16]);
        list.set_uuid(0, UuidAssociation::NONE, [9; 16]);
        list.set_uuid(128, UuidAssociation::NONE, [9; 16]);
        assert_eq!(list.as_bytes()[..32], [0; 32]);
        assert_eq!((list.as_bytes()[32], list.as_bytes()[47], list.as_bytes()[48]), (1, 0, 1));
        assert_eq!(list.uuids().collect::<Vec<_>>(), [(1, UuidAssociation::VENDOR, [1; 16])]);
        assert_eq!(list.uuid(3), Some((UuidAssociation(3), [3; 16])));
        assert_eq!((list.uuid(0), list.uuid(2), list.uuid(128)), (None, None, None));
        list.set_uuid(127, UuidAssociation::NONE, [7; 16]);
        assert_eq!(list.as_bytes()[4080..], [7; 16]);
        assert!(UuidList::new_checked([0; 4095]).is_err());
    }
}

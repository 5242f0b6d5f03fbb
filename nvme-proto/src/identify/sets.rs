//! Divisions of a subsystem: NVM sets and domains.

use alloc::vec::Vec;
use core::fmt;

use crate::error::DecodeError;
use crate::layout::layout;
use crate::view::{check_count, entries, entry_mut, view, view_type};

/// Entries a list of sets or domains has room for.
const ROOM: u8 = 31;
/// Bytes of an entry, and where the first begins.
const ENTRY: usize = 128;

view! {
    /// An NVM set: media that are kept apart from others. 128 bytes, little-endian.
    ///
    /// | bytes  | field                                                   | unit                                              |
    /// |--------|---------------------------------------------------------|---------------------------------------------------|
    /// | 0..2   | `id` (NVMSETID)                                         |                                                   |
    /// | 2..4   | `endurance_group` (ENDGID)                              |                                                   |
    /// | 8..12  | `read_typical` (RR4KT)                                  | 100 ns for a random read of 4 KiB                 |
    /// | 12..16 | `optimal_write` (OWS)                                   | bytes; 0: not said                                |
    /// | 16..48 | `total_capacity`, `unallocated_capacity` (TNVMSETCAP, UNVMSETCAP) | bytes                                   |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 section 5.17.2.4, libnvme `src/nvme/types.h: struct nvme_nvmset_attr`.
    pub struct NvmSet("NVM Set Attributes entry", 128) {
        /// The set.
        #[doc(alias = "NVMSETID")]
        0 id set_id u16;
        /// Endurance group it belongs to.
        #[doc(alias = "ENDGID")]
        2 endurance_group set_endurance_group u16;
        /// Typical time of a random read of 4 KiB in the deterministic window, 100 ns.
        #[doc(alias = "RR4KT")]
        8 read_typical set_read_typical u32;
        /// Size of a write it works best with, bytes; 0: not said.
        #[doc(alias = "OWS")]
        12 optimal_write set_optimal_write u32;
        /// Capacity, bytes.
        #[doc(alias = "TNVMSETCAP")]
        16 total_capacity set_total_capacity u128;
        /// Part of it that no namespace has, bytes.
        #[doc(alias = "UNVMSETCAP")]
        32 unallocated_capacity set_unallocated_capacity u128;
    }
}

fn check_sets(bytes: &[u8]) -> Result<(), DecodeError> {
    check_count("NVM Set List", 0, "NUMID", bytes.first().copied().unwrap_or(0).into(), ROOM.into())
}

view_type! {
    /// NVM Set List (CNS 0x04): up to 31 sets, ascending from the identifier in the command on. 4096 bytes.
    ///
    /// | bytes     | field                                            |
    /// |-----------|--------------------------------------------------|
    /// | 0         | `count`                                          |
    /// | 128..4096 | [`sets`](Self::sets): [`NvmSet`]s of 128 bytes   |
    ///
    /// Source: NVMe Base 2.0 section 5.17.2.4, libnvme `src/nvme/types.h: struct nvme_id_nvmset_list`.
    pub struct NvmSetList("NVM Set List", 4096, check check_sets
        => "[`DecodeErrorKind::Limit`](crate::DecodeErrorKind::Limit) for a count above 31.");
}

layout! { NvmSetList {
    /// Sets listed.
    0 count set_count u8;
} }

impl<B: AsRef<[u8]>> NvmSetList<B> {
    /// The sets.
    pub fn sets(&self) -> impl Iterator<Item = NvmSet<&[u8]>> {
        let listed = entries(self.0.as_ref(), ENTRY, ENTRY, self.count().min(ROOM).into());
        listed.filter_map(|set| NvmSet::new_checked(set).ok())
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> NvmSetList<B> {
    /// Adds a set behind those there are; nothing is added to a full list.
    pub fn push<E: AsRef<[u8]>>(&mut self, set: &NvmSet<E>) {
        let count = self.count();
        if count < ROOM {
            copy(entry_mut(self.0.as_mut(), ENTRY, ENTRY, count.into()), set.as_bytes());
            self.set_count(count.saturating_add(1));
        }
    }
}

fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for NvmSetList<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("NvmSetList");
        self.debug_fields(&mut fields);
        fields.field("sets", &self.sets().collect::<Vec<_>>()).finish()
    }
}

view! {
    /// A domain: the smallest part of a subsystem that fails as a whole. 128 bytes, little-endian.
    ///
    /// | bytes  | field                                                                              | unit  |
    /// |--------|------------------------------------------------------------------------------------|-------|
    /// | 0..2   | `id`                                                                               |       |
    /// | 16..64 | `total_capacity`, `unallocated_capacity`, `max_endurance_group_capacity`           | bytes |
    ///
    /// Everything else is reserved and kept. Source: NVMe Base 2.0 section 5.17.2.16, libnvme `src/nvme/types.h: struct nvme_id_domain_attr`.
    pub struct Domain("Domain Attributes entry", 128) {
        /// The domain.
        0 id set_id u16;
        /// Capacity, bytes.
        16 total_capacity set_total_capacity u128;
        /// Part of it that no endurance group has, bytes.
        32 unallocated_capacity set_unallocated_capacity u128;
        /// Capacity of an endurance group at most, bytes.
        48 max_endurance_group_capacity set_max_endurance_group_capacity u128;
    }
}

fn check_domains(bytes: &[u8]) -> Result<(), DecodeError> {
    check_count("Domain List", 0, "NUMD", bytes.first().copied().unwrap_or(0).into(), ROOM.into())
}

view_type! {
    /// Domain List (CNS 0x18): up to 31 domains, ascending from the identifier in the command on. 4096 bytes.
    ///
    /// | bytes     | field                                                |
    /// |-----------|------------------------------------------------------|
    /// | 0         | `count`                                              |
    /// | 128..4096 | [`domains`](Self::domains): [`Domain`]s of 128 bytes |
    ///
    /// Source: NVMe Base 2.0 section 5.17.2.16, libnvme `src/nvme/types.h: struct nvme_id_domain_list`.
    pub struct DomainList("Domain List", 4096, check check_domains
        => "[`DecodeErrorKind::Limit`](crate::DecodeErrorKind::Limit) for a count above 31.");
}

layout! { DomainList {
    /// Domains listed.
    0 count set_count u8;
} }

impl<B: AsRef<[u8]>> DomainList<B> {
    /// The domains.
    pub fn domains(&self) -> impl Iterator<Item = Domain<&[u8]>> {
        let listed = entries(self.0.as_ref(), ENTRY, ENTRY, self.count().min(ROOM).into());
        listed.filter_map(|domain| Domain::new_checked(domain).ok())
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> DomainList<B> {
    /// Adds a domain behind those there are; nothing is added to a full list.
    pub fn push<E: AsRef<[u8]>>(&mut self, domain: &Domain<E>) {
        let count = self.count();
        if count < ROOM {
            copy(entry_mut(self.0.as_mut(), ENTRY, ENTRY, count.into()), domain.as_bytes());
            self.set_count(count.saturating_add(1));
        }
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for DomainList<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("DomainList");
        self.debug_fields(&mut fields);
        fields.field("domains", &self.domains().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::check_view;

    #[test]
    fn the_fields_are_where_the_tables_say() {
        check_view!(NvmSet, [0..4, 8..48]);
        check_view!(Domain, [0..2, 16..64]);
    }

    #[test]
    fn lists_hold_31() {
        let (mut sets, mut domains) = (NvmSetList::zeroed(), DomainList::zeroed());
        let (mut set, mut domain) = (NvmSet::zeroed(), Domain::zeroed());
        for id in 1..=40 {
            set.set_id(id);
            sets.push(&set);
            domain.set_id(id);
            domains.push(&domain);
        }
        assert_eq!(sets.sets().map(|set| set.id()).collect::<Vec<_>>(), (1..=31).collect::<Vec<_>>());
        assert_eq!(
            domains.domains().map(|domain| domain.id()).collect::<Vec<_>>(),
            (1..=31).collect::<Vec<_>>()
        );
        assert_eq!((sets.as_bytes()[128], sets.as_bytes()[31 * 128]), (1, 31));
    }

    #[test]
    fn counts_that_do_not_fit_are_refused() {
        let mut bytes = [0; 4096];
        bytes[0] = 32;
        assert_eq!(NvmSetList::new_checked(bytes).unwrap_err().at, 0);
        assert_eq!(DomainList::new_checked(bytes).unwrap_err().at, 0);
        bytes[0] = 31;
        assert!(NvmSetList::new_checked(bytes).is_ok() && DomainList::new_checked(bytes).is_ok());
        assert!(NvmSetList::new_checked([0; 4095]).is_err() && DomainList::new_checked([0; 4095]).is_err());
    }
}

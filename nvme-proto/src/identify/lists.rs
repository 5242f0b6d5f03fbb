//! Lists of identifiers: namespaces, controllers, endurance groups.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::error::DecodeError;
use crate::layout::Field;
use crate::types::Cntlid;
use crate::view::{check_count, entries, entry_mut, view_type};

view_type! {
    /// Namespace List: up to 1024 namespace identifiers of 4 bytes, ascending, the rest zeros. 4096 bytes, little-endian.
    ///
    /// | bytes    | field                                    |
    /// |----------|------------------------------------------|
    /// | 4n..4n+4 | an identifier; 0 ends the list           |
    ///
    /// The answer to Identify with CNS 0x02, 0x07, 0x10 and 0x1a, which list what is above the identifier in the command; and the contents of
    /// the log pages of changed namespaces. Source: NVMe Base 2.0 section 4.4.2 and figure 291.
    #[doc(alias = "Active Namespace ID List")]
    pub struct NamespaceList("Namespace List", 4096);
}

impl<B: AsRef<[u8]>> NamespaceList<B> {
    /// Identifiers the list has room for.
    pub const ROOM: usize = 1024;

    /// The identifiers in front of the first zero. That they ascend is for the caller to check, where it matters.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        entries(self.0.as_ref(), 0, 4, Self::ROOM).map(|id| u32::read(id, 0)).take_while(|id| *id != 0)
    }

    /// Whether the list is full, so that there may be more above its last identifier.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.ids().count() == Self::ROOM
    }
}

impl NamespaceList<Box<[u8]>> {
    /// A list of these identifiers, which have to ascend and be above 0; those beyond 1024 are left out.
    #[must_use]
    pub fn of(ids: impl IntoIterator<Item = u32>) -> Self {
        let mut list = Self::zeroed();
        for (index, id) in ids.into_iter().take(Self::ROOM).enumerate() {
            id.write(entry_mut(&mut list.0, 0, 4, index), 0);
        }
        list
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for NamespaceList<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamespaceList").field(&self.ids().collect::<Vec<_>>()).finish()
    }
}

/// Identifiers of 2 bytes a list has room for behind its count.
const ROOM: u16 = 2047;

fn check_controllers(bytes: &[u8]) -> Result<(), DecodeError> {
    check_count("Controller List", 0, "NUMID", u16::read(bytes, 0).into(), ROOM.into())
}

fn check_endurance_groups(bytes: &[u8]) -> Result<(), DecodeError> {
    check_count("Endurance Group List", 0, "NUMID", u16::read(bytes, 0).into(), ROOM.into())
}

/// The identifiers behind the count.
fn counted(bytes: &[u8]) -> impl Iterator<Item = u16> {
    entries(bytes, 2, 2, u16::read(bytes, 0).min(ROOM).into()).map(|id| u16::read(id, 0))
}

/// Writes count and identifiers.
fn put_counted(bytes: &mut [u8], ids: impl IntoIterator<Item = u16>) {
    let mut count = 0_u16;
    for (index, id) in ids.into_iter().take(ROOM.into()).enumerate() {
        id.write(entry_mut(bytes, 2, 2, index), 0);
        count = count.saturating_add(1);
    }
    count.write(bytes, 0);
}

view_type! {
    /// Controller List: up to 2047 controller identifiers, ascending. 4096 bytes, little-endian.
    ///
    /// | bytes      | field                                    |
    /// |------------|------------------------------------------|
    /// | 0..2       | identifiers that follow                  |
    /// | 2n..2n+2   | an identifier, n from 1 on               |
    ///
    /// The answer to Identify with CNS 0x12 (of one namespace) and 0x13 (all), which list what is not below the identifier in the command; and
    /// what Namespace Attachment sends. Source: NVMe Base 2.0 section 4.4.1.
    pub struct ControllerList("Controller List", 4096, check check_controllers
        => "[`DecodeErrorKind::Limit`](crate::DecodeErrorKind::Limit) for a count above 2047.");
}

impl<B: AsRef<[u8]>> ControllerList<B> {
    /// The identifiers.
    pub fn ids(&self) -> impl Iterator<Item = Cntlid> {
        counted(self.0.as_ref()).map(Cntlid)
    }
}

impl ControllerList<Box<[u8]>> {
    /// A list of these identifiers, which have to ascend; those beyond 2047 are left out.
    #[must_use]
    pub fn of(ids: impl IntoIterator<Item = Cntlid>) -> Self {
        let mut list = Self::zeroed();
        put_counted(&mut list.0, ids.into_iter().map(|id| id.0));
        list
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for ControllerList<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ControllerList").field(&self.ids().collect::<Vec<_>>()).finish()
    }
}

view_type! {
    /// Endurance Group List (CNS 0x19): up to 2047 identifiers of endurance groups, ascending. 4096 bytes, laid out like a
    /// [`ControllerList`].
    ///
    /// Source: NVMe Base 2.0 section 5.17.2.17, libnvme `src/nvme/types.h: struct nvme_id_endurance_group_list`.
    pub struct EnduranceGroupList("Endurance Group List", 4096, check check_endurance_groups
        => "[`DecodeErrorKind::Limit`](crate::DecodeErrorKind::Limit) for a count above 2047.");
}

impl<B: AsRef<[u8]>> EnduranceGroupList<B> {
    /// The identifiers.
    pub fn ids(&self) -> impl Iterator<Item = u16> {
        counted(self.0.as_ref())
    }
}

impl EnduranceGroupList<Box<[u8]>> {
    /// A list of these identifiers, which have to ascend; those beyond 2047 are left out.
    #[must_use]
    pub fn of(ids: impl IntoIterator<Item = u16>) -> Self {
        let mut list = Self::zeroed();
        put_counted(&mut list.0, ids);
        list
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for EnduranceGroupList<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EnduranceGroupList").field(&self.ids().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeErrorKind;

    #[test]
    fn namespaces_end_at_zero_or_the_end_of_the_list() {
        let list = NamespaceList::of([1, 7]);
        assert_eq!(list.as_bytes()[..12], [1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((list.ids().collect::<Vec<_>>(), list.is_full()), (alloc::vec![1, 7], false));
        let list = NamespaceList::of(1..);
        assert_eq!((list.ids().count(), list.ids().last(), list.is_full()), (1024, Some(1024), true));
        // The bytes behind the list are not read.
        let list = NamespaceList::new_checked([0xff; 5000]).unwrap();
        assert_eq!(list.ids().count(), 1024);
        assert!(NamespaceList::new_checked([0; 4095]).is_err());
    }

    #[test]
    fn controllers_are_counted() {
        let list = ControllerList::of([Cntlid(1), Cntlid(0xffef)]);
        assert_eq!(list.as_bytes()[..8], [2, 0, 1, 0, 0xef, 0xff, 0, 0]);
        assert_eq!(list.ids().collect::<Vec<_>>(), [Cntlid(1), Cntlid(0xffef)]);
        let full = ControllerList::of((0..u16::MAX).map(Cntlid));
        assert_eq!((full.ids().count(), full.ids().last()), (2047, Some(Cntlid(2046))));
        assert_eq!(alloc::format!("{list:?}"), "ControllerList([Cntlid(1), Cntlid(65519)])");
    }

    #[test]
    fn a_count_that_does_not_fit_is_refused() {
        let mut bytes = [0; 4096];
        bytes[..2].copy_from_slice(&2048_u16.to_le_bytes());
        let error = ControllerList::new_checked(bytes).unwrap_err();
        assert_eq!(
            (error.at, error.kind),
            (0, DecodeErrorKind::Limit { field: "NUMID", found: 2048, max: 2047 })
        );
        assert!(EnduranceGroupList::new_checked(bytes).is_err());
        bytes[..2].copy_from_slice(&2047_u16.to_le_bytes());
        assert_eq!(ControllerList::new_checked(bytes).unwrap().ids().count(), 2047);
        assert_eq!(EnduranceGroupList::new_checked(bytes).unwrap().ids().count(), 2047);
        assert_eq!(EnduranceGroupList::of([3]).as_bytes()[..4], [1, 0, 3, 0]);
    }
}

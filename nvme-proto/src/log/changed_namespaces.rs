//! Namespaces that changed.

use crate::error::DecodeError;
use crate::identify::NamespaceList;

/// Changed Namespace List (LID 0x04), and Changed Allocated Namespace List (LID 0x1c): namespaces that changed since the page was read last.
/// 4096 bytes.
///
/// Source: NVMe Base 2.0 section 5.16.1.5, kernel `drivers/nvme/target/admin-cmd.c: nvmet_execute_get_log_changed_ns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangedNamespaces<B: AsRef<[u8]>> {
    /// These changed.
    Listed(NamespaceList<B>),
    /// More than 1024 changed, so that none is listed (the first identifier is 0xffff_ffff): all have to be looked at.
    TooMany,
}

impl<B: AsRef<[u8]>> ChangedNamespaces<B> {
    /// Reads a page.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort) below 4096 bytes.
    pub fn new_checked(bytes: B) -> Result<Self, DecodeError> {
        let list = NamespaceList::new_checked(bytes)?;
        let too_many = list.ids().next() == Some(u32::MAX);
        Ok(if too_many { Self::TooMany } else { Self::Listed(list) })
    }
}

impl ChangedNamespaces<alloc::boxed::Box<[u8]>> {
    /// The page for these namespaces, which have to ascend: more than 1024 become [`TooMany`](Self::TooMany).
    #[must_use]
    pub fn of(ids: impl IntoIterator<Item = u32>) -> Self {
        let mut ids = ids.into_iter();
        let list = NamespaceList::of(ids.by_ref().take(NamespaceList::<&[u8]>::ROOM));
        if ids.next().is_some() { Self::TooMany } else { Self::Listed(list) }
    }

    /// The 4096 bytes.
    #[must_use]
    pub fn into_bytes(self) -> alloc::boxed::Box<[u8]> {
        match self {
            Self::Listed(list) => list.into_inner(),
            Self::TooMany => NamespaceList::of([u32::MAX]).into_inner(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn too_many_are_told_from_a_list() {
        let page = ChangedNamespaces::of([1, 3]).into_bytes();
        assert_eq!((page.len(), &page[..9]), (4096, &[1, 0, 0, 0, 3, 0, 0, 0, 0][..]));
        match ChangedNamespaces::new_checked(page).unwrap() {
            ChangedNamespaces::Listed(list) => assert_eq!(list.ids().collect::<Vec<_>>(), [1, 3]),
            ChangedNamespaces::TooMany => panic!("two"),
        }
        assert!(matches!(ChangedNamespaces::of(1..=1024), ChangedNamespaces::Listed(_)));
        let page = ChangedNamespaces::of(1..=1025).into_bytes();
        assert_eq!(page[..8], [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        assert_eq!(ChangedNamespaces::new_checked(page), Ok(ChangedNamespaces::TooMany));
        assert!(ChangedNamespaces::new_checked([0; 4095]).is_err());
    }
}

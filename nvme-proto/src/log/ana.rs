//! Asymmetric namespace access: how well this controller reaches each namespace.

use alloc::vec::Vec;
use core::fmt;

use crate::error::DecodeError;
use crate::layout::{Field, field_at, layout, newtype_fields};
use crate::registry::wire_values;
use crate::view::entries;

wire_values! {
    /// How a controller reaches the namespaces of a group (4 bits).
    #[doc(alias = "ANA")]
    pub struct AnaState(u8) {
        /// The best way.
        OPTIMIZED = 0x1 => "optimized",
        /// A way that works, slower.
        NON_OPTIMIZED = 0x2 => "non-optimized",
        /// Not at the moment.
        INACCESSIBLE = 0x3 => "inaccessible",
        /// Never again.
        PERSISTENT_LOSS = 0x4 => "persistent-loss",
        /// It is changing: commands are to be tried again.
        CHANGE = 0xf => "change",
    }
}

newtype_fields!(AnaState);

const STRUCTURE: &str = "Asymmetric Namespace Access log";

/// Asymmetric Namespace Access (LID 0x0c): a header of 16 bytes, then one descriptor for each group. Little-endian.
///
/// | bytes | field                          | meaning                                                           |
/// |-------|--------------------------------|-------------------------------------------------------------------|
/// | 0..8  | `change_count` (CHGCNT)        | goes up with every change                                         |
/// | 8..10 | `group_count` (NANAGRPD)       | descriptors behind the header, as the peer says                   |
/// | 16..  | [`groups`](Self::groups)       | each 32 bytes and 4 for each namespace: [`AnaGroup`]              |
///
/// Source: NVMe Base 2.0 section 5.16.1.13, kernel `include/linux/nvme.h: struct nvme_ana_rsp_hdr`,
/// `drivers/nvme/target/admin-cmd.c: nvmet_execute_get_log_page_ana`.
#[doc(alias = "ANA")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnaLog<B: AsRef<[u8]>>(B);

layout! { AnaLog {
    /// Goes up with every change of any group.
    #[doc(alias = "CHGCNT")]
    0 change_count set_change_count u64;
    /// Descriptors behind the header, as the peer says: [`groups`](Self::groups) is bounded by the bytes.
    #[doc(alias = "NANAGRPD")]
    8 group_count set_group_count u16;
} }

impl<B: AsRef<[u8]>> AnaLog<B> {
    /// Length of the header in bytes.
    pub const HEADER_LEN: usize = 16;
    /// Bit of the Get Log Page command's LSP that asks for groups without their namespaces (RGO).
    pub const GROUPS_ONLY: u8 = 1;

    /// Checks that there is a header.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort) below 16 bytes.
    pub fn new_checked(bytes: B) -> Result<Self, DecodeError> {
        DecodeError::check_len(STRUCTURE, bytes.as_ref(), Self::HEADER_LEN)?;
        Ok(Self(bytes))
    }

    /// The groups, as many as the header says. Ends with an error where the bytes end before they do: that is no fault of a controller whose
    /// log is longer than what was read.
    pub fn groups(&self) -> AnaGroups<'_> {
        AnaGroups { bytes: self.0.as_ref(), at: Self::HEADER_LEN, left: self.group_count() }
    }

    /// All bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// Gives back the bytes.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.0
    }
}

impl AnaLog<Vec<u8>> {
    /// A log without groups.
    #[must_use]
    pub fn empty(change_count: u64) -> Self {
        let mut log = Self(alloc::vec![0; Self::HEADER_LEN]);
        log.set_change_count(change_count);
        log
    }

    /// Adds a group behind those there are; groups have to come in ascending order. A group beyond the 65535 that can be counted, and
    /// namespaces beyond 2^32, are left out.
    pub fn push(&mut self, id: u32, change_count: u64, state: AnaState, nsids: &[u32]) {
        let Some(groups) = self.group_count().checked_add(1) else { return };
        let Ok(count) = u32::try_from(nsids.len()) else { return };
        let mut descriptor = [0; GROUP_LEN];
        id.write(&mut descriptor, 0);
        count.write(&mut descriptor, 4);
        change_count.write(&mut descriptor, 8);
        state.write(&mut descriptor, 16);
        self.0.extend_from_slice(&descriptor);
        self.0.extend(nsids.iter().flat_map(|nsid| nsid.to_le_bytes()));
        self.set_group_count(groups);
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for AnaLog<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("AnaLog");
        self.debug_fields(&mut fields);
        fields.field("groups", &self.groups().collect::<Vec<_>>()).finish()
    }
}

/// Bytes of a descriptor in front of its namespaces.
const GROUP_LEN: usize = 32;

/// One group of namespaces that are reached alike. 32 bytes and 4 for each namespace, little-endian.
///
/// | bytes  | field                     | meaning                                                                        |
/// |--------|---------------------------|--------------------------------------------------------------------------------|
/// | 0..4   | `id` (GRPID)              |                                                                                |
/// | 4..8   | NNSID                     | namespaces that follow; 0 where the command asked for groups only              |
/// | 8..16  | `change_count` (CHGCNT)   | goes up with every change of this group                                        |
/// | 16     | `state`                   | 3:0                                                                            |
/// | 32..   | [`nsids`](Self::nsids)    | ascending                                                                      |
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnaGroup<'a> {
    /// Number of the group; namespaces name it in [`ana_group`](crate::identify::IdentifyNamespace::ana_group).
    pub id: u32,
    /// Goes up with every change of this group; 0: not said.
    pub change_count: u64,
    /// How the namespaces are reached.
    pub state: AnaState,
    nsids: &'a [u8],
}

impl<'a> AnaGroup<'a> {
    /// The namespaces of the group.
    pub fn nsids(&self) -> impl Iterator<Item = u32> + use<'a> {
        entries(self.nsids, 0, 4, usize::MAX).map(|nsid| u32::read(nsid, 0))
    }
}

impl fmt::Debug for AnaGroup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("AnaGroup");
        fields.field("id", &self.id).field("change_count", &self.change_count).field("state", &self.state);
        fields.field("nsids", &self.nsids().collect::<Vec<_>>()).finish()
    }
}

/// The groups of an [`AnaLog`]; after an error it is at its end.
#[derive(Debug, Clone)]
pub struct AnaGroups<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u16,
}

impl<'a> Iterator for AnaGroups<'a> {
    type Item = Result<AnaGroup<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let group = self.group();
        if group.is_err() {
            self.left = 0;
        }
        Some(group)
    }
}

impl<'a> AnaGroups<'a> {
    fn group(&mut self) -> Result<AnaGroup<'a>, DecodeError> {
        let bytes = self.bytes;
        let behind = self.at.saturating_add(GROUP_LEN);
        DecodeError::check_len(STRUCTURE, bytes, behind)?;
        let descriptor = field_at(bytes, self.at, GROUP_LEN);
        let count = usize::try_from(u32::read(descriptor, 4)).unwrap_or(usize::MAX);
        let end = count.saturating_mul(4).saturating_add(behind);
        DecodeError::check_len(STRUCTURE, bytes, end)?;
        self.at = end;
        Ok(AnaGroup {
            id: Field::read(descriptor, 0),
            change_count: Field::read(descriptor, 8),
            // The upper half of the byte is reserved.
            state: AnaState(u8::read(descriptor, 16) & 0xf),
            nsids: field_at(bytes, behind, end.saturating_sub(behind)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeErrorKind;
    use alloc::vec;

    fn two_groups() -> AnaLog<Vec<u8>> {
        let mut log = AnaLog::empty(3);
        log.push(1, 2, AnaState::OPTIMIZED, &[1, 7]);
        log.push(2, 3, AnaState(0x5), &[]);
        log
    }

    #[test]
    fn groups_are_found_with_their_namespaces() {
        let log = two_groups();
        let groups: Vec<_> = log.groups().map(Result::unwrap).collect();
        assert_eq!((groups.len(), groups[0].id, groups[0].change_count), (2, 1, 2));
        assert_eq!(groups[0].nsids().collect::<Vec<_>>(), [1, 7]);
        // A state without a name stays what it is.
        assert_eq!((groups[1].state, groups[1].nsids().count()), (AnaState(5), 0));
        assert_eq!((log.change_count(), log.group_count(), log.as_bytes().len()), (3, 2, 16 + 32 + 8 + 32));
    }

    #[test]
    fn counts_that_lie_end_with_an_error() {
        let mut log = two_groups();
        log.set_group_count(u16::MAX);
        let groups: Vec<_> = log.groups().collect();
        assert_eq!(groups.len(), 3);
        let error = groups[2].unwrap_err();
        assert_eq!((error.at, error.kind), (88, DecodeErrorKind::TooShort { need: 120, have: 88 }));
        let mut bytes = two_groups().into_inner();
        bytes[20..24].fill(0xff);
        let log = AnaLog::new_checked(bytes).unwrap();
        let groups: Vec<_> = log.groups().collect();
        assert_eq!(groups.len(), 1);
        assert!(matches!(groups[0].unwrap_err().kind, DecodeErrorKind::TooShort { have: 88, .. }));
    }

    #[test]
    fn what_was_cut_off_is_an_error_at_the_cut() {
        let bytes = two_groups().into_inner();
        for have in 0..bytes.len() {
            let Ok(log) = AnaLog::new_checked(&bytes[..have]) else {
                assert!(have < 16);
                continue;
            };
            let groups: Vec<_> = log.groups().collect();
            let whole = groups.iter().filter(|group| group.is_ok()).count();
            assert_eq!((groups.len(), whole), if have < 56 { (1, 0) } else { (2, 1) }, "{have}");
            assert_eq!(groups.last().unwrap().unwrap_err().at, have);
        }
        assert_eq!(AnaLog::new_checked(vec![0; 16]).unwrap().groups().count(), 0);
    }
}

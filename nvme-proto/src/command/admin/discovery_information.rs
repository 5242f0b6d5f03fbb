//! Discovery Information Management.

use alloc::string::String;
use core::fmt;

use crate::bits::{command, newtype_bits};
use crate::discovery::LogEntry;
use crate::error::DecodeError;
use crate::layout::{field_at, layout, newtype_fields, put, put_text};
use crate::registry::wire_values;
use crate::text::printable;
use crate::types::{Nqn, NqnError};

wire_values! {
    /// What Discovery Information Management does: 4 bits.
    #[doc(alias = "TAS")]
    pub struct DiscoveryTask(u8) {
        /// Registers the entries.
        REGISTER = 0 => "register",
        /// Removes them.
        DEREGISTER = 1 => "deregister",
        /// Replaces them.
        UPDATE = 2 => "update",
    }

    /// How the entries look. 2 bytes.
    #[doc(alias = "ENTFMT")]
    pub struct EntryFormat(u16) {
        /// 1024 bytes each, as in the discovery log.
        BASIC = 1 => "basic",
        /// Of several lengths, with attributes.
        EXTENDED = 2 => "extended",
    }

    /// Who registers. 2 bytes.
    #[doc(alias = "ETYPE")]
    pub struct EntityType(u16) {
        /// A host.
        HOST = 1 => "host",
        /// A direct discovery controller: a subsystem.
        DDC = 2 => "direct discovery controller",
        /// A central discovery controller.
        CDC = 3 => "central discovery controller",
    }
}

newtype_bits!(DiscoveryTask);
newtype_fields!(EntryFormat, EntityType);

command! {
    /// Discovery Information Management: a host or subsystem registers with a central discovery controller. The data are
    /// [`DiscoveryInformation`].
    ///
    /// A controller without it answers [`INVALID_OPCODE`](crate::Status::INVALID_OPCODE) and keeps the connection: some clients try it with every discovery controller.
    ///
    /// Source: NVMe Base 2.1 section 5.3.
    pub struct DiscoveryInformationManagement("Discovery Information Management", opcode = 0x21) {
        /// What to do.
        CDW10 [3:0] task: DiscoveryTask, "TAS";
    }
}

impl DiscoveryInformationManagement {
    /// Does this with the entries of the data.
    #[must_use]
    pub const fn new(task: DiscoveryTask) -> Self {
        Self { task }
    }
}

/// Who registers, and where it can be reached. 1024 bytes and the entries behind them, little-endian.
///
/// | bytes    | field                             | meaning                                          |
/// |----------|-----------------------------------|--------------------------------------------------|
/// | 0..4     | `total_len` (TDL)                 | bytes of all of it                               |
/// | 8..16    | `entries` (NUMENT)                | entries behind                                   |
/// | 16..18   | `entry_format` (ENTFMT)           |                                                  |
/// | 18..20   | `entity_type` (ETYPE)             |                                                  |
/// | 20       | `port_local` (PORTLCL)            | 1: about this port only                          |
/// | 22..24   | `entity_key_type` (EKTYPE)        | which fields tell entities apart                 |
/// | 24..280  | `entity_nqn` (EID)                | UTF-8, NUL behind                                |
/// | 280..536 | `entity_name` (ENAME)             | text, NUL behind                                 |
/// | 536..600 | `entity_version` (EVER)           | text, NUL behind                                 |
/// | 1024..   | entries                           |                                                  |
///
/// The other bytes are reserved and kept. Source: NVMe Base 2.1 section 5.3.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DiscoveryInformation<B: AsRef<[u8]>>(B);

impl<B: AsRef<[u8]>> DiscoveryInformation<B> {
    /// Bytes in front of the entries.
    pub const HEADER_LEN: usize = 1024;

    /// Checks that the header is there, and as many bytes as it says.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort) when bytes are missing.
    pub fn new_checked(bytes: B) -> Result<Self, DecodeError> {
        DecodeError::check_len("discovery information", bytes.as_ref(), Self::HEADER_LEN)?;
        let view = Self(bytes);
        let total = usize::try_from(view.total_len()).unwrap_or(usize::MAX);
        DecodeError::check_len("discovery information", view.0.as_ref(), total)?;
        Ok(view)
    }

    /// The entity's name.
    ///
    /// # Errors
    /// Those of [`Nqn::decode`].
    #[doc(alias = "EID")]
    pub fn entity_nqn(&self) -> Result<Nqn, NqnError> {
        Nqn::decode(field_at(self.0.as_ref(), 24, Nqn::FIELD_LEN))
    }

    /// What the entity calls itself, for people.
    #[doc(alias = "ENAME")]
    #[must_use]
    pub fn entity_name(&self) -> String {
        printable(field_at(self.0.as_ref(), 280, 256))
    }

    /// The entity's version, for people.
    #[doc(alias = "EVER")]
    #[must_use]
    pub fn entity_version(&self) -> String {
        printable(field_at(self.0.as_ref(), 536, 64))
    }

    /// The bytes of the entries: behind the header, up to [`total_len`](Self::total_len).
    #[must_use]
    pub fn entry_bytes(&self) -> &[u8] {
        let total = usize::try_from(self.total_len()).unwrap_or(usize::MAX);
        self.0.as_ref().get(Self::HEADER_LEN..total).unwrap_or_default()
    }

    /// The entries of the basic format: as many as are counted and there, whichever is less. None of another format.
    pub fn basic_entries(&self) -> impl Iterator<Item = LogEntry<&[u8]>> {
        let counted = match self.entry_format() {
            EntryFormat::BASIC => usize::try_from(self.entries()).unwrap_or(usize::MAX),
            _ => 0,
        };
        self.entry_bytes()
            .chunks_exact(1024)
            .take(counted)
            .filter_map(|bytes| LogEntry::new_checked(bytes).ok())
    }

    /// All its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> DiscoveryInformation<B> {
    /// Writes [`entity_nqn`](Self::entity_nqn).
    pub fn set_entity_nqn(&mut self, nqn: &Nqn) {
        put(self.0.as_mut(), 24, nqn.encode());
    }

    /// Writes [`entity_name`](Self::entity_name), up to 255 bytes of it.
    pub fn set_entity_name(&mut self, name: &str) {
        put_text(self.0.as_mut(), 280, 255, name.as_bytes(), 0);
    }

    /// Writes [`entity_version`](Self::entity_version), up to 63 bytes of it.
    pub fn set_entity_version(&mut self, version: &str) {
        put_text(self.0.as_mut(), 536, 63, version.as_bytes(), 0);
    }
}

layout! {
    DiscoveryInformation {
        /// Bytes of header and entries.
        #[doc(alias = "TDL")]
        0 total_len set_total_len u32;
        /// Number of entries.
        #[doc(alias = "NUMENT")]
        8 entries set_entries u64;
        /// How they look.
        #[doc(alias = "ENTFMT")]
        16 entry_format set_entry_format EntryFormat;
        /// Who registers.
        #[doc(alias = "ETYPE")]
        18 entity_type set_entity_type EntityType;
        /// 1 when the entries are about the port of this connection only.
        #[doc(alias = "PORTLCL")]
        20 port_local set_port_local u8;
        /// Which fields tell entities apart: 0x3f or 0x5f.
        #[doc(alias = "EKTYPE")]
        22 entity_key_type set_entity_key_type u16;
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for DiscoveryInformation<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("DiscoveryInformation");
        self.debug_fields(&mut fields);
        fields.field("entity_nqn", &self.entity_nqn()).field("entity_name", &self.entity_name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeErrorKind;
    use crate::discovery::{DiscoveryEntry, SubsystemType};
    use alloc::format;
    use alloc::vec;
    use alloc::vec::Vec;

    fn registration(entries: &[DiscoveryEntry]) -> DiscoveryInformation<Vec<u8>> {
        let mut view = DiscoveryInformation(vec![0; 1024]);
        for entry in entries {
            view.0.extend_from_slice(&entry.encode());
        }
        view.set_total_len(u32::try_from(view.0.len()).unwrap());
        view.set_entries(entries.len() as u64);
        view.set_entry_format(EntryFormat::BASIC);
        view.set_entity_type(EntityType::DDC);
        view.set_entity_key_type(0x5f);
        view.set_entity_nqn(&"nqn.2024-01.org.example:disk1".parse().unwrap());
        view.set_entity_name("rack 7");
        view.set_entity_version("1.0");
        view
    }

    fn entry() -> DiscoveryEntry {
        let name = crate::SubsysNqn::new("nqn.2024-01.org.example:disk1").unwrap();
        DiscoveryEntry::tcp(SubsystemType::NVM, &name, &"192.0.2.1".parse().unwrap(), 4420)
    }

    #[test]
    fn a_registration_both_ways() {
        let made = registration(&[entry(), entry()]);
        let bytes = made.as_bytes();
        assert_eq!(bytes.len(), 3072);
        assert_eq!(bytes[..4], 3072_u32.to_le_bytes());
        assert_eq!(bytes[8..24], [2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0x5f, 0]);
        assert!(bytes[24..].starts_with(b"nqn.2024-01.org.example:disk1\0"));
        assert!(bytes[280..].starts_with(b"rack 7\0") && bytes[536..].starts_with(b"1.0\0"));
        let view = DiscoveryInformation::new_checked(bytes).unwrap();
        assert_eq!(
            view.basic_entries().map(|entry| entry.to_owned()).collect::<Vec<_>>(),
            [entry(), entry()]
        );
        assert_eq!((view.entity_name().as_str(), view.entity_version().as_str()), ("rack 7", "1.0"));
        assert!(format!("{view:?}").contains("disk1"));
        let sqe = DiscoveryInformationManagement::new(DiscoveryTask::UPDATE).to_sqe();
        assert_eq!((sqe.opcode, sqe.cdw10), (0x21, 2));
    }

    #[test]
    fn counts_are_bounded_by_the_bytes() {
        let mut lie = registration(&[entry()]);
        lie.set_entries(u64::MAX);
        assert_eq!(lie.basic_entries().count(), 1);
        lie.set_entries(0);
        assert_eq!(lie.basic_entries().count(), 0);
        lie.set_entries(1);
        lie.set_entry_format(EntryFormat::EXTENDED);
        assert_eq!((lie.basic_entries().count(), lie.entry_bytes().len()), (0, 1024));
        for (total, entries) in [(2048, 1), (2047, 0), (1024, 0), (0, 0)] {
            lie.set_entry_format(EntryFormat::BASIC);
            lie.set_total_len(total);
            let view = DiscoveryInformation::new_checked(lie.as_bytes()).unwrap();
            assert_eq!(view.basic_entries().count(), entries, "{total}");
        }
        for total in [2049, u32::MAX] {
            lie.set_total_len(total);
            let error = DiscoveryInformation::new_checked(lie.as_bytes()).unwrap_err();
            let need = total as usize;
            assert_eq!(error.kind, DecodeErrorKind::TooShort { need, have: 2048 });
        }
        assert!(DiscoveryInformation::new_checked([0; 1023]).is_err());
    }
}

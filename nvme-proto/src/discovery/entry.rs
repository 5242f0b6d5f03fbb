//! One entry of the discovery log.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use super::extended::{end_of_entry, extend};
use super::{
    EntryFlags, ExtendedAttribute, ExtendedAttributeError, ExtendedAttributes, SubsystemType, TcpSecurity,
    TransportRequirements,
};
use crate::error::DecodeError;
use crate::layout::{bytes_at, field_at, layout, put, put_text, zeroed};
use crate::text::printable;
use crate::types::{
    AddrTextError, AddressFamily, Cntlid, IpTraddr, Nqn, NqnError, SubsysNqn, Traddr, TransportType, Trsvcid,
};

/// One entry of the discovery log: a way to a subsystem. 1024 bytes, little-endian; more where it is extended.
///
/// | bytes     | field                             | unit, meaning                                                           |
/// |-----------|-----------------------------------|-------------------------------------------------------------------------|
/// | 0         | `transport_type` (TRTYPE)         |                                                                         |
/// | 1         | `address_family` (ADRFAM)         |                                                                         |
/// | 2         | `subsystem_type` (SUBTYPE)        |                                                                         |
/// | 3         | `requirements` (TREQ)             | bits                                                                    |
/// | 4..6      | `port_id` (PORTID)                | port of the subsystem; of Linux's target, the name of the port's directory |
/// | 6..8      | `cntlid` (CNTLID)                 | 0xffff: dynamic model                                                   |
/// | 8..10     | `admin_queue_size` (ASQSZ)        | entries of the admin queue at most, not less one                        |
/// | 10..12    | `flags` (EFLAGS)                  | bits                                                                    |
/// | 12..32    | reserved                          |                                                                         |
/// | 32..64    | `trsvcid` (TRSVCID)               | ASCII, NULs or blanks behind                                            |
/// | 64..256   | reserved                          |                                                                         |
/// | 256..512  | `subnqn` (SUBNQN)                 | UTF-8, NUL behind                                                       |
/// | 512..768  | `traddr` (TRADDR)                 | ASCII, NULs or blanks behind                                            |
/// | 768..1024 | `transport_specific` (TSAS)       | TCP: byte 768 is `tcp_security` (SECTYPE)                               |
///
/// Extended entries, since NVMe Base 2.1, go on:
///
/// | bytes      | field                             | meaning                                                                |
/// |------------|-----------------------------------|------------------------------------------------------------------------|
/// | 1024..1028 | TEL                               | bytes of the whole entry: 1032 or more, a multiple of 4                |
/// | 1028..1030 | NUMEXAT                           | attributes that follow                                                 |
/// | 1030..1032 | reserved                          |                                                                        |
/// | 1032..     | [`attributes`](Self::attributes)  | [`ExtendedAttribute`]s                                                 |
///
/// Every byte is kept, also of entries whose numbers have no name here: encoding what was decoded gives the same bytes. What has
/// to be text of a certain kind is checked when asked for, so that one bad entry does not cost the others.
///
/// Source: NVMe over Fabrics 1.1 section 5.2, kernel `include/linux/nvme.h: struct nvmf_disc_rsp_page_entry`,
/// `drivers/nvme/target/discovery.c: nvmet_format_discovery_entry`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogEntry<B: AsRef<[u8]>>(B, Form);

/// Whether an entry has an extension. What is behind 1024 bytes does not tell: it may be the next entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    Basic,
    /// This many bytes.
    Extended(usize),
}

/// An entry that owns its bytes.
pub type DiscoveryEntry = LogEntry<Box<[u8]>>;

super::address::address_fields!(LogEntry);

impl<B: AsRef<[u8]>> LogEntry<B> {
    /// Length in bytes, without extension.
    pub const LEN: usize = 1024;

    /// An entry that is not extended: checks that there are (at least) 1024 bytes. What is behind them is left alone.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort).
    pub fn new_checked(bytes: B) -> Result<Self, DecodeError> {
        DecodeError::check_len("discovery log entry", bytes.as_ref(), Self::LEN)?;
        Ok(Self(bytes, Form::Basic))
    }

    /// An extended entry: checks that there are as many bytes as it says. What is behind them is left alone.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort) below 1032 bytes; [`DecodeErrorKind::Invalid`](crate::DecodeErrorKind::Invalid)
    /// for a length below 1032, that is not a multiple of 4, or beyond the bytes.
    pub fn new_extended(bytes: B) -> Result<Self, DecodeError> {
        let len = end_of_entry("extended discovery log entry", bytes.as_ref(), 0)?;
        Ok(Self(bytes, Form::Extended(len)))
    }

    /// Whether the entry has an extension.
    #[must_use]
    pub const fn is_extended(&self) -> bool {
        matches!(self.1, Form::Extended(_))
    }

    /// The attributes of the extension; none where there is no extension.
    pub fn attributes(&self) -> ExtendedAttributes<'_> {
        match self.1 {
            Form::Basic => ExtendedAttributes::none(),
            Form::Extended(_) => ExtendedAttributes::new(self.as_bytes()),
        }
    }

    /// The same entry with an extension of these attributes, instead of the one it may have.
    ///
    /// # Errors
    /// When a value's length is not a multiple of 4 (fill labels up), or there are more than 65535 attributes.
    pub fn with_attributes(
        &self,
        attributes: &[ExtendedAttribute<'_>],
    ) -> Result<DiscoveryEntry, ExtendedAttributeError> {
        let bytes = extend(self.encode(), attributes)?;
        let len = bytes.len();
        Ok(LogEntry(bytes.into(), Form::Extended(len)))
    }

    /// Transport service: for TCP the port.
    ///
    /// # Errors
    /// When the field is empty or holds something else than printable ASCII without blanks and commas.
    #[doc(alias = "TRSVCID")]
    pub fn trsvcid(&self) -> Result<Trsvcid, AddrTextError> {
        Trsvcid::decode(field_at(self.0.as_ref(), 32, 32))
    }

    /// Transport service for people, whatever is in the field.
    #[must_use]
    pub fn trsvcid_text(&self) -> String {
        printable(field_at(self.0.as_ref(), 32, 32))
    }

    /// Name of the subsystem, or of the discovery service.
    ///
    /// # Errors
    /// Those of [`Nqn::decode`].
    #[doc(alias = "SUBNQN")]
    pub fn subnqn(&self) -> Result<SubsysNqn, NqnError> {
        SubsysNqn::decode(field_at(self.0.as_ref(), 256, Nqn::FIELD_LEN))
    }

    /// Name of the subsystem for people, whatever is in the field.
    #[must_use]
    pub fn subnqn_text(&self) -> String {
        printable(field_at(self.0.as_ref(), 256, Nqn::FIELD_LEN))
    }

    /// The bytes of the entry: 1024, or as many as it says where it is extended.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let len = match self.1 {
            Form::Basic => Self::LEN,
            Form::Extended(len) => len,
        };
        field_at(self.0.as_ref(), 0, len)
    }

    /// A copy of the first 1024 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; 1024] {
        bytes_at(self.0.as_ref(), 0)
    }

    /// The same entry, with bytes of its own.
    #[must_use]
    pub fn to_owned(&self) -> DiscoveryEntry {
        LogEntry(self.as_bytes().into(), self.1)
    }
}

impl DiscoveryEntry {
    /// All zeros: to be filled with the setters.
    #[must_use]
    pub fn zeroed() -> Self {
        Self(zeroed(Self::LEN), Form::Basic)
    }

    /// A way over TCP to a subsystem of this kind. As Linux's target does it: dynamic controllers, 32 entries in the admin queue,
    /// flow control may be disabled, port 0, nothing protects the connection, text is followed by NULs.
    #[must_use]
    pub fn tcp(kind: SubsystemType, subnqn: &SubsysNqn, traddr: &IpTraddr, port: u16) -> Self {
        let mut entry = Self::zeroed();
        entry.set_transport_type(TransportType::TCP);
        entry.set_address_family(traddr.family());
        entry.set_subsystem_type(kind);
        entry.set_requirements(TransportRequirements::FLOW_CONTROL_DISABLE);
        entry.set_cntlid(Cntlid::DYNAMIC);
        entry.set_admin_queue_size(32);
        entry.set_trsvcid(&Trsvcid::from(port));
        entry.set_subnqn(subnqn);
        entry.set_traddr(&Traddr::from(traddr));
        entry
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> LogEntry<B> {
    /// Writes the transport service, NULs behind it.
    pub fn set_trsvcid(&mut self, trsvcid: &Trsvcid) {
        put_text(self.0.as_mut(), 32, 32, trsvcid.as_str().as_bytes(), 0);
    }

    /// Writes the name of the subsystem.
    pub fn set_subnqn(&mut self, subnqn: &SubsysNqn) {
        put(self.0.as_mut(), 256, subnqn.encode());
    }

    /// Writes the transport address, NULs behind it.
    pub fn set_traddr(&mut self, traddr: &Traddr) {
        put_text(self.0.as_mut(), 512, 256, traddr.as_str().as_bytes(), 0);
    }

    /// Writes what protects connections, for TCP.
    pub fn set_tcp_security(&mut self, security: TcpSecurity) {
        put(self.0.as_mut(), 768, [security.0]);
    }
}

layout! { LogEntry {
    /// Which transport leads there.
    #[doc(alias = "TRTYPE")]
    0 transport_type set_transport_type TransportType;
    /// How the address is written.
    #[doc(alias = "ADRFAM")]
    1 address_family set_address_family AddressFamily;
    /// What the entry leads to.
    #[doc(alias = "SUBTYPE")]
    2 subsystem_type set_subsystem_type SubsystemType;
    /// What a connection needs.
    #[doc(alias = "TREQ")]
    3 requirements set_requirements TransportRequirements;
    /// Which port of the subsystem.
    #[doc(alias = "PORTID")]
    4 port_id set_port_id u16;
    /// Which controller to ask for.
    #[doc(alias = "CNTLID")]
    6 cntlid set_cntlid Cntlid;
    /// Entries the admin submission queue may have; at least 32 by the standard.
    #[doc(alias = "ASQSZ")]
    8 admin_queue_size set_admin_queue_size u16;
    /// Flags.
    #[doc(alias = "EFLAGS")]
    10 flags set_flags EntryFlags;
} }

impl<B: AsRef<[u8]>> fmt::Debug for LogEntry<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("LogEntry");
        self.debug_fields(&mut fields);
        fields.field("trsvcid", &self.trsvcid_text()).field("subnqn", &self.subnqn_text());
        fields.field("traddr", &self.traddr_text()).field("tcp_security", &self.tcp_security());
        if self.is_extended() {
            fields.field("attributes", &self.attributes().collect::<alloc::vec::Vec<_>>());
        }
        fields.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_text_field_costs_only_itself() {
        let name = SubsysNqn::new("mysub").unwrap();
        let mut entry = DiscoveryEntry::tcp(SubsystemType::NVM, &name, &"192.0.2.10".parse().unwrap(), 4420);
        put(&mut entry.0, 256, [b'n'; 256]);
        put(&mut entry.0, 512, *b"a b\x1b");
        assert_eq!(entry.subnqn(), Err(NqnError::Unterminated { len: 256 }));
        assert_eq!(entry.subnqn_text().len(), 256);
        assert!(entry.traddr().is_err());
        assert_eq!(entry.traddr_text(), "a b\\u{1b}0.2.10");
        assert_eq!(entry.trsvcid().map(|s| s.port()), Ok(Some(4420)));
    }

    #[test]
    fn security_is_said_for_tcp_only() {
        let mut entry = DiscoveryEntry::zeroed();
        entry.set_tcp_security(TcpSecurity::TLS13);
        assert_eq!(entry.tcp_security(), None);
        entry.set_transport_type(TransportType::TCP);
        assert_eq!(entry.tcp_security(), Some(TcpSecurity::TLS13));
        assert_eq!(entry.transport_specific()[0], 2);
    }
}

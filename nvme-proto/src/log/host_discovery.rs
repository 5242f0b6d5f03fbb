//! The hosts a central discovery controller knows.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::discovery::extended::{end_of_entry, extend};
use crate::discovery::log::only_format_0;
use crate::discovery::{
    EntryFlags, ExtendedAttribute, ExtendedAttributeError, ExtendedAttributes, TcpSecurity,
};
use crate::error::DecodeError;
use crate::layout::{Field, field_at, layout, put, put_text};
use crate::text::printable;
use crate::types::{AddressFamily, HostNqn, Nqn, NqnError, Traddr, TransportType};

/// One host in the host discovery log. 1032 bytes and its attributes, little-endian; laid out as an extended entry of the discovery log.
///
/// | bytes      | field                             | meaning                                                     |
/// |------------|-----------------------------------|-------------------------------------------------------------|
/// | 0, 1       | `transport_type`, `address_family` (TRTYPE, ADRFAM) |                                           |
/// | 10..12     | `flags` (EFLAGS)                  | bits                                                        |
/// | 256..512   | `hostnqn` (HOSTNQN)               | UTF-8, NUL behind                                           |
/// | 512..768   | `traddr` (TRADDR)                 | ASCII, NULs or blanks behind                                |
/// | 768..1024  | `transport_specific` (TSAS)       | TCP: byte 768 is `tcp_security` (SECTYPE)                   |
/// | 1024..1028 | TEL                               | bytes of the whole entry                                    |
/// | 1028..1030 | NUMEXAT                           | attributes that follow                                      |
/// | 1032..     | [`attributes`](Self::attributes)  | [`ExtendedAttribute`]s                                      |
///
/// Source: NVMe Base 2.1 section 5.1.12.3.2, libnvme `src/nvme/types.h: struct nvme_host_ext_discover_log`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostEntry<B: AsRef<[u8]>>(B, usize);

layout! { HostEntry {
    /// Which transport the host uses.
    #[doc(alias = "TRTYPE")]
    0 transport_type set_transport_type TransportType;
    /// How its address is written.
    #[doc(alias = "ADRFAM")]
    1 address_family set_address_family AddressFamily;
    /// Flags.
    #[doc(alias = "EFLAGS")]
    10 flags set_flags EntryFlags;
} }

const STRUCTURE: &str = "host discovery log";

crate::discovery::address::address_fields!(HostEntry);

impl<B: AsRef<[u8]>> HostEntry<B> {
    /// Checks that there are as many bytes as the entry says. What is behind them is left alone.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort) below 1032 bytes; [`DecodeErrorKind::Invalid`](crate::DecodeErrorKind::Invalid) for a length below 1032, that is not a multiple of 4, or
    /// beyond the bytes.
    pub fn new_checked(bytes: B) -> Result<Self, DecodeError> {
        let len = end_of_entry(STRUCTURE, bytes.as_ref(), 0)?;
        Ok(Self(bytes, len))
    }

    /// Name of the host.
    ///
    /// # Errors
    /// Those of [`Nqn::decode`].
    #[doc(alias = "HOSTNQN")]
    pub fn hostnqn(&self) -> Result<HostNqn, NqnError> {
        HostNqn::decode(field_at(self.0.as_ref(), 256, Nqn::FIELD_LEN))
    }

    /// Name of the host for people, whatever is in the field.
    #[must_use]
    pub fn hostnqn_text(&self) -> String {
        printable(field_at(self.0.as_ref(), 256, Nqn::FIELD_LEN))
    }

    /// The attributes.
    pub fn attributes(&self) -> ExtendedAttributes<'_> {
        ExtendedAttributes::new(self.as_bytes())
    }

    /// The bytes of the entry, attributes too.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        field_at(self.0.as_ref(), 0, self.1)
    }
}

impl HostEntry<Box<[u8]>> {
    /// An entry of zeros with these attributes: to be filled with the setters.
    ///
    /// # Errors
    /// When a value's length is not a multiple of 4, or there are more than 65535 attributes.
    pub fn with_attributes(attributes: &[ExtendedAttribute<'_>]) -> Result<Self, ExtendedAttributeError> {
        let bytes = extend([0; 1024], attributes)?;
        let len = bytes.len();
        Ok(Self(bytes.into(), len))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> HostEntry<B> {
    /// Writes the name of the host.
    pub fn set_hostnqn(&mut self, name: &HostNqn) {
        put(self.0.as_mut(), 256, name.encode());
    }

    /// Writes the address of the host, NULs behind it.
    pub fn set_traddr(&mut self, traddr: &Traddr) {
        put_text(self.0.as_mut(), 512, 256, traddr.as_str().as_bytes(), 0);
    }

    /// Writes what protects connections, for TCP.
    pub fn set_tcp_security(&mut self, security: TcpSecurity) {
        put(self.0.as_mut(), 768, [security.0]);
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for HostEntry<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("HostEntry");
        self.debug_fields(&mut fields);
        fields.field("hostnqn", &self.hostnqn_text()).field("traddr", &self.traddr_text());
        fields.field("attributes", &self.attributes().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Header of the host discovery log (LID 0x71) and of the AVE discovery log (LID 0x72). 1024 bytes, little-endian.
///
/// | bytes    | field                              | meaning                                                    |
/// |----------|------------------------------------|------------------------------------------------------------|
/// | 0..8     | `generation` (GENCTR)              | goes up with every change, and wraps                       |
/// | 8..16    | `records` (NUMREC)                 | entries behind the header, as the peer says                |
/// | 16..18   | RECFMT                             | must be 0                                                  |
/// | 18       | `flags` (HDLPF)                    | bit 0: all hosts; reserved in the AVE log                  |
/// | 20..24   | `total_len` (THDLPL, TADLPL)       | bytes of the whole page                                    |
/// | 24..1024 | reserved                           | zero when written, ignored when read                       |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct RegistrationLogHeader {
    /// Generation counter.
    pub generation: u64,
    /// Number of entries, as the peer says.
    pub records: u64,
    /// Flags.
    pub flags: u8,
    /// Bytes of the whole page, as the peer says.
    pub total_len: u32,
}

impl RegistrationLogHeader {
    /// Length in bytes.
    pub const LEN: usize = 1024;

    /// A header for so many records in a page of so many bytes.
    #[must_use]
    pub const fn new(generation: u64, records: u64, total_len: u32) -> Self {
        Self { generation, records, flags: 0, total_len }
    }

    /// Decodes a header.
    ///
    /// # Errors
    /// [`DecodeErrorKind::TooShort`](crate::DecodeErrorKind::TooShort) below 1024 bytes; [`DecodeErrorKind::Unsupported`](crate::DecodeErrorKind::Unsupported) for a record format that is not 0.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        DecodeError::check_len(STRUCTURE, bytes, Self::LEN)?;
        only_format_0(STRUCTURE, bytes)?;
        Ok(Self {
            generation: Field::read(bytes, 0),
            records: Field::read(bytes, 8),
            flags: Field::read(bytes, 18),
            total_len: Field::read(bytes, 20),
        })
    }

    /// The 1024 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        self.generation.write(&mut bytes, 0);
        self.records.write(&mut bytes, 8);
        self.flags.write(&mut bytes, 18);
        self.total_len.write(&mut bytes, 20);
        bytes
    }
}

/// The entries of a host discovery log (LID 0x71), as many as its header says. After an error it is at its end.
#[derive(Debug, Clone)]
pub struct HostEntries<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u64,
}

impl<'a> HostEntries<'a> {
    /// The entries of a whole page.
    ///
    /// # Errors
    /// Those of [`RegistrationLogHeader::decode`].
    pub fn new(page: &'a [u8]) -> Result<Self, DecodeError> {
        let left = RegistrationLogHeader::decode(page)?.records;
        Ok(Self { bytes: page, at: RegistrationLogHeader::LEN, left })
    }
}

impl<'a> Iterator for HostEntries<'a> {
    type Item = Result<HostEntry<&'a [u8]>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let entry = end_of_entry(STRUCTURE, self.bytes, self.at).map(|end| {
            let len = end.saturating_sub(self.at);
            let entry = HostEntry(field_at(self.bytes, self.at, len), len);
            self.at = end;
            entry
        });
        if entry.is_err() {
            self.left = 0;
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::ExtendedAttributeType;

    fn entry() -> HostEntry<Box<[u8]>> {
        let id = ExtendedAttribute { kind: ExtendedAttributeType::HOST_ID, value: &[7; 16] };
        let mut entry = HostEntry::with_attributes(&[id]).unwrap();
        entry.set_transport_type(TransportType::TCP);
        entry.set_address_family(AddressFamily::IPV4);
        entry.set_flags(EntryFlags::NOT_CONNECTED);
        entry.set_hostnqn(&HostNqn::new("nqn.2024-01.org.example:host").unwrap());
        entry.set_traddr(&Traddr::new("192.0.2.7").unwrap());
        entry.set_tcp_security(TcpSecurity::TLS13);
        entry
    }

    fn page(records: u64) -> Vec<u8> {
        let entry = entry();
        let header = RegistrationLogHeader { flags: 1, ..RegistrationLogHeader::new(5, records, 3128) };
        [&header.encode()[..], entry.as_bytes(), entry.as_bytes()].concat()
    }

    #[test]
    fn hosts_are_found_with_their_attributes() {
        let page = page(2);
        let header = RegistrationLogHeader::decode(&page).unwrap();
        assert_eq!((header.generation, header.records, header.flags, header.total_len), (5, 2, 1, 3128));
        assert_eq!(header.encode(), page[..1024]);
        let entries: Vec<_> = HostEntries::new(&page).unwrap().map(Result::unwrap).collect();
        assert_eq!((entries.len(), page.len()), (2, 3128));
        let host = entries[1];
        assert_eq!(host.as_bytes(), entry().as_bytes());
        assert_eq!(host.hostnqn().unwrap().as_str(), "nqn.2024-01.org.example:host");
        assert_eq!(
            (host.traddr_text().as_str(), host.tcp_security()),
            ("192.0.2.7", Some(TcpSecurity::TLS13))
        );
        assert_eq!((host.as_bytes()[10], host.attributes().count()), (4, 1));
    }

    #[test]
    fn what_lies_ends_the_list() {
        let mut page = page(u64::MAX);
        let count = |page: &[u8]| HostEntries::new(page).unwrap().count();
        assert_eq!(count(&page), 3);
        let last = HostEntries::new(&page).unwrap().last().unwrap().unwrap_err();
        assert_eq!(last.at, 3128);
        page[2048] = 0xff;
        let error = HostEntries::new(&page).unwrap().next().unwrap().unwrap_err();
        assert_eq!((error.at, count(&page)), (2048, 1));
        for have in 1024..page.len() {
            assert!(HostEntries::new(&page[..have]).unwrap().last().unwrap().is_err());
        }
        page[16] = 1;
        assert_eq!(HostEntries::new(&page).unwrap_err().at, 16);
        assert!(RegistrationLogHeader::decode(&page[..1023]).is_err());
    }
}

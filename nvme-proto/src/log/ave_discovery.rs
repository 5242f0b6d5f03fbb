//! Entities that verify authentication for others (AVE).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::RegistrationLogHeader;
use crate::error::DecodeError;
use crate::layout::{Field, bytes_at, field_at, put};
use crate::types::{AddressFamily, Nqn, NqnError};
use crate::view::entries;

/// Bytes of an entry in front of its records, and of a record.
const HEAD: usize = 232;
const RECORD: usize = 20;
/// Bytes of the name's field.
const NAME: usize = 224;

const STRUCTURE: &str = "AVE discovery log";

/// One authentication verification entity. 232 bytes and 20 for each transport record, little-endian.
///
/// | bytes    | field                               | meaning                              |
/// |----------|-------------------------------------|--------------------------------------|
/// | 0..4     | TEL                                 | bytes of the whole entry             |
/// | 4..228   | [`nqn`](Self::nqn) (AVENQN)         | UTF-8, NUL behind                    |
/// | 228      | NUMATR                              | transport records that follow        |
/// | 229..232 | reserved                            |                                      |
/// | 232..    | [`records`](Self::records)          | [`AveRecord`]s of 20 bytes           |
///
/// Source: NVMe Base 2.1 section 5.1.12.3.3, libnvme `src/nvme/types.h: struct nvme_ave_discover_log_entry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AveEntry<'a> {
    bytes: &'a [u8],
}

impl<'a> AveEntry<'a> {
    /// Name of the entity.
    ///
    /// # Errors
    /// Those of [`Nqn::decode`].
    pub fn nqn(&self) -> Result<Nqn, NqnError> {
        Nqn::decode(field_at(self.bytes, 4, NAME))
    }

    /// How it can be reached; as many records as the entry counts, which fit it.
    pub fn records(&self) -> impl Iterator<Item = AveRecord> + use<'a> {
        entries(self.bytes, HEAD, RECORD, u8::read(self.bytes, 228).into()).map(AveRecord::decode)
    }

    /// The bytes of the entry.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// An entry for this name and these records, of which 255 at most are written.
    #[must_use]
    pub fn encode(nqn: &Nqn, records: &[AveRecord]) -> Vec<u8> {
        let mut bytes = alloc::vec![0; HEAD];
        // A name has 223 bytes at most.
        crate::layout::put_text(&mut bytes, 4, NAME, nqn.as_str().as_bytes(), 0);
        let records = records.get(..255).unwrap_or(records);
        u8::try_from(records.len()).unwrap_or(u8::MAX).write(&mut bytes, 228);
        bytes.extend(records.iter().flat_map(AveRecord::encode));
        u32::try_from(bytes.len()).unwrap_or(u32::MAX).write(&mut bytes, 0);
        bytes
    }
}

/// A way to reach an entity. 20 bytes, little-endian.
///
/// | bytes | field                        | meaning                                                         |
/// |-------|------------------------------|-----------------------------------------------------------------|
/// | 0     | `family` (AVEADRFAM)         |                                                                 |
/// | 1     | reserved                     |                                                                 |
/// | 2..4  | `port` (AVETRSVCID)          | TCP port                                                        |
/// | 4..20 | `address` (AVETRADDR)        | an address in the order of the wire; see [`ip`](Self::ip)       |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AveRecord {
    /// Kind of the address.
    #[doc(alias = "AVEADRFAM")]
    pub family: AddressFamily,
    /// TCP port.
    #[doc(alias = "AVETRSVCID")]
    pub port: u16,
    /// The address's 16 bytes.
    #[doc(alias = "AVETRADDR")]
    pub address: [u8; 16],
}

impl AveRecord {
    /// Length in bytes.
    pub const LEN: usize = RECORD;

    /// This address and port. An IPv4 address is written to the first 4 bytes.
    #[must_use]
    pub fn new(ip: IpAddr, port: u16) -> Self {
        let mut address = [0; 16];
        let family = match ip {
            IpAddr::V4(ip) => {
                put(&mut address, 0, ip.octets());
                AddressFamily::IPV4
            }
            IpAddr::V6(ip) => {
                address = ip.octets();
                AddressFamily::IPV6
            }
        };
        Self { family, port, address }
    }

    /// The IP address: for IPv4 the first 4 bytes, as no source says more than that the field has 16. `None` for other families.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self.family {
            AddressFamily::IPV4 => Some(IpAddr::V4(Ipv4Addr::from(bytes_at::<4>(&self.address, 0)))),
            AddressFamily::IPV6 => Some(IpAddr::V6(Ipv6Addr::from(self.address))),
            _ => None,
        }
    }

    fn decode(bytes: &[u8]) -> Self {
        Self { family: Field::read(bytes, 0), port: Field::read(bytes, 2), address: bytes_at(bytes, 4) }
    }

    fn encode(&self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        self.family.write(&mut bytes, 0);
        self.port.write(&mut bytes, 2);
        self.address.write(&mut bytes, 4);
        bytes
    }
}

/// The entries of an AVE discovery log (LID 0x72), behind a [`RegistrationLogHeader`], as many as it says. After an error it is at its end.
#[derive(Debug, Clone)]
pub struct AveEntries<'a> {
    bytes: &'a [u8],
    at: usize,
    left: u64,
}

impl<'a> AveEntries<'a> {
    /// The entries of a whole page.
    ///
    /// # Errors
    /// Those of [`RegistrationLogHeader::decode`].
    pub fn new(page: &'a [u8]) -> Result<Self, DecodeError> {
        let left = RegistrationLogHeader::decode(page)?.records;
        Ok(Self { bytes: page, at: RegistrationLogHeader::LEN, left })
    }

    fn entry(&mut self) -> Result<AveEntry<'a>, DecodeError> {
        let (bytes, at) = (self.bytes, self.at);
        DecodeError::check_len(STRUCTURE, bytes, at.saturating_add(HEAD))?;
        let tel = u32::read(bytes, at);
        let len = usize::try_from(tel).unwrap_or(usize::MAX);
        let invalid = |rule| Err(DecodeError::invalid(STRUCTURE, at, "TEL", tel.into(), rule));
        if len < HEAD {
            return invalid("an entry has 232 bytes or more");
        }
        let end = at.saturating_add(len);
        if end > bytes.len() {
            return invalid("the entry runs over the end");
        }
        let count_at = at.saturating_add(228);
        let count = u8::read(bytes, count_at);
        if usize::from(count).saturating_mul(RECORD) > len.saturating_sub(HEAD) {
            let rule = "there are fewer transport records in the entry";
            return Err(DecodeError::invalid(STRUCTURE, count_at, "NUMATR", count.into(), rule));
        }
        self.at = end;
        Ok(AveEntry { bytes: field_at(bytes, at, len) })
    }
}

impl<'a> Iterator for AveEntries<'a> {
    type Item = Result<AveEntry<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let entry = self.entry();
        if entry.is_err() {
            self.left = 0;
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn page(records: u64) -> Vec<u8> {
        let name = Nqn::new("nqn.2024-01.org.example:ave").unwrap();
        let ways = [
            AveRecord::new("192.0.2.9".parse().unwrap(), 8009),
            AveRecord::new("2001:db8::9".parse().unwrap(), 1),
        ];
        let entry = AveEntry::encode(&name, &ways);
        let header = RegistrationLogHeader::new(1, records, 0);
        [&header.encode()[..], &entry, &AveEntry::encode(&name, &[])].concat()
    }

    #[test]
    fn entities_are_found_with_their_records() {
        let page = page(2);
        let entries: Vec<_> = AveEntries::new(&page).unwrap().map(Result::unwrap).collect();
        assert_eq!((entries.len(), page.len()), (2, 1024 + 272 + 232));
        assert_eq!(entries[0].nqn().unwrap().as_str(), "nqn.2024-01.org.example:ave");
        let records: Vec<_> = entries[0].records().collect();
        assert_eq!(
            records.iter().map(|way| way.ip().unwrap().to_string()).collect::<Vec<_>>(),
            ["192.0.2.9", "2001:db8::9"]
        );
        assert_eq!(entries[0].as_bytes()[232..240], [1, 0, 0x49, 0x1f, 192, 0, 2, 9]);
        assert_eq!(entries[1].records().count(), 0);
        assert_eq!(AveRecord { family: AddressFamily(9), ..records[0] }.ip(), None);
    }

    #[test]
    fn what_lies_ends_the_list() {
        let last = |page: &[u8]| {
            let entries: Vec<_> = AveEntries::new(page).unwrap().collect();
            (entries.len(), entries.last().unwrap().unwrap_err().at)
        };
        let good = page(u64::MAX);
        assert_eq!(last(&good), (3, 1528));
        for tel in [0, 231, 505, u32::MAX] {
            let mut page = good.clone();
            tel.write(&mut page, 1024);
            assert_eq!(last(&page), (1, 1024), "{tel}");
        }
        let mut page = good.clone();
        page[1024 + 228] = 3;
        assert_eq!(last(&page), (1, 1252));
        for have in 1024..good.len() {
            assert!(AveEntries::new(&good[..have]).unwrap().last().unwrap().is_err());
        }
    }

    #[test]
    fn names_and_records_that_are_too_many_are_bounded() {
        let name = Nqn::new("n".repeat(223)).unwrap();
        let bytes = AveEntry::encode(&name, &[AveRecord::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1); 300]);
        assert_eq!((bytes.len(), bytes[227], bytes[228]), (232 + 255 * 20, 0, 255));
        assert_eq!(AveEntry { bytes: &bytes }.nqn(), Ok(name));
    }
}

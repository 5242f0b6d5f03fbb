//! Namespace identification descriptors.

use alloc::boxed::Box;

use super::CommandSet;
use crate::error::DecodeError;
use crate::layout::{field_at, newtype_fields, zeroed};
use crate::registry::wire_values;

wire_values! {
    /// What identifies a namespace. 1 byte.
    #[doc(alias = "NIDT")]
    pub struct NamespaceIdType(u8) {
        /// IEEE identifier of 8 bytes, big-endian.
        EUI64 = 1 => "EUI-64",
        /// Globally unique identifier of 16 bytes, big-endian.
        NGUID = 2 => "NGUID",
        /// UUID of 16 bytes, in the order of its text.
        UUID = 3 => "UUID",
        /// I/O command set, 1 byte.
        COMMAND_SET = 4 => "CSI",
    }
}

newtype_fields!(NamespaceIdType);

impl NamespaceIdType {
    /// Bytes an identifier of this type has; `None` where the type is not known.
    #[must_use]
    pub const fn value_len(self) -> Option<usize> {
        match self {
            Self::EUI64 => Some(8),
            Self::NGUID | Self::UUID => Some(16),
            Self::COMMAND_SET => Some(1),
            _ => None,
        }
    }
}

/// One identifier of a namespace: 4 bytes and the identifier.
///
/// | bytes | field       | meaning                              |
/// |-------|-------------|--------------------------------------|
/// | 0     | `kind`      | NIDT; 0 ends the list                |
/// | 1     | NIDL        | bytes of the identifier, 1 or more   |
/// | 2..4  | reserved    | ignored                              |
/// | 4..   | `value`     | NID                                  |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NamespaceDescriptor<'a> {
    /// What kind of identifier it is; kinds that are not known are kept.
    #[doc(alias = "NIDT")]
    pub kind: NamespaceIdType,
    /// The identifier, as many bytes as its kind has where that is known.
    #[doc(alias = "NID")]
    pub value: &'a [u8],
}

/// Bytes of a descriptor in front of its identifier.
const HEAD: usize = 4;
/// Bytes of the list.
const LEN: usize = 4096;

/// The descriptors of a Namespace Identification Descriptor list (CNS 0x03), in the controller's order.
///
/// The list ends at a descriptor of type 0 and after 4096 bytes. A descriptor without bytes, one of a known type with the wrong length, and
/// one that runs over the end are errors, after which the iterator is at its end. Types that are not known are given as they are.
///
/// Source: NVMe Base 2.0 section 5.17.2.3, kernel `drivers/nvme/host/core.c: nvme_identify_ns_descs`.
#[derive(Debug, Clone)]
pub struct NamespaceDescriptors<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> NamespaceDescriptors<'a> {
    /// The descriptors in these bytes, of which 4096 at most are looked at.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.get(..LEN).unwrap_or(bytes), at: 0 }
    }

    fn descriptor(&self) -> Option<Result<NamespaceDescriptor<'a>, DecodeError>> {
        const STRUCTURE: &str = "Namespace Identification Descriptor list";
        let (bytes, at) = (self.bytes, self.at);
        let kind = NamespaceIdType(*bytes.get(at)?);
        if kind.0 == 0 {
            return None;
        }
        let behind = at.saturating_add(HEAD);
        if let Err(error) = DecodeError::check_len(STRUCTURE, bytes, behind) {
            return Some(Err(error));
        }
        let [_, len, ..] = crate::layout::bytes_at::<HEAD>(bytes, at);
        let invalid = |rule| DecodeError::invalid(STRUCTURE, at.saturating_add(1), "NIDL", len.into(), rule);
        let len = usize::from(len);
        let end = behind.saturating_add(len);
        Some(match kind.value_len() {
            _ if len == 0 => Err(invalid("a descriptor has at least one byte")),
            Some(right) if right != len => Err(invalid("the identifier's type has another length")),
            _ if end > bytes.len() => Err(invalid("the descriptor runs over the end of the list")),
            _ => Ok(NamespaceDescriptor { kind, value: field_at(bytes, behind, len) }),
        })
    }
}

impl<'a> Iterator for NamespaceDescriptors<'a> {
    type Item = Result<NamespaceDescriptor<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let descriptor = self.descriptor();
        self.at = match &descriptor {
            Some(Ok(descriptor)) => self.at.saturating_add(HEAD).saturating_add(descriptor.value.len()),
            _ => usize::MAX,
        };
        descriptor
    }
}

/// The identifiers of a namespace: the first of each known type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct NamespaceIds {
    /// IEEE identifier, big-endian.
    pub eui64: Option<[u8; 8]>,
    /// Globally unique identifier, big-endian.
    pub nguid: Option<[u8; 16]>,
    /// UUID, in the order of its text.
    pub uuid: Option<[u8; 16]>,
    /// I/O command set. `None` from controllers older than NVMe Base 2.0 means NVM.
    #[doc(alias = "CSI")]
    pub command_set: Option<CommandSet>,
}

impl NamespaceIds {
    /// No identifier.
    #[must_use]
    pub const fn none() -> Self {
        Self { eui64: None, nguid: None, uuid: None, command_set: None }
    }

    /// Reads a Namespace Identification Descriptor list. Of several descriptors of one type the first counts; types that are not known are
    /// passed over.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Invalid`](crate::DecodeErrorKind::Invalid) where [`NamespaceDescriptors`] meets a malformed descriptor.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut ids = Self::none();
        for descriptor in NamespaceDescriptors::new(bytes) {
            let NamespaceDescriptor { kind, value } = descriptor?;
            match kind {
                NamespaceIdType::EUI64 => ids.eui64 = ids.eui64.or(value.first_chunk().copied()),
                NamespaceIdType::NGUID => ids.nguid = ids.nguid.or(value.first_chunk().copied()),
                NamespaceIdType::UUID => ids.uuid = ids.uuid.or(value.first_chunk().copied()),
                NamespaceIdType::COMMAND_SET => {
                    ids.command_set = ids.command_set.or(value.first().copied().map(CommandSet));
                }
                _ => {}
            }
        }
        Ok(ids)
    }

    /// The list of 4096 bytes, its descriptors in the order of their types.
    #[must_use]
    pub fn encode(&self) -> Box<[u8]> {
        let mut bytes = zeroed(LEN);
        let set = self.command_set.map(|set| [set.0]);
        let values = [
            (NamespaceIdType::EUI64, self.eui64.as_ref().map(<[u8; 8]>::as_slice)),
            (NamespaceIdType::NGUID, self.nguid.as_ref().map(<[u8; 16]>::as_slice)),
            (NamespaceIdType::UUID, self.uuid.as_ref().map(<[u8; 16]>::as_slice)),
            (NamespaceIdType::COMMAND_SET, set.as_ref().map(<[u8; 1]>::as_slice)),
        ];
        let descriptors = values.iter().filter_map(|(kind, value)| Some((kind, (*value)?)));
        // At most 4 * 4 + 8 + 16 + 16 + 1 bytes.
        let list = descriptors.flat_map(|(kind, value)| {
            let len = u8::try_from(value.len()).unwrap_or(0);
            [kind.0, len, 0, 0].into_iter().chain(value.iter().copied())
        });
        for (to, from) in bytes.iter_mut().zip(list) {
            *to = from;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn list(bytes: &[u8]) -> Vec<Result<(u8, usize), usize>> {
        NamespaceDescriptors::new(bytes)
            .map(|descriptor| match descriptor {
                Ok(descriptor) => Ok((descriptor.kind.0, descriptor.value.len())),
                Err(error) => Err(error.at),
            })
            .collect()
    }

    #[test]
    fn the_list_ends_at_type_zero() {
        assert_eq!(list(&[4, 1, 0, 0, 2, 0, 4, 1]), [Ok((4, 1))]);
        assert_eq!(list(&[]), []);
        assert_eq!(list(&[0; 4096]), []);
    }

    #[test]
    fn types_that_are_not_known_are_passed_over() {
        let bytes = [0x7f, 3, 0, 0, 1, 2, 3, 4, 1, 0, 0, 2];
        assert_eq!(list(&bytes), [Ok((0x7f, 3)), Ok((4, 1))]);
        assert_eq!(NamespaceIds::decode(&bytes).map(|ids| ids.command_set), Ok(Some(CommandSet::ZONED)));
    }

    #[test]
    fn malformed_descriptors_end_the_list() {
        // No bytes; a UUID of 15 bytes; over the end; no room for the head.
        assert_eq!(list(&[1, 0, 0, 0, 4, 1, 0, 0, 0]), [Err(1)]);
        assert_eq!(list(&[4, 1, 0, 0, 0, 3, 15, 0, 0, 0, 0]), [Ok((4, 1)), Err(6)]);
        assert_eq!(list(&[0x7f, 5, 0, 0, 1, 2, 3, 4]), [Err(1)]);
        assert_eq!(list(&[4, 1, 0]), [Err(3)]);
        let mut page = alloc::vec![0x7f; 4096 + 300];
        for at in (0..4096 - 8).step_by(8) {
            page[at..at + 2].copy_from_slice(&[0x7f, 4]);
        }
        page[4088..4096].copy_from_slice(&[0x7f, 5, 0, 0, 0, 0, 0, 0]);
        let all = list(&page);
        assert_eq!((all.len(), all.last().copied()), (512, Some(Err(4089))));
    }

    #[test]
    fn the_first_of_a_type_counts() {
        let bytes = [4, 1, 0, 0, 1, 4, 1, 0, 0, 2];
        assert_eq!(NamespaceIds::decode(&bytes).unwrap().command_set, Some(CommandSet(1)));
    }

    #[test]
    fn what_is_written_is_read() {
        let ids = NamespaceIds {
            eui64: Some([1; 8]),
            nguid: Some([2; 16]),
            uuid: Some([3; 16]),
            command_set: Some(CommandSet::NVM),
        };
        for ids in [ids, NamespaceIds { nguid: None, ..ids }, NamespaceIds::none()] {
            let bytes = ids.encode();
            assert_eq!((bytes.len(), NamespaceIds::decode(&bytes)), (4096, Ok(ids)));
        }
        assert_eq!(ids.encode()[..5], [1, 8, 0, 0, 1]);
    }
}

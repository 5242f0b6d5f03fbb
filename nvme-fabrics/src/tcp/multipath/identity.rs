//! When two namespaces of different controllers are the same one.

use std::fmt;

use nvme_proto::identify::{NamespaceDescriptors, NamespaceIdType};
use nvme_proto::{HostId, Nsid};

use super::super::namespace::Namespace;

/// What names a namespace beyond its number, which only its subsystem knows.
///
/// Identifiers that a controller does not report are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NamespaceIdentity {
    /// Its number. The same on all controllers of a subsystem that reach it.
    #[doc(alias = "NSID")]
    pub nsid: Nsid,
    /// IEEE Extended Unique Identifier.
    #[doc(alias = "EUI64")]
    pub eui64: Option<[u8; 8]>,
    /// Namespace Globally Unique Identifier.
    #[doc(alias = "NGUID")]
    pub nguid: Option<[u8; 16]>,
    /// UUID.
    pub uuid: Option<HostId>,
    /// Bytes of a block.
    pub block_size: u32,
}

/// What is different between two namespaces that should be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The EUI-64.
    #[error("their EUI-64 differ")]
    Eui64,
    /// The NGUID.
    #[error("their NGUID differ")]
    Nguid,
    /// The UUID.
    #[error("their UUID differ")]
    Uuid,
    /// The size of a block.
    #[error("their blocks have different sizes")]
    BlockSize,
    /// It says that it belongs to one controller alone (NMIC), and another one has it too.
    #[error("it says that one controller alone can have it")]
    NotShared,
}

impl NamespaceIdentity {
    /// What a namespace says of itself: in its descriptors, else in Identify Namespace.
    pub(super) fn of(namespace: &Namespace) -> Self {
        let mut identity = Self {
            nsid: namespace.nsid(),
            eui64: given(namespace.identify().eui64()),
            nguid: given(namespace.identify().nguid()),
            uuid: None,
            block_size: namespace.block_size(),
        };
        // A list that is malformed from some place on counts up to there.
        for descriptor in NamespaceDescriptors::new(namespace.descriptors()).map_while(Result::ok) {
            let value = descriptor.value;
            match descriptor.kind {
                NamespaceIdType::EUI64 => identity.eui64 = value.try_into().ok().and_then(given),
                NamespaceIdType::NGUID => identity.nguid = value.try_into().ok().and_then(given),
                NamespaceIdType::UUID => {
                    identity.uuid = value.try_into().ok().and_then(given).map(HostId::from_bytes);
                }
                _ => {}
            }
        }
        identity
    }

    /// Checks that `other`, of the same number in the same subsystem, is this namespace. As the kernel does it, an identifier that one side reports and
    /// the other does not is a difference (`core.c: nvme_ns_ids_equal`).
    pub(super) fn check(&self, other: &Self) -> Result<(), Mismatch> {
        if self.eui64 != other.eui64 {
            return Err(Mismatch::Eui64);
        }
        if self.nguid != other.nguid {
            return Err(Mismatch::Nguid);
        }
        if self.uuid != other.uuid {
            return Err(Mismatch::Uuid);
        }
        if self.block_size != other.block_size {
            return Err(Mismatch::BlockSize);
        }
        Ok(())
    }
}

/// Zeros are no identifier.
fn given<const N: usize>(bytes: [u8; N]) -> Option<[u8; N]> {
    (bytes != [0; N]).then_some(bytes)
}

impl fmt::Display for NamespaceIdentity {
    /// The number, and the best of the identifiers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "namespace {}", self.nsid)?;
        let hex = |f: &mut fmt::Formatter<'_>, name: &str, bytes: &[u8]| {
            write!(f, " ({name} ")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str(")")
        };
        match (self.uuid, self.nguid, self.eui64) {
            (Some(uuid), _, _) => write!(f, " (UUID {uuid})"),
            (None, Some(nguid), _) => hex(f, "NGUID", &nguid),
            (None, None, Some(eui64)) => hex(f, "EUI-64", &eui64),
            (None, None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_has_to_agree() {
        let one = NamespaceIdentity {
            nsid: Nsid::ONE,
            eui64: given([1; 8]),
            nguid: given([0; 16]),
            uuid: Some(HostId::from_bytes([7; 16])),
            block_size: 512,
        };
        assert_eq!((one.nguid, one.check(&one)), (None, Ok(())));
        let check = |change: fn(&mut NamespaceIdentity)| {
            let mut other = one.clone();
            change(&mut other);
            one.check(&other)
        };
        assert_eq!(check(|other| other.eui64 = given([2; 8])), Err(Mismatch::Eui64));
        assert_eq!(check(|other| other.eui64 = None), Err(Mismatch::Eui64));
        assert_eq!(check(|other| other.nguid = given([2; 16])), Err(Mismatch::Nguid));
        assert_eq!(check(|other| other.uuid = None), Err(Mismatch::Uuid));
        assert_eq!(check(|other| other.block_size = 4096), Err(Mismatch::BlockSize));
        assert_eq!(one.to_string(), "namespace 1 (UUID 07070707-0707-0707-0707-070707070707)");
    }
}

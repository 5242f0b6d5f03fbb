//! Who this host is: host NQN and host identifier, always as a pair.
//!
//! | module | what |
//! |---|---|
//! | this | [`HostIdentity`], [`Sourced`], [`IdentitySource`] |
//! | [`files`] | [`IdentityFiles`]: `/etc/nvme/hostnqn` and `/etc/nvme/hostid`, read and written |
//! | `repair` | [`Repair`]: what could be done about files that do not fit together |
//! | [`generate`] | identities from the machine's firmware or system, or by chance |
//!
//! A target tells hosts apart by both halves. Linux refuses (since 6.5) a connection whose halves contradict a live one: one
//! host NQN with two identifiers, or one identifier with two NQNs. Half a pair is completed by the kernel from an identity of its
//! own and then refused; so this crate never sends half a pair.

pub mod files;
pub mod generate;
mod repair;

use std::fmt;

use nvme_proto::{HostId, HostNqn};

pub use files::{IdentityError, IdentityFiles, Saved};
pub use repair::{FileChange, Inconsistency, Proposal, Repair};

/// Host NQN and host identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostIdentity {
    /// The name that targets allow or refuse.
    #[doc(alias = "HOSTNQN")]
    pub nqn: HostNqn,
    /// The identifier that goes with it.
    #[doc(alias = "HOSTID")]
    pub id: HostId,
}

impl HostIdentity {
    /// A pair as given.
    #[must_use]
    pub const fn new(nqn: HostNqn, id: HostId) -> Self {
        Self { nqn, id }
    }

    /// The usual pair: `nqn.2014-08.org.nvmexpress:uuid:<id>` and `id`.
    #[must_use]
    pub fn from_uuid(id: HostId) -> Self {
        Self { nqn: HostNqn::from_uuid(id), id }
    }

    /// The pair that belongs to a host NQN: the UUID inside the NQN, or a UUID computed from the NQN's text.
    ///
    /// The same NQN always gets the same identifier, and different NQNs different ones, so the pairs of one machine never
    /// contradict each other. The computed UUID is of version 8: the first 16 bytes of the SHA-256 digest of the text.
    #[must_use]
    pub fn for_nqn(nqn: HostNqn) -> Self {
        let id = nqn.uuid().unwrap_or_else(|| generate::uuid_from_digest(nqn.as_str().as_bytes()));
        Self { nqn, id }
    }

    /// The UUID inside the NQN, if there is one, is the identifier; the NVMe base specification recommends it.
    #[must_use]
    pub fn halves_agree(&self) -> bool {
        self.nqn.uuid().is_none_or(|uuid| uuid == self.id)
    }
}

impl fmt::Display for HostIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (host id {})", self.nqn, self.id)
    }
}

/// Where an identity came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdentitySource {
    /// Both halves from the caller.
    Given,
    /// One half from the caller, the other made to fit.
    GivenHalf,
    /// Both halves from the files.
    Files,
    /// The NQN from its file; the identifier made to fit.
    HostNqnFile,
    /// The identifier from its file; the NQN made from it.
    HostIdFile,
    /// The machine's UUID: `/sys/class/dmi/id/product_uuid`.
    ProductUuid,
    /// The machine's UUID: the raw SMBIOS system entry.
    Smbios,
    /// The partition's UUID in the device tree (IBM Power).
    DeviceTree,
    /// Derived from `/etc/machine-id`.
    MachineId,
    /// Random: another one each time unless it is saved.
    Random,
}

impl fmt::Display for IdentitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "given",
            Self::GivenHalf => "given, the other half made to fit",
            Self::Files => "/etc/nvme/hostnqn and /etc/nvme/hostid",
            Self::HostNqnFile => "/etc/nvme/hostnqn",
            Self::HostIdFile => "/etc/nvme/hostid",
            Self::ProductUuid => "the machine's product UUID",
            Self::Smbios => "the machine's SMBIOS UUID",
            Self::DeviceTree => "the device tree's partition UUID",
            Self::MachineId => "/etc/machine-id",
            Self::Random => "random, not saved",
        })
    }
}

/// An identity and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sourced {
    /// The pair.
    pub identity: HostIdentity,
    /// Its origin.
    pub source: IdentitySource,
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    #[test]
    fn the_usual_pair() {
        let pair = HostIdentity::from_uuid(UUID.parse().unwrap());
        assert_eq!(pair.nqn.as_str(), format!("nqn.2014-08.org.nvmexpress:uuid:{UUID}"));
        assert!(pair.halves_agree());
        assert_eq!(HostIdentity::for_nqn(pair.nqn.clone()), pair);
    }

    #[test]
    fn an_nqn_without_uuid_gets_a_fixed_identifier_of_its_own() {
        let pair = |s: &str| HostIdentity::for_nqn(HostNqn::new(s).unwrap());
        assert_eq!(pair("host-a"), pair("host-a"));
        assert_ne!(pair("host-a").id, pair("host-b").id);
        let text = pair("host-a").id.to_string();
        assert_eq!(text.as_bytes()[14], b'8', "version: {text}");
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "variant: {text}");
        assert!(pair("host-a").halves_agree());
    }

    #[test]
    fn a_mismatch_is_visible() {
        let nqn = HostIdentity::from_uuid(UUID.parse().unwrap()).nqn;
        assert!(!HostIdentity::new(nqn, HostId::from_bytes([1; 16])).halves_agree());
    }
}

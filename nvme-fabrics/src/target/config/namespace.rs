//! A namespace.

use std::fmt;
use std::sync::Arc;

use nvme_proto::Nsid;
use nvme_proto::SubsysNqn;
use sha2::{Digest, Sha256};

use super::AnaGroup;
use crate::target::backend::Backend;

/// Whether hosts may write to a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[doc(alias = "WPS")]
pub enum WriteProtect {
    /// They may, and may protect it and lift the protection (Set Features 84h).
    #[default]
    None,
    /// They may not, until the protection is lifted by a host or here.
    Protected,
    /// They may not, and no host can change that.
    Permanent,
}

/// A namespace of a subsystem: its storage, and how hosts know it.
///
/// Identifiers that are not given are derived from the subsystem's name and the namespace's number: they are the same whenever the target is
/// started, and two targets that serve the same namespace under the same names, as two paths to it, give the same ones.
///
/// ```
/// use nvme_fabrics::target::Namespace;
/// use nvme_fabrics::target::backend::Memory;
/// use nvme_proto::Nsid;
/// use std::sync::Arc;
/// let namespace = Namespace::new(Nsid::ONE, Arc::new(Memory::new(1 << 20)?)).uuid([7; 16]);
/// assert_eq!(namespace.nsid(), Nsid::ONE);
/// # Ok::<(), nvme_fabrics::target::backend::MemoryError>(())
/// ```
#[derive(Clone)]
pub struct Namespace {
    pub(crate) nsid: Nsid,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) nguid: Option<[u8; 16]>,
    pub(crate) eui64: Option<[u8; 8]>,
    pub(crate) uuid: Option<[u8; 16]>,
    pub(crate) ana_group: AnaGroup,
    pub(crate) protection: WriteProtect,
}

impl Namespace {
    /// A namespace with this number, on this storage.
    #[must_use]
    pub fn new(nsid: Nsid, backend: Arc<dyn Backend>) -> Self {
        Self {
            nsid,
            backend,
            nguid: None,
            eui64: None,
            uuid: None,
            ana_group: AnaGroup::ONE,
            protection: WriteProtect::None,
        }
    }

    /// Gives it a globally unique identifier, most significant byte first.
    #[must_use]
    #[doc(alias = "device_nguid")]
    pub const fn nguid(mut self, nguid: [u8; 16]) -> Self {
        self.nguid = Some(nguid);
        self
    }

    /// Gives it an IEEE extended unique identifier, most significant byte first. Without it, it has none.
    #[must_use]
    pub const fn eui64(mut self, eui64: [u8; 8]) -> Self {
        self.eui64 = Some(eui64);
        self
    }

    /// Gives it a UUID, its bytes in the order in which they are written.
    #[must_use]
    #[doc(alias = "device_uuid")]
    pub const fn uuid(mut self, uuid: [u8; 16]) -> Self {
        self.uuid = Some(uuid);
        self
    }

    /// Puts it into this group of asymmetric access.
    #[must_use]
    #[doc(alias = "ana_grpid")]
    pub const fn ana_group(mut self, group: AnaGroup) -> Self {
        self.ana_group = group;
        self
    }

    /// Whether hosts may write to it. That storage which cannot be written is not written needs no word.
    #[must_use]
    pub const fn write_protect(mut self, protection: WriteProtect) -> Self {
        self.protection = protection;
        self
    }

    /// Its number.
    #[must_use]
    pub const fn nsid(&self) -> Nsid {
        self.nsid
    }

    /// Its storage.
    #[must_use]
    pub const fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("nsid", &self.nsid)
            .field("backend", &self.backend)
            .field("ana_group", &self.ana_group)
            .field("protection", &self.protection)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Namespace {
    /// Equal in everything, and on the same storage.
    fn eq(&self, other: &Self) -> bool {
        let plain = |n: &Self| (n.nsid, n.nguid, n.eui64, n.uuid, n.ana_group, n.protection);
        plain(self) == plain(other) && Arc::ptr_eq(&self.backend, &other.backend)
    }
}

impl Eq for Namespace {}

/// The identifiers of a namespace that was given none: NGUID and UUID.
pub(crate) fn derived_identifiers(subsystem: &SubsysNqn, nsid: Nsid) -> ([u8; 16], [u8; 16]) {
    let digest = |purpose: &str| {
        let mut hasher = Sha256::new();
        hasher.update(subsystem.as_str());
        hasher.update([0]);
        hasher.update(nsid.get().to_be_bytes());
        hasher.update(purpose);
        let digest = hasher.finalize();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        bytes
    };
    let mut uuid = digest("uuid");
    // Version 8, made as its maker likes, of the variant of RFC 9562.
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    (digest("nguid"), uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_identifiers_depend_on_the_names_alone() {
        let a = SubsysNqn::new("nqn.2014-08.org.example:a").unwrap();
        let b = SubsysNqn::new("nqn.2014-08.org.example:b").unwrap();
        let two = Nsid::new(2).unwrap();
        let of_a = derived_identifiers(&a, Nsid::ONE);
        assert_eq!(of_a, derived_identifiers(&a, Nsid::ONE));
        assert_ne!(of_a.0, of_a.1);
        for other in [derived_identifiers(&b, Nsid::ONE), derived_identifiers(&a, two)] {
            assert!(other.0 != of_a.0 && other.1 != of_a.1);
        }
        assert_eq!((of_a.1[6] >> 4, of_a.1[8] >> 6), (8, 2));
    }
}

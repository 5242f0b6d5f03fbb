//! A subsystem.

use std::collections::BTreeMap;

use nvme_proto::{Cntlid, HostNqn, Nsid, SubsysNqn};
use sha2::{Digest, Sha256};

use super::{Firmware, Hosts, Model, Namespace, Serial};

/// The numbers that controllers of a subsystem get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "attr_cntlid_min")]
pub struct CntlidRange {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl CntlidRange {
    /// From 1 to the largest.
    pub const ALL: Self = Self { first: 1, last: Cntlid::MAX.0 };

    /// From `first` to `last`. Two targets that serve the same subsystem need ranges that do not meet.
    ///
    /// # Errors
    /// Not in ascending order, 0, or above [`Cntlid::MAX`].
    pub const fn new(first: Cntlid, last: Cntlid) -> Result<Self, SubsystemError> {
        if first.0 == 0 || first.0 > last.0 || !last.is_assigned() {
            return Err(SubsystemError::Cntlids { first, last });
        }
        Ok(Self { first: first.0, last: last.0 })
    }
}

impl Default for CntlidRange {
    fn default() -> Self {
        Self::ALL
    }
}

/// A subsystem that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubsystemError {
    /// The numbers of controllers.
    #[error(
        "controllers cannot be numbered from {first} to {last}: the range is inside 1 to {}",
        Cntlid::MAX
    )]
    Cntlids {
        /// The first.
        first: Cntlid,
        /// The last.
        last: Cntlid,
    },
    /// The number of I/O queues.
    #[error("a controller cannot have {queues} I/O queues: 1 to {} are possible", Subsystem::MAX_QUEUES)]
    Queues {
        /// The number asked for.
        queues: u16,
    },
    /// Two namespaces with one number.
    #[error("there are two namespaces {nsid}")]
    Namespace {
        /// The number.
        nsid: Nsid,
    },
    /// More namespaces than a subsystem has.
    #[error("a subsystem has at most {} namespaces", Subsystem::MAX_NAMESPACES)]
    Namespaces,
}

/// A subsystem: what a host connects to.
///
/// | part | without a word |
/// |---|---|
/// | serial number | 20 hexadecimal digits that follow from the name |
/// | model, firmware | of this library |
/// | hosts | **none** |
/// | I/O queues of a controller | 128 |
/// | numbers of controllers | all |
///
/// ```
/// use nvme_fabrics::target::{Namespace, Subsystem};
/// use nvme_fabrics::target::backend::Memory;
/// use nvme_proto::{Nsid, SubsysNqn};
/// use std::sync::Arc;
/// let disk = Namespace::new(Nsid::ONE, Arc::new(Memory::new(1 << 20)?));
/// let subsystem = Subsystem::new(SubsysNqn::new("nqn.2014-08.org.example:disk")?)
///     .serial("0123456789".parse()?)
///     .namespace(disk)?
///     .allow_any_host();
/// assert_eq!(subsystem.namespaces().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subsystem {
    pub(crate) nqn: SubsysNqn,
    pub(crate) serial: Serial,
    pub(crate) model: Model,
    pub(crate) firmware: Firmware,
    pub(crate) hosts: Hosts,
    pub(crate) queues: u16,
    pub(crate) cntlids: CntlidRange,
    pub(crate) namespaces: BTreeMap<Nsid, Namespace>,
}

impl Subsystem {
    /// Most namespaces.
    pub const MAX_NAMESPACES: usize = 1024;
    /// Most I/O queues of a controller.
    pub const MAX_QUEUES: u16 = 1024;

    /// A subsystem without namespaces, to which nobody may connect yet.
    #[must_use]
    pub fn new(nqn: SubsysNqn) -> Self {
        let serial = Serial::derived(&Sha256::digest(nqn.as_str()));
        Self {
            nqn,
            serial,
            model: Model::default(),
            firmware: Firmware::default(),
            hosts: Hosts::none(),
            queues: 128,
            cntlids: CntlidRange::ALL,
            namespaces: BTreeMap::new(),
        }
    }

    /// Gives it a serial number.
    #[must_use]
    #[doc(alias = "attr_serial")]
    pub fn serial(mut self, serial: Serial) -> Self {
        self.serial = serial;
        self
    }

    /// Gives it the name of a model.
    #[must_use]
    #[doc(alias = "attr_model")]
    pub fn model(mut self, model: Model) -> Self {
        self.model = model;
        self
    }

    /// Gives it a firmware revision.
    #[must_use]
    #[doc(alias = "attr_firmware")]
    pub fn firmware(mut self, firmware: Firmware) -> Self {
        self.firmware = firmware;
        self
    }

    /// Says who may connect.
    #[must_use]
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = hosts;
        self
    }

    /// Lets every host connect.
    #[must_use]
    #[doc(alias = "attr_allow_any_host")]
    pub fn allow_any_host(self) -> Self {
        self.hosts(Hosts::Any)
    }

    /// Lets this host connect, beside those that may already. Where every host may, nothing changes.
    #[must_use]
    pub fn allow(mut self, host: HostNqn) -> Self {
        if let Hosts::Only(hosts) = &mut self.hosts {
            hosts.insert(host);
        }
        self
    }

    /// I/O queues of a controller at most: 1 to [`MAX_QUEUES`](Self::MAX_QUEUES).
    ///
    /// # Errors
    /// [`SubsystemError::Queues`].
    #[doc(alias = "attr_qid_max")]
    pub fn io_queues(mut self, queues: u16) -> Result<Self, SubsystemError> {
        if queues == 0 || queues > Self::MAX_QUEUES {
            return Err(SubsystemError::Queues { queues });
        }
        self.queues = queues;
        Ok(self)
    }

    /// Numbers its controllers in this range.
    #[must_use]
    pub const fn cntlids(mut self, range: CntlidRange) -> Self {
        self.cntlids = range;
        self
    }

    /// Gives it a namespace.
    ///
    /// # Errors
    /// It has one with this number, or as many as it can have.
    pub fn namespace(mut self, namespace: Namespace) -> Result<Self, SubsystemError> {
        if self.namespaces.contains_key(&namespace.nsid) {
            return Err(SubsystemError::Namespace { nsid: namespace.nsid });
        }
        if self.namespaces.len() >= Self::MAX_NAMESPACES {
            return Err(SubsystemError::Namespaces);
        }
        self.namespaces.insert(namespace.nsid, namespace);
        Ok(self)
    }

    /// Its name.
    #[must_use]
    pub const fn nqn(&self) -> &SubsysNqn {
        &self.nqn
    }

    /// Its namespaces.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.namespaces.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::backend::Memory;
    use std::sync::Arc;

    fn subsystem() -> Subsystem {
        Subsystem::new(SubsysNqn::new("nqn.2014-08.org.example:disk").unwrap())
    }

    #[test]
    fn nobody_may_connect_unless_told_so() {
        let host = HostNqn::new("nqn.2014-08.org.example:host").unwrap();
        assert!(!subsystem().hosts.allow(&host));
        assert!(subsystem().allow(host.clone()).hosts.allow(&host));
        assert_eq!(subsystem().allow_any_host().allow(host).hosts, Hosts::Any);
    }

    #[test]
    fn numbers_are_checked() {
        let range = |first, last| CntlidRange::new(Cntlid(first), Cntlid(last));
        assert_eq!(range(1, 0xffef), Ok(CntlidRange::ALL));
        assert!(range(0, 5).is_err() && range(6, 5).is_err() && range(1, 0xfff0).is_err());
        assert!(subsystem().io_queues(0).is_err() && subsystem().io_queues(1025).is_err());
        assert!(subsystem().io_queues(1).is_ok());
        let disk = || Namespace::new(Nsid::ONE, Arc::new(Memory::new(1 << 20).unwrap()));
        let with_one = subsystem().namespace(disk()).unwrap();
        assert_eq!(with_one.namespace(disk()).unwrap_err(), SubsystemError::Namespace { nsid: Nsid::ONE });
    }

    #[test]
    fn serial_numbers_follow_from_the_name() {
        let other = Subsystem::new(SubsysNqn::new("nqn.2014-08.org.example:other").unwrap());
        assert_eq!(subsystem().serial, subsystem().serial);
        assert_ne!(subsystem().serial, other.serial);
    }
}

//! Subsystems, what they pass through, and who may connect to them.

use nvme_proto::identify::Version;
use nvme_proto::{HostNqn, Nsid};

use super::node::{Node, accessors, handle};
use super::values::Switch;
use super::{HandleError, Namespace};
use crate::spec::{DevicePath, Firmware, Model, Serial};
use crate::tree::{Name, RelPath};

handle! {
    /// A subsystem. Serial, model, version, firmware and IEEE OUI are fixed once a host has connected (`EINVAL` then).
    Subsystem
}

accessors! { Subsystem {
    /// The version of NVMe that its controllers say they follow.
    "attr_version" version -> Version, set_version(Version);
    /// The serial number.
    "attr_serial" serial -> Serial, set_serial(Serial);
    /// The model.
    "attr_model" model -> Model, set_model(Model);
    /// The firmware revision.
    "attr_firmware" firmware -> Firmware, set_firmware(Firmware);
    /// The IEEE OUI of the vendor, 24 bits.
    "attr_ieee_oui" ieee_oui -> u32, set_ieee_oui(u32);
    /// The highest controller id.
    "attr_cntlid_max" cntlid_max -> u16, set_cntlid_max(u16);
    /// The lowest controller id.
    "attr_cntlid_min" cntlid_min -> u16, set_cntlid_min(u16);
    /// How many I/O queues a controller may have, 1 to 128. Writing it disconnects every host of the subsystem, whatever the value (since
    /// 6.6 at the latest).
    "attr_qid_max" qid_max -> u16, set_qid_max(u16);
    /// The PCI vendor id.
    "attr_vendor_id" vendor_id -> u16, set_vendor_id(u16);
    /// The PCI subsystem vendor id.
    "attr_subsys_vendor_id" subsys_vendor_id -> u16, set_subsys_vendor_id(u16);
    /// Protection information, which only RDMA ports can carry.
    "attr_pi_enable" protection_information -> Switch, set_protection_information(Switch);
    /// Whether any host may connect. 1 is refused while a host is permitted by name (`EINVAL`); 0 disconnects nobody and leaves nobody.
    "attr_allow_any_host" any_host -> Switch, set_any_host(Switch);
}}

/// Where a host is defined.
fn host_path(host: &HostNqn) -> RelPath {
    RelPath::root().at("hosts").join(&Name::from(host))
}

impl<'t> Subsystem<'t> {
    /// A namespace of it, which need not be there.
    pub fn namespace(&self, nsid: Nsid) -> Namespace<'t> {
        Namespace { node: self.node.inside("namespaces", &nsid.into()) }
    }

    /// Its namespaces, by directory name (which other tools may have spelled otherwise: `0x1`).
    ///
    /// # Errors
    /// `ENOENT` when the subsystem is not there.
    pub fn namespaces(&self) -> Result<Vec<Namespace<'t>>, HandleError> {
        Ok(self.node.all("namespaces")?.into_iter().map(|node| Namespace { node }).collect())
    }

    /// Makes a namespace: without a device, disabled.
    ///
    /// # Errors
    /// `EEXIST` when it is there; `ENOENT` without the subsystem; `ENOMEM` beyond 1024 (since 6.13).
    pub fn create_namespace(&self, nsid: Nsid) -> Result<Namespace<'t>, HandleError> {
        Ok(Namespace { node: self.namespace(nsid).node.make()? })
    }

    /// What it passes through. A kernel built without `CONFIG_NVME_TARGET_PASSTHRU` has none (`ENOENT`).
    pub fn passthru(&self) -> Passthru<'t> {
        Passthru { node: Node { tree: self.node.tree, path: self.node.path.at("passthru") } }
    }

    /// The hosts it permits by name: their directory names.
    ///
    /// # Errors
    /// `ENOENT` when the subsystem is not there.
    pub fn permitted(&self) -> Result<Vec<Name>, HandleError> {
        let links = self.node.links("allowed_hosts")?;
        Ok(links.iter().filter_map(|(_, host)| host.file_name()).collect())
    }

    /// Permits a host, which must be defined.
    ///
    /// # Errors
    /// `ENOENT` when it is not, `EEXIST` when it is permitted already, `EINVAL` while any host may connect.
    pub fn permit(&self, host: &HostNqn) -> Result<(), HandleError> {
        self.node.link("allowed_hosts", &host_path(host))
    }

    /// Takes a permission back. The last one leaves nobody, never everybody. A host that is connected stays so.
    ///
    /// # Errors
    /// [`HandleError::NotLinked`] when it was not permitted.
    pub fn revoke(&self, host: &HostNqn) -> Result<(), HandleError> {
        self.node.unlink("allowed_hosts", &host_path(host))
    }

    /// Removes the subsystem. Waits for its controllers.
    ///
    /// # Errors
    /// `EBUSY` while a port exports it, `ENOTEMPTY` while it has namespaces or permits hosts.
    pub fn remove(self) -> Result<(), HandleError> {
        self.node.remove()
    }
}

handle! {
    /// The controller that a subsystem passes through instead of namespaces.
    Passthru
}

accessors! { Passthru {
    /// The controller (`/dev/nvme0`); cannot be unset.
    "device_path" device_path -> DevicePath [unset b"(null)"], set_device_path(DevicePath);
    /// Time-out of admin commands in jiffies; 0 is the driver's own.
    "admin_timeout" admin_timeout -> u32, set_admin_timeout(u32);
    /// Time-out of I/O commands in jiffies; 0 is the driver's own.
    "io_timeout" io_timeout -> u32, set_io_timeout(u32);
    /// Whether identifiers of namespaces are hidden: any number but 0.
    "clear_ids" clear_ids -> u32, set_clear_ids(u32);
    /// Whether it is in service.
    "enable" state -> Switch;
}}

impl Passthru<'_> {
    /// Takes it into service. The subsystem's version is the controller's then.
    ///
    /// # Errors
    /// `EINVAL` without a device, when enabled already, or while the subsystem has namespaces (enabled ones before 6.13).
    pub fn enable(&self) -> Result<(), HandleError> {
        self.node.store("enable", &Switch::On)
    }

    /// Takes it out of service. Resets the subsystem's version.
    ///
    /// # Errors
    /// `ENOENT` when this kernel does not have it.
    pub fn disable(&self) -> Result<(), HandleError> {
        self.node.store("enable", &Switch::Off)
    }
}

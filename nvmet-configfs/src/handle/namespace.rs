//! Namespaces.

use super::HandleError;
use super::node::{accessors, handle};
use super::values::{PeerMemory, Switch};
use crate::spec::{AnaGroupId, Buffering, DevicePath, Nguid, NsUuid};

handle! {
    /// A namespace of a subsystem. While it is enabled its device, identifiers and flags are fixed (`EBUSY`, `EINVAL`).
    Namespace
}

accessors! { Namespace {
    /// The way to the device.
    "buffered_io" buffering -> Buffering, set_buffering(Buffering);
    /// Whether reservations are served.
    "resv_enable" reservations -> Switch, set_reservations(Switch);
    /// Memory of PCI devices for its data.
    "p2pmem" peer_memory -> PeerMemory, set_peer_memory(PeerMemory);
    /// The block device or file. It is looked at when the namespace is enabled; cannot be unset.
    "device_path" device_path -> DevicePath [unset b"(null)"], set_device_path(DevicePath);
    /// The UUID.
    "device_uuid" uuid -> NsUuid, set_uuid(NsUuid);
    /// The NGUID; all zeros when none was set.
    "device_nguid" nguid -> Nguid, set_nguid(Nguid);
    /// The ANA group: 0 after 128 was written on a kernel since 6.1.
    "ana_grpid" ana_group -> u32;
    /// Whether hosts see it.
    "enable" state -> Switch;
}}

impl Namespace<'_> {
    /// Moves it to an ANA group; at any time. A port that does not have the group does not let hosts reach it.
    ///
    /// # Errors
    /// `ENOENT` when it is not there.
    pub fn set_ana_group(&self, group: AnaGroupId) -> Result<(), HandleError> {
        self.node.store("ana_grpid", &group.number())
    }

    /// Lets hosts see it. Read back, since the kernel answers yes without doing it while the subsystem passes a controller through.
    ///
    /// # Errors
    /// [`HandleError::NoDevice`]; [`HandleError::NotTaken`]; what the device answers: `ENOENT`, `EACCES`, `EISDIR`, `EINVAL`.
    pub fn enable(&self) -> Result<(), HandleError> {
        self.node.store("enable", &Switch::On)
    }

    /// Takes it away from hosts. Waits inside the kernel for its I/O, without a time-out.
    ///
    /// # Errors
    /// `ENOENT` when it is not there.
    pub fn disable(&self) -> Result<(), HandleError> {
        self.node.store("enable", &Switch::Off)
    }

    /// Asks the kernel to look at the size of the device again (`revalidate_size`), and to tell hosts; they keep their connections.
    ///
    /// # Errors
    /// `EINVAL` while it is disabled.
    pub fn revalidate_size(&self) -> Result<(), HandleError> {
        self.node.store("revalidate_size", &Switch::On)
    }

    /// Removes it, enabled or not. Waits inside the kernel for its I/O, without a time-out.
    ///
    /// # Errors
    /// `ENOENT` when it is not there.
    pub fn remove(self) -> Result<(), HandleError> {
        self.node.remove()
    }
}

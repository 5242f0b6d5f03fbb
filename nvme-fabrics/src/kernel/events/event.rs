//! What a uevent means.

use nvme_proto::event::{AsyncEvent, EventCode};

use super::{Action, Uevent};
use crate::kernel::names::{ControllerName, GenericName, NamespaceName, PathName, SubsystemName};

/// A uevent of NVMe, with its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What it means.
    pub change: Change,
    /// The message itself.
    pub uevent: Uevent,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A controller exists. It may not be usable yet: a fabrics controller is announced before the first packet is sent.
    ControllerAdded {
        /// The controller.
        controller: ControllerName,
        /// Where it is to be connected to.
        place: Place,
    },
    /// A controller is gone, after a disconnect or a failed first connect.
    ControllerRemoved {
        /// The controller.
        controller: ControllerName,
        /// Where it was connected to.
        place: Place,
    },
    /// A controller is live, for the first time or again. Since 6.0.
    ControllerLive {
        /// The controller.
        controller: ControllerName,
    },
    /// A discovery controller came back after its connection was lost; its log may have changed meanwhile. Since 6.1.
    Rediscover {
        /// The controller.
        controller: ControllerName,
        /// Where it is connected to.
        place: Place,
    },
    /// The log of a discovery controller changed.
    DiscoveryLogChanged {
        /// The controller.
        controller: ControllerName,
        /// Where it is connected to.
        place: Place,
    },
    /// A controller has told something else that the kernel leaves to others.
    AsyncEvent {
        /// The controller.
        controller: ControllerName,
        /// What it told.
        event: AsyncEvent,
    },
    /// A namespace's block device exists, its node in `/dev` too.
    NamespaceAdded {
        /// The block device.
        namespace: NamespaceName,
    },
    /// A namespace's block device is gone.
    NamespaceRemoved {
        /// The block device.
        namespace: NamespaceName,
    },
    /// A namespace's block device has another size. [`Change::NamespaceChanged`] where the kernel does not say what changed.
    NamespaceResized {
        /// The block device.
        namespace: NamespaceName,
    },
    /// Something else about a namespace's block device is different: its partitions, or whether it can be written.
    NamespaceChanged {
        /// The block device.
        namespace: NamespaceName,
    },
    /// A namespace's character device exists.
    GenericAdded {
        /// The character device.
        generic: GenericName,
    },
    /// A namespace's character device is gone.
    GenericRemoved {
        /// The character device.
        generic: GenericName,
    },
    /// A hidden path disk exists; most kernels do not announce these.
    PathAdded {
        /// The path.
        path: PathName,
    },
    /// A hidden path disk is gone; most kernels do not announce these.
    PathRemoved {
        /// The path.
        path: PathName,
    },
    /// A subsystem exists.
    SubsystemAdded {
        /// The subsystem.
        subsystem: SubsystemName,
    },
    /// A subsystem is gone.
    SubsystemRemoved {
        /// The subsystem.
        subsystem: SubsystemName,
    },
    /// Fibre Channel has found a remote port that may have a discovery controller.
    #[doc(alias = "nvmediscovery")]
    FcDiscovery {
        /// The local port.
        host_traddr: String,
        /// The remote port.
        traddr: String,
    },
    /// Something else that has to do with NVMe.
    Other,
}

/// Where a controller was connected to: the words that were given at connect time. `None` where nothing was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// `tcp`, `rdma`, `fc`, `loop`, `pcie`.
    pub transport: Option<String>,
    /// The target's address.
    pub traddr: Option<String>,
    /// The target's port.
    pub trsvcid: Option<String>,
    /// The local address that was asked for.
    pub host_traddr: Option<String>,
    /// The local interface that was asked for.
    pub host_iface: Option<String>,
}

impl Place {
    fn of(uevent: &Uevent) -> Self {
        let given = |name: &str| {
            let value = uevent.variable(name)?;
            (!value.is_empty() && value != "none" && value != "(null)").then(|| value.to_owned())
        };
        Self {
            transport: given("NVME_TRTYPE"),
            traddr: given("NVME_TRADDR"),
            trsvcid: given("NVME_TRSVCID"),
            host_traddr: given("NVME_HOST_TRADDR"),
            host_iface: given("NVME_HOST_IFACE"),
        }
    }
}

impl Event {
    /// The meaning of a message; `None` when it has nothing to do with NVMe.
    #[must_use]
    pub fn of(uevent: Uevent) -> Option<Self> {
        let name = uevent.name();
        let change = match uevent.subsystem() {
            "nvme" => Self::of_controller(&uevent),
            "block" => Self::of_block_device(&uevent)?,
            "nvme-generic" => GenericName::parse(name).and_then(|generic| {
                added_or_removed(
                    &uevent,
                    || Change::GenericAdded { generic },
                    || Change::GenericRemoved { generic },
                )
            }),
            "nvme-subsystem" => SubsystemName::parse(name).and_then(|subsystem| {
                added_or_removed(
                    &uevent,
                    || Change::SubsystemAdded { subsystem },
                    || Change::SubsystemRemoved { subsystem },
                )
            }),
            "fc" if uevent.variable("FC_EVENT") == Some("nvmediscovery") => fc(&uevent),
            "nvme-fabrics" => None,
            _ => return None,
        };
        Some(Self { change: change.unwrap_or(Change::Other), uevent })
    }

    fn of_controller(uevent: &Uevent) -> Option<Change> {
        let controller = ControllerName::parse(uevent.name())?;
        let place = Place::of(uevent);
        match uevent.action().as_str() {
            Action::ADD => return Some(Change::ControllerAdded { controller, place }),
            Action::REMOVE => return Some(Change::ControllerRemoved { controller, place }),
            _ => {}
        }
        match uevent.variable("NVME_EVENT") {
            Some("connected") => return Some(Change::ControllerLive { controller }),
            Some("rediscover") => return Some(Change::Rediscover { controller, place }),
            _ => {}
        }
        let digits = uevent.variable("NVME_AEN")?.strip_prefix("0x")?;
        let event = AsyncEvent(u32::from_str_radix(digits, 16).ok()?);
        Some(match event.code() {
            EventCode::DISCOVERY_CHANGED => Change::DiscoveryLogChanged { controller, place },
            _ => Change::AsyncEvent { controller, event },
        })
    }

    /// `None`: a disk of something else. `Some(None)`: a partition of an NVMe disk, for one.
    fn of_block_device(uevent: &Uevent) -> Option<Option<Change>> {
        let name = uevent.name();
        if let Some(path) = PathName::parse(name) {
            let (added, removed) = (|| Change::PathAdded { path }, || Change::PathRemoved { path });
            return Some(added_or_removed(uevent, added, removed));
        }
        let Some(namespace) = NamespaceName::parse(name) else {
            return name.starts_with("nvme").then_some(None);
        };
        Some(Some(match uevent.action().as_str() {
            Action::ADD => Change::NamespaceAdded { namespace },
            Action::REMOVE => Change::NamespaceRemoved { namespace },
            _ if uevent.variable("RESIZE") == Some("1") => Change::NamespaceResized { namespace },
            _ => Change::NamespaceChanged { namespace },
        }))
    }

    /// The controller that it is about, if it is about one.
    #[must_use]
    pub fn controller(&self) -> Option<ControllerName> {
        match &self.change {
            Change::ControllerAdded { controller, .. }
            | Change::ControllerRemoved { controller, .. }
            | Change::ControllerLive { controller }
            | Change::Rediscover { controller, .. }
            | Change::DiscoveryLogChanged { controller, .. }
            | Change::AsyncEvent { controller, .. } => Some(*controller),
            _ => None,
        }
    }
}

fn added_or_removed(
    uevent: &Uevent,
    added: impl FnOnce() -> Change,
    removed: impl FnOnce() -> Change,
) -> Option<Change> {
    match uevent.action().as_str() {
        Action::ADD => Some(added()),
        Action::REMOVE => Some(removed()),
        _ => None,
    }
}

fn fc(uevent: &Uevent) -> Option<Change> {
    Some(Change::FcDiscovery {
        host_traddr: uevent.variable("NVMEFC_HOST_TRADDR")?.to_owned(),
        traddr: uevent.variable("NVMEFC_TRADDR")?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(heading: &str, variables: &[&str]) -> Option<Event> {
        let text = format!("{heading}\0{}\0", variables.join("\0"));
        Event::of(Uevent::parse(text.as_bytes()).unwrap())
    }

    fn change(heading: &str, variables: &[&str]) -> Change {
        of(heading, variables).unwrap().change
    }

    const CTL: &str = "/devices/virtual/nvme-fabrics/ctl/nvme3";
    const NVME3: ControllerName = ControllerName::new(3);

    #[test]
    fn the_discovery_log_and_other_events_of_a_controller() {
        let aen = |value: &str| {
            change(
                &format!("change@{CTL}"),
                &["SUBSYSTEM=nvme", value, "NVME_TRSVCID=none", "NVME_TRADDR=::1"],
            )
        };
        let Change::DiscoveryLogChanged { controller, place } = aen("NVME_AEN=0x70f002") else {
            panic!("not the discovery log")
        };
        assert_eq!((controller, place.traddr.as_deref(), place.trsvcid), (NVME3, Some("::1"), None));
        assert_eq!(
            aen("NVME_AEN=0x000002"),
            Change::AsyncEvent { controller: NVME3, event: AsyncEvent(2) },
            "something else"
        );
        assert_eq!(aen("NVME_EVENT=connected"), Change::ControllerLive { controller: NVME3 });
        assert!(matches!(aen("NVME_EVENT=rediscover"), Change::Rediscover { .. }));
        for odd in ["NVME_AEN=70f002", "NVME_AEN=0x", "NVME_AEN=0x1234567890", "NVME_EVENT=later", "X=1"] {
            assert_eq!(aen(odd), Change::Other, "{odd}");
        }
    }

    #[test]
    fn controllers_and_namespaces_come_and_go() {
        let nvme = ["SUBSYSTEM=nvme", "NVME_TRTYPE=tcp", "NVME_HOST_IFACE=none"];
        let place = Place { transport: Some("tcp".to_owned()), ..Place::default() };
        assert_eq!(
            change(&format!("add@{CTL}"), &nvme),
            Change::ControllerAdded { controller: NVME3, place: place.clone() }
        );
        assert_eq!(
            change(&format!("remove@{CTL}"), &nvme),
            Change::ControllerRemoved { controller: NVME3, place }
        );
        let head = "/devices/virtual/nvme-subsystem/nvme-subsys3/nvme3n1";
        let namespace = NamespaceName::new(3, 1);
        let block =
            |action: &str, rest: &str| change(&format!("{action}@{head}"), &["SUBSYSTEM=block", rest]);
        assert_eq!(block("add", "DISKSEQ=4"), Change::NamespaceAdded { namespace });
        assert_eq!(block("remove", "DISKSEQ=4"), Change::NamespaceRemoved { namespace });
        assert_eq!(block("change", "RESIZE=1"), Change::NamespaceResized { namespace });
        assert_eq!(block("change", "DISK_RO=1"), Change::NamespaceChanged { namespace });
        assert_eq!(
            change("remove@/devices/x/nvme-generic/ng3n1", &["SUBSYSTEM=nvme-generic"]),
            Change::GenericRemoved { generic: GenericName::new(3, 1) }
        );
        assert_eq!(
            change("add@/devices/virtual/nvme-subsystem/nvme-subsys3", &["SUBSYSTEM=nvme-subsystem"]),
            Change::SubsystemAdded { subsystem: SubsystemName::new(3) }
        );
        assert_eq!(
            change(&format!("add@{CTL}/nvme3c3n1"), &["SUBSYSTEM=block"]),
            Change::PathAdded { path: PathName::new(3, 3, 1) }
        );
    }

    #[test]
    fn fibre_channel_and_what_is_not_ours() {
        let fc = [
            "SUBSYSTEM=fc",
            "FC_EVENT=nvmediscovery",
            "NVMEFC_HOST_TRADDR=nn-0x1:pn-0x2",
            "NVMEFC_TRADDR=nn-0x3:pn-0x4",
        ];
        assert_eq!(
            change("change@/devices/virtual/fc/fc_udev_device", &fc),
            Change::FcDiscovery {
                host_traddr: "nn-0x1:pn-0x2".to_owned(),
                traddr: "nn-0x3:pn-0x4".to_owned()
            }
        );
        assert_eq!(change("change@/devices/virtual/fc/fc_udev_device", &fc[..3]), Change::Other);
        assert_eq!(change(&format!("add@{CTL}/nvme3n1/nvme3n1p1"), &["SUBSYSTEM=block"]), Change::Other);
        for (heading, subsystem) in [
            ("add@/devices/virtual/block/loop0", "SUBSYSTEM=block"),
            ("add@/module/nvme_tcp", "SUBSYSTEM=module"),
            ("add@/devices/x", "OTHER=1"),
            ("change@/devices/virtual/fc/fc_udev_device", "SUBSYSTEM=fc"),
        ] {
            assert_eq!(of(heading, &[subsystem]), None, "{heading}");
        }
    }
}

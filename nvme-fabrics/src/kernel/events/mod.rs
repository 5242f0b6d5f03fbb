//! What changes, as the kernel announces it: uevents of controllers, namespaces and subsystems.
//!
//! | item | what | platform |
//! |---|---|---|
//! | [`Uevent`] | one message of the kernel: action, device, variables | any |
//! | [`Event`], [`Change`] | the same with a meaning | any |
//! | `EventSocket` | the messages as they come, blocking or not, as an iterator | Linux |
//! | `EventStream` | the same as a stream, feature `tokio` | Linux |
//!
//! Nobody needs a privilege to listen. The kernel sends uevents to sockets in network namespaces of the first user namespace only: in an unprivileged container
//! none arrive, and whoever waits there has to look at sysfs from time to time.
//!
//! Events tell that something has happened and not what is: a reader looks at sysfs when it begins, after [`EventError::Overrun`], and in between needs
//! the events alone. The socket must be open before the first look, or what happens between the two is lost.
//!
//! | variable | value | since |
//! |---|---|---|
//! | `NVME_AEN` | dword 0 of an Asynchronous Event Request's completion, hexadecimal; only what the kernel does not act on itself | 4.19; discovery log 5.10 |
//! | `NVME_EVENT` | `connected`: after every successful start, `rediscover`: a discovery controller came back and may have missed events | 6.0, 6.1 |
//! | `NVME_TRTYPE`, `NVME_TRADDR`, `NVME_TRSVCID`, `NVME_HOST_TRADDR` | where a controller was connected to, `none` where nothing was given | 5.10 |
//! | `NVME_HOST_IFACE` | the same | 5.14 |
//! | `FC_EVENT`, `NVMEFC_HOST_TRADDR`, `NVMEFC_TRADDR` | Fibre Channel found a port that may have a discovery controller | 4.19 |
//! | `RESIZE` | `1`: the size of a block device changed | before 5.10 |
//!
//! Source: `drivers/nvme/host/core.c: nvme_class_uevent, nvme_aen_uevent, nvme_start_ctrl`, `fc.c: nvme_fc_signal_discovery_scan`,
//! `block/genhd.c: set_capacity_and_notify`, `lib/kobject_uevent.c`.

mod error;
mod event;
#[cfg(target_os = "linux")]
mod socket;
#[cfg(all(target_os = "linux", feature = "tokio"))]
mod stream;
mod uevent;

pub use error::EventError;
pub use event::{Change, Event, Place};
#[cfg(target_os = "linux")]
pub use socket::{EventSocket, Events};
#[cfg(all(target_os = "linux", feature = "tokio"))]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub use stream::EventStream;
pub use uevent::{Action, Uevent, UeventError};

//! The Linux kernel's host: its connect device, its sysfs tree, its ioctls.
//!
//! | module | what | platform |
//! |---|---|---|
//! | [`connect`] | options to a controller, with the reason when it fails | any with a device of one's own; `/dev/nvme-fabrics` on Linux |
//! | [`device`] | the device that makes controllers | any |
//! | [`disconnect`] | controllers to nothing, safely | any (sysfs) |
//! | [`ensure`] | wanted paths: connect what is missing | any |
//! | [`errno`] | the kernel's error numbers in words | any |
//! | [`events`] | what changes, as the kernel announces it | any; listening on Linux |
//! | `ioctl` | admin commands through `/dev/nvmeN` | Linux |
//! | [`keyring`] | keys for TLS in the kernel | Linux; the listing any |
//! | [`log`] | the kernel log as a source of reasons | any; `/dev/kmsg` on Linux |
//! | [`modules`] | whether a kernel module is there | any; loading on Linux |
//! | [`names`] | names of controllers, subsystems, namespaces and paths | any |
//! | `nonblocking` | all of it as futures, feature `tokio` | Linux |
//! | [`sysfs`] | what is connected | any |
//! | [`wait`] | waiting for what the kernel does later | any |
//!
//! "Any" means that the code builds and is tested on every platform, against trees and devices made up for the purpose.

#[cfg(target_os = "linux")]
mod complete;
pub mod connect;
pub mod device;
pub mod disconnect;
pub mod ensure;
pub mod errno;
pub mod events;
#[cfg(target_os = "linux")]
pub mod ioctl;
pub mod keyring;
pub mod log;
pub mod modules;
pub mod names;
#[cfg(all(target_os = "linux", feature = "tokio"))]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod nonblocking;
pub mod sysfs;
pub mod wait;

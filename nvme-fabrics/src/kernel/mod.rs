//! The Linux kernel's host: its connect device, its sysfs tree, its ioctls.
//!
//! | module | what | platform |
//! |---|---|---|
//! | [`names`] | names of controllers, subsystems, namespaces and paths | any |
//! | [`sysfs`] | what is connected, read from sysfs | any (tests read a made-up tree) |

pub mod connect;
pub mod device;
pub mod disconnect;
pub mod errno;
pub mod log;
pub mod names;
pub mod sysfs;
pub mod wait;

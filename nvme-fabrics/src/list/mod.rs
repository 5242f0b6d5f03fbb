//! What `list` and `list --subsys` show, as plain rows and as text. Pure: works on any [`Inventory`](crate::kernel::sysfs::Inventory).
//!
//! | module | what |
//! |---|---|
//! | [`namespaces`] | one row a namespace, the table of `nvme list` |
//! | [`subsystems`] | one block a subsystem and host, the tree of `nvme list-subsys` |
//! | [`units`] | sizes in words |

pub mod namespaces;
pub mod subsystems;
pub mod units;

pub use namespaces::NamespaceRow;
pub use subsystems::SubsystemBlock;

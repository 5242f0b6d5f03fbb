//! What `list` and `list --subsys` show, as plain rows and as text. Pure: works on any [`Inventory`](crate::kernel::sysfs::Inventory).
//!
//! | function | what |
//! |---|---|
//! | [`rows`], [`table`] | one row a namespace, the table of `nvme list` |
//! | [`blocks`], [`subsystems`], [`subsystems_of`] | one block a subsystem and host, the tree of `nvme list-subsys` |
//! | [`units`] | sizes in words |

mod namespaces;
mod tree;
pub mod units;

pub use namespaces::{NamespaceRow, rows, table};
pub use tree::{SubsystemBlock, blocks, subsystems, subsystems_of};

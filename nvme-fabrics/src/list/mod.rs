//! What `list`, `list --verbose` and `list --subsys` show, as plain rows and as text. Pure: works on any [`Inventory`](crate::kernel::sysfs::Inventory).
//!
//! | function | what |
//! |---|---|
//! | [`rows`], [`table`] | one row a namespace, the table of `nvme list` |
//! | [`blocks`], [`subsystems`], [`subsystems_of`] | one block a subsystem and host, the tree of `nvme list-subsys` |
//! | [`verbose`] | three tables, those of `nvme list -v` |
//! | [`units`] | sizes in words |
//!
//! In texts, control characters are shown as escapes: most of what is listed was chosen by a target.

mod namespaces;
mod plain;
mod tree;
pub mod units;
mod verbose;

pub use namespaces::{NamespaceRow, rows, table};
pub(crate) use plain::plain;
pub use tree::{SubsystemBlock, blocks, subsystems, subsystems_of};
pub use verbose::verbose;

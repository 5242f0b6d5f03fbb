//! Several controllers of one subsystem as one disk.
//!
//! ```text
//!   Disk     Disk ...          requests: which path, what if it fails
//!   ---------------------
//!   Paths                      the controllers: connected or not, and how each reaches each namespace
//!   ---------------------
//!   tcp::Controller ...        one connection each; fails a command at once when it is lost
//! ```
//!
//! ```no_run
//! use nvme_fabrics::HostIdentity;
//! use nvme_fabrics::tcp::{Connect, multipath::{self, PathOptions, Paths, Policy}};
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse()?);
//! let paths = Paths::new("mysub".parse()?, PathOptions::default().policy(Policy::RoundRobin));
//! for address in ["192.0.2.10:4420", "198.51.100.10:4420"] {
//!     let connect = Connect::new(address.parse()?, "mysub".parse()?, host.clone());
//!     paths.join(multipath::path(connect).connect().await?).await?;
//! }
//! let disk = paths.disk("1".parse()?).await?;
//! disk.write(0, vec![7; 4096]).await?; // goes on when one of the addresses fails
//! # Ok(())
//! # }
//! ```
//!
//! # Which path
//!
//! The best by asymmetric namespace access (ANA): optimized before non-optimized; among equally good ones the [`Policy`] chooses. Paths whose controller calls the
//! namespace inaccessible or changing wait; of one that calls it lost for good nothing is expected any more. The states are read when a path is connected, and
//! again after each event that they have changed, and after each command that was refused because of them. A change that takes longer than the controller said (ANATT) has the controller
//! reset, as the kernel's host does it.
//!
//! A controller is a path to a namespace only if it reports the same identifiers for it (EUI-64, NGUID, UUID) and the same block size: a different disk that has
//! the same number by mistake is never written to.
//!
//! # What happens to a command that fails
//!
//! | what happened | reads, flushes | writes, zeroes, deallocations | reservations |
//! |---|---|---|---|
//! | it was not sent, or refused by asymmetric access | another path | another path | another path |
//! | the path failed inside of the target (other statuses of type 3) | another path | another path | error |
//! | the connection was lost meanwhile, the outcome is unknown | another path | another path **behind the fence** ([`LateWrites`]) | error, behind the fence |
//! | a status that passes (interrupted, not ready, transient …), no DNR | again, 5 times at most | again | error, or again if it was not begun |
//! | anything else | error | error | error |
//!
//! No acknowledged write is lost by that. Between the moment a write is acknowledged and the next write to the same blocks nothing older is on its way: a
//! write that may still be in a controller that was lost is neither acknowledged nor reported as failed before that controller is surely dead, so nobody
//! can base a newer write on it. The argument is that of [`reconnect`](super::reconnect), where the fence is derived; here it stops only the commands that
//! were on the lost path, and everything else goes on by the others at once.
//!
//! While no path is usable, requests wait as [`NoPath`] says; how many may wait is bounded, and so is everything else: paths
//! ([`PathOptions::max_paths`]), the log of states (1 MiB, of larger ones without the lists of namespaces), events (the last 256 for each listener).
//!
//! Source: NVMe Base 2.0 section 8.1 (asymmetric namespace access reporting); kernel `drivers/nvme/host/multipath.c: nvme_failover_req,
//! nvme_find_path, nvme_update_ana_state`, `core.c: nvme_decide_disposition`.

mod ana;
mod choose;
mod disk;
mod error;
mod events;
mod identity;
mod member;
mod options;
mod path;
mod paths;
mod requests;
mod run;
mod verdict;
mod watcher;

pub use choose::Policy;
pub use disk::Disk;
pub use error::{DiskError, FailedRead, JoinError, OpenError};
pub use events::{PathEvent, PathEvents};
pub use identity::{Mismatch, NamespaceIdentity};
pub use member::PathUse;
pub use options::{NoPath, PathOptions, path};
pub use path::PathId;
pub use paths::{PathInfo, Paths};
pub use verdict::LateWrites;

#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod attr;
pub mod errno;
mod hint;
pub mod object;
mod text;
pub mod tree;

pub use errno::Errno;
pub use object::Object;
pub use tree::{Entry, Name, NodeKind, Op, RelPath, RelPathError, Tree, TreeError, dump};
#[cfg(feature = "testing")]
pub use tree::{FakeKernel, FakeTree, Instrumented};
#[cfg(target_os = "linux")]
pub use tree::{OpenError, OsTree};

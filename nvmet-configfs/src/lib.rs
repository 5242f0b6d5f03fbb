#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod apply;
mod attr;
mod diff;
mod errno;
mod error;
mod hint;
mod object;
pub mod observe;
mod plan;
pub mod spec;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
pub mod tree;

pub use apply::{
    Applied, ApplyError, ApplyFailure, Leftover, Rollback, StepSubject, apply, clear, plan, reconcile,
};
pub use diff::{Foreign, Policy, diff};
pub use errno::Errno;
pub use error::Error;
pub use object::Object;
pub use observe::{LinkTarget, Observed, observe};
pub use plan::{Action, Disruption, Phase, Plan, Step};
pub use spec::{
    Buffering, DevicePath, HostAccess, Model, NamespaceSpec, Nguid, NsUuid, PortId, PortSpec, PortTransport,
    Serial, SpecError, SpecProblem, SubsystemSpec, TargetSpec,
};
pub use tree::{Entry, Name, NodeKind, Op, RelPath, RelPathError, Tree, TreeError, dump};
#[cfg(feature = "testing")]
pub use tree::{FakeKernel, FakeTree, Instrumented};
#[cfg(target_os = "linux")]
pub use tree::{OpenError, OsTree};

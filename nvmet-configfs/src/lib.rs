#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod apply;
mod attr;
mod diff;
mod errno;
mod error;
mod hint;
#[cfg(target_os = "linux")]
pub mod kernel;
mod object;
pub mod observe;
mod plan;
#[cfg(target_os = "linux")]
mod preflight;
pub mod spec;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
pub mod tree;

pub use apply::{
    Applied, ApplyError, ApplyFailure, Leftover, Rollback, StepFailure, StepSubject, apply, clear, plan,
    reconcile, withdraw,
};
pub use diff::{Foreign, Policy, diff, diff_withdraw};
pub use errno::Errno;
pub use error::Error;
pub use object::Object;
pub use observe::{
    Attributes, LinkTarget, Observed, ObservedHost, ObservedNamespace, ObservedPort, ObservedSubsystem,
    observe,
};
pub use plan::{Action, Disruption, Phase, Plan, Step};
#[cfg(target_os = "linux")]
pub use preflight::{DeviceFault, DeviceProblem, PreflightError, preflight};
pub use spec::{
    Buffering, DevicePath, DevicePathError, HostAccess, HostSpec, Model, NamespaceSpec, Nguid, NguidError,
    NsUuid, NsUuidError, PortId, PortIdError, PortSpec, PortTransport, Serial, SpecError, SpecProblem,
    SubsystemSpec, TargetSpec, TextError,
};
pub use tree::{Entry, Name, NodeKind, Op, RelPath, RelPathError, Tree, TreeError, dump};
#[cfg(feature = "testing")]
pub use tree::{FakeKernel, FakeTree, Instrumented};
#[cfg(target_os = "linux")]
pub use tree::{OpenError, OsTree};

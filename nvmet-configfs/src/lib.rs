#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod apply;
mod attr;
mod diff;
mod errno;
mod error;
#[cfg(feature = "serde")]
pub mod file;
pub mod handle;
mod hint;
#[cfg(target_os = "linux")]
pub mod kernel;
pub mod manual;
#[cfg(feature = "serde")]
pub mod nvmetcli;
mod object;
pub mod observe;
mod plan;
#[cfg(target_os = "linux")]
mod preflight;
pub mod sessions;
pub mod spec;
mod support;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
pub mod tree;
mod value;

pub use apply::{
    Applied, ApplyError, ApplyFailure, Leftover, Rollback, StepFailure, StepSubject, apply, clear, plan,
    reconcile, withdraw,
};
pub use attr::{ATTRIBUTES, Attribute, Effect, Mode, Since, ValueFault, ValueKind, Writable, attribute};
pub use diff::{Consent, DiscoveryNqn, Foreign, Policy, Scope, Sizes, Unknown, diff, diff_withdraw};
pub use errno::Errno;
pub use error::Error;
pub use handle::HandleError;
pub use hint::{Hint, hints};
pub use object::Object;
pub use observe::{
    Attributes, LinkTarget, Observed, ObservedHost, ObservedNamespace, ObservedPort, ObservedSubsystem,
    observe,
};
pub use plan::{Action, Disruption, Phase, Plan, Step, Warning};
#[cfg(target_os = "linux")]
pub use preflight::{DeviceFault, DeviceProblem, PreflightError, preflight};
pub use spec::{
    AnaGroupId, AnaGroupIdError, AnaState, AnaStateError, Buffering, DevicePath, DevicePathError, Firmware,
    HostAccess, HostSpec, Model, NamespaceSpec, Nguid, NguidError, NsUuid, NsUuidError, OtherAddress,
    PassthruSpec, PortId, PortIdError, PortSpec, PortTransport, ReferralSpec, Serial, SettingError, Settings,
    SpecError, SpecProblem, SubsystemSpec, TargetSpec, TextError,
};
pub use support::{Presence, Support, support};
#[cfg(feature = "testing")]
pub use tree::{AddressField, FakeKernel, FakeTree, Instrumented, SystemCalls};
pub use tree::{Entry, Name, NodeKind, Op, RelPath, RelPathError, Tree, TreeError, dump};
#[cfg(target_os = "linux")]
pub use tree::{LockError, OpenError, OsTree, TreeLock};
pub use value::Value;

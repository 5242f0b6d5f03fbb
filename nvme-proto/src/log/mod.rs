//! Log pages: what a controller tells when asked with Get Log Page.
//!
//! | identifier | page                                      | bytes                   |
//! |------------|-------------------------------------------|-------------------------|
//! | 0x00       | [`SupportedLogPages`]                     | 1024                    |
//! | 0x70       | [the discovery log](crate::discovery)     | 1024 and its entries    |
//!
//! Pages are views over bytes: checked once, decoded field by field, and written by a controller with the same types. What a page counts
//! is bounded by the bytes that are there; iterators over entries of several lengths stop at the first that is malformed and say why.

mod ana;
mod changed_namespaces;
mod effects;
mod error_information;
mod firmware;
mod get_log_page;
mod health;
mod persistent;
mod reservation;
mod sanitize;
mod self_test;
mod supported;
mod telemetry;
mod zones;

pub use ana::{AnaGroup, AnaGroups, AnaLog, AnaState};
pub use changed_namespaces::ChangedNamespaces;
pub use effects::{CommandEffects, EffectsLog, FeatureEffects, FeatureEffectsLog, Scope};
pub use error_information::{ErrorEntry, ErrorLog};
pub use firmware::FirmwareLog;
pub use get_log_page::{GetLogPage, GetLogPageError, LogId, OffsetType, RetainAsyncEvent};
pub use health::{CriticalWarning, EnduranceGroupLog, EnduranceWarning, HealthLog};
pub use persistent::{PersistentEvent, PersistentEventLog, PersistentEventType, PersistentEvents};
pub use reservation::{ReservationEvent, ReservationLog};
pub use sanitize::{SanitizeLog, SanitizeState, SanitizeStatus};
pub use self_test::{SelfTestKind, SelfTestLog, SelfTestOutcome, SelfTestResult, SelfTestValid};
pub use supported::{LogPageSupport, SupportedLogPages};
pub use telemetry::TelemetryLog;
pub use zones::ChangedZones;

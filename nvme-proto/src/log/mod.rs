//! Log pages: what a controller tells when asked with Get Log Page.
//!
//! | identifier       | page                                                    | bytes                                |
//! |------------------|---------------------------------------------------------|--------------------------------------|
//! | 0x00             | [`SupportedLogPages`]                                   | 1024                                 |
//! | 0x01             | [`ErrorLog`], [`ErrorEntry`]                            | 64 each                              |
//! | 0x02             | [`HealthLog`]                                           | 512                                  |
//! | 0x03             | [`FirmwareLog`]                                         | 512                                  |
//! | 0x04, 0x1c       | [`ChangedNamespaces`]                                   | 4096                                 |
//! | 0x05             | [`EffectsLog`]                                          | 4096                                 |
//! | 0x06             | [`SelfTestLog`]                                         | 564                                  |
//! | 0x07, 0x08       | [`TelemetryLog`] (the header; data are the vendor's)    | 512 and blocks of 512                |
//! | 0x09             | [`EnduranceGroupLog`]                                   | 512                                  |
//! | 0x0c             | [`AnaLog`]                                              | 16, and 32 + 4n for each group       |
//! | 0x0d             | [`PersistentEventLog`], [`PersistentEvents`]            | 512 and the events                   |
//! | 0x12             | [`FeatureEffectsLog`]                                   | 1024                                 |
//! | 0x70             | [the discovery log](crate::discovery)                   | 1024 and its entries                 |
//! | 0x71             | [`RegistrationLogHeader`], [`HostEntries`]              | 1024, and 1032 or more for each host |
//! | 0x72             | [`RegistrationLogHeader`], [`AveEntries`]               | 1024, and 232 + 20n for each entity  |
//! | 0x73             | [`PullModelRequest`]                                    | 8 and the request                    |
//! | 0x80             | [`ReservationLog`]                                      | 64                                   |
//! | 0x81             | [`SanitizeLog`]                                         | 512                                  |
//! | 0xbf             | [`ChangedZones`]                                        | 4096                                 |
//!
//! The other identifiers have a name and no more: predictable latency (0x0a, 0x0b), LBA status (0x0e), endurance group events (0x0f), media units
//! (0x10, 0x11), NVMe-MI commands, lockdown, boot partitions, rotational media, dispersed namespaces, management addresses, eye opening and
//! reachability (0x13 to 0x1b), flexible data placement (0x20 to 0x23). Their bytes are had as they are, by Get Log Page with any [`LogId`].
//!
//! Pages are views over bytes: checked once, decoded field by field, and written by a controller with the same types. What a page counts
//! is bounded by the bytes that are there; iterators over entries of several lengths stop at the first that is malformed and say why.

mod ana;
mod ave_discovery;
mod changed_namespaces;
mod effects;
mod error_information;
mod firmware;
mod get_log_page;
mod health;
mod host_discovery;
mod persistent;
mod pull_model;
mod reservation;
mod sanitize;
mod self_test;
mod supported;
mod telemetry;
mod zones;

pub use ana::{AnaGroup, AnaGroups, AnaLog, AnaState};
pub use ave_discovery::{AveEntries, AveEntry, AveRecord};
pub use changed_namespaces::ChangedNamespaces;
pub use effects::{CommandEffects, EffectsLog, FeatureEffects, FeatureEffectsLog, Scope};
pub use error_information::{ErrorEntry, ErrorLog};
pub use firmware::FirmwareLog;
pub use get_log_page::{GetLogPage, GetLogPageError, LogId, OffsetType, RetainAsyncEvent};
pub use health::{CriticalWarning, EnduranceGroupLog, EnduranceWarning, HealthLog};
pub use host_discovery::{HostEntries, HostEntry, RegistrationLogHeader};
pub use persistent::{PersistentEvent, PersistentEventLog, PersistentEventType, PersistentEvents};
pub use pull_model::PullModelRequest;
pub use reservation::{ReservationEvent, ReservationLog};
pub use sanitize::{SanitizeLog, SanitizeState, SanitizeStatus};
pub use self_test::{SelfTestKind, SelfTestLog, SelfTestOutcome, SelfTestResult, SelfTestValid};
pub use supported::{LogPageSupport, SupportedLogPages};
pub use telemetry::TelemetryLog;
pub use zones::ChangedZones;

//! Log pages: what a controller tells when asked with Get Log Page.
//!
//! | identifier | page                                      | bytes                   |
//! |------------|-------------------------------------------|-------------------------|
//! | 0x00       | [`SupportedLogPages`]                     | 1024                    |
//! | 0x70       | [the discovery log](crate::discovery)     | 1024 and its entries    |
//!
//! Pages are views over bytes: checked once, decoded field by field, and written by a controller with the same types. What a page counts
//! is bounded by the bytes that are there; iterators over entries of several lengths stop at the first that is malformed and say why.

mod error_information;
mod firmware;
mod get_log_page;
mod health;
mod reservation;
mod sanitize;
mod supported;

pub use error_information::{ErrorEntry, ErrorLog};
pub use firmware::FirmwareLog;
pub use get_log_page::{GetLogPage, GetLogPageError, LogId, OffsetType, RetainAsyncEvent};
pub use health::{CriticalWarning, EnduranceGroupLog, EnduranceWarning, HealthLog};
pub use reservation::{ReservationEvent, ReservationLog};
pub use sanitize::{SanitizeLog, SanitizeState, SanitizeStatus};
pub use supported::{LogPageSupport, SupportedLogPages};

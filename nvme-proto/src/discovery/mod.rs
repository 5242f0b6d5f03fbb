//! Discovery: where subsystems can be reached.
//!
//! A discovery controller keeps one log page: a header with a generation counter, then one entry of 1024 bytes for each way to a
//! subsystem or to another discovery service. [`LogReader`] reads it in pieces and notices when it changes meanwhile.

pub(crate) mod address;
mod entry;
pub(crate) mod extended;
pub(crate) mod log;
mod reader;
mod terms;

pub use crate::log::{GetLogPage, GetLogPageError, LogId, RetainAsyncEvent};
pub use entry::{DiscoveryEntry, LogEntry};
pub use extended::{ExtendedAttribute, ExtendedAttributeError, ExtendedAttributeType, ExtendedAttributes};
pub use log::{DiscoveryLog, DiscoveryRequest, LogFlags, LogHeader};
pub use reader::{LogReadError, LogReader, LogReaderLimits, Next};
pub use terms::{
    Authentication, EntryFlags, SecureChannel, SubsystemType, TcpSecurity, TransportRequirements,
};

/// TCP port of discovery services (IANA `nvme-disc`).
pub const DEFAULT_PORT: u16 = 8009;

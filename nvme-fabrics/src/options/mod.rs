//! Typed options of one connection.
use std::time::Duration;
/// How long a lost controller is kept while the kernel tries to reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControllerLoss {
    /// For ever.
    Never,
    /// Deleted after this time without a connection; whole seconds. Zero: at the first loss.
    After(Duration),
}
/// How long I/O waits for a lost controller before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FastIoFail {
    /// As long as the controller is kept.
    Off,
    /// This long; whole seconds. Zero: not at all.
    After(Duration),
}

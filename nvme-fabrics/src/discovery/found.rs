//! What discovery found, by whatever way it asked.

use nvme_proto::Cntlid;
use nvme_proto::discovery::DiscoveryLog;
#[cfg(any(target_os = "linux", feature = "tokio"))]
use nvme_proto::identify::IdentifyController;

/// What the discovery controller said about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiscoveryController {
    /// NQN of the discovery subsystem: the well-known one, or one of its own.
    pub subsystem_nqn: String,
    /// Model.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Firmware revision.
    pub firmware: String,
    /// Controller identifier.
    pub cntlid: Cntlid,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovered {
    /// The log, all of one generation.
    pub log: DiscoveryLog,
    /// The controller that it came from; it is gone by now.
    pub controller: DiscoveryController,
}

#[cfg(any(target_os = "linux", feature = "tokio"))]
impl DiscoveryController {
    /// What this Identify Controller structure says.
    pub(super) fn of<B: AsRef<[u8]>>(identify: &IdentifyController<B>) -> Self {
        Self {
            subsystem_nqn: identify.subnqn_text(),
            model: identify.model(),
            serial: identify.serial(),
            firmware: identify.firmware(),
            cntlid: identify.cntlid(),
        }
    }
}

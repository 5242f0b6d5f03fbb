//! Pass-through: a subsystem that offers an NVMe controller of this machine as it is.

use super::DevicePath;
use super::settings::{Settings, with_settings};
use crate::object::Object;

/// The wanted state of a subsystem's pass-through. Only on kernels built with `CONFIG_NVME_TARGET_PASSTHRU`.
///
/// Settings: `admin_timeout`, `io_timeout` (jiffies, 0 for the driver's own), `clear_ids` (not 0: EUI-64, NGUID and UUID are hidden).
/// While it is enabled the subsystem can have no namespaces of its own, and `attr_version` is the controller's.
/// Source: `drivers/nvme/target/passthru.c:nvmet_passthru_ctrl_enable`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PassthruSpec {
    /// Character device of the controller, for example `/dev/nvme0`; `None` leaves it.
    pub device_path: Option<DevicePath>,
    /// Whether hosts see it.
    pub enabled: bool,
    /// Its other attributes.
    pub settings: Settings,
}

impl PassthruSpec {
    /// An enabled pass-through of a controller.
    pub fn new(device_path: DevicePath) -> Self {
        Self { device_path: Some(device_path), enabled: true, settings: Settings::of(Object::Passthru) }
    }

    /// No pass-through, whatever else is set.
    pub fn disabled() -> Self {
        Self { device_path: None, enabled: false, settings: Settings::of(Object::Passthru) }
    }
}

with_settings!(PassthruSpec);

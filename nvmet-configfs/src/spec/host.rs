//! Hosts, and their keys.

use super::settings::{Settings, with_settings};
use crate::object::Object;

/// The wanted state of a host: a name that subsystems can permit, and its keys.
///
/// | setting | holds |
/// |---|---|
/// | `dhchap_key` | the host's key (DH-HMAC-CHAP); secret |
/// | `dhchap_ctrl_key` | the target's key, for authentication both ways; secret |
/// | `dhchap_hash` | `hmac(sha256)`, `hmac(sha384)` or `hmac(sha512)` |
/// | `dhchap_dhgroup` | `null`, `ffdhe2048`, … `ffdhe8192` |
///
/// A kernel built without `CONFIG_NVME_TARGET_AUTH` has none of them. The kernel asks for a key only where the host is permitted by
/// name: under [`HostAccess::Any`](super::HostAccess::Any) nobody is asked. Source: `drivers/nvme/target/auth.c:nvmet_setup_auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostSpec {
    /// Its attributes.
    pub settings: Settings,
}

impl HostSpec {
    /// A host whose attributes are left as they are.
    pub fn new() -> Self {
        Self { settings: Settings::of(Object::Host) }
    }
}

with_settings!(HostSpec);

impl Default for HostSpec {
    fn default() -> Self {
        Self::new()
    }
}

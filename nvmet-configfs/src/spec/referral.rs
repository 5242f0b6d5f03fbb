//! Referrals: other discovery services that a port's discovery log names.

use super::settings::{Settings, with_settings};
use crate::object::Object;

/// The wanted state of a referral.
///
/// Its settings are `addr_trtype`, `addr_adrfam`, `addr_traddr`, `addr_trsvcid`, `addr_portid`, `addr_treq`. The kernel checks none of
/// them against each other. An enabled referral refuses changes (`EACCES`); a plan disables it for them.
/// Source: `drivers/nvme/target/configfs.c:nvmet_referral_attrs`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReferralSpec {
    /// Whether the discovery log has it.
    pub enabled: bool,
    /// Its attributes.
    pub settings: Settings,
}

impl ReferralSpec {
    /// An enabled referral without an address.
    pub fn new() -> Self {
        Self { enabled: true, settings: Settings::of(Object::Referral) }
    }

    /// An enabled referral to a discovery service over TCP.
    pub fn tcp(traddr: nvme_proto::IpTraddr, trsvcid: u16) -> Self {
        let mut referral = Self::new();
        let adrfam = if traddr.ip().is_ipv4() { "ipv4" } else { "ipv6" };
        referral.settings.set_checked("addr_trtype", "tcp");
        referral.settings.set_checked("addr_adrfam", adrfam);
        referral.settings.set_checked("addr_traddr", traddr);
        referral.settings.set_checked("addr_trsvcid", trsvcid);
        referral
    }

    /// The same, not in the log.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.enabled = false;
        self
    }
}

with_settings!(ReferralSpec);

impl Default for ReferralSpec {
    fn default() -> Self {
        Self::new()
    }
}

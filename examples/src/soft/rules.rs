//! What the soft target makes of each attribute of the kernel's target.
//!
//! | what | attributes |
//! |---|---|
//! | honoured | `discovery_nqn`; `attr_serial`, `attr_model`, `attr_firmware`, `attr_cntlid_min`, `attr_cntlid_max`, `attr_qid_max`; `device_uuid`, `device_nguid`, `ana_grpid`, `buffered_io`; `param_inline_data_size`, `param_max_queue_size`, `param_mdts`; a referral's address |
//! | makes no difference | `attr_version` (the soft target tells its own), `resv_enable` (reservations are always there), `dhchap_hash` and `dhchap_dhgroup` (without a key) |
//! | taken when it asks for nothing | the rest: authentication, TLS, protection information, peer memory, vendor numbers |
//!
//! What asks for something that is not there is an error, and so is a name that nobody here knows: a target that leaves out a
//! restriction in silence is worse than none.

use nvmet_configfs::Settings;

use super::config::ConfigError;

/// What is made of one attribute.
enum Rule {
    /// It is done.
    Honoured,
    /// It is the same with and without.
    Idle,
    /// These values ask for nothing.
    Only(&'static [&'static str]),
}

/// The rule of an attribute; `None` for those nobody here knows.
fn rule(name: &str) -> Option<Rule> {
    Some(match name {
        "discovery_nqn"
        | "attr_serial"
        | "attr_model"
        | "attr_firmware"
        | "attr_cntlid_min"
        | "attr_cntlid_max"
        | "attr_qid_max"
        | "device_uuid"
        | "device_nguid"
        | "ana_grpid"
        | "buffered_io"
        | "param_inline_data_size"
        | "param_max_queue_size"
        | "param_mdts"
        | "addr_trtype"
        | "addr_adrfam"
        | "addr_traddr"
        | "addr_trsvcid"
        | "addr_portid" => Rule::Honoured,
        "attr_version" | "resv_enable" | "dhchap_hash" | "dhchap_dhgroup" => Rule::Idle,
        "attr_ieee_oui"
        | "attr_vendor_id"
        | "attr_subsys_vendor_id"
        | "attr_pi_enable"
        | "p2pmem"
        | "param_pi_enable" => Rule::Only(&["0"]),
        "addr_tsas" => Rule::Only(&["none"]),
        "addr_treq" => Rule::Only(&["not specified", "not required"]),
        _ => return None,
    })
}

/// Refuses settings that ask for what the soft target does not do. `object` is their owner, for the error.
pub(super) fn check(settings: &Settings, object: &str) -> Result<(), ConfigError> {
    for secret in ["dhchap_key", "dhchap_ctrl_key"] {
        if settings.secret(secret).is_some_and(|key| !key.is_empty()) {
            return Err(ConfigError::Authentication { object: object.to_owned() });
        }
    }
    for (name, value) in settings.iter() {
        let (name, value) = (name.to_string(), value.to_str().unwrap_or("(not text)").to_owned());
        let fine = match rule(&name) {
            Some(Rule::Honoured | Rule::Idle) => true,
            Some(Rule::Only(values)) => values.contains(&&*value),
            None => false,
        };
        if !fine {
            return Err(ConfigError::Setting { object: object.to_owned(), name, value });
        }
    }
    Ok(())
}

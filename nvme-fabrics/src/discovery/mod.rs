//! What a target offers to this host.
//!
//! | module | what | platform |
//! |---|---|---|
//! | this | [`DiscoveryRequest`]: whom to ask; [`Discovered`]: what was found | any |
//! | `kernel` | [`discover`]: ask through the kernel's discovery controller | Linux |
//! | `tcp` | asking over NVMe/TCP in user space, without privileges; feature `tokio` | any |
//! | `select` | [`decide`]: what to do with an entry | any |
//! | `all` | [`connect_all`]: connect everything, referrals included | Linux |
//! | [`text`] | the log in the words of `nvme discover` | any |

mod all;
mod found;
#[cfg(target_os = "linux")]
mod kernel;
mod select;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod tcp;
pub mod text;

use nvme_proto::{IpTraddr, SubsysNqn};

use crate::identity::HostIdentity;
use crate::options::{ConnectOptions, OptionError};

#[cfg(target_os = "linux")]
pub use all::connect_all;
pub use all::{AllOutcome, ConnectAll, EntryOutcome, EntryResult, Page, Referrals};
pub use found::{Discovered, DiscoveryController};
#[cfg(target_os = "linux")]
pub use kernel::{DiscoverError, discover};
pub use nvme_proto::discovery::DEFAULT_PORT;
pub use select::{Decision, SkipReason, decide};

/// Whom to ask, and as which host: targets show each host only what it may connect to.
///
/// A target's discovery subsystem listens at each of its ports: at [`DEFAULT_PORT`] by convention, and with Linux also at the port of the
/// subsystems (usually 4420).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use]
pub struct DiscoveryRequest {
    options: ConnectOptions,
}

impl DiscoveryRequest {
    /// The discovery subsystem with the well-known NQN.
    ///
    /// # Errors
    /// As [`ConnectOptions::tcp`].
    pub fn tcp(traddr: IpTraddr, port: u16, host: HostIdentity) -> Result<Self, OptionError> {
        Ok(Self { options: ConnectOptions::tcp(traddr, port, SubsysNqn::discovery(), host)? })
    }

    /// A discovery subsystem by any transport, with whatever options: digests, secrets, TLS.
    ///
    /// # Errors
    /// [`OptionError::NotForDiscovery`] when the options have something that discovery controllers lack.
    pub fn from_options(options: ConnectOptions) -> Result<Self, OptionError> {
        Ok(Self { options: options.discovery()? })
    }

    /// A discovery subsystem with an NQN of its own. Needs kernel 5.16.
    ///
    /// # Errors
    /// [`OptionError`] for an NQN of 223 bytes.
    pub fn nqn(self, nqn: SubsysNqn) -> Result<Self, OptionError> {
        Ok(Self { options: self.options.with_discovery_nqn(nqn)? })
    }

    /// The local address to ask from.
    ///
    /// # Errors
    /// As [`ConnectOptions::host_traddr`].
    pub fn host_traddr(self, local: IpTraddr) -> Result<Self, OptionError> {
        Ok(Self { options: self.options.host_traddr(local)? })
    }

    /// The local network interface to ask from.
    ///
    /// # Errors
    /// As [`ConnectOptions::host_iface`].
    pub fn host_iface(self, interface: &str) -> Result<Self, OptionError> {
        Ok(Self { options: self.options.host_iface(interface)? })
    }

    /// The options of the connection: no keep-alive, since it does not last.
    pub fn options(&self) -> &ConnectOptions {
        &self.options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_name_needs_no_mark_and_another_one_does() {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        let request = DiscoveryRequest::tcp("192.0.2.10".parse().unwrap(), DEFAULT_PORT, host).unwrap();
        let string = request.options().to_option_string();
        let text = string.expose();
        assert!(text.starts_with(
            "transport=tcp,traddr=192.0.2.10,trsvcid=8009,nqn=nqn.2014-08.org.nvmexpress.discovery,"
        ));
        assert!(!text.contains(",discovery") && !text.contains("keep_alive"), "{text}");
        let unique = request
            .host_iface("eth0")
            .and_then(|r| r.host_traddr("192.0.2.1".parse().unwrap()))
            .and_then(|r| r.nqn("unique".parse().unwrap()))
            .unwrap()
            .options()
            .to_option_string();
        let unique = unique.expose();
        assert!(unique.contains(",host_traddr=192.0.2.1,host_iface=eth0,nqn=unique,"), "{unique}");
        assert!(unique.ends_with(",discovery"), "{unique}");
    }
}

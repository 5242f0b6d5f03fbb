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
    /// The discovery subsystem with the well-known NQN. The host's NQN may have the 223 bytes of the specification: in user space that can be asked
    /// ([`discovery::tcp`](self::tcp)), the kernel takes one byte less ([`check_for_kernel`](Self::check_for_kernel)).
    ///
    /// # Errors
    /// [`OptionError`] for port 0, and for an address whose scope makes it longer than 48 characters.
    pub fn tcp(traddr: IpTraddr, port: u16, host: HostIdentity) -> Result<Self, OptionError> {
        let options = ConnectOptions::tcp_of_user_space(traddr, port, SubsysNqn::discovery(), host)?;
        Ok(Self { options })
    }

    /// A discovery subsystem by any transport, with whatever options: digests, secrets, TLS.
    ///
    /// # Errors
    /// [`OptionError::NotForDiscovery`] when the options have something that discovery controllers lack.
    pub fn from_options(options: ConnectOptions) -> Result<Self, OptionError> {
        Ok(Self { options: options.discovery()? })
    }

    /// A discovery subsystem with an NQN of its own. Through the kernel it needs 5.16.
    ///
    /// # Errors
    /// None now; the kernel's bound is that of [`check_for_kernel`](Self::check_for_kernel).
    pub fn nqn(self, nqn: SubsysNqn) -> Result<Self, OptionError> {
        Ok(Self { options: self.options.with_discovery_nqn(nqn) })
    }

    /// Whether the kernel can be asked: it takes NQNs of 222 bytes at most, the specification 223.
    ///
    /// # Errors
    /// [`OptionError::TooLong`], which names the option. Asking through the kernel refuses the request for the same reason.
    pub fn check_for_kernel(&self) -> Result<(), OptionError> {
        self.options.check_for_kernel()
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
    fn the_longest_names_are_for_user_space() {
        let of = |host: usize, subsystem: usize| {
            let host = HostIdentity::for_nqn("h".repeat(host).parse().unwrap());
            let request = DiscoveryRequest::tcp("192.0.2.10".parse().unwrap(), DEFAULT_PORT, host).unwrap();
            request.nqn("s".repeat(subsystem).parse().unwrap()).unwrap().check_for_kernel()
        };
        assert_eq!(of(222, 222), Ok(()));
        assert_eq!(
            of(223, 222).unwrap_err().to_string(),
            "hostnqn of 223 bytes is too long: the Linux host takes at most 222"
        );
        assert_eq!(of(222, 223).unwrap_err().option(), "nqn");
    }

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

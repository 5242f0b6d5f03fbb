//! What to do about a connect that failed, one line for each reason.

use nvme_proto::HostNqn;

use super::security;
use crate::kernel::errno::Errno;
use crate::kernel::log::{BadParameter, Rejection};
use crate::options::OptionInfo;

/// What the kernel lacks: age, or a part that was not built in.
pub(super) fn unsupported(option: &str) -> String {
    match OptionInfo::of(option) {
        Some(OptionInfo { since, config: Some(config), .. }) => {
            format!("nothing was sent; it needs Linux {since} or newer, built with CONFIG_{config}")
        }
        Some(OptionInfo { since, .. }) => {
            format!("nothing was sent; do without it or use Linux {since} or newer")
        }
        None => "nothing was sent; do without it or use a newer kernel".to_owned(),
    }
}

/// One line for each reason.
pub(super) fn refused(
    target: &str,
    host: &str,
    rejection: Option<&Rejection>,
    errno: Option<Errno>,
) -> String {
    if let Some(hint) = rejection.and_then(security::hint) {
        return hint;
    }
    let from_log = match rejection {
        Some(Rejection::SubsystemNotFound { subsystem }) if is_host_name(subsystem, host) => {
            "that has the form of a host NQN, and a host NQN cannot stand in place of the subsystem's: name the subsystem, and \
             this host apart from it; `discover` shows what this port offers this host"
        }
        Some(Rejection::SubsystemNotFound { .. }) => {
            "check the NQN, it is the subsystem's and not the host's; `discover` shows what this port offers this host"
        }
        Some(Rejection::HostNotAllowed { .. }) => {
            "allow this host NQN on the target, or connect with one that is allowed"
        }
        Some(Rejection::InvalidParameter(BadParameter::HostNqn(_))) => {
            "some targets answer so when the host is not allowed"
        }
        Some(Rejection::InvalidParameter(BadParameter::CommandOffset(at))) if at == "44" => {
            "the queue size is not one that the target takes: ask for a smaller one"
        }
        Some(Rejection::Initialize { text }) if text.contains("digest mismatch") => {
            "the target does not agree to the digests that were asked for: do without them, or enable them there"
        }
        Some(Rejection::Initialize { .. }) => {
            "something else than NVMe/TCP may listen at that port, or it demands TLS"
        }
        Some(Rejection::ControllerBusy) => "try again later, or raise the target's limit",
        Some(Rejection::AuthenticationRequired) => "give the secret that the target expects of this host",
        Some(Rejection::IdentityInUse { .. }) => {
            "one host has one NQN and one identifier; use the same pair everywhere"
        }
        Some(Rejection::NoTransport { .. }) => {
            "load its module: modprobe nvme-tcp, or nvme-loop for the loop transport"
        }
        Some(Rejection::UnknownOption { .. }) => "do without it or use a newer kernel",
        Some(Rejection::BadAddress { text }) if text.starts_with("invalid interface") => {
            "the local network interface does not exist in the initial network namespace"
        }
        Some(Rejection::BadAddress { .. }) => {
            "what follows the `%` of an address must be an interface of the initial network namespace"
        }
        Some(Rejection::NotDiscovery { .. }) => "connect without asking for discovery",
        Some(Rejection::Other(text)) => {
            // The log often only repeats the number ("failed to connect socket: -111"); then the number's own line says more.
            let own = by_errno(target, host, errno);
            return match errno {
                Some(Errno::EIO | Errno::EINVAL | Errno::ENODEV | Errno::ENOMEM | Errno::EOPNOTSUPP) => {
                    format!("the kernel log says: {text}")
                }
                _ if own.is_empty() => format!("the kernel log says: {text}"),
                _ => own,
            };
        }
        _ => "",
    };
    if rejection.is_some() { from_log.to_owned() } else { by_errno(target, host, errno) }
}

/// Whether what was asked for as a subsystem is rather a host: this one's name, or a name made from a UUID as hosts have it.
fn is_host_name(subsystem: &str, host: &str) -> bool {
    subsystem == host || subsystem.parse::<HostNqn>().is_ok_and(|nqn| nqn.uuid().is_some())
}

/// One line for each error number.
fn by_errno(target: &str, host: &str, errno: Option<Errno>) -> String {
    match errno {
        Some(Errno::EIO) => format!(
            "the target refused and the kernel log did not tell why; most likely {target} is not offered there, or \
             it does not allow host `{host}`, or the target's limit of controllers is reached, or it demands authentication"
        ),
        Some(Errno::ECONNREFUSED) => {
            "nothing listens at that address and port: check both, and that the target's port is enabled".to_owned()
        }
        Some(Errno::ETIMEDOUT) => {
            "the address does not answer: check it, and firewalls in between that drop packets".to_owned()
        }
        Some(Errno::EHOSTUNREACH | Errno::ENETUNREACH) => {
            "there is no way to that address from here: check it, the route and the link".to_owned()
        }
        Some(Errno::EADDRNOTAVAIL) => {
            "the local address to connect from is not one of this machine".to_owned()
        }
        Some(Errno::ENODEV) => "the local network interface does not exist, or the controller never became ready".to_owned(),
        Some(Errno::ECONNRESET) => {
            "the peer closed during the first exchange: something else than NVMe/TCP listens there, or it demands TLS".to_owned()
        }
        Some(Errno::EAGAIN) => {
            "the peer accepted and then kept silent: something else than NVMe/TCP may listen there".to_owned()
        }
        Some(Errno::EOPNOTSUPP) => {
            "the controller lacks something that Linux needs, or demands secure concatenation".to_owned()
        }
        Some(Errno::ENOKEY) => "the target demands authentication, and there is no secret for it; or a key for TLS is missing".to_owned(),
        Some(Errno::EKEYEXPIRED) => "the key or keyring that was named has expired: insert the key again".to_owned(),
        Some(Errno::EKEYREVOKED) => "the key or keyring that was named was revoked: insert the key again".to_owned(),
        Some(Errno::EKEYREJECTED) => "authentication failed: the two sides have different secrets".to_owned(),
        Some(Errno::EPROTONOSUPPORT) => {
            "the target demands authentication, for which this kernel was not built".to_owned()
        }
        Some(Errno::ENOMEM) => "the target granted no I/O queues, or the kernel is out of memory".to_owned(),
        Some(Errno::EBUSY) => "the transport's module is being unloaded: try again".to_owned(),
        Some(Errno::EALREADY) => "the same connection exists already".to_owned(),
        Some(Errno::EINVAL) => {
            "the options are well-formed, so either this kernel does not know one of them, or the controller answered \
             something that Linux does not accept; the kernel log tells which"
                .to_owned()
        }
        _ => String::new(),
    }
}

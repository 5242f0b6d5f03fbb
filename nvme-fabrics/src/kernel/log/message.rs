//! One message of the log as a reason.

use nvme_proto::Status;

use super::{BadParameter, Rejection};
use crate::kernel::errno::Errno;

/// The message as a reason, if it is one of the table above.
pub(super) fn specific(text: &str) -> Option<Rejection> {
    if let Some(rest) = text.strip_prefix("Connect ") {
        return connect_failure(rest);
    }
    if let Some(rest) = text.strip_prefix("Subsystem ") {
        let subsystem = rest.strip_suffix(" is not a discovery controller")?.to_owned();
        return Some(Rejection::NotDiscovery { subsystem });
    }
    if text.starts_with("Duplicate cntlid ")
        || text.starts_with("Subsystem does not support multiple controllers")
    {
        return Some(Rejection::DuplicateController { text: text.to_owned() });
    }
    if let Some(rest) = text.strip_prefix("qid ") {
        return authentication(text, rest.split_once(": ")?.1);
    }
    if let Some(reason) = text.strip_prefix("queue ").and_then(handshake) {
        return Some(reason);
    }
    if text.starts_with("queue ") && is_initialize(text) {
        return Some(Rejection::Initialize { text: text.to_owned() });
    }
    if text.starts_with("found same hostnqn ") || text.starts_with("found same hostid ") {
        return Some(Rejection::IdentityInUse { text: text.to_owned() });
    }
    if let Some(rest) = text.strip_prefix("unknown parameter or missing value '") {
        let token = rest.rsplit_once('\'')?.0.to_owned();
        return Some(Rejection::UnknownOption { token });
    }
    if BAD_ADDRESS.iter().any(|words| text.starts_with(words)) {
        return Some(Rejection::BadAddress { text: text.to_owned() });
    }
    if let Some(rest) = text.strip_prefix("no handler found for transport ") {
        let transport = rest.strip_suffix('.').unwrap_or(rest).to_owned();
        return Some(Rejection::NoTransport { transport });
    }
    None
}

/// What `auth.c` and `fabrics.c: nvmf_connect_admin_queue` say about authentication on a queue.
fn authentication(text: &str, words: &str) -> Option<Rejection> {
    if words == "no key" {
        return Some(Rejection::AuthenticationRequired);
    }
    if words.starts_with("authentication failed") {
        return Some(Rejection::AuthenticationFailed { text: text.to_owned() });
    }
    words.starts_with("secure concatenation is not ").then_some(Rejection::SecureChannelRequired)
}

/// What `tcp.c: nvme_tcp_start_tls` says about a handshake: it ends in the negative of an error number.
fn handshake(rest: &str) -> Option<Rejection> {
    let (_, words) = rest.split_once(": ")?;
    let errno = |start: &str| words.strip_prefix(start)?.parse().ok().map(Errno);
    if let Some(errno) = errno("failed to start TLS: -") {
        let nobody = errno == Errno::ESRCH;
        return Some(if nobody {
            Rejection::NoHandshakeDaemon
        } else {
            Rejection::HandshakeFailed { errno }
        });
    }
    if let Some(errno) = errno("TLS handshake failed, error -") {
        // Here it is the kernel that waited.
        let late = errno == Errno::ETIMEDOUT;
        return Some(if late { Rejection::HandshakeTimeout } else { Rejection::HandshakeFailed { errno } });
    }
    Some(Rejection::HandshakeFailed { errno: errno("TLS handshake complete, error -")? })
}

/// The complaints of `tcp.c: nvme_tcp_alloc_ctrl` about what it was given.
const BAD_ADDRESS: [&str; 3] =
    ["malformed address passed: ", "malformed src address passed: ", "invalid interface passed: "];

/// The complaints of `tcp.c: nvme_tcp_init_connection` about the target's answer.
fn is_initialize(text: &str) -> bool {
    [
        ": bad type returned",
        ": bad pdu length returned",
        ": bad pfv returned",
        "digest mismatch",
        ": unsupported cpda returned",
        ": invalid maxh2cdata returned",
        ": failed to receive icresp",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// What follows `Connect `.
fn connect_failure(rest: &str) -> Option<Rejection> {
    if let Some(rest) = rest.strip_prefix("Invalid Data Parameter, ") {
        return Some(match rest.split_once(' ') {
            Some(("subsysnqn", nqn)) => Rejection::SubsystemNotFound { subsystem: unquoted(nqn) },
            Some(("hostnqn", nqn)) => Rejection::InvalidParameter(BadParameter::HostNqn(unquoted(nqn))),
            Some(("cntlid:", n)) => Rejection::InvalidParameter(BadParameter::Cntlid(n.to_owned())),
            _ => Rejection::InvalidParameter(BadParameter::DataOffset(after_colon(rest))),
        });
    }
    if let Some(rest) = rest.strip_prefix("Invalid SQE Parameter, ") {
        return Some(Rejection::InvalidParameter(match rest.strip_prefix("qid ") {
            Some(n) => BadParameter::QueueId(n.to_owned()),
            None => BadParameter::CommandOffset(after_colon(rest)),
        }));
    }
    if let Some(rest) = rest.strip_prefix("for subsystem ") {
        let (subsystem, host) = rest.split_once(" is not allowed, hostnqn: ")?;
        return Some(Rejection::HostNotAllowed { subsystem: subsystem.to_owned(), host: host.to_owned() });
    }
    if let Some(rest) = rest.strip_prefix("incompatible format: ") {
        return Some(Rejection::IncompatibleFormat(rest.to_owned()));
    }
    match rest.strip_prefix("command failed")? {
        ": controller is busy or not available" => Some(Rejection::ControllerBusy),
        ": authentication required" => Some(Rejection::AuthenticationRequired),
        ": host path error" => Some(Rejection::ConnectionLost),
        other => {
            let status: u16 = other.strip_prefix(", error wo/DNR bit: ")?.trim().parse().ok()?;
            Some(Rejection::Status(Status(status)))
        }
    }
}

fn unquoted(text: &str) -> String {
    let text = text.strip_prefix('"').unwrap_or(text);
    text.strip_suffix('"').unwrap_or(text).to_owned()
}

fn after_colon(text: &str) -> String {
    text.rsplit_once(": ").map_or(text, |(_, value)| value).to_owned()
}

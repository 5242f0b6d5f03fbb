//! From log messages to reasons.
//!
//! | message (after `nvme nvmeN: `) | reason |
//! |---|---|
//! | `Connect Invalid Data Parameter, subsysnqn "…"` | [`Rejection::SubsystemNotFound`] |
//! | `Connect for subsystem … is not allowed, hostnqn: …` | [`Rejection::HostNotAllowed`] |
//! | `Connect command failed: controller is busy or not available` | [`Rejection::ControllerBusy`] |
//! | `Connect command failed: authentication required` | [`Rejection::AuthenticationRequired`] |
//! | `Connect Invalid Data Parameter, …`, `Connect Invalid SQE Parameter, …` | [`Rejection::InvalidParameter`] |
//! | `Connect incompatible format: …` | [`Rejection::IncompatibleFormat`] |
//! | `Connect command failed: host path error` | [`Rejection::ConnectionLost`] |
//! | `Connect command failed, error wo/DNR bit: …` | [`Rejection::Status`] |
//! | `Subsystem … is not a discovery controller` | [`Rejection::NotDiscovery`] |
//! | `Duplicate cntlid … with nvmeM, …` | [`Rejection::DuplicateController`] |
//! | `queue …: bad type returned …`, `… digest mismatch …`, and the like | [`Rejection::Initialize`] |
//!
//! and after `nvme_fabrics: `
//!
//! | message | reason |
//! |---|---|
//! | `found same hostnqn … but different hostid …`, and the other way round | [`Rejection::IdentityInUse`] |
//! | `unknown parameter or missing value '…' in ctrl creation request` | [`Rejection::UnknownOption`] |
//! | `no handler found for transport ….` | [`Rejection::NoTransport`] |
//!
//! Every other message of a warning or worse from the controller that was being made is kept as [`Rejection::Other`].
//!
//! Source: `drivers/nvme/host/fabrics.c: nvmf_log_connect_error, nvmf_host_add, nvmf_parse_options, nvmf_create_ctrl`,
//! `core.c: nvme_init_subsystem, nvme_validate_cntlid`, `tcp.c: nvme_tcp_init_connection`.

use std::collections::BTreeSet;
use std::fmt;

use nvme_proto::Status;

use super::Record;
use crate::kernel::names::ControllerName;

/// The part of the Connect command that the target found invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadParameter {
    /// The controller identifier in the Connect data.
    Cntlid(String),
    /// The host NQN in the Connect data. Some targets refuse unknown hosts this way.
    HostNqn(String),
    /// The queue identifier in the command.
    QueueId(String),
    /// Something else in the 1024 bytes of Connect data, by its offset.
    DataOffset(String),
    /// Something else in the 64 bytes of the command, by its offset (44: queue size; 48: keep-alive time-out).
    CommandOffset(String),
}

impl fmt::Display for BadParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cntlid(v) => write!(f, "controller identifier {v}"),
            Self::HostNqn(v) => write!(f, "host NQN `{v}`"),
            Self::QueueId(v) => write!(f, "queue identifier {v}"),
            Self::DataOffset(v) => write!(f, "byte {v} of the Connect data"),
            Self::CommandOffset(v) => write!(f, "byte {v} of the Connect command"),
        }
    }
}

/// Why a connect was refused, as the kernel log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The target has no such subsystem, at least not on this port.
    SubsystemNotFound {
        /// NQN that was asked for.
        subsystem: String,
    },
    /// The subsystem does not allow this host.
    HostNotAllowed {
        /// NQN of the subsystem.
        subsystem: String,
        /// NQN of this host, as sent.
        host: String,
    },
    /// The controller is busy, or the target's limit of controllers is reached.
    ControllerBusy,
    /// The target demands authentication.
    AuthenticationRequired,
    /// The target found a parameter of the Connect command invalid.
    InvalidParameter(BadParameter),
    /// The target does not know this format of the Connect command.
    IncompatibleFormat(String),
    /// The connection died during Connect.
    ConnectionLost,
    /// The target refused with another status.
    Status(Status),
    /// A discovery connection was asked for, and the subsystem is none.
    NotDiscovery {
        /// NQN of the subsystem.
        subsystem: String,
    },
    /// The target gave out a controller identifier that another controller of the same subsystem has.
    DuplicateController {
        /// The kernel's words.
        text: String,
    },
    /// The first exchange of NVMe/TCP failed: something else listens there, or the two sides cannot agree.
    Initialize {
        /// The kernel's words.
        text: String,
    },
    /// Host NQN and host identifier contradict a pair that a live controller uses. Since 6.5.
    IdentityInUse {
        /// The kernel's words.
        text: String,
    },
    /// The kernel does not know an option.
    UnknownOption {
        /// The option as written.
        token: String,
    },
    /// The kernel has no such transport.
    NoTransport {
        /// The transport.
        transport: String,
    },
    /// The kernel's own words.
    Other(String),
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubsystemNotFound { subsystem } => {
                write!(f, "the target does not offer subsystem `{subsystem}` on this port")
            }
            Self::HostNotAllowed { subsystem, host } => {
                write!(f, "subsystem `{subsystem}` does not allow host `{host}`")
            }
            Self::ControllerBusy => {
                f.write_str("the controller is busy, or the target's limit of controllers is reached")
            }
            Self::AuthenticationRequired => f.write_str("the target demands authentication"),
            Self::InvalidParameter(p) => write!(f, "the target found the {p} invalid"),
            Self::IncompatibleFormat(v) => write!(f, "the target does not know Connect format {v}"),
            Self::ConnectionLost => f.write_str("the connection was lost during Connect"),
            Self::Status(status) => write!(f, "the target answered Connect with: {status}"),
            Self::NotDiscovery { subsystem } => {
                write!(f, "subsystem `{subsystem}` is not a discovery subsystem")
            }
            Self::Initialize { text } => write!(f, "the first exchange of NVMe/TCP failed: {text}"),
            Self::DuplicateController { text } | Self::IdentityInUse { text } | Self::Other(text) => {
                write!(f, "the kernel log says: {text}")
            }
            Self::UnknownOption { token } => write!(f, "the kernel does not know the option `{token}`"),
            Self::NoTransport { transport } => write!(f, "the kernel has no transport `{transport}`"),
        }
    }
}

/// Finds the reason in what was logged since the mark.
///
/// `existing` are the controllers that were there before: what they say (reconnecting, for instance) is not about this
/// connect. The first specific message wins; without one, the first other warning or error of a new controller.
#[must_use]
pub fn explain<S: AsRef<str>>(records: &[S], existing: &BTreeSet<ControllerName>) -> Option<Rejection> {
    let mut other = None;
    for record in records.iter().filter_map(|raw| Record::parse(raw.as_ref())) {
        let Some(text) = about_a_new_connection(record.text, existing) else { continue };
        if let Some(found) = specific(text) {
            return Some(found);
        }
        if record.level <= WARNING && other.is_none() {
            other = Some(Rejection::Other(text.to_owned()));
        }
    }
    other
}

const WARNING: u8 = 4;

/// Strips the message's prefix; `None` when it comes from elsewhere or from a controller that was there before.
fn about_a_new_connection<'a>(text: &'a str, existing: &BTreeSet<ControllerName>) -> Option<&'a str> {
    let (origin, message) = text.split_once(": ")?;
    match origin {
        "nvme_fabrics" | "nvme_core" | "nvme_tcp" | "nvme_rdma" | "nvme_fc" | "nvme_loop" => Some(message),
        _ => {
            let name = ControllerName::parse(origin.strip_prefix("nvme ")?)?;
            (!existing.contains(&name)).then_some(message)
        }
    }
}

/// The message as a reason, if it is one of the table above.
fn specific(text: &str) -> Option<Rejection> {
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
    if let Some(rest) = text.strip_prefix("no handler found for transport ") {
        let transport = rest.strip_suffix('.').unwrap_or(rest).to_owned();
        return Some(Rejection::NoTransport { transport });
    }
    None
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn one(level: u8, text: &str) -> Option<Rejection> {
        explain(&[format!("{level},1,2,-;{text}\n SUBSYSTEM=nvme\n")], &BTreeSet::new())
    }

    #[test]
    fn every_message_of_the_table() {
        use BadParameter as P;
        use Rejection as R;
        let s = str::to_owned;
        for (text, want) in [
            (
                "Connect Invalid Data Parameter, subsysnqn \"nosub\"",
                R::SubsystemNotFound { subsystem: s("nosub") },
            ),
            ("Connect Invalid Data Parameter, hostnqn \"h\"", R::InvalidParameter(P::HostNqn(s("h")))),
            ("Connect Invalid Data Parameter, cntlid: 7", R::InvalidParameter(P::Cntlid(s("7")))),
            (
                "Connect Invalid Data Parameter, starting byte offset: 20",
                R::InvalidParameter(P::DataOffset(s("20"))),
            ),
            ("Connect Invalid SQE Parameter, qid 3", R::InvalidParameter(P::QueueId(s("3")))),
            (
                "Connect Invalid SQE Parameter, starting byte offset: 44",
                R::InvalidParameter(P::CommandOffset(s("44"))),
            ),
            (
                "Connect for subsystem mysub is not allowed, hostnqn: nqn.2014-08.org.nvmexpress:uuid:x",
                R::HostNotAllowed { subsystem: s("mysub"), host: s("nqn.2014-08.org.nvmexpress:uuid:x") },
            ),
            ("Connect incompatible format: 1", R::IncompatibleFormat(s("1"))),
            ("Connect command failed: controller is busy or not available", R::ControllerBusy),
            ("Connect command failed: authentication required", R::AuthenticationRequired),
            ("Connect command failed: host path error", R::ConnectionLost),
            ("Connect command failed, error wo/DNR bit: 387", R::Status(Status(0x183))),
            ("Subsystem mysub is not a discovery controller", R::NotDiscovery { subsystem: s("mysub") }),
            (
                "Duplicate cntlid 1 with nvme0, subsys mysub, rejecting",
                R::DuplicateController { text: s("Duplicate cntlid 1 with nvme0, subsys mysub, rejecting") },
            ),
            ("queue 0: bad type returned 0", R::Initialize { text: s("queue 0: bad type returned 0") }),
            ("queue 0: something new", R::Other(s("queue 0: something new"))),
        ] {
            assert_eq!(one(3, &format!("nvme nvme4: {text}")), Some(want), "{text}");
        }
        for (text, want) in [
            (
                "found same hostnqn a but different hostid b",
                R::IdentityInUse { text: s("found same hostnqn a but different hostid b") },
            ),
            (
                "unknown parameter or missing value 'foo=1' in ctrl creation request",
                R::UnknownOption { token: s("foo=1") },
            ),
            ("no handler found for transport bogus.", R::NoTransport { transport: s("bogus") }),
        ] {
            assert_eq!(one(3, &format!("nvme_fabrics: {text}")), Some(want), "{text}");
        }
    }

    #[test]
    fn what_others_say_is_not_a_reason() {
        let existing = BTreeSet::from([ControllerName::new(0)]);
        let busy = "Connect command failed: controller is busy or not available";
        let records = |n: u32| [format!("3,1,2,-;nvme nvme{n}: {busy}")];
        assert_eq!(explain(&records(0), &existing), None, "that controller was there before");
        assert_eq!(explain(&records(1), &existing), Some(Rejection::ControllerBusy));
        for foreign in
            ["nvmet: connect by host h for subsystem s not allowed!", "sd 0:0:0:0: error", "no colon"]
        {
            assert_eq!(one(3, foreign), None, "{foreign}");
        }
    }

    #[test]
    fn information_is_no_reason_and_the_specific_message_wins() {
        assert_eq!(one(6, "nvme nvme0: creating 2 I/O queues."), None);
        let records = [
            "4,1,1,-;nvme nvme3: queue 0: timeout",
            "garbage",
            "3,2,2,-;nvme nvme3: Connect command failed: authentication required",
        ];
        assert_eq!(explain(&records, &BTreeSet::new()), Some(Rejection::AuthenticationRequired));
        assert_eq!(explain::<&str>(&[], &BTreeSet::new()), None);
    }
}

//! The result: what was seen, and what to do about it.

use std::fmt;

use nvme_proto::SubsysNqn;
use nvme_proto::connect::ConnectParameter;

use super::Cause;
use crate::discovery::tcp::Portal;
use crate::kernel::connect::Stage;
use crate::options::ConnectOptions;

/// What a target did when it was asked for what was refused.
///
/// `Display` says what was asked and what was seen, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Finding {
    target: String,
    subsystem: SubsysNqn,
    host: String,
    portal: Option<Portal>,
    /// What was asked for beyond what can be asked from here.
    tls: bool,
    secret: bool,
    cause: Cause,
    offers: Option<Vec<Offer>>,
}

/// A subsystem that a port's discovery service names to this host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Offer {
    /// The subsystem.
    pub nqn: SubsysNqn,
    /// Where it is; `None` when that is no TCP address.
    pub at: Option<Portal>,
}

impl Finding {
    pub(super) fn new(options: &ConnectOptions, cause: Cause) -> Self {
        let portal = options.traddr().zip(options.port());
        Self {
            target: options.to_string(),
            subsystem: options.nqn().clone(),
            host: options.host().nqn.to_string(),
            portal: portal.map(|(traddr, port)| Portal { traddr: traddr.clone(), port }),
            tls: options.wants_tls(),
            secret: options.has_secret(),
            cause,
            offers: None,
        }
    }

    pub(super) fn with_offers(mut self, offers: Option<Vec<Offer>>) -> Self {
        self.offers = offers;
        self
    }

    /// What was seen.
    #[must_use]
    pub const fn cause(&self) -> &Cause {
        &self.cause
    }

    /// What this port offers to this host by its own discovery service; asked for only when the subsystem is unknown, and `None` when it did not say.
    #[must_use]
    pub fn offers(&self) -> Option<&[Offer]> {
        self.offers.as_deref()
    }

    /// Whether nothing was found wrong with the target.
    #[must_use]
    pub const fn accepts(&self) -> bool {
        matches!(self.cause, Cause::Accepts { .. })
    }

    /// The stage of a connect that it belongs to.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.cause.stage()
    }

    /// Whether the same connect may succeed later although nobody changes anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.cause.is_retryable()
    }

    /// What to do about it; empty when there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> String {
        let words = match &self.cause {
            Cause::UnknownSubsystem | Cause::NotHere => return self.where_else(),
            Cause::HostRefused | Cause::HostNqnRefused => {
                return format!(
                    "allow host `{}` on the target, or connect as one that is allowed",
                    self.host
                );
            }
            Cause::Refused { reject, .. } => reject.hint(),
            Cause::NotTcp | Cause::Address(_) => "",
            Cause::Local { kind: std::io::ErrorKind::AddrNotAvailable } => {
                "the local address to connect from is not one of this machine"
            }
            Cause::Local { .. } => "check the local address and interface to connect from",
            Cause::NothingListens => "check address and port, and that the target's port is enabled",
            Cause::Unreachable { .. } => "check the address, the route and the link",
            Cause::NoAnswer { .. } => "check the address, and firewalls in between that drop packets",
            Cause::Tls if self.tls => {
                "as it was asked for, so what fails may be the key: both sides need the same one, for this host and this subsystem"
            }
            Cause::NoTls => "connect without TLS, or let the target's port demand it",
            Cause::Tls => {
                "if it is the target: its port demands TLS, so connect with TLS and the key that the target expects"
            }
            Cause::OtherProtocol { .. } => "check the port: 4420 is usual for subsystems, 8009 for discovery",
            Cause::ClosesAtOnce => {
                "check the port; a target does so when it takes no more connections, or none from this address"
            }
            Cause::Silent { .. } => "check the port; something else than NVMe/TCP may listen there",
            Cause::Terminated { .. } | Cause::BadInitialize(_) => "the target's own log may say more",
            Cause::DigestsRefused { .. } => "connect without these digests, or enable them on the target",
            Cause::HostIdRefused => "one host has one NQN and one identifier: use the same pair everywhere",
            Cause::QueueSizeRefused { .. } => "ask for a smaller queue size",
            Cause::Busy => "try again in a moment, or raise the target's limit of controllers",
            Cause::AuthenticationRequired | Cause::SecureChannelRequired if self.secret => {
                "a secret was given, so compare it with the one that the target has for this host"
            }
            Cause::AuthenticationRequired => "give the DH-HMAC-CHAP secret that the target has for this host",
            Cause::SecureChannelRequired => {
                "give the DH-HMAC-CHAP secret that the target has for this host, and ask for secure channel concatenation"
            }
            Cause::NotDiscovery => "connect without asking for discovery",
            Cause::IsDiscovery => "read its log with `discover`, and connect to a subsystem that it names",
            Cause::NotReady { .. } => "the target's own log may say why; try again later",
            Cause::Unsupported(_) => "this is for the target's maker; the user-space host may take it",
            Cause::CommandFailed { .. } | Cause::Ended { .. } => "the target's own log may say more",
            Cause::Unanswered { .. } => "the target is overloaded or hangs",
            Cause::Accepts { several_controllers: false } => {
                "it allows one controller at a time, so one that is connected already would be in the way; `list` shows this machine's"
            }
            Cause::Accepts { several_controllers: true } => {
                "so what failed is on this machine, or has passed: try again, and look into the kernel log"
            }
        };
        words.to_owned()
    }

    /// What to do about an unknown subsystem, by what the port offers.
    fn where_else(&self) -> String {
        const SHOWN: usize = 4;
        let Some(offers) = &self.offers else {
            return "check the NQN byte by byte, and that the subsystem is linked to the port".to_owned();
        };
        let here = |offer: &&Offer| offer.at.is_none() || offer.at == self.portal;
        let elsewhere = offers.iter().find(|offer| offer.nqn == self.subsystem && !here(offer));
        if let Some(Offer { at: Some(at), .. }) = elsewhere {
            return format!("the discovery service of this port names it at {at}");
        }
        let names: Vec<&str> = offers.iter().map(|offer| offer.nqn.as_str()).collect();
        if let Some(similar) = names.iter().find(|name| is_similar(name, self.subsystem.as_str())) {
            return format!("the discovery service of this port names a similar one: `{similar}`");
        }
        if names.is_empty() {
            return format!(
                "the discovery service of this port offers host `{}` nothing: link the subsystem to the port and allow the host",
                self.host
            );
        }
        let more = names.len().saturating_sub(SHOWN);
        let mut text = "the discovery service of this port offers this host: ".to_owned();
        text.push_str(
            &names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        );
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        text
    }
}

/// Two names that differ by case, or by a single insertion, deletion, replacement or exchange of neighbours.
fn is_similar(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.eq_ignore_ascii_case(b) {
        return true;
    }
    let prefix = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.get(prefix..).unwrap_or_default(), b.get(prefix..).unwrap_or_default());
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let cut = |s: &'_ [u8]| s.len().saturating_sub(suffix);
    let (a, b) = (a.get(..cut(a)).unwrap_or_default(), b.get(..cut(b)).unwrap_or_default());
    match (a, b) {
        ([], [_]) | ([_], []) | ([_], [_]) => true,
        ([a1, a2], [b1, b2]) => (a1, a2) == (b2, b1),
        _ => false,
    }
}

impl fmt::Display for Finding {
    /// `subsystem mysub at 192.0.2.10 port 4420: the subsystem is there, and does not allow this host`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.target, self.cause)
    }
}

/// The cause of a refused Connect.
pub(super) fn of_reject(queue: u16, entries: u32, reject: nvme_proto::connect::ConnectReject) -> Cause {
    use nvme_proto::{ParameterPlace as Place, Status};
    let status = reject.status();
    let at = reject.parameter().map(|ConnectParameter { place, offset }| (place, offset));
    if status.is(Status::CONNECT_INVALID_PARAMETERS) && queue == 0 {
        match at {
            Some((Place::Data, 256)) => return Cause::UnknownSubsystem,
            Some((Place::Data, 512)) => return Cause::HostNqnRefused,
            Some((Place::Data, 0)) => return Cause::HostIdRefused,
            _ => {}
        }
    }
    match at {
        _ if status.is(Status::CONNECT_INVALID_HOST) => Cause::HostRefused,
        _ if status.is(Status::CONNECT_CONTROLLER_BUSY) => Cause::Busy,
        _ if status.is(Status::CONNECT_RESTART_DISCOVERY) => Cause::NotHere,
        _ if status.is(Status::AUTHENTICATION_REQUIRED) => Cause::AuthenticationRequired,
        Some((Place::Command, 44)) if status.is(Status::CONNECT_INVALID_PARAMETERS) => {
            Cause::QueueSizeRefused { queue, entries }
        }
        _ => Cause::Refused { queue, reject },
    }
}

#[cfg(test)]
mod tests {
    use nvme_proto::Status;
    use nvme_proto::connect::explain;

    use super::*;
    use crate::identity::HostIdentity;

    fn finding(cause: Cause) -> Finding {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        let options =
            ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, "mysub".parse().unwrap(), host);
        Finding::new(&options.unwrap(), cause)
    }

    fn offer(nqn: &str, at: Option<&str>) -> Offer {
        let at = at.map(|at| Portal { traddr: at.parse().unwrap(), port: 4420 });
        Offer { nqn: nqn.parse().unwrap(), at }
    }

    #[test]
    fn each_answer_to_connect_has_its_cause() {
        let of = |status: Status, dw0| of_reject(0, 32, explain(status.with_dnr(), dw0).unwrap());
        assert_eq!(of(Status::CONNECT_INVALID_PARAMETERS, 0x1_0100), Cause::UnknownSubsystem);
        assert_eq!(of(Status::CONNECT_INVALID_PARAMETERS, 0x1_0200), Cause::HostNqnRefused);
        assert_eq!(of(Status::CONNECT_INVALID_PARAMETERS, 0x1_0000), Cause::HostIdRefused);
        assert_eq!(of(Status::CONNECT_INVALID_HOST, 0x1_0200), Cause::HostRefused);
        assert_eq!(of(Status::CONNECT_INVALID_HOST, 0), Cause::HostRefused);
        let queue = Cause::QueueSizeRefused { queue: 0, entries: 32 };
        assert_eq!(of(Status::CONNECT_INVALID_PARAMETERS, 44), queue);
        assert_eq!(of(Status::CONNECT_CONTROLLER_BUSY, 0), Cause::Busy);
        assert_eq!(of(Status::CONNECT_RESTART_DISCOVERY, 0), Cause::NotHere);
        assert!(matches!(of(Status::INTERNAL_ERROR, 0), Cause::Refused { queue: 0, .. }));
        assert!(
            matches!(of(Status::CONNECT_INVALID_PARAMETERS, 0), Cause::Refused { .. }),
            "nothing is named"
        );
        // On an I/O queue the same parameters mean that it does not go with the admin queue.
        let reject = explain(Status::CONNECT_INVALID_PARAMETERS, 0x1_0200).unwrap();
        assert_eq!(of_reject(1, 128, reject), Cause::Refused { queue: 1, reject });
    }

    #[test]
    fn an_unknown_subsystem_is_looked_for_in_what_there_is() {
        let hint = |offers: Option<Vec<Offer>>| finding(Cause::UnknownSubsystem).with_offers(offers).hint();
        assert!(hint(None).starts_with("check the NQN byte by byte"));
        assert!(hint(Some(vec![])).contains("offers host `nqn.2014-08.org.nvmexpress:uuid:f81d4fae"));
        let other = offer("other", Some("192.0.2.10"));
        assert_eq!(
            hint(Some(vec![other.clone(), offer("mysub", Some("192.0.2.11"))])),
            "the discovery service of this port names it at 192.0.2.11:4420"
        );
        assert_eq!(
            hint(Some(vec![other.clone(), offer("mysub1", Some("192.0.2.10"))])),
            "the discovery service of this port names a similar one: `mysub1`"
        );
        let many: Vec<_> = (1..=6).map(|n| offer(&format!("other-{n}"), None)).collect();
        assert_eq!(
            hint(Some(many)),
            "the discovery service of this port offers this host: `other-1`, `other-2`, `other-3`, `other-4` and 2 more"
        );
        assert_eq!(hint(Some(vec![other])), "the discovery service of this port offers this host: `other`");
    }

    #[test]
    fn similar_is_one_slip_of_the_finger() {
        for (a, b) in [
            ("mysub", "MySub"),
            ("mysub", "mysb"),
            ("mysub", "mysubb"),
            ("mysub", "mysup"),
            ("mysub", "msyub"),
        ] {
            assert!(is_similar(a, b) && is_similar(b, a), "{a} {b}");
        }
        for (a, b) in [("mysub", "yoursub"), ("mysub", "mysub12"), ("ab", "cd"), ("", "ab")] {
            assert!(!is_similar(a, b) && !is_similar(b, a), "{a} {b}");
        }
    }

    #[test]
    fn a_finding_reads_as_a_sentence() {
        assert_eq!(
            finding(Cause::HostRefused).to_string(),
            "subsystem mysub at 192.0.2.10 port 4420: the subsystem is there, and does not allow this host"
        );
        let ssh = Cause::OtherProtocol { first: b"SSH-2.0-x\r\n".to_vec() };
        assert!(ssh.to_string().ends_with("it says `SSH-2.0-x\\r\\n`"), "{ssh}");
    }
}

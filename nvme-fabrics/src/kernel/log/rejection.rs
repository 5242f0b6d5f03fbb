//! From log messages to reasons. What each message means is in `message`, the reasons are in `reason`.
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
//! | `qid …: no key` | [`Rejection::AuthenticationRequired`] |
//! | `qid …: authentication failed…` | [`Rejection::AuthenticationFailed`] |
//! | `qid …: secure concatenation is not …` | [`Rejection::SecureChannelRequired`] |
//! | `queue …: TLS handshake failed, error …` | [`Rejection::HandshakeTimeout`], [`Rejection::HandshakeFailed`] |
//! | `queue …: failed to start TLS: …`, `queue …: TLS handshake complete, error …` | [`Rejection::HandshakeFailed`] |
//!
//! and after `nvme_fabrics: `
//!
//! | message | reason |
//! |---|---|
//! | `found same hostnqn … but different hostid …`, and the other way round | [`Rejection::IdentityInUse`] |
//! | `unknown parameter or missing value '…' in ctrl creation request` | [`Rejection::UnknownOption`] |
//! | `no handler found for transport ….` | [`Rejection::NoTransport`] |
//!
//! and after `nvme_tcp: `
//!
//! | message | reason |
//! |---|---|
//! | `malformed address passed: …`, `malformed src address passed: …`, `invalid interface passed: …` | [`Rejection::BadAddress`] |
//!
//! Every other message of a warning or worse from the controller that was being made is kept as [`Rejection::Other`].
//!
//! Source: `drivers/nvme/host/fabrics.c: nvmf_log_connect_error, nvmf_host_add, nvmf_parse_options, nvmf_create_ctrl`,
//! `core.c: nvme_init_subsystem, nvme_validate_cntlid`, `tcp.c: nvme_tcp_alloc_ctrl, nvme_tcp_init_connection`.

use std::collections::BTreeSet;

use super::message::specific;
use super::{BadParameter, Record, Rejection};
use crate::kernel::names::ControllerName;

/// The connect whose reason is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// NQN of the subsystem that was asked for.
    pub subsystem: &'a str,
    /// NQN that this host used.
    pub host: &'a str,
    /// The controllers that were there before: what they say (reconnecting, for instance) is not about this connect.
    pub existing: &'a BTreeSet<ControllerName>,
}

/// Finds the reason in what was logged since the mark.
///
/// The kernel makes one connection at a time, so others that waited for the same lock may have failed or succeeded since the mark: a reason that
/// names another subsystem or host is theirs, whatever stands before a success is theirs, and of several reasons the last one is
/// ours. Without a reason of the table, the first warning or error of the last new controller counts.
#[must_use]
pub fn explain<S: AsRef<str>>(records: &[S], attempt: &Attempt<'_>) -> Option<Rejection> {
    let (mut reason, mut other) = (None, None);
    let mut speaker = None;
    for record in records.iter().filter_map(|raw| Record::parse(raw.as_ref())) {
        let text = unescaped(record.text);
        let Some((name, text)) = about_a_new_connection(&text, attempt.existing) else { continue };
        if name.is_some() && name != speaker {
            (speaker, other) = (name, None);
        }
        if text.starts_with("new ctrl: ") {
            (reason, other) = (None, None);
            continue;
        }
        match specific(text) {
            Some(found) if is_about(&found, attempt) => reason = Some(found),
            Some(_) => {}
            None if record.level <= WARNING && other.is_none() => {
                other = Some(Rejection::Other(text.to_owned()));
            }
            None => {}
        }
    }
    reason.or(other)
}

const WARNING: u8 = 4;

/// `/dev/kmsg` writes every byte that is not printable ASCII, and the backslash, as `\x` and two hexadecimal digits.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Who says it (`None`: a module) and the message without its prefix; `None` when it comes from elsewhere or from a controller that was there before.
fn about_a_new_connection<'a>(
    text: &'a str,
    existing: &BTreeSet<ControllerName>,
) -> Option<(Option<ControllerName>, &'a str)> {
    let (origin, message) = text.split_once(": ")?;
    match origin {
        "nvme_fabrics" | "nvme_core" | "nvme_tcp" | "nvme_rdma" | "nvme_fc" | "nvme_loop" => {
            Some((None, message))
        }
        _ => {
            let name = ControllerName::parse(origin.strip_prefix("nvme ")?)?;
            (!existing.contains(&name)).then_some((Some(name), message))
        }
    }
}

/// Whether the names that the kernel repeats from the Connect command are those of this attempt. Other reasons name nobody.
fn is_about(reason: &Rejection, attempt: &Attempt<'_>) -> bool {
    match reason {
        Rejection::SubsystemNotFound { subsystem } => subsystem == attempt.subsystem,
        Rejection::HostNotAllowed { subsystem, host } => {
            subsystem == attempt.subsystem && host == attempt.host
        }
        Rejection::InvalidParameter(BadParameter::HostNqn(host)) => host == attempt.host,
        _ => true,
    }
}
#[cfg(test)]
mod tests {
    use nvme_proto::Status;

    use super::*;
    use crate::kernel::errno::Errno;

    const HOST: &str = "nqn.2014-08.org.nvmexpress:uuid:x";

    fn find<S: AsRef<str>>(records: &[S], existing: &[u32]) -> Option<Rejection> {
        let existing = existing.iter().map(|n| ControllerName::new(*n)).collect();
        explain(records, &Attempt { subsystem: "mysub", host: HOST, existing: &existing })
    }

    fn one(level: u8, text: &str) -> Option<Rejection> {
        find(&[format!("{level},1,2,-;{text}\n SUBSYSTEM=nvme\n")], &[])
    }

    #[test]
    fn every_message_of_the_table() {
        use BadParameter as P;
        use Rejection as R;
        let s = str::to_owned;
        for (text, want) in [
            (
                "Connect Invalid Data Parameter, subsysnqn \"mysub\"",
                R::SubsystemNotFound { subsystem: s("mysub") },
            ),
            (
                "Connect Invalid Data Parameter, hostnqn \"nqn.2014-08.org.nvmexpress:uuid:x\"",
                R::InvalidParameter(P::HostNqn(s(HOST))),
            ),
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
                R::HostNotAllowed { subsystem: s("mysub"), host: s(HOST) },
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
        for text in [
            "malformed address passed: fe80::1%nosuch:4420",
            "malformed src address passed: fe80::1%nosuch",
            "invalid interface passed: eth9",
        ] {
            assert_eq!(one(3, &format!("nvme_tcp: {text}")), Some(R::BadAddress { text: s(text) }), "{text}");
        }
    }

    #[test]
    fn what_others_say_is_not_a_reason() {
        let busy = "Connect command failed: controller is busy or not available";
        let records = |n: u32| [format!("3,1,2,-;nvme nvme{n}: {busy}")];
        assert_eq!(find(&records(0), &[0]), None, "that controller was there before");
        assert_eq!(find(&records(1), &[0]), Some(Rejection::ControllerBusy));
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
        assert_eq!(find(&records, &[]), Some(Rejection::AuthenticationRequired));
        assert_eq!(find::<&str>(&[], &[]), None);
    }

    /// As 6.12 writes them.
    #[test]
    fn authentication_and_tls() {
        let one = |text: &str| find(&[&format!("3,1,1,-;nvme nvme1: {text}")], &[]);
        let failed = |errno| Some(Rejection::HandshakeFailed { errno });
        for (text, reason) in [
            ("qid 0: no key", Some(Rejection::AuthenticationRequired)),
            ("queue 0: failed to start TLS: -3", Some(Rejection::NoHandshakeDaemon)),
            ("queue 0: failed to start TLS: -12", failed(Errno::ENOMEM)),
            ("queue 0: TLS handshake failed, error -110", Some(Rejection::HandshakeTimeout)),
            ("queue 0: TLS handshake complete, error -5", failed(Errno::EIO)),
            ("queue 1: TLS handshake complete, error -110", failed(Errno::ETIMEDOUT)),
            ("qid 0: secure concatenation is not supported", Some(Rejection::SecureChannelRequired)),
        ] {
            assert_eq!(one(text), reason, "{text}");
        }
        let text = "qid 0: authentication failed, error -129";
        assert_eq!(one(text), Some(Rejection::AuthenticationFailed { text: text.into() }));
        for other in
            ["qid 0: authentication setup failed", "no valid PSK found", "queue 0: failed to start TLS: x"]
        {
            assert_eq!(one(other), Some(Rejection::Other(other.into())));
        }
        let no_key =
            ["4,1,1,-;nvme nvme1: qid 0: no key", "4,1,1,-;nvme nvme1: qid 0: authentication setup failed"];
        assert_eq!(find(&no_key, &[]), Some(Rejection::AuthenticationRequired));
    }

    #[test]
    fn those_who_waited_for_the_same_lock_are_told_apart() {
        let wrong_name = "3,1,1,-;nvme nvme1: Connect Invalid Data Parameter, subsysnqn \"theirs\"";
        let other_host = "3,2,1,-;nvme nvme1: Connect for subsystem mysub is not allowed, hostnqn: theirs";
        let busy = "3,3,1,-;nvme nvme1: Connect command failed: controller is busy or not available";
        let success = "6,4,1,-;nvme nvme1: new ctrl: NQN \"theirs\", addr 192.0.2.10:4420";
        let ours = "3,5,1,-;nvme nvme1: Connect command failed: authentication required";
        assert_eq!(find(&[wrong_name], &[]), None, "another subsystem");
        assert_eq!(find(&[other_host], &[]), None, "another host");
        for theirs in [wrong_name, other_host, busy] {
            assert_eq!(find(&[theirs, ours], &[]), Some(Rejection::AuthenticationRequired), "{theirs}");
        }
        assert_eq!(find(&[busy, success], &[]), None, "they got through at last");
        let timeout = "3,6,1,-;nvme nvme1: failed to connect socket: -110";
        let refused = "3,7,1,-;nvme nvme2: failed to connect socket: -111";
        assert_eq!(
            find(&[timeout, refused], &[]),
            Some(Rejection::Other("failed to connect socket: -111".into()))
        );
    }

    #[test]
    fn names_beyond_ascii_arrive_whole() {
        let existing = BTreeSet::new();
        let attempt = Attempt { subsystem: "caf\u{e9}\\", host: HOST, existing: &existing };
        let record = r#"3,1,1,-;nvme nvme1: Connect Invalid Data Parameter, subsysnqn "caf\xc3\xa9\x5c""#;
        assert_eq!(
            explain(&[record], &attempt),
            Some(Rejection::SubsystemNotFound { subsystem: attempt.subsystem.to_owned() })
        );
        assert_eq!(unescaped(r"\x4\xzz\x\x+1"), r"\x4\xzz\x\x+1");
    }
}

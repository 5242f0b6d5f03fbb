//! Events as lines of text, and as JSON.
//!
//! One JSON object a line. All have `kind`, `time` (seconds since 1970 with nine decimals, as text, so that no digit is lost) and `connection`.
//!
//! Numbers of more than 64 bits are text.
//!
//! | `kind` | keys |
//! |---|---|
//! | `connection` | `host`, `controller` (address and port), `start` (`beginning`, `middle`, `tls`) |
//! | `pdu` | `from` (`host`, `controller`), `position` (bytes), `pdu` (name), `type`, `flags`, `hlen`, `pdo`, `plen`; `header` with the fields of the specific header by their mnemonics, for capsules `sqe` and `cqe`; `header_digest`; `data_len`, `data_digest` (`absent`, `good`, `bad`, `unknown`); `complete`; `content` (`title`, `fields`, `data`); `latency_ns` |
//! | `violation` | `from`, `position`, `rule`, `words`; `fes` and `fei` where it is answered with a termination request |
//! | `passed` | `from`, `position`, `bytes`, `why` (`missing`, `not_found`, `cut_off`) |

use std::fmt::Write as _;

use nvme_proto::cqe::Cqe;
use nvme_proto::frame::DataDigest;
use nvme_proto::pdu::{Header, Role};
use nvme_proto::sqe::Sqe;
use serde_json::{Map, Value, json};

use super::Summary;
use super::capture::Time;
use super::event::{Completeness, Event, Opened, Passed, SeenPdu, Start, Violation, What, Why};

/// Writes events as text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text {
    first: Option<Time>,
}

impl Text {
    /// The line of an event, its time in seconds since the first one.
    pub fn line(&mut self, event: &Event<'_>) -> String {
        let first = *self.first.get_or_insert(event.time);
        let mut line = format!("{:>14} #{} ", Time(event.time.since(first)).to_string(), event.connection);
        // Writing to a String does not fail.
        let _ = match &event.what {
            What::Opened(opened) => write!(line, "{}", opened_words(opened)),
            What::Pdu(pdu) => write!(line, "{}", pdu_words(pdu)),
            What::Violation(violation) => {
                let Violation { from, position, rule, words, .. } = violation;
                write!(line, "{} VIOLATION {rule} at byte {position}: {words}", arrow(*from))
            }
            What::Passed(Passed { from, position, bytes, why }) => {
                let why = match why {
                    Why::Missing => "are not in the capture, or start in what is not",
                    Why::NotFound => "are no PDU, and are passed over",
                    Why::CutOff => "are the start of a PDU that is not all there",
                };
                write!(line, "{} {bytes} bytes at byte {position} {why}", arrow(*from))
            }
        };
        line
    }
}

fn arrow(from: Role) -> &'static str {
    match from {
        Role::Host => "->",
        Role::Controller => "<-",
    }
}

fn opened_words(opened: &Opened) -> String {
    let Opened { host, controller, start } = opened;
    let start = match start {
        Start::Beginning => "",
        Start::Middle => ", from the middle on",
        Start::Tls => ", encrypted (TLS): nothing can be read",
    };
    format!("== {host} -> {controller}{start}")
}

fn pdu_words(pdu: &SeenPdu<'_>) -> String {
    let mut words = format!("{} {}", arrow(pdu.from), pdu.header.pdu_type());
    if let Some(cid) = command_id(&pdu.header) {
        let _ = write!(words, " cid={cid}");
    }
    let content = pdu.content.to_string();
    if !content.is_empty() {
        let _ = write!(words, " {content}");
    }
    if pdu.completeness == Completeness::Holes {
        words.push_str(" (some data are not in the capture)");
    }
    if let Some(latency) = pdu.latency {
        let _ = write!(words, " ({}.{:03} us)", latency / 1000, latency % 1000);
    }
    words
}

/// The command a PDU is about.
pub fn command_id(header: &Header) -> Option<u16> {
    match header {
        Header::CapsuleCmd(capsule) => Some(Sqe::from_bytes(&capsule.sqe).cid),
        Header::CapsuleResp(capsule) => Some(Cqe::from_bytes(&capsule.cqe).cid),
        Header::H2cData(header) => Some(header.command_id),
        Header::C2hData(header) => Some(header.command_id),
        Header::R2t(header) => Some(header.command_id),
        _ => None,
    }
}

/// What the reader of a dissection has to know about the file: that nothing was found in it and why, and what was passed over.
pub fn notes(summary: &Summary, ports: &[u16]) -> Vec<String> {
    let Summary { tally, connections } = summary;
    let mut notes = Vec::new();
    match (tally.packets, tally.segments) {
        (0, _) => notes.push("there is no packet in the capture".to_owned()),
        (packets, 0) => notes.push(format!("no TCP segment could be read from the {packets} packets of the capture")),
        (_, segments) if *connections == 0 => notes.push(format!(
            "no NVMe/TCP connection in the {segments} TCP segments of the capture: none begins with an ICReq, and none that carries data \
             has an end at a controller's port ({}); --port names others",
            ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
        )),
        _ => {}
    }
    for (link, count) in &tally.unknown_links {
        notes.push(format!(
            "{count} packets come from a link of kind {link}, which is not known here; Ethernet, Linux cooked, raw IP and loopback are"
        ));
    }
    for (count, why) in [
        (
            tally.fragments,
            "are IP fragments of TCP segments, which are not put together: their bytes count as missing",
        ),
        (tally.cut, "are cut before the end of their TCP header; capture more of each packet (tcpdump -s 0)"),
        (tally.no_interface, "come from an interface that the file does not describe"),
    ] {
        if count > 0 {
            notes.push(format!("{count} packets {why}"));
        }
    }
    notes
}

/// An event as a JSON object; see the top of this file.
pub fn json(event: &Event<'_>) -> Value {
    let mut object = Map::new();
    let kind = match &event.what {
        What::Opened(_) => "connection",
        What::Pdu(_) => "pdu",
        What::Violation(_) => "violation",
        What::Passed(_) => "passed",
    };
    object.insert("kind".into(), kind.into());
    object.insert("time".into(), event.time.to_string().into());
    object.insert("connection".into(), event.connection.into());
    let rest = match &event.what {
        What::Opened(Opened { host, controller, start }) => {
            let start = match start {
                Start::Beginning => "beginning",
                Start::Middle => "middle",
                Start::Tls => "tls",
            };
            json!({ "host": host.to_string(), "controller": controller.to_string(), "start": start })
        }
        What::Pdu(pdu) => pdu_json(pdu),
        What::Violation(Violation { from, position, rule, words, answer }) => {
            let mut value =
                json!({ "from": from_json(*from), "position": position, "rule": rule, "words": words });
            if let (Some((fes, fei)), Some(map)) = (answer, value.as_object_mut()) {
                map.insert("fes".into(), fes.0.into());
                map.insert("fei".into(), (*fei).into());
            }
            value
        }
        What::Passed(Passed { from, position, bytes, why }) => {
            let why = match why {
                Why::Missing => "missing",
                Why::NotFound => "not_found",
                Why::CutOff => "cut_off",
            };
            json!({ "from": from_json(*from), "position": position, "bytes": bytes, "why": why })
        }
    };
    if let Value::Object(rest) = rest {
        object.extend(rest);
    }
    Value::Object(object)
}

fn from_json(from: Role) -> &'static str {
    match from {
        Role::Host => "host",
        Role::Controller => "controller",
    }
}

fn pdu_json(pdu: &SeenPdu<'_>) -> Value {
    let pdu_type = pdu.header.pdu_type();
    let envelope = pdu.header.envelope();
    let mut value = json!({
        "from": from_json(pdu.from),
        "position": pdu.position,
        "pdu": pdu_type.name(),
        "type": pdu_type.code(),
        "flags": envelope.flags.0,
        "hlen": pdu_type.header_len(),
        "pdo": envelope.data_offset,
        "plen": envelope.pdu_len,
        "header": header_json(&pdu.header),
        "data_len": pdu.data.len(),
        "data_digest": match pdu.data_digest {
            Some(DataDigest::Absent) => "absent",
            Some(DataDigest::Good) => "good",
            Some(DataDigest::Bad { .. }) => "bad",
            None => "unknown",
        },
        "complete": pdu.completeness == Completeness::Whole,
        "content": serde_json::to_value(&pdu.content).unwrap_or_default(),
    });
    if let Some(map) = value.as_object_mut() {
        if let Some(digest) = pdu.header_digest {
            map.insert("header_digest".into(), digest.into());
        }
        if let Some(latency) = pdu.latency {
            map.insert("latency_ns".into(), latency.into());
        }
    }
    value
}

fn header_json(header: &Header) -> Value {
    match header {
        Header::IcReq(h) => {
            json!({ "pfv": h.version, "hpda": h.data_alignment, "dgst": h.dgst, "maxr2t": h.max_r2t })
        }
        Header::IcResp(h) => {
            json!({ "pfv": h.version, "cpda": h.data_alignment, "dgst": h.dgst, "maxh2cdata": h.max_h2c_data })
        }
        Header::TermReq(h) => json!({ "fes": h.fes.0, "fei": h.fei }),
        Header::CapsuleCmd(h) => {
            json!({ "sqe": serde_json::to_value(Sqe::from_bytes(&h.sqe)).unwrap_or_default() })
        }
        Header::CapsuleResp(h) => {
            json!({ "cqe": serde_json::to_value(Cqe::from_bytes(&h.cqe)).unwrap_or_default() })
        }
        Header::H2cData(h) => {
            json!({ "cccid": h.command_id, "ttag": h.transfer_tag, "datao": h.offset, "datal": h.len })
        }
        Header::C2hData(h) => json!({ "cccid": h.command_id, "datao": h.offset, "datal": h.len }),
        Header::R2t(h) => {
            json!({ "cccid": h.command_id, "ttag": h.transfer_tag, "r2to": h.offset, "r2tl": h.len })
        }
        _ => Value::Null,
    }
}

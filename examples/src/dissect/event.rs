//! What a dissection finds, one event after the other.

use std::io;
use std::net::SocketAddr;

use nvme_proto::frame::DataDigest;
use nvme_proto::pdu::{Answer, FatalErrorStatus, Header, ProtocolError, Role};

use super::capture::Time;
use super::content::Content;

/// Something found in a capture.
#[derive(Debug)]
pub struct Event<'a> {
    /// When it was captured.
    pub time: Time,
    /// The connection, counted from 1.
    pub connection: u32,
    /// What.
    pub what: What<'a>,
}

/// The kinds of events.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "lent to a closure, never moved")]
pub enum What<'a> {
    /// An NVMe/TCP connection.
    Opened(Opened),
    /// A PDU.
    Pdu(SeenPdu<'a>),
    /// A rule that is violated; it comes behind the PDU it is about, if that could be read.
    Violation(Violation),
    /// Bytes that are no PDU, or not there.
    Passed(Passed),
}

/// A connection that was found.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// The host's end.
    pub host: SocketAddr,
    /// The controller's end.
    pub controller: SocketAddr,
    /// How it starts.
    pub start: Start,
}

/// How a connection starts in the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At its beginning.
    Beginning,
    /// Somewhere; what was negotiated is guessed from the flags of the PDUs.
    Middle,
    /// With a TLS record: nothing else can be read.
    Tls,
}

/// A PDU that was read.
#[derive(Debug)]
pub struct SeenPdu<'a> {
    /// Who sent it.
    pub from: Role,
    /// Bytes of its direction before it.
    pub position: u64,
    /// Its header.
    pub header: Header,
    /// The header digest, where there is one. It is right: a PDU with a wrong one is not read.
    pub header_digest: Option<u32>,
    /// Its data.
    pub data: &'a [u8],
    /// How its data digest came out; `None` when not all data are in the capture.
    pub data_digest: Option<DataDigest>,
    /// The whole PDU.
    pub bytes: &'a [u8],
    /// Whether all of it is in the capture; what is missing reads as zeros.
    pub completeness: Completeness,
    /// What it means.
    pub content: Content,
    /// Nanoseconds since the command, for what ends one.
    pub latency: Option<u64>,
}

/// Whether all bytes of a PDU were captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// All of them.
    Whole,
    /// Some of its data are missing.
    Holes,
}

/// A violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Who is at fault.
    pub from: Role,
    /// Where the PDU starts in its direction, in bytes.
    pub position: u64,
    /// The name of the rule.
    pub rule: String,
    /// What is wrong, in words.
    pub words: String,
    /// What the receiver answers, where it answers with a termination request.
    pub answer: Option<(FatalErrorStatus, u32)>,
}

impl Violation {
    /// Of a rule of the wire.
    pub fn of(from: Role, position: u64, error: &ProtocolError) -> Self {
        let answer = match error.answer() {
            Answer::TermReq { fes, fei } => Some((fes, fei)),
            Answer::Close => None,
        };
        Self { from, position, rule: format!("{:?}", error.rule), words: error.to_string(), answer }
    }

    /// Of a rule that no termination request answers.
    pub fn other(from: Role, position: u64, rule: &str, words: String) -> Self {
        Self { from, position, rule: rule.to_owned(), words, answer: None }
    }
}

/// Bytes that were passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Who sent them.
    pub from: Role,
    /// Where they start, in bytes.
    pub position: u64,
    /// How many.
    pub bytes: u64,
    /// Why.
    pub why: Why,
}

/// Why bytes are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// They are not in the capture.
    Missing,
    /// The next PDU is behind them, and nothing before it can be told to be one.
    NotFound,
    /// They are the start of a PDU whose end is not in the capture.
    CutOff,
}

/// Takes events.
pub type Sink<'s> = dyn FnMut(&Event<'_>) -> io::Result<()> + 's;

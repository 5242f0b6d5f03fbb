//! The golden PDUs, and how to run them through framing.

#![allow(dead_code, reason = "each test file uses its part")]

use nvme_proto::DataAlignment;
use nvme_proto::digest::Digests;
use nvme_proto::frame::{DataDigest, Framer, Limits};
use nvme_proto::pdu::{Format, Header, PduType, ProtocolError, Role};
use serde_json::Value;

/// A PDU with what is known about it.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) sender: Role,
    pub(crate) digests: Digests,
    /// The connection before it, of a malformed one.
    pub(crate) state: Option<String>,
    pub(crate) fields: Value,
    pub(crate) expect: Value,
    pub(crate) bytes: Vec<u8>,
}

fn load(text: &str) -> Vec<Vector> {
    let all: Vec<Value> = serde_json::from_str(text).expect("JSON");
    let vector = |value: Value| {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let hex = text("hex").expect("bytes");
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("a byte");
        Vector {
            name: text("name").expect("a name"),
            sender: if value["from"] == "host" { Role::Host } else { Role::Controller },
            digests: Digests::from_dgst(value["digests"].as_u64().expect("digests") as u8),
            state: text("state"),
            fields: value["fields"].clone(),
            expect: value["expect"].clone(),
            bytes: (0..hex.len()).step_by(2).map(byte).collect(),
        }
    };
    all.into_iter().map(vector).collect()
}

/// The valid ones.
pub(crate) fn vectors() -> Vec<Vector> {
    load(include_str!("../vectors/pdus.json"))
}

/// Those that are to be refused: by framing, or by what is above it.
pub(crate) fn malformed() -> Vec<Vector> {
    load(include_str!("../vectors/pdus-malformed.json"))
}

impl Vector {
    /// Data aligned as its name says, or to 4 bytes.
    pub(crate) fn format(&self) -> Format {
        let field = ["cpda", "hpda"].iter().find_map(|word| {
            let (_, behind) = self.name.split_once(word)?;
            let digits = behind.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        });
        let alignment = DataAlignment::new(field.unwrap_or(0)).expect("at most 31");
        Format { digests: self.digests, alignment }
    }

    /// A framer of its receiver, in the state before it.
    pub(crate) fn framer(&self) -> Framer {
        let limits = Limits::default();
        let mut framer = Framer::with_capacity(self.sender.other(), limits, 512);
        let handshake = match &self.state {
            Some(state) => matches!(state.as_str(), "wait_icreq" | "host_wait_icresp"),
            None => self.bytes[0] <= PduType::IcResp.code(),
        };
        if !handshake {
            framer.ready(self.format(), limits);
        }
        framer
    }
}

/// A PDU that came out: header, data, and how the data digest came out.
pub(crate) type Came = (Header, Vec<u8>, DataDigest);

/// Everything that comes out of `framer` for `bytes` that come in pieces of these sizes, over and over.
pub(crate) fn frame(
    framer: &mut Framer,
    bytes: &[u8],
    pieces: &[usize],
) -> (Vec<Came>, Option<ProtocolError>) {
    let mut pdus = Vec::new();
    let mut rest = bytes;
    let mut sizes = pieces.iter().cycle();
    loop {
        match framer.next() {
            Ok(Some(pdu)) => pdus.push((pdu.header, pdu.data.to_vec(), pdu.data_digest)),
            Ok(None) if rest.is_empty() => return (pdus, None),
            Ok(None) => {
                let size = (*sizes.next().expect("a piece")).clamp(1, rest.len());
                let taken = framer.push(&rest[..size]);
                assert!(taken > 0, "no room although more is needed");
                rest = &rest[taken..];
            }
            Err(error) => return (pdus, Some(error)),
        }
    }
}

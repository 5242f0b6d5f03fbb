//! The golden PDUs, and how to run them through framing.

#![allow(dead_code, reason = "each test file uses its part")]

use nvme_proto::DataAlignment;
use nvme_proto::digest::Digests;
use nvme_proto::frame::{DataDigest, Framer, Limits, Transmit};
use nvme_proto::pdu::{Flags, Format, Header, PduHeader, PduType, ProtocolError, Role};
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

/// What went over one connection: decodes every PDU of both directions and encodes it again, as it came and made anew, with the format the
/// handshake settled; and counts the PDUs by type.
pub(crate) fn conversation(host: &[u8], controller: &[u8]) -> [usize; 9] {
    let mut limits = Limits::default();
    // What the Linux target takes.
    limits.in_capsule_data = 16 << 10;
    limits.h2c_data = 4 << 20;
    let open = |receiver| Framer::with_capacity(receiver, limits, 4096);
    let (mut to_controller, mut to_host) = (open(Role::Controller), open(Role::Host));
    let mut counts = [0; 9];

    let request = first(&mut to_controller, host);
    let response = first(&mut to_host, controller);
    let (Header::IcReq(request), Header::IcResp(response)) = (request, response) else {
        panic!("{request:?} {response:?}")
    };
    let agreed = response.negotiate(&request).expect("what was asked for");
    to_controller.ready(agreed.to_controller, limits);
    to_host.ready(agreed.to_host, limits);
    counts[0] += 1;
    counts[1] += 1;

    for (framer, format, bytes) in
        [(&mut to_controller, agreed.to_controller, host), (&mut to_host, agreed.to_host, controller)]
    {
        let (pdus, error) = frame(framer, &bytes[128..], &[1448]);
        assert_eq!(error, None, "at byte {}", framer.position());
        assert_eq!(framer.position(), bytes.len() as u64, "the last PDU is whole");
        let mut rest = &bytes[128..];
        for (header, data, digest) in pdus {
            assert!(digest.is_ok());
            assert_eq!(digest == DataDigest::Good, format.digests.data && !data.is_empty());
            let [verbatim, made] = [encode(&header, &data, None), encode(&header, &data, Some(format))];
            assert!(rest.starts_with(&verbatim), "{header:?}");
            assert_eq!(made, verbatim, "{header:?}");
            rest = &rest[verbatim.len()..];
            counts[PduType::ALL.iter().position(|known| *known == header.pdu_type()).expect("known")] += 1;
        }
        assert!(rest.is_empty());
    }
    counts
}

fn first(framer: &mut Framer, bytes: &[u8]) -> Header {
    let (mut pdus, error) = frame(framer, &bytes[..128], &[50]);
    assert_eq!(error, None);
    let (header, data, _) = pdus.pop().expect("a handshake");
    assert!(pdus.is_empty() && data.is_empty());
    assert_eq!(encode(&header, &[], None), &bytes[..128]);
    header
}

/// A PDU as bytes: FLAGS, PDO and PLEN as they are, or made anew for a format.
pub(crate) fn encode(header: &Header, data: &[u8], format: Option<Format>) -> Vec<u8> {
    fn one<H: PduHeader>(mut header: H, data: &[u8], format: Option<Format>) -> Vec<u8> {
        let Some(format) = format else { return Transmit::verbatim(&header, data).chunks().concat() };
        let envelope = header.envelope_mut();
        envelope.flags = envelope.flags.without(Flags::HDGSTF).without(Flags::DDGSTF);
        envelope.data_offset = 0xff;
        envelope.pdu_len = 0;
        Transmit::new(header, format, data).expect("a PDU").chunks().concat()
    }
    match *header {
        Header::IcReq(h) => one(h, data, format),
        Header::IcResp(h) => one(h, data, format),
        Header::TermReq(h) => one(h, data, format),
        Header::CapsuleCmd(h) => one(h, data, format),
        Header::CapsuleResp(h) => one(h, data, format),
        Header::H2cData(h) => one(h, data, format),
        Header::C2hData(h) => one(h, data, format),
        Header::R2t(h) => one(h, data, format),
        ref other => panic!("{other:?}"),
    }
}

//! What the tests of the dissector share.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use nvme_examples::dissect::authentication::Keys;
use nvme_examples::dissect::event::{Completeness, Event, SeenPdu, What, Why};
use nvme_examples::dissect::output::{self, Text};
use nvme_examples::dissect::{self, Options};
use nvme_proto::frame::Transmit;
use nvme_proto::pdu::{Header, PduHeader};

pub fn capture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/captures/{name}.pcap"));
    std::fs::read(&path).unwrap()
}

/// What was found in a capture.
#[derive(Debug, Default)]
pub struct Found {
    /// Lines of text.
    pub lines: Vec<String>,
    /// PDUs as JSON without time and latency, by connection and sender.
    pub pdus: BTreeMap<(u64, String), Vec<String>>,
    pub rules: Vec<String>,
    pub passed: Vec<(Why, u64)>,
    pub holes: usize,
    /// PDUs that encode to other bytes: only reserved bytes of headers, wrong digests and missing bytes make them.
    pub differing: usize,
    pub broken: bool,
}

impl Found {
    pub fn count(&self) -> usize {
        self.pdus.values().map(Vec::len).sum()
    }

    pub fn text(&self) -> String {
        self.lines.join("\n")
    }
}

fn reencoded(pdu: &SeenPdu<'_>) -> Vec<u8> {
    fn with<H: PduHeader>(header: &H, data: &[u8]) -> Vec<u8> {
        Transmit::verbatim(header, data).chunks().concat()
    }
    match pdu.header {
        Header::IcReq(h) => with(&h, pdu.data),
        Header::IcResp(h) => with(&h, pdu.data),
        Header::TermReq(h) => with(&h, pdu.data),
        Header::CapsuleCmd(h) => with(&h, pdu.data),
        Header::CapsuleResp(h) => with(&h, pdu.data),
        Header::H2cData(h) => with(&h, pdu.data),
        Header::C2hData(h) => with(&h, pdu.data),
        Header::R2t(h) => with(&h, pdu.data),
        other => panic!("{other:?}"),
    }
}

pub fn dissect_with(file: &[u8], keys: Keys) -> Found {
    let mut found = Found::default();
    let mut text = Text::default();
    let mut temporary = tempfile::NamedTempFile::new().unwrap();
    temporary.write_all(file).unwrap();
    let mut sink = |event: &Event<'_>| {
        found.lines.push(text.line(event));
        let mut json = output::json(event);
        match &event.what {
            What::Pdu(pdu) => {
                found.differing += usize::from(reencoded(pdu) != pdu.bytes);
                found.holes += usize::from(pdu.completeness == Completeness::Holes);
                let map = json.as_object_mut().unwrap();
                map.remove("time");
                map.remove("latency_ns");
                let key = (map["connection"].as_u64().unwrap(), map["from"].as_str().unwrap().to_owned());
                found.pdus.entry(key).or_default().push(json.to_string());
            }
            What::Violation(violation) => found.rules.push(violation.rule.clone()),
            What::Passed(passed) => found.passed.push((passed.why, passed.bytes)),
            What::Opened(_) => {}
        }
        Ok(())
    };
    let options = Options { ports: vec![4420, 4421], keys };
    let broken = dissect::file(temporary.path(), options, &mut sink).is_err();
    found.broken = broken;
    found
}

pub fn dissect(file: &[u8]) -> Found {
    dissect_with(file, Keys::default())
}

/// The packets of a pcap file with little-endian headers.
pub fn packets(file: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (head, mut rest) = file.split_at(24);
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let len = 16 + u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        packets.push(rest[..len].to_vec());
        rest = &rest[len..];
    }
    (head.to_vec(), packets)
}

pub fn file(head: &[u8], packets: &[Vec<u8>]) -> Vec<u8> {
    [head, &packets.concat()].concat()
}

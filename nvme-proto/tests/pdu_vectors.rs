//! Golden PDUs in both directions, and malformed ones with the exact answer.

mod common;
#[path = "common/pdus.rs"]
mod pdus;

use nvme_proto::digest::crc32c;
use nvme_proto::frame::{BytesFramer, DataDigest, Limits};
use nvme_proto::pdu::{Answer, CommonHeader, Flags, Header, HeaderDecodeError, PduType, Rule};
use pdus::{Vector, encode, frame, malformed, vectors};
use serde_json::{Value, json};

/// The fields of a header by their mnemonics.
fn fields(header: &Header) -> Value {
    match header {
        Header::IcReq(h) => json!({
            "pfv": h.version, "hpda": h.data_alignment, "dgst": h.dgst, "maxr2t": h.max_r2t,
        }),
        Header::IcResp(h) => json!({
            "pfv": h.version, "cpda": h.data_alignment, "dgst": h.dgst, "maxh2cdata": h.max_h2c_data,
        }),
        Header::TermReq(h) => json!({ "fes": h.fes.0, "fei": h.fei }),
        Header::H2cData(h) => json!({
            "cccid": h.command_id, "ttag": h.transfer_tag, "datao": h.offset, "datal": h.len,
            "last_pdu": u8::from(h.is_last()),
        }),
        Header::C2hData(h) => json!({
            "cccid": h.command_id, "datao": h.offset, "datal": h.len,
            "last_pdu": u8::from(h.is_last()), "success": u8::from(h.is_success()),
        }),
        Header::R2t(h) => json!({
            "cccid": h.command_id, "ttag": h.transfer_tag, "r2to": h.offset, "r2tl": h.len,
        }),
        _ => json!({}),
    }
}

fn decode(vector: &Vector) -> (Header, Vec<u8>) {
    let (pdus, error) = frame(&mut vector.framer(), &vector.bytes, &[vector.bytes.len()]);
    assert_eq!(error, None, "{}", vector.name);
    let [(header, data, digest)] = <[_; 1]>::try_from(pdus).expect("one PDU");
    let expected =
        if vector.digests.data && !data.is_empty() { DataDigest::Good } else { DataDigest::Absent };
    assert_eq!(digest, expected, "{}", vector.name);
    (header, data)
}

#[test]
fn every_vector_decodes_to_its_fields_and_encodes_to_its_bytes() {
    let mut seen = std::collections::BTreeMap::new();
    let mut compared = 0;
    for vector in vectors() {
        let (header, data) = decode(&vector);
        *seen.entry(header.pdu_type()).or_insert(0) += 1;
        let common = CommonHeader::decode(vector.bytes.first_chunk().unwrap());
        let mut found = fields(&header);
        let all = found.as_object_mut().unwrap();
        all.insert("type".into(), common.code.into());
        all.insert("flags".into(), common.flags.0.into());
        all.insert("hlen".into(), common.header_len.into());
        all.insert("pdo".into(), common.data_offset.into());
        all.insert("plen".into(), common.pdu_len.into());
        let end = usize::from(common.header_len);
        if common.flags.contains(Flags::HDGSTF) {
            let digest = u32::from_le_bytes(*vector.bytes[end..].first_chunk().unwrap());
            assert_eq!(digest, crc32c(&vector.bytes[..end]));
            all.insert("hdgst".into(), digest.into());
        }
        if !data.is_empty() && !header.pdu_type().is_termination() {
            all.insert("ddgst".into(), crc32c(&data).into());
            let padding = usize::from(common.data_offset) - end - if vector.digests.header { 4 } else { 0 };
            all.insert("pad_bytes".into(), padding.into());
        }
        for (name, expected) in vector.fields.as_object().unwrap() {
            assert_eq!(all.get(name), Some(expected), "{} {name}", vector.name);
            compared += 1;
        }
        assert_eq!(encode(&header, &data, Some(vector.format())), vector.bytes, "{}", vector.name);
        assert_eq!(encode(&header, &data, None), vector.bytes, "{}", vector.name);
    }
    assert_eq!(seen.into_values().collect::<Vec<_>>(), [2, 2, 2, 4, 37, 19, 3, 4, 2]);
    assert_eq!(compared, 165);
}

#[test]
fn a_header_alone_decodes_to_the_same() {
    for vector in vectors() {
        let (header, _) = decode(&vector);
        assert_eq!(Header::decode(&vector.bytes), Ok(header), "{}", vector.name);
        let len = usize::from(header.pdu_type().header_len());
        for cut in 0..len {
            let short = Header::decode(&vector.bytes[..cut]);
            assert!(matches!(short, Err(HeaderDecodeError::Short(_))), "{} cut at {cut}", vector.name);
        }
    }
}

/// The malformed PDUs that framing takes: what is wrong with them only the connection or the command knows.
const ABOVE_FRAMING: &[(&str, &str)] = &[
    ("bad_connect_", "the content of Connect"),
    ("bad_identify_", "the content of commands, and their order"),
    ("bad_fctype_07", "the content of commands"),
    ("bad_property_", "the content of commands"),
    ("bad_get_log_", "the content of commands"),
    ("bad_create_io_sq", "the content of commands"),
    ("bad_read_", "the content of commands"),
    ("bad_write_capsule_sgl_longer_than_data", "what the SGL says"),
    ("bad_h2cdata_unknown_ttag", "outstanding R2Ts"),
    ("bad_h2cdata_wrong_cccid", "outstanding R2Ts"),
    ("bad_h2cdata_datao_4", "outstanding R2Ts"),
    ("bad_h2cdata_beyond_r2tl", "outstanding R2Ts"),
    ("bad_icresp_unrequested_digest", "what was asked for"),
    ("bad_c2hdata_unknown_cccid", "outstanding commands"),
    ("bad_c2hdata_datao_4", "outstanding commands"),
    ("bad_c2hdata_too_long", "outstanding commands"),
    ("bad_r2t_unknown_cccid", "outstanding commands"),
    ("bad_r2t_for_read", "outstanding commands"),
];

#[test]
fn every_malformed_pdu_is_refused_with_the_exact_answer() {
    let mut refused = 0;
    let mut above = 0;
    for vector in malformed() {
        let mut framer = vector.framer();
        let (pdus, error) = frame(&mut framer, &vector.bytes, &[vector.bytes.len()]);
        let Some(error) = error else {
            let name = vector.name.as_str();
            if name.ends_with("_ddgst_wrong") {
                // Not fatal: the command fails.
                assert!(matches!(pdus[0].2, DataDigest::Bad { .. }), "{name}");
                assert_eq!(vector.expect, json!({"status": {"sct": 0, "sc": 0x22}}));
                refused += 1;
                continue;
            }
            assert!(ABOVE_FRAMING.iter().any(|(prefix, _)| name.starts_with(prefix)), "{name} was taken");
            above += 1;
            continue;
        };
        let expected = match error.answer() {
            Answer::TermReq { fes, fei } if vector.expect.get("fei").is_some() => {
                json!({ "fes": fes.0, "fei": fei })
            }
            Answer::TermReq { fes, fei } => {
                assert_eq!(fei, 0, "{}: {error}", vector.name);
                json!({ "fes": fes.0 })
            }
            Answer::Close => json!({ "close": true }),
        };
        assert_eq!(expected, vector.expect, "{}: {error}", vector.name);
        assert!(vector.bytes.starts_with(framer.offending()), "{}", vector.name);
        assert!((8..=128).contains(&framer.offending().len()), "{}", vector.name);
        assert_eq!(framer.next().unwrap_err(), error, "an error is final");
        refused += 1;
    }
    assert_eq!((refused, above), (40, 27));
}

#[test]
fn every_truncation_asks_for_more_and_says_how_much_at_least() {
    for vector in vectors() {
        let mut owned = BytesFramer::new(vector.sender.other(), Limits::default());
        let rules = *vector.framer().rules();
        if rules.phase == nvme_proto::frame::Phase::Ready {
            owned.ready(rules.format, rules.limits);
        }
        for cut in 0..vector.bytes.len() {
            let (pdus, error) = frame(&mut vector.framer(), &vector.bytes[..cut], &[cut.max(1)]);
            assert_eq!((pdus.len(), error), (0, None), "{} cut at {cut}", vector.name);
            assert_eq!(owned.next(), Ok(None), "{} cut at {cut}", vector.name);
            owned.buffer_mut().extend_from_slice(&vector.bytes[cut..=cut]);
        }
        assert!(owned.next().unwrap().is_some(), "{}", vector.name);
    }
}

/// What a changed bit at this byte of a valid PDU may lead to.
fn may_stay(pdu_type: PduType, at: usize, vector: &Vector) -> bool {
    let header_end = usize::from(pdu_type.header_len());
    match at {
        // Kept to the bit, reserved or not.
        _ if at < 8 => false,
        _ if at < header_end => match pdu_type {
            PduType::IcReq | PduType::IcResp => at == 11 || at >= 16,
            PduType::H2cTermReq | PduType::C2hTermReq => at >= 14,
            PduType::C2hData => matches!(at, 10 | 11 | 20..24),
            PduType::H2cData | PduType::R2t => at >= 20,
            _ => false,
        },
        // Padding.
        _ => {
            let digest = if vector.digests.header { 4 } else { 0 };
            at >= header_end + digest && at < usize::from(vector.bytes[3])
        }
    }
}

#[test]
fn every_changed_byte_is_refused_or_seen() {
    for vector in vectors() {
        let (header, data) = decode(&vector);
        let pdu_type = header.pdu_type();
        for at in 0..vector.bytes.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut bytes = vector.bytes.clone();
                bytes[at] ^= mask;
                let (pdus, error) = frame(&mut vector.framer(), &bytes, &[bytes.len()]);
                let place = format!("{} byte {at} ^ {mask:#x}", vector.name);
                match pdus.into_iter().next() {
                    // Refused, or now longer than what came.
                    None => {
                        assert!(error.is_some() || (4..8).contains(&at) || at == 0, "{place}");
                        let covered = at >= 8 && at < usize::from(pdu_type.header_len()) + 4;
                        if let Some(error) = error
                            && vector.digests.header
                            && covered
                        {
                            assert_eq!(error.rule, Rule::HeaderDigest, "{place}: {error}");
                        }
                    }
                    Some((now, now_data, DataDigest::Bad { .. })) => {
                        assert!(vector.digests.data && now == header, "{place}");
                        assert!(now_data != data || at >= bytes.len() - 4, "{place}");
                    }
                    Some((now, now_data, _)) => {
                        let same = now == header && now_data == data;
                        assert!(!same || may_stay(pdu_type, at, &vector), "{place} is not seen");
                        assert!(!vector.digests.data || now_data == data, "{place}: the digest is good");
                        // What was taken encodes to what came, but for reserved bytes.
                        if now_data.len() != data.len() {
                            continue;
                        }
                        let verbatim = encode(&now, &now_data, None);
                        if same && at >= 8 {
                            assert_eq!(verbatim, vector.bytes, "{place}");
                        } else {
                            assert_eq!(verbatim, bytes, "{place}");
                        }
                    }
                }
            }
        }
    }
}

//! How bytes are cut makes no difference, and PDUs survive being sent and received in every format.

use bytes::{Buf, Bytes};
use nvme_proto::frame::{Framer, Limits, Transmit};
use nvme_proto::pdu::{C2hData, H2cData, Header, PduType, Role};
use nvme_proto::testing::{self, digests, encode_pdu, encode_verbatim, format, pdu};
use proptest::collection::vec;
use proptest::prelude::*;

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Host), Just(Role::Controller)]
}

proptest! {
    #[test]
    fn streams_of_valid_pdus(
        (sender, pdus) in role().prop_flat_map(|sender| (Just(sender), vec(pdu(sender), 0..8))),
        format in format(),
        pieces in any::<[u8; 3]>(),
        damage in prop::option::of((any::<prop::sample::Index>(), 1..=255_u8)),
    ) {
        // The same header that the property of the fuzz target reads.
        let mut input = std::vec![format.digests.dgst(), format.alignment.field()];
        input.push(u8::from(sender == Role::Controller) | 4);
        input.extend(pieces);
        let start = input.len();
        for (header, data) in &pdus {
            input.extend(encode_pdu(header, data, format).unwrap());
        }
        prop_assert_eq!(testing::frame(&input), pdus.len());
        if let Some((at, mask)) = damage && input.len() > start {
            let at = start + at.index(input.len() - start);
            input[at] ^= mask;
            testing::frame(&input);
        }
    }

    #[test]
    fn any_bytes(input in vec(any::<u8>(), 0..400)) {
        testing::frame(&input);
        testing::pdus(&input);
    }

    #[test]
    fn bytes_that_look_like_pdus(
        start in any::<[u8; 6]>(),
        pdus in vec((0..12_u8, any::<u8>(), prop::sample::select(std::vec![24_u8, 72, 128]), 0..160_u8, 0..300_u32, vec(any::<u8>(), 0..200)), 1..5),
    ) {
        let mut input = start.to_vec();
        for (code, flags, header_len, data_offset, pdu_len, rest) in pdus {
            input.extend([code, flags, header_len, data_offset]);
            input.extend(pdu_len.to_le_bytes());
            input.extend(rest);
        }
        testing::frame(&input);
        testing::pdus(&input);
    }

    #[test]
    fn a_pdu_survives_every_format((header, data) in role().prop_flat_map(pdu), format in format()) {
        let bytes = encode_pdu(&header, &data, format).unwrap();
        let mut framer = Framer::new(header.pdu_type().sender().other(), Limits::default());
        framer.ready(format, Limits::default());
        framer.push(&bytes);
        let received = framer.next().unwrap().unwrap();
        prop_assert!(received.data_digest.is_ok());
        prop_assert_eq!(received.data, &data[..]);
        prop_assert_eq!(received.bytes, &bytes[..]);
        prop_assert_eq!(encode_verbatim(&received.header, received.data), bytes);
        // All but the layout is what was sent.
        let again = encode_pdu(&received.header, &data, nvme_proto::pdu::Format::PLAIN).unwrap();
        prop_assert_eq!(again, encode_verbatim(&header_in_plain(&header, &data), &data));
        prop_assert!(framer.next().unwrap().is_none());
    }

    #[test]
    fn a_transmit_gives_the_same_bytes_however_it_is_advanced(
        data in vec(any::<u8>(), 1..300), format in format(), steps in vec(0..40_usize, 1..10),
    ) {
        let header = C2hData::new(1, 0, u32::try_from(data.len()).unwrap()).last();
        let mut pdu = Transmit::new(header, format, Bytes::from(data)).unwrap();
        let all = pdu.chunks().concat();
        prop_assert_eq!(all.len(), pdu.len());
        prop_assert_eq!(pdu.common().pdu_len as usize, pdu.len());
        let mut sent = Vec::new();
        for step in steps.iter().cycle() {
            let mut slices = [std::io::IoSlice::new(&[]); 5];
            let n = pdu.chunks_vectored(&mut slices);
            let rest: Vec<u8> = slices[..n].iter().flat_map(|slice| slice.iter().copied()).collect();
            prop_assert_eq!(&rest[..], &all[sent.len()..]);
            prop_assert_eq!(rest.len(), pdu.remaining());
            prop_assert_eq!(pdu.chunk().is_empty(), rest.is_empty());
            if rest.is_empty() {
                break;
            }
            let step = (*step).min(rest.len());
            sent.extend_from_slice(&rest[..step]);
            pdu.advance(step);
            if steps.iter().all(|step| *step == 0) {
                break;
            }
        }
    }

    #[test]
    fn digests_agree_whatever_the_cut(data in vec(any::<u8>(), 0..2000), cut in any::<prop::sample::Index>(), _ in digests()) {
        let (front, back) = data.split_at(cut.index(data.len() + 1));
        let mut digest = nvme_proto::digest::Crc32c::new();
        digest.update(front);
        digest.update(back);
        prop_assert_eq!(digest.finish(), nvme_proto::digest::crc32c(&data));
    }
}

/// The header as it is in a PDU without digests and padding.
fn header_in_plain(header: &Header, data: &[u8]) -> Header {
    let bytes = encode_pdu(header, data, nvme_proto::pdu::Format::PLAIN).unwrap();
    Header::decode(&bytes).unwrap()
}

#[test]
fn what_does_not_make_a_pdu_is_refused_before_it_is_sent() {
    use nvme_proto::pdu::{EncodeError, FatalErrorStatus, Format, R2t, TermReq};
    let format = Format::PLAIN;
    let error = Transmit::new(R2t::new(1, 2, 0, 4), format, [0; 4]).unwrap_err();
    assert_eq!(error, EncodeError::NoData { pdu_type: PduType::R2t, len: 4 });
    let error = Transmit::header(H2cData::new(1, 2, 0, 0), format).unwrap_err();
    assert_eq!(error, EncodeError::Empty { pdu_type: PduType::H2cData });
    let error = Transmit::new(H2cData::new(1, 2, 0, 8), format, [0; 4]).unwrap_err();
    assert_eq!(error, EncodeError::Length { pdu_type: PduType::H2cData, announced: 8, len: 4 });
    let request = TermReq::new(Role::Host, FatalErrorStatus::SEQUENCE_ERROR, 0);
    assert!(Transmit::new(request, format, [0; 128]).is_ok());
    let error = Transmit::new(request, format, [0; 129]).unwrap_err();
    assert_eq!(error, EncodeError::TooLong { pdu_type: PduType::H2cTermReq, len: 129 });
    assert!(error.to_string().contains("129 bytes"), "{error}");
}

#[test]
fn one_byte_at_a_time_is_not_quadratic() {
    // 1 MiB as one PDU, through a buffer of 4 KiB that grows: what is looked at and moved stays proportional.
    let mut limits = Limits::default();
    limits.c2h_data = 1 << 20;
    let data = std::vec![7_u8; 1 << 20];
    let header = C2hData::new(1, 0, 1 << 20).last();
    let bytes = Transmit::new(header, nvme_proto::pdu::Format::PLAIN, &data).unwrap().chunks().concat();
    let mut framer = Framer::with_capacity(Role::Host, limits, 4096);
    framer.ready(nvme_proto::pdu::Format::PLAIN, limits);
    for byte in &bytes[..bytes.len() - 1] {
        assert_eq!(framer.push(&[*byte]), 1);
        assert!(framer.next().unwrap().is_none());
    }
    framer.push(&bytes[bytes.len() - 1..]);
    assert_eq!(framer.next().unwrap().unwrap().data, data);
}

//! PDUs: values of every type, and what must hold for any bytes that come over a connection.

use alloc::vec;
use alloc::vec::Vec;

use proptest::collection;
use proptest::prelude::*;

use crate::DataAlignment;
use crate::digest::{Digests, crc32c};
use crate::frame::{BytesFramer, DataDigest, Framer, Front, Limits, Phase, Placed, Rules, Transmit};
use crate::pdu::{
    C2hData, CapsuleCmd, CapsuleResp, FatalErrorStatus, Format, H2cData, Header, HeaderDecodeError,
    PduHeader, PduType, ProtocolError, R2t, Role, TermReq,
};

/// Any digests.
pub fn digests() -> impl Strategy<Value = Digests> {
    any::<u8>().prop_map(Digests::from_dgst)
}

/// Any alignment of data.
pub fn data_alignment() -> impl Strategy<Value = DataAlignment> {
    (0..=DataAlignment::MAX_FIELD).prop_filter_map("at most 31", DataAlignment::new)
}

/// Any layout of PDUs.
pub fn format() -> impl Strategy<Value = Format> {
    (digests(), data_alignment()).prop_map(|(digests, alignment)| Format { digests, alignment })
}

/// Any PDU of this sender that is not part of the handshake: a header with the data that go with it. FLAGS, PDO and PLEN are those of a PDU
/// without digests.
pub fn pdu(sender: Role) -> BoxedStrategy<(Header, Vec<u8>)> {
    let none = |header: Header| (header, Vec::new());
    let cause = collection::vec(any::<u8>(), 0..=TermReq::MAX_DATA);
    let termination = (any::<u16>(), any::<u32>(), cause)
        .prop_map(move |(fes, fei, cause)| (TermReq::new(sender, FatalErrorStatus(fes), fei).into(), cause));
    // Whole dwords, or the end of an odd transfer.
    let moved =
        (any::<u16>(), any::<u16>(), 0..0x1000_0000_u32, collection::vec(any::<u8>(), 1..600), any::<bool>());
    let trim = |mut data: Vec<u8>, last: bool| {
        if !last {
            data.resize(data.len().next_multiple_of(4), 0x5a);
        }
        data
    };
    let len = |data: &[u8]| u32::try_from(data.len()).unwrap_or_default();
    match sender {
        Role::Host => prop_oneof![
            1 => termination,
            4 => (any::<[u8; 32]>(), any::<[u8; 32]>(), collection::vec(any::<u8>(), 0..600)).prop_map(|(a, b, data)| {
                let mut sqe = [0; 64];
                for (to, from) in sqe.iter_mut().zip(a.into_iter().chain(b)) {
                    *to = from;
                }
                (CapsuleCmd::new(sqe).into(), data)
            }),
            4 => moved.prop_map(move |(id, tag, dwords, data, last)| {
                let data = trim(data, last);
                let header = H2cData::new(id, tag, dwords.saturating_mul(4), len(&data));
                (if last { header.last() } else { header }.into(), data)
            }),
        ]
        .boxed(),
        Role::Controller => prop_oneof![
            1 => termination,
            4 => any::<[u8; 16]>().prop_map(move |cqe| none(CapsuleResp::new(cqe).into())),
            4 => (moved, any::<bool>()).prop_map(move |((id, _, dwords, data, last), success)| {
                let data = trim(data, last);
                let header = C2hData::new(id, dwords.saturating_mul(4), len(&data));
                let header = match (last, success) {
                    (true, true) => header.success(),
                    (true, false) => header.last(),
                    (false, _) => header,
                };
                (header.into(), data)
            }),
            2 => (any::<u16>(), any::<u16>(), 0..0x1000_0000_u32, 1..0x1000_0000_u32).prop_map(move |(id, tag, dwords, len)| {
                none(R2t::new(id, tag, dwords.saturating_mul(4), len).into())
            }),
        ]
        .boxed(),
    }
}

/// The bytes of a PDU in this format; `None` if header and data do not make one.
#[must_use]
pub fn encode_pdu(header: &Header, data: &[u8], format: Format) -> Option<Vec<u8>> {
    fn one<H: PduHeader>(header: &H, data: &[u8], format: Format) -> Option<Vec<u8>> {
        Transmit::new(*header, format, data).ok().map(|pdu| pdu.chunks().concat())
    }
    match header {
        Header::IcReq(header) => one(header, data, format),
        Header::IcResp(header) => one(header, data, format),
        Header::TermReq(header) => one(header, data, format),
        Header::CapsuleCmd(header) => one(header, data, format),
        Header::CapsuleResp(header) => one(header, data, format),
        Header::H2cData(header) => one(header, data, format),
        Header::C2hData(header) => one(header, data, format),
        Header::R2t(header) => one(header, data, format),
    }
}

/// The bytes of a PDU with FLAGS, PDO and PLEN as the header has them.
#[must_use]
pub fn encode_verbatim(header: &Header, data: &[u8]) -> Vec<u8> {
    fn one<H: PduHeader>(header: &H, data: &[u8]) -> Vec<u8> {
        Transmit::verbatim(header, data).chunks().concat()
    }
    match header {
        Header::IcReq(header) => one(header, data),
        Header::IcResp(header) => one(header, data),
        Header::TermReq(header) => one(header, data),
        Header::CapsuleCmd(header) => one(header, data),
        Header::CapsuleResp(header) => one(header, data),
        Header::H2cData(header) => one(header, data),
        Header::C2hData(header) => one(header, data),
        Header::R2t(header) => one(header, data),
    }
}

/// Headers of every type: what is taken encodes to the common header it came with and to an equal value; what is refused says where, within the
/// header; and what was taken makes a PDU in any format that a receiver of that format takes.
pub fn pdus(input: &[u8]) {
    let (Some((format, bytes)), true) = (format_of(input), input.len() > 2) else { return };
    match Header::decode(bytes) {
        Err(HeaderDecodeError::Short(error)) => assert!(bytes.len() < 128 && error.at == bytes.len()),
        Err(HeaderDecodeError::Protocol(error)) => {
            assert!(error.at < 128 && !alloc::format!("{error}").is_empty());
        }
        Ok(header) => {
            let pdu_type = header.pdu_type();
            let encoded = encode_verbatim(&header, &[]);
            assert_eq!(encoded.first_chunk::<8>(), bytes.first_chunk::<8>());
            assert_eq!(Header::decode(&encoded), Ok(header));
            let len = header.envelope().pdu_len;
            if matches!(pdu_type, PduType::H2cData | PduType::C2hData) && len > 4096 {
                return;
            }
            let data = match &header {
                Header::H2cData(header) => vec![0x5a; usize::try_from(header.len).unwrap_or_default()],
                Header::C2hData(header) => vec![0x5a; usize::try_from(header.len).unwrap_or_default()],
                _ => Vec::new(),
            };
            let Some(made) = encode_pdu(&header, &data, format) else { panic!("{header:?}") };
            let mut rules = Rules::new(pdu_type.sender().other(), Limits::default());
            if !pdu_type.is_handshake() {
                rules = rules.ready(format, Limits::default());
            }
            let Ok(Front::Header(again, shape)) = rules.front(&made) else { panic!("{header:?} {made:?}") };
            assert_eq!(u32::try_from(made.len()), Ok(shape.pdu_len));
            assert_eq!(again.pdu_type(), pdu_type);
            assert_eq!(encode_verbatim(&again, &data), made);
        }
    }
}

/// A PDU as it came out: header, data, and how the data digest came out.
type Came = (Header, Vec<u8>, DataDigest);

/// Any bytes from any peer, however they are cut: every way of framing gives the same PDUs and the same error, and every PDU that comes out
/// encodes to a PDU that comes out the same.
///
/// The first bytes choose the receiver, the phase, digests and alignment, whether digests in the stream are put right (no fuzzer guesses a
/// CRC), and the sizes of the pieces. Gives the number of PDUs that came out.
pub fn frame(input: &[u8]) -> usize {
    let Some((format, rest)) = format_of(input) else { return 0 };
    let Some(([choice, a, b, c], stream)) = rest.split_first_chunk() else { return 0 };
    let receiver = if choice & 1 == 0 { Role::Controller } else { Role::Host };
    let limits = Limits { max_plen: 1 << 14, in_capsule_data: 1 << 13, h2c_data: 1 << 13, c2h_data: 1 << 13 };
    let mut rules = Rules::new(receiver, limits);
    if choice & 2 == 0 {
        rules = rules.ready(format, limits);
    }
    let mut stream = stream.to_vec();
    if choice & 4 == 0 {
        put_right(&mut stream, rules, format, limits);
    }
    let sizes =
        [usize::from(*a), usize::from(*b), usize::from(*c).saturating_mul(16)].map(|size| size.max(1));
    let test = Test { rules, format, limits, stream: &stream, sizes };

    let at_once = test.whole(stream.len(), &[stream.len().max(1)]);
    assert_eq!(test.whole(0, &sizes), at_once);
    assert_eq!(test.whole(300, &[1]), at_once);
    assert_eq!(test.lent(64), at_once);
    assert_eq!(test.placed(64), at_once);
    assert_eq!(test.owned(), at_once);
    let headers: Vec<_> = at_once.0.iter().map(|(header, _, _)| *header).collect();
    let (skipped, error) = test.skipped(64);
    // The last one may be there without all its data.
    assert!(skipped.starts_with(&headers) && skipped.len() <= headers.len().saturating_add(1));
    assert_eq!(error, at_once.1);
    for (header, data, _) in &at_once.0 {
        let again = encode_verbatim(header, data);
        let receiver = rules.receiver;
        let mut framer = Framer::with_capacity(receiver, limits, again.len());
        if !header.pdu_type().is_handshake() {
            framer.ready(format, limits);
        }
        assert_eq!(framer.push(&again), again.len());
        match framer.next() {
            Ok(Some(pdu)) => assert_eq!((&pdu.header, pdu.data), (header, &data[..])),
            other => panic!("{header:?}: {other:?}"),
        }
    }
    headers.len()
}

fn format_of(input: &[u8]) -> Option<(Format, &[u8])> {
    let ([digests, alignment], rest) = input.split_first_chunk()?;
    let alignment = DataAlignment::new(alignment & DataAlignment::MAX_FIELD)?;
    Some((Format { digests: Digests::from_dgst(*digests), alignment }, rest))
}

/// Makes the digests of every PDU in `stream` right.
fn put_right(stream: &mut [u8], mut rules: Rules, format: Format, limits: Limits) {
    let mut rest = stream;
    while let Some(shape) = rest.first_chunk().and_then(|common| rules.shape(common).ok()) {
        if rules.phase == Phase::Handshake {
            rules = rules.ready(format, limits);
        }
        let len = usize::try_from(shape.pdu_len).unwrap_or(usize::MAX);
        let Some((pdu, behind)) = rest.split_at_mut_checked(len) else { return };
        let header = usize::from(shape.pdu_type.header_len());
        let data = usize::from(shape.data_offset);
        for (present, from, at) in
            [(shape.header_digest, 0, header), (shape.data_digest, data, len.saturating_sub(4))]
        {
            let digest = crc32c(pdu.get(from..at).unwrap_or_default());
            if let Some(place) = pdu.get_mut(at..).and_then(<[u8]>::first_chunk_mut)
                && present
            {
                *place = digest.to_le_bytes();
            }
        }
        rest = behind;
    }
}

/// One stream, to be framed in different ways.
struct Test<'a> {
    rules: Rules,
    format: Format,
    limits: Limits,
    stream: &'a [u8],
    sizes: [usize; 3],
}

impl Test<'_> {
    fn framer(&self, capacity: usize) -> Framer {
        let mut framer = Framer::with_capacity(self.rules.receiver, self.limits, capacity);
        if self.rules.phase == Phase::Ready {
            framer.ready(self.format, self.limits);
        }
        framer
    }

    fn pieces<'s>(&'s self, sizes: &'s [usize]) -> Pieces<'s> {
        Pieces { rest: self.stream, sizes, at: 0 }
    }

    fn whole(&self, capacity: usize, sizes: &[usize]) -> (Vec<Came>, Option<ProtocolError>) {
        let mut framer = self.framer(capacity);
        let mut pieces = self.pieces(sizes);
        let mut came = Vec::new();
        loop {
            match framer.next() {
                Ok(Some(pdu)) => {
                    let handshake = pdu.header.pdu_type().is_handshake();
                    came.push((pdu.header, pdu.data.to_vec(), pdu.data_digest));
                    if handshake {
                        framer.ready(self.format, self.limits);
                    }
                }
                Ok(None) => {
                    if !pieces.feed(&mut framer) {
                        return (came, None);
                    }
                }
                Err(error) => return (came, Some(error)),
            }
        }
    }

    fn owned(&self) -> (Vec<Came>, Option<ProtocolError>) {
        let mut framer = BytesFramer::new(self.rules.receiver, self.limits);
        if self.rules.phase == Phase::Ready {
            framer.ready(self.format, self.limits);
        }
        let mut pieces = self.pieces(&self.sizes);
        let mut came = Vec::new();
        loop {
            match framer.next() {
                Ok(Some(pdu)) => {
                    if pdu.header.pdu_type().is_handshake() {
                        framer.ready(self.format, self.limits);
                    }
                    came.push((pdu.header, pdu.data.to_vec(), pdu.data_digest));
                }
                Ok(None) => {
                    let piece = pieces.take(usize::MAX);
                    if piece.is_empty() {
                        return (came, None);
                    }
                    framer.buffer_mut().extend_from_slice(piece);
                }
                Err(error) => return (came, Some(error)),
            }
        }
    }

    /// Headers first, with `take` for data; `take` says `None` when the stream ends first.
    fn headers_first<T>(
        &self,
        capacity: usize,
        mut take: impl FnMut(&mut Framer, &mut Pieces<'_>, Header) -> Option<T>,
    ) -> (Vec<T>, Option<ProtocolError>) {
        let mut framer = self.framer(capacity);
        let mut pieces = self.pieces(&self.sizes);
        let mut came = Vec::new();
        loop {
            match framer.next_header() {
                Ok(Some(header)) => {
                    if header.pdu_type().is_handshake() {
                        framer.ready(self.format, self.limits);
                    }
                    match take(&mut framer, &mut pieces, header) {
                        Some(taken) => came.push(taken),
                        None => return (came, None),
                    }
                }
                Ok(None) if pieces.feed(&mut framer) => {}
                Ok(None) => return (came, None),
                Err(error) => return (came, Some(error)),
            }
        }
    }

    fn lent(&self, capacity: usize) -> (Vec<Came>, Option<ProtocolError>) {
        self.headers_first(capacity, |framer, pieces, header| {
            if framer.data_len() == 0 {
                return Some((header, Vec::new(), DataDigest::Absent));
            }
            loop {
                if let Some(data) = framer.data() {
                    return Some((header, data.bytes.to_vec(), data.digest));
                }
                if !pieces.feed(framer) {
                    return None;
                }
            }
        })
    }

    fn placed(&self, capacity: usize) -> (Vec<Came>, Option<ProtocolError>) {
        let mut direct = false;
        self.headers_first(capacity, |framer, pieces, header| {
            if framer.data_len() == 0 {
                return Some((header, Vec::new(), DataDigest::Absent));
            }
            let mut place = vec![0; framer.data_len()];
            loop {
                let (filled, missing) = match framer.place(&mut place) {
                    Ok(Placed::Done(digest)) => return Some((header, place, digest)),
                    Ok(Placed::More { filled, missing }) => (filled, missing),
                    Err(error) => panic!("{error}"),
                };
                direct = !direct;
                if direct && missing > 0 {
                    let piece = pieces.take(missing);
                    let Some(to) = place.get_mut(filled..).and_then(|to| to.get_mut(..piece.len())) else {
                        panic!("more than was missing")
                    };
                    to.copy_from_slice(piece);
                    framer.placed(piece.len());
                    if piece.is_empty() {
                        return None;
                    }
                } else if !pieces.feed(framer) {
                    return None;
                }
            }
        })
    }

    fn skipped(&self, capacity: usize) -> (Vec<Header>, Option<ProtocolError>) {
        self.headers_first(capacity, |_, _, header| Some(header))
    }
}

/// A stream in pieces.
struct Pieces<'a> {
    rest: &'a [u8],
    sizes: &'a [usize],
    at: usize,
}

impl<'a> Pieces<'a> {
    /// The next piece, of at most `max` bytes; empty at the end.
    fn take(&mut self, max: usize) -> &'a [u8] {
        let size = self.sizes.iter().cycle().nth(self.at).copied().unwrap_or(1);
        self.at = self.at.wrapping_add(1).checked_rem(self.sizes.len()).unwrap_or_default();
        let (piece, rest) = self.rest.split_at(size.min(max).min(self.rest.len()));
        self.rest = rest;
        piece
    }

    /// Gives a piece to `framer`; whether there was one.
    fn feed(&mut self, framer: &mut Framer) -> bool {
        let before = self.rest;
        let piece = self.take(usize::MAX);
        if piece.is_empty() {
            return false;
        }
        let taken = framer.push(piece);
        assert!(taken > 0, "no room although more is needed");
        self.rest = before.get(taken..).unwrap_or_default();
        true
    }
}

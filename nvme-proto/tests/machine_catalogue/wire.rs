//! PDUs, wrong ones among them, and what comes back.

use nvme_proto::digest::Digests;
use nvme_proto::fabrics::Connect;
use nvme_proto::frame::Transmit;
use nvme_proto::pdu::{CapsuleCmd, DataAlignment, Format, PduHeader};
use nvme_proto::sgl::Sgl;
use nvme_proto::sqe::Sqe;

pub(crate) type Bytes = Vec<u8>;

/// What one side answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// A terminate request with this FES and FEI, and the header at fault.
    Term(u16, u32),
    /// No terminate request; the connection is closed.
    Close,
    /// ICResp.
    IcResp,
    /// A completion with this status (SCT and SC), the connection stays.
    Status(u16),
    /// A completion with success.
    Ok,
    /// An R2T for this many bytes.
    R2t(u32),
    /// The host's command succeeds.
    Done,
    /// The host's command fails in this way, the connection stays.
    Fails(&'static str),
    /// Nothing.
    Silence,
}

pub(crate) fn pdu<H: PduHeader>(header: H, digests: Digests, data: &[u8]) -> Bytes {
    let format = Format { digests, alignment: DataAlignment::DWORD };
    Transmit::new(header, format, data).unwrap().chunks().concat()
}

/// Changes bytes of a PDU.
pub(crate) fn with(mut bytes: Bytes, at: usize, new: &[u8]) -> Bytes {
    bytes[at..][..new.len()].copy_from_slice(new);
    bytes
}

/// Turns a bit.
pub(crate) fn flip(mut bytes: Bytes, at: usize) -> Bytes {
    bytes[at] ^= 1;
    bytes
}

/// The first of the terminate requests in `bytes`, which are whole PDUs: FES, FEI and the header that is its data.
pub(crate) fn term_req(bytes: &[u8]) -> Option<(u16, u32, Bytes)> {
    pdus(bytes).into_iter().find(|pdu| matches!(pdu[0], 2 | 3)).map(|pdu| {
        let fes = u16::from_le_bytes([pdu[8], pdu[9]]);
        let fei = u32::from_le_bytes(pdu[10..14].try_into().unwrap());
        assert!((24..=152).contains(&pdu.len()) && pdu[1] == 0 && pdu[2] == 24, "{pdu:?}");
        assert_eq!(pdu[14..24], [0; 10]);
        (fes, fei, pdu[24..].to_vec())
    })
}

pub(crate) fn pdus(mut bytes: &[u8]) -> Vec<Bytes> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let len = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        all.push(bytes[..len].to_vec());
        bytes = &bytes[len..];
    }
    all
}

pub(crate) fn capsule(sqe: Sqe, digests: Digests, data: &[u8]) -> Bytes {
    pdu(CapsuleCmd::new(sqe.encode()), digests, data)
}

/// Connect of the admin queue, its data in the capsule.
pub(crate) fn connect_sqe() -> Sqe {
    Connect::admin(31, 0).to_sqe().with_cid(1).with_sgl(Sgl::in_capsule(1024))
}

pub(crate) fn connect(data: &[u8]) -> Bytes {
    capsule(connect_sqe(), Digests::NONE, data)
}

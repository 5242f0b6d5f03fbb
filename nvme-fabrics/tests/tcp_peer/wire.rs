//! PDUs, right or wrong.

use nvme_proto::cqe::Cqe;

pub fn pdu(kind: u8, flags: u8, data_offset: u8, len: u32, body: &[u8]) -> Vec<u8> {
    [&[kind, flags, 24, data_offset][..], &len.to_le_bytes(), body].concat()
}

pub fn response(cid: u16) -> Vec<u8> {
    pdu(5, 0, 0, 24, &Cqe::success(cid).encode())
}

/// Data of a command: `flags` 4 is LAST_PDU, 8 SUCCESS.
pub fn data(cid: u16, flags: u8, offset: u32, len: u32) -> Vec<u8> {
    let head = [&cid.to_le_bytes()[..], &[0; 2], &offset.to_le_bytes(), &len.to_le_bytes(), &[0; 4]].concat();
    [pdu(7, flags, 24, 24 + len, &head), vec![0xda; len as usize]].concat()
}

pub fn r2t(cid: u16, tag: u16, offset: u32, len: u32) -> Vec<u8> {
    let (cid, tag) = (cid.to_le_bytes(), tag.to_le_bytes());
    pdu(9, 0, 0, 24, &[&cid[..], &tag, &offset.to_le_bytes(), &len.to_le_bytes(), &[0; 4]].concat())
}

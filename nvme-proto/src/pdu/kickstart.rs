//! Kickstart discovery: a named place for what no source available describes byte by byte.
//!
//! Revisions of NVMe/TCP after 1.0 have a way for a direct discovery controller to make itself known to a central one. It connects as the
//! TCP client, sends ICReq with FLAGS bit 7 set ([`Flags::KDCONN`](super::Flags::KDCONN)), and after ICResp one *KDReq* PDU; the answer is a
//! *KDResp* PDU, and the connection is closed.
//!
//! | code | name | |
//! |---|---|---|
//! | 0Ah | KDReq | from the connecting side |
//! | 0Bh | KDResp | from the accepting side |
//!
//! The layouts of the two, and that these are their codes, are **not** confirmed. So this crate refuses both by name
//! ([`Rule::Kickstart`](super::Rule::Kickstart), answered like any unknown type with FES 01h, FEI 0), ignores bit 7 of ICReq like any reserved
//! flag, and keeps it in [`Envelope::flags`](super::Envelope::flags) for whoever wants to look. Linux up to 7.3 and SPDK 26.05 do the same.

/// The code at which KDReq is expected.
pub const KD_REQ: u8 = 0x0a;

/// The code at which KDResp is expected.
pub const KD_RESP: u8 = 0x0b;

/// Whether a PDU of this code would be one of kickstart discovery.
#[must_use]
pub const fn is_kickstart(code: u8) -> bool {
    matches!(code, KD_REQ | KD_RESP)
}

#[cfg(test)]
mod tests {
    use crate::pdu::{Header, HeaderDecodeError, Rule};

    #[test]
    fn refused_by_name() {
        for code in [super::KD_REQ, super::KD_RESP] {
            let mut bytes = [0; 128];
            bytes[..5].copy_from_slice(&[code, 0, 24, 0, 24]);
            let Err(HeaderDecodeError::Protocol(error)) = Header::decode(&bytes) else { panic!("taken") };
            assert_eq!((error.rule, error.fes.0, error.fei), (Rule::Kickstart, 1, 0));
            assert!(alloc::format!("{error}").contains("kickstart"), "{error}");
        }
    }
}

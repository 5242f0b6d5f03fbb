//! Everything in front of the data, as bytes.

use super::flags::Flags;
use super::header::PduHeader;
use crate::digest::crc32c;

/// The front of a PDU as bytes: header, header digest, and padding up to the data. At most 144 bytes.
///
/// ```
/// use nvme_proto::digest::Digests;
/// use nvme_proto::pdu::{Format, H2cData, Head};
///
/// let mut header = H2cData::new(86, 5, 0, 512);
/// Format { digests: Digests::HEADER, ..Format::PLAIN }.apply(&mut header, 512)?;
/// assert_eq!(Head::of(&header).as_bytes().len(), 28);
/// # Ok::<(), nvme_proto::pdu::EncodeError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Head {
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl Head {
    /// The longest one that a format makes: 76 bytes of header and digest, aligned to 72.
    pub const MAX_LEN: usize = 144;
    pub(crate) const MAX_PLACE: u8 = 144;

    /// Of a header whose FLAGS, PDO and PLEN are set: [`Format::apply`](super::Format::apply) sets them.
    ///
    /// The digest is computed if HDGSTF says that there is one. No format makes more padding than fits; where a PDO that was decoded is beyond
    /// 144, the padding ends there.
    #[must_use]
    #[inline]
    pub fn of<H: PduHeader>(header: &H) -> Self {
        let pdu_type = header.pdu_type();
        let envelope = header.envelope();
        let encoded = header.to_bytes();
        let encoded = encoded.as_ref();
        let mut head = Self { bytes: [0; Self::MAX_LEN], len: pdu_type.header_len() };
        if let Some(bytes) = head.bytes.get_mut(..encoded.len()) {
            bytes.copy_from_slice(encoded);
        }
        if pdu_type.defined_flags().contains(Flags::HDGSTF)
            && envelope.flags.contains(Flags::HDGSTF)
            && let Some(digest) = head.bytes.get_mut(encoded.len()..).and_then(<[u8]>::first_chunk_mut)
        {
            *digest = crc32c(encoded).to_le_bytes();
            // At most 72 + 4: ICReq and ICResp have none.
            head.len = head.len.saturating_add(4);
        }
        let has_place = !pdu_type.is_handshake() && !pdu_type.is_termination();
        if has_place && envelope.pdu_len > u32::from(head.len) {
            head.len = envelope.data_offset.clamp(head.len, Self::MAX_PLACE);
        }
        head
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Head {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataAlignment;
    use crate::digest::Digests;
    use crate::pdu::{CapsuleCmd, Format, IcReq, R2t};

    #[test]
    fn header_digest_padding() {
        let both = |field| Format { digests: Digests::BOTH, alignment: DataAlignment::new(field).unwrap() };
        let len = |field, data| {
            let mut header = CapsuleCmd::new([0x5a; 64]);
            both(field).apply(&mut header, data).unwrap();
            let head = Head::of(&header);
            assert!(head.as_bytes().get(76..).unwrap().iter().all(|byte| *byte == 0));
            assert_eq!(head.as_bytes()[72..76], crc32c(&header.encode()).to_le_bytes());
            head.as_bytes().len()
        };
        assert_eq!([len(0, 0), len(31, 0), len(0, 512), len(15, 512), len(31, 512)], [76, 76, 76, 128, 128]);
        // Alignments of 68 and 72 bytes are the ones that need most.
        assert_eq!([len(16, 512), len(17, 512)], [136, 144]);
        assert!((0..32).all(|field| len(field, 512) <= Head::MAX_LEN));
        let head = |header: R2t| Head::of(&header).as_bytes().len();
        let mut r2t = R2t::new(1, 2, 0, 4);
        assert_eq!(head(r2t), 24);
        both(31).apply(&mut r2t, 0).unwrap();
        assert_eq!(head(r2t), 28);
    }

    #[test]
    fn a_handshake_has_no_digest_whatever_its_flags_say() {
        let mut header = IcReq::new(DataAlignment::DWORD, Digests::BOTH, 0);
        header.envelope.flags = Flags(0xff);
        assert_eq!(Head::of(&header).as_bytes(), header.encode());
    }
}

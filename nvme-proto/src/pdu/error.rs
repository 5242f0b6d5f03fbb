//! What a PDU violates, where, and what its sender is told.

use core::fmt;

use super::kind::PduType;
use crate::registry::wire_values;

wire_values! {
    /// Fatal error status (FES) of a termination request. 2 bytes.
    ///
    /// Numbers without a name terminate the connection like any other.
    ///
    /// Source: NVMe/TCP 1.0, H2CTermReq and C2HTermReq; Linux `include/linux/nvme-tcp.h: nvme_tcp_fatal_error_status`.
    #[doc(alias = "FES")]
    pub struct FatalErrorStatus(u16) {
        /// A field of the header has a wrong value; FEI is its offset from the start of the PDU.
        INVALID_HEADER_FIELD = 1 => "Invalid PDU Header Field",
        /// A PDU that may not come now.
        SEQUENCE_ERROR = 2 => "PDU Sequence Error",
        /// The header digest is wrong; FEI is the digest received.
        HEADER_DIGEST_ERROR = 3 => "Header Digest Error",
        /// Data outside what was asked for.
        OUT_OF_RANGE = 4 => "Data Transfer Out of Range",
        /// In a C2HTermReq: more data than the controller takes. In an H2CTermReq: more R2Ts than the host takes.
        #[doc(alias = "R2T Limit Exceeded")]
        LIMIT_EXCEEDED = 5 => "Data Transfer Limit Exceeded / R2T Limit Exceeded",
        /// A parameter that is not supported; FEI is its offset from the start of the PDU.
        UNSUPPORTED_PARAMETER = 6 => "Unsupported Parameter",
    }
}

/// Declares the rules with the place they are about, the status they are answered with, and the words for them.
macro_rules! rules {
    ($( $(#[$meta:meta])* $rule:ident $at:literal $fes:ident $words:literal; )+) => {
        /// A rule of the protocol that a PDU can violate.
        ///
        /// Those up to [`TermReqShape`](Self::TermReqShape) are checked by the decoders and by framing; the others need to know the commands that
        /// are outstanding, and are found by the connection.
        ///
        /// | rule | byte | FES |
        /// |---|---|---|
        $( #[doc = concat!("| [`", stringify!($rule), "`](Self::", stringify!($rule), ") | ", stringify!($at), " | [`", stringify!($fes), "`](FatalErrorStatus::", stringify!($fes), ") |")] )+
        ///
        /// FEI is the byte for [`INVALID_HEADER_FIELD`](FatalErrorStatus::INVALID_HEADER_FIELD) and
        /// [`UNSUPPORTED_PARAMETER`](FatalErrorStatus::UNSUPPORTED_PARAMETER), the digest received for
        /// [`HEADER_DIGEST_ERROR`](FatalErrorStatus::HEADER_DIGEST_ERROR), else 0.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $( $(#[$meta])* $rule, )+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$( Self::$rule ),+];

            /// The byte the rule is about, the status, and the words.
            const fn entry(self) -> (u8, FatalErrorStatus, &'static str) {
                match self {
                    $( Self::$rule => ($at, FatalErrorStatus::$fes, $words), )+
                }
            }
        }
    };
}

rules! {
    /// The type is none of the nine.
    UnknownType 0 INVALID_HEADER_FIELD "the type is reserved";
    /// The type belongs to kickstart discovery, which is not supported.
    Kickstart 0 INVALID_HEADER_FIELD "the type belongs to kickstart discovery, which is not supported";
    /// The type is one that the receiver sends, not its peer.
    WrongDirection 0 INVALID_HEADER_FIELD "the peer may not send this type";
    /// The bytes are a PDU of another type than the one asked for. Not produced by framing.
    OtherType 0 INVALID_HEADER_FIELD "the type is another one";
    /// Something else came before ICReq or ICResp.
    BeforeHandshake 0 SEQUENCE_ERROR "the connection is not initialized yet";
    /// A second ICReq or ICResp came.
    SecondHandshake 0 SEQUENCE_ERROR "the connection is initialized already";
    /// HDGSTF does not say what was negotiated.
    HeaderDigestFlag 1 INVALID_HEADER_FIELD "HDGSTF in FLAGS is not what was negotiated";
    /// DDGSTF does not say what was negotiated.
    DataDigestFlag 1 INVALID_HEADER_FIELD "DDGSTF in FLAGS is not what was negotiated";
    /// SUCCESS without LAST_PDU.
    SuccessWithoutLast 1 INVALID_HEADER_FIELD "SUCCESS is set in FLAGS without LAST_PDU";
    /// HLEN is not that of the type.
    HeaderLen 2 INVALID_HEADER_FIELD "HLEN is not the header length of this type";
    /// PDO points into the header, or is not aligned.
    DataPlace 3 INVALID_HEADER_FIELD "PDO is inside the header or not aligned as negotiated";
    /// PLEN does not fit the type, or leaves no room for what HLEN, PDO and FLAGS announce.
    PduLen 4 INVALID_HEADER_FIELD "PLEN does not fit the header, the data and the digests";
    /// PLEN is beyond the receiver's bound for any PDU.
    PduTooLong 4 INVALID_HEADER_FIELD "PLEN is beyond all bounds";
    /// More data in one PDU than the receiver takes: in a capsule, or more than MAXH2CDATA. From a controller: more than any command could
    /// have asked for, answered with [`FatalErrorStatus::OUT_OF_RANGE`], since a host has no other status for it.
    DataLimit 4 LIMIT_EXCEEDED "more data in one PDU than the receiver takes";
    /// The header digest does not match the header.
    HeaderDigest 0 HEADER_DIGEST_ERROR "the header digest does not match";
    /// PFV is not 0.
    Version 8 INVALID_HEADER_FIELD "PFV is not 0, the only version there is";
    /// HPDA or CPDA is beyond 31.
    Alignment 10 INVALID_HEADER_FIELD "the data alignment is beyond 31 (128 bytes)";
    /// ICResp enables a digest that ICReq did not ask for.
    DigestNotRequested 11 INVALID_HEADER_FIELD "DGST enables a digest that was not asked for";
    /// MAXH2CDATA is below 4096 or not a multiple of 4.
    MaxH2cData 12 INVALID_HEADER_FIELD "MAXH2CDATA is below 4096 or not a multiple of 4";
    /// DATAO or R2TO is not a multiple of 4.
    OffsetUnaligned 12 INVALID_HEADER_FIELD "the data offset is not a multiple of 4";
    /// DATAL or R2TL is 0.
    DataLenZero 16 INVALID_HEADER_FIELD "the data length is 0";
    /// DATAL is not the length of the data in the PDU.
    DataLen 16 INVALID_HEADER_FIELD "DATAL is not the length of the data in the PDU";
    /// DATAL is not a multiple of 4, although more data follow.
    DataLenUnaligned 16 INVALID_HEADER_FIELD "DATAL is not a multiple of 4, although it is not the last PDU";
    /// The end of the data, or of what an R2T asks for, is beyond 32 bits.
    EndBeyond32Bits 12 OUT_OF_RANGE "offset and length together are beyond 32 bits";
    /// A termination request of impossible lengths. It ends the connection like any other, and is never answered.
    TermReqShape 2 INVALID_HEADER_FIELD "HLEN is not 24 or PLEN not 24 to 152; a termination request is not answered";

    /// CCCID is that of no outstanding command.
    UnknownCommand 8 INVALID_HEADER_FIELD "no outstanding command has this identifier";
    /// The completion's CID is that of no outstanding command.
    UnknownCompletion 20 INVALID_HEADER_FIELD "no outstanding command has the identifier of this completion";
    /// TTAG is that of no outstanding R2T.
    UnknownTag 10 INVALID_HEADER_FIELD "no outstanding R2T has this transfer tag";
    /// CCCID is not the command of the R2T that TTAG names.
    ForeignTag 8 INVALID_HEADER_FIELD "the transfer tag belongs to another command";
    /// Data or an R2T for a command that transfers nothing in this direction, or all of it already.
    NoDataExpected 0 SEQUENCE_ERROR "the command transfers no (more) data in this direction";
    /// Data, or an R2T, that do not continue where the last one ended.
    OutOfOrder 0 SEQUENCE_ERROR "the offset does not continue where the last transfer ended";
    /// LAST_PDU before the end of what was asked for, or missing at the end.
    LastFlag 0 SEQUENCE_ERROR "LAST_PDU does not mark the end of the data";
    /// Data, or an R2T, beyond the command's data or beyond the R2T.
    OutOfRange 0 OUT_OF_RANGE "beyond the data of the command or of the R2T";
    /// More R2Ts outstanding than the host allowed.
    R2tLimit 0 LIMIT_EXCEEDED "more R2Ts outstanding than MAXR2T allows";
    /// More commands outstanding than the queue holds.
    CommandLimit 0 SEQUENCE_ERROR "more commands outstanding than the queue holds";
    /// A command with the identifier of one that is outstanding.
    DuplicateCommand 10 INVALID_HEADER_FIELD "a command with this identifier is outstanding already";
    /// The data in the capsule are not as long as the command's SGL says.
    CapsuleDataLen 4 INVALID_HEADER_FIELD "the data in the capsule are not as long as the SGL says";
    /// The SGL's offset into the capsule is not 0.
    SglOffset 32 UNSUPPORTED_PARAMETER "the SGL's offset into the capsule is not 0";
    /// The SGL's identifier is not one that TCP has.
    SglIdentifier 47 UNSUPPORTED_PARAMETER "the SGL is of a kind that TCP does not carry";
}

/// What the receiver of a wrong PDU does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Send a termination request, then wait for the peer to close.
    TermReq {
        /// Fatal error status.
        fes: FatalErrorStatus,
        /// Fatal error information.
        fei: u32,
    },
    /// Close without a word: the PDU was a termination request itself.
    Close,
}

/// A PDU that ends the connection: which rule it violates, at which byte, and what its sender is told.
///
/// `Copy`, without memory of its own. [`TermReq::answering`](super::TermReq::answering) makes the PDU that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub struct ProtocolError {
    /// The type as received (byte 0): it may be a reserved one.
    pub pdu_type: u8,
    /// The byte the rule is about, from the start of the PDU.
    pub at: u8,
    /// The rule.
    pub rule: Rule,
    /// What was found there.
    pub found: u32,
    /// Fatal error status to send.
    pub fes: FatalErrorStatus,
    /// Fatal error information to send.
    pub fei: u32,
}

impl ProtocolError {
    /// A PDU of type `pdu_type` violates `rule` by saying `found`. Everything else follows from the rule.
    #[must_use]
    #[cold]
    #[inline]
    pub const fn new(pdu_type: PduType, rule: Rule, found: u32) -> Self {
        Self::with_code(pdu_type.code(), rule, found)
    }

    /// The same for a type that may be reserved.
    #[cold]
    #[inline]
    pub(crate) const fn with_code(code: u8, rule: Rule, found: u32) -> Self {
        let (mut at, mut fes, _) = rule.entry();
        match (rule, PduType::from_code(code)) {
            (Rule::DataLimit, Some(PduType::C2hData)) => fes = FatalErrorStatus::OUT_OF_RANGE,
            (Rule::HeaderDigest, Some(pdu_type)) => at = pdu_type.header_len(),
            _ => {}
        }
        let fei = match fes {
            FatalErrorStatus::INVALID_HEADER_FIELD | FatalErrorStatus::UNSUPPORTED_PARAMETER => {
                u32::from_le_bytes([at, 0, 0, 0])
            }
            FatalErrorStatus::HEADER_DIGEST_ERROR => found,
            _ => 0,
        };
        Self { pdu_type: code, at, rule, found, fes, fei }
    }

    /// What the receiver does. A termination request is never answered with one.
    #[must_use]
    pub const fn answer(&self) -> Answer {
        match PduType::from_code(self.pdu_type) {
            Some(pdu_type) if pdu_type.is_termination() => Answer::Close,
            _ => Answer::TermReq { fes: self.fes, fei: self.fei },
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pdu_type, at, rule, found, fes, fei } = self;
        match PduType::from_code(*pdu_type) {
            Some(pdu_type) => write!(f, "{pdu_type}")?,
            None => write!(f, "PDU of type {pdu_type:#04x}")?,
        }
        let (_, _, words) = rule.entry();
        write!(f, ": {words} (byte {at}, found {found:#x}); ")?;
        match self.answer() {
            Answer::TermReq { .. } => write!(f, "the peer is told FES {:02x}h ({fes}), FEI {fei:#x}", fes.0),
            Answer::Close => f.write_str("the connection is closed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_answer_follows_from_the_rule() {
        let error = ProtocolError::new(PduType::CapsuleCmd, Rule::HeaderLen, 71);
        assert_eq!((error.at, error.fes.0, error.fei), (2, 1, 2));
        assert_eq!(
            error.to_string(),
            "CapsuleCmd: HLEN is not the header length of this type (byte 2, found 0x47); the peer is told FES 01h (Invalid \
             PDU Header Field), FEI 0x2"
        );
        let error = ProtocolError::new(PduType::CapsuleCmd, Rule::HeaderDigest, 0xac53_d648);
        assert_eq!((error.at, error.fes.0, error.fei), (72, 3, 0xac53_d648));
        let error = ProtocolError::new(PduType::H2cData, Rule::DataLimit, 5);
        assert_eq!((error.fes.0, error.fei), (5, 0));
        let error = ProtocolError::new(PduType::C2hData, Rule::DataLimit, 5);
        assert_eq!((error.fes.0, error.fei), (4, 0));
        let error = ProtocolError::with_code(0xc0, Rule::UnknownType, 0xc0);
        assert!(error.to_string().starts_with("PDU of type 0xc0: the type is reserved"), "{error}");
    }

    #[test]
    fn a_termination_request_is_never_answered() {
        for pdu_type in PduType::ALL {
            for rule in Rule::ALL {
                let error = ProtocolError::new(pdu_type, *rule, 1);
                assert_eq!(error.answer() == Answer::Close, pdu_type.is_termination());
                if let Answer::TermReq { fes, fei } = error.answer() {
                    let located = matches!(fes.0, 1 | 6);
                    assert!(!located || fei == u32::from(error.at), "{error}");
                    assert!(located || fes.0 == 3 || fei == 0, "{error}");
                }
            }
        }
    }
}

//! The types of PDUs, and what each type's common header may say.

use super::flags::Flags;
use super::role::Role;

/// The type of a PDU (byte 0). Bit 0 tells the sender: 0 the host, 1 the controller.
///
/// A closed list, unlike the registries of this crate: a number that is not in it ends the connection.
///
/// | code | type | sent by | HLEN | FLAGS | data | PLEN |
/// |---|---|---|---|---|---|---|
/// | 00h | ICReq | host | 128 | | never | 128 |
/// | 01h | ICResp | controller | 128 | | never | 128 |
/// | 02h | H2CTermReq | host | 24 | | the header at fault, at byte 24 | 24 to 152 |
/// | 03h | C2HTermReq | controller | 24 | | the header at fault, at byte 24 | 24 to 152 |
/// | 04h | CapsuleCmd | host | 72 | HDGSTF DDGSTF | optional, at PDO | 72 + H, or PDO + data + D |
/// | 05h | CapsuleResp | controller | 24 | HDGSTF | never | 24 + H |
/// | 06h | H2CData | host | 24 | HDGSTF DDGSTF LAST_PDU | always, at PDO | PDO + data + D |
/// | 07h | C2HData | controller | 24 | HDGSTF DDGSTF LAST_PDU SUCCESS | always, at PDO | PDO + data + D |
/// | 09h | R2T | controller | 24 | HDGSTF | never | 24 + H |
///
/// H and D are 4 with the header or data digest in use, else 0. 0Ah and 0Bh: see [`kickstart`](super::kickstart).
///
/// Source: NVMe/TCP 1.0, the tables of the nine PDUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PduType {
    /// Initialize Connection Request.
    IcReq = 0x00,
    /// Initialize Connection Response.
    IcResp = 0x01,
    /// Host to Controller Terminate Connection Request.
    H2cTermReq = 0x02,
    /// Controller to Host Terminate Connection Request.
    C2hTermReq = 0x03,
    /// Command Capsule.
    CapsuleCmd = 0x04,
    /// Response Capsule.
    CapsuleResp = 0x05,
    /// Host to Controller Data Transfer.
    H2cData = 0x06,
    /// Controller to Host Data Transfer.
    C2hData = 0x07,
    /// Ready to Transfer.
    R2t = 0x09,
}

/// Whether PDUs of a type have data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataRule {
    /// Never.
    None,
    /// The header that is at fault, directly behind the own one; PDO is reserved.
    Cause,
    /// PDO tells where, if PLEN goes beyond the header.
    Optional,
    /// PDO tells where.
    Always,
}

impl PduType {
    /// All types, by code.
    pub const ALL: [Self; 9] = [
        Self::IcReq,
        Self::IcResp,
        Self::H2cTermReq,
        Self::C2hTermReq,
        Self::CapsuleCmd,
        Self::CapsuleResp,
        Self::H2cData,
        Self::C2hData,
        Self::R2t,
    ];

    /// The type with this code; `None` for a reserved one.
    #[must_use]
    #[inline]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x00 => Self::IcReq,
            0x01 => Self::IcResp,
            0x02 => Self::H2cTermReq,
            0x03 => Self::C2hTermReq,
            0x04 => Self::CapsuleCmd,
            0x05 => Self::CapsuleResp,
            0x06 => Self::H2cData,
            0x07 => Self::C2hData,
            0x09 => Self::R2t,
            _ => return None,
        })
    }

    /// The code: byte 0 of the PDU.
    #[must_use]
    #[inline]
    pub const fn code(self) -> u8 {
        match self {
            Self::IcReq => 0x00,
            Self::IcResp => 0x01,
            Self::H2cTermReq => 0x02,
            Self::C2hTermReq => 0x03,
            Self::CapsuleCmd => 0x04,
            Self::CapsuleResp => 0x05,
            Self::H2cData => 0x06,
            Self::C2hData => 0x07,
            Self::R2t => 0x09,
        }
    }

    /// The name in the specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IcReq => "ICReq",
            Self::IcResp => "ICResp",
            Self::H2cTermReq => "H2CTermReq",
            Self::C2hTermReq => "C2HTermReq",
            Self::CapsuleCmd => "CapsuleCmd",
            Self::CapsuleResp => "CapsuleResp",
            Self::H2cData => "H2CData",
            Self::C2hData => "C2HData",
            Self::R2t => "R2T",
        }
    }

    /// Who sends it.
    #[must_use]
    #[inline]
    pub const fn sender(self) -> Role {
        if self.code() & 1 == 0 { Role::Host } else { Role::Controller }
    }

    /// Length of the header in bytes (HLEN): the common header and what the type adds, without the digest.
    #[must_use]
    #[inline]
    #[doc(alias = "HLEN")]
    pub const fn header_len(self) -> u8 {
        match self {
            Self::IcReq | Self::IcResp => 128,
            Self::CapsuleCmd => 72,
            _ => 24,
        }
    }

    /// The flags this type defines; its other bits are reserved and ignored.
    #[must_use]
    #[inline]
    pub const fn defined_flags(self) -> Flags {
        match self {
            Self::IcReq | Self::IcResp | Self::H2cTermReq | Self::C2hTermReq => Flags::NONE,
            Self::CapsuleResp | Self::R2t => Flags::HDGSTF,
            Self::CapsuleCmd => Flags::HDGSTF.with(Flags::DDGSTF),
            Self::H2cData => Flags::HDGSTF.with(Flags::DDGSTF).with(Flags::LAST_PDU),
            Self::C2hData => Flags::HDGSTF.with(Flags::DDGSTF).with(Flags::LAST_PDU).with(Flags::SUCCESS),
        }
    }

    /// Whether PDUs of this type have data.
    #[inline]
    pub(crate) const fn data_rule(self) -> DataRule {
        match self {
            Self::IcReq | Self::IcResp | Self::CapsuleResp | Self::R2t => DataRule::None,
            Self::H2cTermReq | Self::C2hTermReq => DataRule::Cause,
            Self::CapsuleCmd => DataRule::Optional,
            Self::H2cData | Self::C2hData => DataRule::Always,
        }
    }

    /// Whether it belongs to the handshake: the first PDU in each direction, and only the first.
    #[must_use]
    #[inline]
    pub const fn is_handshake(self) -> bool {
        matches!(self, Self::IcReq | Self::IcResp)
    }

    /// Whether it terminates the connection.
    #[must_use]
    #[inline]
    pub const fn is_termination(self) -> bool {
        matches!(self, Self::H2cTermReq | Self::C2hTermReq)
    }
}

impl core::fmt::Display for PduType {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

impl From<PduType> for u8 {
    fn from(pdu_type: PduType) -> Self {
        pdu_type.code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_senders() {
        for code in 0..=u8::MAX {
            let known = PduType::from_code(code);
            assert_eq!(known.is_some(), matches!(code, 0..=7 | 9), "{code:#x}");
            if let Some(pdu_type) = known {
                assert_eq!(pdu_type.code(), code);
                assert_eq!(pdu_type as u8, code);
                assert!(PduType::ALL.contains(&pdu_type));
            }
        }
        assert_eq!(PduType::R2t.sender(), Role::Controller);
        assert_eq!(PduType::H2cData.sender(), Role::Host);
    }

    #[test]
    fn what_each_type_may_say() {
        let lens: [u8; 9] = PduType::ALL.map(PduType::header_len);
        assert_eq!(lens, [128, 128, 24, 24, 72, 24, 24, 24, 24]);
        let flags: [u8; 9] = PduType::ALL.map(|pdu_type| pdu_type.defined_flags().0);
        assert_eq!(flags, [0, 0, 0, 0, 3, 1, 7, 15, 1]);
    }
}

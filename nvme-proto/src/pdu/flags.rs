//! The FLAGS byte of the common header.

use core::fmt;
use core::ops::BitOr;

/// FLAGS (byte 1 of a PDU). Which of them a type defines: [`PduType::defined_flags`](super::PduType::defined_flags).
///
/// | bit | flag | on |
/// |---|---|---|
/// | 0 | HDGSTF: a header digest is there | CapsuleCmd, CapsuleResp, H2CData, C2HData, R2T |
/// | 1 | DDGSTF: a data digest is there | CapsuleCmd, H2CData, C2HData |
/// | 2 | LAST_PDU: the last data of the R2T (H2CData) or of the command (C2HData) | H2CData, C2HData |
/// | 3 | SUCCESS: no CapsuleResp follows, the command has succeeded; only with LAST_PDU | C2HData |
/// | 7:4 | reserved | |
///
/// Reserved bits are ignored by every check, and kept, so that a PDU encodes to the bytes it came from.
///
/// Source: NVMe/TCP 1.0, the FLAGS rows of the PDU tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Flags(pub u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// A header digest is there.
    pub const HDGSTF: Self = Self(1);
    /// A data digest is there.
    pub const DDGSTF: Self = Self(2);
    /// The last data of the R2T (H2CData) or of the command (C2HData).
    pub const LAST_PDU: Self = Self(4);
    /// No CapsuleResp follows: the command has succeeded.
    pub const SUCCESS: Self = Self(8);
    /// On ICReq in later revisions: a kickstart discovery connection. See [`kickstart`](super::kickstart).
    pub const KDCONN: Self = Self(0x80);

    /// Whether all flags of `other` are set.
    #[must_use]
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the flags of `other` set.
    #[must_use]
    #[inline]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// With the flags of `other` cleared.
    #[must_use]
    #[inline]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl fmt::Debug for Flags {
    /// The names, and what has none in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            (Self::HDGSTF, "HDGSTF"),
            (Self::DDGSTF, "DDGSTF"),
            (Self::LAST_PDU, "LAST_PDU"),
            (Self::SUCCESS, "SUCCESS"),
        ];
        f.write_str("Flags(")?;
        let mut rest = *self;
        let mut first = true;
        for (flag, name) in named {
            if self.contains(flag) {
                rest = rest.without(flag);
                write!(f, "{}{name}", if first { "" } else { " | " })?;
                first = false;
            }
        }
        if first || rest != Self::NONE {
            write!(f, "{}{:#x}", if first { "" } else { " | " }, rest.0)?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn names_and_leftovers_are_printed() {
        assert_eq!(format!("{:?}", Flags::NONE), "Flags(0x0)");
        assert_eq!(format!("{:?}", Flags(0x85)), "Flags(HDGSTF | LAST_PDU | 0x80)");
        assert_eq!(format!("{:?}", Flags::HDGSTF | Flags::SUCCESS), "Flags(HDGSTF | SUCCESS)");
    }

    #[test]
    fn sets() {
        let flags = Flags::HDGSTF | Flags::LAST_PDU;
        assert!(flags.contains(Flags::HDGSTF) && !flags.contains(Flags::HDGSTF | Flags::DDGSTF));
        assert_eq!(flags.without(Flags::HDGSTF), Flags::LAST_PDU);
    }
}

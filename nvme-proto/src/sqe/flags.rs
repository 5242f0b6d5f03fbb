//! What kind of entry: fused or not, how its data is found, which way the data goes.

use crate::bits::newtype_bits;
use crate::registry::wire_values;

wire_values! {
    /// Whether a command is half of a fused one: 2 bits.
    #[doc(alias = "FUSE")]
    pub struct Fuse(u8) {
        /// A command of its own.
        NORMAL = 0 => "normal",
        /// The first half.
        FIRST = 1 => "first",
        /// The second half.
        SECOND = 2 => "second",
    }

    /// How a command says where its data and metadata are: 2 bits.
    #[doc(alias = "PSDT")]
    pub struct Psdt(u8) {
        /// Physical pages. Not on fabrics, except where a peer follows the table for Fabrics commands in NVMe Base 2.x.
        PRP = 0 => "PRP",
        /// An SGL; metadata in a buffer. What every host on fabrics sends.
        SGL = 1 => "SGL",
        /// An SGL; metadata in an SGL segment.
        SGL_METADATA_SEGMENT = 2 => "SGL, metadata in a segment",
    }
}

newtype_bits!(Fuse, Psdt);

/// Byte 1 of an entry.
///
/// | bits | field                                |
/// |------|--------------------------------------|
/// | 1:0  | [`fuse`](Self::fuse) (FUSE)          |
/// | 5:2  | reserved, kept                       |
/// | 7:6  | [`psdt`](Self::psdt) (PSDT)          |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct SqeFlags(pub u8);

impl SqeFlags {
    /// What every command on fabrics carries: not fused, an SGL. The Linux target takes nothing else.
    pub const FABRICS: Self = Self(0x40);

    /// Bits 1:0.
    #[must_use]
    pub const fn fuse(self) -> Fuse {
        Fuse(self.0 & 0x3)
    }

    /// Bits 7:6.
    #[must_use]
    pub const fn psdt(self) -> Psdt {
        Psdt(self.0 >> 6)
    }

    /// The same with other bits 1:0.
    #[must_use]
    pub const fn with_fuse(self, fuse: Fuse) -> Self {
        Self(self.0 & !0x3 | fuse.0 & 0x3)
    }

    /// The same with other bits 7:6.
    #[must_use]
    pub const fn with_psdt(self, psdt: Psdt) -> Self {
        Self(self.0 & !0xc0 | psdt.0 << 6)
    }
}

/// Which way the data of a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataDirection {
    /// There is none.
    None,
    /// Host to controller, a write.
    HostToController,
    /// Controller to host, a read.
    ControllerToHost,
    /// Both ways.
    Both,
}

impl DataDirection {
    /// The direction that bits 1:0 of an opcode or Fabrics command type tell.
    #[must_use]
    pub const fn of(opcode: u8) -> Self {
        match opcode & 0x3 {
            0 => Self::None,
            1 => Self::HostToController,
            2 => Self::ControllerToHost,
            _ => Self::Both,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_taken_apart() {
        for bits in 0..=u8::MAX {
            let flags = SqeFlags(bits);
            assert_eq!(SqeFlags(bits & 0x3c).with_fuse(flags.fuse()).with_psdt(flags.psdt()), flags);
        }
        assert_eq!((SqeFlags::FABRICS.fuse(), SqeFlags::FABRICS.psdt()), (Fuse::NORMAL, Psdt::SGL));
    }
}

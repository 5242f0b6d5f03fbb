//! What kind of controller, and of which version.

use core::fmt;

use crate::layout::newtype_fields;
use crate::registry::wire_values;

wire_values! {
    /// What a controller is for. 1 byte.
    #[doc(alias = "CNTRLTYPE")]
    pub struct ControllerType(u8) {
        /// Not said; a controller older than NVMe 1.4.
        NOT_REPORTED = 0 => "not reported",
        /// It has namespaces and I/O queues.
        IO = 1 => "I/O",
        /// It has a discovery log.
        DISCOVERY = 2 => "discovery",
        /// It is for administration only.
        ADMINISTRATIVE = 3 => "administrative",
    }

    /// Which discovery controller this is. 1 byte.
    #[doc(alias = "DCTYPE")]
    pub struct DiscoveryControllerType(u8) {
        /// Not said.
        NOT_REPORTED = 0 => "not reported",
        /// Direct: it knows its own subsystem (DDC).
        DIRECT = 1 => "direct",
        /// Central: it knows those that registered with it (CDC).
        CENTRAL = 2 => "central",
    }
}

/// The version of NVMe a controller follows. 4 bytes; 0 where the controller is older than 1.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(alias = "VER")]
pub struct Version(pub u32);

impl Version {
    /// Bits 31:16.
    #[must_use]
    pub const fn major(self) -> u16 {
        let [_, _, low, high] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// Bits 15:8.
    #[must_use]
    pub const fn minor(self) -> u8 {
        let [_, minor, ..] = self.0.to_le_bytes();
        minor
    }

    /// Bits 7:0.
    #[must_use]
    pub const fn tertiary(self) -> u8 {
        let [tertiary, ..] = self.0.to_le_bytes();
        tertiary
    }
}

impl fmt::Display for Version {
    /// `2.1.0`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major(), self.minor(), self.tertiary())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({self})")
    }
}

newtype_fields!(Version, ControllerType, DiscoveryControllerType);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_version_has_three_numbers() {
        let version = Version(0x0002_0103);
        assert_eq!((version.major(), version.minor(), version.tertiary()), (2, 1, 3));
        assert_eq!(version.to_string(), "2.1.3");
        assert!(Version(0x0001_0400) < version);
    }
}

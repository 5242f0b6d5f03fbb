//! The small fields of a discovery log entry: what they can say.

use core::fmt;

use crate::layout::newtype_fields;
use crate::registry::wire_values;

wire_values! {
    /// What an entry leads to. 1 byte. The names are those nvme-cli prints.
    #[doc(alias = "SUBTYPE")]
    pub struct SubsystemType(u8) {
        /// Another discovery service: connect there and read its log.
        REFERRAL = 1 => "discovery subsystem referral",
        /// A subsystem with namespaces.
        NVM = 2 => "nvme subsystem",
        /// This very discovery service, seen from one of its ports.
        CURRENT_DISCOVERY = 3 => "current discovery subsystem",
    }

    /// Whether connections need a secure channel (bits 1:0 of TREQ).
    #[doc(alias = "TSC")]
    pub struct SecureChannel(u8) {
        /// Nothing is said.
        NOT_SPECIFIED = 0 => "not specified",
        /// A secure channel (TLS) is required.
        REQUIRED = 1 => "required",
        /// It is not required.
        NOT_REQUIRED = 2 => "not required",
    }

    /// Whether connections must authenticate (bits 5:4 of TREQ), for targets new enough to say so.
    #[doc(alias = "TASC")]
    pub struct Authentication(u8) {
        /// Nothing is said.
        NOT_SPECIFIED = 0 => "not specified",
        /// Authentication is required.
        REQUIRED = 1 => "required",
        /// Authentication that also sets up a secure channel is required.
        SECURE_CHANNEL = 2 => "required with secure channel concatenation",
    }

    /// What protects a TCP connection (SECTYPE, first byte of the transport-specific part). The names are those nvme-cli prints.
    #[doc(alias = "SECTYPE")]
    pub struct TcpSecurity(u8) {
        /// Nothing.
        NONE = 0 => "none",
        /// TLS 1.2 or older; obsolete.
        TLS12 = 1 => "tls",
        /// TLS 1.3.
        TLS13 = 2 => "tls13",
    }
}

/// Transport requirements (TREQ): 1 byte, every bit kept.
///
/// | bits | field                                                                         |
/// |------|-------------------------------------------------------------------------------|
/// | 1:0  | [`secure_channel`](Self::secure_channel) (TSC)                                |
/// | 2    | [`may_disable_flow_control`](Self::may_disable_flow_control)                  |
/// | 5:4  | [`authentication`](Self::authentication) (TASC)                               |
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "TREQ")]
pub struct TransportRequirements(pub u8);

impl TransportRequirements {
    /// The host may disable flow control of the submission queues.
    pub const FLOW_CONTROL_DISABLE: Self = Self(0x04);

    /// Whether connections need a secure channel.
    #[must_use]
    pub const fn secure_channel(self) -> SecureChannel {
        SecureChannel(self.0 & 0x3)
    }

    /// Whether the host may ask for submission queues without flow control.
    #[must_use]
    pub const fn may_disable_flow_control(self) -> bool {
        self.0 & Self::FLOW_CONTROL_DISABLE.0 != 0
    }

    /// Whether connections must authenticate.
    #[must_use]
    pub const fn authentication(self) -> Authentication {
        Authentication((self.0 >> 4) & 0x3)
    }
}

impl fmt::Display for TransportRequirements {
    /// As nvme-cli prints it, e.g. `not specified, sq flow control disable supported`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.secure_channel())?;
        if self.may_disable_flow_control() {
            f.write_str(", sq flow control disable supported")?;
        }
        if self.authentication() != Authentication::NOT_SPECIFIED {
            write!(f, ", authentication {}", self.authentication())?;
        }
        Ok(())
    }
}

impl fmt::Debug for TransportRequirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransportRequirements({:#04x}: {self})", self.0)
    }
}

/// Entry flags (EFLAGS): 2 bytes, every bit kept.
///
/// | bit | constant                                                                                                     |
/// |-----|--------------------------------------------------------------------------------------------------------------|
/// | 0   | [`DUPLICATE_INFORMATION`](Self::DUPLICATE_INFORMATION): its log is that of another discovery service         |
/// | 1   | [`PERSISTENT_CONNECTION`](Self::PERSISTENT_CONNECTION): it keeps explicit connections to its discovery service |
/// | 2   | [`NOT_CONNECTED`](Self::NOT_CONNECTED): the central discovery controller is not connected to it              |
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "EFLAGS")]
pub struct EntryFlags(pub u16);

impl EntryFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Duplicate returned information: every discovery service with this flag returns the same log.
    #[doc(alias = "DUPRETINFO")]
    pub const DUPLICATE_INFORMATION: Self = Self(0x1);
    /// Explicit persistent connections to the discovery service are supported.
    #[doc(alias = "EPCSD")]
    pub const PERSISTENT_CONNECTION: Self = Self(0x2);
    /// No connection to the central discovery controller.
    #[doc(alias = "NCC")]
    pub const NOT_CONNECTED: Self = Self(0x4);

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for EntryFlags {
    /// As nvme-cli prints it, e.g. `explicit discovery connections, duplicate discovery information`; other bits in numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            (Self::PERSISTENT_CONNECTION, "explicit discovery connections"),
            (Self::DUPLICATE_INFORMATION, "duplicate discovery information"),
            (Self::NOT_CONNECTED, "no cdc connectivity"),
        ];
        let mut rest = self.0;
        let mut separator = "";
        for (flag, words) in named {
            if self.contains(flag) {
                write!(f, "{separator}{words}")?;
                separator = ", ";
                rest &= !flag.0;
            }
        }
        match (self.0, rest) {
            (0, _) => f.write_str("none"),
            (_, 0) => Ok(()),
            (_, rest) => write!(f, "{separator}unknown ({rest:#x})"),
        }
    }
}

impl fmt::Debug for EntryFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryFlags({:#06x}: {self})", self.0)
    }
}

newtype_fields!(SubsystemType, TransportRequirements, EntryFlags);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn bits_print_as_nvme_cli_prints_them() {
        for (treq, words) in [
            (0x00, "not specified"),
            (0x01, "required"),
            (0x06, "not required, sq flow control disable supported"),
            (0x11, "required, authentication required"),
            (0x03, "unknown (0x3)"),
        ] {
            assert_eq!(TransportRequirements(treq).to_string(), words);
        }
        for (flags, words) in [
            (0, "none"),
            (1, "duplicate discovery information"),
            (3, "explicit discovery connections, duplicate discovery information"),
            (0x12, "explicit discovery connections, unknown (0x10)"),
            (0x8000, "unknown (0x8000)"),
        ] {
            assert_eq!(EntryFlags(flags).to_string(), words);
        }
    }
}

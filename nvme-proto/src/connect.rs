//! Why a target refuses Connect, in words.
//!
//! Linux's host reports most refused connects as EIO or EINVAL and tells the reason only to the kernel log. The completion itself says it: a status
//! and, for bad parameters, the place of the parameter.

use core::fmt;

use crate::status::{CommandContext, Status};

/// Where the parameter is that a target does not accept.
///
/// Decoded from dword 0 of the completion with status [`Status::CONNECT_INVALID_PARAMETERS`]:
///
/// | bits  | field                                                          |
/// |-------|----------------------------------------------------------------|
/// | 15:0  | IPO: offset of the parameter, bytes                            |
/// | 16    | IATTR: 0 in the submission queue entry, 1 in the Connect data  |
/// | 31:17 | reserved                                                       |
///
/// Source: NVMe over Fabrics 1.1 section 3.3, kernel `drivers/nvme/target/fabrics-cmd.c: nvmet_connect_result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectParameter {
    /// Command or data.
    pub place: ParameterPlace,
    /// Offset in it, bytes.
    #[doc(alias = "IPO")]
    pub offset: u16,
}

/// In which of its two parts Connect holds a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "IATTR")]
pub enum ParameterPlace {
    /// In the 64 bytes of the command.
    Command,
    /// In the 1024 bytes of the Connect data.
    Data,
}

impl ConnectParameter {
    /// The parameter that dword 0 of the completion names.
    #[must_use]
    pub const fn from_dw0(dw0: u32) -> Self {
        let [low, high, attributes, _] = dw0.to_le_bytes();
        let place = if attributes & 1 == 0 { ParameterPlace::Command } else { ParameterPlace::Data };
        Self { place, offset: u16::from_le_bytes([low, high]) }
    }

    /// Dword 0 of a completion that names this parameter.
    #[must_use]
    pub const fn to_dw0(self) -> u32 {
        let [low, high] = self.offset.to_le_bytes();
        let attributes = match self.place {
            ParameterPlace::Command => 0,
            ParameterPlace::Data => 1,
        };
        u32::from_le_bytes([low, high, attributes, 0])
    }

    /// Which parameter begins there; `None` when none does.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match (self.place, self.offset) {
            (ParameterPlace::Command, 40) => Some("record format (RECFMT)"),
            (ParameterPlace::Command, 42) => Some("queue identifier (QID)"),
            (ParameterPlace::Command, 44) => Some("queue size (SQSIZE)"),
            (ParameterPlace::Command, 46) => Some("connect attributes (CATTR)"),
            (ParameterPlace::Command, 48) => Some("keep-alive time-out (KATO)"),
            (ParameterPlace::Data, 0) => Some("host identifier (HOSTID)"),
            (ParameterPlace::Data, 16) => Some("controller identifier (CNTLID)"),
            (ParameterPlace::Data, 256) => Some("subsystem NQN (SUBNQN)"),
            (ParameterPlace::Data, 512) => Some("host NQN (HOSTNQN)"),
            _ => None,
        }
    }
}

impl fmt::Display for ConnectParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            ParameterPlace::Command => "the command",
            ParameterPlace::Data => "the Connect data",
        };
        let name = self.name().unwrap_or("unnamed parameter");
        write!(f, "{name} at byte {} of {place}", self.offset)
    }
}

/// A Connect that the target refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectReject {
    status: Status,
    dw0: u32,
}

/// Explains the completion of a Connect command by its status and its dword 0. `None` when the command succeeded.
#[must_use]
pub const fn explain(status: Status, dw0: u32) -> Option<ConnectReject> {
    if status.is_success() { None } else { Some(ConnectReject { status, dw0 }) }
}

impl ConnectReject {
    /// The status.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The parameter the target does not accept, when the status is about one.
    #[must_use]
    pub const fn parameter(&self) -> Option<ConnectParameter> {
        // Linux names the host NQN when it refuses the host; with dword 0 all zero nothing is named.
        let names = self.status.is(Status::CONNECT_INVALID_PARAMETERS)
            || (self.status.is(Status::CONNECT_INVALID_HOST) && self.dw0 != 0);
        if names { Some(ConnectParameter::from_dw0(self.dw0)) } else { None }
    }

    /// Whether the same command may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !self.status.dnr()
    }

    /// What it means, in a few words.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self.status.code() {
            0x180 => "the target does not know this format of Connect",
            0x181 => "the controller is busy or shutting down",
            0x182 => match ConnectParameter::from_dw0(self.dw0) {
                ConnectParameter { place: ParameterPlace::Data, offset: 256 } => {
                    "no subsystem of this NQN at this address"
                }
                ConnectParameter { place: ParameterPlace::Data, offset: 512 } => {
                    "the target does not accept the host NQN"
                }
                ConnectParameter { place: ParameterPlace::Data, offset: 16 } => {
                    "the target does not know this controller"
                }
                ConnectParameter { place: ParameterPlace::Data, offset: 0 } => {
                    "the target does not accept the host identifier"
                }
                ConnectParameter { place: ParameterPlace::Command, offset: 44 } => {
                    "the target does not accept the queue size"
                }
                ConnectParameter { place: ParameterPlace::Command, offset: 42 } => {
                    "the target does not accept the queue number"
                }
                _ => "the target does not accept a parameter",
            },
            0x183 => "the subsystem is not (or no longer) here",
            0x184 => "this host is not allowed to connect to the subsystem",
            0x191 => "the host must authenticate first",
            0x00c => "the queue is connected already, or its controller is not ready",
            0x001 => "the target does not know the command here",
            _ => "the target refused to connect",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self.status.code() {
            0x181 => "try again in a moment",
            0x182 => match ConnectParameter::from_dw0(self.dw0) {
                ConnectParameter { place: ParameterPlace::Data, offset: 256 } => {
                    "check the subsystem NQN byte by byte, and that the subsystem is linked to the port; discovery shows what there is"
                }
                ConnectParameter { place: ParameterPlace::Data, offset: 16 | 512 } => {
                    "every queue of a controller must be connected with the same host NQN; connect again from the beginning"
                }
                ConnectParameter { place: ParameterPlace::Command, offset: 44 } => {
                    "ask for a smaller queue, at least 2 entries"
                }
                ConnectParameter { place: ParameterPlace::Command, offset: 42 } => {
                    "ask for no more queues than the target grants"
                }
                _ => "compare the option with what the target supports",
            },
            0x183 => "read the discovery log again and connect to what it says now",
            0x184 => {
                "allow the host NQN on the target (allowed_hosts), or let any host connect (attr_allow_any_host)"
            }
            0x191 => "give the host its DH-HMAC-CHAP key",
            _ => "the target's own log may say more",
        }
    }
}

impl fmt::Display for ConnectReject {
    /// The reason, the parameter and the status.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason(), self.status.in_words(CommandContext::Fabrics))?;
        match self.parameter() {
            Some(parameter) => write!(f, ", {parameter}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn completions_of_real_targets_in_words() {
        for (dw0, field, words) in [
            (
                0x0001_0100,
                0x8304,
                "no subsystem of this NQN at this address: Connect Invalid Parameters (SCT 1 SC 0x82, do not retry), \
                 subsystem NQN (SUBNQN) at byte 256 of the Connect data",
            ),
            (
                0x0000_002c,
                0x8304,
                "the target does not accept the queue size: Connect Invalid Parameters (SCT 1 SC 0x82, do not retry), \
                 queue size (SQSIZE) at byte 44 of the command",
            ),
            (
                0x0001_0200,
                0x8308,
                "this host is not allowed to connect to the subsystem: Connect Invalid Host (SCT 1 SC 0x84, do not retry), \
                 host NQN (HOSTNQN) at byte 512 of the Connect data",
            ),
            (0, 0x0302, "the controller is busy or shutting down: Connect Controller Busy (SCT 1 SC 0x81)"),
        ] {
            let reject = explain(Status::from_cqe(field), dw0).unwrap();
            assert_eq!(reject.to_string(), words);
            assert_eq!(reject.is_retryable(), field & 0x8000 == 0);
            assert!(!reject.hint().is_empty());
            if let Some(parameter) = reject.parameter() {
                assert_eq!(parameter.to_dw0(), dw0);
            }
        }
        assert_eq!(explain(Status::SUCCESS, 0x0001_0001), None);
    }

    #[test]
    fn every_completion_has_words() {
        for code in 1..=0x7ff {
            for dw0 in [0, 0x0001_0100, u32::MAX] {
                let reject = explain(Status(code), dw0).unwrap();
                assert!(reject.to_string().contains("SCT") && !reject.hint().is_empty());
            }
        }
    }

    #[test]
    fn parameters_survive_both_ways() {
        for offset in 0..1024 {
            for place in [ParameterPlace::Command, ParameterPlace::Data] {
                let parameter = ConnectParameter { place, offset };
                assert_eq!(ConnectParameter::from_dw0(parameter.to_dw0()), parameter);
            }
        }
    }
}

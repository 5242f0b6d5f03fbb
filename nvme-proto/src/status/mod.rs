//! Status codes, in words.

mod codes;

use core::fmt;

/// The status of a completed command: 15 bits, every value kept.
///
/// | bits   | field                          | meaning                                                                      |
/// |--------|--------------------------------|------------------------------------------------------------------------------|
/// | 7:0    | [`sc`](Status::sc) (SC)        | status code                                                                  |
/// | 10:8   | [`sct`](Status::sct) (SCT)     | its type: 0 generic, 1 command specific, 2 media, 3 path, 7 vendor           |
/// | 12:11  | [`crd`](Status::crd) (CRD)     | retry after: 0 at once, 1 to 3 after CRDT1 to CRDT3 of Identify Controller   |
/// | 13     | [`more`](Status::more) (M)     | there is more in the Error Information log                                   |
/// | 14     | [`dnr`](Status::dnr) (DNR)     | do not retry: the same command would fail again                              |
///
/// This is the form in which Linux returns a status from its pass-through ioctls (`drivers/nvme/host/ioctl.c`: a positive
/// return value). In a completion queue entry the field is one bit higher, above the phase bit: [`from_cqe`](Status::from_cqe).
///
/// The constants are codes without the upper bits; compare with [`is`](Status::is):
///
/// ```
/// use nvme_proto::{CommandContext, Status};
/// let status = Status::from_cqe(0x8308);
/// assert!(status.is(Status::CONNECT_INVALID_HOST) && status.dnr());
/// assert_eq!(status.name_for(CommandContext::Fabrics), Some("Connect Invalid Host"));
/// assert_eq!(status.name_for(CommandContext::Nvm), Some("Invalid Command Identifier"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Status(pub u16);

/// Which kind of command a status answers; codes 0x180 to 0x1bf mean different things for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommandContext {
    /// A Fabrics command: Connect, Disconnect, Property Get and Set, Authentication.
    Fabrics,
    /// Any other admin command.
    Admin,
    /// An I/O command of the NVM command set.
    Nvm,
    /// An I/O command of the Zoned Namespace command set.
    Zns,
}

impl Status {
    /// The status in bytes 14 and 15 of a completion queue entry, whose lowest bit (phase) is dropped.
    #[must_use]
    pub const fn from_cqe(field: u16) -> Self {
        Self(field >> 1)
    }

    /// The field for a completion queue entry, phase bit 0. A bit 15 set by hand is lost.
    #[must_use]
    pub const fn to_cqe(self) -> u16 {
        self.0 << 1
    }

    /// Status code, 8 bits.
    #[doc(alias = "SC")]
    #[must_use]
    pub const fn sc(self) -> u8 {
        let [low, _] = self.0.to_le_bytes();
        low
    }

    /// Status code type, 0 to 7.
    #[doc(alias = "SCT")]
    #[must_use]
    pub const fn sct(self) -> u8 {
        let [_, high] = self.0.to_le_bytes();
        high & 0x7
    }

    /// Command retry delay: 0 to 3.
    #[doc(alias = "CRD")]
    #[must_use]
    pub const fn crd(self) -> u8 {
        let [_, high] = self.0.to_le_bytes();
        (high >> 3) & 0x3
    }

    /// Whether the Error Information log says more.
    #[must_use]
    pub const fn more(self) -> bool {
        self.0 & 0x2000 != 0
    }

    /// Do not retry.
    #[doc(alias = "DNR")]
    #[must_use]
    pub const fn dnr(self) -> bool {
        self.0 & 0x4000 != 0
    }

    /// SCT and SC, `SCT << 8 | SC`: which status this is, without the circumstances.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0 & 0x7ff
    }

    /// The same with the "do not retry" bit set.
    #[must_use]
    pub const fn with_dnr(self) -> Self {
        Self(self.0 | 0x4000)
    }

    /// Whether SCT and SC are those of `other`, whatever the upper bits are.
    #[must_use]
    pub const fn is(self, other: Self) -> bool {
        self.code() == other.code()
    }

    /// Whether the command succeeded.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.code() == 0
    }

    /// The name, when it can be told without knowing the command. `None` for a number without a name and for the codes 0x180 to
    /// 0x185, which have two.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match (codes::common(self.code()), codes::fabrics(self.code()), codes::io(self.code())) {
            (Some(name), _, _) | (None, Some(name), None) | (None, None, Some(name)) => Some(name),
            _ => None,
        }
    }

    /// The name as an answer to this kind of command.
    #[must_use]
    pub const fn name_for(self, context: CommandContext) -> Option<&'static str> {
        let code = self.code();
        let (first, second) = match context {
            CommandContext::Fabrics => (codes::fabrics(code), None),
            // The discovery log and authentication are asked about by other commands than Fabrics ones, too.
            CommandContext::Admin | CommandContext::Nvm | CommandContext::Zns => {
                (codes::io(code), codes::fabrics(code))
            }
        };
        match (codes::common(code), first, second) {
            (Some(name), _, _) | (None, Some(name), _) | (None, None, Some(name)) => Some(name),
            _ => None,
        }
    }

    /// The status in words, as an answer to this kind of command.
    #[must_use]
    pub const fn in_words(self, context: CommandContext) -> impl fmt::Display {
        InWords { status: self, context: Some(context) }
    }
}

/// Prints a status with or without knowing the command.
struct InWords {
    status: Status,
    context: Option<CommandContext>,
}

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        let name = match self.context {
            Some(context) => status.name_for(context),
            None => status.name(),
        };
        match (name, codes::fabrics(status.code()), codes::io(status.code()), self.context) {
            (Some(name), ..) => f.write_str(name)?,
            (None, Some(fabrics), Some(io), None) => write!(f, "{fabrics} or {io}")?,
            _ if status.sct() == 7 || status.sc() >= 0xc0 => f.write_str("vendor specific status")?,
            _ => f.write_str("unknown status")?,
        }
        write!(f, " (SCT {} SC {:#04x}", status.sct(), status.sc())?;
        if status.dnr() {
            f.write_str(", do not retry")?;
        }
        if status.crd() != 0 {
            write!(f, ", retry delay {}", status.crd())?;
        }
        if status.more() {
            f.write_str(", more in the error log")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Status {
    /// In words and numbers, e.g. `Invalid Field in Command (SCT 0 SC 0x02, do not retry)`. Where the name depends on the command,
    /// both are given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        InWords { status: *self, context: None }.fmt(f)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:#06x}: {self})", self.0)
    }
}

impl From<u16> for Status {
    fn from(status: u16) -> Self {
        Self(status)
    }
}

impl From<Status> for u16 {
    fn from(status: Status) -> Self {
        status.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    /// Status fields of completions as they were on the wire.
    #[test]
    fn fields_of_the_completion_entry() {
        for (bytes, status, sct, sc) in [
            ([0x00, 0x00], Status::SUCCESS, 0, 0),
            ([0x04, 0x83], Status::CONNECT_INVALID_PARAMETERS, 1, 0x82),
            ([0x08, 0x83], Status::CONNECT_INVALID_HOST, 1, 0x84),
        ] {
            let field = u16::from_le_bytes(bytes);
            let decoded = Status::from_cqe(field);
            assert_eq!((decoded.sct(), decoded.sc()), (sct, sc));
            assert!(decoded.is(status));
            assert_eq!(decoded.dnr(), bytes[1] & 0x80 != 0);
            assert_eq!(decoded.to_cqe(), field);
            // The phase bit says nothing about the status.
            assert_eq!(Status::from_cqe(field | 1), decoded);
        }
    }

    #[test]
    fn bits_are_taken_apart() {
        let status = Status(0x2000 | 0x4000 | 0x3 << 11 | 0x2 << 8 | 0x81);
        assert_eq!(
            (status.sc(), status.sct(), status.crd(), status.more(), status.dnr()),
            (0x81, 2, 3, true, true)
        );
        assert_eq!(status.code(), 0x281);
        assert_eq!(
            status.to_string(),
            "Unrecovered Read Error (SCT 2 SC 0x81, do not retry, retry delay 3, more in the error log)"
        );
    }

    #[test]
    fn one_number_two_names() {
        let status = Status(0x4184);
        assert_eq!(status.name(), None);
        assert_eq!(
            status.to_string(),
            "Connect Invalid Host or Invalid Command Identifier (SCT 1 SC 0x84, do not retry)"
        );
        assert_eq!(
            status.in_words(CommandContext::Fabrics).to_string(),
            "Connect Invalid Host (SCT 1 SC 0x84, do not retry)"
        );
        assert_eq!(Status::DISCOVER_RESTART.name_for(CommandContext::Admin), Some("Discover Restart"));
        assert_eq!(Status(0x1b9).name_for(CommandContext::Zns), Some("Zone Is Full"));
        assert_eq!(Status(0x1b9).name_for(CommandContext::Fabrics), None);
    }

    #[test]
    fn numbers_without_a_name_print_as_numbers() {
        assert_eq!(Status(0x0bf).to_string(), "unknown status (SCT 0 SC 0xbf)");
        assert_eq!(Status(0x7aa).to_string(), "vendor specific status (SCT 7 SC 0xaa)");
        assert_eq!(Status(0x1c0).to_string(), "vendor specific status (SCT 1 SC 0xc0)");
        assert_eq!(
            format!("{:?}", Status(0x4002)),
            "Status(0x4002: Invalid Field in Command (SCT 0 SC 0x02, do not retry))"
        );
    }

    #[test]
    fn every_listed_code_has_its_name_in_some_context() {
        use CommandContext::{Admin, Fabrics, Nvm, Zns};
        for (code, name) in codes::ALL {
            assert_eq!(Status(*code).code(), *code, "{name}");
            let found = [Fabrics, Admin, Nvm, Zns].map(|context| Status(*code).name_for(context));
            assert!(found.contains(&Some(name)), "{code:#x} {name}: {found:?}");
        }
    }

    #[test]
    fn every_value_prints() {
        for bits in 0..=u16::MAX {
            assert!(Status(bits).to_string().contains("SCT"));
        }
    }
}

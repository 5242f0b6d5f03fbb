//! The kernel log as a source of reasons.
//!
//! The kernel answers every connect that the target refused with the same error number, EIO, and tells the reason only to its log.
//! So the log is marked before a connect and read after it; [`rejection::explain`] turns what appeared into a typed
//! [`Rejection`]. All of it is best effort: the log needs privileges, messages can be rate limited, lost or foreign.
//!
//! | module | what | platform |
//! |---|---|---|
//! | this | [`KernelLog`], [`NoLog`], [`Record`] | any |
//! | [`rejection`] | the log since a mark to one reason | any |
//! | `message` | one message to a reason | any |
//! | `reason` | [`Rejection`] | any |
//! | `os` | `OsKernelLog`: `/dev/kmsg` | Linux |

mod message;
#[cfg(target_os = "linux")]
mod os;
mod reason;
pub mod rejection;

#[cfg(target_os = "linux")]
pub use os::OsKernelLog;
pub use reason::{BadParameter, Rejection};
pub use rejection::Attempt;

/// Something that can tell what the kernel logged since a certain moment.
pub trait KernelLog {
    /// Remembers the end of the log. Failure shows as an empty answer later.
    fn mark(&mut self);

    /// The records since the mark, oldest first, each as `/dev/kmsg` gives it. Empty when the log cannot be read.
    fn since_mark(&mut self) -> Vec<String>;
}

/// No log at all: reasons stay unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLog;

impl KernelLog for NoLog {
    fn mark(&mut self) {}

    fn since_mark(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// One record of `/dev/kmsg`: `<priority>,<sequence>,<microseconds>,<flags>[,…];<text>`, then lines of `KEY=value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Syslog level: 0 emergency … 3 error, 4 warning … 7 debug.
    pub level: u8,
    /// The message, without the fields that follow it.
    pub text: &'a str,
}

impl<'a> Record<'a> {
    /// Takes a record apart. `None`: not in the form of `/dev/kmsg`.
    ///
    /// Source: `Documentation/ABI/testing/dev-kmsg`.
    #[must_use]
    pub fn parse(raw: &'a str) -> Option<Self> {
        let (prefix, rest) = raw.split_once(';')?;
        let priority: u32 = prefix.split(',').next()?.parse().ok()?;
        // The low three bits are the level, the rest is the facility.
        let level = u8::try_from(priority & 7).ok()?;
        Some(Self { level, text: rest.lines().next().unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_fields() {
        let raw = "3,1234,5678901,-;nvme nvme0: Connect command failed, errno: -5\n SUBSYSTEM=nvme\n DEVICE=+nvme:nvme0\n";
        let record = Record::parse(raw).unwrap();
        assert_eq!(record, Record { level: 3, text: "nvme nvme0: Connect command failed, errno: -5" });
    }

    #[test]
    fn facility_and_caller_fields_are_no_trouble() {
        assert_eq!(Record::parse("30,1,2,-,caller=T1;a;b").unwrap(), Record { level: 6, text: "a;b" });
        for bad in ["", "no prefix", "x,1,2,-;text", ",;", "-1,2,3,-;t"] {
            assert_eq!(Record::parse(bad), None, "{bad}");
        }
    }
}

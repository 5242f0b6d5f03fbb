//! One message of the kernel.

use std::fmt;

/// What happened to a device, in the kernel's word. Unknown words are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Action(String);

impl Action {
    /// The device is there.
    pub const ADD: &'static str = "add";
    /// The device is gone.
    pub const REMOVE: &'static str = "remove";
    /// Something about it is different.
    pub const CHANGE: &'static str = "change";
    /// A driver took it.
    pub const BIND: &'static str = "bind";
    /// A driver let it go.
    pub const UNBIND: &'static str = "unbind";

    /// The kernel's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A uevent: what the kernel says about one device.
///
/// | part, each ended by a NUL | example |
/// |---|---|
/// | heading: action, `@`, device path | `change@/devices/virtual/nvme-fabrics/ctl/nvme0` |
/// | variables `NAME=value` | `ACTION=change`, `DEVPATH=/devices/…`, `SUBSYSTEM=nvme`, `NVME_AEN=0x70f002`, `SEQNUM=1844` |
///
/// Source: `lib/kobject_uevent.c: kobject_uevent_env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uevent {
    action: Action,
    device: String,
    variables: Vec<(String, String)>,
}

/// Bytes that are no uevent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UeventError {
    /// More bytes than a uevent can have.
    #[error("a uevent of {len} bytes (the kernel sends at most {})", Uevent::MAX_LEN)]
    TooLong {
        /// Bytes.
        len: usize,
    },
    /// The heading is missing, or has no action or no device path.
    #[error("a uevent without a heading of the form `action@/device`")]
    Heading,
    /// A variable without `=`, or one without a name.
    #[error("a uevent whose variable at byte {at} is not of the form `NAME=value`")]
    Variable {
        /// Where it begins.
        at: usize,
    },
}

impl Uevent {
    /// The most bytes a message has: the heading (at most a path) and 2 KiB of variables (`include/linux/kobject.h: UEVENT_BUFFER_SIZE`).
    pub const MAX_LEN: usize = 8192;

    /// Takes a message apart. Bytes that are not UTF-8 are replaced; variables that occur twice are kept twice.
    ///
    /// # Errors
    /// [`UeventError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, UeventError> {
        if bytes.len() > Self::MAX_LEN {
            return Err(UeventError::TooLong { len: bytes.len() });
        }
        let mut parts = bytes.split(|b| *b == 0);
        let first = parts.next().unwrap_or_default();
        let heading = String::from_utf8_lossy(first);
        let (action, device) = heading.split_once('@').ok_or(UeventError::Heading)?;
        if action.is_empty() || !device.starts_with('/') {
            return Err(UeventError::Heading);
        }
        let mut at = first.len().saturating_add(1);
        let mut variables = Vec::new();
        for part in parts {
            let here = at;
            at = at.saturating_add(part.len()).saturating_add(1);
            // The last part is what follows the last NUL: nothing.
            if part.is_empty() {
                continue;
            }
            let text = String::from_utf8_lossy(part);
            match text.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    variables.push((name.to_owned(), value.to_owned()));
                }
                _ => return Err(UeventError::Variable { at: here }),
            }
        }
        Ok(Self { action: Action(action.to_owned()), device: device.to_owned(), variables })
    }

    /// What happened.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The device's directory below the mount point of sysfs, beginning with `/`.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The last part of the device's path: `nvme0`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.device.rsplit('/').next().unwrap_or_default()
    }

    /// What kind of device: `nvme`, `nvme-subsystem`, `nvme-generic`, `block`, …
    #[must_use]
    pub fn subsystem(&self) -> &str {
        self.variable("SUBSYSTEM").unwrap_or_default()
    }

    /// The first variable of this name.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// All variables in the kernel's order.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The number of the message; grows by one with each message of the machine, of whatever device.
    #[must_use]
    #[doc(alias = "SEQNUM")]
    pub fn sequence(&self) -> Option<u64> {
        self.variable("SEQNUM")?.parse().ok()
    }

    /// The message as the kernel sends it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("{}@{}\0", self.action, self.device).into_bytes();
        for (name, value) in &self.variables {
            bytes.extend_from_slice(format!("{name}={value}\0").as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_a_heading_and_variables() {
        let bytes = b"change@/devices/virtual/nvme-fabrics/ctl/nvme0\0ACTION=change\0SUBSYSTEM=nvme\0NVME_AEN=0x70f002\0SEQNUM=1844\0";
        let event = Uevent::parse(bytes).unwrap();
        assert_eq!((event.action().as_str(), event.name(), event.subsystem()), ("change", "nvme0", "nvme"));
        assert_eq!(event.device(), "/devices/virtual/nvme-fabrics/ctl/nvme0");
        assert_eq!((event.variable("NVME_AEN"), event.sequence()), (Some("0x70f002"), Some(1844)));
        assert_eq!(event.variable("NVME_EVENT"), None);
        assert_eq!(event.variables().count(), 4);
        assert_eq!(event.encode(), bytes);
    }

    #[test]
    fn what_is_no_uevent_is_refused_with_its_place() {
        for heading in
            [&b""[..], b"\0", b"change", b"@/devices/x\0", b"change@devices\0", b"libudev\0\xfe\xed"]
        {
            assert_eq!(Uevent::parse(heading), Err(UeventError::Heading), "{heading:?}");
        }
        let at = |bytes: &[u8]| Uevent::parse(bytes).unwrap_err();
        assert_eq!(at(b"add@/d\0ACTION=add\0=x\0"), UeventError::Variable { at: 18 });
        assert_eq!(at(b"add@/d\0ACTION\0"), UeventError::Variable { at: 7 });
        assert_eq!(at(&vec![b'x'; 8193]), UeventError::TooLong { len: 8193 });
    }

    #[test]
    fn every_prefix_is_a_message_or_refused() {
        let bytes = b"add@/devices/nvme0\0ACTION=add\0SUBSYSTEM=nvme\0\xff\xfe=\xff\0";
        for end in 0..bytes.len() {
            if let Ok(event) = Uevent::parse(&bytes[..end]) {
                assert_eq!(event.action().as_str(), "add");
            }
        }
        assert_eq!(Uevent::parse(bytes).unwrap().variables().count(), 3);
    }
}

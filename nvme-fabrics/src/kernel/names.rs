//! Names that the kernel gives to its NVMe objects.
//!
//! | type | form | the numbers are |
//! |---|---|---|
//! | [`ControllerName`] | `nvme3` | instance of the controller; shared with PCIe, reused after removal |
//! | [`SubsystemName`] | `nvme-subsys3` | instance of the first controller that found the subsystem |
//! | [`NamespaceName`] | `nvme3n1` | **subsystem** instance (controller instance without native multipath), running number |
//! | [`PathName`] | `nvme3c5n1` | subsystem, **controller**, running number; hidden, no device node |
//! | [`GenericName`] | `ng5n1` | subsystem of a multipath head, **controller** of a plain namespace; running number |
//!
//! The running number starts at 1 and is not the NSID. No name is ever derived from another one here: `nvme3n1` may belong
//! to controllers `nvme5` and `nvme7`, and its generic device may be `ng5n1`. Only sysfs knows.
//!
//! Source: `drivers/nvme/host/core.c: nvme_alloc_ns, nvme_add_ns_cdev`, `multipath.c: nvme_mpath_alloc_disk`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A text that is not the name of the kernel object that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("`{}` is not the name of {expected}", .text.escape_debug())]
pub struct NameError {
    /// The text.
    pub text: String,
    /// What was expected, with an example.
    pub expected: &'static str,
}

/// Plain decimal as the kernel prints it: digits, no sign, no leading zero, fits `u32`.
fn number(s: &str) -> Option<u32> {
    let plain = !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()) && (s == "0" || !s.starts_with('0'));
    if plain { s.parse().ok() } else { None }
}

/// A leading `/dev/` is what users type and what this crate prints.
fn without_dev(s: &str) -> &str {
    s.strip_prefix("/dev/").unwrap_or(s)
}

macro_rules! device_path {
    ($name:ident) => {
        impl $name {
            /// The device node, `/dev/` and the name.
            #[must_use]
            pub fn dev_path(self) -> PathBuf {
                PathBuf::from(format!("/dev/{self}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

macro_rules! from_str {
    ($name:ident, $parse:ident, $expected:literal) => {
        impl FromStr for $name {
            type Err = NameError;

            /// A leading `/dev/` is allowed; otherwise exactly the form that the kernel prints.
            fn from_str(s: &str) -> Result<Self, NameError> {
                Self::$parse(without_dev(s))
                    .ok_or_else(|| NameError { text: s.to_owned(), expected: $expected })
            }
        }
    };
}

/// A controller, `nvme3`: one connection to a target (admin queue and its I/O queues), or a PCIe drive.
///
/// The number is free for another controller as soon as this one is gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControllerName(u32);

impl ControllerName {
    /// The controller with this instance number.
    #[must_use]
    pub const fn new(instance: u32) -> Self {
        Self(instance)
    }

    /// The instance number.
    #[must_use]
    pub const fn instance(self) -> u32 {
        self.0
    }

    pub(crate) fn parse(s: &str) -> Option<Self> {
        number(s.strip_prefix("nvme")?).map(Self)
    }
}

impl fmt::Display for ControllerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("nvme{}", self.0))
    }
}

device_path!(ControllerName);
from_str!(ControllerName, parse, "a controller (like `nvme3`)");

/// A subsystem, `nvme-subsys3`. It has no device node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubsystemName(u32);

impl SubsystemName {
    /// The subsystem with this instance number.
    #[must_use]
    pub const fn new(instance: u32) -> Self {
        Self(instance)
    }

    /// The instance number.
    #[must_use]
    pub const fn instance(self) -> u32 {
        self.0
    }

    pub(crate) fn parse(s: &str) -> Option<Self> {
        number(s.strip_prefix("nvme-subsys")?).map(Self)
    }
}

impl fmt::Display for SubsystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("nvme-subsys{}", self.0))
    }
}

impl fmt::Debug for SubsystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

from_str!(SubsystemName, parse, "a subsystem (like `nvme-subsys3`)");

/// A namespace's block device, `nvme3n1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceName {
    owner: u32,
    index: u32,
}

impl NamespaceName {
    /// `nvme<owner>n<index>`.
    #[must_use]
    pub const fn new(owner: u32, index: u32) -> Self {
        Self { owner, index }
    }

    /// The number before `n`: the subsystem's instance (the controller's where the kernel has no native multipath).
    #[must_use]
    pub const fn owner(self) -> u32 {
        self.owner
    }

    /// The number after `n`. Not the NSID.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    pub(crate) fn parse(s: &str) -> Option<Self> {
        let (owner, index) = s.strip_prefix("nvme")?.split_once('n')?;
        Some(Self { owner: number(owner)?, index: number(index)? })
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("nvme{}n{}", self.owner, self.index))
    }
}

device_path!(NamespaceName);
from_str!(NamespaceName, parse, "a namespace's block device (like `nvme3n1`)");

/// A namespace's character device, `ng3n1`. Since 5.13.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenericName {
    owner: u32,
    index: u32,
}

impl GenericName {
    /// `ng<owner>n<index>`.
    #[must_use]
    pub const fn new(owner: u32, index: u32) -> Self {
        Self { owner, index }
    }

    pub(crate) fn parse(s: &str) -> Option<Self> {
        let (owner, index) = s.strip_prefix("ng")?.split_once('n')?;
        Some(Self { owner: number(owner)?, index: number(index)? })
    }
}

impl fmt::Display for GenericName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("ng{}n{}", self.owner, self.index))
    }
}

device_path!(GenericName);
from_str!(GenericName, parse, "a namespace's character device (like `ng3n1`)");

/// One controller's way to a namespace of a multipath subsystem, `nvme3c5n1`. It has no device node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathName {
    subsystem: u32,
    controller: u32,
    index: u32,
}

impl PathName {
    /// `nvme<subsystem>c<controller>n<index>`.
    #[must_use]
    pub const fn new(subsystem: u32, controller: u32, index: u32) -> Self {
        Self { subsystem, controller, index }
    }

    /// The block device that this is a path of: same subsystem, same running number.
    #[must_use]
    pub const fn head(self) -> NamespaceName {
        NamespaceName { owner: self.subsystem, index: self.index }
    }

    pub(crate) fn parse(s: &str) -> Option<Self> {
        let (subsystem, rest) = s.strip_prefix("nvme")?.split_once('c')?;
        let (controller, index) = rest.split_once('n')?;
        Some(Self { subsystem: number(subsystem)?, controller: number(controller)?, index: number(index)? })
    }
}

impl fmt::Display for PathName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("nvme{}c{}n{}", self.subsystem, self.controller, self.index))
    }
}

impl fmt::Debug for PathName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

from_str!(PathName, parse, "a path of a namespace (like `nvme3c5n1`)");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_print_as_they_parse() {
        assert_eq!("nvme10".parse::<ControllerName>().unwrap().to_string(), "nvme10");
        assert_eq!("/dev/nvme2".parse::<ControllerName>().unwrap(), ControllerName::new(2));
        assert_eq!("/dev/nvme2n1".parse::<NamespaceName>().unwrap(), NamespaceName::new(2, 1));
        assert_eq!("nvme-subsys0".parse::<SubsystemName>().unwrap(), SubsystemName::new(0));
        assert_eq!("ng5n1".parse::<GenericName>().unwrap(), GenericName::new(5, 1));
        assert_eq!("nvme3c5n1".parse::<PathName>().unwrap().head(), NamespaceName::new(3, 1));
        assert_eq!(NamespaceName::new(3, 1).dev_path(), PathBuf::from("/dev/nvme3n1"));
    }

    #[test]
    fn a_name_of_one_kind_is_never_taken_for_another() {
        for s in [
            "nvme",
            "nvme01",
            "nvme-1",
            "nvme+1",
            "nvme1n1",
            "nvme1c0n1",
            "nvme4294967296",
            "nvme1 ",
            "../nvme1",
        ] {
            assert!(s.parse::<ControllerName>().is_err(), "{s}");
        }
        for s in ["nvme1", "nvme1n", "nvmen1", "nvme0c0n1", "nvme0n1p1", "nvme0n1n1", "ng0n1"] {
            assert!(s.parse::<NamespaceName>().is_err(), "{s}");
        }
        assert_eq!(
            "sda".parse::<NamespaceName>().unwrap_err().to_string(),
            "`sda` is not the name of a namespace's block device (like `nvme3n1`)"
        );
    }

    #[test]
    fn order_is_numeric() {
        let mut names = [ControllerName::new(10), ControllerName::new(2)];
        names.sort();
        assert_eq!(names.map(|n| n.to_string()), ["nvme2", "nvme10"]);
    }
}

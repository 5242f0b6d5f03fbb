//! Error numbers that the kernel's host returns, with their words.

use std::fmt;
use std::io;

/// A Linux error number. Lossless: numbers without a constant here are kept.
///
/// On Linux the constants have the running architecture's values; elsewhere (where only recorded numbers are looked at) the
/// common ones of x86, Arm and RISC-V.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $generic:literal, $words:literal;)*) => {
        impl Errno {
            $(
                #[doc = $words]
                #[cfg(target_os = "linux")]
                pub const $name: Self = Self(nix::errno::Errno::$name as i32);
                #[doc = $words]
                #[cfg(not(target_os = "linux"))]
                pub const $name: Self = Self($generic);
            )*

            /// The symbolic name, if it is one that the kernel's host is known to return.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// What it means in general, in words.
            #[must_use]
            pub fn words(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($words),)*
                    _ => None,
                }
            }

            #[cfg(test)]
            const ALL: &'static [(Self, i32)] = &[$((Self::$name, $generic),)*];
        }
    };
}

errnos! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such file or directory";
    ESRCH = 3, "nobody is there for it";
    EINTR = 4, "interrupted";
    EIO = 5, "input/output error";
    ENXIO = 6, "no such device or address";
    EAGAIN = 11, "no answer, or not possible right now";
    ENOMEM = 12, "out of memory";
    EACCES = 13, "permission denied";
    EFAULT = 14, "bad address";
    EBUSY = 16, "device or resource busy";
    ENODEV = 19, "no such device";
    EINVAL = 22, "invalid argument";
    ENOTTY = 25, "not an operation of this device";
    ENOSYS = 38, "the kernel has no such call";
    EPROTONOSUPPORT = 93, "protocol not supported";
    EOPNOTSUPP = 95, "operation not supported";
    EADDRINUSE = 98, "address in use";
    EADDRNOTAVAIL = 99, "address not available on this machine";
    ENETUNREACH = 101, "network unreachable";
    ENETRESET = 102, "the controller did not come back";
    ECONNRESET = 104, "connection reset by the peer";
    ETIMEDOUT = 110, "timed out";
    ECONNREFUSED = 111, "connection refused";
    EHOSTUNREACH = 113, "host unreachable";
    EALREADY = 114, "already in progress";
    EDQUOT = 122, "quota used up";
    ENOKEY = 126, "required key not available";
    EKEYEXPIRED = 127, "key has expired";
    EKEYREVOKED = 128, "key has been revoked";
    EKEYREJECTED = 129, "key was rejected";
}

impl Errno {
    /// The number inside an I/O error, if it came from the kernel.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        error.raw_os_error().map(Self)
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.words()) {
            (Some(name), Some(words)) => write!(f, "{words} ({name})"),
            _ => write!(f, "error number {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(not(target_os = "linux"), target_arch = "x86_64", target_arch = "aarch64"))]
    fn the_common_numbers_are_right() {
        for (errno, generic) in Errno::ALL {
            assert_eq!(errno.0, *generic, "{errno:?}");
        }
    }

    #[test]
    fn unknown_numbers_are_kept() {
        assert_eq!(Errno(4095).to_string(), "error number 4095");
        assert_eq!(format!("{:?}", Errno(4095)), "Errno(4095)");
        assert_eq!(Errno::of(&io::Error::from_raw_os_error(111)), Some(Errno(111)));
        assert_eq!(Errno::of(&io::Error::other("x")), None);
        assert_eq!(Errno::EIO.to_string(), "input/output error (EIO)");
    }
}

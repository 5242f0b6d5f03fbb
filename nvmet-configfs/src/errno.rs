//! Linux error numbers, the same on every platform this crate builds for.

use std::fmt;

/// An error number of Linux, as the kernel target answered it (or as the simulated target did).
///
/// | value | meaning |
/// |---|---|
/// | 1..=133 | the numbers of `include/uapi/asm-generic/errno-base.h` and `errno.h` |
/// | 524 | `ENOTSUPP`, internal to the kernel, which nvmet lets through to user space |
///
/// The numbers are Linux's on every platform, so that errors of the simulated tree compare equal everywhere.
/// Unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $value:literal, $words:literal;)*) => {
        impl Errno {
            $(#[doc = $words] pub const $name: Self = Self($value);)*

            /// The C name, when this number has one here.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($value => Some(stringify!($name)),)* _ => None }
            }

            /// What the number says, in words.
            pub const fn words(self) -> Option<&'static str> {
                match self.0 { $($value => Some($words),)* _ => None }
            }

            /// The number of a C name, for example `"EBUSY"`.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self($value)),)* _ => None }
            }
        }
    };
}

errnos! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such file or directory";
    EINTR = 4, "interrupted by a signal";
    EIO = 5, "input/output error";
    ENXIO = 6, "no such device or address";
    ENOEXEC = 8, "exec format error";
    EBADF = 9, "bad file descriptor";
    EAGAIN = 11, "resource temporarily unavailable";
    ENOMEM = 12, "out of memory";
    EACCES = 13, "permission denied";
    EFAULT = 14, "bad address";
    ENOTBLK = 15, "not a block device";
    EBUSY = 16, "device or resource busy";
    EEXIST = 17, "file exists";
    EXDEV = 18, "link across file systems";
    ENODEV = 19, "no such device";
    ENOTDIR = 20, "not a directory";
    EISDIR = 21, "is a directory";
    EINVAL = 22, "invalid argument";
    ENFILE = 23, "too many open files in the system";
    EMFILE = 24, "too many open files";
    ETXTBSY = 26, "text file busy";
    EFBIG = 27, "file too large";
    ENOSPC = 28, "no space left on device";
    EROFS = 30, "read-only file system";
    ERANGE = 34, "number out of range";
    ENAMETOOLONG = 36, "name too long";
    ENOTEMPTY = 39, "directory not empty";
    ELOOP = 40, "too many levels of symbolic links";
    EOPNOTSUPP = 95, "operation not supported";
    EAFNOSUPPORT = 97, "address family not supported";
    EADDRINUSE = 98, "address already in use";
    EADDRNOTAVAIL = 99, "address not available on this machine";
    ENETDOWN = 100, "network is down";
    ETIMEDOUT = 110, "timed out";
    EALREADY = 114, "already in progress";
    EDQUOT = 122, "disk quota exceeded";
    ENOMEDIUM = 123, "no medium in the drive";
    ENOKEY = 126, "required key not available";
    ENOTSUPP = 524, "not supported (a number internal to the kernel)";
}

impl Errno {
    /// The error number inside an [`std::io::Error`]; [`Errno::EIO`] when it carries none.
    pub fn from_io(error: &std::io::Error) -> Self {
        error.raw_os_error().map_or(Self::EIO, Self)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.words(), self.name()) {
            (Some(words), Some(name)) => write!(f, "{words} ({name})"),
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

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_belong_together() {
        for number in 0..600 {
            if let Some(name) = Errno(number).name() {
                assert_eq!(Errno::from_name(name), Some(Errno(number)));
            }
        }
        assert_eq!(Errno::EADDRINUSE.0, 98);
        assert_eq!(Errno::from_name("ENOSUCHNAME"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn numbers_are_those_of_this_machine() {
        for number in 1..134 {
            if let Some(name) = Errno(number).name() {
                assert_eq!(format!("{:?}", nix::errno::Errno::from_raw(number)), name);
            }
        }
    }

    #[test]
    fn unknown_numbers_survive() {
        assert_eq!(Errno(4711).to_string(), "error number 4711");
        assert_eq!(format!("{:?}", Errno(4711)), "Errno(4711)");
        assert_eq!(Errno::EBUSY.to_string(), "device or resource busy (EBUSY)");
    }
}

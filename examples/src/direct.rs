//! The flag that opens a file past the page cache, where the platform has one.

/// `O_DIRECT`, to be given to `open`; nothing on platforms without it.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
pub const FLAG: i32 = nix::fcntl::OFlag::O_DIRECT.bits();

/// This platform has none: I/O goes through the page cache.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
pub const FLAG: i32 = 0;

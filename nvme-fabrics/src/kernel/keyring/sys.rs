//! The system calls `add_key` and `keyctl`, which nix has no wrappers for.
//!
//! Every function passes numbers, NUL-terminated text and slices with their lengths, and nothing that the kernel keeps: it copies what it reads
//! before the call returns. Source: `add_key(2)`, `keyctl(2)`, kernel `security/keys/keyctl.c`.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_long};

use nix::errno::Errno;
use nix::libc;

/// The keyring of the calling thread's process: it is gone when the process is.
pub(super) const PROCESS_KEYRING: i32 = -2;

/// The keyring of the calling user.
pub(super) const USER_KEYRING: i32 = -4;

/// A number that the kernel gave as a whole register.
fn number(answer: c_long) -> Result<i32, Errno> {
    i32::try_from(Errno::result(answer)?).map_err(|_| Errno::EOVERFLOW)
}

/// Makes a key, or updates the one of this type and name.
pub(super) fn add_key(kind: &CStr, name: &CStr, payload: &[u8], ring: i32) -> Result<i32, Errno> {
    let (kind, name, len) = (kind.as_ptr(), name.as_ptr(), payload.len());
    // SAFETY: add_key(2) reads two NUL-terminated strings and `len` bytes at `payload`; all three live until the call returns, and it writes
    // nothing.
    let answer =
        unsafe { libc::syscall(libc::SYS_add_key, kind, name, payload.as_ptr(), len, c_long::from(ring)) };
    number(answer)
}

/// A `keyctl` operation whose arguments are numbers.
fn numbers(operation: u32, first: i32, second: i32) -> Result<(), Errno> {
    let (operation, first, second) = (c_long::from(operation), c_long::from(first), c_long::from(second));
    // SAFETY: the operations of this module's callers (link, unlink, revoke, set a time-out or permissions) take numbers only, so no memory is touched; unused
    // arguments are zero.
    let answer = unsafe { libc::syscall(libc::SYS_keyctl, operation, first, second, 0_i64, 0_i64) };
    Errno::result(answer).map(drop)
}

/// Adds a key or keyring to a keyring.
pub(super) fn link(key: i32, ring: i32) -> Result<(), Errno> {
    numbers(libc::KEYCTL_LINK, key, ring)
}

/// Takes a key out of a keyring.
pub(super) fn unlink(key: i32, ring: i32) -> Result<(), Errno> {
    numbers(libc::KEYCTL_UNLINK, key, ring)
}

/// Makes a key unusable for everybody.
pub(super) fn revoke(key: i32) -> Result<(), Errno> {
    numbers(libc::KEYCTL_REVOKE, key, 0)
}

/// Sets who may do what with a key.
pub(super) fn set_permissions(key: i32, permissions: u32) -> Result<(), Errno> {
    let permissions = i32::try_from(permissions).map_err(|_| Errno::EINVAL)?;
    numbers(libc::KEYCTL_SETPERM, key, permissions)
}

/// Lets a key expire after so many seconds; 0: never.
pub(super) fn set_timeout(key: i32, seconds: i32) -> Result<(), Errno> {
    numbers(libc::KEYCTL_SET_TIMEOUT, key, seconds)
}

/// Reads a key's payload, or the numbers of the keys in a keyring. Gives the length of all there is, which may be more than fits.
pub(super) fn read(key: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
    let (operation, key, len) = (c_long::from(libc::KEYCTL_READ), c_long::from(key), buffer.len());
    // SAFETY: KEYCTL_READ writes at most `len` bytes at `buffer`, which is borrowed mutably until the call returns.
    let answer = unsafe { libc::syscall(libc::SYS_keyctl, operation, key, buffer.as_mut_ptr(), len, 0_i64) };
    usize::try_from(Errno::result(answer)?).map_err(|_| Errno::EOVERFLOW)
}

/// Looks for a key by type and name in a keyring and those in it.
pub(super) fn search(ring: i32, kind: &CStr, name: &CStr) -> Result<i32, Errno> {
    let (operation, ring) = (c_long::from(libc::KEYCTL_SEARCH), c_long::from(ring));
    let (kind, name) = (kind.as_ptr(), name.as_ptr());
    // SAFETY: KEYCTL_SEARCH reads two NUL-terminated strings that live until the call returns; the last argument 0 says that what is found is
    // not linked anywhere.
    let answer = unsafe { libc::syscall(libc::SYS_keyctl, operation, ring, kind, name, 0_i64) };
    number(answer)
}

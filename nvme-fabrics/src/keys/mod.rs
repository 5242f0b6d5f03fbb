//! Secrets and keys: made, checked, derived, kept in files, and given to the kernel.
//!
//! | what | type | how |
//! |---|---|---|
//! | secret of DH-HMAC-CHAP, `DHHC-1:…` | [`DhchapSecret`] | made by `generate_secret` (feature `auth`); reading its text checks all of it |
//! | configured key for TLS, `NVMeTLSkey-1:…` | [`ConfiguredPsk`] | made by `generate_psk` (feature `auth`); reading its text checks all of it |
//! | key of one host and one subsystem | [`TlsKey`] | derived by `TlsKey::derive` (feature `auth`), or read from a file; what TLS and the kernel's keyring get |
//! | many of those | [`KeyFile`] | `/etc/nvme/tls-keys`, as nvme-cli writes and reads it |
//! | the kernel's keyring | [`TlsKeyring`](crate::kernel::keyring::TlsKeyring) | [`TlsKey::insert`] |
//!
//! ```text
//! an administrator's key         NVMeTLSkey-1:01:…:          the same text on both sides
//!   | derive (host NQN, subsystem NQN, version)
//!   v
//! TlsKey                         NVMe1R01 HOST SUBSYSTEM DIGEST   + 32 or 48 bytes
//!   | insert                                                     what nvme-cli does with `check-tls-key --insert`
//!   v
//! keyring .nvme  <---- tlshd reads it, `ConnectOptions::tls` lets the kernel find it, `tls_key` names it
//! ```
//!
//! Nothing here prints a key by accident: `Debug` shows none, there is no `Display`, buffers are wiped, errors tell positions and no content.

mod file;
#[cfg(feature = "auth")]
mod generate;
mod tls;

pub use file::{KeyFile, KeyFileError, KeyLineError, LineFault};
#[cfg(feature = "auth")]
#[cfg_attr(docsrs, doc(cfg(feature = "auth")))]
pub use generate::{GenerateError, SecretLen, SecretOf, generate_psk, generate_secret, transformed};
pub use nvme_proto::auth::{DhchapSecret, KeyTextError, SecretText};
pub use nvme_proto::tls::{ConfiguredPsk, PskHash, PskIdentity, PskKind};
#[cfg(feature = "auth")]
#[cfg_attr(docsrs, doc(cfg(feature = "auth")))]
pub use tls::VersionOfIdentity;
pub use tls::{TlsKey, TlsKeyError};

//! The kernel's keyring of keys for TLS.
//!
//! TLS of the kernel's host and target takes its keys from the keyring `.nvme`. A key there has the type `psk`, the identity as its name, and the
//! key of that identity as its payload. The handshake daemon (`tlshd`) reads it; the kernel finds it by its name, or by its number when a connection
//! names one ([`ConnectOptions::tls_key`](crate::ConnectOptions::tls_key)).
//!
//! | module | what | platform |
//! |---|---|---|
//! | this | [`TlsKeyring`]: insert, find, list, read, revoke | Linux |
//! | [`listing`] | `/proc/keys` as values | any |
//! | `error` | [`KeyringError`] | any |
//! | `sys` | `add_key` and `keyctl` | Linux |
//!
//! Source: `drivers/nvme/common/keyring.c: nvme_keyring_init, nvme_tls_psk_default`, `keyrings(7)`.

mod error;
pub mod listing;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod sys;

pub use error::KeyringError;
pub use listing::{KeyState, ListedKey};
#[cfg(target_os = "linux")]
pub use ring::TlsKeyring;

/// The keyring that kernel and handshake daemon look into by themselves. The module `nvme-keyring` makes it, which comes with `nvme-tcp`.
pub const NVME_KEYRING: &str = ".nvme";

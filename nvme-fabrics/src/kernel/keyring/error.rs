//! Why something could not be done with a keyring.

use std::io;

use crate::kernel::errno::Errno;
use crate::options::KeySerial;

/// An operation on a keyring failed. `Display` says which and why, with what to do; none of it shows a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// `/proc/keys` cannot be read, so the keyring cannot be found.
    #[error(
        "cannot look for the keyring {name}: /proc/keys cannot be read (it needs a kernel with CONFIG_KEYS, and /proc mounted)"
    )]
    NoListing {
        /// The keyring.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is no such keyring.
    #[error("there is no keyring {name}{}", no_keyring_hint(.name))]
    NoKeyring {
        /// The keyring.
        name: String,
    },
    /// The keyring is there, and this process may not use it.
    #[error("cannot use the keyring {name}{}", hint(.source))]
    Open {
        /// The keyring.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The keys in the keyring cannot be listed.
    #[error("cannot list the keys in the keyring {ring}{}", hint(.source))]
    List {
        /// The keyring.
        ring: KeySerial,
        /// What the kernel said.
        source: io::Error,
    },
    /// A key cannot be put in.
    #[error("cannot insert the key `{identity}`{}", hint(.source))]
    Insert {
        /// The key's identity.
        identity: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A key cannot be looked for.
    #[error("cannot look for the key `{identity}`{}", hint(.source))]
    Search {
        /// The key's identity.
        identity: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A key cannot be read, revoked or given a time.
    #[error("cannot {operation} the key {key} (0x{:08x}){}", .key.as_u32(), hint(.source))]
    Key {
        /// What was to be done.
        operation: &'static str,
        /// The key.
        key: KeySerial,
        /// What the kernel said.
        source: io::Error,
    },
    /// The key is longer than keys for TLS are.
    #[error("the key {key} (0x{:08x}) has {len} bytes; keys for TLS have 32 or 48", .key.as_u32())]
    Length {
        /// The key.
        key: KeySerial,
        /// Its bytes.
        len: usize,
    },
}

impl KeyringError {
    /// The kernel's error number.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::NoListing { source, .. }
            | Self::Open { source, .. }
            | Self::List { source, .. }
            | Self::Insert { source, .. }
            | Self::Search { source, .. }
            | Self::Key { source, .. } => Errno::of(source),
            Self::NoKeyring { .. } | Self::Length { .. } => None,
        }
    }
}

fn no_keyring_hint(name: &str) -> &'static str {
    if name == super::NVME_KEYRING {
        " (only root sees it; the module nvme-keyring makes it: modprobe nvme-tcp, on Linux 6.7 or newer built with CONFIG_NVME_TCP_TLS)"
    } else {
        " (or this process may not see it)"
    }
}

/// What to do, by the error number.
fn hint(source: &io::Error) -> &'static str {
    match Errno::of(source) {
        Some(Errno::EACCES | Errno::EPERM) => ": no permission (keys for TLS belong to root)",
        Some(Errno::EDQUOT) => {
            ": the quota of keys is used up (see /proc/key-users; raise /proc/sys/kernel/keys/root_maxkeys or root_maxbytes, \
             for other users maxkeys or maxbytes)"
        }
        Some(Errno::ENODEV) => {
            ": the kernel has no keys of type psk (modprobe nvme-tcp, on Linux 6.7 or newer)"
        }
        Some(Errno::EKEYEXPIRED) => ": it has expired (insert it again)",
        Some(Errno::EKEYREVOKED) => ": it was revoked (insert it again)",
        Some(Errno::ENOKEY) => ": there is no such key",
        Some(Errno::ENOSYS) => ": the kernel was built without keys (CONFIG_KEYS)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_what_to_do() {
        let insert =
            |errno: Errno| KeyringError::Insert { identity: "NVMe0R01 a b".into(), source: errno.into() };
        for (errno, words) in [
            (Errno::EACCES, "no permission"),
            (Errno::EDQUOT, "quota"),
            (Errno::ENODEV, "modprobe nvme-tcp"),
            (Errno::EKEYEXPIRED, "expired"),
            (Errno::EKEYREVOKED, "revoked"),
            (Errno::ENOSYS, "CONFIG_KEYS"),
        ] {
            let error = insert(errno);
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.errno(), Some(errno));
        }
        assert_eq!(insert(Errno::EIO).to_string(), "cannot insert the key `NVMe0R01 a b`");
        let nvme = KeyringError::NoKeyring { name: ".nvme".into() };
        assert!(nvme.to_string().contains("CONFIG_NVME_TCP_TLS"), "{nvme}");
        let key = KeyringError::Key {
            operation: "revoke",
            key: KeySerial::new(0x1b2c).unwrap(),
            source: Errno::ENOKEY.into(),
        };
        assert_eq!(key.to_string(), "cannot revoke the key 6956 (0x00001b2c): there is no such key");
    }
}

//! A keyring of keys for TLS, held.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use nix::errno::Errno as Nix;
use nvme_proto::tls::PskIdentity;
use zeroize::Zeroizing;

use super::listing::{self, ListedKey};
use super::{KeyringError, NVME_KEYRING, sys};
use crate::kernel::sysfs::Sysfs;
use crate::options::KeySerial;

/// Keys in one keyring; more are not looked at.
const MAX_KEYS: usize = 1 << 16;

/// The longest key for TLS, bytes.
const MAX_KEY: usize = 48;

/// Everything for whoever holds the keyring and for its user, as the kernel gives it to `.nvme`: the handshake daemon runs in another session, and the
/// kernel links the keyring to it.
const POSSESSOR_AND_USER: u32 = 0x3f3f_0000;

/// A keyring, linked to this process so that its keys may be read. The link ends with the process.
///
/// It belongs to the thread that opened it: the kernel gives the right to the calling thread, and to threads made after that.
///
/// ```no_run
/// use nvme_fabrics::Sysfs;
/// use nvme_fabrics::kernel::keyring::TlsKeyring;
///
/// let keyring = TlsKeyring::open(&Sysfs::system())?;
/// for key in keyring.keys(&Sysfs::system())? {
///     println!("{} {} {}", key.serial, key.state.as_str(), key.description);
/// }
/// # Ok::<(), nvme_fabrics::kernel::keyring::KeyringError>(())
/// ```
#[derive(Debug)]
pub struct TlsKeyring {
    serial: KeySerial,
    this_thread: PhantomData<*const ()>,
}

/// A serial number as the system calls take it.
fn raw(serial: KeySerial) -> i32 {
    i32::try_from(serial.as_u32()).unwrap_or(i32::MAX)
}

fn io(errno: Nix) -> io::Error {
    io::Error::from_raw_os_error(errno as i32)
}

impl TlsKeyring {
    /// The keyring `.nvme`.
    ///
    /// # Errors
    /// [`KeyringError::NoKeyring`] when the kernel has none, [`KeyringError::Open`] without permission.
    pub fn open(sysfs: &Sysfs) -> Result<Self, KeyringError> {
        Self::named(sysfs, NVME_KEYRING)
    }

    /// Another keyring, by its name. Connections look into it when it is named to them
    /// ([`ConnectOptions::keyring`](crate::ConnectOptions::keyring)).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn named(sysfs: &Sysfs, name: &str) -> Result<Self, KeyringError> {
        let listed = listing::list(sysfs)
            .map_err(|source| KeyringError::NoListing { name: name.to_owned(), source })?;
        let Some(found) = listed.into_iter().find(|key| key.is_keyring(name)) else {
            return Err(KeyringError::NoKeyring { name: name.to_owned() });
        };
        sys::link(raw(found.serial), sys::PROCESS_KEYRING)
            .map_err(|errno| KeyringError::Open { name: name.to_owned(), source: io(errno) })?;
        Ok(Self { serial: found.serial, this_thread: PhantomData })
    }

    /// A keyring of one's own, for keys that the kernel shall not find by itself; one of this name is used again. It belongs to the calling
    /// user, whose handshake daemon may use it, and stays until the user's last process is gone.
    ///
    /// # Errors
    /// [`KeyringError::Open`]: no quota, or a name that begins with a dot, which is the kernel's alone.
    pub fn create(name: &str) -> Result<Self, KeyringError> {
        let failed = |errno| KeyringError::Open { name: name.to_owned(), source: io(errno) };
        let text = CString::new(name).map_err(|_| failed(Nix::EINVAL))?;
        let serial = match sys::search(sys::USER_KEYRING, c"keyring", &text) {
            Ok(serial) => serial,
            Err(_) => sys::add_key(c"keyring", &text, &[], sys::USER_KEYRING).map_err(failed)?,
        };
        sys::set_permissions(serial, POSSESSOR_AND_USER).map_err(failed)?;
        let serial = KeySerial::new(serial).ok_or_else(|| failed(Nix::EOVERFLOW))?;
        Ok(Self { serial, this_thread: PhantomData })
    }

    /// Its number.
    #[must_use]
    pub const fn serial(&self) -> KeySerial {
        self.serial
    }

    /// Puts the key of an identity in. One of the same identity is replaced, and the new one has another number. Derive the key with the functions of
    /// [`keys`](crate::keys) (feature `auth`).
    ///
    /// # Errors
    /// [`KeyringError::Insert`]: no permission, no quota, no type `psk` in this kernel.
    pub fn insert(&self, identity: &PskIdentity, key: &[u8]) -> Result<KeySerial, KeyringError> {
        let identity = identity.to_string();
        let failed = |errno| KeyringError::Insert { identity: identity.clone(), source: io(errno) };
        // Names have no NUL in them.
        let name = CString::new(identity.as_str()).map_err(|_| failed(Nix::EINVAL))?;
        let serial = sys::add_key(c"psk", &name, key, raw(self.serial)).map_err(failed)?;
        KeySerial::new(serial).ok_or_else(|| failed(Nix::EOVERFLOW))
    }

    /// The key of exactly this identity; `None` when there is none that can be used.
    ///
    /// # Errors
    /// [`KeyringError::Search`].
    pub fn find(&self, identity: &PskIdentity) -> Result<Option<KeySerial>, KeyringError> {
        let identity = identity.to_string();
        let failed = |errno| KeyringError::Search { identity: identity.clone(), source: io(errno) };
        let name = CString::new(identity.as_str()).map_err(|_| failed(Nix::EINVAL))?;
        match sys::search(raw(self.serial), c"psk", &name) {
            Ok(serial) => Ok(KeySerial::new(serial)),
            Err(Nix::ENOKEY | Nix::EKEYEXPIRED | Nix::EKEYREVOKED) => Ok(None),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// The keys for TLS in this keyring, by their numbers, also those that can no longer be used.
    ///
    /// # Errors
    /// [`KeyringError::List`].
    pub fn keys(&self, sysfs: &Sysfs) -> Result<Vec<ListedKey>, KeyringError> {
        let failed = |source| KeyringError::List { ring: self.serial, source };
        let members = self.members().map_err(|errno| failed(io(errno)))?;
        let mut keys = listing::list(sysfs).map_err(failed)?;
        keys.retain(|key| key.is_psk() && members.contains(&raw(key.serial)));
        keys.sort_by_key(|key| key.serial);
        Ok(keys)
    }

    fn members(&self) -> Result<BTreeSet<i32>, Nix> {
        let mut bytes = vec![0; 4096];
        loop {
            let len = sys::read(raw(self.serial), &mut bytes)?;
            if let Some(read) = bytes.get(..len) {
                let (numbers, _) = read.as_chunks::<4>();
                return Ok(numbers.iter().map(|number| i32::from_ne_bytes(*number)).collect());
            }
            // It grew, or was longer from the start.
            if len > MAX_KEYS.saturating_mul(4) {
                return Err(Nix::E2BIG);
            }
            bytes.resize(len, 0);
        }
    }

    /// The key itself, for an export. Do not print or log it.
    ///
    /// # Errors
    /// [`KeyringError::Key`], [`KeyringError::Length`].
    pub fn read(&self, key: KeySerial) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let mut bytes = Zeroizing::new(vec![0; MAX_KEY]);
        let len = sys::read(raw(key), &mut bytes).map_err(|errno| KeyringError::Key {
            operation: "read",
            key,
            source: io(errno),
        })?;
        if len > MAX_KEY {
            return Err(KeyringError::Length { key, len });
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    /// Makes a key unusable, and takes it out of the keyring. Connections that use it go on until they have to reconnect.
    ///
    /// # Errors
    /// [`KeyringError::Key`].
    pub fn revoke(&self, key: KeySerial) -> Result<(), KeyringError> {
        let failed = |errno| KeyringError::Key { operation: "revoke", key, source: io(errno) };
        sys::revoke(raw(key)).map_err(failed)?;
        match sys::unlink(raw(key), raw(self.serial)) {
            // It may be in another keyring, or the kernel was quicker.
            Ok(()) | Err(Nix::ENOENT | Nix::ENOKEY | Nix::EKEYREVOKED) => Ok(()),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Lets a key expire after this time, rounded up to seconds.
    ///
    /// # Errors
    /// [`KeyringError::Key`].
    pub fn expire(&self, key: KeySerial, after: Duration) -> Result<(), KeyringError> {
        let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1);
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        sys::set_timeout(raw(key), seconds).map_err(|errno| KeyringError::Key {
            operation: "set a time for",
            key,
            source: io(errno),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::errno::Errno;
    use crate::kernel::sysfs::fixture::Fixture;

    #[test]
    fn without_the_keyring_it_is_said_which_module_makes_it() {
        let f = Fixture::new();
        let error = TlsKeyring::open(&f.sysfs()).unwrap_err();
        assert!(matches!(error, KeyringError::NoListing { .. }), "{error}");
        f.file("proc/keys", "0a1b2c3d I------ 3 perm 1f0b0000 0 0 keyring   _ses: 1");
        let error = TlsKeyring::open(&f.sysfs()).unwrap_err();
        assert!(error.to_string().contains("modprobe nvme-tcp"), "{error}");
    }

    #[test]
    fn the_system_calls_answer() {
        // Container sandboxes forbid keys altogether (EPERM, ENOSYS): an answer all the same.
        let f = Fixture::new();
        f.file("proc/keys", "7ffffffe I------ 3 perm 1f0b0000 0 0 keyring   .nvme: 1");
        let error = TlsKeyring::open(&f.sysfs()).unwrap_err();
        assert!(
            matches!(error.errno(), Some(Errno::ENOKEY | Errno::EPERM | Errno::ENOSYS | Errno::EACCES)),
            "{error:?}"
        );
        let ring = TlsKeyring { serial: KeySerial::new(0x7fff_fffe).unwrap(), this_thread: PhantomData };
        let identity: PskIdentity = "NVMe0R01 nqn.a nqn.b".parse().unwrap();
        let error = ring.insert(&identity, &[0x5a; 32]).unwrap_err();
        assert!(error.errno().is_some() && !format!("{error} {error:?}").contains("90"), "{error:?}");
        assert!(ring.keys(&f.sysfs()).is_err() && ring.read(ring.serial).is_err());
        assert!(
            ring.revoke(ring.serial).is_err() && ring.expire(ring.serial, Duration::from_secs(1)).is_err()
        );
        assert!(ring.find(&identity).is_ok_and(|found| found.is_none()) || ring.find(&identity).is_err());
    }
}

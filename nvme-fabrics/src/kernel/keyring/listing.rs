//! `/proc/keys`: the keys that this process may see.
//!
//! ```text
//! 0f3a1b2c I--Q---     1 perm 3f010000     0     0 psk       NVMe0R01 nqn.host nqn.subsystem: 32
//! |        |           | |    |            |     | |         description, and what the type says of the payload
//! serial   flags   usage |    permissions  uid gid type
//!                        time left: perm, expd, or a number with s, m, h, d or w
//! ```
//!
//! Source: `security/keys/proc.c: proc_keys_show`, `security/keys/user_defined.c: user_describe`, `security/keys/keyring.c: keyring_describe`.

use std::fs::File;
use std::io::{self, Read as _};

use nvme_proto::tls::PskIdentity;

use crate::kernel::sysfs::Sysfs;
use crate::options::KeySerial;

/// The listing of a machine with many keys; more is not read.
const MAX_LISTING: u64 = 16 << 20;

/// The type of keys for TLS.
pub(super) const PSK: &str = "psk";
const KEYRING: &str = "keyring";

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// It can.
    Usable,
    /// Its time is over; the kernel removes it soon.
    Expired,
    /// It was revoked.
    Revoked,
    /// It is being made or being removed, or stands for one that does not exist.
    Unusable,
}

impl KeyState {
    /// In a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Unusable => "unusable",
        }
    }
}

/// A key as `/proc/keys` shows it. No part of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedKey {
    /// Its number.
    pub serial: KeySerial,
    /// Whether it can be used.
    pub state: KeyState,
    /// The kernel's words for the time left: `perm`, `expd`, `59m`.
    pub time_left: String,
    /// The user it belongs to.
    pub uid: u32,
    /// `psk`, `keyring`, `user`, …; the kernel cuts it at nine characters.
    pub kind: String,
    /// Its name. Of a key for TLS the identity.
    pub description: String,
}

impl ListedKey {
    /// Parses one line. `None`: not of this form.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (fields, rest) = fields::<8>(line)?;
        let [serial, flags, _usage, time_left, _permissions, uid, _gid, kind] = fields;
        if flags.len() != 7 {
            return None;
        }
        // What follows the last colon is told by the type: the length of a payload, the number of keys in a keyring.
        let description = rest.rsplit_once(": ").map_or(rest, |(description, _)| description);
        Some(Self {
            serial: KeySerial::from_hex(serial)?,
            state: state(flags, time_left),
            time_left: time_left.to_owned(),
            uid: uid.parse().ok()?,
            kind: kind.to_owned(),
            description: description.to_owned(),
        })
    }

    /// Whether it is a key for TLS.
    #[must_use]
    pub fn is_psk(&self) -> bool {
        self.kind == PSK
    }

    /// Whether it is a keyring of this name.
    #[must_use]
    pub fn is_keyring(&self, name: &str) -> bool {
        self.kind == KEYRING && self.description == name
    }

    /// Whose key for TLS it is; `None` when it is none, or has a name that is not of the standard.
    #[must_use]
    pub fn identity(&self) -> Option<PskIdentity> {
        if self.is_psk() { self.description.parse().ok() } else { None }
    }
}

/// The first `N` words, and what follows them after one blank or more.
fn fields<const N: usize>(line: &str) -> Option<([&str; N], &str)> {
    let mut fields = [""; N];
    let mut rest = line.trim_end_matches('\n');
    for field in &mut fields {
        rest = rest.trim_start_matches(' ');
        let (word, after) = rest.split_once(' ')?;
        (*field, rest) = (word, after);
    }
    Some((fields, rest.trim_start_matches(' ')))
}

/// Flags: instantiated, revoked, dead, in quota, under construction, negative, invalidated.
fn state(flags: &str, time_left: &str) -> KeyState {
    let has = |flag: char| flags.contains(flag);
    if has('R') {
        KeyState::Revoked
    } else if time_left == "expd" {
        KeyState::Expired
    } else if !has('I') || has('D') || has('U') || has('N') || has('i') {
        KeyState::Unusable
    } else {
        KeyState::Usable
    }
}

/// Every key that this process may see. Lines that cannot be understood are left out.
///
/// # Errors
/// There is no `/proc/keys`: a kernel without `CONFIG_KEYS`, or a container that hides it.
pub fn list(sysfs: &Sysfs) -> io::Result<Vec<ListedKey>> {
    let mut bytes = Vec::new();
    File::open(sysfs.proc().join("keys"))?.take(MAX_LISTING).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).lines().filter_map(ListedKey::parse).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::sysfs::fixture::Fixture;

    const RING: &str = "0a1b2c3d I------     3 perm 1f0b0000     0     0 keyring   .nvme: 2";
    const KEY: &str = "2f3a1b2c I--Q---     1 perm 3b010000     0     0 psk       NVMe0R01 nqn.a nqn.b: 32";

    #[test]
    fn a_key_and_a_keyring() {
        let key = ListedKey::parse(KEY).unwrap();
        assert_eq!(
            (key.serial, key.state, key.uid),
            (KeySerial::new(0x2f3a_1b2c).unwrap(), KeyState::Usable, 0)
        );
        assert_eq!(key.identity().unwrap().to_string(), "NVMe0R01 nqn.a nqn.b");
        let ring = ListedKey::parse(RING).unwrap();
        assert!(ring.is_keyring(".nvme") && !ring.is_keyring("nvme") && !key.is_keyring(".nvme"));
        assert_eq!((ring.identity(), ring.is_psk()), (None, false));
    }

    #[test]
    fn names_with_colons_and_the_state() {
        let line = "00000001 I--Q---  1 4w 3f010000 0 0 psk NVMe1R02 nqn.2014-08.org.nvmexpress:uuid:x nqn.b QhW2: 48";
        let key = ListedKey::parse(line).unwrap();
        assert_eq!(key.description, "NVMe1R02 nqn.2014-08.org.nvmexpress:uuid:x nqn.b QhW2");
        assert_eq!(key.identity(), None, "that is no digest");
        let empty = ListedKey::parse("00000002 I------ 1 perm 1f0b0000 0 0 keyring .nvme: empty").unwrap();
        assert!(empty.is_keyring(".nvme"));
        for (from, to, state) in [
            ("I--Q---", "IR-Q---", KeyState::Revoked),
            ("I--Q---", "I--Q--i", KeyState::Unusable),
            ("I--Q---", "---QU--", KeyState::Unusable),
            ("perm", "expd", KeyState::Expired),
        ] {
            assert_eq!(ListedKey::parse(&KEY.replace(from, to)).unwrap().state, state, "{to}");
        }
    }

    #[test]
    fn what_is_no_key_is_left_out() {
        for bad in ["", "x", "zz I--Q--- 1 perm 0 0 0 psk a", "00000001 I 1 perm 0 0 0 psk a: 1", &KEY[..40]]
        {
            assert_eq!(ListedKey::parse(bad), None, "{bad}");
        }
        let f = Fixture::new();
        assert!(list(&f.sysfs()).is_err());
        f.file("proc/keys", &format!("{RING}\nnonsense\n{KEY}"));
        assert_eq!(list(&f.sysfs()).unwrap().len(), 2);
    }
}

//! Setters of [`ConnectOptions`] for authentication and TLS, and what they hold.
//!
//! | setter | option | goes with |
//! |---|---|---|
//! | [`authenticate`](ConnectOptions::authenticate) | `dhchap_secret` | any transport |
//! | [`authenticate_controller`](ConnectOptions::authenticate_controller) | `dhchap_ctrl_secret` | only with the host's secret |
//! | [`tls`](ConnectOptions::tls), [`tls_key`](ConnectOptions::tls_key), [`keyring`](ConnectOptions::keyring) | same names | tcp; never with `concat` |
//! | [`secure_concatenation`](ConnectOptions::secure_concatenation) | `concat` | tcp, only with the host's secret, never with `tls` |

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use nvme_proto::auth::DhchapSecret;

use super::table::{self, OptionInfo};
use super::{ConnectOptions, OptionError};

/// The serial number of a key or keyring in the kernel, 1 to `i32::MAX`. See `keyrings(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeySerial(NonZeroU32);

impl KeySerial {
    /// The number as the kernel gives it. `None`: zero, or one of the kernel's special (negative) numbers.
    #[must_use]
    pub fn new(serial: i32) -> Option<Self> {
        u32::try_from(serial).ok().and_then(NonZeroU32::new).map(Self)
    }

    /// Parses the hexadecimal form of `/proc/keys` and of the attribute `tls_key`.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.trim_ascii();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        i32::from_str_radix(text, 16).ok().and_then(Self::new)
    }

    /// The number.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for KeySerial {
    /// Decimal, as the options take it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a connection is secured by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Security {
    pub(super) host: Option<Secret>,
    pub(super) controller: Option<Secret>,
    pub(super) tls: bool,
    pub(super) tls_key: Option<KeySerial>,
    pub(super) keyring: Option<KeySerial>,
    pub(super) concat: bool,
}

/// A secret whose hash tells nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Secret(pub(super) DhchapSecret);

impl Hash for Secret {
    /// Equal secrets have equal hash functions; more is nobody's business.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash().map(|hash| hash.0).hash(state);
    }
}

impl ConnectOptions {
    /// `dhchap_secret`: this host proves that it knows its secret (DH-HMAC-CHAP) to a target that demands it. A kernel that does not list the option
    /// is never given it: the connect is refused. One that lists it and is built without `CONFIG_NVME_HOST_AUTH` (Debian's 6.1) ignores it, and
    /// fails where the target demands it.
    ///
    /// The kernel shows the secret to every user of the machine, in the controller's attribute `dhchap_secret`.
    ///
    /// # Errors
    /// None today; the signature is that of all setters.
    #[doc(alias = "dhchap_secret")]
    pub fn authenticate(mut self, secret: DhchapSecret) -> Result<Self, OptionError> {
        self.takes(&table::DHCHAP_SECRET)?;
        self.security.host = Some(Secret(secret));
        Ok(self)
    }

    /// `dhchap_ctrl_secret`: the controller must prove that it knows its secret, too. Comes after [`authenticate`](Self::authenticate): by
    /// itself the kernel ignores it.
    ///
    /// # Errors
    /// [`OptionError::Needs`] without the host's secret.
    #[doc(alias = "dhchap_ctrl_secret")]
    pub fn authenticate_controller(mut self, secret: DhchapSecret) -> Result<Self, OptionError> {
        self.takes(&table::DHCHAP_CTRL_SECRET)?;
        self.needs_secret(&table::DHCHAP_CTRL_SECRET)?;
        self.security.controller = Some(Secret(secret));
        Ok(self)
    }

    /// `tls`: TLS 1.3 with a pre-shared key, which the kernel looks up in its keyring `.nvme` by the names of host and subsystem. The handshake is
    /// done by a daemon (`tlshd`); without it the kernel gives up after 10 s.
    ///
    /// # Errors
    /// [`OptionError`] for other transports than tcp and together with secure concatenation.
    pub fn tls(mut self) -> Result<Self, OptionError> {
        self.takes(&table::TLS)?;
        self.excludes(&table::TLS, &table::CONCAT, self.security.concat)?;
        self.security.tls = true;
        Ok(self)
    }

    /// `tls_key`: TLS with this very key. Switches `tls` on: the kernel would take the key and not use it.
    ///
    /// Kernels up to 6.11 find keys of identity version 0 only; naming the key works with both.
    ///
    /// # Errors
    /// As [`tls`](Self::tls).
    pub fn tls_key(mut self, key: KeySerial) -> Result<Self, OptionError> {
        self.excludes(&table::TLS_KEY, &table::CONCAT, self.security.concat)?;
        self = self.tls()?;
        self.security.tls_key = Some(key);
        Ok(self)
    }

    /// `keyring`: the keyring to look for the key in, instead of `.nvme`. Goes with TLS in either form.
    ///
    /// # Errors
    /// [`OptionError`] for other transports than tcp.
    pub fn keyring(mut self, keyring: KeySerial) -> Result<Self, OptionError> {
        self.takes(&table::KEYRING)?;
        self.security.keyring = Some(keyring);
        Ok(self)
    }

    /// `concat`: authenticate first, then make a key for TLS from that and go on encrypted. Comes after [`authenticate`](Self::authenticate).
    ///
    /// # Errors
    /// [`OptionError`] for other transports than tcp, without the host's secret, and together with TLS.
    #[doc(alias = "concat")]
    pub fn secure_concatenation(mut self) -> Result<Self, OptionError> {
        self.takes(&table::CONCAT)?;
        self.needs_secret(&table::CONCAT)?;
        self.excludes(&table::CONCAT, &table::TLS, self.security.tls)?;
        self.security.concat = true;
        Ok(self)
    }

    fn needs_secret(&self, option: &OptionInfo) -> Result<(), OptionError> {
        match self.security.host {
            Some(_) => Ok(()),
            None => Err(OptionError::Needs { option: option.name, needs: table::DHCHAP_SECRET.name }),
        }
    }

    fn excludes(&self, option: &OptionInfo, other: &OptionInfo, is_set: bool) -> Result<(), OptionError> {
        if is_set { Err(OptionError::Excludes { option: option.name, other: other.name }) } else { Ok(()) }
    }

    /// Whether the connection will be encrypted, by either way.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.security.tls || self.security.concat
    }

    /// Whether the connection begins with TLS (`tls`).
    #[must_use]
    pub fn begins_with_tls(&self) -> bool {
        self.security.tls
    }

    /// The key for TLS that was named (`tls_key`).
    #[must_use]
    pub fn named_key(&self) -> Option<KeySerial> {
        self.security.tls_key
    }

    /// The keyring that was named (`keyring`).
    #[must_use]
    pub fn named_keyring(&self) -> Option<KeySerial> {
        self.security.keyring
    }

    /// Whether this host proves who it is.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.security.host.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::HostIdentity;

    const TEXT: &str = "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";

    fn secret() -> DhchapSecret {
        TEXT.parse().unwrap()
    }

    fn tcp() -> ConnectOptions {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, "mysub".parse().unwrap(), host).unwrap()
    }

    fn key(serial: i32) -> KeySerial {
        KeySerial::new(serial).unwrap()
    }

    #[test]
    fn what_the_kernel_would_refuse_or_ignore_cannot_be_asked_for() {
        let needs = |option| Err(OptionError::Needs { option, needs: "dhchap_secret" });
        assert_eq!(tcp().authenticate_controller(secret()), needs("dhchap_ctrl_secret"));
        assert_eq!(tcp().secure_concatenation(), needs("concat"));
        let both = tcp().authenticate(secret()).and_then(ConnectOptions::secure_concatenation).unwrap();
        let excludes = |option, other| Err(OptionError::Excludes { option, other });
        assert_eq!(both.clone().tls(), excludes("tls", "concat"));
        assert_eq!(both.tls_key(key(1)), excludes("tls_key", "concat"));
        let tls = tcp().authenticate(secret()).and_then(ConnectOptions::tls).unwrap();
        assert_eq!(tls.secure_concatenation(), excludes("concat", "tls"));
    }

    #[test]
    fn a_key_switches_tls_on() {
        let options = tcp().tls_key(key(0x0f3a_1b2c)).and_then(|o| o.keyring(key(7))).unwrap();
        assert!(options.is_encrypted());
        assert!(options.to_option_string().expose().ends_with(",keyring=7,tls_key=255466284,tls"));
    }

    #[test]
    fn serial_numbers() {
        assert_eq!(KeySerial::from_hex("0f3a1b2c"), KeySerial::new(255_466_284));
        assert_eq!(KeySerial::from_hex("0f3a1b2c\n").map(KeySerial::as_u32), Some(0x0f3a_1b2c));
        for bad in ["", "-1", "+1", "0", "80000000", "xyz", "00000000"] {
            assert_eq!(KeySerial::from_hex(bad), None, "{bad}");
        }
        assert_eq!((KeySerial::new(0), KeySerial::new(-3)), (None, None));
    }

    #[test]
    fn nothing_prints_the_secret_and_equal_options_hash_alike() {
        let options = tcp().authenticate(secret()).and_then(|o| o.authenticate_controller(secret())).unwrap();
        let string = options.to_option_string();
        assert!(string.expose().contains(TEXT));
        for text in [format!("{options:?}"), options.to_string(), format!("{string:?}"), string.redacted()] {
            assert!(!text.contains("AAECAwQF"), "{text}");
        }
        assert!(string.redacted().ends_with("dhchap_secret=***,dhchap_ctrl_secret=***"), "{string:?}");
        let set = std::collections::HashSet::from([options.clone(), options]);
        assert_eq!(set.len(), 1);
    }
}

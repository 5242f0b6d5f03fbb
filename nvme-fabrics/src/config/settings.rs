//! Settings of a connection, layered: the innermost one counts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use nvme_proto::auth::DhchapSecret;
use zeroize::Zeroizing;

use super::error::{BadValue, Fault, Position};
use super::key::{Class, Key, Kind, flag, number};
use crate::options::{ConnectOptions, ControllerLoss, FastIoFail, KeySerial, OptionError};

/// Where a setting stands. The later one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Level {
    /// For all connections of a kind.
    Defaults,
    /// For all connections of a host.
    Host,
    /// For a subsystem or a discovery controller.
    Endpoint,
    /// For one path.
    Path,
}

/// One setting.
#[derive(Clone, PartialEq, Eq)]
struct Setting {
    /// `None`: what the kernel does by itself.
    value: Option<Zeroizing<String>>,
    level: Level,
    position: Position,
}

/// Settings by name, such as `ctrl-loss-tmo`. Checked when they are read; [`Connection::options`](super::Connection::options) turns them into options.
///
/// A setting that was set to nothing (`key =`) takes back what stands further out: the kernel's own default holds.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, Setting>);

impl Settings {
    pub(super) fn set(
        &mut self,
        key: &'static Key,
        value: &str,
        level: Level,
        position: Position,
    ) -> Result<(), Fault> {
        check(key, value).map_err(|cause| Fault::Value { key: key.name, cause })?;
        let value = (!value.is_empty()).then(|| Zeroizing::new(value.to_owned()));
        self.0.insert(key.name, Setting { value, level, position });
        Ok(())
    }

    /// With what stands further in over it.
    pub(super) fn overlaid(&self, inner: &Self) -> Self {
        let mut all = self.0.clone();
        all.extend(inner.0.iter().map(|(name, setting)| (*name, setting.clone())));
        Self(all)
    }

    /// The same for connections of every kind: see [`apply`](Self::apply).
    pub(super) fn for_all(mut self) -> Self {
        self.0.values_mut().for_each(|setting| setting.level = Level::Host);
        self
    }

    /// Names and values, in the order of the names; `None` for the kernel's default. Secrets are among them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        self.0.iter().map(|(name, setting)| (*name, setting.value.as_ref().map(|v| v.as_str())))
    }

    /// The value of one setting.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.value.as_ref().map(|v| v.as_str())
    }

    /// Another value for a setting that is there.
    pub(super) fn replace(&mut self, name: &str, value: String) {
        if let Some(setting) = self.0.get_mut(name) {
            setting.value = Some(Zeroizing::new(value));
        }
    }

    /// A setting that has been taken care of.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Sets the serial number of a key where the setting was about another form of it, at the same place.
    pub(super) fn set_key(&mut self, of: &str, serial: KeySerial) {
        if let Some(mut setting) = self.0.get(of).cloned() {
            setting.value = Some(Zeroizing::new(serial.to_string()));
            self.0.insert("tls-key", setting);
        }
    }

    /// Where a setting stands.
    pub(super) fn position(&self, name: &str) -> Option<Position> {
        self.0.get(name).map(|setting| setting.position)
    }

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The options with these settings. What a transport or a discovery controller does not have is left out where it stands in defaults or with the
    /// host, since these are for connections of every kind; standing at the connection itself it is an error. Nothing that secures a connection
    /// is ever left out.
    ///
    /// # Errors
    /// The setting and why, with where it stands.
    pub(super) fn apply(&self, options: ConnectOptions) -> Result<ConnectOptions, (Position, Fault)> {
        let mut options = options;
        // The host's secret comes first: the others need it.
        let order = |name: &str| (name != "dhchap-secret", name == "concat");
        let mut settings: Vec<_> = self.0.iter().collect();
        settings.sort_by_key(|(name, _)| order(name));
        for (name, setting) in settings {
            let (Some(key), Some(value)) = (Key::named(name), &setting.value) else { continue };
            options = match apply_one(key, value, options.clone()) {
                Ok(with) => with,
                Err(BadValue::Option(error)) if is_left_out(key, setting.level, &error) => options,
                Err(cause) => return Err((setting.position, Fault::Value { key: key.name, cause })),
            };
        }
        Ok(options)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(name, value)| {
            let hidden = Key::named(name).is_none_or(Key::is_secret) && value.is_some();
            (name, if hidden { Some("(not shown)") } else { value })
        });
        f.debug_map().entries(shown).finish()
    }
}

fn is_left_out(key: &Key, level: Level, error: &OptionError) -> bool {
    key.class == Class::Tuning
        && level <= Level::Host
        && matches!(error, OptionError::NotForTransport { .. } | OptionError::NotForDiscovery { .. })
}

/// What can be checked without the rest of the connection.
fn check(key: &Key, value: &str) -> Result<(), BadValue> {
    match key.kind {
        _ if value.is_empty() => Ok(()),
        Kind::Number => number(value).map(drop),
        Kind::Flag => flag(value).map(drop),
        Kind::Secret => value.parse::<DhchapSecret>().map(drop).map_err(|_| BadValue::Secret),
        Kind::Key | Kind::Text => Ok(()),
    }
}

/// Into the range of an option's type; what is outside is refused by the setter, which knows the range.
fn clamped<T: TryFrom<i64>>(value: i64, largest: T) -> T {
    T::try_from(value).unwrap_or(largest)
}

fn apply_one(key: &Key, text: &str, o: ConnectOptions) -> Result<ConnectOptions, BadValue> {
    if key.kind == Kind::Flag {
        return if flag(text)? { Ok(apply_flag(key, o)?) } else { Ok(o) };
    }
    match key.name {
        "dhchap-secret" => return Ok(o.authenticate(secret(text)?)?),
        "dhchap-ctrl-secret" => return Ok(o.authenticate_controller(secret(text)?)?),
        "tls-key" => return Ok(o.tls_key(serial(text)?)?),
        "keyring" => return Ok(o.keyring(serial(text)?)?),
        // The kernel finds the key by an identity that it makes itself: with another one, another key would be meant.
        "tls-key-identity" => return Err(BadValue::Key),
        _ => {}
    }
    let n = number(text)?;
    let seconds = |n: i64| u64::try_from(n).map(Duration::from_secs);
    // For these nvme-cli takes 0 for "not given", and so do its users.
    let unset = n == 0 && !matches!(key.name, "tos" | "ctrl-loss-tmo" | "fast-io-fail-tmo");
    if unset {
        return Ok(o);
    }
    let negative = || BadValue::Number(text.to_owned());
    Ok(match key.name {
        "nr-io-queues" => o.nr_io_queues(clamped(n, u32::MAX))?,
        "nr-write-queues" => o.nr_write_queues(clamped(n, u32::MAX))?,
        "nr-poll-queues" => o.nr_poll_queues(clamped(n, u32::MAX))?,
        "queue-size" => o.queue_size(clamped(n, u16::MAX))?,
        "keep-alive-tmo" => o.keep_alive(seconds(n).map_err(|_| negative())?)?,
        "reconnect-delay" => o.reconnect_delay(seconds(n).map_err(|_| negative())?)?,
        "ctrl-loss-tmo" => {
            o.controller_loss(seconds(n).map_or(ControllerLoss::Never, ControllerLoss::After))?
        }
        "fast-io-fail-tmo" => o.fast_io_fail(seconds(n).map_or(FastIoFail::Off, FastIoFail::After))?,
        _ => o.tos(u8::try_from(n).map_err(|_| negative())?)?,
    })
}

fn apply_flag(key: &Key, o: ConnectOptions) -> Result<ConnectOptions, OptionError> {
    match key.name {
        "duplicate-connect" => o.duplicate_connect(),
        "disable-sqflow" => o.disable_sqflow(),
        "hdr-digest" => o.header_digest(),
        "data-digest" => o.data_digest(),
        "tls" => o.tls(),
        _ => o.secure_concatenation(),
    }
}

fn secret(text: &str) -> Result<DhchapSecret, BadValue> {
    text.parse().map_err(|_| BadValue::Secret)
}

/// Decimal or `0x…`, as `/proc/keys` shows it. Keys in clear and keyrings by name become one before: [`Connection::prepared`](super::Connection::prepared).
pub(super) fn serial(text: &str) -> Result<KeySerial, BadValue> {
    let n = number(text).ok().and_then(|n| i32::try_from(n).ok());
    n.and_then(KeySerial::new).ok_or(BadValue::Key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::HostIdentity;

    const HERE: Position = Position { line: 3, column: 7 };
    const SECRET: &str = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:";

    fn host() -> HostIdentity {
        HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap())
    }

    fn tcp() -> ConnectOptions {
        ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, "mysub".parse().unwrap(), host()).unwrap()
    }

    fn settings(of: &[(&str, &str, Level)]) -> Settings {
        let mut all = Settings::default();
        for (name, value, level) in of {
            all.set(Key::named(name).unwrap(), value, *level, HERE).unwrap();
        }
        all
    }

    fn text(options: ConnectOptions) -> String {
        options.to_option_string().expose().to_owned()
    }

    #[test]
    fn every_setting_becomes_its_option() {
        use Level::Path;
        let all = settings(&[
            ("nr-io-queues", "4", Path),
            ("nr-write-queues", "2", Path),
            ("nr-poll-queues", "1", Path),
            ("queue-size", "0x40", Path),
            ("keep-alive-tmo", "7", Path),
            ("reconnect-delay", "3", Path),
            ("ctrl-loss-tmo", "-1", Path),
            ("fast-io-fail-tmo", "0", Path),
            ("tos", "8", Path),
            ("duplicate-connect", "yes", Path),
            ("disable-sqflow", "on", Path),
            ("hdr-digest", "1", Path),
            ("data-digest", "no", Path),
            ("dhchap-ctrl-secret", SECRET, Path),
            ("dhchap-secret", SECRET, Path),
            ("concat", "true", Path),
        ]);
        let got = text(all.apply(tcp()).unwrap());
        for want in [
            "nr_io_queues=4",
            "nr_write_queues=2",
            "nr_poll_queues=1",
            "queue_size=64",
            "keep_alive_tmo=7",
            "reconnect_delay=3",
            "ctrl_loss_tmo=-1",
            "fast_io_fail_tmo=0",
            "tos=8",
            "duplicate_connect",
            "disable_sqflow",
            "hdr_digest",
            "dhchap_secret=DHHC-1",
            "dhchap_ctrl_secret=DHHC-1",
            "concat",
        ] {
            assert!(got.split(',').any(|o| o.starts_with(want)), "{want} in {got}");
        }
        assert!(!got.contains("data_digest"));
        let keys = settings(&[("tls", "1", Path), ("tls-key", "0x10", Path), ("keyring", "33", Path)]);
        let got = text(keys.apply(tcp()).unwrap());
        assert!(got.contains("tls_key=") && got.contains("keyring="), "{got}");
    }

    #[test]
    fn the_inner_one_counts_and_nothing_takes_back() {
        let outer = settings(&[("ctrl-loss-tmo", "600", Level::Defaults), ("tos", "3", Level::Defaults)]);
        let inner = settings(&[("ctrl-loss-tmo", "", Level::Path)]);
        let both = outer.overlaid(&inner);
        assert_eq!((both.get("ctrl-loss-tmo"), both.get("tos")), (None, Some("3")));
        assert!(!text(both.apply(tcp()).unwrap()).contains("ctrl_loss_tmo"));
    }

    #[test]
    fn defaults_fit_every_kind_of_connection_and_security_is_never_left_out() {
        let own = ConnectOptions::loopback("mysub".parse().unwrap(), host()).unwrap();
        let digest = |level| settings(&[("hdr-digest", "1", level)]).apply(own.clone());
        assert!(digest(Level::Defaults).is_ok() && digest(Level::Host).is_ok());
        let (position, fault) = digest(Level::Endpoint).unwrap_err();
        assert_eq!(position, HERE);
        assert!(matches!(fault, Fault::Value { key: "hdr-digest", .. }), "{fault}");
        assert!(settings(&[("tls", "1", Level::Defaults)]).apply(own).is_err());
    }

    #[test]
    fn what_cannot_be_is_refused_and_never_shown() {
        let refuses = |name: &str, value: &str| {
            Settings::default().set(Key::named(name).unwrap(), value, Level::Path, HERE).unwrap_err()
        };
        let fault = refuses("dhchap-secret", "DHHC-1:00:nosecret:").to_string();
        assert!(fault.contains("dhchap-secret") && !fault.contains("nosecret"), "{fault}");
        assert!(refuses("queue-size", "16abc").to_string().contains("16abc"));
        for (name, value) in [
            ("queue-size", "99999999"),
            ("queue-size", "-5"),
            ("keep-alive-tmo", "-1"),
            ("tos", "256"),
            ("tls-key", "NVMeTLSkey-1:01:x:"),
            ("keyring", ".nvme"),
            ("tls-key-identity", "x"),
        ] {
            let fault = settings(&[(name, value, Level::Path)]).apply(tcp()).unwrap_err().1;
            assert!(matches!(fault, Fault::Value { key, .. } if key == name), "{fault}");
            assert!(!fault.to_string().contains("NVMeTLSkey"), "{fault}");
        }
        let shown =
            format!("{:?}", settings(&[("dhchap-secret", SECRET, Level::Host), ("tos", "3", Level::Host)]));
        assert!(!shown.contains("DHHC") && shown.contains("tos"), "{shown}");
    }

    #[test]
    fn nought_is_not_given() {
        let got = text(
            settings(&[("nr-io-queues", "0", Level::Path), ("keep-alive-tmo", "0", Level::Path)])
                .apply(tcp())
                .unwrap(),
        );
        assert!(!got.contains("nr_io_queues") && !got.contains("keep_alive"), "{got}");
    }
}

//! The keys of all formats: what a setting is called where, and which values it takes.
//!
#![doc = include_str!("keys.md")]

use super::error::BadValue;

/// What stands for a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Number,
    Flag,
    /// The serial number of a key or keyring.
    Key,
    Secret,
    Text,
}

/// Who decides on a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// Each path by itself.
    Tuning,
    /// Host and subsystem together: all paths have the same.
    Security,
}

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// In `nvme-fabrics.conf` and on nvme-cli's command line.
    pub(super) name: &'static str,
    /// In `config.json`.
    pub(super) json: &'static str,
    /// nvme-cli's letter.
    pub(super) letter: Option<char>,
    pub(super) kind: Kind,
    pub(super) class: Class,
}

macro_rules! keys {
    ($($name:literal, $json:literal, $letter:expr, $kind:ident, $class:ident;)*) => {
        pub(super) const KEYS: &[Key] = &[$(Key {
            name: $name, json: $json, letter: $letter, kind: Kind::$kind, class: Class::$class,
        },)*];
    };
}

keys! {
    "nr-io-queues", "nr_io_queues", Some('i'), Number, Tuning;
    "nr-write-queues", "nr_write_queues", Some('W'), Number, Tuning;
    "nr-poll-queues", "nr_poll_queues", Some('P'), Number, Tuning;
    "queue-size", "queue_size", Some('Q'), Number, Tuning;
    "keep-alive-tmo", "keep_alive_tmo", Some('k'), Number, Tuning;
    "reconnect-delay", "reconnect_delay", Some('c'), Number, Tuning;
    "ctrl-loss-tmo", "ctrl_loss_tmo", Some('l'), Number, Tuning;
    "fast-io-fail-tmo", "fast_io_fail_tmo", Some('F'), Number, Tuning;
    "tos", "tos", Some('T'), Number, Tuning;
    "duplicate-connect", "duplicate_connect", Some('D'), Flag, Tuning;
    "disable-sqflow", "disable_sqflow", None, Flag, Tuning;
    "hdr-digest", "hdr_digest", Some('g'), Flag, Tuning;
    "data-digest", "data_digest", Some('G'), Flag, Tuning;
    "dhchap-secret", "dhchap_key", Some('S'), Secret, Security;
    "dhchap-ctrl-secret", "dhchap_ctrl_key", Some('C'), Secret, Security;
    "tls", "tls", None, Flag, Security;
    "tls-key", "tls_key", None, Key, Security;
    "tls-key-identity", "tls_key_identity", None, Text, Security;
    "keyring", "keyring", None, Key, Security;
    "concat", "concat", None, Flag, Security;
}

impl Key {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|k| k.name == name)
    }

    pub(super) fn in_json(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|k| k.json == name)
    }

    pub(super) fn of_letter(letter: char) -> Option<&'static Self> {
        KEYS.iter().find(|k| k.letter == Some(letter))
    }

    /// Whether its value must not be shown. Keys may be given in clear as well.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Key)
    }
}

/// A whole number in C notation: decimal, `0x…` hexadecimal, or with a leading zero octal, as nvme-cli reads it.
pub(super) fn number(text: &str) -> Result<i64, BadValue> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (radix, digits) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(hex) => (16, hex),
        None if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    let value = match digits.starts_with(['+', '-']) {
        true => None,
        false => i64::from_str_radix(digits, radix).ok(),
    };
    let value = value.and_then(|v| if negative { v.checked_neg() } else { Some(v) });
    value.ok_or_else(|| BadValue::Number(text.to_owned()))
}

/// The words of systemd for yes and no, in any case.
pub(super) fn flag(text: &str) -> Result<bool, BadValue> {
    let is = |words: &[&str]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    if is(&["1", "yes", "y", "true", "t", "on"]) {
        Ok(true)
    } else if is(&["0", "no", "n", "false", "f", "off"]) {
        Ok(false)
    } else {
        Err(BadValue::Flag(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_flags_are_read_as_nvme_cli_does() {
        let n = |text: &str| number(text).ok();
        assert_eq!(
            [n("600"), n("-1"), n("0x10"), n("020"), n("0")],
            [Some(600), Some(-1), Some(16), Some(16), Some(0)]
        );
        for bad in ["", "16abc", "+1", "--1", "-+1", "0x", "09", "99999999999999999999"] {
            assert_eq!(n(bad), None, "{bad}");
        }
        assert_eq!(flag("YES"), Ok(true));
        assert_eq!(flag("off"), Ok(false));
        assert!(flag("").is_err() && flag("2").is_err());
    }

    #[test]
    fn the_documentation_shows_these_keys() {
        let mut want =
            String::from("| key | `config.json` | letter | value | where |\n|---|---|---|---|---|\n");
        for k in KEYS {
            let value = match k.kind {
                Kind::Number => "whole number",
                Kind::Flag => "true or false",
                Kind::Key => "serial number of a key",
                Kind::Secret => "`DHHC-1:…`",
                Kind::Text => "text",
            };
            let place = match k.class {
                Class::Tuning => "anywhere",
                Class::Security => "not on a `controller` line",
            };
            let letter = k.letter.map(|l| format!("`-{l}`")).unwrap_or_default();
            want += &format!("| `{}` | `{}` | {letter} | {value} | {place} |\n", k.name, k.json);
        }
        assert_eq!(include_str!("keys.md"), want, "print it into src/config/keys.md:\n{want}");
    }

    #[test]
    fn every_key_is_an_option_of_the_kernel_and_once_there() {
        for (n, k) in KEYS.iter().enumerate() {
            let option = k.name.replace('-', "_");
            assert!(crate::OptionInfo::of(&option).is_some() || k.kind == Kind::Text, "{option}");
            assert!(KEYS.iter().skip(n + 1).all(|o| o.name != k.name && o.json != k.json));
            assert!(k.letter.is_none() || KEYS.iter().skip(n + 1).all(|o| o.letter != k.letter));
        }
    }
}

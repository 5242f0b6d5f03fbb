//! Options that are newer than this crate, by name.

use super::table::OptionInfo;
use super::{ConnectOptions, OptionError};

/// The longest name and the longest value of such an option, in bytes.
const MAX_LEN: usize = 255;

/// An option that this crate does not know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct NewerOption {
    pub(super) name: String,
    pub(super) value: Option<String>,
}

impl ConnectOptions {
    /// A flag that is newer than this crate, in the kernel's spelling. Asked for twice, it is sent once.
    ///
    /// Sent only to kernels that list it: a kernel without a list (before 5.17), or without this flag in it, refuses by name before anything is
    /// written.
    ///
    /// # Errors
    /// [`OptionError`] for a name that is none (1 to 255 of `a` to `z`, digits and `_`), and for one that has a setter of its own.
    pub fn newer_flag(mut self, name: &str) -> Result<Self, OptionError> {
        self.keep(NewerOption { name: newer_name(name)?, value: None });
        Ok(self)
    }

    /// An option with a value that is newer than this crate, in the kernel's spelling. The last value of a name counts. Sent as
    /// [`newer_flag`](Self::newer_flag) says.
    ///
    /// # Errors
    /// As [`newer_flag`](Self::newer_flag), and for a value that is empty, longer than 255 bytes or has a comma or a control character in it.
    pub fn newer_value(mut self, name: &str, value: &str) -> Result<Self, OptionError> {
        let name = newer_name(name)?;
        let value = plain_text("value of a newer option", value)?;
        self.keep(NewerOption { name, value: Some(value) });
        Ok(self)
    }

    fn keep(&mut self, option: NewerOption) {
        self.newer.retain(|o| o.name != option.name);
        self.newer.push(option);
    }

    /// Names of the options that are newer than this crate.
    pub(crate) fn newer_names(&self) -> impl Iterator<Item = &str> {
        self.newer.iter().map(|o| o.name.as_str())
    }
}

fn newer_name(name: &str) -> Result<String, OptionError> {
    let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    if name.is_empty() || name.len() > MAX_LEN || !name.bytes().all(is_name) {
        return Err(OptionError::BadText { option: "name of a newer option", value: name.to_owned() });
    }
    match OptionInfo::of(name) {
        Some(known) => Err(OptionError::HasSetter { option: known.name, setter: known.setter }),
        None => Ok(name.to_owned()),
    }
}

/// Text that ends no value early and is not empty.
pub(super) fn plain_text(option: &'static str, value: &str) -> Result<String, OptionError> {
    if value.len() > MAX_LEN {
        return Err(OptionError::TooLong { option, len: value.len(), max: MAX_LEN });
    }
    if value.is_empty() || value.contains(|c: char| c == ',' || c.is_control()) {
        return Err(OptionError::BadText { option, value: value.to_owned() });
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::HostIdentity;

    fn tcp() -> ConnectOptions {
        let host = HostIdentity::from_uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6".parse().unwrap());
        ConnectOptions::tcp("192.0.2.10".parse().unwrap(), 4420, "mysub".parse().unwrap(), host).unwrap()
    }

    #[test]
    fn the_last_value_counts_and_goes_to_the_end() {
        let options = tcp()
            .newer_value("recovery_delay", "5")
            .and_then(|o| o.newer_flag("some_flag"))
            .and_then(|o| o.newer_value("recovery_delay", "6"))
            .unwrap();
        assert!(options.to_option_string().expose().ends_with(",some_flag,recovery_delay=6"));
        assert_eq!(options.newer_names().collect::<Vec<_>>(), ["some_flag", "recovery_delay"]);
    }

    #[test]
    fn no_name_and_no_value_smuggles_anything_in() {
        for name in ["", "a,tls", "a=b", "A", "a b", "a\n", "é"] {
            assert!(matches!(tcp().newer_flag(name), Err(OptionError::BadText { .. })), "{name:?}");
        }
        for value in ["", "1,tls", "1\n", "1\0"] {
            assert!(matches!(tcp().newer_value("new", value), Err(OptionError::BadText { .. })), "{value:?}");
        }
        assert!(matches!(tcp().newer_value("new", &"x".repeat(256)), Err(OptionError::TooLong { .. })));
        let error = tcp().newer_flag("hdr_digest").unwrap_err();
        assert_eq!(error, OptionError::HasSetter { option: "hdr_digest", setter: "header_digest" });
    }
}

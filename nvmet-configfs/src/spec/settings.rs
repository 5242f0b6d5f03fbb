//! Attributes of an object that a spec sets, by their file names.

use std::collections::BTreeMap;
use std::fmt;

use crate::attr::{self, ValueFault, ValueKind};
use crate::object::Object;
use crate::tree::{Name, RelPathError};
use crate::value::Value;

/// The attributes that an object shall have, by file name. Those that are not named stay as the kernel has them.
///
/// A value is checked when it is set, by [the list of attributes](crate::ATTRIBUTES), and kept in the one spelling this crate writes:
/// `0x10` becomes `16`. Attributes that are not in the list are carried as they are. `Debug` does not show secrets.
///
/// ```
/// use nvmet_configfs::SubsystemSpec;
/// # fn main() -> Result<(), nvmet_configfs::SettingError> {
/// let subsystem = SubsystemSpec::any_host().set("attr_qid_max", "0x10")?;
/// assert_eq!(subsystem.settings.text("attr_qid_max"), Some("16"));
/// assert!(SubsystemSpec::any_host().set("attr_qid_max", "129").is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    owner: Object,
    values: BTreeMap<Name, Value>,
}

/// An attribute that cannot be set so. The value is not part of it, since it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// The value is none of this attribute.
    #[error("{name} of a {}: {fault}", .owner.noun())]
    Value {
        /// The object.
        owner: Object,
        /// The attribute.
        name: Name,
        /// What is meant instead.
        fault: ValueFault,
    },
    /// The attribute has a field of its own in the spec.
    #[error("{name} of a {} is no setting: its `{field}` stands for it", .owner.noun())]
    HasField {
        /// The object.
        owner: Object,
        /// The attribute.
        name: Name,
        /// The field.
        field: &'static str,
    },
    /// The name cannot be that of a file.
    #[error("an attribute cannot have the name {name:?}")]
    Name {
        /// The name.
        name: String,
        /// The rule.
        source: RelPathError,
    },
}

impl Settings {
    /// No settings of an object of this kind.
    pub(crate) fn of(owner: Object) -> Self {
        Self { owner, values: BTreeMap::new() }
    }

    /// The kind of object whose settings these are.
    pub fn owner(&self) -> Object {
        self.owner
    }

    /// Sets an attribute, instead of an earlier value.
    ///
    /// # Errors
    /// [`SettingError`]; nothing is changed then.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), SettingError> {
        let owner = self.owner;
        let file = Name::new(name).map_err(|source| SettingError::Name { name: name.to_owned(), source })?;
        let known = attr::known(owner, &file);
        if let Some(known) = known.filter(|a| a.is_structural()) {
            return Err(SettingError::HasField { owner, name: file, field: known.field });
        }
        match known.map_or(ValueKind::Opaque, |a| a.kind).canonical(value.as_ref()) {
            Ok(value) => {
                self.values.insert(file, value);
                Ok(())
            }
            Err(fault) => Err(SettingError::Value { owner, name: file, fault }),
        }
    }

    /// Leaves an attribute as the kernel has it.
    pub fn unset(&mut self, name: &str) {
        self.values.retain(|n, _| n.as_bytes() != name.as_bytes());
    }

    /// A value as text; `None` for attributes that are not set, not text, or secret.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.find(name).filter(|(n, _)| !attr::is_secret(n))?.1.to_str()
    }

    /// A value as a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// A value as a flag.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.text(name)? {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        }
    }

    /// A secret, or any other value that is text. Do not print or log it.
    pub fn secret(&self, name: &str) -> Option<&str> {
        self.find(name)?.1.to_str()
    }

    /// Those that can be shown, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Value)> {
        self.values.iter().filter(|(name, _)| !attr::is_secret(name))
    }

    /// All of them, in the order in which they are stored.
    pub(crate) fn entries(&self) -> Vec<(&Name, &Value)> {
        let mut entries: Vec<_> = self.values.iter().collect();
        entries.sort_by(|(a, _), (b, _)| attr::rank(a).cmp(&attr::rank(b)));
        entries
    }

    /// The value of an attribute.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.find(name).map(|(_, value)| value)
    }

    fn find(&self, name: &str) -> Option<(&Name, &Value)> {
        self.values.iter().find(|(n, _)| n.as_bytes() == name.as_bytes())
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.values.keys()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Sets what the caller has checked by its type.
    pub(super) fn set_checked(&mut self, name: &'static str, value: impl ToString) {
        self.values.insert(Name::fixed(name), value.to_string().into());
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.values.iter().map(|(name, value)| {
            let secret = attr::is_secret(name);
            (name, if secret { "(secret)".to_owned() } else { value.escape_ascii().to_string() })
        });
        f.debug_map().entries(shown).finish()
    }
}

/// `set` for the spec of an object, and its bare form on the field.
macro_rules! with_settings {
    ($($spec:ty),*) => {$(
        impl $spec {
            /// With this attribute, by its file name. See [`Settings`](crate::Settings).
            ///
            /// # Errors
            /// [`SettingError`](crate::SettingError) when the value is none of this attribute.
            pub fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, crate::SettingError> {
                self.settings.set(name, value)?;
                Ok(self)
            }
        }
    )*};
}

pub(super) use with_settings;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_the_list_and_unknown_ones_carried() {
        let mut settings = Settings::of(Object::Subsystem);
        settings.set("attr_vendor_id", "0x1af4").unwrap();
        assert_eq!(settings.number("attr_vendor_id"), Some(6900));
        settings.set("attr_of_tomorrow", "any text").unwrap();
        assert_eq!(settings.text("attr_of_tomorrow"), Some("any text"));
        let error = settings.set("attr_vendor_id", "65536").unwrap_err();
        assert_eq!(error.to_string(), "attr_vendor_id of a subsystem: a number from 0 to 65535 is meant");
        assert_eq!(settings.number("attr_vendor_id"), Some(6900), "unchanged");
        let error = settings.set("attr_allow_any_host", "1").unwrap_err();
        assert!(error.to_string().contains("`access` stands for it"), "{error}");
        assert!(matches!(settings.set("../x", "1"), Err(SettingError::Name { .. })));
        settings.unset("attr_vendor_id");
        assert_eq!(settings.len(), 1);
    }

    #[test]
    fn secrets_are_not_shown() {
        let key = "DHHC-1:00:ia6zGodOr4SEG0Zzaw398rpY0wqipUWj4jWjUh4HWUz6aQ2n:"; // not a secret of anyone
        let mut settings = Settings::of(Object::Host);
        settings.set("dhchap_key", key).unwrap();
        settings.set("dhchap_hash", "hmac(sha512)").unwrap();
        assert_eq!(settings.text("dhchap_key"), None);
        assert_eq!(settings.secret("dhchap_key"), Some(key));
        assert_eq!(settings.iter().count(), 1);
        assert!(!format!("{settings:?}").contains("ia6z"));
        let error = settings.set("dhchap_ctrl_key", "DHHC-1:00:hush:").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"));
    }

    #[test]
    fn order_is_that_of_the_list() {
        let mut settings = Settings::of(Object::Port);
        for name in ["param_pi_enable", "addr_treq", "addr_tsas", "new_one"] {
            let value = if name == "addr_treq" {
                "required"
            } else if name == "addr_tsas" {
                "none"
            } else {
                "1"
            };
            settings.set(name, value).unwrap();
        }
        let names: Vec<String> = settings.entries().iter().map(|(n, _)| n.to_string()).collect();
        assert_eq!(names, ["addr_tsas", "addr_treq", "param_pi_enable", "new_one"]);
    }
}

//! Keys of hosts, apart from the rest.

use std::collections::BTreeMap;
use std::fmt;

use nvme_proto::HostNqn;
use serde_json::{Map, Value as Json, json};

use super::text::Text;
use super::{FileError, Format, VERSION, read, render};
use crate::attr;
use crate::object::Object;
use crate::spec::{Settings, TargetSpec};
use crate::value::Value;

/// The keys of hosts, from a file of their own or out of a spec. `Debug` shows none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<HostNqn, Settings>);

impl Secrets {
    /// Reads a file of keys, TOML or JSON.
    ///
    /// # Errors
    /// [`FileError`], which shows none of them.
    pub fn parse(text: &[u8]) -> Result<Self, FileError> {
        let text = Text::new(text)?;
        let (json, _) = text.tree()?;
        let keys = read::secrets(&json).map_err(|error| text.placed(error))?;
        Ok(Self(keys.into_iter().collect()))
    }

    /// The keys in a spec.
    pub fn of(spec: &TargetSpec) -> Self {
        let mut all = BTreeMap::new();
        for (nqn, host) in &spec.hosts {
            let mut settings = Settings::of(Object::Host);
            for (name, value) in host.settings.entries() {
                if let (true, Some(name)) = (attr::is_secret(name), name.to_str()) {
                    // It was checked when it went into the spec.
                    let _ = settings.set(name, &**value);
                }
            }
            if !settings.is_empty() {
                all.insert(nqn.clone(), settings);
            }
        }
        Self(all)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the keys into a spec. Hosts that the spec does not define are returned: nothing is made of their keys.
    pub fn add_to(&self, spec: &mut TargetSpec) -> Vec<HostNqn> {
        let mut unknown = Vec::new();
        for (nqn, settings) in &self.0 {
            let Some(host) = spec.hosts.get_mut(nqn) else {
                unknown.push(nqn.clone());
                continue;
            };
            for (name, value) in settings.entries() {
                if let Some(name) = name.to_str() {
                    let _ = host.settings.set(name, &**value); // checked when it was read
                }
            }
        }
        unknown
    }

    /// The text of the file. Write it with [`write`](super::write), which lets nobody else read it.
    pub fn to_text(&self, format: Format) -> Value {
        let mut hosts = Map::new();
        for (nqn, settings) in &self.0 {
            let keys = settings
                .entries()
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), Json::from(value.to_str()?))));
            hosts.insert(nqn.to_string(), Json::Object(keys.collect()));
        }
        render(json!({ "version": VERSION, "hosts": hosts }), format)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets(of {} hosts)", self.0.len())
    }
}

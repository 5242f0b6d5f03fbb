//! Named values in their order, as text on a line and as a JSON object.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

/// Named values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(pub Vec<(String, Value)>);

/// Fields that are shown on a line even when they are 0.
const SHOWN: &[&str] =
    &["nsid", "lba", "qid", "value", "offset", "sqhd", "fei", "change_count", "generation", "records"];

impl Fields {
    /// None.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The same and one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The fields of a structure, in their order; none where it has no names.
    pub fn of(value: &impl Serialize) -> Self {
        let text = serde_json::to_string(value).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The fields that a structure shows with `{:?}`, where each is a name and a value.
    pub fn of_debug(value: &impl fmt::Debug) -> Self {
        let text = format!("{value:?}");
        let inner = text.split_once(" { ").and_then(|(_, rest)| rest.strip_suffix(" }")).unwrap_or_default();
        let parts = split_top(inner);
        Self(
            parts
                .iter()
                .filter_map(|part| part.split_once(": "))
                .map(|(name, value)| (name.to_owned(), debug_value(value)))
                .collect(),
        )
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Takes fields out.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Splits at commas that are in no brackets and no text.
fn split_top(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default().trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn debug_value(text: &str) -> Value {
    // More than JSON numbers keep exactly.
    if text.len() > 19 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_err() {
        return text.into();
    }
    serde_json::from_str(text).ok().filter(|value: &Value| !value.is_object()).unwrap_or_else(|| {
        // `Some("x")`, `Version(1.3.0)`: the value is what counts.
        let inner = text.strip_suffix(')').and_then(|text| text.split_once('('));
        match inner.filter(|(name, _)| name.chars().all(char::is_alphanumeric)) {
            Some((_, inner)) => debug_value(inner),
            None if text == "None" => Value::Null,
            None => text.into(),
        }
    })
}

impl fmt::Display for Fields {
    /// `name=value name=value`, without what is zero, false or nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, value) in &self.0 {
            if is_nothing(value) && !(SHOWN.contains(&name.as_str()) && value.is_number()) {
                continue;
            }
            write!(f, "{separator}{name}=")?;
            write_value(f, value)?;
            separator = " ";
        }
        Ok(())
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.iter().all(is_nothing),
        Value::Object(map) => map.values().all(is_nothing),
        Value::Bool(true) => false,
    }
}

fn write_value(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::String(text) if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"') => {
            write!(f, "{text:?}")
        }
        Value::String(text) => f.write_str(text),
        other => write!(f, "{other}"),
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::new();
                while let Some(field) = map.next_entry()? {
                    fields.0.push(field);
                }
                Ok(fields)
            }

            fn visit_unit<E>(self) -> Result<Fields, E> {
                Ok(Fields::new())
            }
        }

        deserializer.deserialize_any(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nvme_proto::fabrics::{Capabilities, Connect};

    #[test]
    fn structures_keep_their_order() {
        let fields = Fields::of(&Connect::io(3, 127));
        assert_eq!(fields.to_string(), "qid=3 queue_size=127");
        assert!(serde_json::to_string(&fields).unwrap().starts_with(r#"{"record_format":0,"qid":3,"#));
    }

    #[test]
    fn what_is_only_shown_has_fields_too() {
        let fields = Fields::of_debug(&Capabilities(0x0000_0820_0f00_03ff));
        assert_eq!(fields.get("max_queue_entries"), Some(&Value::from(1023)));
        assert_eq!(fields.get("nvm_command_set"), Some(&Value::from(true)));
        #[derive(Debug)]
        #[allow(dead_code, reason = "shown")]
        struct Odd {
            text: &'static str,
            list: [u8; 2],
            maybe: Option<&'static str>,
            nothing: Option<u8>,
        }
        assert_eq!(debug_value("18446744073709551615"), Value::from(u64::MAX));
        assert_eq!(debug_value("18446744073709551616"), Value::from("18446744073709551616"));
        let odd = Odd { text: "a, b: \"c\" }", list: [1, 2], maybe: Some("x y"), nothing: None };
        let fields = Fields::of_debug(&odd);
        assert_eq!(fields.get("text"), Some(&Value::from("a, b: \"c\" }")));
        assert_eq!(fields.to_string(), r#"text="a, b: \"c\" }" list=[1,2] maybe="x y""#);
    }
}

//! The entries of the golden PDUs.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A PDU with what is known about its entry.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fields: Value,
}

impl Vector {
    pub(crate) fn new(value: &Value, fields: Value) -> Self {
        let hex = value["hex"].as_str().unwrap();
        let bytes = (0..hex.len()).step_by(2);
        Self {
            name: value["name"].as_str().unwrap().to_owned(),
            bytes: bytes.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect(),
            fields,
        }
    }

    /// All vectors of a PDU type.
    pub(crate) fn of_type(code: u8) -> Vec<Self> {
        let all: Vec<Value> = serde_json::from_str(include_str!("../vectors/pdus.json")).unwrap();
        let fields: Value = serde_json::from_str(include_str!("../vectors/commands.json")).unwrap();
        let vector = |value: &Value| Self::new(value, fields[value["name"].as_str().unwrap()].clone());
        all.iter().map(vector).filter(|vector| vector.bytes[0] == code).collect()
    }

    pub(crate) fn entry<const N: usize>(&self) -> &[u8; N] {
        self.bytes[8..].first_chunk().unwrap()
    }

    /// The data in the capsule: it begins at PDO and, in these vectors, a data digest of 4 bytes is the only thing behind it.
    pub(crate) fn data(&self) -> &[u8] {
        let digest = if self.bytes[1] & 2 == 0 { 0 } else { 4 };
        match usize::from(self.bytes[3]) {
            0 => &[],
            at => &self.bytes[at..self.bytes.len() - digest],
        }
    }

    /// Compares what the vector says about each field with what was decoded.
    pub(crate) fn compare(&self, decoded: &BTreeMap<&str, Value>) -> usize {
        let fields = self.fields.as_object().unwrap();
        for (field, expected) in fields {
            let found = decoded.get(field.as_str());
            let found = found.unwrap_or_else(|| panic!("{}: {field} is not decoded", self.name));
            assert_eq!(number(found), number(expected), "{}: {field}", self.name);
        }
        fields.len()
    }
}

/// Numbers as numbers, whether written `5` or `0x5`.
fn number(value: &Value) -> Value {
    let hex = value.as_str().and_then(|text| text.strip_prefix("0x"));
    match hex.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
        Some(number) => json!(number),
        None => value.clone(),
    }
}

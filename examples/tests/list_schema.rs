//! What `list` prints as JSON has the shape that `schema/list.json` says, for trees captured from real kernels.

use std::fs;
use std::path::Path;

use nvme_examples::host::JSON_VERSION;
use nvme_examples::inventory::{self, Detail};
use nvme_fabrics::Inventory;
use nvme_fabrics::testing::Tree;
use serde_json::Value;

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/list.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Holds a value against a schema: the keywords that `list.json` uses. The error says where and what.
fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let known = [
        "$schema",
        "$defs",
        "title",
        "description",
        "type",
        "required",
        "additionalProperties",
        "properties",
        "items",
        "$ref",
        "const",
        "anyOf",
        "minimum",
        "maximum",
    ];
    let object = schema.as_object().ok_or("a schema is an object")?;
    if let Some(other) = object.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("{at}: this test does not know `{other}`"));
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).ok_or(format!("no {reference}"))?;
        return check(root, target, value, at);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let errors: Vec<_> = choices.iter().map(|choice| check(root, choice, value, at)).collect();
        return if errors.iter().any(Result::is_ok) { Ok(()) } else { Err(format!("{at}: {errors:?}")) };
    }
    if schema.get("const").is_some_and(|wanted| wanted != value) {
        return Err(format!("{at}: {value} is not {}", schema["const"]));
    }
    let fits = match schema["type"].as_str() {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some(other) => return Err(format!("{at}: this test does not know the type {other}")),
    };
    if !fits {
        return Err(format!("{at}: {value} is no {}", schema["type"]));
    }
    let beyond = |limit: &str, more: fn(f64, f64) -> bool| matches!((value.as_f64(), schema[limit].as_f64()), (Some(n), Some(limit)) if more(n, limit));
    if beyond("minimum", |n, limit| n < limit) || beyond("maximum", |n, limit| n > limit) {
        return Err(format!("{at}: {value} is out of range"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        value.get(name).ok_or(format!("{at}: no `{name}`"))?;
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(inner) => check(root, inner, member, &format!("{at}.{name}"))?,
            None if schema["additionalProperties"] == false => {
                return Err(format!("{at}: `{name}` is not described"));
            }
            None => {}
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(root, &schema["items"], item, &format!("{at}[{index}]"))?;
    }
    Ok(())
}

/// Every captured tree of the library's tests.
fn inventories() -> Vec<(String, Inventory)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nvme-fabrics/tests/data/sysfs");
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "txt") {
            let dir = tempfile::tempdir().unwrap();
            let tree = Tree::make(dir.path(), &fs::read_to_string(&path).unwrap()).unwrap();
            found.push((path.display().to_string(), Inventory::scan(&tree.sysfs()).unwrap()));
        }
    }
    assert!(found.len() >= 4, "{} trees in {}", found.len(), folder.display());
    found
}

/// What is unknown is left out, and never null.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

#[test]
fn everything_that_is_printed_is_described() {
    let schema = schema();
    let mut seen = 0;
    for (name, inventory) in inventories() {
        for value in [
            inventory::namespaces(&inventory),
            inventory::subsystems(&inventory, Detail::Short),
            inventory::subsystems(&inventory, Detail::All),
        ] {
            check(&schema, &schema, &value, "$").unwrap_or_else(|error| panic!("{name}: {error}\n{value:#}"));
            assert!(!has_null(&value), "{name}: {value:#}");
            seen += value.to_string().len();
        }
    }
    assert!(seen > 10_000, "hardly anything was printed: {seen} bytes");
}

#[test]
fn what_is_not_described_is_noticed() {
    let schema = schema();
    let (_, inventory) = inventories().remove(0);
    let good = inventory::subsystems(&inventory, Detail::All);
    let wrong = |change: &dyn Fn(&mut Value)| {
        let mut value = good.clone();
        change(&mut value);
        check(&schema, &schema, &value, "$").unwrap_err()
    };
    assert!(wrong(&|v| v["version"] = 2.into()).contains("version"));
    assert!(wrong(&|v| v["extra"] = 2.into()).contains("`extra` is not described"));
    assert!(wrong(&|v| v["hosts"] = 2.into()).contains("is no"));
    assert!(wrong(&|v| drop(v.as_object_mut().unwrap().remove("version"))).contains("no `version`"));
    assert_eq!(schema["properties"]["version"]["const"], JSON_VERSION);
}

#[cfg(target_os = "linux")]
#[test]
fn failures_are_described() {
    use nvme_examples::{cli, failure};
    use nvme_fabrics::{ConnectError, DisconnectError, Errno, Stage};

    let schema: Value = serde_json::from_str(include_str!("../schema/error.json")).unwrap();
    let refused = ConnectError::Refused {
        target: "subsystem mysub at ::1 port 4420".into(),
        host: "me".into(),
        stage: Stage::Network,
        rejection: None,
        source: Errno::ECONNREFUSED.into(),
    };
    let unknown = ConnectError::Unsupported { target: "subsystem mysub".into(), option: "tos".into() };
    let gone = DisconnectError::NothingMatched { selector: "controller nvme7".into(), connected: vec![] };
    let all: [(Box<dyn std::error::Error + Send + Sync>, &str, Value); 4] = [
        (refused.into(), "nothing-listens", 111.into()),
        (unknown.into(), "unknown-option", Value::Null),
        (gone.into(), "nothing-matched", Value::Null),
        (cli::failure("no"), "other", Value::Null),
    ];
    for (error, kind, errno) in all {
        let value = failure::to_json(error.as_ref());
        check(&schema, &schema, &value, "$").unwrap_or_else(|error| panic!("{error}\n{value:#}"));
        let found = &value["error"];
        assert_eq!((found["kind"].as_str(), &found["errno"]), (Some(kind), &errno), "{value:#}");
        assert_eq!(found["retryable"], kind == "nothing-listens", "{value:#}");
        assert_eq!(found["option"].as_str().is_some(), kind == "unknown-option", "{value:#}");
    }
}

/// Every member has words: the schema is the documentation.
#[test]
fn every_member_is_described_in_words() {
    fn walk(schema: &Value, at: &str) {
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let words = member["description"].as_str().unwrap_or_default();
            assert!(words.len() > 3, "{at}.{name} has no description");
        }
    }
    let schema = schema();
    walk(&schema, "$");
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        walk(definition, name);
    }
}

//! The published schema says what the parser takes.

use std::fs;
use std::path::Path;

use brio_supervisor::file::{Format, parse, schema};
use serde_json::{Map, Value, json};

fn recipes() -> Vec<Value> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../example-agents/recipes");
    let files = fs::read_dir(dir).expect("the recipes").map(|f| f.expect("a file").path());
    files
        .map(|file| {
            let text = fs::read_to_string(&file).expect("read");
            toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
        })
        .collect()
}

fn taken(value: &Value) -> bool {
    parse(&value.to_string(), Format::Json, Path::new("/")).is_ok()
}

#[test]
fn it_is_a_schema_of_2020_12_and_every_recipe_fits_it() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    if let Err(e) = jsonschema::draft202012::meta::validate(&schema) {
        panic!("{e}");
    }
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    for recipe in recipes() {
        let errors: Vec<_> = validator.iter_errors(&recipe).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", recipe["name"]);
        assert!(taken(&recipe));
    }
}

/// Each object of the schema that says what keys there are.
fn tables(schema: &Value) -> Vec<(&str, &Map<String, Value>)> {
    let defs = schema["$defs"].as_object().expect("definitions");
    defs.iter()
        .map(|(name, def)| (name.as_str(), def))
        .chain([("Task", schema)])
        .filter_map(|(name, def)| Some((name, def["properties"].as_object()?)))
        .collect()
}

#[test]
fn every_key_is_described_and_none_is_unknown_to_it() {
    let schema = schema();
    for (name, def) in schema["$defs"].as_object().expect("definitions") {
        assert!(def["description"].is_string(), "{name}");
    }
    for (table, keys) in tables(&schema) {
        for (key, value) in keys {
            let text = value["description"].as_str().unwrap_or_default();
            assert!(text.ends_with('.') && !text.contains('\n'), "{table}.{key}: {text}");
            let kebab = key.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            assert!(kebab, "{table}.{key}");
        }
    }
    let text = schema.to_string();
    assert!(!text.contains("\"null\""), "a key that is left out is left out");
}

#[test]
fn every_key_of_the_schema_is_read() {
    // A key that the parser did not know would be an error of its own kind.
    let schema = schema();
    for (table, keys) in tables(&schema) {
        for key in keys.keys() {
            let inner = json!({ key: { "no": "value of it" } });
            let file = match table {
                "Task" => inner,
                "Child" => json!({ "children": [inner] }),
                "Step" => json!({ "steps": [inner] }),
                "Gate" => json!({ "gates": [inner] }),
                "Secret" => json!({ "steps": [{ "secrets": [inner] }] }),
                "Hook" => json!({ "after": { "landed": [inner] } }),
                "Limits" | "Landing" | "Retry" | "After" | "Outcomes" | "Sample" => {
                    json!({ table.to_lowercase(): inner })
                }
                other => panic!("where does {other} stand?"),
            };
            let errors = parse(&file.to_string(), Format::Json, Path::new("/"));
            let errors = errors.expect_err("no such value");
            let unknown = errors.iter().any(|e| {
                e.code() == "TASK_KEY_UNKNOWN" && e.key().is_some_and(|k| k.ends_with(key))
            });
            assert!(!unknown, "{table}.{key}: {errors}");
        }
    }
}

#[test]
fn what_it_refuses_by_itself_is_refused() {
    let schema = schema();
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let step = json!([{ "agent": "hello" }]);
    for file in [
        json!([]),
        json!({}),
        json!({ "steps": step }),
        json!({ "name": "a b", "steps": step }),
        json!({ "name": "a", "steps": step, "extra": 1 }),
        json!({ "name": "a", "steps": step, "file": "x" }),
        json!({ "name": "a", "steps": step, "goal": null }),
        json!({ "name": "a", "steps": step, "limits": { "memory": "256 of them" } }),
        json!({ "name": "a", "steps": step, "limits": { "files": 0 } }),
        json!({ "name": "a", "steps": step, "retry": { "attempts": 0 } }),
        json!({ "name": "a", "steps": [{}] }),
        json!({ "name": "a", "steps": [{ "agent": "x", "command": "y" }] }),
        json!({ "name": "a", "steps": step, "gates": [{ "metric": "x" }] }),
        json!({ "name": "a", "steps": step, "gates": [{ "reviewer": "x", "fix": "y" }] }),
        json!({ "name": "a", "children": [{ "base": "." , "name": "b", "steps": step }] }),
        json!({ "name": "a", "children": [{ "steps": step }] }),
        json!({ "name": "a", "steps": step, "after": { "landed": [{}] } }),
        json!({ "name": "a", "steps": [{ "command": [] }] }),
    ] {
        assert!(!validator.is_valid(&file), "the schema takes {file}");
        assert!(!taken(&file), "the parser takes {file}");
    }
}

/// Every place in a value, by the way to it.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{at}/{key}"), all);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                places(value, &format!("{at}/{index}"), all);
            }
        }
        _ => {}
    }
}

/// What might stand somewhere, rightly or not.
fn values() -> Vec<Value> {
    let texts = [
        "",
        " ",
        "hello",
        "256M",
        " 5 k ",
        "60s",
        "0",
        "-1s",
        "best",
        "none",
        "vcs",
        "conflict",
        "{coder.summary}",
        "{",
        "a b",
        "-a",
        "../x",
        "é",
    ];
    let texts = texts.iter().map(|&text| Value::from(text));
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(i64::MAX),
        json!(1e300),
        json!(0.5),
        json!([]),
        json!([""]),
        json!(["a", "b"]),
        json!([{}]),
        json!({}),
        json!({ "a": "b" }),
        json!({ "a": 1 }),
    ];
    texts.chain(others).collect()
}

fn keys() -> Vec<String> {
    let schema = schema();
    let mut keys: Vec<String> =
        tables(&schema).iter().flat_map(|(_, keys)| keys.keys().cloned()).collect();
    keys.sort();
    keys.dedup();
    keys.push("unknown".to_owned());
    keys
}

/// The file with each of its values replaced by each of some, each of its keys and elements
/// removed, and each key of the schema added to each of its tables.
fn changed(file: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    places(file, "", &mut all);
    let mut changed = Vec::new();
    let mut change = |at: &str, how: &dyn Fn(&mut Value)| {
        let mut copy = file.clone();
        how(copy.pointer_mut(at).expect("it is there"));
        changed.push(copy);
    };
    let (values, keys) = (values(), keys());
    for at in &all {
        for value in &values {
            change(at, &|there| *there = value.clone());
        }
        match file.pointer(at).expect("it is there") {
            Value::Object(table) => {
                for key in table.keys() {
                    change(at, &|there| drop(there.as_object_mut().map(|t| t.remove(key))));
                }
                for key in &keys {
                    change(at, &|there| there[key] = json!("hello"));
                }
            }
            Value::Array(list) => {
                for index in 0..list.len() {
                    change(at, &|there| drop(there.as_array_mut().map(|l| l.remove(index))));
                }
            }
            _ => {}
        }
    }
    changed
}

#[test]
fn what_the_schema_refuses_the_parser_refuses() {
    let schema = schema();
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let file: Value = toml::from_str(include_str!("everything.toml")).expect("TOML");
    let (mut read, mut refused) = (0, 0);
    for file in changed(&file) {
        let fits = validator.is_valid(&file);
        refused += usize::from(!fits);
        if taken(&file) {
            read += 1;
            assert!(fits, "only the schema refuses {file}");
        }
    }
    assert!(read > 200 && refused > 200, "else it proves nothing: {read} read, {refused} refused");
}

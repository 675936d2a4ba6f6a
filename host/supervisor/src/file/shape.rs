//! Whether keys and values are those of the schema. What is not is reported and left out, so that
//! the rest can be judged.

use serde_json::{Map, Value as Json};

use super::key::Key;
use super::load::Reading;
use super::problem::{Problem, nearest, short};
use super::schema::schema_ref;
use super::tree::{Entry, Node, Value};

/// The file as JSON that fits the schema's types; `None` when it is no table.
pub(super) fn check(reading: &mut Reading<'_>, file: &Node) -> Option<Json> {
    value(reading, file, schema_ref(), &Key::default())
}

fn value(reading: &mut Reading<'_>, node: &Node, schema: &'static Json, at: &Key) -> Option<Json> {
    let schema = followed(schema);
    if let Some(words) = words(schema) {
        return word(reading, node, &words, at);
    }
    let types = types(schema);
    let has = |t: &str| types.contains(&t);
    match &node.value {
        Value::Boolean(value) if has("boolean") => Some((*value).into()),
        Value::String(text) if has("string") => {
            let least = schema["minLength"].as_u64().unwrap_or(0);
            if least > 0 && text.is_empty() {
                return broken(reading, at, "an empty text", &types);
            }
            Some(text.as_str().into())
        }
        Value::Integer(number) if has("integer") => integer(reading, *number, schema, at),
        Value::Integer(number) if has("number") => Some((*number as f64).into()),
        Value::Float(number) if has("number") => match serde_json::Number::from_f64(*number) {
            Some(number) => Some(number.into()),
            None => broken(reading, at, "no finite number", &types),
        },
        Value::List(nodes) if has("array") => list(reading, nodes, schema, at),
        Value::Table(entries) if has("object") => table(reading, entries, schema, at),
        other => broken(reading, at, other.kind(), &types),
    }
}

fn broken(reading: &mut Reading<'_>, at: &Key, found: &str, types: &[&str]) -> Option<Json> {
    let wanted: Vec<_> = types.iter().map(|t| noun(t)).collect();
    reading.broken(at, Problem::Type { found: found.to_owned(), wanted: wanted.join(" or ") });
    None
}

fn integer(
    reading: &mut Reading<'_>,
    number: i64,
    schema: &'static Json,
    at: &Key,
) -> Option<Json> {
    let (least, most) = match schema["format"].as_str() {
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Some("uint32") => (0, i64::from(u32::MAX)),
        _ => (0, i64::MAX),
    };
    let least = schema["minimum"].as_i64().unwrap_or(least).max(least);
    if (least..=most).contains(&number) {
        return Some(number.into());
    }
    let why = match number {
        0 => "0 is none at all".to_owned(),
        number => format!("{number} is out of range"),
    };
    let next = if most == i64::MAX {
        format!("write {least} or more")
    } else {
        format!("write a number from {least} to {most}")
    };
    reading.broken(at, Problem::Value { why, next });
    None
}

fn word(reading: &mut Reading<'_>, node: &Node, words: &[&str], at: &Key) -> Option<Json> {
    match &node.value {
        Value::String(text) if words.contains(&text.as_str()) => Some(text.as_str().into()),
        Value::String(text) => {
            let near = nearest(text, words.iter().copied());
            let known = words.iter().map(|&word| word.to_owned()).collect();
            let found = short(text);
            reading.broken(at, Problem::NotOneOf { found, near, known });
            None
        }
        other => broken(reading, at, other.kind(), &["string"]),
    }
}

fn list(
    reading: &mut Reading<'_>,
    nodes: &[Node],
    schema: &'static Json,
    at: &Key,
) -> Option<Json> {
    if nodes.is_empty() && schema["minItems"].as_u64().unwrap_or(0) > 0 {
        reading.broken(
            at,
            Problem::Value {
                why: "the list is empty".into(),
                next: "put something into it".into(),
            },
        );
        return None;
    }
    let items = &schema["items"];
    // One that is broken is not left out: those after it would stand elsewhere.
    let stand_in =
        || if types(followed(items)) == ["object"] { Json::Object(Map::new()) } else { "".into() };
    let mut values = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        match value(reading, node, items, &at.index(index)) {
            Some(value) => values.push(value),
            None if words(followed(items)).is_some() => {}
            None => values.push(stand_in()),
        }
    }
    Some(values.into())
}

fn table(
    reading: &mut Reading<'_>,
    entries: &[Entry],
    schema: &'static Json,
    at: &Key,
) -> Option<Json> {
    let known = schema["properties"].as_object();
    let of_name = |name: &str| known.and_then(|known| known.get(name));
    let others = schema.get("additionalProperties").filter(|s| s.is_object());
    let mut found = Map::new();
    for entry in entries {
        let name = entry.name.as_str();
        let here = at.name(name);
        if found.contains_key(name) {
            reading.broken_at(&here, entry.span.start, Problem::KeyTwice { name: short(name) });
            continue;
        }
        let Some(schema) = of_name(name).or(others) else {
            reading.broken(&here, unknown(name, known.into_iter().flat_map(Map::keys)));
            reading.damage(at);
            continue;
        };
        match value(reading, &entry.node, schema, &here) {
            Some(value) => {
                found.insert(name.to_owned(), value);
            }
            None => reading.damage(at),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        if !entries.iter().any(|entry| entry.name == name) {
            let (name, example) = match name {
                "command" => ("command", "command = [\"cargo\", \"test\"]"),
                "host" => ("host", "host = \"api.example.com\""),
                _ => ("name", "name = \"fix-the-build\""),
            };
            reading.error(at, Problem::Missing { name, example });
        }
    }
    Some(found.into())
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Problem {
    let mut known: Vec<_> = known.cloned().collect();
    let has = |key: &str| known.iter().any(|k| k == key);
    let why = match name {
        "base" | "sample" if has("may-fail") => "a child works where its parent does",
        "file" | "may-fail" if has("children") => "it is for children",
        _ => {
            let near = nearest(name, known.iter().map(String::as_str));
            known.sort_unstable();
            let name = short(name);
            return Problem::UnknownKey { name, near, known };
        }
    };
    Problem::Misplaced { name: name.to_owned(), why: why.to_owned() }
}

/// What a reference stands for.
fn followed(schema: &'static Json) -> &'static Json {
    let mut schema = schema;
    while let Some(to) = schema["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
        match schema_ref().pointer(to) {
            Some(there) if !std::ptr::eq(there, schema) => schema = there,
            _ => break,
        }
    }
    schema
}

/// The words that are allowed, where only some are.
fn words(schema: &'static Json) -> Option<Vec<&'static str>> {
    if let Some(words) = schema["enum"].as_array() {
        return Some(words.iter().filter_map(Json::as_str).collect());
    }
    let choices = schema["oneOf"].as_array()?;
    choices.iter().map(|choice| choice["const"].as_str()).collect()
}

fn types(schema: &'static Json) -> Vec<&'static str> {
    match &schema["type"] {
        Json::String(one) => vec![one],
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

fn noun(type_name: &str) -> &'static str {
    match type_name {
        "boolean" => "true or false",
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        _ => "a table",
    }
}

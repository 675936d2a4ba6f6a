//! The published schema of a task file, from the types that it is read into.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::wire::Root;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Root>().to_value();
    plain(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".into(), "Brio task".into());
    }
    schema
});

/// The JSON Schema (2020-12) of a task file. What it refuses, [`read`](super::read) and
/// [`parse`](super::parse) refuse too; they know more, such as names that must differ.
pub fn schema() -> Value {
    SCHEMA.clone()
}

pub(super) fn schema_ref() -> &'static Value {
    &SCHEMA
}

/// A key that is left out is left out: none is null, and none has a default that would have to
/// be written. A description is one line.
fn plain(schema: &mut Value) {
    match schema {
        Value::Array(values) => values.iter_mut().for_each(plain),
        Value::Object(object) => {
            object.remove("default");
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|t| t != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|t| t != "null"));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            object.values_mut().for_each(plain);
        }
        _ => {}
    }
}

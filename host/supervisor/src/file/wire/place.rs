//! A task at the top of a file, and one below another: the same keys but for two each.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Task;

/// Work for agents, in a session of a directory: steps, children, gates, and one landing or none.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::file) struct Root(pub(in crate::file) Task);

/// A task in a branch of its parent's session: inline, or in a file of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::file) struct Child(pub(in crate::file) Task);

impl JsonSchema for Root {
    fn schema_name() -> Cow<'static, str> {
        "Task".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let about = "Work for agents, in a session of a directory: steps, children, gates, and one \
                     landing or none.";
        let mut schema = without(generator, &["file", "may-fail"], about);
        schema.insert("required".into(), json!(["name"]));
        schema
    }
}

impl JsonSchema for Child {
    fn schema_name() -> Cow<'static, str> {
        "Child".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let about = "A task in a branch of its parent's session: inline, or in a file of its own.";
        let mut schema = without(generator, &["base", "sample"], about);
        let either = json!([{ "required": ["name"] }, { "required": ["file"] }]);
        schema.insert("anyOf".into(), either);
        schema
    }
}

/// The keys of a task without some.
fn without(generator: &mut SchemaGenerator, keys: &[&str], about: &str) -> Schema {
    let mut schema = Task::json_schema(generator);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|key, _| !keys.contains(&key.as_str()));
    }
    schema.insert("description".into(), about.into());
    schema
}

//! Values that are written in more than one way.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// A native command: a text for `sh -c`, or the program and its arguments.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(in crate::file) enum CommandLine {
    Shell(String),
    Argv(Vec<String>),
}

/// A size, such as `256M`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(in crate::file) enum Size {
    Bytes(u64),
    Text(String),
}

/// A time, such as `60s`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(in crate::file) enum Duration {
    Seconds(u64),
    Text(String),
}

macro_rules! schema_of {
    ($($name:ident: $schema:tt)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

schema_of! {
    CommandLine: {
        "description":
            "A native command: a text for `sh -c`, or a list of the program and its arguments.",
        "type": ["string", "array"],
        "minLength": 1,
        "minItems": 1,
        "items": { "type": "string" },
    }
    Size: {
        "description": "Bytes, such as `512K`, `256M` or `2G`; a bare number is bytes.",
        "type": ["string", "integer"],
        "minimum": 1,
        "pattern": "^\\s*[0-9]+\\s*[A-Za-z]*\\s*$",
    }
    Duration: {
        "description": "A time, such as `500ms`, `60s`, `5m` or `1h`; a bare number is seconds.",
        "type": ["string", "integer"],
        "minimum": 0,
        "pattern": "^\\s*[0-9]+\\s*[a-z]*\\s*$",
    }
}

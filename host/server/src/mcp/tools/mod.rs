//! The tools. Each module has some, and [`all`] lists them: what is added there is offered.
mod agents;
mod diff;
mod files;
mod history;
mod notes;
mod project;
mod record;
mod search;
mod sessions;
mod states;

use std::sync::Arc;

use rmcp::handler::server::tool::{schema_for_input, schema_for_output};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) use agents::AgentTool;
pub(super) use diff::patch;
pub(super) use notes::{note, unknown as no_note};
pub(super) use sessions::open;

use super::desk::{Caller, Desk};
use super::failure::Failure;

type Call = Box<dyn Fn(&Desk, &Caller, JsonObject) -> Result<Answer, Failure> + Send + Sync>;

/// What a tool answers when it succeeds.
pub(super) struct Answer {
    pub(super) document: Value,
    /// The text that a client shows; the document's own where there is none.
    pub(super) text: Option<String>,
}

/// One tool: what is said of it, and what it does.
pub(super) struct ToolDef {
    pub(super) tool: Tool,
    pub(super) call: Call,
    /// It runs an agent: few of these go on at once, and they take long.
    pub(super) runs: bool,
}

/// What a tool does to what is there, for clients that ask a person first.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// Nothing.
    Reads,
    /// It adds to what is there.
    Adds,
    /// It replaces or takes away. Said again it does no more.
    Replaces,
    /// It replaces or takes away, each time it is said.
    Changes,
}

impl Does {
    fn annotations(self, title: &str) -> ToolAnnotations {
        let (reads, destroys, again) = match self {
            Self::Reads => (true, false, true),
            Self::Adds => (false, false, false),
            Self::Replaces => (false, true, true),
            Self::Changes => (false, true, false),
        };
        ToolAnnotations::with_title(title)
            .read_only(reads)
            .destructive(destroys)
            .idempotent(again)
            // Agents reach nothing of the network here.
            .open_world(false)
    }
}

/// A tool with typed input and output.
fn tool<I, O>(
    (name, title): (&str, &str),
    about: &'static str,
    does: Does,
    call: impl Fn(&Desk, &Caller, I) -> Result<O, Failure> + Send + Sync + 'static,
) -> ToolDef
where
    I: DeserializeOwned + JsonSchema + 'static,
    O: Serialize + JsonSchema + 'static,
{
    tool_that_says((name, title), about, does, call, |_| None)
}

/// As [`tool`], with a text of its own for an output.
fn tool_that_says<I, O>(
    (name, title): (&str, &str),
    about: &'static str,
    does: Does,
    call: impl Fn(&Desk, &Caller, I) -> Result<O, Failure> + Send + Sync + 'static,
    text: fn(&O) -> Option<String>,
) -> ToolDef
where
    I: DeserializeOwned + JsonSchema + 'static,
    O: Serialize + JsonSchema + 'static,
{
    let input = schema_for_input::<I>().unwrap_or_else(|error| {
        tracing::error!(name, error, "a tool without a schema");
        Arc::default()
    });
    let tool = Tool::new(name.to_owned(), about, plain(input))
        .with_title(title)
        .with_raw_output_schema(plain(schema_for_output::<O>()))
        .with_annotations(does.annotations(title));
    let call = move |desk: &Desk, caller: &Caller, input: JsonObject| {
        let input = serde_json::from_value(Value::Object(input)).map_err(|e| {
            Failure::new("USAGE", e.to_string()).hint("the tool's input schema says what it takes")
        })?;
        let output = call(desk, caller, input)?;
        let text = text(&output);
        let document = serde_json::to_value(output);
        let document = document.map_err(|e| Failure::new("IO", e.to_string()))?;
        Ok(Answer { document, text })
    };
    ToolDef { tool, call: Box::new(call), runs: false }
}

/// A schema without the names that Rust has for kinds of numbers, clients know others, and without
/// the line ends of its source.
fn plain(schema: Arc<JsonObject>) -> Arc<JsonObject> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(object) => {
                if object.get("format").is_some_and(Value::is_string) {
                    object.remove("format");
                }
                if let Some(Value::String(text)) = object.get_mut("description") {
                    *text = text.replace('\n', " ");
                }
                object.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut schema = Arc::unwrap_or_clone(schema);
    schema.values_mut().for_each(strip);
    Arc::new(schema)
}

/// Every tool of a server, in the order in which clients list them.
pub(super) fn all(desk: &Desk) -> Vec<ToolDef> {
    let mut tools = sessions::tools();
    tools.extend(files::tools());
    tools.extend(search::tools());
    tools.extend(diff::tools());
    tools.extend(states::tools());
    tools.extend(sessions::endings());
    tools.extend(states::settling());
    tools.extend(history::tools());
    tools.extend(notes::tools());
    tools.extend(record::tools());
    tools.extend(agents::tools(desk));
    tools
}

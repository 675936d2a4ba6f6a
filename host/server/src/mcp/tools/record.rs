//! The project's record, of which there is one and which has no id, and what its agents knew last.

use brio_host::project::{
    AGENT_CONTEXT_PREFIX, AgentName, Mode, NotePath, Project, Record, SESSION_PATH, Update,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::project::Whose;
use super::sessions::short;
use super::{Does, ToolDef, tool};
use crate::mcp::desk::{Caller, Desk, MOST_BYTES};
use crate::mcp::failure::Failure;

/// As in what the command line prints.
const SCHEMA: u32 = 1;

pub(super) fn tools() -> Vec<ToolDef> {
    vec![
        tool(
            ("get_project_state", "Show the project's state"),
            "Shows what mode the project is in and what is being worked on. There is one such \
             record of a project, without an id; it survives every session. Its `version` rises \
             with every update.",
            Does::Reads,
            get_project_state,
        ),
        tool(
            ("set_project_state", "Change the project's state"),
            "Changes the mode, the task or the feature in the project's record, and returns it. \
             What is left out stays; an empty text clears. The last write wins.",
            Does::Changes,
            set_project_state,
        ),
        tool(
            ("save_agent_context", "Save an agent's context"),
            "Stores what an agent of the project knows, in place of what it knew before, for its \
             next session.",
            Does::Replaces,
            save_agent_context,
        ),
        tool(
            ("load_agent_context", "Load an agent's context"),
            "Returns what an agent of the project knew last, as save_agent_context stored it; null \
             where it stored nothing.",
            Does::Reads,
            load_agent_context,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Get {
    #[serde(flatten)]
    whose: Whose,
}

/// What a project can be at.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ModeWord {
    /// Reading, understanding.
    Analysis,
    /// Designing.
    Planning,
    /// Changing code.
    Coding,
    /// No mode is in force.
    Disabled,
}

impl From<ModeWord> for Mode {
    fn from(word: ModeWord) -> Self {
        match word {
            ModeWord::Analysis => Self::Analysis,
            ModeWord::Planning => Self::Planning,
            ModeWord::Coding => Self::Coding,
            ModeWord::Disabled => Self::Disabled,
        }
    }
}

impl From<Mode> for ModeWord {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Analysis => Self::Analysis,
            Mode::Planning => Self::Planning,
            Mode::Coding => Self::Coding,
            Mode::Disabled => Self::Disabled,
        }
    }
}

/// The record.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct State {
    schema: u32,
    current_mode: ModeWord,
    /// What is being worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    active_task: Option<String>,
    /// The feature that this belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    active_feature: Option<String>,
    /// Every change of the mode, oldest first.
    mode_history: Vec<ModeChange>,
    /// One more with every update.
    version: u64,
    created_at: String,
    updated_at: String,
    /// What other programs keep in it.
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Serialize, JsonSchema)]
struct ModeChange {
    /// The mode that began.
    mode: ModeWord,
    timestamp: String,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl From<Record> for State {
    fn from(record: Record) -> Self {
        let change = |change: brio_host::project::ModeChange| ModeChange {
            mode: change.mode.into(),
            timestamp: change.timestamp.to_string(),
            other: change.other,
        };
        Self {
            schema: SCHEMA,
            current_mode: record.current_mode.into(),
            active_task: record.active_task,
            active_feature: record.active_feature,
            mode_history: record.mode_history.into_iter().map(change).collect(),
            version: record.version,
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
            other: record.other,
        }
    }
}

fn get_project_state(desk: &Desk, _: &Caller, asked: Get) -> Result<State, Failure> {
    Ok(asked.whose.project(desk)?.get_session()?.into())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Set {
    /// The new mode.
    mode: Option<ModeWord>,
    /// What is being worked on, in a line; empty for nothing.
    task: Option<String>,
    /// The feature that this belongs to; empty for none.
    feature: Option<String>,
    #[serde(flatten)]
    whose: Whose,
}

fn set_project_state(desk: &Desk, _: &Caller, asked: Set) -> Result<State, Failure> {
    let update = Update {
        mode: asked.mode.map(Mode::from),
        task: short(asked.task, "task")?,
        feature: short(asked.feature, "feature")?,
    };
    if update == Update::default() {
        let what = "nothing is to be changed";
        return Err(Failure::new("USAGE", what).hint("give mode, task or feature"));
    }
    let set = |project: &Project| Ok(project.set_session(&update)?);
    Ok(asked.whose.change(desk, (&NotePath::new(SESSION_PATH)?, true), set)?.into())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Save {
    /// The agent's name: lower-case letters, digits and inner hyphens, such as planner.
    agent: String,
    /// What it knows: any JSON.
    context: Value,
    #[serde(flatten)]
    whose: Whose,
}

#[derive(Serialize, JsonSchema)]
struct Saved {
    agent: String,
}

fn save_agent_context(desk: &Desk, _: &Caller, asked: Save) -> Result<Saved, Failure> {
    let agent: AgentName = asked.agent.parse()?;
    let size = asked.context.to_string().len();
    if size > MOST_BYTES {
        let what = format!("the context of agent {agent}: {size} bytes are over {MOST_BYTES}");
        return Err(Failure::new("NOTE_TOO_LARGE", what).hint("save less of it"));
    }
    let save = |project: &Project| Ok(project.save_agent_context(&agent, &asked.context)?);
    let path = NotePath::new(format!("{AGENT_CONTEXT_PREFIX}{agent}"))?;
    asked.whose.change(desk, (&path, true), save)?;
    Ok(Saved { agent: agent.to_string() })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Load {
    /// The agent's name.
    agent: String,
    #[serde(flatten)]
    whose: Whose,
}

#[derive(Serialize, JsonSchema)]
struct Loaded {
    agent: String,
    /// What it knew last; null: nothing is stored.
    context: Option<Value>,
}

fn load_agent_context(desk: &Desk, _: &Caller, asked: Load) -> Result<Loaded, Failure> {
    let agent: AgentName = asked.agent.parse()?;
    let context = asked.whose.project(desk)?.load_agent_context(&agent)?;
    Ok(Loaded { agent: agent.to_string(), context })
}

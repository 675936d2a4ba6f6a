//! Sessions, and what a session can be put back to.

use brio_host::{CheckpointInfo, LeaseStatus, SessionRow};
use schemars::JsonSchema;
use serde::Serialize;

use crate::time;

/// One session, as the index knows it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Session {
    pub(crate) id: String,
    state: String,
    /// The directory that it branches.
    pub(crate) base: String,
    /// What it is to achieve.
    pub(crate) goal: Option<String>,
    /// Who began it, or which agent works in it.
    agent: Option<String>,
    task_id: Option<String>,
    /// The session that it branches; null: a directory.
    parent: Option<String>,
    created_at: String,
}

impl From<&SessionRow> for Session {
    fn from(row: &SessionRow) -> Self {
        Self {
            id: row.id.clone(),
            state: row.state.clone(),
            base: row.base.display().to_string(),
            goal: row.goal.clone(),
            agent: row.agent.clone(),
            task_id: row.task_id.clone(),
            parent: row.parent.clone(),
            created_at: time::rfc3339(row.created_at),
        }
    }
}

/// How the run of a session stands, in a word.
pub fn run_word(lease: LeaseStatus) -> &'static str {
    match lease {
        LeaseStatus::Free => "free",
        LeaseStatus::Live { .. } => "live",
        LeaseStatus::Silent { .. } => "silent",
        LeaseStatus::Dead { .. } => "dead",
    }
}

/// A state that a session can be put back to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Checkpoint {
    name: String,
    created_at: String,
    /// The landing whose base it sees.
    landing: u64,
}

impl From<&CheckpointInfo> for Checkpoint {
    fn from(c: &CheckpointInfo) -> Self {
        Self { name: c.name.clone(), created_at: time::of(c.created_at), landing: c.landing }
    }
}

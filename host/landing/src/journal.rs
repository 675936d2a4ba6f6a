//! The journal: one JSON object per line, appended, never rewritten.

use brio_session::Time;
use serde::{Deserialize, Serialize};

use crate::SessionId;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub time: Time,
    /// `begun`, `landed`, `unchanged`, `landed-in-parent`, `rolled-back`, `conflict`, `recovered`, `adopted`, `late-edit`, or a caller's own word.
    pub what: String,
    /// Which session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Its goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// Its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The landing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing: Option<u64>,
    /// The parent it landed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// Numbers and paths, as the event has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

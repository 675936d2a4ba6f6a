//! Tasks, and their files.

use serde::Serialize;

/// `brio task check --json`
#[derive(Debug, Serialize)]
pub(crate) struct CheckedTask {
    pub(crate) schema: u32,
    pub(crate) file: String,
    /// Its name; null: it is not one yet.
    pub(crate) task: Option<String>,
    pub(crate) errors: Vec<TaskMistake>,
}

/// One mistake in a task file.
#[derive(Debug, Serialize)]
pub(crate) struct TaskMistake {
    pub(crate) code: &'static str,
    /// The file that it is in, which may be one that the task's file names.
    pub(crate) file: Option<String>,
    /// From 1; null: it is about the whole file.
    pub(crate) line: Option<usize>,
    /// From 1, in characters.
    pub(crate) column: Option<usize>,
    /// `steps[1].agent`; null: it is about the whole file.
    pub(crate) key: Option<String>,
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: String,
}

/// A task in the queue.
#[derive(Serialize)]
pub(crate) struct TaskShown {
    pub(crate) schema: u32,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) parent: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) attempt: u32,
    /// What it works in, or has left open.
    pub(crate) session: Option<String>,
    pub(crate) cancelled: bool,
    /// RFC 3339, as all times here.
    pub(crate) submitted_at: String,
    pub(crate) started_at: Option<String>,
    pub(crate) ended_at: Option<String>,
    /// What the task calls its end.
    pub(crate) outcome: Option<String>,
    pub(crate) kind: Option<serde_json::Value>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) landing: Option<u64>,
    pub(crate) parts: Vec<TaskPart>,
}

/// How a part of a task ended.
#[derive(Serialize)]
pub(crate) struct TaskPart {
    pub(crate) name: String,
    pub(crate) failed: Option<serde_json::Value>,
    pub(crate) may_fail: bool,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) metrics: std::collections::BTreeMap<String, f64>,
    pub(crate) millis: u64,
}

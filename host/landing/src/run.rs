//! Runs: who works in a session, and what is told of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use brio_session::Time;
use serde::{Deserialize, Serialize};

/// A run's id: `run-` and a random UUID (version 4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    pub(crate) fn random() -> std::io::Result<Self> {
        crate::id::uuid().map(|uuid| Self(format!("run-{uuid}")))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Numbers by name. The name ends with the unit where there is one: `memory_bytes`, `wall_ms`.
pub type Figures = BTreeMap<String, u64>;

/// What a run says of itself when it begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunTag {
    /// What the session is held for, in a word: `run`, `exec`, `mount`.
    pub purpose: String,
    /// The agent or the program.
    pub program: Option<String>,
    /// What it may use.
    pub limits: Figures,
    /// The process is there for this run alone: whoever must end the run may kill it.
    pub expendable: bool,
    /// The process that the agent's code runs in, if that is another one.
    pub worker: Option<u32>,
    /// What keeps that code from everything else, in words.
    pub sandbox: Option<String>,
}

impl RunTag {
    /// A run that says what it is there for, and nothing else.
    pub fn new(purpose: &str) -> Self {
        Self { purpose: purpose.to_owned(), ..Self::default() }
    }
}

/// A run that holds a session, or the last one that did and died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Its id.
    pub id: RunId,
    /// The process.
    pub pid: u32,
    /// What the session is held for.
    pub purpose: String,
    /// The agent or the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// When it began.
    pub began: Time,
    /// When it was last heard of: not over 2 s ago, if it lives.
    pub heartbeat: Time,
    /// What it may use.
    #[serde(default, skip_serializing_if = "Figures::is_empty")]
    pub limits: Figures,
    /// What it had used at its last heartbeat.
    #[serde(default, skip_serializing_if = "Figures::is_empty")]
    pub used: Figures,
    /// The process that the agent's code runs in, if that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<u32>,
    /// What keeps that code from everything else, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
}

/// How a run is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopOptions {
    /// The run leaves its session open, also where it would have thrown it away.
    pub keep: bool,
    /// How long to wait for it to let go.
    pub patience: Duration,
    /// When it has not let go by then, kill its process, if that is there for this run alone.
    pub force: bool,
}

impl Default for StopOptions {
    /// Asked to stop, five seconds, no force.
    fn default() -> Self {
        Self { keep: false, patience: Duration::from_secs(5), force: false }
    }
}

/// A run that was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The run.
    pub run: RunInfo,
    /// Its process was killed: it had not let go when it was asked.
    pub killed: bool,
}

/// A line of a session's log of operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// When it was written.
    pub time: Time,
    /// `run`: it has ended in order; `run-died`: its process was gone; or a caller's own word.
    pub what: String,
    /// The run that it tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunInfo>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

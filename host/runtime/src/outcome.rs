//! How a run ended, and what it left behind.

use std::time::Duration;

use brio_net::RequestRecord;
use serde::{Deserialize, Serialize};

use crate::{Captured, Limit};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The agent returned a result, the command exited with 0, the reviewer approved.
    Succeeded,
    /// The agent returned an error, or the command exited with another status.
    Failed,
    /// The guest trapped: a panic, an `unreachable`, an access out of bounds.
    Trapped,
    /// The run reached one of its limits.
    Limited(Limit),
    /// The [`StopToken`](crate::StopToken) ended it.
    Killed,
    /// The reviewer did not approve.
    Rejected,
}

impl Outcome {
    /// A stable word for machines: `succeeded`, `failed`, `trapped`, `limited`, `killed`, `rejected`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Trapped => "trapped",
            Self::Limited(_) => "limited",
            Self::Killed => "killed",
            Self::Rejected => "rejected",
        }
    }
}

/// What an agent returns when it succeeds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskOutput {
    /// What was done: one line, then, if there is more to say, an empty line and prose.
    pub summary: String,
    /// Figures to choose between attempts by, in the agent's order.
    pub metrics: Vec<Metric>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// What was measured, with its unit.
    pub name: String,
    /// The value; NaN: not measured.
    pub value: f64,
}

/// What a reviewer thinks of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the work may land. This alone decides.
    pub approved: bool,
    /// The reason, in one line.
    pub comments: String,
    /// The remarks, in reading order.
    pub findings: Vec<Finding>,
}

/// One remark of a reviewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How serious it is.
    pub severity: Severity,
    /// Which check found it.
    pub rule: String,
    /// What was found and what to do about it.
    pub message: String,
    /// The file, relative to the session; `None`: the work as a whole.
    pub path: Option<String>,
    /// The line, from 1; `None`: the whole file.
    pub line: Option<u32>,
}

/// How serious a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Nothing to do.
    Note,
    /// A person should look.
    Warning,
    /// Must be changed.
    Error,
}

/// Why a run did not succeed, for people and for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentErrorInfo {
    /// A stable code: see [`codes`](crate::codes).
    pub code: String,
    /// One line: what happened.
    pub message: String,
    /// The paths it is about, as the guest named them.
    pub paths: Vec<String>,
}

impl AgentErrorInfo {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), paths: Vec::new() }
    }
}

/// What a run consumed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// From the first instruction of instantiation to the end.
    pub wall: Duration,
    /// Of the guest's thread, host calls included.
    pub cpu: Duration,
    /// The peak of all linear memories and tables together, in bytes.
    pub memory: u64,
    /// Bytes on stdout and stderr, those beyond the captured ones included.
    pub output: u64,
    /// Bytes written to the session's upper layer by this run, copy-up included.
    pub written: u64,
    /// Files created in the session by this run.
    pub files: u64,
}

/// All that a caller learns of a run. The session itself is untouched by how it ended:
/// whether it lands is the supervisor's decision.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// How it ended.
    pub outcome: Outcome,
    /// What the agent returned, if it is a typed one and succeeded.
    pub output: Option<TaskOutput>,
    /// What the reviewer returned.
    pub verdict: Option<Verdict>,
    /// Why it did not succeed; `None` exactly when it did.
    pub error: Option<AgentErrorInfo>,
    /// The exit status, for commands.
    pub exit: Option<i32>,
    /// The captured part of stdout.
    pub stdout: Captured,
    /// The captured part of stderr.
    pub stderr: Captured,
    /// What it asked of the network, in order, refused requests too.
    pub network: Vec<RequestRecord>,
    /// What it consumed.
    pub usage: Usage,
}

impl RunReport {
    /// Whether the run succeeded.
    pub fn succeeded(&self) -> bool {
        self.outcome == Outcome::Succeeded
    }
}

//! How a task ended.

use serde::{Deserialize, Serialize};

/// How a task ended, once and for all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the engine knows of it.
    pub kind: Kind,
    /// What the task calls it: `TestsFailed`, `Kept`.
    pub name: String,
    /// A stable code, where it did not land; `None` beside a landing.
    pub code: Option<String>,
    /// What happened, for a person: the error, the comments of who said no.
    pub message: String,
    /// The landing, if it made one on the base.
    pub landing: Option<u64>,
    /// The session, where it is still open: work that could not land.
    pub kept: Option<String>,
    /// What its parts did, in order: steps, children, gates, hooks.
    pub parts: Vec<PartOutcome>,
}

/// How one part of a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartOutcome {
    /// The part: `coder`, `experiment-1/tests`.
    pub name: String,
    /// How it failed; `None`: it did what it was there for.
    pub failed: Option<Kind>,
    /// Its failure is no failure of the whole.
    pub may_fail: bool,
    /// The stable code of what went wrong.
    pub code: Option<String>,
    /// Its summary, its comments, the end of its output.
    pub message: String,
    /// Its figures.
    pub metrics: Vec<(String, f64)>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// The kind of an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Its changes are in the base, or in its parent's session.
    Landed,
    /// It succeeded and had nothing to land.
    Unchanged,
    /// A step said that it failed; rolled back.
    Failed,
    /// A limit, a trap, a time-out; rolled back.
    Stopped,
    /// A gate said no; rolled back.
    Rejected,
    /// Others changed the same; rolled back, unless the task keeps it.
    Conflict,
    /// The landing failed or was refused; rolled back, unless the task keeps it.
    Refused,
    /// It was good, and another child was better; rolled back.
    NotChosen,
    /// Somebody cancelled it; rolled back.
    Cancelled,
    /// What the task asks for cannot be done: no such agent, no such directory. Nothing is left.
    Unusable,
}

impl Outcome {
    /// How the first part failed that may not, or else the whole; `None`: all is well. Exit
    /// statuses follow from it.
    pub fn first_failure(&self) -> Option<Kind> {
        if self.kind == Kind::Cancelled {
            return Some(self.kind);
        }
        let part = self.parts.iter().filter(|p| !p.may_fail).find_map(|p| p.failed);
        part.or_else(|| (!self.kind.is_success()).then_some(self.kind))
    }
}

impl Kind {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Landed => "landed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::NotChosen => "not-chosen",
            Self::Cancelled => "cancelled",
            Self::Unusable => "unusable",
        }
    }

    /// Whether the work is where it was to go.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Landed | Self::Unchanged)
    }
}

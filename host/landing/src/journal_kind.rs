//! What sorts of lines a journal has.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What sort of line a line of the journal is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum JournalKind {
    /// A session began, with what it is to achieve.
    Goal,
    /// Somebody said something: an agent, a person.
    Conversation,
    /// Something was decided, and why.
    Decision,
    /// Something was done: landed, rolled back, restored, run.
    Operation,
    /// What somebody who checks afterwards looks for: conflicts, recoveries, late edits, broken
    /// seals, what was collected.
    Audit,
    /// A kind of a newer version.
    Other(String),
}

impl JournalKind {
    /// Those that this version knows.
    pub const ALL: [Self; 5] =
        [Self::Goal, Self::Conversation, Self::Decision, Self::Operation, Self::Audit];

    /// The kind of a line that says what happened and no kind.
    pub(crate) fn of(what: &str) -> Self {
        match what {
            "begun" => Self::Goal,
            "said" => Self::Conversation,
            "decided" => Self::Decision,
            "conflict" | "seal-broken" | "recovered" | "adopted" | "late-edit" | "collected"
            | "stale" | "request-refused" => Self::Audit,
            _ => Self::Operation,
        }
    }

    /// As it is written on the command line and in JSON.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Goal => "goal",
            Self::Conversation => "conversation",
            Self::Decision => "decision",
            Self::Operation => "operation",
            Self::Audit => "audit",
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for JournalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<String> for JournalKind {
    fn from(word: String) -> Self {
        let known = Self::ALL.into_iter().find(|k| k.as_str() == word);
        known.unwrap_or(Self::Other(word))
    }
}

impl From<JournalKind> for String {
    fn from(kind: JournalKind) -> Self {
        kind.as_str().to_owned()
    }
}

impl FromStr for JournalKind {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(word.to_owned().into())
    }
}

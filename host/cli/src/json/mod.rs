//! What `--json` prints: schema 1. Every field is always there; what is not known is null.
//! Paths that are not UTF-8 are shown escaped.
mod agents;
mod history;
mod landings;
mod manager;
mod runs;
mod sessions;
mod tasks;

use brio_host::{ChangeKind, ChangeSet};
use serde::Serialize;

use crate::failure::Failure;

pub(crate) use brio_server::json::{
    Checkpoint, Conflict, DecisionRef, Drift, Landing, Session, change_word, kind_word, run_word,
};

pub(crate) use agents::{CheckedAgent, NewAgent};
pub(crate) use history::{Blame, BlameLine, Collected, JournalLine, Log, Undone};
pub(crate) use landings::{Committed, Resolved, Taken};
pub(crate) use manager::{KilledSession, Operated, PurgeReport, Run};
pub(crate) use runs::{Agent, Enforced, Executed, NetRequest, Ran};
pub(crate) use sessions::{Bind, Bound, Checkpointed, Debug, ListedSession, SessionList, Shown};
pub(crate) use tasks::{CheckedTask, TaskMistake, TaskPart, TaskShown};

/// The version of these shapes. Fields may be added under it, none changes or goes.
pub(crate) const SCHEMA: u32 = 1;

/// Changed paths, in the order of paths.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Changes {
    pub(crate) added: Vec<String>,
    pub(crate) modified: Vec<String>,
    pub(crate) removed: Vec<String>,
}

impl From<&ChangeSet> for Changes {
    fn from(set: &ChangeSet) -> Self {
        let mut changes = Self::default();
        for change in &set.changes {
            let list = match change.kind {
                ChangeKind::Added => &mut changes.added,
                ChangeKind::Removed => &mut changes.removed,
                _ => &mut changes.modified,
            };
            list.push(change.path.to_string());
        }
        changes
    }
}

/// Why it is not a success.
#[derive(Debug, Serialize)]
pub(crate) struct Error {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) paths: Vec<String>,
    pub(crate) conflicts: Vec<Conflict>,
}

impl From<&Failure> for Error {
    fn from(f: &Failure) -> Self {
        Self {
            code: f.code.clone(),
            message: f.message.clone(),
            paths: f.paths.clone(),
            conflicts: f.each.conflicts.iter().map(Conflict::from).collect(),
        }
    }
}

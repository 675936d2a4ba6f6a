//! What landed, and what was in the way of what did not.

use brio_host::{LogEntry, Side, Theirs as By, Unmerged, What};
use schemars::JsonSchema;
use serde::Serialize;

use super::{change_word, kind_word};
use crate::time;

/// One landing.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Landing {
    landing: u64,
    time: String,
    session: Option<String>,
    goal: Option<String>,
    agent: Option<String>,
    task_id: Option<String>,
    message: Option<String>,
    /// Who landed it, where a project's head says so.
    who: Option<String>,
    /// Paths.
    added: u64,
    modified: u64,
    removed: u64,
    /// Notes that it changed, by path.
    notes: Vec<String>,
    /// What was decided in the session, and in those that landed in it.
    decisions: Vec<DecisionRef>,
    /// The landing that it undid, and the one that undid it.
    undo_of: Option<u64>,
    undone_by: Option<u64>,
    /// Whether what it replaced is kept, so that it can be undone.
    undoable: bool,
}

impl From<&LogEntry> for Landing {
    fn from(l: &LogEntry) -> Self {
        Self {
            landing: l.landing,
            time: time::of(l.time),
            session: l.session.as_ref().map(ToString::to_string),
            goal: l.goal.clone(),
            agent: l.agent.clone(),
            task_id: l.task_id.clone(),
            message: l.message.clone(),
            who: l.who.clone(),
            added: l.added,
            modified: l.modified,
            removed: l.removed,
            notes: l.notes.clone(),
            decisions: l.decisions.iter().map(DecisionRef::from).collect(),
            undo_of: l.undo_of,
            undone_by: l.undone_by,
            undoable: l.undoable,
        }
    }
}

/// A decision behind a landing.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DecisionRef {
    session: String,
    time: String,
    title: String,
}

impl From<&brio_host::DecisionRef> for DecisionRef {
    fn from(d: &brio_host::DecisionRef) -> Self {
        Self { session: d.session.to_string(), time: time::of(d.time), title: d.title.clone() }
    }
}

/// One path that changed on both sides.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Drift {
    path: String,
    /// What was done to it, and by whom.
    theirs: String,
    /// The landing that did it; null: a change from outside, or the parent's.
    landing: Option<u64>,
}

impl From<&brio_host::Conflict> for Drift {
    fn from(c: &brio_host::Conflict) -> Self {
        let landing = match c.theirs {
            By::Landing { number, .. } => Some(number),
            _ => None,
        };
        Self { path: c.path.to_string(), theirs: c.theirs.to_string(), landing }
    }
}

/// One path that both sides changed.
#[derive(Debug, Serialize)]
pub struct Conflict {
    path: String,
    /// Before either change; null: nothing was there.
    base: Option<Version>,
    ours: Ours,
    theirs: Theirs,
    /// Why the policy `merge` cannot settle it; null: it was not asked, or it can.
    unmerged: Option<&'static str>,
}

/// This session's side.
#[derive(Debug, Serialize)]
struct Ours {
    /// `added`, `modified`, `removed`, `replaced`, `metadata`; null: something below was changed.
    change: Option<&'static str>,
    version: Option<Version>,
}

/// The other side.
#[derive(Debug, Serialize)]
struct Theirs {
    /// `landing`, `drift` (a change from outside), `parent`, `busy`.
    by: &'static str,
    /// `added`, `modified`, `removed`, `replaced`; null for `busy`.
    what: Option<&'static str>,
    landing: Option<u64>,
    session: Option<String>,
    goal: Option<String>,
    version: Option<Version>,
}

/// What is at a path.
#[derive(Debug, Serialize)]
struct Version {
    kind: &'static str,
    mode: String,
    size: u64,
    /// Of a file; null: it is not kept any more, or could not be read.
    sha256: Option<String>,
}

impl From<&brio_host::Conflict> for Conflict {
    fn from(c: &brio_host::Conflict) -> Self {
        let (landing, session, goal) = match &c.theirs {
            By::Landing { number, session, goal, .. } => {
                (Some(*number), Some(session.to_string()), goal.clone())
            }
            By::Parent { session, .. } => (None, Some(session.to_string()), None),
            _ => (None, None, None),
        };
        Self {
            path: c.path.to_string(),
            base: c.sides.base.map(Version::from),
            ours: Ours {
                change: c.ours.map(change_word),
                version: c.sides.ours.map(Version::from),
            },
            theirs: Theirs {
                by: c.theirs.by(),
                what: c.theirs.what().map(What::as_str),
                landing,
                session,
                goal,
                version: c.sides.theirs.map(Version::from),
            },
            unmerged: c.unmerged.map(Unmerged::as_str),
        }
    }
}

impl From<Side> for Version {
    fn from(s: Side) -> Self {
        let hex = |h: [u8; 32]| h.iter().map(|b| format!("{b:02x}")).collect();
        Self {
            kind: kind_word(s.kind),
            mode: format!("{:04o}", s.mode),
            size: s.size,
            sha256: s.sha256.map(hex),
        }
    }
}

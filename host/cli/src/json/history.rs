//! What landed and what is kept of it: the log, the journal, undo, blame, gc.

use brio_host::LogEntry;
use serde::Serialize;

use super::{Changes, Error, SCHEMA};

/// `brio log --json`
#[derive(Debug, Serialize)]
pub(crate) struct Log {
    pub(crate) schema: u32,
    /// Newest first.
    pub(crate) landings: Vec<Landing>,
}

/// One landing.
#[derive(Debug, Serialize)]
pub(crate) struct Landing {
    pub(crate) landing: u64,
    pub(crate) time: String,
    pub(crate) session: Option<String>,
    pub(crate) goal: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) task_id: Option<String>,
    pub(crate) message: Option<String>,
    /// Paths.
    pub(crate) added: u64,
    pub(crate) modified: u64,
    pub(crate) removed: u64,
    /// Notes that it changed, by path.
    pub(crate) notes: Vec<String>,
    /// What was decided in the session, and in those that landed in it; the journal has all of
    /// it, under the session's id.
    pub(crate) decisions: Vec<DecisionRef>,
    /// The landing that it undid, and the one that undid it.
    pub(crate) undo_of: Option<u64>,
    pub(crate) undone_by: Option<u64>,
    /// Whether what it replaced is kept, so that it can be undone.
    pub(crate) undoable: bool,
}

impl From<&LogEntry> for Landing {
    fn from(l: &LogEntry) -> Self {
        Self {
            landing: l.landing,
            time: crate::time::of(l.time),
            session: l.session.as_ref().map(ToString::to_string),
            goal: l.goal.clone(),
            agent: l.agent.clone(),
            task_id: l.task_id.clone(),
            message: l.message.clone(),
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
#[derive(Debug, Serialize)]
pub(crate) struct DecisionRef {
    pub(crate) session: String,
    pub(crate) time: String,
    pub(crate) title: String,
}

impl From<&brio_host::DecisionRef> for DecisionRef {
    fn from(d: &brio_host::DecisionRef) -> Self {
        let (session, time) = (d.session.to_string(), crate::time::of(d.time));
        Self { session, time, title: d.title.clone() }
    }
}

/// One line of `brio journal --json`
#[derive(Debug, Serialize)]
pub(crate) struct JournalLine {
    pub(crate) schema: u32,
    pub(crate) time: String,
    /// `goal`, `conversation`, `decision`, `operation`, `audit`, or one of a newer version.
    pub(crate) kind: String,
    /// What happened.
    pub(crate) what: String,
    pub(crate) session: Option<String>,
    pub(crate) goal: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) task_id: Option<String>,
    pub(crate) landing: Option<u64>,
    pub(crate) parent: Option<String>,
    /// Depends on `what`; of `said` `{author, text}`, of `decided` `{author, title, why,
    /// alternatives}`.
    pub(crate) detail: Option<serde_json::Value>,
    /// Of a landing.
    pub(crate) decisions: Vec<DecisionRef>,
}

impl From<&brio_host::JournalLine> for JournalLine {
    fn from(line: &brio_host::JournalLine) -> Self {
        let e = &line.entry;
        Self {
            schema: SCHEMA,
            time: crate::time::of(e.time),
            kind: e.kind().to_string(),
            what: e.what.clone(),
            session: e.session.as_ref().map(ToString::to_string),
            goal: e.goal.clone(),
            agent: e.agent.clone(),
            task_id: e.task_id.clone(),
            landing: e.landing,
            parent: e.parent.as_ref().map(ToString::to_string),
            detail: e.detail.clone(),
            decisions: line.decisions.iter().map(DecisionRef::from).collect(),
        }
    }
}

/// `brio undo --json`
#[derive(Debug, Serialize)]
pub(crate) struct Undone {
    pub(crate) schema: u32,
    pub(crate) undo_of: u64,
    /// `landed` or `unchanged`; null: it was refused.
    pub(crate) result: Option<&'static str>,
    pub(crate) landing: Option<u64>,
    pub(crate) changes: Changes,
    /// Notes that it changed, by path.
    pub(crate) notes: Vec<String>,
    pub(crate) error: Option<Error>,
}

/// `brio blame --json`
#[derive(Debug, Serialize)]
pub(crate) struct Blame {
    pub(crate) schema: u32,
    /// From the top of the base's domain.
    pub(crate) path: String,
    pub(crate) lines: Vec<BlameLine>,
}

/// One line of a file.
#[derive(Debug, Serialize)]
pub(crate) struct BlameLine {
    /// Its number, from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
    /// `landing`: it came with that one; `outside`: from no landing, after that one; `before`:
    /// it was there before that one, and of older ones nothing is kept.
    pub(crate) origin: &'static str,
    pub(crate) landing: u64,
    pub(crate) time: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) goal: Option<String>,
}

/// `brio gc --json`
#[derive(Debug, Serialize)]
pub(crate) struct Collected {
    pub(crate) schema: u32,
    pub(crate) dry_run: bool,
    /// Bytes on disk that are free again.
    pub(crate) bytes_freed: u64,
    /// Landings that cannot be undone any more.
    pub(crate) landings: Vec<u64>,
    /// Sessions that lost what the base held when they began.
    pub(crate) stale: Vec<String>,
    /// Sessions of bases that are gone, which are not listed any more.
    pub(crate) forgotten: Vec<String>,
}

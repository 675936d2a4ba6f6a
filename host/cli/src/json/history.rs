//! What landed and what is kept of it: the log, the journal, undo, blame, gc.

use serde::Serialize;

use super::{Changes, DecisionRef, Error, Landing, SCHEMA};

/// `brio log --json`
#[derive(Debug, Serialize)]
pub(crate) struct Log {
    pub(crate) schema: u32,
    /// Newest first.
    pub(crate) landings: Vec<Landing>,
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

//! What `--json` prints: schema 1. Every field is always there; what is not known is null.
//! Paths that are not UTF-8 are shown escaped.

use brio_host::{ChangeKind, ChangeSet, CheckpointInfo, LogEntry, SessionDebug, SessionRow};
use serde::Serialize;

use crate::failure::Failure;
use crate::lower::Lower;
use crate::summary::kind_word;

/// The version of these shapes. Fields may be added under it, none changes or goes.
pub(crate) const SCHEMA: u32 = 1;

/// `brio session list --json`
#[derive(Debug, Serialize)]
pub(crate) struct SessionList {
    pub(crate) schema: u32,
    pub(crate) sessions: Vec<Session>,
}

/// One session, in a list; `brio session show --json` adds `schema` and `changes`.
#[derive(Debug, Serialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) base: String,
    pub(crate) goal: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) task_id: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) created_at: String,
}

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

/// `brio session exec --json`
#[derive(Debug, Serialize)]
pub(crate) struct Executed {
    pub(crate) schema: u32,
    pub(crate) session: String,
    /// `exited`, `signalled`, `timed-out` or `stopped`; null: nothing ran.
    pub(crate) end: Option<&'static str>,
    /// The status of `brio` itself.
    pub(crate) status: u8,
    /// What kept it in; `none` with `--unconfined`.
    pub(crate) confinement: Option<String>,
    /// `mount` or `export`.
    pub(crate) shown: Option<&'static str>,
    /// What was left out of the room, and why.
    pub(crate) left_out: Vec<String>,
    pub(crate) stdout: Option<String>,
    pub(crate) stderr: Option<String>,
    pub(crate) changes: Option<Changes>,
    pub(crate) error: Option<Error>,
}

/// `brio session show --json`
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) schema: u32,
    #[serde(flatten)]
    pub(crate) session: Session,
    /// The landing whose base it sees.
    pub(crate) landing: u64,
    pub(crate) children: Vec<String>,
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// `snapshot` or `serializable`
    pub(crate) isolation: &'static str,
    /// `free`, `live`, `silent` or `dead`: its run, if it has one.
    pub(crate) run: &'static str,
    pub(crate) clean: bool,
    /// Files in which a resolve put conflict markers.
    pub(crate) unresolved: Vec<String>,
    pub(crate) lower: Lower,
    /// Patterns of what it leaves out.
    pub(crate) excludes: Vec<String>,
    /// Why nothing lands in its base, and it lies in the home; null: it lands there.
    pub(crate) frozen_only: Option<String>,
    /// Why its base is not there to look at; null: it is.
    pub(crate) base_gone: Option<String>,
    pub(crate) changes: Option<Changes>,
    /// Paths that it changed and that changed outside of it since; null: it cannot be told.
    pub(crate) drift: Option<Vec<Drift>>,
    /// With `--debug`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) debug: Option<Debug>,
}

/// One path that changed on both sides.
#[derive(Debug, Serialize)]
pub(crate) struct Drift {
    pub(crate) path: String,
    /// What was done to it, and by whom.
    pub(crate) theirs: String,
    /// The landing that did it; null: a change from outside, or the parent's.
    pub(crate) landing: Option<u64>,
}

/// What lies in a session's directory.
#[derive(Debug, Serialize)]
pub(crate) struct Debug {
    pub(crate) path: String,
    pub(crate) files: Vec<DebugFile>,
    pub(crate) manifest: Option<String>,
}

/// One file or directory there.
#[derive(Debug, Serialize)]
pub(crate) struct DebugFile {
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    pub(crate) size: u64,
}

impl From<&brio_host::Conflict> for Drift {
    fn from(c: &brio_host::Conflict) -> Self {
        let landing = match c.theirs {
            brio_host::Theirs::Landing { number, .. } => Some(number),
            _ => None,
        };
        Self { path: c.path.to_string(), theirs: c.theirs.to_string(), landing }
    }
}

impl From<&SessionDebug> for Debug {
    fn from(debug: &SessionDebug) -> Self {
        let file = |f: &brio_host::SessionFile| DebugFile {
            path: f.path.to_string(),
            kind: kind_word(f.kind),
            size: f.size,
        };
        Self {
            path: debug.path.display().to_string(),
            files: debug.files.iter().map(file).collect(),
            manifest: debug.manifest.clone(),
        }
    }
}

/// A state that a session can be put back to.
#[derive(Debug, Serialize)]
pub(crate) struct Checkpoint {
    pub(crate) name: String,
    pub(crate) created_at: String,
    /// The landing whose base it sees.
    pub(crate) landing: u64,
}

/// `brio session checkpoint --json`, `brio session restore --json`
#[derive(Debug, Serialize)]
pub(crate) struct Checkpointed {
    pub(crate) schema: u32,
    pub(crate) session: String,
    /// The one that was made or restored; null: it was deleted.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// All that the session has now.
    pub(crate) checkpoints: Vec<Checkpoint>,
}

/// Changed paths, in the order of paths.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Changes {
    pub(crate) added: Vec<String>,
    pub(crate) modified: Vec<String>,
    pub(crate) removed: Vec<String>,
}

/// `brio run --json`; `brio session commit --json` has the same without `outcome` and `agent`.
#[derive(Debug, Serialize)]
pub(crate) struct Ran {
    pub(crate) schema: u32,
    pub(crate) session: Option<String>,
    /// `succeeded`, `failed`, `trapped`, `limited`, `killed`, `rejected`; null: it never ran.
    pub(crate) outcome: Option<&'static str>,
    /// `landed`, `unchanged`, `kept`, `rolled-back`, `conflicted`; null: there was no session.
    pub(crate) result: Option<&'static str>,
    pub(crate) landing: Option<u64>,
    /// What the session saw of its base.
    pub(crate) lower: Option<Lower>,
    pub(crate) changes: Changes,
    pub(crate) agent: Option<Agent>,
    pub(crate) error: Option<Error>,
}

/// `brio session commit --json`
#[derive(Debug, Serialize)]
pub(crate) struct Committed {
    pub(crate) schema: u32,
    pub(crate) session: String,
    pub(crate) result: Option<&'static str>,
    pub(crate) landing: Option<u64>,
    /// With `--cascade`: children that have landed, in this order; also before an error.
    pub(crate) children: Vec<String>,
    pub(crate) changes: Changes,
    pub(crate) error: Option<Error>,
}

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
    /// What was decided in the session, and in those that landed in it; the journal has all of
    /// it, under the session's id.
    pub(crate) decisions: Vec<DecisionRef>,
    /// The landing that it undid, and the one that undid it.
    pub(crate) undo_of: Option<u64>,
    pub(crate) undone_by: Option<u64>,
    /// Whether what it replaced is kept, so that it can be undone.
    pub(crate) undoable: bool,
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

/// What the agent said.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Agent {
    pub(crate) output: Option<String>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: Option<i32>,
}

/// Why it is not a success.
#[derive(Debug, Serialize)]
pub(crate) struct Error {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) paths: Vec<String>,
    pub(crate) conflicts: Vec<Conflict>,
}

/// One path that both sides changed.
#[derive(Debug, Serialize)]
pub(crate) struct Conflict {
    pub(crate) path: String,
    /// Before either change; null: nothing was there.
    pub(crate) base: Option<Version>,
    pub(crate) ours: Ours,
    pub(crate) theirs: Theirs,
    /// Why the policy `merge` cannot settle it; null: it was not asked, or it can.
    pub(crate) unmerged: Option<&'static str>,
}

/// This session's side.
#[derive(Debug, Serialize)]
pub(crate) struct Ours {
    /// `added`, `modified`, `removed`, `replaced`, `metadata`; null: something below was changed.
    pub(crate) change: Option<&'static str>,
    pub(crate) version: Option<Version>,
}

/// The other side.
#[derive(Debug, Serialize)]
pub(crate) struct Theirs {
    /// `landing`, `drift`, `parent`, `busy`.
    pub(crate) by: &'static str,
    /// `added`, `modified`, `removed`, `replaced`; null for `busy`.
    pub(crate) what: Option<&'static str>,
    pub(crate) landing: Option<u64>,
    pub(crate) session: Option<String>,
    pub(crate) goal: Option<String>,
    pub(crate) version: Option<Version>,
}

/// What is at a path.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) kind: &'static str,
    pub(crate) mode: String,
    pub(crate) size: u64,
    /// Of a file; null: it is not kept any more, or could not be read.
    pub(crate) sha256: Option<String>,
}

/// `brio session resolve --json`. Paths are relative to the session's base.
#[derive(Debug, Serialize)]
pub(crate) struct Resolved {
    pub(crate) schema: u32,
    pub(crate) session: String,
    /// The landing that it sees the base as of; null: it was not resolved.
    pub(crate) landing: Option<u64>,
    /// Merged without a doubt.
    pub(crate) merged: Vec<String>,
    /// With conflict markers.
    pub(crate) marked: Vec<String>,
    /// Settled as told.
    pub(crate) taken: Vec<Taken>,
    pub(crate) error: Option<Error>,
}

/// One path of which a side was taken.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    pub(crate) path: String,
    /// `ours`, `theirs`, `base`.
    pub(crate) side: &'static str,
}

impl From<&brio_host::Conflict> for Conflict {
    fn from(c: &brio_host::Conflict) -> Self {
        let (landing, session, goal) = match &c.theirs {
            brio_host::Theirs::Landing { number, session, goal, .. } => {
                (Some(*number), Some(session.to_string()), goal.clone())
            }
            brio_host::Theirs::Parent { session, .. } => (None, Some(session.to_string()), None),
            _ => (None, None, None),
        };
        Self {
            path: c.path.to_string(),
            base: c.sides.base.map(Version::from),
            ours: Ours {
                change: c.ours.map(change_name),
                version: c.sides.ours.map(Version::from),
            },
            theirs: Theirs {
                by: c.theirs.by(),
                what: c.theirs.what().map(brio_host::What::as_str),
                landing,
                session,
                goal,
                version: c.sides.theirs.map(Version::from),
            },
            unmerged: c.unmerged.map(brio_host::Unmerged::as_str),
        }
    }
}

impl From<brio_host::Side> for Version {
    fn from(s: brio_host::Side) -> Self {
        let hex = |h: [u8; 32]| h.iter().map(|b| format!("{b:02x}")).collect();
        Self {
            kind: crate::summary::kind_word(s.kind),
            mode: format!("{:04o}", s.mode),
            size: s.size,
            sha256: s.sha256.map(hex),
        }
    }
}

/// What happened to a path, in one word.
pub(crate) fn change_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::TypeChanged => "replaced",
        ChangeKind::MetaOnly => "metadata",
        ChangeKind::Modified => "modified",
    }
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

impl From<&CheckpointInfo> for Checkpoint {
    fn from(c: &CheckpointInfo) -> Self {
        let created_at = crate::time::of(c.created_at);
        Self { name: c.name.clone(), created_at, landing: c.landing }
    }
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
            decisions: l.decisions.iter().map(DecisionRef::from).collect(),
            undo_of: l.undo_of,
            undone_by: l.undone_by,
            undoable: l.undoable,
        }
    }
}

impl From<&SessionRow> for Session {
    fn from(row: &SessionRow) -> Self {
        Self {
            id: row.id.clone(),
            state: row.state.clone(),
            base: row.base.display().to_string(),
            goal: row.goal.clone(),
            agent: row.agent.clone(),
            task_id: row.task_id.clone(),
            parent: row.parent.clone(),
            created_at: crate::time::rfc3339(row.created_at),
        }
    }
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
    /// Milliseconds since the Unix epoch, as all times here.
    pub(crate) submitted_at: i64,
    pub(crate) started_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
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

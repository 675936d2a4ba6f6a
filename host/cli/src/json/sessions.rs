//! Sessions, and what a session can be put back to.

use brio_host::{CheckpointInfo, LeaseStatus, SessionDebug, SessionRow};
use serde::Serialize;

use super::{Changes, Operated, Run};
use crate::lower::Lower;
use crate::summary::kind_word;

/// `brio session list --json`
#[derive(Debug, Serialize)]
pub(crate) struct SessionList {
    pub(crate) schema: u32,
    pub(crate) sessions: Vec<ListedSession>,
}

/// One session in a list: what only its own directory knows is null where that cannot be asked.
#[derive(Debug, Serialize)]
pub(crate) struct ListedSession {
    #[serde(flatten)]
    pub(crate) session: Session,
    /// `free`, `live`, `silent` or `dead`: its run, if it has one.
    pub(crate) run: &'static str,
    /// That run, or the last one if it died.
    pub(crate) holder: Option<Run>,
    /// When somebody last took or gave back the right to write in it.
    pub(crate) used_at: Option<String>,
    /// How many paths it changed.
    pub(crate) changes: Option<u64>,
    /// What it takes on disk.
    pub(crate) bytes: Option<u64>,
}

impl From<&brio_host::Listed> for ListedSession {
    fn from(listed: &brio_host::Listed) -> Self {
        Self {
            session: Session::from(&listed.row),
            run: run_word(listed.lease),
            holder: listed.run.as_ref().map(Run::from),
            used_at: listed.used_at.map(crate::time::of),
            changes: listed.changes,
            bytes: listed.bytes,
        }
    }
}

/// How the run of a session stands, in a word.
pub(crate) fn run_word(lease: LeaseStatus) -> &'static str {
    match lease {
        LeaseStatus::Free => "free",
        LeaseStatus::Live { .. } => "live",
        LeaseStatus::Silent { .. } => "silent",
        LeaseStatus::Dead { .. } => "dead",
    }
}

/// One session, as the index knows it.
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
    /// What it shows beside itself; null: it cannot be told.
    pub(crate) binds: Option<Vec<Bind>>,
    /// `snapshot` or `serializable`
    pub(crate) isolation: &'static str,
    /// `free`, `live`, `silent` or `dead`: its run, if it has one.
    pub(crate) run: &'static str,
    /// That run, or the last one if it died.
    pub(crate) holder: Option<Run>,
    pub(crate) used_at: String,
    /// What it takes on disk; null: it cannot be told.
    pub(crate) bytes: Option<u64>,
    /// Runs that it had, and what else its log tells, oldest first.
    pub(crate) operations: Vec<Operated>,
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
    /// Notes that it changed, by path; null: they cannot be read.
    pub(crate) notes: Option<Vec<String>>,
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

impl From<&brio_host::Conflict> for Drift {
    fn from(c: &brio_host::Conflict) -> Self {
        let landing = match c.theirs {
            brio_host::Theirs::Landing { number, .. } => Some(number),
            _ => None,
        };
        Self { path: c.path.to_string(), theirs: c.theirs.to_string(), landing }
    }
}

/// What lies in a session's directory.
#[derive(Debug, Serialize)]
pub(crate) struct Debug {
    pub(crate) path: String,
    pub(crate) files: Vec<DebugFile>,
    pub(crate) manifest: Option<String>,
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

/// One file or directory there.
#[derive(Debug, Serialize)]
pub(crate) struct DebugFile {
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    pub(crate) size: u64,
}

/// One thing that a session shows beside itself.
#[derive(Debug, Serialize)]
pub(crate) struct Bind {
    /// Where a run finds it.
    pub(crate) target: String,
    /// A directory, the id of a session, or `landing:N`.
    pub(crate) source: String,
    /// `bind` or `mount`
    pub(crate) kind: &'static str,
    /// `ro` or `rw`
    pub(crate) access: &'static str,
}

impl From<&brio_host::Bind> for Bind {
    fn from(bind: &brio_host::Bind) -> Self {
        Self {
            target: bind.target.clone(),
            source: bind.source.to_string(),
            kind: bind.source.kind(),
            access: bind.access.as_str(),
        }
    }
}

/// `brio session bind --json`, and that of `unbind`, `mount` and `unmount`
#[derive(Debug, Serialize)]
pub(crate) struct Bound {
    pub(crate) schema: u32,
    pub(crate) session: String,
    /// The one that was made or taken away.
    pub(crate) bind: Bind,
    /// All that the session has now.
    pub(crate) binds: Vec<Bind>,
}

/// A state that a session can be put back to.
#[derive(Debug, Serialize)]
pub(crate) struct Checkpoint {
    pub(crate) name: String,
    pub(crate) created_at: String,
    /// The landing whose base it sees.
    pub(crate) landing: u64,
}

impl From<&CheckpointInfo> for Checkpoint {
    fn from(c: &CheckpointInfo) -> Self {
        let created_at = crate::time::of(c.created_at);
        Self { name: c.name.clone(), created_at, landing: c.landing }
    }
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

//! Sessions, and what a session can be put back to.

use brio_host::SessionDebug;
use serde::Serialize;

use super::{Changes, Checkpoint, Drift, Operated, Run, Session, kind_word, run_word};
use crate::lower::Lower;

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

/// `brio session show --json`
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) schema: u32,
    #[serde(flatten)]
    pub(crate) session: Session,
    /// A short name for people.
    pub(crate) title: Option<String>,
    /// The goal at length.
    pub(crate) description: Option<String>,
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

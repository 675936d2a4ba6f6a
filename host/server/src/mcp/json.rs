//! What tools and resources answer beside what [`crate::json`] has: in its manner, and bounded.

use brio_host::{ChangeKind, ChangeSet, Kind};
use schemars::JsonSchema;
use serde::Serialize;

use super::failure::Failure;
pub(super) use crate::json::{Checkpoint, Conflict, Drift, Landing, Session, run_word};
use crate::time;

/// Changed paths, in the order of paths.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Changes {
    pub(super) added: Vec<String>,
    pub(super) modified: Vec<String>,
    pub(super) removed: Vec<String>,
    /// How many paths there are beyond those that are listed.
    pub(super) more: u64,
}

/// So many paths are listed of a set of changes.
const MOST_PATHS: usize = 5000;

impl From<&ChangeSet> for Changes {
    fn from(set: &ChangeSet) -> Self {
        let mut changes = Self::default();
        for change in set.changes.iter().take(MOST_PATHS) {
            let list = match change.kind {
                ChangeKind::Added => &mut changes.added,
                ChangeKind::Removed => &mut changes.removed,
                _ => &mut changes.modified,
            };
            list.push(change.path.to_string());
        }
        changes.more = set.changes.len().saturating_sub(MOST_PATHS) as u64;
        changes
    }
}

/// A session in a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ListedSession {
    #[serde(flatten)]
    pub(super) session: Session,
    /// `free`, `live`, `silent` or `dead`: the run that works in it, if there is one.
    pub(super) run: &'static str,
    /// How many paths it changed; null: it cannot be told.
    pub(super) changes: Option<u64>,
    /// What it takes on disk; null: it cannot be told.
    pub(super) bytes: Option<u64>,
}

impl From<&brio_host::Listed> for ListedSession {
    fn from(listed: &brio_host::Listed) -> Self {
        Self {
            session: Session::from(&listed.row),
            run: run_word(listed.lease),
            changes: listed.changes,
            bytes: listed.bytes,
        }
    }
}

/// A session, as it stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownSession {
    #[serde(flatten)]
    session: Session,
    /// The landing whose base it sees.
    landing: u64,
    children: Vec<String>,
    /// States that it can be put back to, oldest first.
    checkpoints: Vec<Checkpoint>,
    /// `snapshot` or `serializable`.
    isolation: &'static str,
    /// `free`, `live`, `silent` or `dead`: the run that works in it, if there is one.
    run: &'static str,
    /// When somebody last wrote in it.
    used_at: String,
    /// Files in which a resolve put conflict markers.
    unresolved: Vec<String>,
    changes: Changes,
    /// Notes that it changed; null: they cannot be read.
    notes: Option<Vec<String>>,
    /// What it changed and others changed too since; null: it cannot be told.
    drift: Option<Vec<Drift>>,
}

impl ShownSession {
    pub(super) fn of(session: &brio_host::SessionHandle) -> Result<Self, Failure> {
        let (row, info) = (session.row()?, session.info()?);
        let notes = session.note_changes().ok();
        let drift = session.conflicts().ok();
        Ok(Self {
            session: Session::from(&row),
            landing: info.landing,
            children: info.children.iter().map(ToString::to_string).collect(),
            checkpoints: info.checkpoints.iter().map(Checkpoint::from).collect(),
            isolation: info.isolation.as_str(),
            run: run_word(info.lease),
            used_at: time::of(info.used_at),
            unresolved: info.unresolved.iter().map(ToString::to_string).collect(),
            changes: Changes::from(&session.changes()?),
            notes: notes.map(|all| all.iter().map(|note| note.path.to_string()).collect()),
            drift: drift.map(|all| all.iter().map(Drift::from).collect()),
        })
    }
}

/// Notes, by path.
pub(super) fn notes(paths: &[brio_host::project::NotePath]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

/// What an entry of a directory is.
pub(super) fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Dir => "directory",
        Kind::Symlink => "symlink",
        Kind::Other => "other",
    }
}

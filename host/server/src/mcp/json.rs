//! What tools and resources answer: the shapes and names of the command line's `--json`.

use brio_host::{ChangeKind, ChangeSet, Kind, Time};
use schemars::JsonSchema;
use serde::Serialize;

use super::failure::Failure;

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

/// One session.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) state: String,
    /// The directory that it branches.
    pub(super) base: String,
    /// What it is to achieve.
    pub(super) goal: Option<String>,
    /// Who began it, or which agent works in it.
    pub(super) agent: Option<String>,
    pub(super) task_id: Option<String>,
    /// The session that it branches; null: a directory.
    pub(super) parent: Option<String>,
    pub(super) created_at: String,
}

impl From<&brio_host::SessionRow> for Session {
    fn from(row: &brio_host::SessionRow) -> Self {
        Self {
            id: row.id.clone(),
            state: row.state.clone(),
            base: row.base.display().to_string(),
            goal: row.goal.clone(),
            agent: row.agent.clone(),
            task_id: row.task_id.clone(),
            parent: row.parent.clone(),
            created_at: rfc3339(row.created_at.div_euclid(1000)),
        }
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

/// How the run of a session stands, in a word.
pub(super) fn run_word(lease: brio_host::LeaseStatus) -> &'static str {
    match lease {
        brio_host::LeaseStatus::Free => "free",
        brio_host::LeaseStatus::Live { .. } => "live",
        brio_host::LeaseStatus::Silent { .. } => "silent",
        brio_host::LeaseStatus::Dead { .. } => "dead",
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
        let notes = session.notes().ok().and_then(|notes| notes.changes().ok());
        let drift = session.conflicts().ok();
        Ok(Self {
            session: Session::from(&row),
            landing: info.landing,
            children: info.children.iter().map(ToString::to_string).collect(),
            checkpoints: info.checkpoints.iter().map(Checkpoint::from).collect(),
            isolation: info.isolation.as_str(),
            run: run_word(info.lease),
            used_at: of(info.used_at),
            unresolved: info.unresolved.iter().map(ToString::to_string).collect(),
            changes: Changes::from(&session.changes()?),
            notes: notes.map(|all| all.iter().map(|note| note.path.to_string()).collect()),
            drift: drift.map(|all| all.iter().map(Drift::from).collect()),
        })
    }
}

/// One path that changed on both sides.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Drift {
    path: String,
    /// What was done to it, and by whom.
    theirs: String,
    /// The landing that did it; null: a change from outside, or the parent's.
    landing: Option<u64>,
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

/// A state that a session can be put back to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Checkpoint {
    name: String,
    created_at: String,
    /// The landing whose base it sees.
    landing: u64,
}

impl From<&brio_host::CheckpointInfo> for Checkpoint {
    fn from(c: &brio_host::CheckpointInfo) -> Self {
        Self { name: c.name.clone(), created_at: of(c.created_at), landing: c.landing }
    }
}

/// One path that both sides changed.
#[derive(Debug, Serialize)]
pub(super) struct Conflict {
    pub(super) path: String,
    pub(super) ours: Ours,
    pub(super) theirs: Theirs,
    /// Why the policy `merge` cannot settle it; null: it was not asked, or it can.
    pub(super) unmerged: Option<&'static str>,
    /// All of that for a person.
    #[serde(skip)]
    pub(super) told: String,
}

/// This session's side.
#[derive(Debug, Serialize)]
pub(super) struct Ours {
    /// `added`, `modified`, `removed`, `replaced`, `metadata`; null: something below was changed.
    change: Option<&'static str>,
}

/// The other side.
#[derive(Debug, Serialize)]
pub(super) struct Theirs {
    /// `landing`, `drift` (a change from outside), `parent`, `busy`.
    by: &'static str,
    what: Option<&'static str>,
    landing: Option<u64>,
    session: Option<String>,
    goal: Option<String>,
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
            ours: Ours { change: c.ours.map(brio_host::change_word) },
            theirs: Theirs {
                by: c.theirs.by(),
                what: c.theirs.what().map(brio_host::What::as_str),
                landing,
                session,
                goal,
            },
            unmerged: c.unmerged.map(brio_host::Unmerged::as_str),
            told: super::failure::one_line(&c.to_string()),
        }
    }
}

/// One landing.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Landing {
    pub(super) landing: u64,
    pub(super) time: String,
    pub(super) session: Option<String>,
    pub(super) goal: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) task_id: Option<String>,
    pub(super) message: Option<String>,
    /// Paths.
    pub(super) added: u64,
    pub(super) modified: u64,
    pub(super) removed: u64,
    /// Notes that it changed, by path.
    pub(super) notes: Vec<String>,
    /// What was decided in the session, and in those that landed in it.
    pub(super) decisions: Vec<DecisionRef>,
    /// The landing that it undid, and the one that undid it.
    pub(super) undo_of: Option<u64>,
    pub(super) undone_by: Option<u64>,
    /// Whether what it replaced is kept, so that it can be undone.
    pub(super) undoable: bool,
}

impl From<&brio_host::LogEntry> for Landing {
    fn from(l: &brio_host::LogEntry) -> Self {
        Self {
            landing: l.landing,
            time: of(l.time),
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
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DecisionRef {
    session: String,
    time: String,
    title: String,
}

impl From<&brio_host::DecisionRef> for DecisionRef {
    fn from(d: &brio_host::DecisionRef) -> Self {
        Self { session: d.session.to_string(), time: of(d.time), title: d.title.clone() }
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

/// A time as RFC 3339 in UTC, to the second.
pub(super) fn of(t: Time) -> String {
    rfc3339(t.secs)
}

fn rfc3339(secs: i64) -> String {
    let time = chrono::DateTime::from_timestamp(secs, 0).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_as_the_command_line_writes_them() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
    }
}

//! What can go wrong between a session and a store.

use brio_landing::{
    BeginError, BlameError, CommitError, Conflict, HeadError, LeaseError, SessionError, SessionId,
    StoreBindingError, UndoError,
};
use brio_session::{FsError, RelPath};

/// The error of an operation on a session in a store. Its text begins with a stable code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The store's.
    #[error(transparent)]
    Store(#[from] brio_store::Error),
    /// The session stands on no tree of a store.
    #[error(
        "NOT_SHARED: session {id} branches a directory, and no tree of a store: it cannot be pushed; `brio session export {id}` takes its changes elsewhere"
    )]
    NotShared {
        /// The session.
        id: SessionId,
    },
    /// It branches another session.
    #[error(
        "NOT_SHARED: session {id} branches session {parent}: it lands there, and travels with it"
    )]
    Child {
        /// The session.
        id: SessionId,
        /// What it branches.
        parent: SessionId,
    },
    /// The store has it, and it has ended.
    #[error("SESSION_ENDED: session {id} {how} in project {project}")]
    Ended {
        /// The session.
        id: String,
        /// The project.
        project: String,
        /// How.
        how: String,
    },
    /// It landed, from another machine; what it is here is a copy that has not.
    #[error(
        "SESSION_ENDED: session {id} landed at position {position} of {project}, from another machine; what this copy changed since is in `brio session diff {id}`, and `brio session rollback {id}` throws it away"
    )]
    LandedElsewhere {
        /// The session.
        id: SessionId,
        /// The project.
        project: String,
        /// Where.
        position: u64,
    },
    /// A path of the session cannot be read, or not be made.
    #[error("IO: {path}: {source}")]
    Path {
        /// The path.
        path: RelPath,
        /// Why.
        source: FsError,
    },
    /// The base belongs to no project of a store.
    #[error("NOT_BOUND: {} belongs to no project in a store; `brio project init --store` has it belong to one", base.display())]
    NotBound {
        /// The base.
        base: std::path::PathBuf,
    },
    /// The base belongs to a project, and never held any state of it.
    #[error("NOT_SYNCED: {} belongs to project {project} and holds no state of it yet; store what it holds: `brio project import`, or check the project out into an empty directory", base.display())]
    NotSynced {
        /// The base.
        base: std::path::PathBuf,
        /// The project.
        project: String,
    },
    /// Others landed what this session changed too. It is kept.
    #[error("CONFLICT: {} of session {id} conflict with what landed on {project} since it began; `brio session resolve {id}` shows both sides, `--policy merge` tries to join them", paths(conflicts.len()))]
    Conflicts {
        /// The session.
        id: SessionId,
        /// The project.
        project: String,
        /// By path.
        conflicts: Vec<Conflict>,
    },
    /// The head moved all the time.
    #[error(
        "STORE_BUSY: the head of {project} kept moving while session {id} was landed; it is kept, try again"
    )]
    Busy {
        /// The session.
        id: SessionId,
        /// The project.
        project: String,
    },
    /// The trees of a landing are no longer kept.
    #[error(
        "LANDING_COLLECTED: what landing {landing} of {project} replaced is no longer kept; `brio log` shows which landings can be undone"
    )]
    Collected {
        /// The project.
        project: String,
        /// Its position.
        landing: u64,
    },
    /// A landing is not undone.
    #[error(transparent)]
    Undo(#[from] UndoError),
    /// The lines of a file cannot be told.
    #[error(transparent)]
    Blame(#[from] BlameError),
    /// The record of the store does not fit.
    #[error("STORE_CORRUPT: session {id}: {what}")]
    Corrupt {
        /// The session.
        id: String,
        /// What is wrong.
        what: String,
    },
    /// The session here.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Somebody works in it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// It cannot be begun here.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// It cannot be landed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The base's binding.
    #[error(transparent)]
    Binding(#[from] StoreBindingError),
    /// The host's.
    #[error("IO: {what}: {source}")]
    Host {
        /// What was done.
        what: String,
        /// Its error.
        source: std::io::Error,
    },
}

fn paths(n: usize) -> String {
    match n {
        1 => "1 path".into(),
        n => format!("{n} paths"),
    }
}

impl ShareError {
    /// As an error of a head.
    pub fn head(&self) -> HeadError {
        HeadError { code: self.code(), text: self.to_string() }
    }

    /// The stable code, with which the text begins.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(e) => e.code(),
            Self::NotShared { .. } | Self::Child { .. } => "NOT_SHARED",
            Self::Ended { .. } | Self::LandedElsewhere { .. } => "SESSION_ENDED",
            Self::Path { .. } => "IO",
            Self::NotBound { .. } => "NOT_BOUND",
            Self::NotSynced { .. } => "NOT_SYNCED",
            Self::Conflicts { .. } => "CONFLICT",
            Self::Busy { .. } => "STORE_BUSY",
            Self::Corrupt { .. } => "STORE_CORRUPT",
            Self::Collected { .. } => "LANDING_COLLECTED",
            Self::Undo(e) => e.code(),
            Self::Blame(e) => e.code(),
            Self::Session(e) => e.code(),
            Self::Lease(e) => e.code(),
            Self::Begin(e) => e.code(),
            Self::Commit(e) => e.code(),
            Self::Binding(e) => e.code(),
            Self::Host { .. } => "IO",
        }
    }

    pub(crate) fn path(path: &RelPath) -> impl FnOnce(FsError) -> Self + use<> {
        let path = path.clone();
        move |source| Self::Path { path, source }
    }

    pub(crate) fn host(what: impl ToString) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.to_string();
        move |source| Self::Host { what, source }
    }
}

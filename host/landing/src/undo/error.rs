//! Why a landing is not undone.

use brio_session::{FsError, RelPath};

use crate::conflict::Summary;
use crate::errors::{fs_code, io_code};
use crate::{
    BeginError, CommitError, Conflict, DomainError, HostError, Quota, RecoverError, Retention,
    SessionError,
};

/// A landing could not be undone. The base is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// There is no such landing.
    #[error("LANDING_UNKNOWN: there is no landing {landing} here; `brio log` lists them")]
    Unknown {
        /** Its number. */
        landing: u64,
    },
    /// It was given up when it was tried: nothing of it is in the base.
    #[error(
        "LANDING_ABORTED: landing {landing} never took effect, so there is nothing to undo; `brio log` lists those that did"
    )]
    Aborted {
        /** Its number. */
        landing: u64,
    },
    /// What it replaced is no longer kept.
    #[error(
        "LANDING_COLLECTED: what landing {landing} replaced is no longer kept (undo window {}, quota {}); `brio log` shows which landings can be undone",
        window(retention),
        quota(retention)
    )]
    Collected {
        /** Its number. */
        landing: u64,
        /** What is kept here. */
        retention: Retention,
    },
    /// What it replaced was edited since, and no copy of it was made.
    #[error(
        "PRE_IMAGE_DAMAGED: what landing {landing} replaced at {path} is no longer what it was: it was changed through another name or an old handle; the edited version stays in .brio/landings/{landing}"
    )]
    Damaged {
        /** Its number. */
        landing: u64,
        /** The path. */
        path: RelPath,
    },
    /// It was undone before.
    #[error(
        "ALREADY_UNDONE: landing {landing} was undone by landing {by}; `brio undo {by}` brings it back"
    )]
    AlreadyUndone {
        /** Its number. */
        landing: u64,
        /** The landing that undid it. */
        by: u64,
    },
    /// Its paths were changed since.
    #[error(
        "CONFLICT: landing {landing} cannot be undone, its paths were changed since: {}; undo the later landings first, newest first, or give --policy merge",
        Summary(conflicts)
    )]
    Conflict {
        /** Its number. */
        landing: u64,
        /** Every path. */
        conflicts: Vec<Conflict>,
    },
    /// Landing the undo failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Its session could not be made.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// Its session cannot be read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The domain is unusable.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// An earlier landing could not be recovered, or this one's record cannot be read.
    #[error(transparent)]
    Recover(#[from] Box<RecoverError>),
    /// The opposite of it could not be made.
    #[error("{}: the undo of landing {landing}: {source}; the base is unchanged", fs_code(*source))]
    View {
        /** Its number. */
        landing: u64,
        /** Why. */
        source: FsError,
    },
    /// The host failed.
    #[error("{code}: {host}; the base is unchanged", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

fn window(r: &Retention) -> String {
    match r.window.as_secs() {
        s if s >= 86_400 && s % 86_400 == 0 => format!("{} days", s / 86_400),
        s => format!("{s} s"),
    }
}

fn quota(r: &Retention) -> String {
    match r.quota {
        Quota::Bytes(n) => format!("{n} bytes"),
        Quota::Percent(p) => format!("{p} % of the file system"),
    }
}

impl UndoError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "LANDING_UNKNOWN",
            Self::Aborted { .. } => "LANDING_ABORTED",
            Self::Collected { .. } => "LANDING_COLLECTED",
            Self::Damaged { .. } => "PRE_IMAGE_DAMAGED",
            Self::AlreadyUndone { .. } => "ALREADY_UNDONE",
            Self::Conflict { .. } => "CONFLICT",
            Self::Commit(e) => e.code(),
            Self::Begin(e) => e.code(),
            Self::Session(e) => e.code(),
            Self::Domain(e) => e.code(),
            Self::Recover(e) => e.code(),
            Self::View { source, .. } => fs_code(*source),
            Self::Io(e) => io_code(e),
        }
    }

    /// The conflicts, if that is what it is.
    pub fn conflicts(&self) -> &[Conflict] {
        match self {
            Self::Conflict { conflicts, .. } => conflicts,
            Self::Commit(e) => e.conflicts(),
            _ => &[],
        }
    }
}

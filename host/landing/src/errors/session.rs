//! Why a session cannot be found, written or thrown away.

use super::*;

/// A session could not be found or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No session has this id.
    #[error("SESSION_UNKNOWN: no session {id} here; `brio session list` shows the open ones")]
    Unknown {
        /** What was asked for. */
        id: String,
    },
    /// It has landed or was rolled back.
    #[error("SESSION_ENDED: {id} has ended ({}); begin a new one", state.as_str())]
    Ended {
        /** The session. */
        id: SessionId,
        /** How it ended. */
        state: State,
    },
    /// Several ids begin so.
    #[error("SESSION_AMBIGUOUS: {prefix} fits {} sessions; give more of the id", ids.len())]
    Ambiguous {
        /** What was asked for. */
        prefix: String,
        /** Which fit. */
        ids: Vec<SessionId>,
    },
    /// Its files cannot be understood.
    #[error(
        "SESSION_CORRUPT: {id} cannot be read ({what}); `brio session rollback {id}` removes it"
    )]
    Corrupt {
        /** The session. */
        id: SessionId,
        /** What is wrong. */
        what: String,
    },
    /// It stands on a tree of a store that nobody here knows.
    #[error(
        "NO_STORE: {id} stands on a tree of {project}, and the store that has it is not set up here; name the store"
    )]
    NoStore {
        /** The session. */
        id: SessionId,
        /** The project. */
        project: String,
    },
    /// Its project's head cannot be asked.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The domain itself is unusable.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The host failed.
    #[error("{code}: {host}", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

impl SessionError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Head(e) => e.code,
            Self::Unknown { .. } => "SESSION_UNKNOWN",
            Self::Ended { .. } => "SESSION_ENDED",
            Self::Ambiguous { .. } => "SESSION_AMBIGUOUS",
            Self::Corrupt { .. } => "SESSION_CORRUPT",
            Self::NoStore { .. } => "NO_STORE",
            Self::Domain(e) => e.code(),
            Self::Io(e) => io_code(e),
        }
    }
}

/// A session could not be written in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Somebody else does.
    #[error("SESSION_BUSY: process {pid} works in {id}; wait, stop it, or give --stop")]
    Busy {
        /** The session. */
        id: SessionId,
        /** The holder; 0: unknown. */
        pid: u32,
    },
    /// The session cannot be used.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// What wrote in it is over.
    #[error("LEASE_GONE: the run that wrote in {id} is over; begin another one")]
    Gone {
        /** The session. */
        id: SessionId,
    },
    /// Its layers cannot be opened.
    #[error("{}: the layers of {id} cannot be opened: {source}", fs_code(*source))]
    View {
        /** The session. */
        id: SessionId,
        /** Why. */
        source: FsError,
    },
    /// The host failed.
    #[error("{code}: {host}", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

impl LeaseError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "SESSION_BUSY",
            Self::Gone { .. } => "LEASE_GONE",
            Self::Session(e) => e.code(),
            Self::View { source, .. } => fs_code(*source),
            Self::Io(e) => io_code(e),
        }
    }
}

/// A rollback was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RollbackError {
    /// Somebody works in it, or it cannot be opened.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Sessions that branch it are open.
    #[error(
        "OPEN_CHILDREN: {session} has open children ({}); commit or roll them back first, or give --cascade",
        ids(children)
    )]
    OpenChildren {
        /** The session. */
        session: SessionId,
        /** They. */
        children: Vec<SessionId>,
    },
    /// A cascade ended early. What is not named here is kept.
    #[error("{source}; rolled back before that: {}", ids(rolled_back))]
    Cascade {
        /** Sessions that are gone, in this order. */
        rolled_back: Vec<SessionId>,
        /** What ended it. */
        source: Box<RollbackError>,
    },
    /// A landing on its project's head was begun, and it may have been done: the head cannot be
    /// asked, or says so.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// It cannot be found.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The domain is unusable.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The host failed.
    #[error("{code}: {host}", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

impl RollbackError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Head(e) => e.code,
            Self::Lease(e) => e.code(),
            Self::OpenChildren { .. } => "OPEN_CHILDREN",
            Self::Cascade { source, .. } => source.code(),
            Self::Session(e) => e.code(),
            Self::Domain(e) => e.code(),
            Self::Io(e) => io_code(e),
        }
    }
}

/// Something was not written to the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It says nothing.
    #[error("JOURNAL_TEXT: the {what} of a line for {session} is empty; say something")]
    Empty {
        /** The session. */
        session: SessionId,
        /** Which part. */
        what: &'static str,
    },
    /// It says too much.
    #[error(
        "JOURNAL_TEXT: the {what} of a line for {session} is over {most} bytes; shorten it, or write a file"
    )]
    TooLong {
        /** The session. */
        session: SessionId,
        /** Which part. */
        what: &'static str,
        /** Bytes. */
        most: usize,
    },
    /// The session cannot be found.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The host failed.
    #[error("{code}: {host}", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

impl JournalError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } | Self::TooLong { .. } => "JOURNAL_TEXT",
            Self::Session(e) => e.code(),
            Self::Io(e) => io_code(e),
        }
    }
}

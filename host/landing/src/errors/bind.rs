//! Why something is not shown beside a session.

use super::*;

/// Something could not be bound or mounted beside a session, taken away again, or shown to a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Nothing can be shown there.
    #[error("BIND_TARGET: {target} {why}; name another place, such as /data")]
    Target {
        /// Where it was to be shown.
        target: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something is shown there, below or above it.
    #[error(
        "BIND_TAKEN: {target} and {taken} overlap; take {taken} away first, or name another place"
    )]
    Taken {
        /// Where it was to be shown.
        target: String,
        /// Where something is shown already.
        taken: String,
    },
    /// More than a session may have.
    #[error(
        "BIND_MANY: {session} has {most} binds and mounts, and may have no more; take one away first"
    )]
    TooMany {
        /// The session.
        session: SessionId,
        /// How many it may have.
        most: usize,
    },
    /// Nothing is shown there.
    #[error(
        "BIND_UNKNOWN: {session} shows nothing at {target}; `brio session show {session}` lists what it shows"
    )]
    Unknown {
        /// The session.
        session: SessionId,
        /// What was to be taken away.
        target: String,
    },
    /// It is the other one of the two.
    #[error(
        "BIND_KIND: {target} is a {is}; `brio session un{is} {session} {target}` takes it away"
    )]
    Kind {
        /// The session.
        session: SessionId,
        /// What was to be taken away.
        target: String,
        /// `bind` or `mount`.
        is: &'static str,
    },
    /// A run may be reading it.
    #[error(
        "SESSION_BUSY: a run of {session} reads the landing at {target}; wait for its end, or stop it"
    )]
    Busy {
        /// The session.
        session: SessionId,
        /// Where it is shown.
        target: String,
    },
    /// The directory is not to be shown.
    #[error("BIND_SOURCE: {} {why}", path.display())]
    Source {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it, and what to do instead.
        why: String,
    },
    /// What is shown is not there any more, or not what it was.
    #[error(
        "BIND_GONE: {source_} at {target} {why}; `brio session un{is} {session} {target}` takes it away"
    )]
    Gone {
        /// The session.
        session: SessionId,
        /// Where it is shown.
        target: String,
        /// What was shown.
        source_: String,
        /// `bind` or `mount`.
        is: &'static str,
        /// What became of it.
        why: String,
    },
    /// A session would be shown in itself.
    #[error("MOUNT_CYCLE: {source_} {why}; mount another session, or a landing")]
    Cycle {
        /// What was to be mounted.
        source_: SessionId,
        /// How it leads back.
        why: String,
    },
    /// No landing has this number.
    #[error("LANDING_UNKNOWN: there is no landing {landing}; `brio log` shows them")]
    LandingUnknown {
        /// The number.
        landing: u64,
    },
    /// What was there then is not kept any more.
    #[error(
        "SNAPSHOT_GONE: what the base held as of landing {landing} is not kept any more; take a newer one"
    )]
    LandingGone {
        /// The number.
        landing: u64,
    },
    /// This way of running cannot show it.
    #[error("BIND_NOT_SHOWN: {target} cannot be shown {how}; {next}")]
    NotShown {
        /// Where it is shown.
        target: String,
        /// To whom, and why not.
        how: String,
        /// The next step.
        next: String,
    },
    /// The record cannot be understood.
    #[error(
        "SESSION_CORRUPT: the binds of {session} cannot be read ({what}); `brio session rollback {session}` removes the session"
    )]
    Corrupt {
        /// The session.
        session: SessionId,
        /// What is wrong.
        what: String,
    },
    /// The session cannot be used.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// What is to be shown cannot be opened.
    #[error("{}: {target} cannot be opened: {source}", fs_code(*source))]
    View {
        /// Where it is shown.
        target: String,
        /// Why not.
        source: FsError,
    },
    /// The host failed.
    #[error("{code}: {host}", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

impl BindError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Target { .. } => "BIND_TARGET",
            Self::Taken { .. } => "BIND_TAKEN",
            Self::TooMany { .. } => "BIND_MANY",
            Self::Unknown { .. } => "BIND_UNKNOWN",
            Self::Kind { .. } => "BIND_KIND",
            Self::Busy { .. } => "SESSION_BUSY",
            Self::Source { .. } => "BIND_SOURCE",
            Self::Gone { .. } => "BIND_GONE",
            Self::Cycle { .. } => "MOUNT_CYCLE",
            Self::LandingUnknown { .. } => "LANDING_UNKNOWN",
            Self::LandingGone { .. } => "SNAPSHOT_GONE",
            Self::NotShown { .. } => "BIND_NOT_SHOWN",
            Self::Corrupt { .. } => "SESSION_CORRUPT",
            Self::Session(e) => e.code(),
            Self::View { source, .. } => fs_code(*source),
            Self::Io(e) => io_code(e),
        }
    }
}

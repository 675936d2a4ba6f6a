//! One error per operation. Every text begins with its stable code and names the next step.

use std::fmt;
use std::io;
use std::path::PathBuf;

use brio_session::{FsError, RelPath};

use crate::conflict::Summary;
use crate::{Access, Conflict, SessionId, State};

/// What we were doing when the host failed us.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct HostError {
    /// The operation and what it was about.
    pub what: String,
    /// The host's error.
    pub source: io::Error,
}

impl HostError {
    pub(crate) fn new(what: impl fmt::Display, source: impl Into<io::Error>) -> Self {
        Self { what: what.to_string(), source: source.into() }
    }

    fn is_full(&self) -> bool {
        is_full(&self.source)
    }
}

pub(crate) fn is_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

pub(crate) fn io_code(e: &HostError) -> &'static str {
    if e.is_full() { "NO_SPACE" } else { "IO" }
}

/// Gives an I/O result the words that say what was being done.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T, HostError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Result<T, HostError> {
        self.map_err(|e| HostError::new(what, e))
    }
}

/// Why a base can have no live sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// `RENAME_EXCHANGE` is missing.
    #[error("it cannot exchange two files atomically")]
    NoExchange,
    /// Names differ only by case there.
    #[error("names there ignore case")]
    CaseInsensitive,
    /// NFS, SMB, 9p and their like.
    #[error("it is a network file system")]
    Network,
}

/// A domain could not be opened or adopted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DomainError {
    /// There is nothing at the path.
    #[error("BASE_MISSING: {} does not exist; give a directory that does", path.display())]
    Missing {
        /** The path. */
        path: PathBuf,
    },
    /// It is no directory.
    #[error("BASE_NOT_A_DIRECTORY: {} is not a directory; give the directory it lies in", path.display())]
    NotADirectory {
        /** The path. */
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("BASE_UNREADABLE: {} cannot be read ({source}); give yourself access, or run as its owner", path.display())]
    Unreadable {
        /** The path. */
        path: PathBuf,
        /** Why. */
        source: io::Error,
    },
    /// It cannot be written.
    #[error("BASE_READ_ONLY: {} cannot be written ({source}){}; give yourself access, or work on a copy", path.display(), explained(access))]
    ReadOnly {
        /** The path. */
        path: PathBuf,
        /** Why. */
        source: io::Error,
        /** Whose it is, and who asks. */
        access: Option<Box<Access>>,
    },
    /// It lies inside brio's own state.
    #[error("BASE_INSIDE_STATE: {} lies inside a .brio directory; give the directory that holds the .brio", path.display())]
    InsideState {
        /** The path. */
        path: PathBuf,
    },
    /// Its file system lacks something.
    #[error("BASE_UNSUPPORTED: {} cannot be branched: {why}; work on a copy on a local file system", path.display())]
    Unsupported {
        /** The path. */
        path: PathBuf,
        /** What. */
        why: Unsupported,
    },
    /// No domain is there, and none was to be made.
    #[error("NO_DOMAIN: {} has no sessions; `brio session begin {}` starts one", path.display(), path.display())]
    NoDomain {
        /** The path. */
        path: PathBuf,
    },
    /// Another user's `.brio` lies at the base's root.
    #[error("FOREIGN_STATE: {} belongs to user {uid}; it is not used unless that user is trusted", path.display())]
    Foreign {
        /** The `.brio`. */
        path: PathBuf,
        /** Its owner. */
        uid: u32,
    },
    /// The home knows this domain, and its `.brio` is gone.
    #[error("STATE_LOST: the .brio of {} is gone{}; restore it, or start anew with `brio recover --adopt {}`", path.display(), lost(sessions), path.display())]
    StateLost {
        /** The root. */
        path: PathBuf,
        /** What was open there. */
        sessions: Vec<LostSession>,
    },
    /// The `.brio` is of another directory: the base was copied, restored or replaced.
    #[error("BASE_REPLACED: the .brio of {} was made for another directory (a copy, or a restored backup?); take it over with `brio recover --adopt {}`", path.display(), path.display())]
    BaseReplaced {
        /** The root. */
        path: PathBuf,
    },
    /// The state is of a version that this program does not know.
    #[error("FORMAT_UNKNOWN: {} is of format {found}; use a newer brio", path.display())]
    FormatUnknown {
        /** The file. */
        path: PathBuf,
        /** Its version. */
        found: u32,
    },
    /// A file of the state cannot be understood.
    #[error("STATE_CORRUPT: {} cannot be understood ({what}); restore it from a backup, or run `brio recover --adopt` on the base", path.display())]
    Corrupt {
        /** The file. */
        path: PathBuf,
        /** What is wrong. */
        what: String,
    },
    /// Recovery of an interrupted landing failed.
    #[error(transparent)]
    Recover(#[from] Box<RecoverError>),
    /// The host failed.
    #[error("{code}: {host}", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

fn explained(access: &Option<Box<Access>>) -> String {
    access.as_ref().map_or_else(String::new, |a| format!(": {a}"))
}

/// A session that went with a lost `.brio`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSession {
    /// Its id.
    pub id: String,
    /// Its goal.
    pub goal: Option<String>,
}

fn lost(sessions: &[LostSession]) -> String {
    match sessions {
        [] => String::new(),
        s => {
            let names: Vec<_> = s.iter().map(|s| s.id.as_str()).collect();
            format!(", and with it the open sessions {}", names.join(", "))
        }
    }
}

impl DomainError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "BASE_MISSING",
            Self::NotADirectory { .. } => "BASE_NOT_A_DIRECTORY",
            Self::Unreadable { .. } => "BASE_UNREADABLE",
            Self::ReadOnly { .. } => "BASE_READ_ONLY",
            Self::InsideState { .. } => "BASE_INSIDE_STATE",
            Self::Unsupported { .. } => "BASE_UNSUPPORTED",
            Self::NoDomain { .. } => "NO_DOMAIN",
            Self::Foreign { .. } => "FOREIGN_STATE",
            Self::StateLost { .. } => "STATE_LOST",
            Self::BaseReplaced { .. } => "BASE_REPLACED",
            Self::FormatUnknown { .. } => "FORMAT_UNKNOWN",
            Self::Corrupt { .. } => "STATE_CORRUPT",
            Self::Recover(e) => e.code(),
            Self::Io(e) => io_code(e),
        }
    }
}

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
            Self::Unknown { .. } => "SESSION_UNKNOWN",
            Self::Ended { .. } => "SESSION_ENDED",
            Self::Ambiguous { .. } => "SESSION_AMBIGUOUS",
            Self::Corrupt { .. } => "SESSION_CORRUPT",
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
            Self::Session(e) => e.code(),
            Self::View { source, .. } => fs_code(*source),
            Self::Io(e) => io_code(e),
        }
    }
}

pub(crate) fn fs_code(e: FsError) -> &'static str {
    match e {
        FsError::NoSpace => "NO_SPACE",
        FsError::SnapshotGone => "SNAPSHOT_GONE",
        FsError::Ended | FsError::Stale => "SESSION_ENDED",
        _ => "IO",
    }
}

/// A session could not begin. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// The domain is unusable.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// A directory below has sessions of its own.
    #[error("DOMAIN_INSIDE: {} has sessions of its own; land or roll them back and remove its .brio, or branch that directory instead", path.display())]
    DomainInside {
        /** The inner domain's root. */
        path: PathBuf,
    },
    /// The directory to branch is not one.
    #[error("BASE_NOT_A_DIRECTORY: {path} is no directory of the base; give one that is")]
    Subdir {
        /** The path. */
        path: RelPath,
    },
    /// The parent cannot be branched.
    #[error(transparent)]
    Parent(#[from] LeaseError),
    /// Patterns of what is to be left out cannot be used.
    #[error(
        "EXCLUDE_INVALID: {what} cannot be used ({why}); patterns are written as in .gitignore"
    )]
    Excludes {
        /** The pattern, or the file. */
        what: String,
        /** Why. */
        why: String,
    },
    /// A full copy has no room.
    #[error("NO_SPACE: {}; leave out what is not needed (--exclude, .brioignore), keep large files elsewhere behind symbolic links, or use the live lower, which copies nothing", Room(.0))]
    Space(Short),
    /// Something is written again and again while it is copied.
    #[error(
        "BASE_BUSY: {path} kept changing, or was held open for writing, while it was copied; stop what writes it, leave it out with --exclude, or use the live lower"
    )]
    Changing {
        /** The path. */
        path: RelPath,
    },
    /// A frozen copy ends at other file systems.
    #[error(
        "BASE_NESTED: {}: a copy does not cross that; leave it out with --exclude, or use the live lower",
        nested(boundaries)
    )]
    Boundaries {
        /** They. */
        boundaries: Vec<Boundary>,
    },
    /// The host failed.
    #[error("{code}: {host}", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

/// Where a frozen copy ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// The path, in the domain.
    pub path: RelPath,
    /// What is there.
    pub kind: BoundaryKind,
}

/// What lies at the end of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundaryKind {
    /// A mount.
    Mount,
    /// A subvolume of its own.
    Subvolume,
}

/// Why a full copy has no room. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    /// It would take more of what is available than it may.
    Share {
        /** What it takes. */
        need: u64,
        /** What is available. */
        have: u64,
        /** What it may take of that, in percent. */
        share: u32,
    },
    /// It would fit, without room to work.
    Room {
        /** What is wanted. */
        need: u64,
        /** What is available. */
        have: u64,
    },
}

struct Room<'a>(&'a Short);

impl fmt::Display for Room<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is needed is rounded up, what there is down.
        let (up, down) = (|b: u64| b.div_ceil(1_000_000), |b: u64| b / 1_000_000);
        match *self.0 {
            Short::Share { need, have, share } => write!(
                f,
                "Insufficient disk space for session: a copy takes {}MB, more than {share} % of the {}MB that are available",
                up(need),
                down(have)
            ),
            Short::Room { need, have } => {
                write!(f, "Insufficient space: need {}MB, have {}MB", up(need), down(have))
            }
        }
    }
}

fn nested(boundaries: &[Boundary]) -> String {
    let one = |b: &Boundary| match b.kind {
        BoundaryKind::Mount => format!("another file system is mounted at {}", b.path),
        BoundaryKind::Subvolume => format!("{} is a subvolume of its own", b.path),
    };
    boundaries.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl BeginError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Domain(e) => e.code(),
            Self::DomainInside { .. } => "DOMAIN_INSIDE",
            Self::Subdir { .. } => "BASE_NOT_A_DIRECTORY",
            Self::Excludes { .. } => "EXCLUDE_INVALID",
            Self::Space(_) => "NO_SPACE",
            Self::Changing { .. } => "BASE_BUSY",
            Self::Boundaries { .. } => "BASE_NESTED",
            Self::Parent(e) => e.code(),
            Self::Io(e) => io_code(e),
        }
    }
}

/// Why a path cannot be landed as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedWhy {
    /// Its directory cannot be written.
    #[error("Permission denied: its directory cannot be written{}", explained(.0))]
    NoAccess(Option<Box<Access>>),
    /// `chattr +i` or `+a`.
    #[error("it or its directory is immutable or append-only")]
    Immutable,
    /// A sticky directory, and another's file.
    #[error("its directory is sticky and the file is another user's")]
    Sticky,
    /// Another file system is mounted there.
    #[error("another file system is mounted there")]
    Submount,
    /// Its owner cannot be kept.
    #[error("it belongs to user {uid}, group {gid}, which you cannot keep")]
    Owner {
        /** Its user. */
        uid: u32,
        /** Its group. */
        gid: u32,
    },
    /// An attribute or ACL cannot be kept.
    #[error("its attribute {0} cannot be kept")]
    Xattr(String),
    /// A kind that does not land.
    #[error("a landing does not make files of this kind")]
    Kind,
    /// It is `.brio` or brio's home.
    #[error("it holds brio's own state")]
    State,
}

/// A commit was refused or failed. The base is as it was, except where a variant says otherwise,
/// and the session is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Both sides changed the same paths.
    #[error(
        "CONFLICT: Concurrent modification detected: {}; the session is kept: `brio session resolve {session}` settles it, or commit it with --policy, or roll it back",
        Summary(conflicts)
    )]
    Conflict {
        /** The session. */
        session: SessionId,
        /** Every path. */
        conflicts: Vec<Conflict>,
    },
    /// Files still carry the conflict markers that a resolve put there.
    #[error(
        "UNRESOLVED: {} still {} conflict markers; edit what they mark in the session, or choose with `brio session resolve {session} --take ours|theirs|base PATH`",
        paths(marked), if marked.len() == 1 { "has" } else { "have" }
    )]
    Unresolved {
        /** The session. */
        session: SessionId,
        /** The files. */
        marked: Vec<RelPath>,
    },
    /// Somebody works in it.
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
    /// A cascade ended early. What is not named here has not landed, and is kept.
    #[error("{source}; landed in their parents before that: {}", ids(landed))]
    Cascade {
        /** Children that have landed, in this order. */
        landed: Vec<SessionId>,
        /** What ended it. */
        source: Box<CommitError>,
    },
    /// The machine went down before it was synced.
    #[error(
        "UNCLEAN: the machine went down before {session} was synced; look at it with `brio session diff {session}` and land it with --accept-unclean"
    )]
    Unclean {
        /** The session. */
        session: SessionId,
    },
    /// The commit is to validate what was read, and that was not tracked.
    #[error(
        "NOT_TRACKED: what {session} read was not noted, because it did not begin with --isolation serializable; land it with --isolation snapshot, or begin anew"
    )]
    NotTracked {
        /** The session. */
        session: SessionId,
    },
    /// The commit is to validate what was read, and that is not all known: a run was killed, or
    /// something wrote in the session without noting what it read.
    #[error(
        "READS_UNKNOWN: what was read in {session} is not known to the end, so a change from outside could go unseen; look at it with `brio session diff {session}` and land it with --isolation snapshot"
    )]
    ReadsUnknown {
        /** The session. */
        session: SessionId,
    },
    /// Its domain was adopted after it began.
    #[error(
        "SESSION_ADOPTED: {session} began before its base was copied or replaced; it can be diffed and exported, not landed"
    )]
    Adopted {
        /** The session. */
        session: SessionId,
    },
    /// What it saw is gone.
    #[error(
        "SNAPSHOT_GONE: what the base held when {session} began is no longer kept; export its work and begin anew"
    )]
    SnapshotGone {
        /** The session. */
        session: SessionId,
    },
    /// A domain lies at or below one of its paths.
    #[error(
        "DOMAIN_INSIDE: {path} has sessions of its own; land or roll them back and remove its .brio"
    )]
    DomainInside {
        /** The inner domain's root. */
        path: RelPath,
    },
    /// A path cannot be landed.
    #[error("REFUSED: {path} cannot be landed: {why}; the base is unchanged")]
    Refused {
        /** The path. */
        path: RelPath,
        /** Why. */
        why: RefusedWhy,
    },
    /// A step failed after the seal; everything was undone.
    #[error(
        "LANDING_FAILED: {path}: {source}; the base is unchanged and the session kept: try again"
    )]
    Failed {
        /** The path. */
        path: RelPath,
        /** Why. */
        source: io::Error,
    },
    /// Undoing failed as well: both versions are kept.
    #[error(
        "DAMAGED: {} could not be put back; both versions are kept: run `brio recover`",
        paths(paths_)
    )]
    Damaged {
        /** The paths. */
        paths_: Vec<RelPath>,
    },
    /// The landing is sealed and could be neither completed nor undone.
    #[error("RECOVERY_NEEDED: landing {landing} was interrupted ({source}); run `brio recover`")]
    Interrupted {
        /** Its number. */
        landing: u64,
        /** Why. */
        source: io::Error,
    },
    /// The domain is unusable.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The session cannot be read.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// An earlier landing could not be recovered.
    #[error(transparent)]
    Recover(#[from] Box<RecoverError>),
    /// Its own files cannot be read.
    #[error("{}: {path} in the session: {source}", fs_code(*source))]
    View {
        /** The path. */
        path: RelPath,
        /** Why. */
        source: FsError,
    },
    /// The host failed before anything was sealed.
    #[error("{code}: {host}; the base is unchanged and the session kept", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

pub(crate) fn ids(ids: &[SessionId]) -> String {
    ids.iter().map(SessionId::as_str).collect::<Vec<_>>().join(", ")
}

fn paths(paths: &[RelPath]) -> String {
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl CommitError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "CONFLICT",
            Self::Unresolved { .. } => "UNRESOLVED",
            Self::Lease(e) => e.code(),
            Self::OpenChildren { .. } => "OPEN_CHILDREN",
            Self::Cascade { source, .. } => source.code(),
            Self::Unclean { .. } => "UNCLEAN",
            Self::NotTracked { .. } => "NOT_TRACKED",
            Self::ReadsUnknown { .. } => "READS_UNKNOWN",
            Self::Adopted { .. } => "SESSION_ADOPTED",
            Self::SnapshotGone { .. } => "SNAPSHOT_GONE",
            Self::DomainInside { .. } => "DOMAIN_INSIDE",
            Self::Refused { .. } => "REFUSED",
            Self::Failed { source, .. } if is_full(source) => "NO_SPACE",
            Self::Failed { .. } => "LANDING_FAILED",
            Self::Damaged { .. } => "DAMAGED",
            Self::Interrupted { .. } => "RECOVERY_NEEDED",
            Self::Domain(e) => e.code(),
            Self::Session(e) => e.code(),
            Self::Recover(e) => e.code(),
            Self::View { source, .. } => fs_code(*source),
            Self::Io(e) => io_code(e),
        }
    }

    /// The conflicts, if that is what it is.
    pub fn conflicts(&self) -> &[Conflict] {
        match self {
            Self::Conflict { conflicts, .. } => conflicts,
            Self::Cascade { source, .. } => source.conflicts(),
            _ => &[],
        }
    }
}

/// A session could not be resolved. It is what it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Paths have no text form in which both sides could stand.
    #[error(
        "CONFLICT: somebody must choose for {}; name each with `brio session resolve {session} --take ours|theirs|base PATH`",
        Summary(conflicts)
    )]
    Choose {
        /** The session. */
        session: SessionId,
        /** Every such path. */
        conflicts: Vec<Conflict>,
    },
    /// A side was taken of a path that is not in conflict.
    #[error("NO_CONFLICT: {path} is not in conflict; leave it out")]
    NoConflict {
        /** The path. */
        path: RelPath,
    },
    /// As a commit is refused, or fails.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl ResolveError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Choose { .. } => "CONFLICT",
            Self::NoConflict { .. } => "NO_CONFLICT",
            Self::Commit(e) => e.code(),
        }
    }

    /// The conflicts, if that is what it is.
    pub fn conflicts(&self) -> &[Conflict] {
        match self {
            Self::Choose { conflicts, .. } => conflicts,
            Self::NoConflict { .. } => &[],
            Self::Commit(e) => e.conflicts(),
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
            Self::Lease(e) => e.code(),
            Self::OpenChildren { .. } => "OPEN_CHILDREN",
            Self::Cascade { source, .. } => source.code(),
            Self::Session(e) => e.code(),
            Self::Domain(e) => e.code(),
            Self::Io(e) => io_code(e),
        }
    }
}

/// An interrupted landing could not be completed or undone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// An intent cannot be understood.
    #[error(
        "STATE_CORRUPT: landing {landing} cannot be understood ({what}); the base may be half changed: restore .brio from a backup"
    )]
    Corrupt {
        /** Its number. */
        landing: u64,
        /** What is wrong. */
        what: String,
    },
    /// A record of a version that this program does not know.
    #[error("FORMAT_UNKNOWN: landing {landing} is of format {found}; use a newer brio")]
    FormatUnknown {
        /** Its number. */
        landing: u64,
        /** Its version. */
        found: u32,
    },
    /// Paths could be neither completed nor put back.
    #[error(
        "DAMAGED: {} could not be put back; both versions are kept: repair what the host reports and run `brio recover`",
        paths(paths_)
    )]
    Damaged {
        /** The paths. */
        paths_: Vec<RelPath>,
    },
    /// The landing belongs to another user.
    #[error(
        "FOREIGN_STATE: landing {landing} was sealed by user {uid}; that user must run `brio recover`"
    )]
    Foreign {
        /** Its number. */
        landing: u64,
        /** Who sealed it. */
        uid: u32,
    },
    /// The domain is unusable.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The host failed.
    #[error("RECOVERY_NEEDED: {0}")]
    Io(#[from] HostError),
}

impl RecoverError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => "STATE_CORRUPT",
            Self::FormatUnknown { .. } => "FORMAT_UNKNOWN",
            Self::Damaged { .. } => "DAMAGED",
            Self::Foreign { .. } => "FOREIGN_STATE",
            Self::Domain(e) => e.code(),
            Self::Io(_) => "RECOVERY_NEEDED",
        }
    }
}

//! Why a session is not landed or resolved.

use super::*;

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
    /// It is not what was sealed, or would land on something else.
    #[error(
        "SEAL_BROKEN: {session} was not landed, because it was sealed and since then {moved}; rebase it, seal it and run its gates again"
    )]
    SealBroken {
        /** The session. */
        session: SessionId,
        /** What moved. */
        moved: Moved,
    },
    /// It cannot be sealed, because it does not see the base (a child: its parent) as it is now.
    #[error(
        "SESSION_BEHIND: {session} cannot be sealed, because since it began {moved}; rebase it first"
    )]
    Behind {
        /** The session. */
        session: SessionId,
        /** What moved. */
        moved: Moved,
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
    /// Its base can have frozen sessions only, whose work is taken out by hand.
    #[error(
        "FROZEN_ONLY: {session} cannot land in {} ({why}); the session is kept: look at it with `brio session diff {session}`, take it out with `brio session export {session} DIR`",
        base.display()
    )]
    FrozenOnly {
        /** The session. */
        session: SessionId,
        /** The base. */
        base: PathBuf,
        /** Why nothing lands there. */
        why: String,
    },
    /// It stands on a tree of a store, and lands where that is the head.
    #[error(
        "LANDS_ON_HEAD: {session} stands on a tree of project {project}: it lands on the project's head"
    )]
    LandsOnHead {
        /** The session. */
        session: SessionId,
        /** The project. */
        project: String,
    },
    /// The head cannot be asked, or not be moved.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// It stands on no tree, and is to be held against one.
    #[error(
        "NOT_ON_TREE: {session} stands on no tree of a project by itself; it lands in its base, or in its parent"
    )]
    NotOnTree {
        /** The session. */
        session: SessionId,
    },
    /// What it is to be held against is no tree of its project.
    #[error("TREE_INVALID: {session} cannot be held against `{}` of `{}`: {why}", tree.tree, tree.project)]
    Tree {
        /** The session. */
        session: SessionId,
        /** What was given. */
        tree: Box<TreeInfo>,
        /** What is wrong with it. */
        why: &'static str,
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
    /// Its notes, or those of the base, cannot be read or written.
    #[error("{0}; the base is unchanged and the session kept")]
    Notes(#[from] NotesError),
    /// The host failed before anything was sealed.
    #[error("{code}: {host}; the base is unchanged and the session kept", code = io_code(.0), host = .0)]
    Io(#[from] HostError),
}

impl CommitError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "CONFLICT",
            Self::Unresolved { .. } => "UNRESOLVED",
            Self::SealBroken { .. } => "SEAL_BROKEN",
            Self::Behind { .. } => "SESSION_BEHIND",
            Self::Lease(e) => e.code(),
            Self::OpenChildren { .. } => "OPEN_CHILDREN",
            Self::Cascade { source, .. } => source.code(),
            Self::Unclean { .. } => "UNCLEAN",
            Self::NotTracked { .. } => "NOT_TRACKED",
            Self::ReadsUnknown { .. } => "READS_UNKNOWN",
            Self::Adopted { .. } => "SESSION_ADOPTED",
            Self::FrozenOnly { .. } => "FROZEN_ONLY",
            Self::LandsOnHead { .. } => "LANDS_ON_HEAD",
            Self::Head(e) => e.code,
            Self::NotOnTree { .. } => "NOT_ON_TREE",
            Self::Tree { .. } => "TREE_INVALID",
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
            Self::Notes(e) => e.code(),
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

/// Changes of a session could not be made in another one, which is what it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The other session has something else at these paths than what was changed.
    #[error(
        "CONFLICT: {session} has something else than {from} was made from at {}; apply it to a session that began where {from} did, or undo there what differs",
        paths(differ)
    )]
    Differs {
        /** The session whose changes these are. */
        from: SessionId,
        /** The other one. */
        session: SessionId,
        /** Where, relative to what it branches. */
        differ: Vec<RelPath>,
    },
    /// The other session leaves a path out, so that it would never land.
    #[error("EXCLUDED: {session} leaves out {path}; begin one without that exclude")]
    Excluded {
        /** The session. */
        session: SessionId,
        /** The path. */
        path: RelPath,
    },
    /// Somebody works in one of them.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// As a commit of one of them is refused, or fails.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl ApplyError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Differs { .. } => "CONFLICT",
            Self::Excluded { .. } => "EXCLUDED",
            Self::Lease(e) => e.code(),
            Self::Commit(e) => e.code(),
        }
    }
}

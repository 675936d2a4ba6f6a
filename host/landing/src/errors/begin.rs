//! Why a session cannot begin.

use super::*;

/// A session could not begin. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// The domain is unusable.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The head of its project cannot be asked.
    #[error(transparent)]
    Head(#[from] HeadError),
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
    /// So many sessions as may be open are.
    #[error(
        "SESSION_LIMIT: {open} sessions are open, and {max} may be; end some (`brio session purge`), or raise `max_sessions`"
    )]
    TooMany {
        /** How many are open. */
        open: u64,
        /** How many may be. */
        max: u64,
    },
    /// The file system that sessions are written to is nearly full.
    #[error("LOW_DISK: {} has {free} bytes free, and {min} must stay free; make room (`brio session purge`, `brio gc`), or lower `min_free`", path.display())]
    LowDisk {
        /** The base. */
        path: PathBuf,
        /** Bytes that are free. */
        free: u64,
        /** Bytes that must stay free. */
        min: u64,
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
    /// What it is to stand on is no tree of a project.
    #[error("TREE_INVALID: `{}` of `{}` cannot be branched: {why}", tree.tree, tree.project)]
    Tree {
        /** What was asked for. */
        tree: Box<TreeInfo>,
        /** What is wrong with it. */
        why: &'static str,
    },
    /// Nobody here knows the store that has the tree.
    #[error(
        "NO_STORE: a session on a tree of {project} needs the store that has it, and none is set up here; name the store, or begin on the directory"
    )]
    NoStore {
        /** The project. */
        project: String,
    },
    /// A session that has something in it from the start stands on a tree by itself.
    #[error(
        "NOT_ON_TREE: only a session that stands on a tree by itself can begin with something in it; begin it, and write to it"
    )]
    NotOnTree,
    /// The id that it is to have is taken.
    #[error("SESSION_EXISTS: {id} cannot be opened here once more: {why}")]
    Exists {
        /** The session. */
        id: SessionId,
        /** Why. */
        why: &'static str,
    },
    /// What it is to begin with could not be put in it.
    #[error("{}: {id} could not be filled: {source}", fs_code(*source))]
    View {
        /** The session. */
        id: SessionId,
        /** Why. */
        source: FsError,
    },
    /// A full copy has no room.
    #[error("NO_SPACE: {}; leave out what is not needed (--exclude, .brioignore), keep large files elsewhere behind symbolic links, or, if the base can be written, use the live lower, which copies nothing", .0)]
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

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is needed is rounded up, what there is down.
        let (up, down) = (|b: u64| b.div_ceil(1_000_000), |b: u64| b / 1_000_000);
        match *self {
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
            Self::Head(e) => e.code,
            Self::Domain(e) => e.code(),
            Self::DomainInside { .. } => "DOMAIN_INSIDE",
            Self::Subdir { .. } => "BASE_NOT_A_DIRECTORY",
            Self::Excludes { .. } => "EXCLUDE_INVALID",
            Self::NotOnTree => "NOT_ON_TREE",
            Self::Exists { .. } => "SESSION_EXISTS",
            Self::View { source, .. } => fs_code(*source),
            Self::Tree { .. } => "TREE_INVALID",
            Self::NoStore { .. } => "NO_STORE",
            Self::Space(_) => "NO_SPACE",
            Self::Changing { .. } => "BASE_BUSY",
            Self::Boundaries { .. } => "BASE_NESTED",
            Self::TooMany { .. } => "SESSION_LIMIT",
            Self::LowDisk { .. } => "LOW_DISK",
            Self::Parent(e) => e.code(),
            Self::Io(e) => io_code(e),
        }
    }
}

//! Why a domain cannot be used.

use super::*;

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
    #[error("BASE_READ_ONLY: {} cannot be written ({source}){}; give yourself access, or begin with --lower frozen, to diff and export", path.display(), explained(access))]
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
    #[error("BASE_UNSUPPORTED: {} cannot be branched: {why}; begin with --lower frozen, to diff and export, or work on a copy on a local file system", path.display())]
    Unsupported {
        /** The path. */
        path: PathBuf,
        /** What. */
        why: Unsupported,
    },
    /// Its state lies in the home: it can have none of its own.
    #[error("FROZEN_ONLY: nothing can land in {} ({why}), nor be seen live; begin with --lower frozen, and take work out with `brio session export ID DIR`", path.display())]
    FrozenOnly {
        /** The base. */
        path: PathBuf,
        /** Why. */
        why: String,
    },
    /// The base of frozen sessions in the home is not there.
    #[error("BASE_GONE: {} cannot be looked at: {why}; what its sessions saw and changed is kept: `brio session diff ID`, `brio session export ID DIR`", path.display())]
    Gone {
        /** Where it was. */
        path: PathBuf,
        /** Why. */
        why: Gone,
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
            Self::FrozenOnly { .. } => "FROZEN_ONLY",
            Self::Gone { .. } => "BASE_GONE",
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

//! Why a domain is not recovered.

use super::*;

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

//! Exit statuses. This is the only table of them.

use std::process::ExitCode;

/// How the command ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Landed, unchanged or kept; the command did what it was asked.
    Ok,
    /// The agent reported failure; rolled back, or kept with `--keep` or `--session`. Nobody
    /// serves the home, for who asked that.
    Failed,
    /// Usage, or an input that cannot be used.
    Usage,
    /// A conflict; the session is kept.
    Conflict,
    /// A limit, trap, time-out or kill; rolled back, or kept likewise.
    Stopped,
    /// The landing failed or was refused; the base is unchanged, the session kept.
    Refused,
    /// A gate rejected; rolled back, or kept likewise.
    Rejected,
    /// The base is damaged or needs recovery.
    Damaged,
    /// Interrupted; rolled back, or kept with `--keep` or `--session`.
    Interrupted,
    /// `exec` only: Brio's own failure.
    Own,
    /// `exec` only: the command's.
    Status(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Conflict => 3,
            Self::Stopped => 4,
            Self::Refused => 5,
            Self::Rejected => 6,
            Self::Damaged => 7,
            Self::Own => 125,
            Self::Interrupted => 130,
            Self::Status(code) => code,
        }
    }

    /// The status for an error by its stable code; [`Exit::Usage`] for everything that is
    /// about the input.
    pub(crate) fn of_code(code: &str) -> Self {
        match code {
            "CONFLICT" | "UNRESOLVED" | "NOTE_CHANGED" => Self::Conflict,
            "DAMAGED" | "RECOVERY_NEEDED" | "STATE_CORRUPT" => Self::Damaged,
            "INTERRUPTED" => Self::Interrupted,
            "CHANGING" | "SEAL_BROKEN" | "SESSION_BEHIND" | "SESSION_BUSY" | "OPEN_CHILDREN"
            | "PARENT_RESTORED" | "UNCLEAN" | "NO_SPACE" | "IO" | "REFUSED" | "LANDING_FAILED"
            | "SNAPSHOT_GONE" | "SESSION_ADOPTED" | "OUTPUT" | "INDEX" | "LANDING_COLLECTED"
            | "ALREADY_UNDONE" | "PRE_IMAGE_DAMAGED" | "EXCLUDED" | "FROZEN_ONLY"
            | "SESSION_LIMIT" | "LOW_DISK" | "NOTES" | "NOTES_UNAVAILABLE" | "NOTES_IO"
            | "NOTE_CORRUPT" | "RECORD_CORRUPT" | "UNREACHABLE" | "CORRUPT"
            | "STORE_UNREACHABLE" | "STORE_DENIED" | "STORE_BUSY" | "STORE_MISSING"
            | "STORE_CORRUPT" | "STORE_UNMARKED" | "STORE_CONDITIONS" | "WORKTREE_READ"
            | "WORKTREE_WRITE" | "CHECKOUT_BUSY" => Self::Refused,
            _ => Self::Usage,
        }
    }
}

//! Exit statuses. This is the only table of them.

use std::process::ExitCode;

/// How the command ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Landed, unchanged or kept; the command did what it was asked.
    Ok = 0,
    /// The agent reported failure; rolled back, or kept with `--keep` or `--session`.
    Failed = 1,
    /// Usage, or an input that cannot be used.
    Usage = 2,
    /// A conflict; the session is kept.
    Conflict = 3,
    /// A limit, trap, time-out or kill; rolled back, or kept likewise.
    Stopped = 4,
    /// The landing failed or was refused; the base is unchanged, the session kept.
    Refused = 5,
    /// A gate rejected; rolled back, or kept likewise.
    Rejected = 6,
    /// The base is damaged or needs recovery.
    Damaged = 7,
    /// Interrupted; rolled back, or kept with `--keep` or `--session`.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// The status for an error by its stable code; [`Exit::Usage`] for everything that is
    /// about the input.
    pub(crate) fn of_code(code: &str) -> Self {
        match code {
            "CONFLICT" | "UNRESOLVED" => Self::Conflict,
            "DAMAGED" | "RECOVERY_NEEDED" | "STATE_CORRUPT" => Self::Damaged,
            "SESSION_BUSY" | "OPEN_CHILDREN" | "PARENT_RESTORED" | "UNCLEAN" | "NO_SPACE"
            | "IO" | "REFUSED" | "LANDING_FAILED" | "SNAPSHOT_GONE" | "SESSION_ADOPTED"
            | "OUTPUT" | "INDEX" | "LANDING_COLLECTED" | "ALREADY_UNDONE" | "PRE_IMAGE_DAMAGED" => {
                Self::Refused
            }
            _ => Self::Usage,
        }
    }
}

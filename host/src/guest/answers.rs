//! What a guest is told of its sessions.

use brio_landing::{
    BeginError, CheckpointInfo, CommitError, JournalError, LeaseError, RollbackError, SessionError,
    State,
};
use brio_runtime::{SessionCheckpoint, SessionMetadata, SessionState, SessionsCode, SessionsError};
use brio_session::{FsError, RelPath};

use crate::listing::millis;

pub(super) fn metadata_of(info: &brio_landing::SessionInfo) -> SessionMetadata {
    SessionMetadata {
        goal: info.goal.clone().unwrap_or_default(),
        agent: info.agent.clone(),
        task_id: info.task_id.clone(),
        created_at: u64::try_from(millis(info.created_at)).unwrap_or(0),
    }
}

pub(super) fn checkpoint_of(c: CheckpointInfo) -> SessionCheckpoint {
    SessionCheckpoint {
        name: c.name,
        created_at: u64::try_from(millis(c.created_at)).unwrap_or(0),
        base_landing: c.landing,
    }
}

pub(super) fn state_of(state: State) -> SessionState {
    match state {
        State::Open => SessionState::Open,
        State::Committing => SessionState::Committing,
        State::Conflicted => SessionState::Conflicted,
        State::Landed => SessionState::Landed,
        State::RolledBack => SessionState::RolledBack,
    }
}

pub(super) fn unknown(id: &str) -> SessionsError {
    SessionsError::new(SessionsCode::Unknown, format!("no session {id} of this run"))
}

pub(super) fn ended(id: &str) -> SessionsError {
    SessionsError::new(SessionsCode::Ended, format!("{id} has ended"))
}

pub(super) fn code(code: &str) -> SessionsCode {
    match code {
        "CONFLICT" | "UNRESOLVED" | "SEAL_BROKEN" | "SESSION_BEHIND" => SessionsCode::Conflict,
        "SESSION_UNKNOWN" => SessionsCode::Unknown,
        "SESSION_ENDED" => SessionsCode::Ended,
        "SESSION_BUSY" | "OPEN_CHILDREN" | "PARENT_RESTORED" => SessionsCode::Busy,
        "CHECKPOINT_NAME" => SessionsCode::CheckpointName,
        "CHECKPOINT_EXISTS" => SessionsCode::CheckpointExists,
        "CHECKPOINT_UNKNOWN" => SessionsCode::CheckpointUnknown,
        "LIMIT" => SessionsCode::Limit,
        "JOURNAL_TEXT" => SessionsCode::JournalText,
        "BASE_MISSING" | "BASE_NOT_A_DIRECTORY" => SessionsCode::BaseInvalid,
        "REFUSED" => SessionsCode::NotPermitted,
        "NO_SPACE" => SessionsCode::Limit,
        "SNAPSHOT_GONE" => SessionsCode::SnapshotGone,
        _ => SessionsCode::Io,
    }
}

/// What a guest is told. An error of the host itself can name a host path: it goes to the log.
pub(super) fn told(text: &str, error: &dyn std::error::Error) -> SessionsError {
    let code = code(text);
    if code == SessionsCode::Io || text == "NO_SPACE" {
        tracing::warn!(%error, "a guest's session");
        return SessionsError::new(code, "the host could not do it; see its log");
    }
    SessionsError::new(code, error.to_string())
}

pub(super) fn session_error(e: &SessionError) -> SessionsError {
    told(e.code(), e)
}

pub(super) fn journal_error(e: &JournalError) -> SessionsError {
    match e {
        JournalError::TooLong { .. } => SessionsError::new(SessionsCode::Limit, e.to_string()),
        e => told(e.code(), e),
    }
}

pub(super) fn lease_error(e: &LeaseError) -> SessionsError {
    told(e.code(), e)
}

pub(super) fn begin_error(e: &BeginError) -> SessionsError {
    told(e.code(), e)
}

pub(super) fn commit_error(e: &CommitError) -> SessionsError {
    told(e.code(), e)
}

pub(super) fn rollback_error(e: &RollbackError) -> SessionsError {
    told(e.code(), e)
}

pub(super) fn fs_error(path: &RelPath, e: FsError) -> SessionsError {
    let code = match e {
        FsError::NotFound | FsError::NotDirectory => SessionsCode::BaseInvalid,
        FsError::SnapshotGone => SessionsCode::SnapshotGone,
        FsError::Ended | FsError::Stale => SessionsCode::Ended,
        _ => SessionsCode::Io,
    };
    SessionsError::new(code, format!("{path}: {e}"))
}

//! `session`: what is known of a session, typed. Only reads.

use brio_session::{ChangeKind, Kind};

use super::CoreCtx;
use crate::bindings::brio::core::session as wit;
use crate::{SessionState, Sessions, SessionsCode, SessionsError};

type Answer<T> = wasmtime::Result<Result<T, wit::SessionError>>;

impl CoreCtx<'_> {
    /// Whether the guest may ask about this session: its own, and those that it began.
    pub(super) fn may_ask(&self, id: &str) -> bool {
        self.core.own.as_deref() == Some(id) || self.core.begun.iter().any(|b| b == id)
    }

    fn ask<T>(
        &self,
        id: &str,
        how: impl FnOnce(&dyn Sessions) -> Result<T, SessionsError>,
    ) -> Result<T, wit::SessionError> {
        if !self.may_ask(id) {
            return Err(wit::SessionError::Unknown(id.into()));
        }
        match self.core.info.as_ref().or(self.core.sessions.as_ref()) {
            Some(sessions) => how(&**sessions).map_err(|e| error(id, e)),
            None => Err(wit::SessionError::Unknown(id.into())),
        }
    }
}

impl wit::Host for CoreCtx<'_> {
    fn status(&mut self, id: String) -> Answer<wit::SessionStatus> {
        let s = attempt!(self.ask(&id, |s| s.status(&id)));
        let state = match s.state {
            SessionState::Open => wit::SessionState::Open,
            SessionState::Committing => wit::SessionState::Committing,
            SessionState::Conflicted => wit::SessionState::Conflicted,
            SessionState::Landed => wit::SessionState::Landed,
            SessionState::RolledBack => wit::SessionState::RolledBack,
        };
        Ok(Ok(wit::SessionStatus {
            state,
            parent: s.parent,
            open_children: s.open_children,
            base_landing: s.base_landing,
        }))
    }

    fn change_set(&mut self, id: String) -> Answer<Vec<wit::Change>> {
        let set = attempt!(self.ask(&id, |s| s.changes(&id)));
        Ok(Ok(set.changes.iter().map(change).collect()))
    }

    fn metadata(&mut self, id: String) -> Answer<wit::SessionMetadata> {
        let m = attempt!(self.ask(&id, |s| s.metadata(&id)));
        let path = self.path(&id).ok();
        Ok(Ok(wit::SessionMetadata {
            session_id: id,
            goal: m.goal,
            agent: m.agent,
            task_id: m.task_id,
            created_at: m.created_at,
            path,
        }))
    }
}

fn change(c: &brio_session::Change) -> wit::Change {
    let kind = match c.kind {
        ChangeKind::Added => wit::ChangeKind::Added,
        ChangeKind::Removed => wit::ChangeKind::Removed,
        ChangeKind::Modified | ChangeKind::TypeChanged | ChangeKind::MetaOnly => {
            wit::ChangeKind::Modified
        }
    };
    let changed_type = match c.after.or(c.before).map(|m| m.kind) {
        Some(Kind::Dir) => wit::ChangedType::Directory,
        Some(Kind::Symlink) => wit::ChangedType::Symlink,
        _ => wit::ChangedType::File,
    };
    let size = c.after.filter(|m| m.kind != Kind::Dir).map_or(0, |m| m.size);
    let path = String::from_utf8_lossy(c.path.as_bytes()).into_owned();
    wit::Change { path, kind, changed_type, size }
}

fn error(id: &str, e: SessionsError) -> wit::SessionError {
    match e.code {
        SessionsCode::Unknown => wit::SessionError::Unknown(id.into()),
        SessionsCode::Ended => wit::SessionError::Ended(id.into()),
        SessionsCode::SnapshotGone => wit::SessionError::SnapshotGone(id.into()),
        _ => wit::SessionError::Failed(wit::SessionFailure {
            session_id: id.into(),
            message: e.to_string(),
        }),
    }
}

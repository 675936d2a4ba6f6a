//! What a session is for.

use brio_landing::{SessionId, SessionInfo, SessionRecord};
use brio_session::Time;

/// Who began a session, when, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionMetadata {
    /// The session.
    pub session_id: SessionId,
    /// What it is to achieve: its goal.
    pub purpose: Option<String>,
    /// Which agent works in it.
    pub agent: Option<String>,
    /// The task it belongs to.
    pub task_id: Option<String>,
    /// When it began.
    pub created_at: Time,
}

impl SessionMetadata {
    /// Logs that the session was begun.
    pub(crate) fn log_session_created(&self) {
        tracing::info!(
            session = %self.session_id,
            purpose = self.purpose.as_deref(),
            agent = self.agent.as_deref(),
            task = self.task_id.as_deref(),
            "session created"
        );
    }
}

impl From<&SessionInfo> for SessionMetadata {
    fn from(info: &SessionInfo) -> Self {
        Self {
            session_id: info.id.clone(),
            purpose: info.goal.clone(),
            agent: info.agent.clone(),
            task_id: info.task_id.clone(),
            created_at: info.created_at,
        }
    }
}

impl From<&SessionRecord> for SessionMetadata {
    fn from(record: &SessionRecord) -> Self {
        Self {
            session_id: record.id.clone(),
            purpose: record.goal.clone(),
            agent: record.agent.clone(),
            task_id: record.task_id.clone(),
            created_at: record.created_at,
        }
    }
}

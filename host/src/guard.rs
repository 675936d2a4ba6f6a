//! A session that does not outlive its scope unless it is committed.

use brio_landing::{CommitError, CommitOptions, Landed, SessionId};

use crate::SessionHandle;

/// Holds a session; dropping the guard rolls it back.
///
/// A commit that is refused leaves the session open (its error says how to go on): the guard
/// then gives it back instead of rolling back work that only has a conflict.
#[must_use = "dropping the guard rolls the session back"]
#[derive(Debug)]
pub struct SessionGuard {
    session: Option<SessionHandle>,
}

impl SessionGuard {
    /// Takes charge of a session.
    pub fn new(session: SessionHandle) -> Self {
        Self { session: Some(session) }
    }

    /// Its id.
    pub fn session_id(&self) -> &SessionId {
        self.session().id()
    }

    /// The session.
    pub fn session(&self) -> &SessionHandle {
        // `session` is taken only by the methods that consume the guard.
        self.session.as_ref().expect("a guard holds its session until it is consumed")
    }

    /// Lands it.
    ///
    /// # Errors
    /// When it does not land; the session is then still open.
    pub fn commit(mut self) -> Result<Landed, CommitError> {
        let session = self.session.take().expect("a guard holds its session until it is consumed");
        session.commit(CommitOptions::default())
    }

    /// Gives the session back: it stays open.
    pub fn keep(mut self) -> SessionHandle {
        self.session.take().expect("a guard holds its session until it is consumed")
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && let Err(error) = session.rollback(true)
            // Somebody else ended it: there is nothing left to roll back.
            && error.code() != "SESSION_ENDED"
        {
            tracing::warn!(session = %session.id(), %error, "the session could not be rolled back");
        }
    }
}

//! The current session of a domain: what is meant where none is named. `.brio/current` has its id.

use std::os::fd::AsFd;

use crate::errors::Doing;
use crate::{Domain, Session, SessionError, SessionId, disk};

const CURRENT: &[u8] = b"current";
const WHAT: &str = "the current session";

impl Domain {
    /// The session that is current. One that has ended is not.
    ///
    /// # Errors
    /// The host's, and those of a session that cannot be read.
    pub fn current(&self) -> Result<Option<Session>, SessionError> {
        let raw = disk::read(&self.state().dir, CURRENT).doing(WHAT)?;
        let id = raw.and_then(|raw| String::from_utf8(raw).ok()?.trim_end().parse().ok());
        let Some(id): Option<SessionId> = id else { return Ok(None) };
        match self.session(&id) {
            Ok(session) => Ok(Some(session)),
            Err(SessionError::Ended { .. } | SessionError::Unknown { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Makes an open session the current one, in place of any other; `None`: none is. Durable.
    ///
    /// # Errors
    /// When it has ended, and the host's; what was current is.
    pub fn set_current(&self, id: Option<&SessionId>) -> Result<(), SessionError> {
        let state = self.state();
        let _lock = state.exclusive()?;
        let id = id.map(|id| self.session(id)).transpose()?;
        let line = id.map(|session| format!("{}\n", session.id())).unwrap_or_default();
        Ok(state.disk.replace(state.dir.as_fd(), CURRENT, line.as_bytes(), true).doing(WHAT)?)
    }
}

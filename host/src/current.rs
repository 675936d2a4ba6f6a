//! The current session of a project: what is meant where none is named.

use std::path::Path;

use brio_landing::{DomainError, SessionError};

use crate::{Brio, FindError, SessionHandle};

/// What the current session is called where an id is asked for.
pub const CURRENT: &str = "current";

impl Brio {
    /// The session that is current in the project that a directory belongs to.
    ///
    /// # Errors
    /// [`FindError`]; that there is none is no error.
    pub fn current_session(&self, base: &Path) -> Result<Option<SessionHandle>, FindError> {
        let domain = match self.domain(base, false) {
            Ok((domain, _)) => domain,
            Err(DomainError::NoDomain { .. }) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let current = domain.current()?.map(|session| session.id().clone());
        Ok(current.map(|id| SessionHandle::new(self.clone(), domain, id)))
    }
}

impl SessionHandle {
    /// Makes it the current one of its project, in place of any other. Durable.
    ///
    /// # Errors
    /// When it has ended, and the host's.
    pub fn make_current(&self) -> Result<(), SessionError> {
        self.domain().set_current(Some(self.id()))
    }

    /// It stays open, and is current no more. Whether it was.
    ///
    /// # Errors
    /// The host's.
    pub fn pause(&self) -> Result<bool, SessionError> {
        let was = self.domain().current()?.is_some_and(|current| current.id() == self.id());
        if was {
            self.domain().set_current(None)?;
        }
        Ok(was)
    }
}

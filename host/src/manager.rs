//! The session manager: begins, lists, kills and purges sessions, of whatever process, and knows
//! which this process works in.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use brio_landing::{BeginError, Metadata, RollbackError, SessionId};
use brio_registry::{RegistryError, SessionRow};
use brio_session::Time;

use crate::events::SessionEvents;
use crate::{Brio, FindError, KillOptions, Killed, ListFilter, PurgeFilter, Purged, SessionGuard};

/// A session that is worked in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSession {
    /// Its id.
    pub session_id: SessionId,
    /// The base, as the caller named it.
    pub base_path: PathBuf,
    /// When it was acquired.
    pub created_at: Time,
}

type Active = Arc<RwLock<HashMap<SessionId, ActiveSession>>>;

/// Hands out sessions and knows which are out. Cheap to clone; clones share the list.
#[derive(Debug, Clone)]
pub struct SessionManager {
    brio: Brio,
    active: Active,
}

/// A session on loan: rolled back when it is dropped without a commit, and off the list.
#[derive(Debug)]
pub struct SessionLease {
    /// The session, guarded.
    pub guard: SessionGuard,
    /// `Warning: {n} existing sessions on {base}`, when there were any.
    pub warning: Option<String>,
    _entry: Entry,
}

/// A session could not be killed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KillError {
    /// It cannot be found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// Its run has not ended, or it could not be rolled back.
    #[error(transparent)]
    Rollback(#[from] RollbackError),
}

impl KillError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Find(e) => e.code(),
            Self::Rollback(e) => e.code(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    id: SessionId,
    active: Active,
}

impl SessionManager {
    /// A manager with an empty list.
    pub fn new(brio: Brio) -> Self {
        Self { brio, active: Active::default() }
    }

    /// Begins a session on `base`. Others on it, of whatever process, are no error, disjoint
    /// changes all land; there is a warning.
    ///
    /// # Errors
    /// As [`Brio::begin`].
    pub fn acquire_session(
        &self,
        base: &Path,
        metadata: Metadata,
    ) -> Result<SessionLease, BeginError> {
        let existing = self.brio.existing_sessions(base);
        let session = self.brio.begin(base, metadata)?;
        let id = session.id().clone();
        let entry = ActiveSession {
            session_id: id.clone(),
            base_path: base.to_owned(),
            created_at: self.brio.now(),
        };
        self.active.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), entry);
        let warning = (existing > 0)
            .then(|| format!("Warning: {existing} existing sessions on {}", base.display()));
        if let Some(text) = &warning {
            tracing::warn!("{text}");
        }
        Ok(SessionLease {
            guard: SessionGuard::new(session),
            warning,
            _entry: Entry { id, active: self.active.clone() },
        })
    }

    /// Begins a session on a directory. It stays open until somebody ends it.
    ///
    /// # Errors
    /// As [`Brio::begin`].
    pub fn create_session(&self, root_path: &Path) -> Result<SessionId, BeginError> {
        Ok(self.brio.begin(root_path, Metadata::default())?.id().clone())
    }

    /// Ends whatever runs in a session, of whatever process, and rolls the session back. A unique
    /// prefix of its id is enough.
    ///
    /// # Errors
    /// [`KillError`].
    pub fn kill_session(&self, id: &str) -> Result<Killed, KillError> {
        Ok(self.brio.find(id, None)?.kill(&KillOptions::default())?)
    }

    /// Rolls back every session in which nobody works and which no task needs; what became of
    /// each. [`Brio::purge`] has a say in which.
    ///
    /// # Errors
    /// When the index cannot be used.
    pub fn purge_sessions(&self) -> Result<Vec<Purged>, RegistryError> {
        let mut purged = Vec::new();
        let found = self.brio.purgeable(&PurgeFilter::default())?;
        self.brio.purge(found, false, |one| purged.push(one.clone()));
        Ok(purged)
    }

    /// The sessions that are open, of whatever process, oldest first.
    ///
    /// # Errors
    /// When the index cannot be used.
    pub fn list_sessions(&self) -> Result<Vec<SessionRow>, RegistryError> {
        self.brio.sessions(&ListFilter::default())
    }

    /// What becomes of the sessions of this process from here on, as it happens.
    pub fn subscribe(&self) -> SessionEvents {
        self.brio.session_events()
    }

    /// The sessions that are out, in no order.
    pub fn active_sessions(&self) -> Vec<ActiveSession> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.active.write().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

//! The sessions that this process works in, and a warning when their base has others.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use brio_landing::{BeginError, Metadata, SessionId};
use brio_session::Time;

use crate::{Brio, SessionGuard};

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

//! The record and the agents' contexts of one project.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::migrate::{self, MigrateOptions, Migration};
use crate::notes::{Notes, NotesError, WriteOptions};
use crate::store::{Base, Store, session_path};
use crate::{AgentName, Clock, Observer, Record, RecordError, Timestamp, Update};

/// The note that holds the record.
pub const SESSION_PATH: &str = "sessions/session";
/// What the notes that hold agents' contexts begin with; the agent's name follows.
pub const AGENT_CONTEXT_PREFIX: &str = "sessions/agent-";

/// One project: its record, which has no id, and what each agent knew last.
///
/// What several sessions with ids left behind is migrated by itself on the first access. All
/// writes are as atomic and as durable as those of the notes; of two at a time the last wins.
pub struct Project {
    notes: Arc<dyn Notes>,
    clock: Clock,
    observer: Arc<dyn Observer>,
    /// Whether historic sessions were looked for.
    looked: AtomicBool,
}

/// The record, or an agent's context, could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The notes failed.
    #[error(transparent)]
    Notes(#[from] NotesError),
    /// The note `sessions/session` holds no record.
    #[error(
        "RECORD_CORRUPT: sessions/session holds no record ({source}); write an earlier version from its history, or remove the note to begin anew"
    )]
    Record {
        /// What is wrong with it.
        source: RecordError,
    },
    /// An agent's context is no JSON, or not what the caller asked for.
    #[error(
        "CONTEXT_INVALID: the context of agent {agent} cannot be read or written ({source}); save it anew"
    )]
    Context {
        /// Whose.
        agent: AgentName,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl ProjectError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Notes(e) => e.code(),
            Self::Record { .. } => "RECORD_CORRUPT",
            Self::Context { .. } => "CONTEXT_INVALID",
        }
    }

    /// Whether the backend could not be reached.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Notes(e) if e.is_unavailable())
    }
}

impl Project {
    /// The project whose notes these are. Nothing is read or written yet.
    pub fn new(notes: Arc<dyn Notes>, clock: Clock) -> Self {
        Self { notes, clock, observer: Arc::new(()), looked: AtomicBool::new(false) }
    }

    /// Tells `observer` of conflicts.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Its notes.
    pub fn notes(&self) -> &Arc<dyn Notes> {
        &self.notes
    }

    fn store(&self) -> Store<'_> {
        Store { notes: &*self.notes, clock: self.clock, observer: &*self.observer, origin: None }
    }

    fn new_record(&self) -> Record {
        Record::new(Timestamp::now(self.clock))
    }

    /// On the first access: what older programs left is migrated.
    fn first_access(&self) -> Result<(), ProjectError> {
        if !self.looked.load(Ordering::Acquire) {
            if migrate::has_historic_sessions(&*self.notes)? {
                tracing::info!("Historic sessions detected - running consolidation");
                self.migrate(&MigrateOptions::default())?;
            }
            self.looked.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// The record as it is stored, or `None`. Nothing is made or migrated.
    ///
    /// # Errors
    /// [`ProjectError`], never for a record that is missing.
    pub fn load_session(&self) -> Result<Option<Record>, ProjectError> {
        Ok(self.store().load()?.map(|(record, _)| record))
    }

    /// Replaces the record as a whole. It gets a version above its own and the stored one, and
    /// this time; a stored one that is newer than `record` is overridden, and counted.
    ///
    /// # Errors
    /// [`ProjectError`], never for a conflict.
    pub fn save_session(&self, record: &Record) -> Result<Record, ProjectError> {
        Ok(self.store().save(Base::Record(record.version), &|_| record.clone())?.0)
    }

    /// The record; a new one is made and stored where there is none.
    ///
    /// # Errors
    /// [`ProjectError`].
    pub fn get_session(&self) -> Result<Record, ProjectError> {
        self.first_access()?;
        loop {
            if let Some((record, _)) = self.store().load()? {
                return Ok(record);
            }
            let record = self.new_record();
            let how = WriteOptions { expected_version: Some(0), origin: None };
            match self.notes.write(&session_path()?, &record.to_json(), &how) {
                Ok(_) => return Ok(record),
                // Somebody else made it.
                Err(NotesError::VersionMismatch { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Updates the record and returns it. The update is applied to what is stored at the
    /// moment of the write: of two at a time, the last wins for each field that both set. If
    /// another one came between our read and our write, that is warned of and counted.
    ///
    /// # Errors
    /// [`ProjectError`], never for a conflict.
    pub fn set_session(&self, update: &Update) -> Result<Record, ProjectError> {
        self.first_access()?;
        let store = self.store();
        let read = store.load()?.map_or(0, |(record, _)| record.version);
        let next = |stored: Option<&Record>| match stored {
            Some(stored) => stored.updated(update, Timestamp::now(self.clock)),
            None => self.new_record().updated(update, Timestamp::now(self.clock)),
        };
        Ok(store.save(Base::Record(read), &next)?.0)
    }

    /// Makes the record if there is none. There is no id to return, and no directory is made.
    ///
    /// # Errors
    /// [`ProjectError`].
    pub fn init_session(&self) -> Result<(), ProjectError> {
        self.get_session().map(drop)
    }

    /// Removes the record; its history stays. The agents' contexts stay too.
    ///
    /// # Errors
    /// [`ProjectError`].
    pub fn cleanup_session(&self) -> Result<(), ProjectError> {
        self.notes.remove(&session_path()?, &WriteOptions::default())?;
        Ok(())
    }

    /// Does nothing: a record has no orphans. Kept for callers of the older interface; the
    /// sessions that branch a directory have leases and are reaped elsewhere.
    pub fn cleanup_orphan_sessions(&self) {}

    /// Stores what an agent knows, in place of what it knew before.
    ///
    /// # Errors
    /// [`ProjectError`].
    pub fn save_agent_context<T: Serialize + ?Sized>(
        &self,
        agent: &AgentName,
        invocation: &T,
    ) -> Result<(), ProjectError> {
        let context = |source| ProjectError::Context { agent: agent.clone(), source };
        let json = serde_json::to_string_pretty(invocation).map_err(context)?;
        let path = agent.path().map_err(NotesError::from)?;
        self.first_access()?;
        self.notes.write(&path, &json, &WriteOptions::default())?;
        tracing::info!(%agent, "Agent context saved");
        Ok(())
    }

    /// What an agent knew last, or `None`.
    ///
    /// # Errors
    /// [`ProjectError`], never for a context that is missing.
    pub fn load_agent_context<T: DeserializeOwned>(
        &self,
        agent: &AgentName,
    ) -> Result<Option<T>, ProjectError> {
        self.first_access()?;
        let Some(note) = self.notes.read(&agent.path().map_err(NotesError::from)?)? else {
            tracing::debug!(%agent, "Agent context not found");
            return Ok(None);
        };
        let context = |source| ProjectError::Context { agent: agent.clone(), source };
        serde_json::from_str(&note.content).map(Some).map_err(context)
    }

    /// Makes one record of the sessions with ids that an older program left in these notes.
    /// The first access does it by itself. Again, it changes nothing; after a crash, it goes on.
    ///
    /// # Errors
    /// [`ProjectError`]; what was done until then stays done.
    pub fn migrate(&self, options: &MigrateOptions) -> Result<Migration, ProjectError> {
        self.migrate_from(&*self.notes, options)
    }

    /// As [`migrate`](Self::migrate), of sessions that are in other notes: these get the
    /// tombstones.
    ///
    /// # Errors
    /// As for [`migrate`](Self::migrate).
    pub fn migrate_from(
        &self,
        from: &dyn Notes,
        options: &MigrateOptions,
    ) -> Result<Migration, ProjectError> {
        migrate::run(from, &*self.notes, self.clock, options)
    }
}

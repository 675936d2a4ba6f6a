//! A base directory with its state.

use std::path::Path;

use brio_session::RelPath;

use crate::{
    Adopted, BeginError, BeginOptions, CommitError, CommitOptions, DomainError, JournalEntry, Landed, OpenOptions,
    RecoverError, Recovered, RollbackError, RolledBack, Session, SessionError, SessionId, SessionInfo,
};
use std::io;

/// A domain: a base directory with its state `.brio/`. Cheap to clone.
#[derive(Clone)]
pub struct Domain {}

impl Domain {
    /// Opens the domain that `base` lies in, found upwards, or makes one at `base`. Also
    /// returns where `base` lies in it. An interrupted landing is recovered.
    ///
    /// # Errors
    /// See [`DomainError`].
    pub fn open(base: &Path, options: OpenOptions) -> Result<(Domain, RelPath), DomainError> {
        let _ = (base, options);
        todo!()
    }

    /// Takes over a copied, restored or lost base: it gets a new claim; sessions that lie there
    /// can be diffed and exported, not landed.
    ///
    /// # Errors
    /// See [`DomainError`].
    pub fn adopt(base: &Path, options: OpenOptions) -> Result<Adopted, DomainError> {
        let _ = (base, options);
        todo!()
    }

    /// The claim's id.
    pub fn claim_id(&self) -> &str {
        todo!()
    }

    /// Where the root was when it was opened; for people.
    pub fn root_path(&self) -> &Path {
        todo!()
    }

    /// The number of the last landing; 0 before the first.
    ///
    /// # Errors
    /// The host's.
    pub fn landing(&self) -> io::Result<u64> {
        todo!()
    }

    /// Begins a session. Its price does not depend on the size of the base.
    ///
    /// # Errors
    /// See [`BeginError`].
    pub fn begin(&self, options: BeginOptions) -> Result<Session, BeginError> {
        let _ = options;
        todo!()
    }

    /// An open session.
    ///
    /// # Errors
    /// When it is unknown or has ended.
    pub fn session(&self, id: &SessionId) -> Result<Session, SessionError> {
        let _ = id;
        todo!()
    }

    /// The one open session whose id begins with `prefix` (with or without `sess-`).
    ///
    /// # Errors
    /// When several fit.
    pub fn find(&self, prefix: &str) -> Result<Option<SessionId>, SessionError> {
        let _ = prefix;
        todo!()
    }

    /// All open sessions, oldest first.
    ///
    /// # Errors
    /// The host's.
    pub fn sessions(&self) -> Result<Vec<SessionInfo>, SessionError> {
        todo!()
    }

    /// Lands a session in its base, or a child in its parent. Durable when it returns; on an
    /// error the base is as it was and the session is kept.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn commit(&self, id: &SessionId, options: CommitOptions) -> Result<Landed, CommitError> {
        let _ = (id, options);
        todo!()
    }

    /// Throws a session away. Works on a full disk.
    ///
    /// # Errors
    /// See [`RollbackError`].
    pub fn rollback(&self, id: &SessionId, stop: bool) -> Result<RolledBack, RollbackError> {
        let _ = (id, stop);
        todo!()
    }

    /// Completes or undoes interrupted landings, and retries what a damaged base needs.
    ///
    /// # Errors
    /// See [`RecoverError`].
    pub fn recover(&self) -> Result<Recovered, RecoverError> {
        todo!()
    }

    /// Appends to the journal.
    ///
    /// # Errors
    /// The host's.
    pub fn journal(&self, entry: &JournalEntry) -> io::Result<()> {
        let _ = entry;
        todo!()
    }

    /// The journal, oldest first. A torn or foreign line is left out.
    ///
    /// # Errors
    /// The host's.
    pub fn journal_entries(&self) -> io::Result<Vec<JournalEntry>> {
        todo!()
    }

    /// Deletes what nobody needs any more; returns the bytes that are free again.
    ///
    /// # Errors
    /// The host's.
    pub fn gc(&self) -> Result<u64, SessionError> {
        todo!()
    }
}

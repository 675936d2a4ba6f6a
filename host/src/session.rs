//! One session.

use std::fmt;
use std::path::PathBuf;

use brio_landing::{
    BeginError, BeginOptions, CheckpointError, CheckpointInfo, CommitError, CommitOptions, Domain,
    Landed, LeaseError, Metadata, RollbackError, RolledBack, Session, SessionError, SessionId,
    SessionInfo, Writer,
};
use brio_registry::SessionRow;
use brio_session::{ChangeSet, View, ViewOptions};

use crate::Brio;
use crate::listing::row;

/// A session, in the domain it lies in. Cheap to clone; holds no lease and no lock.
#[derive(Clone)]
pub struct SessionHandle {
    brio: Brio,
    domain: Domain,
    id: SessionId,
}

impl SessionHandle {
    pub(crate) fn new(brio: Brio, domain: Domain, id: SessionId) -> Self {
        Self { brio, domain, id }
    }

    /// Its id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    pub(crate) fn brio(&self) -> &Brio {
        &self.brio
    }

    pub(crate) fn domain(&self) -> &Domain {
        &self.domain
    }

    /// How it stands now.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn info(&self) -> Result<SessionInfo, SessionError> {
        self.session()?.info()
    }

    /// As the index shows it; fresh.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn row(&self) -> Result<SessionRow, SessionError> {
        self.info().map(|info| row(self.domain.claim_id(), &info))
    }

    /// The directory it branches, as a path of the host.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn base(&self) -> Result<PathBuf, SessionError> {
        self.info().map(|info| base_of(&info))
    }

    /// The session that it branches, if it is a child.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn parent(&self) -> Result<Option<SessionHandle>, SessionError> {
        let parent = self.info()?.parent;
        Ok(parent.map(|id| Self::new(self.brio.clone(), self.domain.clone(), id)))
    }

    /// A read-only view of it, as it is now.
    ///
    /// # Errors
    /// When it has ended, or its layers cannot be opened.
    pub fn view(&self) -> Result<View, LeaseError> {
        let options = ViewOptions { read_only: true, ..ViewOptions::default() };
        self.session()?
            .view(options)
            .map_err(|source| LeaseError::View { id: self.id.clone(), source })
    }

    /// What it changed, against its parent if it has one, with paths relative to its base. Costs what changed.
    ///
    /// # Errors
    /// As [`view`](Self::view).
    pub fn changes(&self) -> Result<ChangeSet, LeaseError> {
        let fail = |source| LeaseError::View { id: self.id.clone(), source };
        let mut changes = self.view()?.changes().map_err(fail)?;
        if let Some(parent) = self.parent()? {
            changes = crate::nested::against(changes, parent.view()?.changes().map_err(fail)?);
        }
        Ok(changes)
    }

    /// Takes the right to write in it: one holder at a time. `purpose` is shown to others.
    ///
    /// # Errors
    /// `SESSION_BUSY` when somebody holds it.
    pub fn writer(&self, purpose: &str, options: ViewOptions) -> Result<Writer, LeaseError> {
        self.session()?.writer(purpose, options)
    }

    /// Begins a session on this session: its base is this one's work so far, and it lands here.
    ///
    /// # Errors
    /// As [`Brio::begin`].
    pub fn begin_child(&self, metadata: Metadata) -> Result<SessionHandle, BeginError> {
        let info = self.info().map_err(LeaseError::from)?;
        let options = BeginOptions { subdir: info.subdir, parent: Some(self.id.clone()), metadata };
        let child = self.domain.begin(options)?;
        Ok(self.brio.begun(self.domain.clone(), child.id().clone()))
    }

    /// Remembers its state under a name that is new in it, durably. Nobody may be writing in it.
    ///
    /// # Errors
    /// Nothing has changed.
    pub fn checkpoint(&self, name: &str) -> Result<CheckpointInfo, CheckpointError> {
        self.session()?.checkpoint(name)
    }

    /// Puts it back to a checkpoint, durably. The state that it leaves becomes the checkpoint
    /// [`BEFORE_RESTORE`](crate::BEFORE_RESTORE), so a restore can be taken back.
    ///
    /// # Errors
    /// It is wholly what it was, or, where the host failed at the very end, wholly restored.
    pub fn restore(&self, name: &str) -> Result<CheckpointInfo, CheckpointError> {
        self.session()?.restore(name)
    }

    /// Deletes a checkpoint, and the layers that only it needed.
    ///
    /// # Errors
    /// Nothing has changed.
    pub fn delete_checkpoint(&self, name: &str) -> Result<(), CheckpointError> {
        self.session()?.delete_checkpoint(name)
    }

    /// Lands it in its base, or in its parent: all of it or nothing. Durable when it returns.
    ///
    /// # Errors
    /// The base is as it was, and the session is kept.
    pub fn commit(&self, options: CommitOptions) -> Result<Landed, CommitError> {
        let subdir = self.info()?.subdir;
        let done = self.domain.commit(&self.id, options).map(|mut landed| {
            landed.changes = crate::run::below(landed.changes, &subdir);
            landed
        });
        match &done {
            Ok(_) => self.index_ended("landed"),
            Err(CommitError::Conflict { .. }) => self.index_ended("conflicted"),
            Err(_) => {}
        }
        done
    }

    /// Throws it away; `stop` asks a live run to stop first. Works on a full disk.
    ///
    /// # Errors
    /// When a run is live in it, or a child is open.
    pub fn rollback(&self, stop: bool) -> Result<RolledBack, RollbackError> {
        let done = self.domain.rollback(&self.id, stop)?;
        self.index_ended("rolled-back");
        Ok(done)
    }

    /// Enters its end in the index.
    pub(crate) fn index_ended(&self, state: &str) {
        self.brio.index(|r| r.set_state(self.id.as_str(), state));
    }

    fn session(&self) -> Result<Session, SessionError> {
        self.domain.session(&self.id)
    }
}

/// The directory that a session branches.
pub(crate) fn base_of(info: &SessionInfo) -> PathBuf {
    if info.subdir.is_root() { info.base.clone() } else { info.base.join(info.subdir.to_path()) }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionHandle").field(&self.id).finish()
    }
}

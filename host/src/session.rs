//! One session.

use std::fmt;
use std::path::{Path, PathBuf};

use brio_landing::{
    BeginError, BeginOptions, CheckpointError, CheckpointInfo, CommitError, CommitOptions,
    Conflict, Domain, Landed, LeaseError, Metadata, Operation, RollbackError, RolledBack, RunTag,
    Session, SessionDebug, SessionError, SessionId, SessionInfo, SessionRecord, Writer,
};
use brio_registry::SessionRow;
use brio_session::{ChangeSet, RelPath, View, ViewOptions};

use crate::Brio;
use crate::events::SessionEvent;
use crate::listing::row;
use crate::observe::WatchedLanding;

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

    /// What it is, whoever works in it: cheaper than [`info`](Self::info).
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn record(&self) -> Result<SessionRecord, SessionError> {
        self.domain.record(&self.id)
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
        self.record().map(|record| base_of(&record.base, &record.subdir))
    }

    /// The session that it branches, if it is a child.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn parent(&self) -> Result<Option<SessionHandle>, SessionError> {
        let parent = self.record()?.parent;
        Ok(parent.map(|id| self.sibling(id)))
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

    /// The conflicts that a commit would meet if it began now, with paths relative to its base.
    ///
    /// # Errors
    /// As a commit, as far as it can be told without one.
    pub fn conflicts(&self) -> Result<Vec<Conflict>, CommitError> {
        let subdir = self.record()?.subdir;
        let mut conflicts = self.session()?.conflicts()?;
        for c in &mut conflicts {
            if let Some(path) = c.path.strip_prefix(&subdir) {
                c.path = path;
            }
        }
        Ok(conflicts)
    }

    /// What lies in its directory, for a look by hand.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn debug(&self) -> Result<SessionDebug, SessionError> {
        self.session()?.debug()
    }

    /// Takes the right to write in it: one holder at a time. `purpose` is shown to others.
    ///
    /// # Errors
    /// `SESSION_BUSY` when somebody holds it.
    pub fn writer(&self, purpose: &str, options: ViewOptions) -> Result<Writer, LeaseError> {
        self.session()?.writer(purpose, options)
    }

    /// As [`writer`](Self::writer), with all that a run says of itself.
    ///
    /// # Errors
    /// `SESSION_BUSY` when somebody holds it.
    pub fn writer_of(&self, run: RunTag, options: ViewOptions) -> Result<Writer, LeaseError> {
        self.session()?.writer_of(run, options)
    }

    /// The runs that it had and what else its log tells, oldest first. The run that holds it now
    /// is in [`info`](Self::info).
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn operations(&self) -> Result<Vec<Operation>, SessionError> {
        self.session()?.operations()
    }

    /// Bytes that its directory takes on disk.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn disk_usage(&self) -> Result<u64, SessionError> {
        self.session()?.disk_usage()
    }

    /// Begins a session on this session: its base is this one's work so far, and it lands here.
    ///
    /// Several ways may be tried, and the best kept:
    ///
    /// ```
    /// # use brio_host::{Brio, CommitOptions, Handle, Metadata, OpenOptions};
    /// # use brio_host::{SessionHandle, ViewOptions};
    /// # let dir = tempfile::tempdir()?;
    /// # let base = dir.path().join("base");
    /// # std::fs::create_dir(&base)?;
    /// # let brio = Brio::open(dir.path().join("home"))?;
    /// # fn attempt(s: &SessionHandle, text: &str) -> Result<usize, Box<dyn std::error::Error>> {
    /// #     let writer = s.writer("doc", ViewOptions::default())?;
    /// #     let view = writer.view();
    /// #     let how = OpenOptions { write: true, create: true, ..OpenOptions::default() };
    /// #     if let Handle::File(f) = view.open_at(&view.root(), b"answer", &how)? {
    /// #         f.write_at(text.as_bytes(), 0)?;
    /// #     }
    /// #     writer.finish()?;
    /// #     Ok(text.len())
    /// # }
    /// let parent = brio.begin(&base, Metadata::default())?;
    /// let (one, two) =
    ///     (parent.begin_child(Metadata::default())?, parent.begin_child(Metadata::default())?);
    /// // Each is worked in, and its work is scored.
    /// let (first, second) = (attempt(&one, "good")?, attempt(&two, "better")?);
    /// let (winner, loser) = if first > second { (one, two) } else { (two, one) };
    /// winner.commit(CommitOptions::default())?;
    /// loser.rollback(false)?;
    /// parent.commit(CommitOptions::default())?;
    /// assert_eq!(std::fs::read_to_string(base.join("answer"))?, "better");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Brio::begin`].
    pub fn begin_child(&self, metadata: Metadata) -> Result<SessionHandle, BeginError> {
        self.begin_child_with(BeginOptions { metadata, ..BeginOptions::default() })
    }

    /// As [`begin_child`](Self::begin_child), with all that can be said about a session. Its
    /// parent and the directory are this one's; what its commit validates is at least what this
    /// one's does.
    ///
    /// # Errors
    /// As [`Brio::begin`].
    pub fn begin_child_with(&self, options: BeginOptions) -> Result<SessionHandle, BeginError> {
        let subdir = self.record().map_err(LeaseError::from)?.subdir;
        let parent = Some(self.id.clone());
        self.brio.admit(&self.domain)?;
        let child = self.domain.begin(BeginOptions { subdir, parent, ..options })?;
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
        let SessionRecord { base, subdir, .. } = self.record()?;
        let watched = WatchedLanding::commit(self, &base_of(&base, &subdir));
        let done = self.domain.commit(&self.id, options).map(|mut landed| {
            landed.changes = crate::run::below(landed.changes, &subdir);
            self.brio.deliver_landed(&self.domain, &mut landed);
            landed
        });
        let done = done.map_err(|e| crate::conflicts::inside_of(e, &subdir));
        watched.ended(&done);
        match &done {
            Ok(landed) => {
                self.index(&landed.children, "landed");
                self.index_ended("landed");
            }
            Err(e) => self.index_failed(e),
        }
        done
    }

    pub(crate) fn index_failed(&self, error: &CommitError) {
        match error {
            CommitError::Conflict { session, .. } => {
                self.index(std::slice::from_ref(session), "conflicted");
            }
            CommitError::Cascade { landed, source } => {
                self.index(landed, "landed");
                self.index_failed(source);
            }
            _ => {}
        }
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

    /// As [`rollback`](Self::rollback), its open children before it, the leaves first; returns
    /// the children too.
    ///
    /// # Errors
    /// As [`rollback`](Self::rollback); `Cascade` says what is gone already.
    pub fn rollback_cascade(
        &self,
        stop: bool,
    ) -> Result<(RolledBack, Vec<SessionId>), RollbackError> {
        let done = self.domain.rollback_cascade(&self.id, stop);
        match &done {
            Ok((_, children)) => {
                self.index(children, "rolled-back");
                self.index_ended("rolled-back");
            }
            Err(RollbackError::Cascade { rolled_back, .. }) => {
                self.index(rolled_back, "rolled-back");
            }
            Err(_) => {}
        }
        done
    }

    /// Enters its end in the index.
    pub(crate) fn index_ended(&self, state: &str) {
        self.index(std::slice::from_ref(&self.id), state);
    }

    fn index(&self, sessions: &[SessionId], state: &str) {
        for id in sessions {
            self.brio.tell(SessionEvent::State(id.clone(), state.to_owned()));
            self.brio.index(|r| r.set_state(id.as_str(), state));
        }
    }

    /// Another session of the same domain.
    pub(crate) fn sibling(&self, id: SessionId) -> SessionHandle {
        Self::new(self.brio.clone(), self.domain.clone(), id)
    }

    pub(crate) fn session(&self) -> Result<Session, SessionError> {
        self.domain.session(&self.id)
    }
}

/// The directory that a session branches.
pub(crate) fn base_of(root: &Path, subdir: &RelPath) -> PathBuf {
    if subdir.is_root() { root.to_owned() } else { root.join(subdir.to_path()) }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionHandle").field(&self.id).finish()
    }
}

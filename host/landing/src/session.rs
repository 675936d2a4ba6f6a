//! A session on disk, and the right to write in it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use brio_project::{NoteChange, Notes, NotesError};
use brio_session::{ChangeSet, Fingerprint, FsError, FsResult, INDEX, Lower, View, ViewOptions};

use crate::errors::Doing;
use crate::lease::{self, Ask, Hold, Lease};
use crate::look::Look;
use crate::state::State as Domain;
use crate::{
    Applied, ApplyError, CheckpointError, CheckpointInfo, CommitError, Conflict, Decision, Draft,
    Isolation, JournalEntry, JournalError, LeaseError, Operation, Pushed, Reading, RebaseOptions,
    Rebased, RunTag, Seal, SessionDebug, SessionError, SessionId, SessionInfo, SessionNotes,
    SessionRecord, State, StopOptions, Stopped, TreeInfo, Writer, against, checkpoint, diagnose,
    layers, meta, notes, onto, onto_tree, operations, seal, transfer, words,
};

/// A session of a domain.
#[derive(Clone)]
pub struct Session {
    domain: Arc<Domain>,
    id: SessionId,
}

impl Session {
    pub(crate) fn new(domain: Arc<Domain>, id: SessionId) -> Self {
        Self { domain, id }
    }

    /// Its id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    pub(crate) fn state(&self) -> &Arc<Domain> {
        &self.domain
    }

    /// How it stands now.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn info(&self) -> Result<SessionInfo, SessionError> {
        info(&self.domain, &self.id)
    }

    /// The conflicts that a commit would meet if it began now: paths that it changed and that
    /// changed outside of it since. Costs what changed.
    ///
    /// # Errors
    /// As a commit, as far as it can be told without one.
    pub fn conflicts(&self) -> Result<Vec<Conflict>, CommitError> {
        diagnose::conflicts(&self.domain, &self.id)
    }

    /// What lies in its directory, for a look by hand.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn debug(&self) -> Result<SessionDebug, SessionError> {
        diagnose::debug(&self.domain, &self.id)
    }

    /// The conflicts of a session on a tree with another tree of its project: paths that it
    /// changed and that are not the same in both. Costs what changed. With a writer, those of
    /// what it has written so far.
    ///
    /// # Errors
    /// `NOT_ON_TREE`, `TREE_INVALID`, `NO_STORE`, and as reading a tree.
    pub fn conflicts_onto(&self, onto: &TreeInfo) -> Result<Vec<Conflict>, CommitError> {
        onto_tree::conflicts(&self.domain, &self.id, onto)
    }

    /// What a session with isolation `serializable` read of its tree and would read otherwise of
    /// another one, each as a conflict. Costs what was read. Reads of a writer count once its view
    /// is synced; before, they are not known.
    ///
    /// # Errors
    /// As [`conflicts_onto`](Self::conflicts_onto); `NOT_TRACKED`, and `READS_UNKNOWN` where not
    /// all is known.
    pub fn reads_changed(&self, onto: &TreeInfo) -> Result<Vec<Conflict>, CommitError> {
        onto_tree::reads_changed(&self.domain, &self.id, onto)
    }

    /// A read-only view of it as it is now; it takes no lease.
    ///
    /// # Errors
    /// As a view's opening; `Ended` when the session has ended.
    pub fn view(&self, options: ViewOptions) -> FsResult<View> {
        layers::view(&self.domain, &self.meta()?, ViewOptions { read_only: true, ..options })
    }

    /// What differs at the paths that it changed between it and the base as it is now, with paths
    /// relative to the directory it branches: what others changed since is on the `before` side.
    ///
    /// # Errors
    /// As [`view`](Self::view), and the host's.
    pub fn changes_against_base(&self) -> FsResult<ChangeSet> {
        against::changes(&self.domain, &self.meta()?)
    }

    /// What it branches, as of its begin or its last rebase: its base, and for a child its parent's
    /// work of then.
    ///
    /// # Errors
    /// As [`view`](Self::view).
    pub fn base(&self) -> FsResult<Arc<dyn Lower>> {
        layers::began_on(&self.domain, &self.meta()?)
    }

    /// The base as it is now, from the directory down that it branches.
    ///
    /// # Errors
    /// As [`view`](Self::view).
    pub fn base_now(&self) -> FsResult<Arc<dyn Lower>> {
        against::base_now(&self.domain, &self.meta()?)
    }

    /// Whether its base is there to be looked at.
    ///
    /// # Errors
    /// Why it is not, if it is gone.
    pub fn base_is_there(&self) -> Result<(), SessionError> {
        Ok(self.domain.base_is_there()?)
    }

    fn meta(&self) -> FsResult<meta::Meta> {
        meta::load_open(&self.domain, &self.id).map_err(|e| match e {
            SessionError::Io(e) => e.source.into(),
            _ => FsError::Ended,
        })
    }

    /// Remembers its state under a name that is new in it, durably, while nobody writes in it.
    /// Its price is a begin's and a sync. A crash leaves the checkpoint wholly or not at all.
    ///
    /// # Errors
    /// See [`CheckpointError`]; nothing has changed.
    pub fn checkpoint(&self, name: &str) -> Result<CheckpointInfo, CheckpointError> {
        let _lease = self.held("checkpoint")?;
        checkpoint::make(&self.domain, &self.id, name, None)
    }

    /// Puts it back to a checkpoint, durably, while nobody writes in it. The state that it
    /// leaves becomes the checkpoint [`BEFORE_RESTORE`](crate::BEFORE_RESTORE), in place of an
    /// earlier one of that name: a restore loses nothing that is not restored over twice. A
    /// crash leaves the session wholly in the one or in the other state.
    ///
    /// # Errors
    /// See [`CheckpointError`]; nothing has changed, except where the host failed after the
    /// restore was written down: then the session is wholly restored.
    pub fn restore(&self, name: &str) -> Result<CheckpointInfo, CheckpointError> {
        let _lease = self.held("restore")?;
        checkpoint::restore(&self.domain, &self.id, name, None)
    }

    /// Deletes a checkpoint, and the layers that only it needed.
    ///
    /// # Errors
    /// See [`CheckpointError`]; nothing has changed.
    pub fn delete_checkpoint(&self, name: &str) -> Result<(), CheckpointError> {
        let _lease = self.held("checkpoint")?;
        checkpoint::delete(&self.domain, &self.id, name)
    }

    /// Says what it is and what it stands on, for gates: what they look at while the session is
    /// open lands with [`CommitOptions::sealed`](crate::CommitOptions::sealed) exactly so, or not
    /// at all. Costs a read of what changed. The session is not changed.
    ///
    /// # Errors
    /// `SESSION_BEHIND` when it does not see the base (a child: its parent) as it is now, which
    /// [`rebase`](Self::rebase) mends; `CONFLICT` when the base was changed from outside where it
    /// changed it as well; and as a commit would be refused.
    pub fn seal(&self) -> Result<Seal, CommitError> {
        seal::seal(&self.domain, &self.id)
    }

    /// Puts it on the base (a child: on its parent) as it is now, and keeps it open. Durable when
    /// it returns; a crash leaves the session wholly as it was or wholly rebased.
    ///
    /// # Errors
    /// As a commit by the same policy; the session is what it was.
    pub fn rebase(&self, options: &RebaseOptions) -> Result<Rebased, CommitError> {
        onto::rebase(&self.domain, &self.id, options)
    }

    /// Makes what it changed (a child: since it began on its parent) in another session as well:
    /// contents, modes, links, removals, explicit times; paths are relative to what each of them
    /// branches, which may be of different domains. All of it becomes the other session's at
    /// once and durably, or nothing. Nobody may be writing in either.
    ///
    /// # Errors
    /// [`ApplyError::Differs`] where the other session has something else than what a change was
    /// made from, and not yet what it made; then, and on every other error, it is what it was.
    pub fn apply_changes_to_session(&self, other: &Session) -> Result<Applied, ApplyError> {
        transfer::apply((&self.domain, &self.id), (&other.domain, &other.id))
    }

    /// Writes what somebody said in it to the journal, where it stays when the session is gone.
    /// It needs no lease. It survives a kill, and a power cut after the next landing.
    ///
    /// # Errors
    /// See [`JournalError`]; nothing was written.
    pub fn say(&self, author: &str, text: &str) -> Result<(), JournalError> {
        words::say(&self.domain, &self.id, author, text)
    }

    /// What was said and decided in it, and in sessions that landed in it: lines of the journal,
    /// oldest first.
    ///
    /// # Errors
    /// The host's.
    pub fn words(&self) -> io::Result<Vec<JournalEntry>> {
        words::of(&self.domain, &self.id)
    }

    /// Writes to the journal what was decided in it, why, and what else there was: the landing
    /// of the session leads there. As [`say`](Self::say).
    ///
    /// # Errors
    /// See [`JournalError`]; nothing was written.
    pub fn decide(&self, author: &str, decision: &Decision) -> Result<(), JournalError> {
        words::decide(&self.domain, &self.id, author, decision)
    }

    /// A read-only view that nobody changes as long as it is held: it holds the writer lease.
    ///
    /// # Errors
    /// `SESSION_BUSY` when somebody works in it.
    pub fn reading(&self, purpose: &str) -> Result<Reading, LeaseError> {
        Reading::take(&self.domain, &self.id, purpose)
    }

    /// A writable view whose changes become the session's all at once, or never.
    ///
    /// # Errors
    /// `SESSION_BUSY` when somebody works in it; the session is what it was.
    pub fn draft(&self, purpose: &str, options: ViewOptions) -> Result<Draft, LeaseError> {
        Draft::begin(&self.domain, &self.id, purpose, options)
    }

    /// What a store has of it; `None`: nothing yet.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn pushed(&self) -> Result<Option<Pushed>, SessionError> {
        Ok(meta::load_open(&self.domain, &self.id)?.pushed)
    }

    fn held(&self, purpose: &str) -> Result<Lease, LeaseError> {
        Lease::take(&self.domain, &self.id, Ask::Refuse, Hold::Brief(purpose))
    }

    /// Takes the writer lease and opens it for writing. `purpose` is shown to others.
    ///
    /// # Errors
    /// `SESSION_BUSY` when somebody holds it.
    pub fn writer(&self, purpose: &str, options: ViewOptions) -> Result<Writer, LeaseError> {
        self.writer_of(RunTag::new(purpose), options)
    }

    /// As [`writer`](Self::writer), with all that a run says of itself.
    ///
    /// # Errors
    /// `SESSION_BUSY` when somebody holds it.
    pub fn writer_of(&self, run: RunTag, options: ViewOptions) -> Result<Writer, LeaseError> {
        let lease = Lease::take(&self.domain, &self.id, Ask::Refuse, Hold::Run(run))?;
        self.writer_by(lease, options)
    }

    /// Asks the run that holds the session to end, and waits until it has let go. A run ends its
    /// session as it would have, unless [`StopOptions::keep`] is said. `None`: there is none.
    ///
    /// # Errors
    /// `SESSION_BUSY` when it has not let go in time, and cannot be killed.
    pub fn stop_run(&self, options: &StopOptions) -> Result<Option<Stopped>, LeaseError> {
        lease::stop(&self.domain, &self.id, options)
    }

    /// The runs that it had, and what else its log tells, oldest first: as far as they ended in
    /// order, or were found dead.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn operations(&self) -> Result<Vec<Operation>, SessionError> {
        self.in_dir(|dir| operations::read(dir))
    }

    /// Writes a line to its log of operations, which goes with it. Best effort, as a log is.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn note(&self, what: &str, detail: serde_json::Value) -> Result<(), SessionError> {
        self.in_dir(|dir| {
            operations::note(&self.domain, dir, what, None, Some(detail));
            Ok(())
        })
    }

    /// Its notes over `below`, those of the project. Each write takes the writer lease.
    pub fn notes(&self, below: Arc<dyn Notes>) -> SessionNotes {
        SessionNotes::asking(self.domain.clone(), self.id.clone(), below)
    }

    /// What it wrote or removed of notes, by path: what its landing would deliver. Nobody else is
    /// asked, wherever the project's notes are.
    ///
    /// # Errors
    /// [`NotesError`](brio_project::NotesError).
    pub fn note_changes(&self) -> Result<Vec<NoteChange>, NotesError> {
        let meta = meta::load_open(&self.domain, &self.id).map_err(notes::refused)?;
        notes::changes(&self.domain, &meta)
    }

    /// Bytes that its directory takes on disk: what is free when it is rolled back, the content
    /// of a frozen copy that other sessions share apart.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn disk_usage(&self) -> Result<u64, SessionError> {
        let mut seen = std::collections::HashSet::new();
        let usage =
            crate::disk::usage(&self.domain.sessions, self.id.as_str().as_bytes(), &mut seen);
        match usage {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(crate::journal::ended(&self.domain, &self.id))
            }
            done => Ok(done.doing(&self.id)?),
        }
    }

    fn in_dir<T>(
        &self,
        f: impl FnOnce(&std::os::fd::OwnedFd) -> io::Result<T>,
    ) -> Result<T, SessionError> {
        meta::load_open(&self.domain, &self.id)?;
        let dir = meta::dir(&self.domain, &self.id).doing(&self.id)?;
        Ok(f(&dir).doing(&self.id)?)
    }

    /// As [`writer`](Self::writer), for one that holds nothing that it could not take again:
    /// everybody who wants the lease asks it to let go, and waits for five seconds. It must look
    /// at [`stop_requested`](Writer::stop_requested) and end then.
    ///
    /// # Errors
    /// As [`writer`](Self::writer).
    pub fn yielding_writer(
        &self,
        purpose: &str,
        options: ViewOptions,
    ) -> Result<Writer, LeaseError> {
        let hold = Hold::Yielding(RunTag::new(purpose));
        self.writer_by(Lease::take(&self.domain, &self.id, Ask::Refuse, hold)?, options)
    }

    /// What tells whether the session is still in the state that was looked at: who writes in
    /// it, or moves it to another stack, changes it.
    ///
    /// # Errors
    /// `NotFound` when it has ended, and the host's.
    pub fn mark(&self) -> FsResult<SessionMark> {
        let dir = meta::dir(&self.domain, &self.id)?;
        let record = Look::at(&dir, meta::META)?.ok_or(FsError::NotFound)?.fingerprint();
        let layer = self.meta()?.layers.last().cloned().ok_or(FsError::NotFound)?;
        let layer = meta::layer_dir(&self.domain, &layer)?;
        let index = Look::at(&layer, INDEX.as_bytes())?.ok_or(FsError::NotFound)?.fingerprint();
        Ok(SessionMark { record, index: (index.ino, index.size) })
    }

    pub(crate) fn writer_by(
        &self,
        lease: Lease,
        options: ViewOptions,
    ) -> Result<Writer, LeaseError> {
        let mut meta = meta::load_open(&self.domain, &self.id)?;
        layers::check_store(&self.domain, &meta)?;
        let boot = &self.domain.options.boot_id;
        if meta.clean || meta.boot != *boot {
            // Durably: were the word lost in a power cut and the writes that follow only half
            // of them, the session would look clean.
            let durable = meta.clean;
            meta.torn = meta.unclean(boot);
            meta.clean = false;
            meta.boot.clone_from(boot);
            meta::store(&self.domain, &self.id, &meta, durable).doing(&self.id)?;
        }
        let track_reads = options.track_reads || meta.isolation == Isolation::Serializable;
        let view = layers::view(&self.domain, &meta, ViewOptions { track_reads, ..options })
            .map_err(|source| LeaseError::View { id: self.id.clone(), source })?;
        let (domain, id) = (self.domain.clone(), self.id.clone());
        Ok(Writer { domain, id, view, lease, held: Arc::default() })
    }
}

/// A state of a session: see [`Session::mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionMark {
    record: Fingerprint,
    index: (u64, u64),
}

/// How a session stands.
pub(crate) fn info(domain: &Domain, id: &SessionId) -> Result<SessionInfo, SessionError> {
    let meta = meta::load_open(domain, id)?;
    let children = meta::children(domain, id)?;
    describe(domain, meta, children, &landing(domain)?)
}

/// What a session is.
pub(crate) fn record(domain: &Domain, id: &SessionId) -> Result<SessionRecord, SessionError> {
    let meta = meta::load_open(domain, id)?;
    Ok(SessionRecord {
        base: domain.root_path.clone(),
        id: meta.id,
        subdir: meta.subdir,
        goal: meta.metadata.goal,
        agent: meta.metadata.agent,
        task_id: meta.metadata.task_id,
        created_at: meta.created,
        parent: meta.parent,
        lower: meta.lower,
    })
}

/// All sessions that can be read, each loaded once.
pub(crate) fn all(domain: &Domain) -> Result<Vec<SessionInfo>, SessionError> {
    let landing = landing(domain)?;
    let mut open = Vec::new();
    let mut children: HashMap<SessionId, Vec<SessionId>> = HashMap::new();
    for id in meta::list(domain).doing("sessions")? {
        match meta::load_open(domain, &id) {
            Ok(meta) if meta.undo_of.is_some() => {} // it goes with the undo
            Ok(meta) => {
                if let Some(parent) = &meta.parent {
                    children.entry(parent.clone()).or_default().push(id);
                }
                open.push(meta);
            }
            // It ended while we looked.
            Err(SessionError::Ended { .. } | SessionError::Unknown { .. }) => {}
            // One that cannot be read must not hide the others; asked for by id, it says why.
            Err(SessionError::Corrupt { id, what }) => {
                tracing::warn!("{id} cannot be read: {what}")
            }
            Err(e) => return Err(e),
        }
    }
    open.into_iter()
        .map(|m| {
            let own = children.remove(&m.id).unwrap_or_default();
            describe(domain, m, own, &landing)
        })
        .filter(|i| !matches!(i, Err(SessionError::Io(e)) if e.source.kind() == io::ErrorKind::NotFound))
        .collect()
}

/// The sessions whose landings are sealed and not finished.
fn landing(domain: &Domain) -> Result<Vec<SessionId>, SessionError> {
    if crate::recover::quiet(domain).doing("the landing sequence")? {
        return Ok(Vec::new());
    }
    let numbers = crate::history::numbers(domain).doing("landings")?;
    let open = numbers
        .into_iter()
        .filter_map(|k| crate::history::load(domain, k).ok())
        .filter(|l| l.end.is_none());
    Ok(open.map(|l| l.intent.session).collect())
}

fn describe(
    domain: &Domain,
    meta: meta::Meta,
    children: Vec<SessionId>,
    landing: &[SessionId],
) -> Result<SessionInfo, SessionError> {
    let state = match (landing.contains(&meta.id), meta.conflicted) {
        (true, _) => State::Committing,
        (_, true) => State::Conflicted,
        _ => State::Open,
    };
    let (lease, run) = lease::status(domain, &meta.id).doing(&meta.id)?;
    let dir = meta::dir(domain, &meta.id).doing(&meta.id)?;
    let used_at = lease::used_at(&dir).doing(&meta.id)?;
    Ok(SessionInfo {
        state,
        base: domain.root_path.clone(),
        landing: meta.landing,
        t0: meta.t0,
        created_at: meta.created,
        used_at: used_at.map_or(meta.created, |at| at.max(meta.created)),
        owner: Look::of(&dir).doing(&meta.id)?.uid(),
        children,
        lease,
        run,
        unresolved: meta.unresolved.iter().map(|p| meta.subdir.join_path(p)).collect(),
        unclean: meta.unclean(&domain.options.boot_id),
        isolation: meta.isolation,
        checkpoints: meta.checkpoints.iter().map(CheckpointInfo::from).collect(),
        stale: meta.stale,
        adopted: meta.adopted,
        lower: meta.lower,
        pushed: meta.pushed,
        excludes: meta.excludes,
        frozen_only: domain.frozen_only().map(str::to_owned),
        base_gone: domain.gone(),
        id: meta.id,
        subdir: meta.subdir,
        goal: meta.metadata.goal,
        agent: meta.metadata.agent,
        task_id: meta.metadata.task_id,
        title: meta.metadata.title,
        description: meta.metadata.description,
        parent: meta.parent,
    })
}

//! A base directory with its state, and what is done with it.

mod opening;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use brio_session::{FsResult, RelPath, View};
use cap_std::fs::Dir;

use crate::errors::Doing;
use crate::state::State;
use crate::{
    BeginError, BeginOptions, Blame, BlameError, Collected, CommitError, CommitOptions, GcOptions,
    Gone, JournalEntry, JournalReader, Landed, Log, LogFilter, RecoverError, Recovered,
    ResolveError, ResolveOptions, Resolved, Retention, RollbackError, RolledBack, Session,
    SessionError, SessionId, SessionInfo, SessionRecord, UndoError, UndoOptions, begin, blame,
    cascade, elsewhere, filled, gc, journal, log, meta, nesting, notes, recover, resolve, rollback,
    session, tidy, undo,
};

pub(crate) use opening::open_found;

/// A domain: a base directory with its state, `.brio/` in it or a directory in the home. Cheap
/// to clone.
#[derive(Clone)]
pub struct Domain {
    state: Arc<State>,
    /// What the opening recovered, until somebody asks.
    recovered: Arc<Mutex<Recovered>>,
}

impl Domain {
    /// The domain of a state.
    pub(crate) fn of(state: &Arc<State>) -> Self {
        Self { state: state.clone(), recovered: Arc::default() }
    }

    fn recovered(&self) -> MutexGuard<'_, Recovered> {
        self.recovered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing lands in its base, and its state lies in the home; `None`: in the base.
    pub fn frozen_only(&self) -> Option<&str> {
        self.state.frozen_only()
    }

    /// Why its base is not there to look at; only said of one in the home.
    pub fn base_gone(&self) -> Option<Gone> {
        self.state.gone()
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The claim's id.
    pub fn claim_id(&self) -> &str {
        &self.state.claim.claim
    }

    /// Where the root was when it was opened; for people.
    pub fn root_path(&self) -> &Path {
        &self.state.root_path
    }

    /// The number of the last landing; 0 before the first.
    ///
    /// # Errors
    /// The host's.
    pub fn landing(&self) -> io::Result<u64> {
        Ok(self.state.seq.get()?.landing())
    }

    /// Begins a session. Its price does not depend on the size of the base.
    ///
    /// # Errors
    /// See [`BeginError`].
    pub fn begin(&self, options: BeginOptions) -> Result<Session, BeginError> {
        match options.parent.clone() {
            Some(parent) => nesting::begin_idle(&self.state, &parent, options),
            None => begin::begin(&self.state, options),
        }
    }

    /// Begins a session on a tree, with this id if one is given, in which `fill` has written
    /// before anybody can see it. All of it is durable when it returns; whatever fails or dies
    /// before leaves nothing.
    ///
    /// # Errors
    /// See [`BeginError`]: `Exists` for an id that is open or has landed here, `NotOnTree` for
    /// what is not to stand on a tree by itself, `View` for what `fill` answers.
    pub fn begin_filled(
        &self,
        options: BeginOptions,
        id: Option<SessionId>,
        fill: impl FnOnce(&View) -> FsResult<()>,
    ) -> Result<Session, BeginError> {
        filled::begin(&self.state, &options, id, fill)
    }

    /// An open session.
    ///
    /// # Errors
    /// When it is unknown or has ended.
    pub fn session(&self, id: &SessionId) -> Result<Session, SessionError> {
        meta::load_open(&self.state, id)?;
        Ok(Session::new(self.state.clone(), id.clone()))
    }

    /// What an open session is.
    ///
    /// # Errors
    /// As [`session`](Self::session).
    pub fn record(&self, id: &SessionId) -> Result<SessionRecord, SessionError> {
        session::record(&self.state, id)
    }

    /// The one open session whose id begins with `prefix` (with or without `sess-`).
    ///
    /// # Errors
    /// When several fit.
    pub fn find(&self, prefix: &str) -> Result<Option<SessionId>, SessionError> {
        let text =
            if prefix.starts_with("sess-") { prefix.to_owned() } else { format!("sess-{prefix}") };
        let mut ids = Vec::new();
        for id in meta::list(&self.state).doing("sessions")? {
            if id.as_str().starts_with(&text)
                && meta::load_open(&self.state, &id).is_ok_and(|m| m.undo_of.is_none())
            {
                ids.push(id);
            }
        }
        match ids.len() {
            0 | 1 => Ok(ids.pop()),
            _ => Err(SessionError::Ambiguous { prefix: prefix.to_owned(), ids }),
        }
    }

    /// All open sessions, oldest first.
    ///
    /// # Errors
    /// The host's.
    pub fn sessions(&self) -> Result<Vec<SessionInfo>, SessionError> {
        let mut out = session::all(&self.state)?;
        out.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(out)
    }

    /// Lands a session in its base, or a child in its parent. Durable when it returns; on an
    /// error the base is as it was and the session is kept.
    ///
    /// With `cascade` each of its open children lands first, one after the other, and each of
    /// these landings is whole. The first that fails ends it: what is not landed yet is kept.
    ///
    /// # Errors
    /// See [`CommitError`]; `Cascade` says which children have landed already.
    pub fn commit(&self, id: &SessionId, options: CommitOptions) -> Result<Landed, CommitError> {
        cascade::commit(&self.state, id, &options)
    }

    /// Rebases a session on the base (a child: on its parent) as it is now, and keeps it open:
    /// what can be merged is merged, texts that overlap get conflict markers, and the rest is
    /// taken as told. Durable when it returns; on an error the session is what it was.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub fn resolve(
        &self,
        id: &SessionId,
        options: ResolveOptions,
    ) -> Result<Resolved, ResolveError> {
        resolve::resolve(&self.state, id, &options)
    }

    /// Throws a session away. Works on a full disk.
    ///
    /// # Errors
    /// See [`RollbackError`].
    pub fn rollback(&self, id: &SessionId, stop: bool) -> Result<RolledBack, RollbackError> {
        rollback::rollback(&self.state, id, stop)
    }

    /// Throws a session away, its open children before it, the leaves first; returns the
    /// children, in this order. The first that fails ends it: what is not gone yet is kept.
    ///
    /// # Errors
    /// See [`RollbackError`]; `Cascade` says what is gone already.
    pub fn rollback_cascade(
        &self,
        id: &SessionId,
        stop: bool,
    ) -> Result<(RolledBack, Vec<SessionId>), RollbackError> {
        cascade::rollback(&self.state, id, stop)
    }

    /// Completes or undoes interrupted landings, and retries what a damaged base needs. What
    /// [`open`](Self::open) recovered is part of the first answer.
    ///
    /// # Errors
    /// See [`RecoverError`].
    pub fn recover(&self) -> Result<Recovered, RecoverError> {
        let more = recover::explicit(&self.state)?;
        if let Err(e) = elsewhere::settle(&self.state) {
            tracing::warn!("a landing on a project's head was not finished here: {e}");
        }
        let mut done = std::mem::take(&mut *self.recovered());
        done.add(more);
        Ok(done)
    }

    /// The directory of the project's notes, which lie beside the sessions. It is made where it is
    /// not there; what lies in it is `brio-project`'s.
    ///
    /// # Errors
    /// The host's.
    pub fn notes_dir(&self) -> io::Result<Dir> {
        notes::domain_dir(&self.state)
    }

    /// Appends to the journal.
    ///
    /// # Errors
    /// The host's.
    pub fn journal(&self, entry: &JournalEntry) -> io::Result<()> {
        let entry = JournalEntry { kind: Some(entry.kind()), ..entry.clone() };
        self.state.write_journal(&entry)
    }

    /// The journal, oldest first. A torn or foreign line is left out.
    ///
    /// # Errors
    /// The host's.
    pub fn journal_entries(&self) -> io::Result<Vec<JournalEntry>> {
        journal::entries(&self.state)
    }

    /// Reads the journal, and what will be appended to it.
    ///
    /// # Errors
    /// The host's.
    pub fn journal_reader(&self) -> io::Result<JournalReader> {
        JournalReader::open(&self.state)
    }

    /// Undoes a landing by another one, which puts back what the first replaced: contents,
    /// modes and times; what it had removed also with its owner and attributes. A name that is a
    /// hard link to a file which the landing did not touch comes back as a file of its own.
    /// `landing` is `None` in the answer when nothing of the first is left to undo.
    ///
    /// # Errors
    /// See [`UndoError`]; then nothing has changed.
    pub fn undo(&self, landing: u64, options: &UndoOptions) -> Result<Landed, UndoError> {
        undo::undo(&self.state, landing, options)
    }

    /// Which landing each line of a file came with, as far back as what landings replaced is
    /// kept. Landings that were undone are looked through, and so is a move, where one landing
    /// removed at one path the content that it added at another.
    ///
    /// # Errors
    /// See [`BlameError`].
    pub fn blame(&self, path: &RelPath) -> Result<Blame, BlameError> {
        blame::blame(&self.state, path)
    }

    /// What landed, newest first: from the journal, which is kept for good.
    ///
    /// # Errors
    /// The host's.
    pub fn log(&self, filter: &LogFilter) -> Result<Log, SessionError> {
        log::log(&self.state, filter)
    }

    /// Deletes what nobody needs any more: pre-images past the undo window and over the quota,
    /// trash, staging, half-made sessions and layers that no session lists. What a session needs
    /// goes only because of the quota; the session is marked stale before, durably. Edits that
    /// came late are never deleted. Works on a full disk.
    ///
    /// # Errors
    /// The host's.
    pub fn gc(&self) -> Result<Collected, SessionError> {
        self.gc_with(&GcOptions::default())
    }

    /// As [`gc`](Self::gc), with another window or quota than the domain's own.
    ///
    /// # Errors
    /// The host's.
    pub fn gc_with(&self, options: &GcOptions) -> Result<Collected, SessionError> {
        let state = &self.state;
        let dry = options.dry_run;
        let mut freed = tidy::layers(state, dry)?;
        let lock = state.exclusive()?;
        if !dry {
            tidy::half_made(state, &lock).doing("sessions")?;
        }
        let own = state.options.retention;
        let retention = Retention {
            window: options.window.unwrap_or(own.window),
            quota: options.quota.unwrap_or(own.quota),
        };
        let run =
            gc::Run { state, retention, count: true, all: true, recount: true, dry, flush: true };
        let mut done = run.with_reserve(&lock).doing("pre-images")?;
        drop(lock);
        freed += if dry { tidy::forecast(state) } else { tidy::tidy(state) }.doing("trash")?;
        done.bytes_freed += freed;
        Ok(done)
    }
}

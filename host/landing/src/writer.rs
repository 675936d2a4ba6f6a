//! The right to write in a session.

use std::io;
use std::sync::{Arc, MutexGuard};

use brio_project::{NotePath, Notes};
use brio_session::View;

use crate::errors::Doing;
use crate::lease::Lease;
use crate::notes::Held;
use crate::state::State as Domain;
use crate::{
    BeginError, BeginOptions, CheckpointError, CheckpointInfo, CommitError, CommitOptions,
    Elsewhere, Figures, Landed, LeaseError, Pushed, RebaseOptions, Rebased, ResolveError,
    ResolveOptions, Resolved, RunInfo, Seal, Session, SessionId, SessionNotes, TreeInfo, cascade,
    checkpoint, elsewhere, heads, manifest, meta, nesting, onto_tree, operations,
};

/// The right to write in a session: one at a time. Dropping it ends the view (its handles
/// answer `Stale`) and releases the lease.
pub struct Writer {
    pub(crate) domain: Arc<Domain>,
    pub(crate) id: SessionId,
    pub(crate) view: View,
    pub(crate) lease: Lease,
    /// One change of the stack at a time: each reads the record, and writes it.
    pub(crate) held: Arc<Held>,
}

impl Writer {
    /// The session's id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// The live view.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The run that this is, with what it has used.
    pub fn run(&self) -> Option<RunInfo> {
        self.lease.run()
    }

    /// Whether somebody asked this run to stop. Seen at once, or, where there can be no named
    /// pipes, within 200 ms.
    pub fn stop_requested(&self) -> bool {
        self.lease.wish().is_some()
    }

    /// Whether it is to leave its session open: whoever asked it to stop wants to look at it.
    pub fn is_to_keep(&self) -> bool {
        self.lease.wish().is_some_and(|wish| wish.keep)
    }

    /// Calls `f`, once, as soon as somebody asks this run to stop, on another thread; at once
    /// when somebody has.
    pub fn on_stop(&self, f: impl FnOnce() + Send + 'static) {
        self.lease.on_stop(Box::new(f));
    }

    /// Has others see what the run uses: `f` is asked at each heartbeat, every 2 s.
    pub fn measure(&self, f: impl Fn() -> Figures + Send + 'static) {
        self.lease.measure(Box::new(f));
    }

    /// Begins a child of this session while it is being written: the view goes on over a new
    /// upper, its handles stay. `options.parent` is set for the caller.
    ///
    /// # Errors
    /// As [`Domain::begin`](crate::Domain::begin).
    pub fn begin_child(&self, options: BeginOptions) -> Result<Session, BeginError> {
        let _alone = self.alone();
        nesting::begin(&self.domain, &self.id, options, Some(&self.view))
    }

    /// Commits a child into this session while it is being written: its changes appear in the view.
    ///
    /// # Errors
    /// As [`Domain::commit`](crate::Domain::commit).
    pub fn commit_child(
        &self,
        child: &SessionId,
        options: CommitOptions,
    ) -> Result<Landed, CommitError> {
        let _alone = self.alone();
        cascade::below(&self.domain, child, &options, || {
            nesting::land(&self.domain, &self.id, child, &options, Some(&self.view))
        })
    }

    /// As [`Session::checkpoint`], while it is being written: the view goes on over a new
    /// upper, its handles stay. What another thread writes meanwhile may be part of it or not.
    ///
    /// # Errors
    /// See [`CheckpointError`]; the session is what it was.
    pub fn checkpoint(&self, name: &str) -> Result<CheckpointInfo, CheckpointError> {
        let _alone = self.alone();
        checkpoint::make(&self.domain, &self.id, name, Some(&self.view))
    }

    /// As [`Session::restore`], while it is being written: look-ups in the view see the restored
    /// state from here on. The roots of the view go on; other handles that are open answer
    /// `Stale`.
    ///
    /// # Errors
    /// As [`Session::restore`]; the view shows what the session is.
    pub fn restore(&self, name: &str) -> Result<CheckpointInfo, CheckpointError> {
        let _alone = self.alone();
        checkpoint::restore(&self.domain, &self.id, name, Some(&self.view))
    }

    /// As [`Session::delete_checkpoint`].
    ///
    /// # Errors
    /// See [`CheckpointError`].
    pub fn delete_checkpoint(&self, name: &str) -> Result<(), CheckpointError> {
        let _alone = self.alone();
        checkpoint::delete(&self.domain, &self.id, name)
    }

    /// The session's notes over `below`, those of the project. They can be written as long as
    /// this lives; afterwards that is `LEASE_GONE`.
    pub fn notes(&self, below: Arc<dyn Notes>) -> SessionNotes {
        SessionNotes::held(self.domain.clone(), self.id.clone(), below, self.held.clone())
    }

    /// Puts a session on a tree onto another tree of its project, durably: what it changed is
    /// made there again, `options.policy` settles what both changed. Look-ups in the view see it
    /// from here on; the roots of the view go on, other handles that are open answer `Stale`.
    /// Nobody may be reading through the view meanwhile. A crash leaves the session wholly on the
    /// one or on the other tree.
    ///
    /// # Errors
    /// As [`Session::conflicts_onto`], and as a commit by the same policy; the session is what it
    /// was.
    pub fn rebase_onto(
        &self,
        tree: &TreeInfo,
        options: RebaseOptions,
    ) -> Result<Rebased, CommitError> {
        let _alone = self.alone();
        onto_tree::rebase(&self.domain, &self.id, &self.view, tree, &options)
    }

    /// As [`rebase_onto`](Self::rebase_onto), with conflicts settled as
    /// [`Domain::resolve`](crate::Domain::resolve) does it: texts that overlap get conflict
    /// markers, and the rest is taken as told.
    ///
    /// # Errors
    /// As [`rebase_onto`](Self::rebase_onto), and see [`ResolveError`].
    pub fn resolve_onto(
        &self,
        tree: &TreeInfo,
        options: ResolveOptions,
    ) -> Result<Resolved, ResolveError> {
        let _alone = self.alone();
        onto_tree::resolve(&self.domain, &self.id, &self.view, tree, &options)
    }

    /// Whether a session on a tree may be landed on its project's head: as a commit is refused
    /// where children of it are open, where conflict markers are left, and where the machine went
    /// down before it was synced, unless that is accepted.
    ///
    /// # Errors
    /// See [`CommitError`]; `NOT_ON_TREE`.
    pub fn may_land_elsewhere(&self, accept_unclean: bool) -> Result<(), CommitError> {
        elsewhere::may_land(&self.domain, &self.id, accept_unclean)
    }

    /// Whether a session on a tree is what was sealed, and would land on that head.
    ///
    /// # Errors
    /// `SEAL_BROKEN`; those of [`Session::seal`](crate::Session::seal).
    pub fn check_seal(&self, seal: &Seal, head: &TreeInfo) -> Result<(), CommitError> {
        heads::check_seal(&self.domain, &self.id, seal, head)
    }

    /// Ends a session on a tree whose changes have landed on its project's head: the journal
    /// tells where, its notes are delivered as a landing delivers them, its directory goes. Once
    /// the record of that is durable the session is over, whatever fails or dies after that; who
    /// opens the domain next finishes. Before, it is what it was. To say the same again does what
    /// is left to do. Gives the notes that were delivered.
    ///
    /// # Errors
    /// As [`may_land_elsewhere`](Self::may_land_elsewhere), and the host's.
    pub fn land_elsewhere(&self, to: Elsewhere) -> Result<Vec<NotePath>, CommitError> {
        let _alone = self.alone();
        elsewhere::land(&self.domain, &self.id, &self.view, &to)
    }

    /// Remembers, durably, what a store has of it.
    ///
    /// # Errors
    /// The host's; it may be remembered all the same.
    pub fn set_pushed(&self, pushed: Pushed) -> Result<(), LeaseError> {
        let _alone = self.alone();
        let mut meta = meta::load_open(&self.domain, &self.id)?;
        meta.pushed = Some(pushed);
        Ok(meta::store_surely(&self.domain, &meta, true).doing(&self.id)?)
    }

    fn alone(&self) -> MutexGuard<'_, bool> {
        self.held.alone()
    }

    /// Makes the session durable, writes its `manifest` and `parent` files and records that it
    /// is clean, and the end of the run in its log; then as a drop.
    ///
    /// # Errors
    /// The host's; the lease is released all the same.
    pub fn finish(self) -> io::Result<()> {
        self.view.sync().map_err(crate::begin::fs_io)?;
        let mut meta = meta::load(&self.domain, &self.id).map_err(io::Error::other)?;
        manifest::write(&self.domain, &meta, &self.view, || self.stop_requested())?;
        meta.clean = true;
        meta.boot.clone_from(&self.domain.options.boot_id);
        meta::store(&self.domain, &self.id, &meta, true)?;
        if let Some(run) = self.lease.run() {
            operations::ended(&self.domain, meta::dir(&self.domain, &self.id)?, run);
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.held.end();
        self.view.end();
    }
}

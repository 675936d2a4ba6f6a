//! A session that is shown for long: as it is now, and with the lease when somebody writes.
//!
//! The lease is taken at the first change. Whoever shows the session gives it back when no change
//! came for a moment ([`REST`]), or when somebody wants it; then the session is shown read-only,
//! and it is looked whether others moved it on.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use brio_landing::{Isolation, LeaseError, SessionError, SessionMark, Writer};
use brio_session::{FsError, FsResult, Lender, Lent, View, ViewOptions};

use rustix::io::Errno;

use crate::SessionHandle;

/// How long after the last change the lease is kept.
pub(crate) const REST: Duration = Duration::from_secs(2);
/// How often is looked whether somebody wants the lease.
pub(crate) const POLL: Duration = Duration::from_millis(50);
/// How often, while it is not held, whether the session is still there.
pub(crate) const IDLE_POLL: Duration = Duration::from_millis(250);

/// How old an answer may be while somebody else writes in the session.
const STALE: Duration = Duration::from_millis(100);
/// How long nothing begins after the lease was given to somebody who wants it, so that it is his:
/// who waits for it looks every few milliseconds.
const HANDED: Duration = Duration::from_millis(10);
/// How long reading does not ask again for a lease that somebody has.
const REFUSED: Duration = Duration::from_secs(1);
const BUSY: Errno = Errno::BUSY;

/// What the threads that serve share.
pub(crate) struct State {
    pub(crate) session: SessionHandle,
    purpose: &'static str,
    vcs: bool,
    /// Whether the session validates what it read.
    records: bool,
    held: Mutex<Held>,
    /// An operation ended, or the lease was given back.
    changed: Condvar,
}

struct Held {
    view: View,
    epoch: u64,
    writer: Option<Writer>,
    /// What the read-only view shows, and when that was looked at.
    mark: Option<SessionMark>,
    looked: Instant,
    /// Operations that are lent a view now.
    lent: usize,
    /// What is shown is about to be another: no new operation begins.
    draining: bool,
    used: Instant,
    written: Instant,
    ended: bool,
    /// How often it could not be synced when the lease was given back.
    losses: u64,
    /// When somebody else had the lease that reading wanted.
    refused: Option<Instant>,
}

impl State {
    /// `purpose` is what others are told who ask for the lease.
    pub(crate) fn new(
        session: SessionHandle,
        purpose: &'static str,
        vcs: bool,
    ) -> Result<Arc<Self>, LeaseError> {
        let now = Instant::now();
        let held = Held {
            view: session.view()?,
            epoch: 0,
            writer: None,
            mark: session.session().map_err(LeaseError::from)?.mark().ok(),
            looked: now,
            lent: 0,
            draining: false,
            used: now,
            written: now,
            ended: false,
            losses: 0,
            refused: None,
        };
        let records =
            session.info().map_err(LeaseError::from)?.isolation == Isolation::Serializable;
        Ok(Arc::new(Self {
            session,
            purpose,
            vcs,
            records,
            held: Mutex::new(held),
            changed: Condvar::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it was last used, whether the lease is held, whether the session has ended.
    pub(crate) fn standing(&self) -> (Instant, bool, bool) {
        let held = self.lock();
        (held.used, held.writer.is_some(), held.ended)
    }

    /// Whether somebody asked for the lease.
    pub(crate) fn is_wanted(&self) -> bool {
        self.lock().writer.as_ref().is_some_and(Writer::stop_requested)
    }

    /// Whether no change came for so long.
    pub(crate) fn is_at_rest(&self, rest: Duration) -> bool {
        self.lock().written.elapsed() >= rest
    }

    /// Waits for operations that are under way, makes the session durable, and lets go.
    pub(crate) fn let_go(&self) {
        let mut held = self.drained(self.lock());
        if let Some(writer) = held.writer.take() {
            let wanted = writer.stop_requested();
            if let Err(error) = writer.finish() {
                held.losses += 1;
                tracing::warn!(session = %self.session.id(), %error, "the session could not be synced");
            }
            if wanted {
                drop(held);
                std::thread::sleep(HANDED);
                held = self.lock();
            }
        }
        if self.look_again(&mut held).is_err() {
            // Whoever has it now may be changing what it consists of: then it is looked again.
            held.mark = None;
            held.ended = self.has_ended();
        }
        self.open_again(held);
    }

    /// Nothing is lent any more, and nothing will be until [`open_again`](Self::open_again).
    fn drained<'a>(&self, mut held: MutexGuard<'a, Held>) -> MutexGuard<'a, Held> {
        while held.draining {
            held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        held.draining = true;
        while held.lent > 0 {
            held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        held
    }

    fn open_again(&self, mut held: MutexGuard<'_, Held>) {
        held.draining = false;
        drop(held);
        self.changed.notify_all();
    }

    fn has_ended(&self) -> bool {
        let record = self.session.record();
        matches!(record, Err(SessionError::Ended { .. } | SessionError::Unknown { .. }))
    }

    /// Shows the session as it is now. Nothing is lent.
    fn look_again(&self, held: &mut Held) -> FsResult<()> {
        let session = self.session.session().map_err(|_| FsError::Ended)?;
        let mark = session.mark().map_err(|_| FsError::Ended)?;
        held.view = self.session.view().map_err(|e| match e {
            LeaseError::View { source, .. } => source,
            _ => FsError::Ended,
        })?;
        held.epoch += 1;
        (held.mark, held.looked) = (Some(mark), Instant::now());
        Ok(())
    }

    /// Waits until operations may begin.
    fn open(&self) -> FsResult<MutexGuard<'_, Held>> {
        let mut held = self.lock();
        while held.draining {
            held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        if held.ended { Err(FsError::Ended) } else { Ok(held) }
    }

    /// Does what changes the view, while nothing is lent of the one before.
    fn changing<'a>(
        &'a self,
        held: MutexGuard<'a, Held>,
        change: impl FnOnce(&mut Held) -> FsResult<()>,
    ) -> FsResult<MutexGuard<'a, Held>> {
        let mut held = self.drained(held);
        let changed = if held.ended { Err(FsError::Ended) } else { change(&mut held) };
        held.draining = false;
        self.changed.notify_all();
        changed.map(|()| held)
    }

    /// Nothing is lent.
    fn take_lease(&self, held: &mut Held) -> FsResult<()> {
        if held.writer.is_none() {
            let options = ViewOptions { vcs: self.vcs, ..ViewOptions::default() };
            let session = self.session.session().map_err(|_| FsError::Ended)?;
            let writer = session.yielding_writer(self.purpose, options).map_err(|e| match e {
                LeaseError::Busy { .. } => BUSY.into(),
                LeaseError::View { source, .. } => source,
                _ => FsError::Ended,
            })?;
            held.view = writer.view().clone();
            held.epoch += 1;
            held.writer = Some(writer);
        }
        Ok(())
    }

    fn lend(self: &Arc<Self>, mut held: MutexGuard<'_, Held>) -> Lent {
        held.lent += 1;
        held.used = Instant::now();
        Lent::new(held.view.clone(), held.epoch)
            .with_losses(held.losses)
            .with_guard(Using(self.clone()))
    }
}

/// What is asked for a view.
pub(crate) struct Leased(pub(crate) Arc<State>);

impl Lender for Leased {
    fn read(&self) -> FsResult<Lent> {
        let mut held = self.0.open()?;
        // Reads are recorded with the lease. While a run has it, what a person looks at is not.
        if self.0.records
            && held.writer.is_none()
            && held.refused.is_none_or(|at| at.elapsed() >= REFUSED)
        {
            held = self.0.changing(held, |held| match self.0.take_lease(held) {
                Err(FsError::Io(e)) if e == BUSY.raw_os_error() => {
                    held.refused = Some(Instant::now());
                    Ok(())
                }
                taken => {
                    held.written = Instant::now();
                    taken
                }
            })?;
        }
        if held.writer.is_none() && (held.mark.is_none() || held.looked.elapsed() >= STALE) {
            let now = self.0.session.session().map_err(|_| FsError::Ended)?.mark();
            let now = now.map_err(|_| FsError::Ended)?;
            held.looked = Instant::now();
            if held.mark != Some(now) {
                held = self.0.changing(held, |held| match held.writer {
                    None => self.0.look_again(held),
                    Some(_) => Ok(()),
                })?;
            }
        }
        Ok(self.0.lend(held))
    }

    fn write(&self) -> FsResult<Lent> {
        let mut held = self.0.open()?;
        if held.writer.is_none() {
            held = self.0.changing(held, |held| self.0.take_lease(held))?;
        }
        held.written = Instant::now();
        Ok(self.0.lend(held))
    }
}

/// One operation that uses a view.
struct Using(Arc<State>);

impl Drop for Using {
    fn drop(&mut self) {
        self.0.lock().lent -= 1;
        self.0.changed.notify_all();
    }
}

//! A session as a directory that stays: mounted for a person, with nothing held between
//! operations.
//!
//! The writer lease is taken at the first change and given back when no change came for a
//! moment, or when somebody wants it. Then the mount shows the session read-only, and looks
//! whether others moved it on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use brio_landing::{LeaseError, SessionMark, Writer};
use brio_mount::{Lent, Mount, MountError, Options, Source};
use brio_session::{FsError, FsResult, View, ViewOptions};

use crate::{Grants, SessionHandle};

/// How long after the last change the lease is kept.
const REST: Duration = Duration::from_millis(500);
/// How old an answer may be while somebody else writes in the session.
const STALE: Duration = Duration::from_millis(100);
/// How often is looked whether somebody wants the lease.
const POLL: Duration = Duration::from_millis(50);

/// A session that is mounted. Dropping it gives everything back and unmounts.
pub struct SessionMount {
    mount: Mount,
    state: Arc<State>,
}

/// A session could not be mounted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionMountError {
    /// The session cannot be read.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// It cannot be mounted here.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The directory to mount on cannot be made.
    #[error("MOUNT_FAILED: {}: {source}", path.display())]
    Host {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SessionMountError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Lease(e) => e.code(),
            Self::Mount(MountError::NoDevice(_) | MountError::NoHelper) => "NO_FUSE",
            Self::Mount(MountError::Busy(_)) => "MOUNT_BUSY",
            _ => "MOUNT_FAILED",
        }
    }
}

struct State {
    session: SessionHandle,
    vcs: bool,
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
    /// The lease is about to be given back: no new operation begins.
    draining: bool,
    used: Instant,
    written: Instant,
    ended: bool,
}

impl SessionHandle {
    /// Mounts the session at a directory, which is made where it is not there.
    ///
    /// Whoever wants to write in the session otherwise, or to end it, asks the mount to let go,
    /// and has it within a second or two; when the session has ended, operations answer `ESTALE`.
    ///
    /// # Errors
    /// See [`SessionMountError`].
    pub fn mount(&self, at: &Path, grants: Grants) -> Result<SessionMount, SessionMountError> {
        crate::brio::make_private(at)
            .map_err(|source| SessionMountError::Host { path: at.into(), source })?;
        let now = Instant::now();
        let held = Held {
            view: self.view()?,
            epoch: 0,
            writer: None,
            mark: self.session().map_err(LeaseError::from)?.mark().ok(),
            looked: now,
            lent: 0,
            draining: false,
            used: now,
            written: now,
            ended: false,
        };
        let state = Arc::new(State {
            session: self.clone(),
            vcs: grants.vcs,
            held: Mutex::new(held),
            changed: Condvar::new(),
        });
        let mount = Mount::at(at, Leased(state.clone()), &Options::default())?;
        Ok(SessionMount { mount, state })
    }
}

impl SessionMount {
    /// Serves until the session has ended, the mount was taken down, nobody used it for `idle`
    /// and nobody works in it, or `stop` says so. Unmounts.
    ///
    /// # Errors
    /// When it cannot be unmounted.
    pub fn serve(self, idle: Duration, stop: impl Fn() -> bool) -> Result<(), MountError> {
        while self.mount.is_mounted() {
            std::thread::sleep(POLL);
            self.let_go(false);
            let (used, ended) = {
                let held = self.state.lock();
                (held.used, held.ended || self.state.session.info().is_err())
            };
            if ended || stop() {
                break;
            }
            if used.elapsed() >= idle && self.mount.unmount().is_ok() {
                return Ok(());
            }
        }
        self.let_go(true);
        self.mount.unmount().or_else(|_| self.mount.unmount_lazily())
    }

    /// Gives the lease back if it is time to.
    fn let_go(&self, now: bool) {
        let due = |held: &Held| {
            held.writer
                .as_ref()
                .is_some_and(|w| now || w.stop_requested() || held.written.elapsed() >= REST)
        };
        if !due(&self.state.lock()) {
            return;
        }
        // Stores to mapped pages are writes as any other: before anything is held back.
        self.mount.sync();
        self.state.let_go();
    }
}

impl Drop for SessionMount {
    fn drop(&mut self) {
        self.let_go(true);
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for operations that are under way, makes the session durable, and lets go.
    fn let_go(&self) {
        let mut held = self.lock();
        held.draining = true;
        while held.lent > 0 {
            held = self.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(writer) = held.writer.take()
            && let Err(error) = writer.finish()
        {
            tracing::warn!(session = %self.session.id(), %error, "the session could not be synced");
        }
        if self.look_again(&mut held).is_err() {
            held.ended = true;
        }
        held.draining = false;
        drop(held);
        self.changed.notify_all();
    }

    /// Shows the session as it is now.
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

    fn lend(self: &Arc<Self>, mut held: MutexGuard<'_, Held>) -> Lent {
        held.lent += 1;
        held.used = Instant::now();
        Lent::new(held.view.clone(), held.epoch).with_guard(Using(self.clone()))
    }
}

struct Leased(Arc<State>);

impl Source for Leased {
    fn read(&self) -> FsResult<Lent> {
        let mut held = self.0.open()?;
        if held.writer.is_none() && held.looked.elapsed() >= STALE {
            let now = self.0.session.session().map_err(|_| FsError::Ended)?.mark();
            let now = now.map_err(|_| FsError::Ended)?;
            held.looked = Instant::now();
            if held.mark != Some(now) {
                self.0.look_again(&mut held)?;
            }
        }
        Ok(self.0.lend(held))
    }

    fn write(&self) -> FsResult<Lent> {
        let mut held = self.0.open()?;
        if held.writer.is_none() {
            let options = ViewOptions { vcs: self.0.vcs, ..ViewOptions::default() };
            let session = self.0.session.session().map_err(|_| FsError::Ended)?;
            let writer = session.yielding_writer("mount", options).map_err(|e| match e {
                LeaseError::Busy { .. } => rustix::io::Errno::BUSY.into(),
                LeaseError::View { source, .. } => source,
                _ => FsError::Ended,
            })?;
            held.view = writer.view().clone();
            held.epoch += 1;
            held.writer = Some(writer);
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

//! A session as a directory that stays: mounted for a person, with nothing held between
//! operations.
//!
//! The writer lease is taken at the first change and given back when no change came for a
//! moment, or when somebody wants it. Then the mount shows the session read-only, and looks
//! whether others moved it on.

mod seat;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use brio_landing::LeaseError;
use brio_mount::{Mount, MountError, Options};
use brio_runtime::StopToken;

use crate::leased::{IDLE_POLL, Leased, POLL, REST, State};
use crate::{Brio, Grants, SessionHandle};
use seat::Seat;

/// How a session is mounted.
#[derive(Debug, Clone, Default)]
pub struct MountOptions {
    /// What may be changed beyond files: `vcs`.
    pub grants: Grants,
    /// Unmounted when nobody asked for anything for so long and no process works in it.
    pub idle: Duration,
    /// Ends it.
    pub stop: StopToken,
}

/// A session that is mounted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Where.
    pub path: PathBuf,
    /// The process that serves it.
    pub pid: u32,
    /// Whether `.git` may be changed there.
    pub vcs: bool,
}

/// A session could not be mounted, or unmounted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionMountError {
    /// The session cannot be read.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// It cannot be mounted here.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// Another process serves it.
    #[error("MOUNTED: {id}: process {pid} serves its mount; `brio session path {id}` says where")]
    Served {
        /// The session.
        id: String,
        /// The process; 0 while it starts.
        pid: u32,
    },
    /// The directory to mount on cannot be used.
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
            Self::Mount(_) | Self::Host { .. } => "MOUNT_FAILED",
            Self::Served { .. } => "MOUNTED",
        }
    }
}

impl SessionHandle {
    /// Mounts the session in Brio's home and serves it, until the session has ended, the mount
    /// was taken down, nobody used it for `idle`, or `stop` says so; then unmounts. `ready` is
    /// called when it can be used. What a server that was killed left is cleaned up first.
    ///
    /// Whoever wants to write in the session otherwise, or to end it, asks the mount to let go,
    /// and has it within a second or two; a file that was unlinked and is still open is lost to
    /// its process by that (`ESTALE`), as every open file is when the session has ended. Writing
    /// while a run works in the session is `EBUSY`.
    ///
    /// # Errors
    /// `Served` when another process does already; see [`SessionMountError`].
    pub fn serve_mount(
        &self,
        options: &MountOptions,
        ready: impl FnOnce(&Path),
    ) -> Result<(), SessionMountError> {
        let mut seat = Seat::take(self)?;
        let state = State::new(self.clone(), "mount", options.grants.vcs)?;
        let mount = Mount::at(seat.at(), Leased(state.clone()), &Options::default())?;
        let served = Serving { mount, state };
        seat.say_ready(options.grants.vcs)?;
        ready(seat.at());
        served.serve(options.idle, &options.stop)
    }

    /// Where the session is mounted now, and by whom.
    ///
    /// # Errors
    /// When the home cannot be read.
    pub fn mounted(&self) -> Result<Option<Mounted>, SessionMountError> {
        seat::mounted(self)
    }

    /// Unmounts the session, and waits until what was written there is in it. False: it was not
    /// mounted.
    ///
    /// # Errors
    /// `MOUNT_BUSY` while a process works there.
    pub fn unmount(&self) -> Result<bool, SessionMountError> {
        seat::unmount(self)
    }
}

impl Brio {
    /// Cleans up the mounts that servers left which were killed. How many there were.
    ///
    /// # Errors
    /// When one cannot be unmounted.
    pub fn sweep_mounts(&self) -> Result<u64, SessionMountError> {
        seat::sweep(self)
    }
}

/// A mount and what it shows. Dropping it gives everything back and unmounts.
struct Serving {
    mount: Mount,
    state: Arc<State>,
}

impl Serving {
    fn serve(self, idle: Duration, stop: &StopToken) -> Result<(), SessionMountError> {
        let mut looked = Instant::now();
        while self.mount.is_mounted() && !stop.is_stopped() {
            let (used, writing, ended) = self.state.standing();
            if ended {
                break;
            }
            if looked.elapsed() >= Duration::from_secs(1) {
                looked = Instant::now();
                if self.state.session.info().is_err() {
                    break;
                }
            }
            if writing {
                self.let_go_if_due();
            } else if used.elapsed() >= idle && self.mount.unmount().is_ok() {
                return Ok(());
            }
            std::thread::sleep(if writing { POLL } else { IDLE_POLL });
        }
        self.let_go();
        self.mount.unmount().or_else(|_| self.mount.unmount_lazily())?;
        Ok(())
    }

    fn let_go_if_due(&self) {
        let wanted = self.state.is_wanted();
        // What is unlinked and open lives only as long as the lease is held.
        if wanted || (self.state.is_at_rest(REST) && !self.mount.has_unlinked()) {
            self.let_go();
        }
    }

    fn let_go(&self) {
        // Stores to mapped pages are writes as any other: before anything is held back.
        self.mount.sync();
        self.state.let_go();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.let_go();
    }
}

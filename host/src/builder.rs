//! What an embedder hands in. This crate reads no environment and no home of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use brio_landing::{Retention, system_time};
use brio_runtime::net::Trust;
use brio_session::{Door, Time};

use crate::{Brio, OpenError, Sandbox, StoreSettings};

/// What sessions may be and take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionLimits {
    /// Sessions of this home that may be open at once, branches of other sessions not counted.
    pub max_sessions: Option<u64>,
    /// Bytes of the base's file system that must be free.
    pub min_free: Option<u64>,
    /// A session whose run died so long ago is rolled back by whoever tends this home; `None`:
    /// it is kept until somebody ends it.
    pub dead_after: Option<Duration>,
}

/// How [`Brio`] is opened: see [`Brio::builder`].
#[derive(Clone)]
#[must_use = "nothing is opened before `open`"]
pub struct BrioBuilder {
    pub(crate) home: PathBuf,
    pub(crate) user_home: Option<PathBuf>,
    pub(crate) boot_id: String,
    pub(crate) now: fn() -> Time,
    pub(crate) door: Door,
    pub(crate) cache: bool,
    pub(crate) expendable: bool,
    pub(crate) sessions: SessionLimits,
    pub(crate) sandbox: Sandbox,
    pub(crate) require_sandbox: bool,
    pub(crate) workers: usize,
    pub(crate) trust: Trust,
    pub(crate) retention: Arc<dyn Fn(&Path) -> Retention + Send + Sync>,
    pub(crate) stores: StoreSettings,
}

impl BrioBuilder {
    /// A home, and this machine's clock and boot.
    pub(crate) fn new(home: PathBuf) -> Self {
        Self {
            home,
            user_home: None,
            boot_id: system_boot_id(),
            now: system_time,
            door: Door::default(),
            cache: true,
            expendable: false,
            sessions: SessionLimits::default(),
            sandbox: Sandbox::default(),
            require_sandbox: false,
            workers: 0,
            trust: Trust::default(),
            retention: Arc::new(|_| Retention::default()),
            stores: StoreSettings::default(),
        }
    }

    /// The user's home directory: the upward search for a domain stops there. None by default.
    pub fn user_home(mut self, dir: impl Into<PathBuf>) -> Self {
        self.user_home = Some(dir.into());
        self
    }

    /// Keeps compiled agents in the home, or not. On by default.
    pub fn cache(mut self, keep: bool) -> Self {
        self.cache = keep;
        self
    }

    /// Whether this process is there for one run alone, so that whoever must end the run may
    /// kill the process. Not by default.
    pub fn expendable(mut self, expendable: bool) -> Self {
        self.expendable = expendable;
        self
    }

    /// How many sessions may be open, and what they must leave free of the disk. No limits by
    /// default.
    pub fn session_limits(mut self, limits: SessionLimits) -> Self {
        self.sessions = limits;
        self
    }

    /// Where agents run that do not say so themselves: [`Sandbox::Wasm`] by default. Where a
    /// process cannot be had they run in this one, and [`Ran::enforced`](crate::Ran::enforced)
    /// says so.
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = sandbox;
        self
    }

    /// No agent runs but in a process of its own from which nothing is lacking:
    /// [`RunError::Sandbox`](crate::RunError::Sandbox) otherwise. Not by default.
    pub fn require_sandbox(mut self, require: bool) -> Self {
        self.require_sandbox = require;
        self
    }

    /// So many worker processes are made ahead, from the first run on or from
    /// [`Brio::make_workers`]. None by default.
    pub fn workers(mut self, ahead: usize) -> Self {
        self.workers = ahead;
        self
    }

    /// Whose certificates agents' requests believe. The machine's authorities by default, and
    /// Mozilla's where it has none; [`Trust::with_file`] adds a company's own.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// How long landings in a base can be undone; asked when the base is opened. 30 days and a
    /// tenth of the file system by default.
    pub fn retention(mut self, of: impl Fn(&Path) -> Retention + Send + Sync + 'static) -> Self {
        self.retention = Arc::new(of);
        self
    }

    /// How stores of projects are reached, and what is kept of them in the home.
    pub fn stores(mut self, settings: StoreSettings) -> Self {
        self.stores = settings;
        self
    }

    /// What identifies this boot of the machine: a process of another boot is dead. What the
    /// kernel says by default.
    pub fn boot_id(mut self, id: impl Into<String>) -> Self {
        self.boot_id = id.into();
        self
    }

    /// The wall clock. The system's by default.
    pub fn clock(mut self, now: fn() -> Time) -> Self {
        self.now = now;
        self
    }

    /// Where every mutation passes, for tests that make it fail.
    pub fn door(mut self, door: Door) -> Self {
        self.door = door;
        self
    }

    /// Opens the home, and makes it (0700) when it is not there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(self) -> Result<Brio, OpenError> {
        Brio::open_as(self)
    }
}

/// What the kernel calls this boot; empty where it does not say.
fn system_boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

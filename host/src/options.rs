//! What an embedder hands in. This crate reads no environment and no home of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use brio_landing::{Retention, system_time};
use brio_session::{Door, Time};

/// How [`Brio`](crate::Brio) is opened.
#[derive(Clone)]
pub struct BrioOptions {
    /// `$BRIO_HOME`: one per person, private (0700), made when it is not there.
    pub home: PathBuf,
    /// The user's home directory: the upward search for a domain stops there.
    pub user_home: Option<PathBuf>,
    /// Identifies this boot of the machine; see [`system_boot_id`].
    pub boot_id: String,
    /// The wall clock.
    pub now: fn() -> Time,
    /// Where every mutation passes.
    pub door: Door,
    /// Keep compiled agents in the home. On by default.
    pub cache: bool,
    /// How long landings in a base can be undone; asked when the base is opened. 30 days and a
    /// tenth of the file system by default.
    pub retention: Arc<dyn Fn(&Path) -> Retention + Send + Sync>,
}

impl BrioOptions {
    /// A home, and this machine's clock and boot.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            user_home: None,
            boot_id: system_boot_id(),
            now: system_time,
            door: Door::default(),
            cache: true,
            retention: Arc::new(|_| Retention::default()),
        }
    }
}

/// What the kernel calls this boot; empty where it does not say.
pub fn system_boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

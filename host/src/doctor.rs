//! What this machine, a base and its state are like, and what Brio makes of it.

use std::path::Path;

use brio_confine::{Report, RoomError};
use brio_landing::{DomainError, Inspection, LeaseStatus, Probe, inspect};

use crate::Brio;

/// A diagnosis. Nothing was changed but probe files.
#[derive(Debug)]
pub struct Diagnosis {
    /// The base and its state.
    pub base: Inspection,
    /// Whether a session could be mounted.
    pub fuse: Probe,
    /// What a room for a native command is made of here, or why there is none: one was made.
    pub room: Result<Report, RoomError>,
    /// What a worker process of an agent is kept by here, or why there is none: one was made.
    pub cell: Result<Report, RoomError>,
}

/// What Brio will use of two ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What it is about.
    pub what: &'static str,
    /// What is used.
    pub used: String,
    /// Why nothing better is.
    pub why: Option<String>,
}

impl Diagnosis {
    /// The version of landlock that a room has; `None`: this kernel has none, or no room.
    pub fn landlock(&self) -> Option<u32> {
        self.room.as_ref().ok()?.landlock.map(|l| l.abi)
    }

    /// What Brio uses here, and why nothing better.
    pub fn choices(&self) -> Vec<Choice> {
        let b = &self.base;
        let reason = |p: &Probe| match p {
            Probe::Yes => None,
            Probe::No(why) => Some(why.clone()),
        };
        let choice = |what, used: &str, why| Choice { what, used: used.to_owned(), why };
        let live = match (&b.frozen_only, &b.unsupported, &b.exchange) {
            (Some(why), ..) => {
                choice("sessions", "frozen, in the home; nothing lands", Some(why.clone()))
            }
            (None, Some(why), _) => choice("sessions", "none", Some(why.to_string())),
            (None, None, Probe::No(why)) => choice("sessions", "none", Some(why.clone())),
            (None, None, Probe::Yes) => choice("sessions", "live", None),
        };
        let first_write = match &b.reflink {
            Probe::Yes => choice("first write", "shares blocks", None),
            Probe::No(why) => choice("first write", "copies the file once", Some(why.clone())),
        };
        let frozen = match (&b.snapshot, &b.reflink) {
            (Probe::Yes, _) => choice("--lower frozen", "snapshot", None),
            (snapshot, Probe::Yes) => choice("--lower frozen", "reflink", reason(snapshot)),
            (Probe::No(a), Probe::No(b)) => {
                choice("--lower frozen", "copy", Some(format!("no snapshot: {a}; no reflink: {b}")))
            }
        };
        let native = match (&self.room, &self.fuse) {
            (Err(e), _) => choice("session exec", "none", Some(e.to_string())),
            (Ok(room), Probe::Yes) => choice("session exec", &format!("a mount; {room}"), None),
            (Ok(room), Probe::No(why)) => {
                choice("session exec", &format!("a copy; {room}"), Some(why.clone()))
            }
        };
        let process = match &self.cell {
            Ok(cell) => choice("sandbox process", &cell.to_string(), None),
            Err(e) => choice("sandbox process", "none", Some(e.to_string())),
        };
        vec![live, first_write, frozen, native, process]
    }

    /// Sessions that lost what the base held, and those whose run died.
    pub fn troubled(&self) -> impl Iterator<Item = (&brio_landing::SessionInfo, &'static str)> {
        self.base.sessions.iter().filter_map(|s| match s.lease {
            _ if s.stale => Some((s, "stale")),
            LeaseStatus::Dead { .. } => Some((s, "dead")),
            _ if s.unclean => Some((s, "unclean")),
            _ => None,
        })
    }
}

impl Brio {
    /// Looks at a directory, at its state and at this machine. Recovers nothing.
    ///
    /// # Errors
    /// When the directory is missing, is none, or cannot be read.
    pub fn doctor(&self, base: &Path) -> Result<Diagnosis, DomainError> {
        let inspected = inspect(base, self.domain_options(base, false))?;
        Ok(Diagnosis {
            base: inspected,
            fuse: fuse(),
            room: brio_confine::probe(),
            cell: crate::probe_sandbox(),
        })
    }
}

fn fuse() -> Probe {
    let opened = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
    match opened {
        Ok(_) => Probe::Yes,
        Err(e) => Probe::No(format!("/dev/fuse: {e}")),
    }
}

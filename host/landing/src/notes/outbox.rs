//! Notes that landed in a domain whose notes are kept elsewhere: `.brio/outbox/<k>`, until somebody
//! who reaches that place has delivered them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use brio_project::{NotePath, Notes, NotesError};
use rustix::fs::FlockOperation;

use super::{NotesOptions, carried, failed};
use crate::look::Look;
use crate::state::State;
use crate::{Domain, disk};

const OUTBOX: &[u8] = b"outbox";
/// Says where the notes are, if not in `notes`.
const ELSEWHERE: &[u8] = b"notes.json";

/// Notes of a landing that are not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingNotes {
    /// The landing.
    pub landing: u64,
    /// They.
    pub notes: Vec<NotePath>,
}

/// Whether the project's notes are not in the domain.
pub(crate) fn elsewhere(state: &State) -> io::Result<bool> {
    Ok(Look::at(&state.dir, ELSEWHERE)?.is_some())
}

/// Has the notes of a landing delivered later, durably.
pub(super) fn put(state: &State, landing: u64, dir: impl AsFd) -> io::Result<()> {
    match state.disk.mkdir(&state.dir, OUTBOX, 0o700) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => state.disk.sync_dir(&state.dir)?,
    }
    let outbox = disk::open_dir(&state.dir, OUTBOX)?;
    match state.disk.link(dir, carried::CARRIED, &outbox, landing.to_string().as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => state.disk.sync_dir(&outbox),
    }
}

fn open(state: &State) -> io::Result<Option<OwnedFd>> {
    match disk::open_dir(&state.dir, OUTBOX) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        outbox => outbox.map(Some),
    }
}

/// The landings whose notes are there, oldest first.
fn landings(outbox: &OwnedFd) -> io::Result<Vec<u64>> {
    let names = disk::names(outbox)?;
    let number = |name: &Vec<u8>| std::str::from_utf8(name).ok()?.parse().ok();
    let mut landings: Vec<u64> = names.iter().filter_map(number).collect();
    landings.sort_unstable();
    Ok(landings)
}

impl Domain {
    /// Notes that landed and that the place where the project's notes are does not have yet,
    /// oldest first.
    ///
    /// # Errors
    /// The host's.
    pub fn pending_notes(&self) -> io::Result<Vec<PendingNotes>> {
        let Some(outbox) = open(self.state())? else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for landing in landings(&outbox)? {
            let Some(changes) = carried::load(&outbox, landing.to_string().as_bytes())? else {
                continue;
            };
            let notes = changes.into_iter().map(|change| change.path).collect();
            all.push(PendingNotes { landing, notes });
        }
        Ok(all)
    }

    /// Delivers what is pending to the place where the project's notes are, oldest first, each
    /// landing's at least once: its origin tells a place that knows origins what it has already.
    /// One process does it at a time. Gives how many landings' notes arrived.
    ///
    /// # Errors
    /// The first; what had not arrived is pending as before.
    pub fn deliver_notes(&self, to: &dyn Notes) -> Result<usize, NotesError> {
        let state = self.state();
        let fail = |e| failed("deliver the notes of landings", e);
        let Some(outbox) = open(state).map_err(fail)? else { return Ok(0) };
        while let Err(e) = rustix::fs::flock(&outbox, FlockOperation::LockExclusive) {
            if e != rustix::io::Errno::INTR {
                return Err(fail(e.into()));
            }
        }
        let NotesOptions { clock, observer } = &state.options.notes;
        let mut arrived = 0;
        for landing in landings(&outbox).map_err(fail)? {
            let name = landing.to_string().into_bytes();
            let Some(changes) = carried::load(&outbox, &name).map_err(fail)? else { continue };
            let origin = format!("{} of {}", carried::origin(landing), self.claim_id());
            brio_project::deliver(&changes, to, &origin, *clock, &**observer)
                .map_err(carried::notes_error)?;
            state.disk.unlink(&outbox, &name).map_err(fail)?;
            arrived += 1;
        }
        Ok(arrived)
    }
}

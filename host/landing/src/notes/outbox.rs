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
    /// Which.
    pub by: LandedNotes,
    /// They.
    pub notes: Vec<NotePath>,
}

/// What notes came with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LandedNotes {
    /// A landing here.
    Landing(u64),
    /// One on the head of a project.
    Head {
        /// The position.
        position: u64,
        /// The project.
        project: String,
    },
}

impl LandedNotes {
    /// Its name in the outbox: a number, or `p`, a number, `-` and the project with `%2F` for its
    /// slash.
    fn name(&self) -> Vec<u8> {
        let name = match self {
            Self::Landing(number) => number.to_string(),
            Self::Head { position, project } => {
                format!("p{position}-{}", project.replace('%', "%25").replace('/', "%2F"))
            }
        };
        name.into_bytes()
    }

    fn of(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let Some(head) = name.strip_prefix('p') else {
            return name.parse().ok().map(Self::Landing);
        };
        let (position, project) = head.split_once('-')?;
        let project = project.replace("%2F", "/").replace("%25", "%");
        Some(Self::Head { position: position.parse().ok()?, project })
    }

    /// Whose write it is, in the history of a note. Landings of a domain are told from another's.
    fn origin(&self, claim: &str) -> String {
        match self {
            Self::Landing(number) => format!("{} of {claim}", carried::origin(*number)),
            Self::Head { position, project } => carried::origin_on_head(project, *position),
        }
    }
}

/// Whether the project's notes are not in the domain.
pub(crate) fn elsewhere(state: &State) -> io::Result<bool> {
    Ok(Look::at(&state.dir, ELSEWHERE)?.is_some())
}

/// Has the notes of a landing delivered later, durably.
pub(super) fn put(state: &State, landing: u64, dir: impl AsFd) -> io::Result<()> {
    let outbox = made(state)?;
    match state.disk.link(dir, carried::CARRIED, &outbox, landing.to_string().as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => state.disk.sync_dir(&outbox),
    }
}

/// Has the notes of what landed on a project's head delivered later, durably.
pub(super) fn put_of_head(
    state: &State,
    project: &str,
    position: u64,
    raw: &[u8],
) -> io::Result<()> {
    let by = LandedNotes::Head { position, project: project.to_owned() };
    state.disk.replace(made(state)?.as_fd(), &by.name(), raw, true)
}

fn made(state: &State) -> io::Result<OwnedFd> {
    match state.disk.mkdir(&state.dir, OUTBOX, 0o700) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => state.disk.sync_dir(&state.dir)?,
    }
    disk::open_dir(&state.dir, OUTBOX)
}

fn open(state: &State) -> io::Result<Option<OwnedFd>> {
    match disk::open_dir(&state.dir, OUTBOX) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        outbox => outbox.map(Some),
    }
}

/// What the notes that are there came with, oldest first.
fn landed(outbox: &OwnedFd) -> io::Result<Vec<LandedNotes>> {
    let mut all: Vec<_> =
        disk::names(outbox)?.iter().filter_map(|name| LandedNotes::of(name)).collect();
    all.sort_unstable();
    Ok(all)
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
        for by in landed(&outbox)? {
            let Some(changes) = carried::load(&outbox, &by.name())? else { continue };
            let notes = changes.into_iter().map(|change| change.path).collect();
            all.push(PendingNotes { by, notes });
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
        for by in landed(&outbox).map_err(fail)? {
            let name = by.name();
            let Some(changes) = carried::load(&outbox, &name).map_err(fail)? else { continue };
            let origin = by.origin(self.claim_id());
            brio_project::deliver(&changes, to, &origin, *clock, &**observer)
                .map_err(carried::notes_error)?;
            state.disk.unlink(&outbox, &name).map_err(fail)?;
            arrived += 1;
        }
        Ok(arrived)
    }
}

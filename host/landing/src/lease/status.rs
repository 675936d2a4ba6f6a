//! Who holds a lease, for whoever looks.

use std::io;
use std::os::fd::AsFd;

use brio_session::Time;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::holder::{self, Holder};
use crate::state::State;
use crate::{LeaseStatus, RunInfo, SessionId, meta};

/// A heartbeat that is older is no sign of life: two of them were missed.
const SILENT_SECS: i64 = 4;

/// Who writes in a session now, or did and died, and what is known of that run.
pub(crate) fn status(state: &State, id: &SessionId) -> io::Result<(LeaseStatus, Option<RunInfo>)> {
    let dir = meta::dir(state, id)?;
    let Some(file) = holder::look(&dir)? else { return Ok((LeaseStatus::Free, None)) };
    let holder = Holder::read(&file);
    let held = match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            flock(&file, FlockOperation::Unlock)?;
            false
        }
        Err(Errno::WOULDBLOCK) => true,
        Err(e) => return Err(e.into()),
    };
    let status = match (&holder, held) {
        (None, false) => LeaseStatus::Free,
        (None, true) => LeaseStatus::Live { pid: 0 },
        (Some(h), false) => LeaseStatus::Dead { pid: h.pid },
        (Some(h), true) if !h.lives() => LeaseStatus::Dead { pid: h.pid },
        (Some(h), true) if state.now().secs - h.heartbeat.secs > SILENT_SECS => {
            LeaseStatus::Silent { pid: h.pid }
        }
        (Some(h), true) => LeaseStatus::Live { pid: h.pid },
    };
    Ok((status, holder.and_then(|h| h.info())))
}

/// Whether nobody holds it: then what its holder left half done is garbage.
pub(crate) fn is_free(state: &State, id: &SessionId) -> bool {
    matches!(status(state, id), Ok((LeaseStatus::Free | LeaseStatus::Dead { .. }, _)))
}

/// When a lease was last taken, kept or given back. `None`: it never was.
pub(crate) fn used_at(dir: impl AsFd) -> io::Result<Option<Time>> {
    let Some(file) = holder::look(dir)? else { return Ok(None) };
    let stat = rustix::fs::fstat(&file)?;
    let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Ok(Some(Time { secs: stat.st_mtime, nanos }))
}

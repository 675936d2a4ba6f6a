//! What somebody wants of who holds a lease: the files `stop` and `keep` beside it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::channel;
use crate::look::Look;
use crate::state::State;

const STOP: &[u8] = b"stop";
const KEEP: &[u8] = b"keep";

/// The holder is to let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    /// And to leave the session open.
    pub(crate) keep: bool,
}

/// Says it, and has it heard. One who said it before is not contradicted.
pub(super) fn say(state: &State, dir: &OwnedFd, wish: Wish) -> io::Result<()> {
    // What says how goes first: whoever sees that it is to stop knows all of it.
    let names = if wish.keep { &[KEEP, STOP][..] } else { &[STOP] };
    for name in names {
        match state.disk.create(dir, name, 0o600) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            done => drop(done?),
        }
    }
    channel::ring(dir);
    Ok(())
}

/// Takes it back.
pub(super) fn forget(dir: impl AsFd) {
    for name in [STOP, KEEP] {
        let _ = rustix::fs::unlinkat(&dir, name, rustix::fs::AtFlags::empty());
    }
}

pub(super) fn read(dir: impl AsFd) -> Option<Wish> {
    let is_there = |name| Look::at(&dir, name).is_ok_and(|look| look.is_some());
    is_there(STOP).then(|| Wish { keep: is_there(KEEP) })
}

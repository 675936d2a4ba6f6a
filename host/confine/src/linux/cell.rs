//! A cell: how it is spawned, and its process 1, which locks itself in and goes on.
//!
//! Its root is made as a room's is, and holds nothing. Everything is locked while the process
//! has one thread; the sockets of helper and caller are closed before what runs inside begins,
//! so that it has no descriptors but its null streams and those it was given.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;

use rustix::process::{getppid, setsid};

use super::helper::{self, Wanted};
use super::init::{self, Told};
use super::running::{Running, Starting};
use super::wire::{self, Answer, CellSpec, Failure, Needing as _};
use super::{allow, caps, landlock, limits, root};
use crate::{Cell, Inside, Needed, Privilege, Report, RoomError};

pub(super) const HELPER: &str = "brio-cell";
pub(super) const INIT: &str = "brio-cell-init";

/// The helper adds the caller's socket to them.
const MOST: usize = wire::MOST_FDS - 1;

/// Makes an empty cell and ends it: what a cell on this machine would be confined by.
///
/// # Errors
/// As [`Cell::spawn`].
pub fn probe_cell() -> Result<Report, RoomError> {
    let mut running = spawn(&Cell::new(), Vec::new(), true)?;
    running.wait()?;
    Ok(running.report().clone())
}

impl Cell {
    /// Makes the cell and goes on in it with what was given to
    /// [`enter_if_asked_with`](crate::enter_if_asked_with). Returns when it is locked.
    ///
    /// The descriptors are the only way in and out. Hand in connected sockets and pipes: a
    /// directory, or a datagram socket, would be a way to more. This process keeps none of them
    /// open, so that their other side sees the end of the cell as theirs.
    ///
    /// [`Running::wait`] tells the exit status, or the signal that the kernel ended it by;
    /// [`Exit::Killed`](crate::Exit::Killed) says that it was killed: by
    /// [`Handle::kill`](crate::Handle::kill), by its limit of CPU time, or for want of memory.
    ///
    /// # Errors
    /// [`RoomError::NoInside`] if this program did not say what goes on in it, a mechanism that
    /// this machine refuses, more than 63 descriptors. Nothing ran then, and nothing is left
    /// behind.
    pub fn spawn(&self, fds: Vec<OwnedFd>) -> Result<Running, RoomError> {
        spawn(self, fds, false)
    }
}

fn spawn(cell: &Cell, fds: Vec<OwnedFd>, probe: bool) -> Result<Running, RoomError> {
    if !helper::entered().is_some_and(|entered| entered.cells) {
        return Err(RoomError::NoInside);
    }
    if fds.len() > MOST {
        return Err(RoomError::Descriptors { most: MOST, given: fds.len() });
    }
    let caller = std::process::id().cast_signed();
    let spec = CellSpec { caller, limits: cell.limits, probe };
    let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    let starting = Starting::begin(HELPER, true, &spec, &borrowed)?;
    drop(fds);
    starting.ready(false).map(|(running, _)| running)
}

/// The helper of a cell. It tells the end: process 1 has no socket to do it by.
pub(super) fn helper() -> i32 {
    let Ok(caller) = helper::inherited_socket() else { return 1 };
    let caller_pid = getppid();
    let Ok(Some((spec, given))) = wire::receive::<CellSpec>(&caller) else { return 1 };
    let wanted = Wanted { init: INIT, caller: spec.caller, network: false, detached: true };
    let answer = match helper::namespaced(&caller, caller_pid, &wanted, &spec, given) {
        // Who was killed says nothing, as in a room.
        Ok(status) if status.signal() == Some(libc::SIGKILL) => return 0,
        Ok(status) => Answer::Ended(status.into_raw()),
        Err(failure) => Answer::Failed(failure),
    };
    // A caller that is gone needs no answer.
    let _ = wire::send(&caller, &answer, &[]);
    0
}

/// Process 1.
pub(super) fn run(inside: Inside) -> i32 {
    let Some(Told { spec, privilege, caller, given }) = init::told::<CellSpec>() else { return 1 };
    let told = match lock(&spec, privilege) {
        Ok(report) => wire::send(&caller, &Answer::Ready(report), &[]),
        Err(failure) => wire::send(&caller, &Answer::Failed(failure), &[])
            .and(Err(io::Error::from(io::ErrorKind::PermissionDenied))),
    };
    drop(caller);
    match told {
        Ok(()) if spec.probe => 0,
        Ok(()) => inside(given),
        Err(_) => 1,
    }
}

/// After it there is no way back.
fn lock(spec: &CellSpec, privilege: Privilege) -> Result<Report, Failure> {
    setsid().needing(Needed::Helper, "setsid")?;
    // Kept from now on; before Linux 6.4 it is read from /proc, which will be gone.
    let _ = rustix::param::page_size();
    caps::no_new_privs()?;
    let processes = limits::processes(spec.limits.threads, privilege, root::own_proc)?;
    let null = root::empty()?;
    standard_streams(&null).needing(Needed::Helper, "open standard streams")?;
    drop(null);
    limits::apply_cell(&spec.limits)?;
    let denied = landlock::deny_all()?;
    caps::drop_all(privilege)?;
    allow::install()?;
    Ok(Report {
        privilege,
        namespaces: init::namespaces(false, privilege),
        landlock: denied,
        seccomp: true,
        no_new_privs: true,
        processes,
        lacking: landlock::lacking(denied).into_iter().chain(limits::lacking(processes)).collect(),
    })
}

/// The first was the helper's socket.
fn standard_streams(null: &OwnedFd) -> io::Result<()> {
    rustix::stdio::dup2_stdin(null)?;
    rustix::stdio::dup2_stdout(null)?;
    Ok(rustix::stdio::dup2_stderr(null)?)
}

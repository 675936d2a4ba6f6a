//! The helper: makes the namespaces, starts process 1 in them, and waits.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{
    Pid, PidfdFlags, Signal, getegid, geteuid, getppid, pidfd_open, pidfd_send_signal, setsid,
};
use rustix::thread::{CapabilitySet, UnshareFlags, capabilities, unshare_unsafe};
use serde::Serialize;

use super::wire::{self, Answer, Failure, Needing as _, Spec};
use super::{caps, cell, guard, init};
use crate::{Inside, Needed, Privilege};

pub(super) const HELPER: &str = "brio-room";
const INIT: &str = "brio-room-init";

/// Becomes the helper of a room, its process 1, or the guard of an unconfined command, if this
/// process was started as one; returns at once otherwise.
///
/// Must be the first thing in `main`, before threads are started or descriptors are opened. A
/// program that also spawns a [`Cell`](crate::Cell) calls [`enter_if_asked_with`] instead.
pub fn enter_if_asked() {
    enter(None);
}

/// As [`enter_if_asked`], for a program that also spawns cells: `inside` is what goes on in the
/// [`Cell`](crate::Cell), called when everything is locked, with the descriptors that its
/// spawner gave, in their order. What it returns is the exit status.
///
/// `inside` runs as process 1, in the main thread, with an empty environment and `/dev/null` as
/// its standard streams. It may start threads. A panic that leaves it is the exit status 101;
/// an abort ends it by a signal, as the kernel shows it: a process 1 takes no `SIGABRT`.
pub fn enter_if_asked_with(inside: Inside) {
    enter(Some(inside));
}

fn enter(inside: Option<Inside>) {
    let name = std::env::args_os().next();
    match name.as_deref().and_then(|name| name.to_str()) {
        Some(HELPER) => std::process::exit(helper()),
        Some(INIT) => std::process::exit(init::run()),
        Some(cell::HELPER) => std::process::exit(cell::helper()),
        Some(cell::INIT) => std::process::exit(inside.map_or(1, cell::run)),
        Some(guard::GUARD) => std::process::exit(guard::run()),
        Some(guard::GUARDED) => std::process::exit(guard::become_command()),
        // Who calls it twice is what the first call made of it.
        _ => ENTERED.get_or_init(|| Entered { cells: inside.is_some() }),
    };
}

/// That `main` made the call. Without it a helper would be this whole program once more, and so
/// on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entered {
    /// There is something to go on with in a cell.
    pub(super) cells: bool,
}

static ENTERED: OnceLock<Entered> = OnceLock::new();

pub(super) fn entered() -> Option<Entered> {
    ENTERED.get().copied()
}

/// This program again, with its end of a new socket as its standard input and nothing else; of
/// this process group, or `apart` in one of its own.
pub(super) fn start(name: &str, apart: bool) -> io::Result<(UnixStream, Child)> {
    let (ours, theirs) = UnixStream::pair()?;
    let nowhere = || fs::File::open("/dev/null").map(Stdio::from);
    let mut command = Command::new("/proc/self/exe");
    if apart {
        command.process_group(0);
    }
    let child = command
        .arg0(name)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(nowhere()?)
        .stderr(nowhere()?)
        .spawn()?;
    Ok((ours, child))
}

/// The socket that a helper was started with.
pub(super) fn inherited_socket() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Whoever hears of a failure is the caller; without one there is nobody to tell.
fn helper() -> i32 {
    let Ok(caller) = inherited_socket() else { return 1 };
    let caller_pid = getppid();
    let Ok(Some((spec, stdio))) = wire::receive::<Spec>(&caller) else { return 1 };
    let wanted =
        Wanted { init: INIT, caller: spec.caller, network: spec.network, detached: spec.detached };
    match namespaced(&caller, caller_pid, &wanted, &spec, stdio) {
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
        Err(failure) => {
            // A caller that is gone needs no answer.
            let _ = wire::send(&caller, &Answer::Failed(failure), &[]);
            1
        }
    }
}

/// What a helper makes.
pub(super) struct Wanted {
    /// The name of its process 1.
    pub(super) init: &'static str,
    /// Who asked for it.
    pub(super) caller: i32,
    /// In the host's network.
    pub(super) network: bool,
    /// The helper was started in a process group of its own.
    pub(super) detached: bool,
}

/// Makes the namespaces, starts process 1 in them, and tells it what to do; how it ended.
pub(super) fn namespaced<T: Serialize>(
    caller: &UnixStream,
    caller_pid: Option<Pid>,
    wanted: &Wanted,
    spec: &T,
    given: Vec<OwnedFd>,
) -> Result<ExitStatus, Failure> {
    close_inherited().needing(Needed::Helper, "close inherited descriptors")?;
    let caller_alive = watched(caller_pid, wanted.caller)?;
    let privilege = namespaces(wanted.network)?;
    caps::keep_over_exec()?;
    let (socket, mut child) =
        start(wanted.init, false).needing(Needed::Helper, "start process 1")?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let init_alive = pid
        .ok_or(io::Error::from(io::ErrorKind::InvalidInput))
        .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?))
        .needing(Needed::Helper, "watch process 1")?;
    // The terminal's signals must not reach the helper. One of a detached command was started
    // in a group of its own, so that there is no moment at which they would. Else they are for
    // the command, which stays where the caller is.
    if !wanted.detached {
        setsid().needing(Needed::Helper, "setsid")?;
    }

    // It says so when it is bound to die with us; only then is it told what to do.
    let armed = matches!(wire::receive::<init::Armed>(&socket), Ok(Some(_)));
    let mut fds: Vec<BorrowedFd<'_>> = given.iter().map(AsFd::as_fd).collect();
    fds.push(caller.as_fd());
    let told = wire::send(caller, &Answer::Started, &[init_alive.as_fd()])
        .and_then(|()| wire::send(&socket, &(spec, privilege), &fds));
    // Who waits for the other side to be closed waits for nobody but process 1.
    drop(given);
    if armed && told.is_ok() {
        watch(&init_alive, &caller_alive);
    }
    let _ = child.kill(); // it may have ended
    child.wait().needing(Needed::Helper, "wait for process 1")
}

/// What tells the caller's end, if our parent is still the one who says that it is the caller.
pub(super) fn watched(parent: Option<Pid>, caller: i32) -> Result<OwnedFd, Failure> {
    // The whole process, not the thread that spawned us, as PR_SET_PDEATHSIG would have it.
    let parent = parent.filter(|pid| pid.as_raw_nonzero().get() == caller);
    parent
        .ok_or(io::Error::from(io::ErrorKind::NotFound))
        .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?))
        .needing(Needed::Helper, "watch the caller")
}

/// Until process 1 has ended; kills it when the caller ends first.
fn watch(init: &OwnedFd, caller: &OwnedFd) {
    loop {
        let mut fds = [PollFd::new(init, PollFlags::IN), PollFd::new(caller, PollFlags::IN)];
        if poll(&mut fds, None).is_err() {
            continue; // EINTR
        }
        if !fds[0].revents().is_empty() {
            return;
        }
        if !fds[1].revents().is_empty() {
            let _ = pidfd_send_signal(init, Signal::KILL); // it may have ended
            return;
        }
    }
}

/// No descriptor that this process was given goes on to process 1, beyond the standard three.
#[expect(unsafe_code, reason = "a descriptor is known by its number only")]
fn close_inherited() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if number <= 2 {
            continue;
        }
        // SAFETY: the number was listed a moment ago by this only thread, which has closed
        // nothing since, and the borrow ends with the statement. The directory's own
        // descriptor is listed too, and still open.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        fcntl_setfd(fd, FdFlags::CLOEXEC)?;
    }
    Ok(())
}

#[expect(unsafe_code, reason = "unshare is unsafe for what it does to descriptor tables")]
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: the only danger named is CLONE_FILES, which is not among the flags.
    Ok(unsafe { unshare_unsafe(flags) }?)
}

fn namespaces(network: bool) -> Result<Privilege, Failure> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let admin =
        capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN));
    if !admin {
        unshare(UnshareFlags::NEWUSER)
            .needing(Needed::UserNamespace, "unshare a user namespace")?;
        fs::write("/proc/self/setgroups", "deny")
            .needing(Needed::UserNamespace, "write /proc/self/setgroups")?;
        fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))
            .needing(Needed::UserNamespace, "write /proc/self/uid_map")?;
        fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
            .needing(Needed::UserNamespace, "write /proc/self/gid_map")?;
    }
    let mut flags = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    if !network {
        flags |= UnshareFlags::NEWNET;
    }
    unshare(flags).needing(Needed::Namespaces, "unshare namespaces")?;
    Ok(if admin { Privilege::Root } else { Privilege::UserNamespace })
}

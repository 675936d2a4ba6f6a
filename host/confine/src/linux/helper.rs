//! The helper: makes the namespaces, starts process 1 in them, and waits.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{
    Pid, PidfdFlags, Signal, getegid, geteuid, getppid, pidfd_open, pidfd_send_signal, setsid,
};
use rustix::thread::{CapabilitySet, UnshareFlags, capabilities, unshare_unsafe};

use super::wire::{self, Answer, Failure, Needing as _, Spec};
use super::{caps, guard, init};
use crate::{Needed, Privilege};

pub(super) const HELPER: &str = "brio-room";
const INIT: &str = "brio-room-init";

/// Becomes the helper of a room, its process 1, or the guard of an unconfined command, if this
/// process was started as one; returns at once otherwise.
///
/// Must be the first thing in `main`, before threads are started or descriptors are opened.
pub fn enter_if_asked() {
    let name = std::env::args_os().next();
    match name.as_deref().and_then(|name| name.to_str()) {
        Some(HELPER) => std::process::exit(helper()),
        Some(INIT) => std::process::exit(init::run()),
        Some(guard::GUARD) => std::process::exit(guard::run()),
        Some(guard::GUARDED) => std::process::exit(guard::become_command()),
        // Release: nothing but the flag itself.
        _ => ENTERED.store(true, Ordering::Release),
    }
}

/// Without the call in `main` a helper would be this whole program once more, and so on.
static ENTERED: AtomicBool = AtomicBool::new(false);

pub(super) fn entered() -> bool {
    ENTERED.load(Ordering::Acquire)
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
    match room(&caller, caller_pid, &spec, &stdio) {
        Ok(status) => status,
        Err(failure) => {
            // A caller that is gone needs no answer.
            let _ = wire::send(&caller, &Answer::Failed(failure), &[]);
            1
        }
    }
}

fn room(
    caller: &UnixStream,
    caller_pid: Option<Pid>,
    spec: &Spec,
    stdio: &[OwnedFd],
) -> Result<i32, Failure> {
    close_inherited().needing(Needed::Helper, "close inherited descriptors")?;
    let caller_alive = watched(caller_pid, spec.caller)?;
    let privilege = namespaces(spec.network)?;
    caps::keep_over_exec()?;
    let (socket, mut child) = start(INIT, false).needing(Needed::Helper, "start process 1")?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let init_alive = pid
        .ok_or(io::Error::from(io::ErrorKind::InvalidInput))
        .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?))
        .needing(Needed::Helper, "watch process 1")?;
    // The terminal's signals must not reach the helper. One of a detached command was started
    // in a group of its own, so that there is no moment at which they would. Else they are for
    // the command, which stays where the caller is.
    if !spec.detached {
        setsid().needing(Needed::Helper, "setsid")?;
    }

    // It says so when it is bound to die with us; only then is it told what to do.
    let armed = matches!(wire::receive::<init::Armed>(&socket), Ok(Some(_)));
    let mut fds: Vec<BorrowedFd<'_>> = stdio.iter().map(AsFd::as_fd).collect();
    fds.push(caller.as_fd());
    let told = wire::send(caller, &Answer::Started, &[init_alive.as_fd()])
        .and_then(|()| wire::send(&socket, &(spec, privilege), &fds));
    if armed && told.is_ok() {
        watch(&init_alive, &caller_alive);
    }
    let _ = child.kill(); // it may have ended
    let status = child.wait().needing(Needed::Helper, "wait for process 1")?;
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
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

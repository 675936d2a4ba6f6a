//! Process 1 of a room: builds the root, confines itself, starts the command, reaps.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal,
    set_dumpable_behavior, set_parent_process_death_signal, setsid,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::wire::{self, Answer, Failure, Needing as _, Spec, errno, path_of};
use super::{caps, helper, landlock, limits, loopback, root, seccomp};
use crate::{Namespace, Needed, Privilege, Report};

/// What process 1 says when it is bound to die with the helper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Armed;

pub(super) fn run() -> i32 {
    let Some(Told { spec, privilege, caller, given: stdio }) = told::<Spec>() else { return 1 };
    let ended = room(&caller, &spec, privilege).and_then(|()| command(&caller, &spec, stdio));
    let (answer, code) = match ended {
        Ok(status) => (Answer::Ended(status), shell_code(status)),
        Err(failure) => (Answer::Failed(failure), 1),
    };
    // A caller that is gone takes the room with it, by the helper.
    let _ = wire::send(&caller, &answer, &[]);
    code
}

/// What process 1 is told by its helper.
pub(super) struct Told<T> {
    pub(super) spec: T,
    pub(super) privilege: Privilege,
    /// To answer by.
    pub(super) caller: UnixStream,
    /// The descriptors that the caller gave.
    pub(super) given: Vec<OwnedFd>,
}

/// Binds this process to the helper's life, and asks it what to do. `None`: the helper is gone.
pub(super) fn told<T: DeserializeOwned>() -> Option<Told<T>> {
    let helper = helper::inherited_socket().ok()?;
    // Not dumpable: what runs in the room, with the same user, can neither trace this process
    // nor reach the host's files by its /proc/1/exe, cwd or fd.
    set_parent_process_death_signal(Some(Signal::KILL)).ok()?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).ok()?;
    wire::send(&helper, &Armed, &[]).ok()?;
    let ((spec, privilege), mut given) = wire::receive::<(T, Privilege)>(&helper).ok()??;
    let caller = UnixStream::from(given.pop()?);
    Some(Told { spec, privilege, caller, given })
}

/// The status of a wait as shells give it.
pub(super) fn shell_code(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}

/// Makes the room around this process. After it there is no way back.
fn room(caller: &UnixStream, spec: &Spec, privilege: Privilege) -> Result<(), Failure> {
    if spec.detached {
        setsid().needing(Needed::Helper, "setsid")?;
    }
    if !spec.network {
        loopback::up().needing(Needed::Loopback, "bring up the loopback device")?;
    }
    caps::no_new_privs()?;
    let mut lacking = Vec::new();
    let known = landlock::probe();
    lacking.extend(landlock::lacking(known));
    let fuse = root::build(&spec.places, spec.limits.private_bytes)?;
    let own_proc = || Ok(std::fs::File::open("/proc")?.into());
    let processes = limits::processes(spec.limits.processes, privilege, own_proc)?;
    lacking.extend(limits::lacking(processes));
    root::seal()?;
    limits::apply(&spec.limits)?;
    let report = Report {
        privilege,
        namespaces: namespaces(spec.network, privilege),
        landlock: known,
        seccomp: true,
        no_new_privs: true,
        processes,
        lacking,
    };
    let fds: Vec<_> = fuse.iter().map(AsFd::as_fd).collect();
    wire::send(caller, &Answer::Ready(report), &fds)
        .needing(Needed::Helper, "answer the caller")?;
    // Only the caller holds /dev/fuse from here on, so that its end ends the mount.
    drop(fuse);
    if known.is_some() {
        landlock::enforce(&spec.places)?;
    }
    caps::drop_all(privilege)?;
    seccomp::install()
}

pub(super) fn namespaces(network: bool, privilege: Privilege) -> Vec<Namespace> {
    use Namespace::{Cgroup, Ipc, Mount, Network, Pid, User, Uts};
    let mut all = vec![Mount, Pid, Ipc, Uts, Cgroup];
    if privilege == Privilege::UserNamespace {
        all.insert(0, User);
    }
    if !network {
        all.push(Network);
    }
    all
}

/// Starts the command and waits for it; its wait status.
fn command(caller: &UnixStream, spec: &Spec, stdio: Vec<OwnedFd>) -> Result<i32, Failure> {
    let Some((program, arguments)) = spec.argv.split_first() else { return Ok(0) };
    let failed = |e: &io::Error| Failure::Command {
        program: String::from_utf8_lossy(program).into_owned(),
        errno: errno(e),
    };
    let os = |bytes: &Vec<u8>| OsString::from_vec(bytes.clone());
    let [stdin, stdout, stderr] = streams(spec.null, stdio)?;
    let mut command = Command::new(os(program));
    command
        .args(arguments.iter().map(os))
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (os(name), os(value))))
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr);
    // Apart, so that a missing directory is not taken for a missing program.
    let cwd = path_of(spec.cwd.clone());
    std::env::set_current_dir(&cwd)
        .map_err(|e| Failure::Bind { path: spec.cwd.clone(), errno: errno(&e) })?;
    let child = command.spawn().map_err(|e| failed(&e))?;
    // Holds the command's streams, whose end others wait for.
    drop(command);
    let pid = pid_of(&child).map_err(|e| failed(&e))?;
    forward_signals(caller, pid).map_err(|e| failed(&e))?;
    reap_until(pid).map_err(|e| failed(&e))
}

pub(super) fn streams(null: [bool; 3], stdio: Vec<OwnedFd>) -> Result<[Stdio; 3], Failure> {
    let fail = |e: &io::Error| Failure::Bind { path: b"/dev/null".to_vec(), errno: errno(e) };
    let mut given = stdio.into_iter();
    let mut stream = |number: usize, null: bool| match (!null).then(|| given.next()).flatten() {
        Some(fd) => Ok(Stdio::from(fd)),
        None => std::fs::OpenOptions::new()
            .read(number == 0)
            .write(number != 0)
            .open("/dev/null")
            .map(Stdio::from)
            .map_err(|e| fail(&e)),
    };
    Ok([stream(0, null[0])?, stream(1, null[1])?, stream(2, null[2])?])
}

pub(super) fn pid_of(child: &Child) -> io::Result<Pid> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
}

/// Signals come as bytes from the caller.
fn forward_signals(caller: &UnixStream, pid: Pid) -> io::Result<()> {
    let command = pidfd_open(pid, PidfdFlags::empty())?;
    let mut caller = caller.try_clone()?;
    let forward = move || {
        let mut byte = [0];
        while caller.read_exact(&mut byte).is_ok() {
            if let Some(signal) = Signal::from_named_raw(i32::from(byte[0])) {
                let _ = pidfd_send_signal(&command, signal); // it may have ended
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(forward)?;
    Ok(())
}

/// Reaps whatever ends in the room, until it is the command.
fn reap_until(command: Pid) -> io::Result<i32> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => return Ok(status.as_raw()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

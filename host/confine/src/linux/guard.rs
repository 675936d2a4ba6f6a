//! The guard of an unconfined command: its parent, which ends it with its caller.
//!
//! Two processes, as of a room: the guard, and one that binds its life to the guard's and then
//! becomes the command. What the command leaves behind becomes the guard's child, wherever it
//! hides from process groups and sessions.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, getppid, kill_process, kill_process_group,
    pidfd_open, set_child_subreaper, set_parent_process_death_signal, setsid, wait,
};
use serde::{Deserialize, Serialize};

use super::helper::{self, inherited_socket};
use super::init::{self, Armed};
use super::wire::{self, Answer, Bytes, Failure, Needing as _, errno, path_of};
use crate::Needed;

pub(super) const GUARD: &str = "brio-guard";
pub(super) const GUARDED: &str = "brio-guarded";

/// What the caller may ask of a guard, a byte each.
pub(super) const TERMINATE: u8 = b't';
pub(super) const KILL: u8 = b'k';

/// How often it is looked for orphans that have ended.
const REAP: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// What the caller asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Guarded {
    pub(super) caller: i32,
    pub(super) argv: Vec<Bytes>,
    pub(super) env: Vec<(Bytes, Bytes)>,
    pub(super) cwd: Bytes,
    pub(super) null: [bool; 3],
    pub(super) detached: bool,
}

/// The guard. Whoever hears of a failure is the caller; without one there is nobody to tell.
pub(super) fn run() -> i32 {
    let Ok(caller) = inherited_socket() else { return 1 };
    let caller_pid = getppid();
    let Ok(Some((spec, stdio))) = wire::receive::<Guarded>(&caller) else { return 1 };
    let (answer, code) = match guard(&caller, caller_pid, spec, stdio) {
        Ok(status) => (Answer::Ended(status), init::shell_code(status)),
        Err(failure) => (Answer::Failed(failure), 1),
    };
    let _ = wire::send(&caller, &answer, &[]);
    code
}

fn guard(
    caller: &UnixStream,
    caller_pid: Option<Pid>,
    spec: Guarded,
    stdio: Vec<OwnedFd>,
) -> Result<i32, Failure> {
    let caller_alive = helper::watched(caller_pid, spec.caller)?;
    set_child_subreaper(Some(getpid())).needing(Needed::Helper, "become a subreaper")?;
    let (socket, child) =
        helper::start(GUARDED, false).needing(Needed::Helper, "start the command's process")?;
    let command = init::pid_of(&child).needing(Needed::Helper, "know the command")?;
    if !spec.detached {
        // As with a room: the terminal's signals are for the command, which stays.
        setsid().needing(Needed::Helper, "setsid")?;
    }
    let mut guard = Guard { command, group: spec.detached, status: None };
    let begun = begin(&socket, &spec, stdio);
    if let Err(failure) = begun {
        guard.end_all();
        return Err(failure);
    }
    let _ = wire::send(caller, &Answer::Started, &[]); // it watches for its end
    guard.watch(caller, &caller_alive)
}

/// Tells the other process what to become, and waits until it is that.
fn begin(socket: &UnixStream, spec: &Guarded, stdio: Vec<OwnedFd>) -> Result<(), Failure> {
    let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let armed = wire::receive::<Armed>(socket).and_then(|said| said.ok_or_else(gone));
    armed.needing(Needed::Helper, "bind the command to its guard")?;
    let fds: Vec<BorrowedFd<'_>> = stdio.iter().map(AsFd::as_fd).collect();
    wire::send(socket, spec, &fds).needing(Needed::Helper, "tell what to run")?;
    // The command's streams end with the command, not with the guard.
    drop(stdio);
    match wire::receive::<Failure>(socket) {
        Ok(Some((failure, _))) => Err(failure),
        // Its socket is closed by the exec.
        Ok(None) => Ok(()),
        Err(e) => Err(Failure::refused(Needed::Helper, "start the command", &e)),
    }
}

/// The process that becomes the command.
pub(super) fn become_command() -> i32 {
    let Ok(guard) = inherited_socket() else { return 1 };
    if set_parent_process_death_signal(Some(Signal::KILL)).is_err()
        || wire::send(&guard, &Armed, &[]).is_err()
    {
        return 1;
    }
    let Ok(Some((spec, stdio))) = wire::receive::<Guarded>(&guard) else { return 1 };
    let failure = exec(spec, stdio);
    let _ = wire::send(&guard, &failure, &[]);
    1
}

/// Returns only when it failed.
fn exec(spec: Guarded, stdio: Vec<OwnedFd>) -> Failure {
    if spec.detached
        && let Err(e) = setsid()
    {
        return Failure::refused(Needed::Helper, "setsid", &e.into());
    }
    // Apart, so that a missing directory is not taken for a missing program.
    if let Err(e) = std::env::set_current_dir(path_of(spec.cwd.clone())) {
        return Failure::Bind { path: spec.cwd, errno: errno(&e) };
    }
    let [stdin, stdout, stderr] = match init::streams(spec.null, stdio) {
        Ok(streams) => streams,
        Err(failure) => return failure,
    };
    let mut argv = spec.argv.into_iter().map(OsString::from_vec);
    let program = argv.next().unwrap_or_default();
    let os = OsString::from_vec;
    let e = Command::new(&program)
        .args(argv)
        .env_clear()
        .envs(spec.env.into_iter().map(|(name, value)| (os(name), os(value))))
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .exec();
    Failure::Command { program: program.to_string_lossy().into_owned(), errno: errno(&e) }
}

struct Guard {
    command: Pid,
    /// It leads a process group.
    group: bool,
    /// How it ended.
    status: Option<i32>,
}

impl Guard {
    /// Until the command has ended, by itself or because its caller has; its wait status.
    fn watch(&mut self, caller: &UnixStream, caller_alive: &OwnedFd) -> Result<i32, Failure> {
        let alive = pidfd_open(self.command, PidfdFlags::empty());
        let alive = match alive.needing(Needed::Helper, "watch the command") {
            Ok(alive) => alive,
            Err(failure) => {
                self.end_all();
                return Err(failure);
            }
        };
        let mut asked = false;
        loop {
            self.reap();
            if let Some(status) = self.status {
                // Who asked for its end does not want what it leaves behind either.
                if asked {
                    self.end_all();
                }
                return Ok(status);
            }
            let mut fds = [
                PollFd::new(&alive, PollFlags::IN),
                PollFd::new(caller_alive, PollFlags::IN),
                PollFd::new(caller, PollFlags::IN),
            ];
            if poll(&mut fds, Some(&REAP)).is_err() {
                continue; // EINTR
            }
            let [_, gone, says] = fds.map(|fd| !fd.revents().is_empty());
            if gone || says && !self.obey(caller, &mut asked) {
                self.end_all();
                // One that may not be killed, set-user-ID as it is, goes on.
                return Ok(self.status.unwrap_or(libc::SIGKILL));
            }
        }
    }

    /// Does what the caller says; false: all shall end.
    fn obey(&self, mut caller: &UnixStream, asked: &mut bool) -> bool {
        let mut byte = [0];
        if !matches!(caller.read(&mut byte), Ok(1)) || byte != [TERMINATE] {
            return false;
        }
        *asked = true;
        self.signal(Signal::TERM);
        true
    }

    fn signal(&self, signal: Signal) {
        // It is not reaped yet, so the number is its own; whether it has ended is no matter.
        let _ = match self.group {
            true => kill_process_group(self.command, signal),
            false => kill_process(self.command, signal),
        };
    }

    /// Reaps whatever has ended.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == self.command {
                self.status = Some(status.as_raw());
            }
        }
    }

    /// Kills the command and all that descends from it: the children of what is killed become
    /// ours. Returns when there is nobody left whom we may kill.
    fn end_all(&mut self) {
        if self.status.is_none() {
            self.signal(Signal::KILL);
        }
        let mut patience = Duration::from_millis(1);
        loop {
            self.reap();
            let killed =
                children().into_iter().filter(|pid| kill_process(*pid, Signal::KILL).is_ok());
            if killed.count() == 0 {
                return;
            }
            std::thread::sleep(patience);
            patience = (patience * 2).min(Duration::from_millis(100));
        }
    }
}

/// The processes whose parent this one is. None of them is reaped meanwhile.
fn children() -> Vec<Pid> {
    let own = getpid().as_raw_nonzero().get();
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let child = |name: OsString| {
        let pid: i32 = name.to_str()?.parse().ok()?;
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The name, in brackets, may hold anything.
        let rest = &stat[stat.iter().rposition(|b| *b == b')')? + 1..];
        let parent = std::str::from_utf8(rest).ok()?.split_whitespace().nth(1)?;
        (parent.parse() == Ok(own)).then(|| Pid::from_raw(pid)).flatten()
    };
    all.filter_map(|entry| child(entry.ok()?.file_name())).collect()
}

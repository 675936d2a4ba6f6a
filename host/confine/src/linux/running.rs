//! A command in a room, as its caller sees it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

use serde::Serialize;

use super::helper;
use super::wire::{self, Answer, Spec};
use crate::places::Place;
use crate::room::Stdio;
use crate::{Command, Exit, Report, Room, RoomError, Workspace, places};

/// Makes an empty room and ends it: what a room on this machine would be confined by.
///
/// # Errors
/// As [`Room::spawn`].
pub fn probe() -> Result<Report, RoomError> {
    let mut running = Room::empty().spawn(Command::default())?;
    running.wait()?;
    Ok(running.report.clone())
}

impl Room {
    /// Makes the room and starts the command in it. A command without arguments only makes it.
    ///
    /// Returns when the room is made; the command starts as soon as its workspace answers, so
    /// a [`Workspace::Fuse`] must be served from then on. Whether it could be started is what
    /// [`Running::wait`] tells.
    ///
    /// # Errors
    /// A place that cannot be in a room, a mechanism that this machine refuses, or no FUSE.
    /// Nothing of the command ran then, and nothing is left behind.
    pub fn spawn(&self, command: Command) -> Result<Running, RoomError> {
        if helper::entered().is_none() {
            return Err(RoomError::NotEntered);
        }
        let planned = places::plan(self)?;
        let mounts = planned.iter().filter(|(_, place)| matches!(place, Place::Fuse { .. }));
        let mounts: Vec<_> = mounts.map(|(path, _)| path.clone()).collect();
        if mounts.len() > wire::MOST_FDS {
            return Err(RoomError::Mounts { most: wire::MOST_FDS });
        }
        let places = wire::wire_places(planned);
        let workspace = self.workspace.as_ref().map_or(Path::new("/"), Workspace::path);
        let cwd = command.cwd.as_deref().unwrap_or(workspace);
        let stdio = descriptors(command.stdin, command.stdout, command.stderr)?;
        let spec = Spec {
            caller: std::process::id().cast_signed(),
            places,
            network: self.network,
            limits: self.limits,
            argv: wire::argv(command.argv),
            env: wire::env(command.env),
            cwd: cwd.as_os_str().as_bytes().to_vec(),
            null: stdio.each_ref().map(Option::is_none),
            detached: command.detached,
        };
        let fds: Vec<_> = stdio.iter().flatten().map(AsFd::as_fd).collect();
        let starting = Starting::begin(helper::HELPER, spec.detached, &spec, &fds)?;
        let (mut running, fds) = starting.ready(true)?;
        let (own, views): (Vec<_>, Vec<_>) =
            mounts.into_iter().zip(fds).partition(|(path, _)| path == workspace);
        running.fuse = own.into_iter().next().map(|(_, fd)| fd);
        running.views = views;
        Ok(running)
    }
}

/// A helper that has not yet said that the room is ready. Dropped, it is killed and reaped.
pub(super) struct Starting {
    pub(super) socket: UnixStream,
    pub(super) child: Option<Child>,
}

impl Starting {
    /// Starts it, and tells it what to do with these descriptors.
    pub(super) fn begin<T: Serialize>(
        name: &str,
        apart: bool,
        spec: &T,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Self, RoomError> {
        let (socket, child) = helper::start(name, apart).map_err(failed("start the helper"))?;
        let mut starting = Self { socket, child: Some(child) };
        match wire::send(&starting.socket, spec, fds) {
            Ok(()) => Ok(starting),
            Err(_) => Err(starting.no_answer()),
        }
    }

    pub(super) fn receive(&mut self) -> Result<(Answer, Vec<OwnedFd>), RoomError> {
        match wire::receive::<Answer>(&self.socket) {
            Ok(Some((Answer::Failed(failure), _))) => Err(failure.into()),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) | Err(_) => Err(self.no_answer()),
        }
    }

    /// Waits until process 1 says that all is made; with the descriptors that it sends.
    pub(super) fn ready(mut self, signals: bool) -> Result<(Running, Vec<OwnedFd>), RoomError> {
        let (answer, fds) = self.receive()?;
        let (Answer::Started, Some(init)) = (answer, fds.into_iter().next()) else {
            return Err(self.no_answer());
        };
        let (answer, fds) = self.receive()?;
        let Answer::Ready(report) = answer else { return Err(self.no_answer()) };
        let socket = self.socket.try_clone().map_err(failed("keep the socket"))?;
        let Some(child) = self.child.take() else { return Err(self.no_answer()) };
        let handle = Handle { init: Arc::new(init), socket: Arc::new(socket), signals };
        Ok((Running { fuse: None, views: Vec::new(), report, child, handle, exit: None }, fds))
    }

    pub(super) fn no_answer(&mut self) -> RoomError {
        let status = self.child.take().map(|mut child| {
            let _ = child.kill(); // it may have ended
            child.wait()
        });
        RoomError::Helper {
            status: match status {
                Some(Ok(status)) => status.to_string(),
                Some(Err(e)) => e.to_string(),
                None => "gone".to_owned(),
            },
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A command in a room, or this program in a [`Cell`](crate::Cell). Dropped before its end, it is
/// killed with everything in the room.
#[derive(Debug)]
pub struct Running {
    /// The `/dev/fuse` descriptor of a [`Workspace::Fuse`], to be served. Take it.
    pub fuse: Option<OwnedFd>,
    /// The descriptors of the mounts of [`Room::view`], with their paths, to be served. Take them.
    pub views: Vec<(PathBuf, OwnedFd)>,
    report: Report,
    child: Child,
    handle: Handle,
    exit: Option<Exit>,
}

impl Running {
    /// What confines it.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The process id of the helper, which ends with the room. Killing it kills the room.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process id of process 1 as the caller sees it, for what the kernel tells of a process
    /// (`/proc/PID/stat`); in a cell that is the only process. `None` once it has ended, and
    /// where there is no `/proc`. To end it, [`Handle::kill`] cannot miss.
    pub fn init_pid(&self) -> Option<u32> {
        let path = format!("/proc/self/fdinfo/{}", self.handle.init.as_raw_fd());
        let text = std::fs::read_to_string(path).ok()?;
        // 0: of another PID namespace; -1: reaped.
        let pid = text.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()?;
        (pid > 0).then_some(pid)
    }

    /// What controls it from another thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits for the command's end, and that of everything in the room.
    ///
    /// When it returns, no process of the room is left, and its mounts are gone. A FUSE
    /// workspace must be served until then.
    ///
    /// # Errors
    /// [`RoomError::Command`] if the command could not be started, [`RoomError::Bind`] if its
    /// directory could not be entered, [`RoomError::Refused`] if process 1 could not be confined.
    pub fn wait(&mut self) -> Result<Exit, RoomError> {
        if let Some(exit) = self.exit {
            return Ok(exit);
        }
        let answer = last_answer(&self.handle.socket);
        self.child.wait().map_err(failed("wait for the helper"))?;
        self.gone()?;
        let ended = exit_of(answer);
        self.exit = Some(*ended.as_ref().unwrap_or(&Exit::Killed));
        ended
    }

    /// As [`wait`](Self::wait), for at most that long: `None` if the command still runs.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<Exit>, RoomError> {
        if self.exit.is_none() && silent(&self.handle.socket, timeout) {
            return Ok(None);
        }
        self.wait().map(Some)
    }

    /// Waits until process 1 is gone, also where the helper was killed before it: its end is
    /// the end of all others in the room.
    fn gone(&self) -> Result<(), RoomError> {
        loop {
            let mut fds = [PollFd::new(&self.handle.init, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(failed("wait for the end of the room")(e.into())),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.exit.is_none() {
            self.handle.kill();
            let _ = self.child.wait();
            let _ = self.gone();
        }
    }
}

/// What controls a room from another thread.
#[derive(Debug, Clone)]
pub struct Handle {
    init: Arc<OwnedFd>,
    socket: Arc<UnixStream>,
    /// There is a command, to which process 1 passes them on.
    signals: bool,
}

impl Handle {
    /// Kills everything in the room. Does nothing if it has ended.
    pub fn kill(&self) {
        let _ = pidfd_send_signal(&self.init, Signal::KILL);
    }

    /// Sends a signal to the command, by its number.
    ///
    /// # Errors
    /// The room has ended, or there is no such signal; a cell takes none, being process 1.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        if !self.signals {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        let byte = Signal::from_named_raw(signal).and_then(|_| u8::try_from(signal).ok());
        let byte = byte.ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
        io::Write::write_all(&mut &*self.socket, &[byte])
    }
}

/// The last that is said before the socket's end.
pub(super) fn last_answer(socket: &UnixStream) -> Option<Answer> {
    let mut answer = None;
    while let Ok(Some((said, _))) = wire::receive::<Answer>(socket) {
        answer = Some(said);
    }
    answer
}

/// What an answer says of the command's end.
pub(super) fn exit_of(answer: Option<Answer>) -> Result<Exit, RoomError> {
    match answer {
        Some(Answer::Failed(failure)) => Err(failure.into()),
        Some(Answer::Ended(status)) if libc::WIFSIGNALED(status) => {
            Ok(Exit::Signal(libc::WTERMSIG(status)))
        }
        Some(Answer::Ended(status)) => Ok(Exit::Code(libc::WEXITSTATUS(status))),
        _ => Ok(Exit::Killed),
    }
}

/// Whether nothing is said for so long.
pub(super) fn silent(socket: &UnixStream, timeout: Duration) -> bool {
    let timeout = Timespec::try_from(timeout).ok();
    let mut fds = [PollFd::new(socket, PollFlags::IN)];
    matches!(poll(&mut fds, timeout.as_ref()), Ok(0) | Err(rustix::io::Errno::INTR))
}

/// The command's standard streams, as they are sent.
pub(super) fn descriptors(
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
) -> Result<[Option<OwnedFd>; 3], RoomError> {
    Ok([
        descriptor(stdin, &io::stdin())?,
        descriptor(stdout, &io::stdout())?,
        descriptor(stderr, &io::stderr())?,
    ])
}

/// Nothing stands for the room's own `/dev/null`: the host's must not be handed in, where who
/// owns it could change its mode.
fn descriptor(stdio: Stdio, own: &impl AsFd) -> Result<Option<OwnedFd>, RoomError> {
    match stdio {
        Stdio::Null => Ok(None),
        Stdio::Inherit => own
            .as_fd()
            .try_clone_to_owned()
            .map(Some)
            .map_err(failed("duplicate a standard stream")),
        Stdio::Descriptor(fd) => Ok(Some(fd)),
    }
}

pub(super) fn failed(step: &str) -> impl FnOnce(io::Error) -> RoomError {
    let step = step.to_owned();
    move |source| RoomError::Io { step, source }
}

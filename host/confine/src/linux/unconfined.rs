//! A command without a room, as its caller sees it.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use super::guard::{GUARD, Guarded, KILL, TERMINATE};
use super::helper;
use super::running::{Starting, descriptors, exit_of, failed, last_answer, silent};
use super::wire::{self, Answer};
use crate::{Command, Exit, RoomError};

impl Command {
    /// Starts it with all the rights of the caller, but not without it: whatever the command
    /// starts ends with this process, however that ends. Only what runs with another user's
    /// rights, as a set-user-ID program, cannot be ended.
    ///
    /// Without a `cwd` it starts in the root directory. A [`detached`](Self::detached) one leads
    /// a process group, to which [`Unconfined::terminate`] speaks.
    ///
    /// # Errors
    /// [`RoomError::Command`] if the command could not be started, [`RoomError::Bind`] if its
    /// directory could not be entered, or an error of its guard. Nothing of it ran then.
    pub fn spawn_unconfined(self) -> Result<Unconfined, RoomError> {
        if helper::entered().is_none() {
            return Err(RoomError::NotEntered);
        }
        let cwd = self.cwd.as_deref().unwrap_or(Path::new("/"));
        let stdio = descriptors(self.stdin, self.stdout, self.stderr)?;
        let spec = Guarded {
            caller: std::process::id().cast_signed(),
            cwd: cwd.as_os_str().as_bytes().to_vec(),
            argv: wire::argv(self.argv),
            env: wire::env(self.env),
            null: stdio.each_ref().map(Option::is_none),
            detached: self.detached,
        };
        let fds: Vec<_> = stdio.iter().flatten().map(AsFd::as_fd).collect();
        let mut starting = Starting::begin(GUARD, spec.detached, &spec, &fds)?;
        let (answer, _) = starting.receive()?;
        let (Answer::Started, Some(child)) = (answer, starting.child.take()) else {
            return Err(starting.no_answer());
        };
        let socket = starting.socket.try_clone().map_err(failed("keep the socket"))?;
        Ok(Unconfined { child, socket, exit: None })
    }
}

/// A command with all the rights of its caller. Dropped before its end, it is killed with all
/// that it started.
#[derive(Debug)]
pub struct Unconfined {
    /// The guard.
    child: Child,
    socket: UnixStream,
    exit: Option<Exit>,
}

impl Unconfined {
    /// Waits for the command's end. What it left behind in the background goes on, if nobody
    /// asked for its end.
    ///
    /// # Errors
    /// The guard failed; the command was killed.
    pub fn wait(&mut self) -> Result<Exit, RoomError> {
        if let Some(exit) = self.exit {
            return Ok(exit);
        }
        let answer = last_answer(&self.socket);
        self.child.wait().map_err(failed("wait for the guard"))?;
        let ended = exit_of(answer);
        self.exit = Some(*ended.as_ref().unwrap_or(&Exit::Killed));
        ended
    }

    /// As [`wait`](Self::wait), for at most that long: `None` if the command still runs.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<Exit>, RoomError> {
        if self.exit.is_none() && silent(&self.socket, timeout) {
            return Ok(None);
        }
        self.wait().map(Some)
    }

    /// Asks it to end (SIGTERM); once it has, what it left behind is killed.
    pub fn terminate(&self) {
        self.say(TERMINATE);
    }

    /// Kills it, and all that it started.
    pub fn kill(&self) {
        self.say(KILL);
    }

    fn say(&self, what: u8) {
        let _ = std::io::Write::write_all(&mut &self.socket, &[what]); // it may have ended
    }
}

impl Drop for Unconfined {
    fn drop(&mut self) {
        if self.exit.is_none() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

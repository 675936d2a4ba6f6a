//! The bell of who holds a lease: the named pipe `channel` beside it.
//!
//! What is wanted is a file, `stop`, which nobody can miss; the pipe only has it seen at once.
//! Where no pipe can be had the holder looks at intervals.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, mknodat, openat};
use rustix::io::Errno;

const CHANNEL: &[u8] = b"channel";

/// The holder's end, and a pipe of its own where the named one cannot be had.
pub(super) struct Bell {
    heard: OwnedFd,
    rung: Option<OwnedFd>,
}

impl Bell {
    /// Hangs it up in a session's directory.
    pub(super) fn hang(dir: impl AsFd) -> io::Result<Self> {
        match named(&dir) {
            Ok(both) => Ok(Self { heard: both, rung: None }),
            Err(error) => {
                tracing::debug!(%error, "no named pipe; requests are looked for at intervals");
                let (heard, rung) = io::pipe()?;
                let (heard, rung) = (OwnedFd::from(heard), OwnedFd::from(rung));
                for end in [&heard, &rung] {
                    rustix::fs::fcntl_setfl(end, OFlags::NONBLOCK)?;
                }
                Ok(Self { heard, rung: Some(rung) })
            }
        }
    }

    /// Waits until somebody rings, or for so long.
    pub(super) fn wait(&self, patience: Duration) {
        let patience =
            Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
        let mut heard = [PollFd::new(&self.heard, PollFlags::IN)];
        if poll(&mut heard, Some(&patience)).is_ok_and(|n| n > 0) {
            // What is written there means nothing: it is drained, so that the next one is heard.
            let mut some = [0; 512];
            while matches!(rustix::io::read(&self.heard, &mut some), Ok(n) if n == some.len()) {}
        }
    }

    /// Has whoever waits look.
    pub(super) fn ring(&self) {
        let into: BorrowedFd<'_> = self.rung.as_ref().unwrap_or(&self.heard).as_fd();
        let _ = rustix::io::write(into, b"\n");
    }
}

/// One who holds both ends never meets the end of the file.
fn named(dir: impl AsFd) -> io::Result<OwnedFd> {
    let how = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = match openat(&dir, CHANNEL, how, Mode::empty()) {
        Err(Errno::NOENT) => {
            mknodat(&dir, CHANNEL, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
            openat(&dir, CHANNEL, how, Mode::empty())?
        }
        opened => opened?,
    };
    if is_pipe(&fd) { Ok(fd) } else { Err(io::Error::other("it is no pipe")) }
}

fn is_pipe(fd: impl AsFd) -> bool {
    fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
}

/// Takes it down again, so that nobody who copies the directory waits at a pipe. Whoever holds
/// the lease next has not got it yet.
pub(super) fn take_down(dir: impl AsFd) {
    if openat(&dir, CHANNEL, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        .is_ok_and(is_pipe)
    {
        let _ = rustix::fs::unlinkat(dir, CHANNEL, rustix::fs::AtFlags::empty());
    }
}

/// Rings the bell of a session. Without one, or with nobody there, nothing happens.
pub(super) fn ring(dir: impl AsFd) {
    let how = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    if let Ok(fd) = openat(dir, CHANNEL, how, Mode::empty())
        && is_pipe(&fd)
    {
        let _ = rustix::io::write(fd, b"stop\n");
    }
}

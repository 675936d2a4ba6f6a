//! The writer lease: `flock` decides who may write; its content tells people who that is.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use brio_session::Time;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::errors::Doing;
use crate::look::Look;
use crate::state::State;
use crate::{LeaseError, LeaseStatus, SessionError, SessionId, meta};

const LEASE: &[u8] = b"lease";
const STOP: &[u8] = b"stop";
const BEAT: Duration = Duration::from_secs(2);
const SILENT_SECS: i64 = 4;
const POLL: Duration = Duration::from_millis(150);
const PATIENCE: Duration = Duration::from_secs(5);

/// Content of `sessions/<id>/lease` while it is held.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    /// When that process started, in clock ticks since boot: a reused pid has another.
    start: u64,
    boot: String,
    heartbeat: Time,
    purpose: String,
    /// It lets go when it is asked, and loses nothing by that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    yields: bool,
}

/// For what a lease is held.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// For one operation.
    Brief,
    /// For a run, which lasts.
    Run,
    /// As long as nobody else wants it.
    Yielding,
}

/// The right to write in a session, held.
pub(crate) struct Lease {
    file: Arc<File>,
    beat: Option<Beat>,
    stop: Arc<AtomicBool>,
}

struct Beat {
    done: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

/// How long to try.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Somebody else's lease is an error at once.
    Refuse,
    /// Ask the holder to stop, and wait for five seconds.
    Stop,
}

impl Lease {
    /// Takes the lease of a session. A holder that yields is asked to let go by everybody.
    pub(crate) fn take(
        state: &Arc<State>,
        id: &SessionId,
        purpose: &str,
        ask: Ask,
        hold: Hold,
    ) -> Result<Self, LeaseError> {
        let dir = match meta::dir(state, id) {
            Ok(dir) => dir,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(crate::journal::ended(state, id).into());
            }
            Err(e) => return Err(crate::HostError::new(id, e).into()),
        };
        let file = open(&dir).doing(id)?;
        if let Err(holder) = wait(state, &dir, &file, ask).doing(id)? {
            return Err(LeaseError::Busy { id: id.clone(), pid: holder.map_or(0, |h| h.pid) });
        }
        // It may have been rolled back between the look-up and the lock.
        let here = Look::at(&state.sessions, id.as_str().as_bytes()).doing(id)?;
        if here.map(|l| l.ino()) != Some(Look::of(&dir).doing(id)?.ino()) {
            return Err(LeaseError::Session(match crate::journal::ended(state, id) {
                SessionError::Unknown { id } => SessionError::Unknown { id },
                e => e,
            }));
        }
        // Its landing may have died after the seal: then its files are the base's, and a write
        // would reach it. What is recovered here may be the end of this session.
        if crate::recover::concerns(state, id).doing(id)? {
            let recovered = crate::recover::now(state).map_err(Box::new);
            recovered.map_err(|e| LeaseError::Session(crate::DomainError::from(e).into()))?;
            if meta::dir(state, id).is_err() {
                return Err(crate::journal::ended(state, id).into());
            }
        }
        let _ = rustix::fs::unlinkat(&dir, STOP, rustix::fs::AtFlags::empty());
        let holder = Holder { yields: hold == Hold::Yielding, ..holder(state, purpose) };
        let file = Arc::new(file);
        let stop = Arc::new(AtomicBool::new(false));
        write(&file, &holder).doing(id)?;
        let beat = (hold != Hold::Brief)
            .then(|| start_beat(state.options.now, dir, file.clone(), holder, stop.clone()));
        let beat = beat.transpose().doing(id)?;
        Ok(Self { file, beat, stop })
    }

    /// Takes the lease of a session that nobody else has seen yet.
    pub(crate) fn of_new(state: &State, dir: &OwnedFd, purpose: &str) -> io::Result<Self> {
        let file = open(dir)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        write(&file, &holder(state, purpose))?;
        Ok(Self { file: Arc::new(file), beat: None, stop: Arc::default() })
    }

    pub(crate) fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(beat) = self.beat.take() {
            *beat.done.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            beat.done.1.notify_all();
            let _ = beat.thread.join();
        }
        let _ = self.file.set_len(0);
        let _ = flock(&*self.file, FlockOperation::Unlock);
    }
}

/// This process.
fn holder(state: &State, purpose: &str) -> Holder {
    Holder {
        pid: std::process::id(),
        start: start_time(std::process::id()).unwrap_or(0),
        boot: state.options.boot_id.clone(),
        heartbeat: state.now(),
        purpose: purpose.to_owned(),
        yields: false,
    }
}

fn open(dir: &OwnedFd) -> io::Result<File> {
    let how = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(openat(dir, LEASE, how, Mode::from_raw_mode(0o600))?.into())
}

/// The lease's own content is no state that a crash must keep: it does not pass the door.
fn write(file: &File, holder: &Holder) -> io::Result<()> {
    let raw = serde_json::to_vec(holder)?;
    file.write_all_at(&raw, 0)?;
    file.set_len(raw.len() as u64)
}

fn read(file: &File) -> Option<Holder> {
    let mut raw = vec![0; 4096];
    let n = file.read_at(&mut raw, 0).ok()?;
    serde_json::from_slice(&raw[..n]).ok()
}

fn wait(
    state: &State,
    dir: &OwnedFd,
    file: &File,
    ask: Ask,
) -> io::Result<Result<(), Option<Holder>>> {
    let begun = Instant::now();
    let mut ask = ask;
    let mut asked = false;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Ok(())),
            Err(Errno::WOULDBLOCK) => {}
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        }
        if ask == Ask::Refuse && read(file).is_some_and(|h| h.yields) {
            ask = Ask::Stop;
        }
        // Who looks at a lease holds it for an instant: never be refused because of that.
        let patience = if ask == Ask::Stop { PATIENCE } else { Duration::from_millis(30) };
        if begun.elapsed() >= patience {
            if asked {
                let _ = rustix::fs::unlinkat(dir, STOP, rustix::fs::AtFlags::empty());
            }
            return Ok(Err(read(file)));
        }
        if ask == Ask::Stop && !asked {
            asked = true;
            match state.disk.create(dir, STOP, 0o600) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                _ => {}
            }
        }
        std::thread::sleep(Duration::from_millis(if asked { 20 } else { 2 }));
    }
}

fn start_beat(
    now: fn() -> Time,
    dir: OwnedFd,
    file: Arc<File>,
    mut holder: Holder,
    stop: Arc<AtomicBool>,
) -> io::Result<Beat> {
    let done = Arc::new((Mutex::new(false), Condvar::new()));
    let end = done.clone();
    let run = move || {
        let mut last = Instant::now();
        let mut over = end.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*over {
            if !stop.load(Ordering::Relaxed) && Look::at(&dir, STOP).is_ok_and(|l| l.is_some()) {
                stop.store(true, Ordering::Relaxed);
            }
            if last.elapsed() >= BEAT {
                last = Instant::now();
                holder.heartbeat = now();
                let _ = write(&file, &holder);
            }
            over = end.1.wait_timeout(over, POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
    };
    let thread = std::thread::Builder::new().name("brio-lease".to_owned()).spawn(run)?;
    Ok(Beat { done, thread })
}

/// Who writes in a session now.
pub(crate) fn status(state: &State, id: &SessionId) -> io::Result<LeaseStatus> {
    let dir = meta::dir(state, id)?;
    let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file: File = match openat(&dir, LEASE, how, Mode::empty()) {
        Ok(fd) => fd.into(),
        Err(Errno::NOENT) => return Ok(LeaseStatus::Free),
        Err(e) => return Err(e.into()),
    };
    let holder = read(&file);
    let held = match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            flock(&file, FlockOperation::Unlock)?;
            false
        }
        Err(Errno::WOULDBLOCK) => true,
        Err(e) => return Err(e.into()),
    };
    Ok(match (holder, held) {
        (None, false) => LeaseStatus::Free,
        (None, true) => LeaseStatus::Live { pid: 0 },
        (Some(h), false) => LeaseStatus::Dead { pid: h.pid },
        (Some(h), true) if start_time(h.pid) != Some(h.start) => LeaseStatus::Dead { pid: h.pid },
        (Some(h), true) if state.now().secs - h.heartbeat.secs > SILENT_SECS => {
            LeaseStatus::Silent { pid: h.pid }
        }
        (Some(h), true) => LeaseStatus::Live { pid: h.pid },
    })
}

/// Whether nobody holds it: then what its holder left half done is garbage.
pub(crate) fn is_free(state: &State, id: &SessionId) -> bool {
    matches!(status(state, id), Ok(LeaseStatus::Free | LeaseStatus::Dead { .. }))
}

/// When a process started: field 22 of `/proc/<pid>/stat`. `None`: there is none.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, also spaces and parentheses.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_missing_has_no_start() {
        assert!(start_time(std::process::id()).is_some());
        assert_eq!(start_time(u32::MAX - 1), None);
    }
}

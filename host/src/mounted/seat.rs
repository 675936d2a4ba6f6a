//! Where a session is mounted, `mnt/ID` in the home, and which process serves it: the one that
//! holds the lock of `mnt/ID.lock`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use brio_mount::unmount_at;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{Mounted, SessionMountError};
use crate::{Brio, SessionHandle};

/// How long a mount that was taken down may take to hand over what it holds.
const PATIENCE: Duration = Duration::from_secs(10);
const LOCK: &str = "lock";

/// What the lock file says while it is locked; empty until the mount is ready.
#[derive(Serialize, Deserialize)]
struct Record {
    pid: u32,
    vcs: bool,
}

/// The right to serve a session's mount. Dropping it removes the mount point.
pub(super) struct Seat {
    at: PathBuf,
    lock: PathBuf,
    file: File,
}

fn dir(brio: &Brio) -> PathBuf {
    brio.home().join("mnt")
}

fn places(session: &SessionHandle) -> (PathBuf, PathBuf) {
    let at = dir(session.brio()).join(session.id().as_str());
    let lock = at.with_extension(LOCK);
    (at, lock)
}

fn host(path: &Path) -> impl FnOnce(io::Error) -> SessionMountError {
    let path = path.to_owned();
    |source| SessionMountError::Host { path, source }
}

impl Seat {
    pub(super) fn take(session: &SessionHandle) -> Result<Self, SessionMountError> {
        let (at, lock) = places(session);
        let parent = dir(session.brio());
        crate::brio::make_private(&parent).map_err(host(&parent))?;
        let Some(file) = try_lock(&lock, true).map_err(host(&lock))? else {
            let pid = record(&lock).map_or(0, |r| r.pid);
            return Err(SessionMountError::Served { id: session.id().to_string(), pid });
        };
        file.set_len(0).map_err(host(&lock))?;
        let seat = Self { at, lock, file };
        unmount_at(&seat.at, true)?;
        crate::brio::make_private(&seat.at).map_err(host(&seat.at))?;
        let mut entries = std::fs::read_dir(&seat.at).map_err(host(&seat.at))?;
        if entries.next().is_some() {
            let source = io::Error::other("it is not empty; move away what is in it");
            return Err(SessionMountError::Host { path: seat.at.clone(), source });
        }
        Ok(seat)
    }

    pub(super) fn at(&self) -> &Path {
        &self.at
    }

    pub(super) fn say_ready(&mut self, vcs: bool) -> Result<(), SessionMountError> {
        let record = Record { pid: std::process::id(), vcs };
        let text = serde_json::to_vec(&record).map_err(io::Error::other);
        let written = text.and_then(|text| {
            self.file.rewind()?;
            self.file.write_all(&text)
        });
        written.map_err(host(&self.lock))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Both are empty; what is left is swept by the next.
        let _ = std::fs::remove_dir(&self.at);
        let _ = std::fs::remove_file(&self.lock);
    }
}

/// Locks the file, which whoever is done with it removes: a lock on one that has no name any
/// more is none. `None`: somebody else has it, or there is no file and none is to be made.
fn try_lock(path: &Path, create: bool) -> io::Result<Option<File>> {
    loop {
        let mut how = OpenOptions::new();
        how.read(true).write(true).create(create).truncate(false).mode(0o600);
        let file = match how.open(path) {
            Ok(file) => file,
            Err(e) if !create && e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
        match std::fs::metadata(path) {
            Ok(named) if named.ino() == file.metadata()?.ino() => return Ok(Some(file)),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
}

fn record(lock: &Path) -> Option<Record> {
    let mut text = String::new();
    File::open(lock).and_then(|mut f| f.read_to_string(&mut text)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether some process has the lock.
fn is_served(lock: &Path) -> io::Result<bool> {
    Ok(lock.try_exists()? && try_lock(lock, false)?.is_none() && lock.try_exists()?)
}

pub(super) fn mounted(session: &SessionHandle) -> Result<Option<Mounted>, SessionMountError> {
    let (at, lock) = places(session);
    if !is_served(&lock).map_err(host(&lock))? {
        return Ok(None);
    }
    let Some(Record { pid, vcs }) = record(&lock) else { return Ok(None) };
    // Being asked for its space is being used: it does not go away in the next moment.
    match rustix::fs::statfs(&at) {
        Ok(found) if found.f_type as u64 == FUSE_MAGIC => Ok(Some(Mounted { path: at, pid, vcs })),
        _ => Ok(None),
    }
}

/// `FUSE_SUPER_MAGIC` of linux/magic.h.
const FUSE_MAGIC: u64 = 0x6573_5546;

pub(super) fn unmount(session: &SessionHandle) -> Result<bool, SessionMountError> {
    let (at, lock) = places(session);
    let was = is_served(&lock).map_err(host(&lock))?;
    let done = unmount_at(&at, false)?;
    let begun = Instant::now();
    while is_served(&lock).map_err(host(&lock))? {
        if begun.elapsed() > PATIENCE {
            let source = io::Error::other("its server does not end");
            return Err(SessionMountError::Host { path: at, source });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    if !was {
        clear(&at, &lock)?;
    }
    Ok(was || done)
}

/// Removes what a killed server left, if it is this session's and nobody else's.
fn clear(at: &Path, lock: &Path) -> Result<bool, SessionMountError> {
    let Some(_held) = try_lock(lock, false).map_err(host(lock))? else { return Ok(false) };
    unmount_at(at, true)?;
    match std::fs::remove_dir(at) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(host(at)(e)),
        _ => {}
    }
    std::fs::remove_file(lock).map_err(host(lock))?;
    Ok(true)
}

/// Removes the mount of a command whose server was killed: it has no lock, and nobody answers.
fn clear_dead(at: &Path) -> Result<bool, SessionMountError> {
    let answer = std::fs::symlink_metadata(at);
    if !answer.is_err_and(|e| e.raw_os_error() == Some(rustix::io::Errno::NOTCONN.raw_os_error())) {
        return Ok(false);
    }
    // One that a lock speaks for is for who holds that.
    if at.with_extension(LOCK).exists() {
        return Ok(false);
    }
    unmount_at(at, true)?;
    std::fs::remove_dir(at).map_err(host(at))?;
    Ok(true)
}

pub(super) fn sweep(brio: &Brio) -> Result<u64, SessionMountError> {
    let dir = dir(brio);
    let entries = match std::fs::read_dir(&dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        r => r.map_err(host(&dir))?,
    };
    let mut swept = 0;
    for entry in entries {
        let lock = entry.map_err(host(&dir))?.path();
        if lock.extension().is_none() {
            swept += u64::from(clear_dead(&lock)?);
        }
        if lock.extension().is_some_and(|e| e == LOCK) {
            swept += u64::from(clear(&lock.with_extension(""), &lock)?);
        }
    }
    Ok(swept)
}

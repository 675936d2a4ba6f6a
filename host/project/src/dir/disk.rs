//! Every mutation of the notes' directory, each through the door, by directory handle and name.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use brio_session::{Door, Op};
use rustix::fs::{self as rfs, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

const DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The door, with the system calls behind it.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(pub(super) Door);

impl Disk {
    pub(super) fn mkdir(&self, dir: impl AsFd, name: &str) -> io::Result<()> {
        self.0.run(Op::Mkdir, || match rfs::mkdirat(dir, name, Mode::RWXU) {
            Err(Errno::EXIST) => Ok(()),
            r => Ok(r?),
        })
    }

    /// Makes a file durable under a name of its own, which nothing has yet.
    pub(super) fn write_new(&self, dir: impl AsFd, name: &str, bytes: &[u8]) -> io::Result<()> {
        let how =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let made = self.0.pass(
            Op::Create,
            || Ok(Some(File::from(rfs::openat(dir, name, how, Mode::RUSR | Mode::WUSR)?))),
            || None,
        )?;
        // A door that lied made nothing.
        let Some(file) = made else { return Ok(()) };
        self.0.run(Op::Write, || (&file).write_all(bytes))?;
        self.0.run(Op::Sync, || file.sync_all())
    }

    pub(super) fn rename(&self, dir: impl AsFd, from: &str, to: &str) -> io::Result<()> {
        let dir = dir.as_fd();
        self.0.run(Op::Rename, || Ok(rfs::renameat(dir, from, dir, to)?))
    }

    /// Removes a name; it is no error if there is none.
    pub(super) fn unlink(&self, dir: impl AsFd, name: &str) -> io::Result<()> {
        self.0.run(Op::Unlink, || match rfs::unlinkat(dir, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            r => Ok(r?),
        })
    }

    pub(super) fn sync_dir(&self, dir: impl AsFd) -> io::Result<()> {
        self.0.run(Op::Sync, || Ok(rfs::fsync(dir)?))
    }
}

/// A directory, or `None` where there is none.
pub(super) fn open_dir(dir: impl AsFd, name: &str) -> io::Result<Option<OwnedFd>> {
    match rfs::openat(dir, name, DIR, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// What a file holds, or `None` where there is none.
pub(super) fn read(dir: impl AsFd, name: &str) -> io::Result<Option<Vec<u8>>> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match rfs::openat(dir, name, how, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let mut bytes = Vec::new();
    (&file).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The names in a directory, without `.` and `..`.
pub(super) fn names(dir: impl AsFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in rfs::Dir::read_from(dir)? {
        match entry?.file_name().to_str() {
            // What is no text is no name of ours.
            Err(_) | Ok("." | "..") => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    Ok(names)
}

/// Waits for the lock on a directory; it goes with the descriptor.
pub(super) fn lock(dir: impl AsFd) -> io::Result<()> {
    loop {
        match rfs::flock(&dir, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            r => break Ok(r?),
        }
    }
}

//! A directory that was opened once, and what lies in it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags, StatxTimestamp,
    openat, openat2, statx,
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// A moment by the clock that stamps files: seconds since 1970, and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Stamp(i64, u32);

impl Stamp {
    /// Now. Whatever is changed from now on, is stamped with this or a later moment.
    pub(super) fn now() -> Self {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Self(t.tv_sec, u32::try_from(t.tv_nsec).unwrap_or(0))
    }

    /// Whether it may be one of a file system that counts in hundredths of seconds, or in seconds.
    fn is_coarse(self) -> bool {
        self.1.is_multiple_of(10_000_000)
    }

    /// Whether nothing that happened from `begun` on can bear this stamp.
    fn precedes(self, begun: Self) -> bool {
        let margin = if self.is_coarse() { 2 } else { 0 };
        Self(self.0.saturating_add(margin), self.1) < begun
    }
}

impl From<StatxTimestamp> for Stamp {
    fn from(t: StatxTimestamp) -> Self {
        Self(t.tv_sec, t.tv_nsec)
    }
}

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Is {
    File,
    Dir,
    Link,
    /// A socket, a pipe, a device.
    Special,
}

/// What tells whether a file is the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Print {
    pub(super) is: Is,
    pub(super) mode: u16,
    pub(super) ino: u64,
    pub(super) size: u64,
    mtime: Stamp,
    ctime: Stamp,
}

impl Print {
    /// Whether whoever read it at `begun` or later, read what it still holds: a change since
    /// would have moved a stamp (git's "racily clean").
    pub(super) fn settled(&self, begun: Stamp) -> bool {
        self.mtime.precedes(begun) && self.ctime.precedes(begun)
    }

    /// Whether nobody wrote while it was read, given that it looked the same before and after,
    /// and that reading began at `begun`. Where stamps are coarse that must do.
    pub(super) fn was_quiet(&self, begun: Stamp) -> bool {
        self.ctime < begun || self.ctime.is_coarse()
    }
}

/// What lies at a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) print: Print,
    pub(super) dev: u64,
    mount: u64,
    mount_root: bool,
}

impl Look {
    /// Of a name; an empty one is `dir` itself. Links are not followed.
    pub(super) fn at(dir: impl AsFd, name: &[u8]) -> rustix::io::Result<Self> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT;
        let s = statx(dir, name, flags, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)?;
        let is = match FileType::from_raw_mode(u32::from(s.stx_mode)) {
            FileType::RegularFile => Is::File,
            FileType::Directory => Is::Dir,
            FileType::Symlink => Is::Link,
            _ => Is::Special,
        };
        Ok(Self {
            print: Print {
                is,
                mode: s.stx_mode & 0o7777,
                ino: s.stx_ino,
                size: s.stx_size,
                mtime: s.stx_mtime.into(),
                ctime: s.stx_ctime.into(),
            },
            dev: u64::from(s.stx_dev_major) << 32 | u64::from(s.stx_dev_minor),
            // Not known before Linux 5.8: then all are 0.
            mount: if s.stx_mask & StatxFlags::MNT_ID.bits() == 0 { 0 } else { s.stx_mnt_id },
            mount_root: s.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        })
    }
}

/// A directory that was opened once.
pub(super) struct Root {
    fd: OwnedFd,
    pub(super) look: Look,
}

impl Root {
    /// The same directory, open for reading, whatever `dir` is open for.
    pub(super) fn of(dir: &Dir) -> rustix::io::Result<Self> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(dir, ".", how, Mode::empty())?;
        let look = Look::at(&fd, b"")?;
        Ok(Self { fd, look })
    }

    /// Whether something lies in another mount than this directory does.
    pub(super) fn is_elsewhere(&self, look: &Look) -> bool {
        look.dev != self.look.dev || look.mount != self.look.mount || look.mount_root
    }

    /// A directory in it, by its path; the empty path is itself.
    pub(super) fn dir(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if path.is_empty() {
            return openat(&self.fd, ".", how, Mode::empty());
        }
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        loop {
            match openat2(&self.fd, path, how, Mode::empty(), resolve) {
                // Something was renamed meanwhile.
                Err(Errno::AGAIN) => {}
                Err(Errno::NOSYS | Errno::PERM) => return self.step_by_step(path, how),
                other => return other,
            }
        }
    }

    /// For a kernel, or a sandbox, without `openat2`.
    fn step_by_step(&self, path: &[u8], how: OFlags) -> rustix::io::Result<OwnedFd> {
        let mut at = openat(&self.fd, ".", how, Mode::empty())?;
        for name in path.split(|b| *b == b'/') {
            if matches!(name, b"" | b"." | b"..") {
                return Err(Errno::XDEV);
            }
            at = openat(&at, name, how, Mode::empty())?;
            if self.is_elsewhere(&Look::at(&at, b"")?) {
                return Err(Errno::XDEV);
            }
        }
        Ok(at)
    }

    /// Waits until all that was written into its file system is durable; says what of it was
    /// lost since it was opened.
    pub(super) fn sync_all(&self) -> rustix::io::Result<()> {
        rustix::fs::syncfs(&self.fd)
    }

    /// Waits until its own entries are durable.
    pub(super) fn sync(&self) -> rustix::io::Result<()> {
        rustix::fs::fsync(&self.fd)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The directory that was used last: files come in the order of their directories.
#[derive(Default)]
pub(super) struct Near(Option<(Vec<u8>, OwnedFd)>);

impl Near {
    pub(super) fn dir(&mut self, root: &Root, path: &[u8]) -> rustix::io::Result<BorrowedFd<'_>> {
        if self.0.as_ref().is_none_or(|(at, _)| at != path) {
            self.0 = Some((path.to_vec(), root.dir(path)?));
        }
        match &self.0 {
            Some((_, fd)) => Ok(fd.as_fd()),
            None => Err(Errno::NOENT),
        }
    }
}

/// Opens a file for reading, not a link, and without waiting for a pipe's other end.
pub(super) fn open_file(dir: impl AsFd, name: &[u8]) -> rustix::io::Result<File> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(dir, name, how, Mode::empty()).map(File::from)
}

/// Reads into a buffer; 0 is the end.
pub(super) fn read_some(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match io::Read::read(file, buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_leads_out_of_it() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir_all(dir.path().join("real/deep")).unwrap();
        std::fs::create_dir(outside.path().join("deep")).unwrap();
        symlink(outside.path(), dir.path().join("link")).unwrap();
        symlink("real", dir.path().join("inside")).unwrap();
        let root = Dir::open_ambient_dir(dir.path(), cap_std::ambient_authority()).unwrap();
        let root = Root::of(&root).unwrap();
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for good in ["real", "real/deep"] {
            assert!(root.dir(good.as_bytes()).is_ok());
            assert!(root.step_by_step(good.as_bytes(), how).is_ok());
        }
        for bad in ["link", "link/deep", "inside", "inside/deep", "..", "real/../..", "/tmp"] {
            assert!(root.dir(bad.as_bytes()).is_err(), "{bad}");
            assert!(root.step_by_step(bad.as_bytes(), how).is_err(), "{bad}");
        }
    }

    #[test]
    fn stamps_that_may_be_rounded_need_a_margin() {
        let begun = Stamp(100, 5_000_001);
        assert!(Stamp(100, 5_000_000).precedes(begun) && !begun.precedes(begun));
        assert!(!Stamp(100, 0).precedes(begun) && !Stamp(98, 10_000_000).precedes(begun));
        assert!(Stamp(98, 0).precedes(begun));
    }
}

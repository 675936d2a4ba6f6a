//! A directory of the host, served as it is: what is written in it is there at once.
//!
//! It answers the operations that a view answers, for a directory that is shown beside a view and
//! is no branch of anything. Nothing in it leads out: every path is walked here, one name at a
//! time by descriptors, and links are resolved below the handle that the walk began at. Reserved
//! names are not there and cannot be made.

mod file;
mod ops;
mod walk;

use std::fs::File;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags, Timespec, Timestamps, openat};

pub use file::DirectFile;

use crate::hostdir::{list, open_dir};
use crate::{Account, DirEntry, FsError, FsResult, Kind, Limits, Meta, OpenOptions, SetTime, Time};

/// How a [`Direct`] is opened.
#[derive(Debug, Clone, Default)]
pub struct DirectOptions {
    /// Refuses every change, before the host is asked.
    pub read_only: bool,
    /// Lets `.git` be changed, at every depth.
    pub vcs: bool,
    /// It lies in a `.git` itself.
    pub in_vcs: bool,
    /// What may be written through it.
    pub limits: Limits,
    /// What the limits count in.
    pub account: Account,
}

/// A directory of the host and all below it. Clones are the same.
///
/// Changes are the host's own system calls: each is atomic as the host has it, seen by everybody
/// at once, and durable after a sync. Nothing is kept of what was looked at.
#[derive(Clone)]
pub struct Direct {
    inner: Arc<Inner>,
}

struct Inner {
    root: Arc<Dir>,
    device: u64,
    options: DirectOptions,
}

impl Direct {
    /// Serves `root`.
    ///
    /// # Errors
    /// The host's, when it cannot be looked at.
    pub fn new(root: Dir, options: DirectOptions) -> FsResult<Self> {
        let device = device(&rustix::fs::fstat(&root)?);
        Ok(Self { inner: Arc::new(Inner { root: Arc::new(root), device, options }) })
    }

    /// The root directory.
    pub fn root(&self) -> DirectDir {
        let protected = self.inner.options.in_vcs;
        DirectDir { tree: self.clone(), dir: self.inner.root.clone(), protected }
    }

    /// A handle of the root of its own, which knows nothing of what this one refuses.
    ///
    /// # Errors
    /// The host's, when there are no more descriptors.
    pub fn dir(&self) -> std::io::Result<Dir> {
        self.inner.root.try_clone()
    }

    /// Whether nothing can be changed through it.
    pub fn is_read_only(&self) -> bool {
        self.inner.options.read_only
    }

    /// Whether a place may be changed.
    fn writable(&self, protected: bool) -> FsResult<()> {
        let options = &self.inner.options;
        match options.read_only || (protected && !options.vcs) {
            true => Err(FsError::ReadOnly),
            false => Ok(()),
        }
    }

    fn charge_bytes(&self, n: u64) -> FsResult<()> {
        self.inner.options.account.charge_bytes(n, &self.inner.options.limits)
    }

    fn charge_file(&self) -> FsResult<()> {
        self.inner.options.account.charge_file(&self.inner.options.limits)
    }

    /// Inode numbers are one device's; what is mounted inside has others.
    fn meta_of(&self, s: &rustix::fs::Stat) -> Meta {
        let mut meta = crate::hostdir::from_stat(s).0;
        let device = device(s);
        if device != self.inner.device {
            meta.ino ^= device.rotate_left(32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        meta
    }
}

#[allow(clippy::unnecessary_cast, reason = "the field's type differs between systems")]
fn device(s: &rustix::fs::Stat) -> u64 {
    s.st_dev as u64
}

/// An open directory of a [`Direct`]. Clones are the same handle. It follows its directory
/// through renames.
#[derive(Clone)]
pub struct DirectDir {
    tree: Direct,
    dir: Arc<Dir>,
    /// It is, or lies below, a `.git`.
    protected: bool,
}

/// What [`DirectDir::open_at`] opened.
pub enum DirectHandle {
    /// A regular file.
    File(DirectFile),
    /// A directory.
    Dir(DirectDir),
}

impl DirectDir {
    /// Its metadata.
    ///
    /// # Errors
    /// The host's.
    pub fn meta(&self) -> FsResult<Meta> {
        Ok(self.tree.meta_of(&rustix::fs::fstat(&*self.dir)?))
    }

    /// Its entries as of now, sorted by name, without `.`, `..` and reserved names.
    ///
    /// # Errors
    /// The host's.
    pub fn list(&self) -> FsResult<Vec<DirEntry>> {
        let mut entries = list(&self.dir)?;
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Sets its times.
    ///
    /// # Errors
    /// As `utimensat(2)`; `ReadOnly`.
    pub fn set_times(&self, atime: SetTime, mtime: SetTime) -> FsResult<()> {
        self.tree.writable(self.protected)?;
        set_times(&self.dir, b".", atime, mtime)
    }

    /// Makes its entries durable.
    ///
    /// # Errors
    /// The host's.
    pub fn sync(&self) -> FsResult<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::fsync(openat(&*self.dir, c".", flags, Mode::empty())?)?)
    }

    /// Opens, and makes when told to, what is at `path` below it. A file that is made gets the
    /// permission bits that the process gives to new files, unless it is told others.
    ///
    /// # Errors
    /// As [`View::open_at`](crate::View::open_at).
    pub fn open_at(&self, path: &[u8], how: &OpenOptions) -> FsResult<DirectHandle> {
        let follow = how.follow && !(how.create && how.exclusive);
        loop {
            let place = self.walk(path, follow)?;
            let Some(meta) = place.at else {
                if !how.create || how.directory {
                    return Err(FsError::NotFound);
                }
                match self.create(&place, how) {
                    // Somebody was faster; exclusive or not, the next look tells.
                    Err(FsError::Exists) => continue,
                    made => return made.map(DirectHandle::File),
                }
            };
            if how.create && how.exclusive && !how.directory {
                return Err(FsError::Exists);
            }
            if meta.kind == Kind::Dir {
                if how.write || how.truncate || (how.create && !how.directory) {
                    return Err(FsError::IsDirectory);
                }
                let dir = match place.name.is_empty() {
                    true => place.dir,
                    false => Arc::new(open_dir(&place.dir, &place.name)?),
                };
                let protected = place.protected;
                return Ok(DirectHandle::Dir(Self { tree: self.tree.clone(), dir, protected }));
            }
            match meta.kind {
                _ if how.directory => return Err(FsError::NotDirectory),
                Kind::Symlink => return Err(FsError::Loop),
                Kind::Other => return Err(FsError::NotSupported),
                _ => {}
            }
            if how.write || how.truncate {
                self.tree.writable(place.protected)?;
            }
            return self.open_file(&place, how, OFlags::empty()).map(DirectHandle::File);
        }
    }

    fn create(&self, place: &walk::Place, how: &OpenOptions) -> FsResult<DirectFile> {
        if place.must_dir {
            return Err(FsError::IsDirectory);
        }
        self.tree.writable(place.protected)?;
        place.free_name()?;
        self.tree.charge_file()?;
        self.open_file(place, how, OFlags::CREATE | OFlags::EXCL)
    }

    fn open_file(
        &self,
        place: &walk::Place,
        how: &OpenOptions,
        more: OFlags,
    ) -> FsResult<DirectFile> {
        let write = how.write || how.truncate;
        let access = match (how.read, write) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            _ => OFlags::RDONLY,
        };
        // NONBLOCK: what is no regular file by now must not hold us up before that is known.
        let flags = access | more | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_bits_truncate((how.mode.unwrap_or(0o666) & 0o7777) as _);
        let file = File::from(openat(&*place.dir, &*crate::to_os(&place.name), flags, mode)?);
        match crate::hostdir::stat_file(&file)?.0.kind {
            Kind::File => {}
            Kind::Dir => return Err(FsError::IsDirectory),
            _ => return Err(FsError::NotSupported),
        }
        let file = DirectFile::new(self.tree.clone(), file, (how.read, write), place.protected);
        if how.truncate && more.is_empty() {
            file.set_len(0)?;
        }
        Ok(file)
    }
}

/// Sets the times of one name in a directory, links not followed.
fn set_times(dir: &Dir, name: &[u8], atime: SetTime, mtime: SetTime) -> FsResult<()> {
    let times = timestamps(atime, mtime)?;
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    Ok(rustix::fs::utimensat(dir, &*crate::to_os(name), &times, flags)?)
}

fn timestamps(atime: SetTime, mtime: SetTime) -> FsResult<Timestamps> {
    let one = |time: SetTime| {
        let special = |nsec| Timespec { tv_sec: 0, tv_nsec: nsec };
        match time {
            SetTime::Keep => Ok(special(rustix::fs::UTIME_OMIT as _)),
            SetTime::Now => Ok(special(rustix::fs::UTIME_NOW as _)),
            SetTime::At(Time { nanos: 1_000_000_000.., .. }) => Err(FsError::Invalid),
            SetTime::At(Time { secs, nanos }) => {
                Ok(Timespec { tv_sec: secs as _, tv_nsec: nanos as _ })
            }
        }
    };
    Ok(Timestamps { last_access: one(atime)?, last_modification: one(mtime)? })
}

/// Metadata of one name in a directory, links not followed; `None` when nothing is there.
fn look(tree: &Direct, dir: &Dir, name: &[u8]) -> FsResult<Option<Meta>> {
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    match rustix::fs::statat(dir, &*crate::to_os(name), flags) {
        Ok(s) => Ok(Some(tree.meta_of(&s))),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

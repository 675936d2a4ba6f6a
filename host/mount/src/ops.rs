//! The operations: from the kernel's numbers to the view's nodes, and back.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{ffi::OsStr, panic};

use brio_session::{
    DirHandle, FileHandle, FsError, FsResult, Handle, Lender, Lent, Listings, Meta, NodeHandle,
    OpenOptions, Rename, SetTime,
};
use fuser::{Errno, FileAttr, OpenFlags, RenameFlags};
use rustix::fs::OFlags;

use crate::attr::file_attr;
use crate::errno::errno;
use crate::open::OpenFiles;
use crate::special::Specials;
use crate::table::Table;

/// Where nobody else changes anything, the kernel need not ask twice.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);
const A_MOMENT: Duration = Duration::from_secs(1);

/// A mount's state.
pub(crate) struct Served {
    pub lender: Box<dyn Lender>,
    pub owner: (u32, u32),
    pub nodes: Table,
    pub open: OpenFiles,
    pub listings: Listings,
    pub specials: Specials,
    /// Tells that what the kernel has cached is of an earlier epoch.
    pub moved: Mutex<Option<Sender<()>>>,
}

/// What a set of attributes is changed to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub atime: SetTime,
    pub mtime: SetTime,
    /// The open file that it is asked for by.
    pub fh: Option<u64>,
}

pub(crate) type Answer<T> = Result<T, Errno>;

impl Served {
    /// Does one operation. A panic is `EIO`: the kernel gets an answer, and the thread lives on.
    pub(crate) fn run<T>(&self, act: impl FnOnce(&Self) -> FsResult<T>) -> Answer<T> {
        match panic::catch_unwind(panic::AssertUnwindSafe(|| act(self))) {
            Ok(done) => done.map_err(errno),
            Err(_) => Err(Errno::EIO),
        }
    }

    /// How long the kernel may keep what it is told.
    pub(crate) fn ttl(&self) -> Duration {
        if self.lender.is_exclusive() { FOR_EVER } else { A_MOMENT }
    }

    pub(crate) fn read(&self) -> FsResult<Lent> {
        self.lender.read().inspect(|lent| self.seen(lent))
    }

    pub(crate) fn write(&self) -> FsResult<Lent> {
        self.lender.write().inspect(|lent| self.seen(lent))
    }

    /// For an operation that makes, moves or removes a name.
    fn names(&self) -> FsResult<Lent> {
        let lent = self.write()?;
        if !self.lender.is_exclusive() && self.nodes.settle(&lent) {
            self.open.settle(&lent, &self.nodes);
        }
        Ok(lent)
    }

    fn seen(&self, lent: &Lent) {
        if !self.lender.is_exclusive() && self.nodes.moved(lent.epoch) {
            self.invalidate();
        }
    }

    pub(crate) fn invalidate(&self) {
        if let Some(moved) = &*self.moved.lock().unwrap_or_else(PoisonError::into_inner) {
            // Nobody listens any more once the mount is gone.
            let _ = moved.send(());
        }
    }

    pub(crate) fn node(&self, lent: &Lent, ino: u64) -> FsResult<NodeHandle> {
        self.nodes.get(ino, lent)
    }

    pub(crate) fn dir(&self, lent: &Lent, ino: u64) -> FsResult<DirHandle> {
        self.node(lent, ino)?.as_dir().ok_or(FsError::NotDirectory)
    }

    /// What the kernel is told of what it knows by a number.
    pub(crate) fn attr(&self, number: u64, meta: &Meta) -> FileAttr {
        file_attr(number, self.specials.kind(meta.ino, meta.kind), meta, self.owner)
    }

    /// What the kernel is told of a node that it has looked up.
    pub(crate) fn entry(&self, lent: &Lent, (node, meta): (NodeHandle, Meta)) -> FileAttr {
        self.attr(self.nodes.tell(&node, meta.ino, lent), &meta)
    }

    fn entry_at(&self, lent: &Lent, dir: &DirHandle, name: &OsStr) -> FsResult<FileAttr> {
        Ok(self.entry(lent, lent.view.node_at(dir, name.as_bytes(), false)?))
    }

    pub(crate) fn lookup(&self, parent: u64, name: &OsStr) -> FsResult<FileAttr> {
        let lent = self.read()?;
        self.entry_at(&lent, &self.dir(&lent, parent)?, name)
    }

    pub(crate) fn getattr(&self, ino: u64, fh: Option<u64>) -> FsResult<FileAttr> {
        let lent = self.read()?;
        let meta = match fh {
            Some(fh) => self.open.file(fh, &lent, &self.nodes)?.meta(),
            None => self.node(&lent, ino)?.meta(),
        };
        Ok(self.attr(ino, &meta?))
    }

    pub(crate) fn setattr(&self, ino: u64, to: Change) -> FsResult<FileAttr> {
        if to.uid.is_some_and(|id| id != self.owner.0)
            || to.gid.is_some_and(|id| id != self.owner.1)
        {
            return Err(FsError::NotPermitted);
        }
        let lent = self.write()?;
        let node = self.node(&lent, ino)?;
        if let Some(size) = to.size {
            let file = match to.fh {
                Some(fh) => self.open.file(fh, &lent, &self.nodes)?,
                None => node.open(&OpenOptions { write: true, ..OpenOptions::default() })?,
            };
            file.set_len(size)?;
        }
        if let Some(mode) = to.mode {
            node.set_mode(mode & 0o7777)?;
        }
        node.set_times(to.atime, to.mtime)?;
        Ok(self.attr(ino, &node.meta()?))
    }

    pub(crate) fn readlink(&self, ino: u64) -> FsResult<Vec<u8>> {
        let lent = self.read()?;
        self.node(&lent, ino)?.read_link()
    }

    pub(crate) fn mkdir(&self, parent: u64, name: &OsStr, mode: u32) -> FsResult<FileAttr> {
        let lent = self.names()?;
        let dir = self.dir(&lent, parent)?;
        lent.view.make_dir_at(&dir, name.as_bytes(), mode)?;
        self.entry_at(&lent, &dir, name)
    }

    pub(crate) fn symlink(&self, parent: u64, name: &OsStr, target: &Path) -> FsResult<FileAttr> {
        let lent = self.names()?;
        let dir = self.dir(&lent, parent)?;
        lent.view.import_symlink_at(target.as_os_str().as_bytes(), &dir, name.as_bytes())?;
        self.entry_at(&lent, &dir, name)
    }

    pub(crate) fn link(&self, ino: u64, parent: u64, name: &OsStr) -> FsResult<FileAttr> {
        let lent = self.names()?;
        let dir = self.dir(&lent, parent)?;
        let node = self.node(&lent, ino)?;
        node.link(&dir, name.as_bytes())?;
        let meta = node.meta()?;
        Ok(self.entry(&lent, (node, meta)))
    }

    pub(crate) fn unlink(&self, parent: u64, name: &OsStr) -> FsResult<()> {
        let lent = self.names()?;
        lent.view.unlink_at(&self.dir(&lent, parent)?, name.as_bytes())
    }

    pub(crate) fn rmdir(&self, parent: u64, name: &OsStr) -> FsResult<()> {
        let lent = self.names()?;
        lent.view.rmdir_at(&self.dir(&lent, parent)?, name.as_bytes())
    }

    pub(crate) fn rename(
        &self,
        (from, old): (u64, &OsStr),
        (to, new): (u64, &OsStr),
        flags: RenameFlags,
    ) -> FsResult<()> {
        let how = if flags.is_empty() {
            Rename::Replace
        } else if flags == RenameFlags::RENAME_NOREPLACE {
            Rename::NoReplace
        } else if flags == RenameFlags::RENAME_EXCHANGE {
            Rename::Exchange
        } else {
            return Err(FsError::Invalid);
        };
        let lent = self.names()?;
        let (from, to) = (self.dir(&lent, from)?, self.dir(&lent, to)?);
        lent.view.rename_how_at(&from, old.as_bytes(), &to, new.as_bytes(), how)
    }

    /// Makes a regular file, or opens one that somebody made meanwhile.
    pub(crate) fn create(
        &self,
        parent: u64,
        name: &OsStr,
        mode: u32,
        flags: OpenFlags,
    ) -> FsResult<(FileAttr, u64)> {
        let lent = self.names()?;
        let dir = self.dir(&lent, parent)?;
        let how = OpenOptions {
            create: true,
            exclusive: has(flags, OFlags::EXCL),
            mode: Some(mode & 0o7777),
            ..how(flags)
        };
        let Handle::File(file) = lent.view.open_at(&dir, name.as_bytes(), &how)? else {
            return Err(FsError::IsDirectory);
        };
        let meta = file.meta()?;
        let attr = self.entry(&lent, (file.node(), meta));
        let fh = self.open.add_file(file, attr.ino.0, lent.epoch);
        Ok((attr, fh))
    }

    /// Makes a regular file and leaves it closed.
    pub(crate) fn make_file(&self, parent: u64, name: &OsStr, mode: u32) -> FsResult<FileAttr> {
        let (attr, fh) = self.create(parent, name, mode, OpenFlags(OFlags::EXCL.bits() as i32))?;
        self.open.close_file(fh);
        Ok(attr)
    }

    pub(crate) fn open(&self, ino: u64, flags: OpenFlags) -> FsResult<u64> {
        let how = how(flags);
        let lent = if how.write || how.truncate { self.write()? } else { self.read()? };
        let file = self.node(&lent, ino)?.open(&how)?;
        Ok(self.open.add_file(file, ino, lent.epoch))
    }

    pub(crate) fn read_file(&self, fh: u64, offset: u64, size: u32) -> FsResult<Vec<u8>> {
        let lent = self.read()?;
        let file = self.open.file(fh, &lent, &self.nodes)?;
        let mut bytes = vec![0; size as usize];
        let n = file.read_at(&mut bytes, offset)?;
        bytes.truncate(n);
        Ok(bytes)
    }

    pub(crate) fn write_file(
        &self,
        fh: u64,
        offset: u64,
        bytes: &[u8],
        append: bool,
    ) -> FsResult<u32> {
        let lent = self.write()?;
        let file = self.open.file(fh, &lent, &self.nodes)?;
        // The kernel knows the end only as of when it last asked.
        let n = if append && !self.lender.is_exclusive() {
            file.append(bytes)?
        } else {
            file.write_at(bytes, offset)?
        };
        Ok(n as u32)
    }

    pub(crate) fn file(&self, fh: u64) -> FsResult<(Lent, FileHandle)> {
        let lent = self.read()?;
        let file = self.open.file(fh, &lent, &self.nodes)?;
        Ok((lent, file))
    }
}

fn has(flags: OpenFlags, flag: OFlags) -> bool {
    OFlags::from_bits_retain(flags.0 as u32).contains(flag)
}

pub(crate) fn appends(flags: OpenFlags) -> bool {
    has(flags, OFlags::APPEND)
}

fn how(flags: OpenFlags) -> OpenOptions {
    let write = has(flags, OFlags::WRONLY) || has(flags, OFlags::RDWR);
    // The kernel checks who may read.
    OpenOptions { read: true, write, truncate: has(flags, OFlags::TRUNC), ..OpenOptions::default() }
}

/// So that a mount can hand it out.
pub(crate) type Shared = Arc<Served>;

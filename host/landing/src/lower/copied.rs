//! A frozen copy, read: what lies where is the index's to say, the files hold only content.

use std::fs::File;
use std::os::fd::OwnedFd;

use brio_session::{
    DirEntry, Fingerprint, FsError, FsResult, Kind, Lower, Meta, Observations, RelPath, Source,
};
use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags, openat};

use super::LOWER;
use super::index::{Content, Index, file_name};
use crate::disk;

pub(super) struct Copied {
    index: Index,
    files: OwnedFd,
}

impl Copied {
    /// Opens the copy in a session's directory.
    pub(super) fn open(session: &OwnedFd) -> FsResult<Self> {
        Ok(Self { index: Index::load(session)?, files: disk::open_dir(session, LOWER)? })
    }

    fn content(&self, path: &RelPath) -> FsResult<&Content> {
        self.index.fingerprint(path)?;
        Ok(self.index.entry(path).map_or(&Content::None, |e| &e.content))
    }
}

impl Lower for Copied {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        let f = self.index.fingerprint(path)?;
        Ok(Meta {
            kind: f.kind,
            ino: f.ino,
            nlink: f.nlink,
            size: f.size,
            mode: f.mode,
            atime: f.mtime,
            mtime: f.mtime,
            ctime: f.ctime,
        })
    }

    fn open(&self, path: &RelPath) -> FsResult<Source> {
        match self.content(path)? {
            Content::File(n) => {
                let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                Ok(File::from(openat(&self.files, file_name(*n), how, Mode::empty())?).into())
            }
            Content::Link(_) => Err(FsError::Loop),
            Content::Closed => Err(FsError::Access),
            Content::None => match self.index.fingerprint(path)?.kind {
                Kind::Dir => Err(FsError::IsDirectory),
                _ => Err(FsError::NotSupported),
            },
        }
    }

    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        match self.content(path)? {
            Content::Link(target) => Ok(target.clone()),
            _ => Err(FsError::Invalid),
        }
    }

    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        if self.index.fingerprint(path)?.kind != Kind::Dir {
            return Err(FsError::NotDirectory);
        }
        let dir = self.index.dir(path).ok_or(FsError::NotFound)?;
        if dir.closed {
            return Err(FsError::Access);
        }
        let entry = |e: &super::index::Entry| DirEntry {
            name: e.name.clone(),
            kind: e.fingerprint.kind,
            ino: e.fingerprint.ino,
        };
        Ok(dir.entries.iter().map(entry).collect())
    }

    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        Ok(Some(path.clone()))
    }

    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        match self.index.fingerprint(base) {
            Ok(f) => Ok(Some(*f)),
            Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn touched(&self, _path: &RelPath) -> FsResult<Option<Vec<Vec<u8>>>> {
        Ok(None)
    }

    fn observations(&self, _into: &mut Observations) {}

    fn own_file(&self, _path: &RelPath) -> FsResult<Option<(Dir, String)>> {
        // Not the session's to give away: it is read as long as the session is open.
        Ok(None)
    }

    fn reserved(&self, path: &RelPath) -> FsResult<bool> {
        self.index.fingerprint(path)?;
        Ok(self.index.dir(path).is_some_and(|d| d.reserved))
    }

    fn base(&self) -> &dyn Lower {
        self
    }
}

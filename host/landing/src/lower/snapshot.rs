//! A btrfs snapshot as a lower. Its inodes keep number, times and mode, so that what lies in
//! it is the fingerprint of the base's file as well.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use brio_session::{
    DirEntry, DirLower, Fingerprint, FsError, FsResult, Lower, Meta, Observations, RelPath, Source,
};
use cap_std::fs::Dir;

use super::LOWER;
use crate::disk;
use crate::meta::cap;
use crate::state::State;

pub(super) fn open(state: &State, session: &OwnedFd, subdir: &RelPath) -> FsResult<Arc<dyn Lower>> {
    let root = disk::open_dir(session, LOWER)?;
    let at = match subdir.is_root() {
        true => root,
        false => disk::open_beneath(&root, subdir.as_bytes(), disk::DIR, true)?,
    };
    let files = DirLower::new(cap(at));
    match state.hidden.as_ref().and_then(|h| h.strip_prefix(subdir)) {
        Some(hidden) => Ok(Arc::new(Hiding { files, hidden })),
        None => Ok(Arc::new(files)),
    }
}

/// Without brio's home, which lies in the base.
struct Hiding {
    files: DirLower,
    hidden: RelPath,
}

impl Hiding {
    fn seen(&self, path: &RelPath) -> FsResult<()> {
        if path.starts_with(&self.hidden) { Err(FsError::NotFound) } else { Ok(()) }
    }
}

impl Lower for Hiding {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        self.seen(path)?;
        self.files.stat(path)
    }
    fn open(&self, path: &RelPath) -> FsResult<Source> {
        self.seen(path)?;
        self.files.open(path)
    }
    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        self.seen(path)?;
        self.files.read_link(path)
    }
    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        self.seen(path)?;
        let mut out = self.files.list(path)?;
        out.retain(|e| path.join(&e.name) != self.hidden);
        Ok(out)
    }
    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        self.files.origin(path)
    }
    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        match self.seen(base) {
            Ok(()) => self.files.fingerprint(base),
            Err(_) => Ok(None),
        }
    }
    fn touched(&self, _path: &RelPath) -> FsResult<Option<Vec<Vec<u8>>>> {
        Ok(None)
    }
    fn observations(&self, _into: &mut Observations) {}
    fn own_file(&self, _path: &RelPath) -> FsResult<Option<(Dir, String)>> {
        Ok(None)
    }
    fn reserved(&self, path: &RelPath) -> FsResult<bool> {
        self.files.reserved(path)
    }
    fn base(&self) -> &dyn Lower {
        self
    }
}

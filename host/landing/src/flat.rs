//! A stack of layers, seen as if it were a plain directory: then what lies above it is all
//! that changed.

use std::sync::Arc;

use brio_session::{
    DirEntry, Fingerprint, FsError, FsResult, Lower, Meta, Observations, RelPath, Source,
};
use cap_std::fs::Dir;

/// A lower that denies having layers.
pub(crate) struct Flat(pub(crate) Arc<dyn Lower>);

impl Lower for Flat {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        self.0.stat(path)
    }
    fn open(&self, path: &RelPath) -> FsResult<Source> {
        self.0.open(path)
    }
    fn open_known(&self, path: &RelPath) -> FsResult<Source> {
        self.0.open_known(path)
    }
    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        self.0.read_link(path)
    }
    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        self.0.list(path)
    }
    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        Ok(Some(path.clone()))
    }
    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        match self.0.stat(base) {
            Ok(m) => Ok(Some(Fingerprint {
                kind: m.kind,
                ino: m.ino,
                mode: m.mode,
                nlink: m.nlink,
                size: m.size,
                mtime: m.mtime,
                ctime: m.ctime,
            })),
            Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
            Err(e) => Err(e),
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
        self.0.reserved(path)
    }
    fn excluded(&self, path: &RelPath, dir: bool) -> bool {
        self.0.base().excluded(path, dir)
    }
    fn excludes(&self) -> bool {
        self.0.base().excludes()
    }
    fn base(&self) -> &dyn Lower {
        self
    }
}

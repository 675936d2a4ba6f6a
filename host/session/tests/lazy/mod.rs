//! A plain directory as a lower whose contents are fetched as they are read, a little at a time.
//! It counts what it is asked for, and can be out of reach.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "part of several tests")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use brio_session::{
    DirEntry, DirLower, Fingerprint, FsError, FsResult, Lower, Meta, Observations, ReadAt, RelPath,
    Source,
};
use cap_std::fs::Dir;

/// What was asked for.
#[derive(Default)]
pub struct Asked {
    /// Files that were opened.
    pub opened: AtomicU64,
    /// Bytes that were fetched.
    pub bytes: AtomicU64,
    /// What is answered in place of content.
    pub broken: Mutex<Option<FsError>>,
}

impl Asked {
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::SeqCst)
    }

    pub fn break_with(&self, e: Option<FsError>) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = e;
    }
}

pub struct LazyDir {
    dir: DirLower,
    asked: Arc<Asked>,
    /// At most so many bytes at once.
    piece: usize,
    /// Whether hashes are known without reading.
    hashes: bool,
}

impl LazyDir {
    pub fn new(dir: Dir, asked: Arc<Asked>, piece: usize, hashes: bool) -> Self {
        Self { dir: DirLower::new(dir), asked, piece, hashes }
    }
}

struct Content {
    file: File,
    size: u64,
    asked: Arc<Asked>,
    piece: usize,
    sha256: Option<[u8; 32]>,
}

impl ReadAt for Content {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize> {
        if let Some(e) = *self.asked.broken.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(e);
        }
        let most = buf.len().min(self.piece);
        let n = self.file.read_at(&mut buf[..most], offset)?;
        self.asked.bytes.fetch_add(n as u64, Ordering::SeqCst);
        Ok(n)
    }

    fn sha256(&self) -> Option<[u8; 32]> {
        self.sha256
    }
}

impl Lower for LazyDir {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        self.dir.stat(path)
    }

    fn open(&self, path: &RelPath) -> FsResult<Source> {
        let file = self.dir.open_file(path)?;
        let size = file.metadata()?.len();
        let sha256 = match self.hashes {
            true => Some(Source::from(file.try_clone()?).sha256()?),
            false => None,
        };
        self.asked.opened.fetch_add(1, Ordering::SeqCst);
        let (asked, piece) = (self.asked.clone(), self.piece);
        Ok(Source::Lazy(Arc::new(Content { file, size, asked, piece, sha256 })))
    }

    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        self.dir.read_link(path)
    }

    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        self.dir.list(path)
    }

    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        self.dir.origin(path)
    }

    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        self.dir.fingerprint(base)
    }

    fn touched(&self, _path: &RelPath) -> FsResult<Option<Vec<Vec<u8>>>> {
        Ok(None)
    }

    fn observations(&self, _into: &mut Observations) {}

    fn own_file(&self, _path: &RelPath) -> FsResult<Option<(Dir, String)>> {
        Ok(None)
    }

    fn reserved(&self, path: &RelPath) -> FsResult<bool> {
        self.dir.reserved(path)
    }

    fn base(&self) -> &dyn Lower {
        self
    }
}

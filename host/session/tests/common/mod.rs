//! A base, a layer and short words for what the directed tests do.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "a fixture of several tests"
)]

#[cfg(unix)]
#[path = "../lazy/mod.rs"]
pub mod lazy;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use brio_session::{
    ChangeKind, DirHandle, DirLower, Door, FileHandle, FsResult, Handle, Lower, Meta, OpenOptions,
    Sealed, View, ViewOptions,
};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

pub struct Fixture {
    pub tmp: tempfile::TempDir,
    pub layers: Vec<PathBuf>,
}

pub fn open_dir(p: &Path) -> Dir {
    Dir::open_ambient_dir(p, ambient_authority()).unwrap()
}

/// The base as a lower. Tests that are run as `…_lazy` too fetch its contents there.
#[cfg(unix)]
fn lower(base: Dir) -> Arc<dyn Lower> {
    match module_path!().contains("_lazy") {
        true => Arc::new(lazy::LazyDir::new(base, Arc::default(), 997, false)),
        false => Arc::new(DirLower::new(base)),
    }
}

#[cfg(not(unix))]
fn lower(base: Dir) -> Arc<dyn Lower> {
    Arc::new(DirLower::new(base))
}

impl Fixture {
    /// With a base that `fill` fills, and one layer.
    pub fn new(fill: impl FnOnce(&Path)) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::create_dir(tmp.path().join("base")).unwrap();
        fill(&tmp.path().join("base"));
        let mut f = Self { tmp, layers: Vec::new() };
        f.push_layer();
        f
    }

    pub fn base(&self) -> PathBuf {
        self.tmp.path().join("base")
    }

    pub fn push_layer(&mut self) -> PathBuf {
        let p = self.tmp.path().join(format!("layer{}", self.layers.len()));
        std::fs::create_dir(&p).unwrap();
        View::create_layer(&open_dir(&p), &Door::default()).unwrap();
        self.layers.push(p.clone());
        p
    }

    pub fn restack(&mut self, v: &View) {
        let layer = self.push_layer();
        v.restack(Vec::new(), open_dir(&layer)).unwrap();
    }

    pub fn view(&self) -> View {
        self.view_with(ViewOptions::default())
    }

    pub fn view_with(&self, options: ViewOptions) -> View {
        self.try_view(options).unwrap()
    }

    pub fn try_view(&self, options: ViewOptions) -> FsResult<View> {
        let mut lower = lower(open_dir(&self.base()));
        let (top, sealed) = self.layers.split_last().unwrap();
        for l in sealed {
            lower = Arc::new(Sealed::open(open_dir(l), lower)?);
        }
        View::open(open_dir(top), lower, options)
    }
}

/// The operations with paths from the root.
pub trait Short {
    fn open(&self, p: &str, how: OpenOptions) -> FsResult<Handle>;
    fn file(&self, p: &str, how: OpenOptions) -> FsResult<FileHandle>;
    fn dir(&self, p: &str) -> FsResult<DirHandle>;
    fn put(&self, p: &str, bytes: &[u8]) -> FsResult<()>;
    fn get(&self, p: &str) -> FsResult<Vec<u8>>;
    fn stat(&self, p: &str) -> FsResult<Meta>;
    fn lstat(&self, p: &str) -> FsResult<Meta>;
    fn mkdir(&self, p: &str) -> FsResult<()>;
    fn unlink(&self, p: &str) -> FsResult<()>;
    fn rmdir(&self, p: &str) -> FsResult<()>;
    fn mv(&self, a: &str, b: &str) -> FsResult<()>;
    fn ln(&self, a: &str, b: &str) -> FsResult<()>;
    fn sym(&self, t: &str, p: &str) -> FsResult<()>;
    fn ls(&self, p: &str) -> FsResult<Vec<String>>;
    fn diff(&self) -> Vec<(String, ChangeKind)>;
}

pub fn how(words: &str) -> OpenOptions {
    OpenOptions {
        read: words.contains('r'),
        write: words.contains('w'),
        create: words.contains('c'),
        exclusive: words.contains('x'),
        truncate: words.contains('t'),
        directory: words.contains('d'),
        follow: !words.contains('n'),
        owner: false,
        mode: None,
    }
}

impl Short for View {
    fn open(&self, p: &str, how: OpenOptions) -> FsResult<Handle> {
        self.open_at(&self.root(), p.as_bytes(), &how)
    }
    fn file(&self, p: &str, how: OpenOptions) -> FsResult<FileHandle> {
        match self.open(p, how)? {
            Handle::File(f) => Ok(f),
            Handle::Dir(_) => Err(brio_session::FsError::IsDirectory),
        }
    }
    fn dir(&self, p: &str) -> FsResult<DirHandle> {
        match self.open(p, how("rd"))? {
            Handle::Dir(d) => Ok(d),
            Handle::File(_) => unreachable!("directory"),
        }
    }
    fn put(&self, p: &str, bytes: &[u8]) -> FsResult<()> {
        self.file(p, how("wct"))?.write_at(bytes, 0).map(drop)
    }
    fn get(&self, p: &str) -> FsResult<Vec<u8>> {
        read_all(&self.file(p, how("r"))?)
    }
    fn stat(&self, p: &str) -> FsResult<Meta> {
        self.stat_at(&self.root(), p.as_bytes(), true)
    }
    fn lstat(&self, p: &str) -> FsResult<Meta> {
        self.stat_at(&self.root(), p.as_bytes(), false)
    }
    fn mkdir(&self, p: &str) -> FsResult<()> {
        self.mkdir_at(&self.root(), p.as_bytes())
    }
    fn unlink(&self, p: &str) -> FsResult<()> {
        self.unlink_at(&self.root(), p.as_bytes())
    }
    fn rmdir(&self, p: &str) -> FsResult<()> {
        self.rmdir_at(&self.root(), p.as_bytes())
    }
    fn mv(&self, a: &str, b: &str) -> FsResult<()> {
        self.rename_at(&self.root(), a.as_bytes(), &self.root(), b.as_bytes())
    }
    fn ln(&self, a: &str, b: &str) -> FsResult<()> {
        self.link_at(&self.root(), a.as_bytes(), false, &self.root(), b.as_bytes())
    }
    fn sym(&self, t: &str, p: &str) -> FsResult<()> {
        self.symlink_at(t.as_bytes(), &self.root(), p.as_bytes())
    }
    fn ls(&self, p: &str) -> FsResult<Vec<String>> {
        let list = self.dir(p)?.list()?;
        Ok(list.into_iter().map(|e| String::from_utf8_lossy(&e.name).into_owned()).collect())
    }
    fn diff(&self) -> Vec<(String, ChangeKind)> {
        let changes = self.changes().unwrap().changes;
        changes.into_iter().map(|c| (c.path.to_string(), c.kind)).collect()
    }
}

pub fn read_all(f: &FileHandle) -> FsResult<Vec<u8>> {
    let mut out = Vec::new();
    let mut buf = vec![0; 1 << 20];
    loop {
        match f.read_at(&mut buf, out.len() as u64)? {
            0 => return Ok(out),
            n => out.extend_from_slice(&buf[..n]),
        }
    }
}

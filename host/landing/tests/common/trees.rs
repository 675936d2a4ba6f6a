//! Trees over plain directories: each has the hash of what it holds, and answers from that alone.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "part of several tests")]

#[path = "../../../session/tests/lazy/mod.rs"]
pub mod lazy;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use brio_landing::{
    BeginOptions, Domain, LowerOptions, OpenOptions, Session, TreeInfo, Trees, WantedLower,
};
use brio_session::{
    DirEntry, DirLower, Fingerprint, FsError, FsResult, Kind, Lower, Meta, Observations, RelPath,
    Source, Time,
};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use lazy::{Asked, LazyDir};
use sha2::{Digest, Sha256};

pub const PROJECT: &str = "org/name";

/// A store of trees: plain directories by the hash of what they hold.
pub struct DirTrees {
    at: tempfile::TempDir,
    trees: Mutex<BTreeMap<String, PathBuf>>,
    made: AtomicU64,
    /// Trees that were opened, and what was asked of them.
    pub opened: AtomicU64,
    pub looks: Arc<AtomicU64>,
    /// `Some`: contents are fetched as they are read.
    pub asked: Option<Arc<Asked>>,
}

impl DirTrees {
    pub fn new(lazy: bool) -> Arc<Self> {
        Arc::new(Self {
            at: tempfile::tempdir().unwrap(),
            trees: Mutex::default(),
            made: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            looks: Arc::default(),
            asked: lazy.then(Arc::default),
        })
    }

    /// A tree that `fill` makes.
    pub fn add(&self, fill: impl FnOnce(&Path)) -> TreeInfo {
        let position = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        let dir = self.at.path().join(position.to_string());
        std::fs::create_dir(&dir).unwrap();
        fill(&dir);
        let mut sha = Sha256::new();
        digest(&dir, Path::new(""), &mut sha);
        let hash: String = sha.finalize().iter().map(|b| format!("{b:02x}")).collect();
        let tree = format!("sha256:{hash}");
        self.trees.lock().unwrap().entry(tree.clone()).or_insert(dir);
        let at = Time { secs: 1_500_000_000 + position as i64, nanos: 0 };
        TreeInfo { store: "local".into(), project: PROJECT.into(), tree, position, at }
    }

    /// Where a tree lies.
    pub fn dir(&self, tree: &TreeInfo) -> PathBuf {
        self.trees.lock().unwrap()[&tree.tree].clone()
    }

    /// A tree of some files; one whose name ends with a slash is a directory.
    pub fn of(&self, files: &[(&str, &str)]) -> TreeInfo {
        self.add(|dir| {
            for (path, content) in files {
                let at = dir.join(path);
                if path.ends_with('/') {
                    std::fs::create_dir_all(at).unwrap();
                    continue;
                }
                std::fs::create_dir_all(at.parent().unwrap()).unwrap();
                std::fs::write(&at, content).unwrap();
                std::fs::set_permissions(&at, PermissionsExt::from_mode(0o644)).unwrap();
            }
        })
    }
}

/// What a tree's hash is made of: paths, kinds, modes, contents.
fn digest(root: &Path, at: &Path, sha: &mut Sha256) {
    let mut names: Vec<_> =
        std::fs::read_dir(root.join(at)).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let path = at.join(&name);
        sha.update(path.as_os_str().as_bytes());
        sha.update(entry(&root.join(&path)));
        if root.join(&path).symlink_metadata().unwrap().is_dir() {
            digest(root, &path, sha);
        }
    }
}

fn entry(path: &Path) -> Vec<u8> {
    let m = path.symlink_metadata().unwrap();
    let mut out = m.permissions().mode().to_le_bytes().to_vec();
    out.extend(m.len().to_le_bytes());
    if m.is_symlink() {
        out.extend(std::fs::read_link(path).unwrap().as_os_str().as_bytes());
    } else if m.is_file() && m.len() <= 1 << 20 {
        out.extend(std::fs::read(path).unwrap());
    } else if m.is_dir() {
        out.truncate(4);
    }
    out
}

impl Trees for DirTrees {
    fn open(&self, tree: &TreeInfo) -> FsResult<Arc<dyn Lower>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let at = self.trees.lock().unwrap().get(&tree.tree).cloned().ok_or(FsError::Unreachable)?;
        let dir = || Dir::open_ambient_dir(&at, ambient_authority()).unwrap();
        let files: Arc<dyn Lower> = match &self.asked {
            Some(asked) => Arc::new(LazyDir::new(dir(), asked.clone(), 4096, false)),
            None => Arc::new(DirLower::new(dir())),
        };
        Ok(Arc::new(TreeDir { files, at, looks: self.looks.clone() }))
    }
}

struct TreeDir {
    files: Arc<dyn Lower>,
    at: PathBuf,
    looks: Arc<AtomicU64>,
}

impl TreeDir {
    fn look(&self) {
        self.looks.fetch_add(1, Ordering::SeqCst);
    }

    /// A directory's follows from its path, everything else's from what it is as well.
    fn ino(&self, path: &RelPath, kind: Kind) -> u64 {
        let mut sha = Sha256::new();
        sha.update((path.as_bytes().len() as u64).to_le_bytes());
        sha.update(path.as_bytes());
        if kind != Kind::Dir {
            sha.update(entry(&self.at.join(path.to_path())));
        }
        u64::from_le_bytes(sha.finalize()[..8].try_into().unwrap()) | 1
    }
}

impl Lower for TreeDir {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        self.look();
        let m = self.files.stat(path)?;
        let nlink = if m.kind == Kind::Dir { m.nlink } else { 1 };
        Ok(Meta { ino: self.ino(path, m.kind), nlink, ..m })
    }

    fn open(&self, path: &RelPath) -> FsResult<Source> {
        self.look();
        self.files.open(path)
    }

    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        self.look();
        self.files.read_link(path)
    }

    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        self.look();
        let mut out = self.files.list(path)?;
        for e in &mut out {
            e.ino = self.ino(&path.join(&e.name), e.kind);
        }
        Ok(out)
    }

    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        Ok(Some(path.clone()))
    }

    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        match self.stat(base) {
            Ok(Meta { kind, ino, mode, nlink, size, mtime, ctime, .. }) => {
                Ok(Some(Fingerprint { kind, ino, mode, nlink, size, mtime, ctime }))
            }
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
        self.files.reserved(path)
    }

    fn base(&self) -> &dyn Lower {
        self
    }
}

/// Opens a domain that knows the trees.
pub fn open(base: &Path, trees: &Arc<DirTrees>) -> Domain {
    Domain::open(base, options(trees)).unwrap().0
}

pub fn options(trees: &Arc<DirTrees>) -> OpenOptions {
    let trees: Arc<dyn Trees> = trees.clone();
    OpenOptions { boot_id: "boot-1".into(), trees: Some(trees), ..OpenOptions::default() }
}

pub fn on(tree: &TreeInfo) -> BeginOptions {
    let lower = LowerOptions { wanted: WantedLower::Tree(tree.clone()), ..LowerOptions::default() };
    BeginOptions { lower, ..BeginOptions::default() }
}

pub fn begin(d: &Domain, tree: &TreeInfo) -> Session {
    d.begin(on(tree)).unwrap()
}

//! Programs whose every step depends on all that they have read, and what they run on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use brio_session::{Handle, Kind, OpenOptions, View};

/// Files and directories, as a program sees them. Whether something failed is all that is told.
pub trait Files {
    fn read(&self, path: &str) -> Option<Vec<u8>>;
    /// Names, sorted; `None`: no directory.
    fn list(&self, path: &str) -> Option<Vec<String>>;
    /// Whether it is a directory; `None`: nothing is there.
    fn is_dir(&self, path: &str) -> Option<bool>;
    fn write(&self, path: &str, content: &[u8]) -> bool;
    fn mkdir(&self, path: &str) -> bool;
    fn remove(&self, path: &str) -> bool;
    fn rename(&self, from: &str, to: &str) -> bool;
}

/// A plain directory.
pub struct Plain(pub PathBuf);

impl Files for Plain {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.0.join(path)).ok()
    }
    fn list(&self, path: &str) -> Option<Vec<String>> {
        let entries = std::fs::read_dir(self.0.join(path)).ok()?;
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        Some(names)
    }
    fn is_dir(&self, path: &str) -> Option<bool> {
        Some(self.0.join(path).symlink_metadata().ok()?.is_dir())
    }
    fn write(&self, path: &str, content: &[u8]) -> bool {
        std::fs::write(self.0.join(path), content).is_ok()
    }
    fn mkdir(&self, path: &str) -> bool {
        std::fs::create_dir(self.0.join(path)).is_ok()
    }
    fn remove(&self, path: &str) -> bool {
        let path = self.0.join(path);
        std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path)).is_ok()
    }
    fn rename(&self, from: &str, to: &str) -> bool {
        std::fs::rename(self.0.join(from), self.0.join(to)).is_ok()
    }
}

impl Files for View {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        crate::common::read(self, path)
    }
    fn list(&self, path: &str) -> Option<Vec<String>> {
        let how = OpenOptions { read: true, directory: true, ..OpenOptions::default() };
        let Ok(Handle::Dir(d)) = self.open_at(&self.root(), path.as_bytes(), &how) else {
            return None;
        };
        Some(d.list().unwrap().into_iter().map(|e| String::from_utf8(e.name).unwrap()).collect())
    }
    fn is_dir(&self, path: &str) -> Option<bool> {
        Some(self.stat_at(&self.root(), path.as_bytes(), false).ok()?.kind == Kind::Dir)
    }
    fn write(&self, path: &str, content: &[u8]) -> bool {
        let how =
            OpenOptions { write: true, create: true, truncate: true, ..OpenOptions::default() };
        match self.open_at(&self.root(), path.as_bytes(), &how) {
            Ok(Handle::File(f)) => f.write_at(content, 0).is_ok(),
            _ => false,
        }
    }
    fn mkdir(&self, path: &str) -> bool {
        self.mkdir_at(&self.root(), path.as_bytes()).is_ok()
    }
    fn remove(&self, path: &str) -> bool {
        self.unlink_at(&self.root(), path.as_bytes())
            .or_else(|_| self.rmdir_at(&self.root(), path.as_bytes()))
            .is_ok()
    }
    fn rename(&self, from: &str, to: &str) -> bool {
        self.rename_at(&self.root(), from.as_bytes(), &self.root(), to.as_bytes()).is_ok()
    }
}

/// Numbers from a seed (splitmix64).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

const FILES: [&str; 14] = [
    "a", "b", "c", "d/x", "d/y", "d/s/z", "e/x", "e/y", "e/s/z", "g/x", "h/x", "h/y", "k/x", "k/y",
];
const DIRS: [&str; 8] = ["d", "e", "d/s", "e/s", "g", "h", "k", "d/new"];

/// A program in the middle: what it does next follows from its seed and from all that it saw.
pub struct Program {
    rng: Rng,
    saw: u64,
}

impl Program {
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng(seed), saw: seed }
    }

    fn see(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.saw = (self.saw ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
        }
        self.saw ^= self.saw >> 29;
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[(self.rng.next() ^ self.saw) as usize % of.len()]
    }

    pub fn run(&mut self, files: &dyn Files, steps: usize) {
        for _ in 0..steps {
            let (file, dir) = (self.pick(&FILES), self.pick(&DIRS));
            let act = self.rng.below(16);
            let done = match act {
                0..=2 => {
                    let content = files.read(file);
                    self.see(content.as_deref().unwrap_or(b"nothing"));
                    continue;
                }
                3..=4 => {
                    let names = files.list(dir).map(|names| names.join("/"));
                    self.see(names.as_deref().unwrap_or("no directory").as_bytes());
                    continue;
                }
                5..=6 => {
                    let kind = files.is_dir(file);
                    self.see(format!("{kind:?}").as_bytes());
                    continue;
                }
                7..=10 => files.write(file, format!("{:016x}", self.saw).as_bytes()),
                11..=12 => files.remove(file),
                13 => files.mkdir(dir),
                14 => files.remove(dir),
                _ => {
                    let to = self.pick(&FILES);
                    let free = files.is_dir(to).is_none() && files.is_dir(file) == Some(false);
                    free && files.rename(file, to)
                }
            };
            self.see(&[act as u8, u8::from(done)]);
        }
    }
}

/// A tree without `.brio`: contents by path; of a directory nothing.
pub fn contents(root: &Path) -> BTreeMap<String, Option<String>> {
    let mut out = BTreeMap::new();
    let mut todo = vec![String::new()];
    while let Some(dir) = todo.pop() {
        for e in std::fs::read_dir(root.join(&dir)).unwrap() {
            let e = e.unwrap();
            let name = e.file_name().into_string().unwrap();
            if name == ".brio" {
                continue;
            }
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            if e.file_type().unwrap().is_dir() {
                todo.push(path.clone());
                out.insert(path, None);
            } else {
                out.insert(path.clone(), Some(std::fs::read_to_string(root.join(&path)).unwrap()));
            }
        }
    }
    out
}

/// The tree that every history begins with.
pub fn fill(root: &Path) {
    for dir in ["d", "e", "d/s", "e/s", "h"] {
        std::fs::create_dir(root.join(dir)).unwrap();
    }
    for file in ["a", "b", "d/x", "d/s/z", "e/x", "e/y", "h/x"] {
        std::fs::write(root.join(file), file).unwrap();
    }
}

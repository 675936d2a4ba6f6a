//! What was read from a store and is kept near: in memory, on a disk, and wherever else a
//! [`Tier`] finds it. The store is asked last.
//!
//! A disk cache holds contents as they are, one file each by its hash, so that a reader can have
//! the file itself and a checkout can share its blocks. Many processes use one directory: a file
//! is renamed into it whole, and may be gone any time. What is damaged there is found when it is
//! read, removed, and fetched again.

use std::fs::{File, FileTimes};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::key::Kind;
use crate::{Error, Hash, Result};

/// A place that may have an object nearer than the store does: another machine's cache. What it
/// gives is verified, so it need not be trusted; what it does not have is looked for elsewhere.
#[async_trait]
pub trait Tier: Send + Sync {
    /// The content of an object, if it has it, soon.
    async fn get(&self, kind: Kind, hash: &Hash) -> Option<Bytes>;
}

/// Contents in a directory, least recently used ones first to go.
#[derive(Debug, Clone)]
pub struct DiskCache {
    dir: PathBuf,
    capacity: u64,
}

/// Each time that this many bytes were put, on average, what is there is counted.
const COUNT_EVERY: u64 = 32 << 20;
/// A use is written down if the last one was longer ago.
const TOUCH: Duration = Duration::from_secs(3600);
/// What a killed process left unfinished is old then.
const STALE: Duration = Duration::from_secs(3600);

impl DiskCache {
    /// In this directory, which is made; `capacity` in bytes is kept to roughly.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(dir: impl Into<PathBuf>, capacity: u64) -> Result<Self> {
        let dir = dir.into();
        std::fs::create_dir_all(&dir).map_err(|e| Error::host(dir.display(), e))?;
        Ok(Self { dir, capacity })
    }

    fn path(&self, kind: Kind, hash: &Hash) -> PathBuf {
        let hex = hash.hex();
        let mut path = self.dir.join(kind.folder());
        path.extend([&hex[..2], hex.as_str()]);
        path
    }

    /// A file that holds a content and was verified just now, and where it lies: its path may be
    /// gone at once, the file stays readable.
    pub fn file(&self, kind: Kind, hash: &Hash) -> Option<(File, PathBuf)> {
        let path = self.path(kind, hash);
        let mut file = File::open(&path).ok()?;
        let mut hasher = crate::hash::Hasher::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => hasher.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        if hasher.finish() != *hash {
            damaged(&path);
            return None;
        }
        used(&file);
        io::Seek::rewind(&mut file).ok()?;
        Some((file, path))
    }

    /// Whether a content is there, as far as its name says.
    pub fn has(&self, kind: Kind, hash: &Hash) -> bool {
        self.path(kind, hash).exists()
    }

    /// A content; `None`: it is not there.
    pub fn get(&self, kind: Kind, hash: &Hash) -> Option<Bytes> {
        let path = self.path(kind, hash);
        let mut file = File::open(&path).ok()?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).ok()?;
        if Hash::of(&content) != *hash {
            damaged(&path);
            return None;
        }
        used(&file);
        Some(content.into())
    }

    /// Keeps a content, as well as it can: a cache that is full or cannot be written costs
    /// requests, and nothing else.
    pub fn put(&self, kind: Kind, hash: &Hash, content: &[u8]) {
        if self.capacity == 0 {
            return;
        }
        if let Err(e) = self.try_put(kind, hash, content) {
            tracing::debug!("{} {hash} is not kept in {}: {e}", kind.as_str(), self.dir.display());
        }
        let mut random = [0; 8];
        let chance = content.len() as u64;
        if getrandom::fill(&mut random).is_ok() && u64::from_le_bytes(random) % COUNT_EVERY < chance
        {
            self.trim();
        }
    }

    fn try_put(&self, kind: Kind, hash: &Hash, content: &[u8]) -> io::Result<()> {
        let path = self.path(kind, hash);
        if path.exists() {
            return Ok(());
        }
        let Some(parent) = path.parent() else { return Ok(()) };
        std::fs::create_dir_all(parent)?;
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(parent)?;
        file.write_all(content)?;
        file.persist(&path)?;
        Ok(())
    }

    /// Removes what was used longest ago until the capacity is kept to; a tenth is freed beyond
    /// that, so that it is not done again at once.
    pub fn trim(&self) {
        let mut found: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        let mut total = 0;
        for kind in [Kind::Blob, Kind::Tree] {
            for dir in entries(&self.dir.join(kind.folder())) {
                for path in entries(&dir) {
                    let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
                    let at = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    let unfinished = path
                        .file_name()
                        .is_some_and(|n| n.as_encoded_bytes().starts_with(b".new-"));
                    if unfinished {
                        if at.elapsed().is_ok_and(|age| age > STALE) {
                            let _ = std::fs::remove_file(&path);
                        }
                        continue;
                    }
                    total += meta.len();
                    found.push((at, meta.len(), path));
                }
            }
        }
        if total <= self.capacity {
            return;
        }
        found.sort();
        let goal = self.capacity / 10 * 9;
        for (_, size, path) in found {
            if total <= goal {
                break;
            }
            if std::fs::remove_file(&path).is_ok() {
                total -= size;
            }
        }
    }
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path())
}

fn damaged(path: &Path) {
    tracing::warn!("{} does not hold what its name says; it is fetched again", path.display());
    let _ = std::fs::remove_file(path);
}

/// Notes a use by the modification time: access times are often not kept.
fn used(file: &File) {
    let Ok(at) = file.metadata().and_then(|m| m.modified()) else { return };
    if at.elapsed().is_ok_and(|age| age > TOUCH) {
        let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_found_and_the_oldest_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = DiskCache::open(dir.path(), 10_000).unwrap();
        let contents: Vec<Vec<u8>> = (0..20u8).map(|n| vec![n; 1000]).collect();
        for (n, c) in contents.iter().enumerate() {
            let hash = Hash::of(c);
            cache.try_put(Kind::Blob, &hash, c).unwrap();
            let old = SystemTime::now() - Duration::from_secs(7200 - n as u64);
            let file = File::open(cache.path(Kind::Blob, &hash)).unwrap();
            file.set_times(FileTimes::new().set_modified(old)).unwrap();
        }
        // The oldest is used: that counts.
        assert!(cache.get(Kind::Blob, &Hash::of(&contents[0])).is_some());
        cache.trim();
        let left = |n: usize| cache.get(Kind::Blob, &Hash::of(&contents[n])).is_some();
        assert!(left(0) && left(19) && !left(1) && !left(2));
        assert_eq!((0..20).filter(|n| left(*n)).count(), 9);

        let hash = Hash::of(&contents[19]);
        std::fs::write(cache.path(Kind::Blob, &hash), b"damaged").unwrap();
        assert!(cache.file(Kind::Blob, &hash).is_none());
        assert!(!cache.path(Kind::Blob, &hash).exists());
        cache.try_put(Kind::Blob, &hash, &contents[19]).unwrap();
        let (mut file, _) = cache.file(Kind::Blob, &hash).unwrap();
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, contents[19]);
    }
}

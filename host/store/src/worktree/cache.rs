//! What files were when they were read, so that they need not be read again.
//!
//! `BRIOSTAT`, the version (u32), a length (u64), that many bytes of postcard, the CRC-32C of all
//! before (u32), little-endian. It is a cache: one that is damaged, of another version or made
//! for something else is thrown away without a word. It says nothing of what the store has.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::root::{Print, Root, Stamp};
use crate::tree::Key;
use crate::{Content, Hash, Project};

const MAGIC: &[u8; 8] = b"BRIOSTAT";
const VERSION: u32 = 1;
const HEAD: usize = 20;
/// How often it is saved while work is under way.
const OFTEN: Duration = Duration::from_secs(10);

/// What it was made for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Of {
    store: String,
    project: String,
    dev: u64,
    ino: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    of: Of,
    begun: Stamp,
    files: Vec<(Vec<u8>, Print, Known)>,
}

/// A [`Content`], as it is saved.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Known {
    size: u64,
    hash: [u8; 32],
    depth: u8,
    root: [u8; 32],
}

/// Contents of files by their paths and fingerprints.
pub(super) struct StatCache {
    path: Option<PathBuf>,
    of: Of,
    begun: Stamp,
    files: HashMap<Key, (Print, Content)>,
    changed: bool,
    saved: Instant,
}

impl StatCache {
    /// Loads what can be relied on; with no path, it is empty and never saved. From now on what
    /// is read is kept.
    pub(super) fn open(path: Option<&Path>, project: &Project, root: &Root) -> Self {
        let of = Of {
            store: project.store(),
            project: project.id().to_string(),
            dev: root.look.dev,
            ino: root.look.print.ino,
        };
        let files = path.and_then(|p| load(p, &of)).unwrap_or_default();
        Self {
            path: path.map(Path::to_owned),
            of,
            begun: Stamp::now(),
            files,
            changed: false,
            saved: Instant::now(),
        }
    }

    /// What a file holds, if it is known to be as it was read.
    pub(super) fn get(&self, key: &Key, print: &Print) -> Option<Content> {
        self.files.get(key).filter(|(p, _)| p == print).map(|(_, content)| *content)
    }

    /// A file was read, or written.
    pub(super) fn put(&mut self, key: &Key, print: Print, content: Content) {
        if self.path.is_some() {
            self.files.insert(key.clone(), (print, content));
            self.changed = true;
        }
    }

    /// From here on, instead of when it was opened: nobody else wrote until now.
    pub(super) fn begin_now(&mut self) {
        self.begun = Stamp::now();
    }

    /// Forgets what is not there any more.
    pub(super) fn keep(&mut self, there: impl Fn(&Key) -> bool) {
        let before = self.files.len();
        self.files.retain(|key, _| there(key));
        self.changed |= self.files.len() != before;
    }

    /// Saves it, if the last time is a while ago.
    pub(super) fn save_at_times(&mut self) {
        if self.saved.elapsed() >= OFTEN {
            self.save();
        }
    }

    /// Saves it, as well as it can: without it, files are read again.
    pub(super) fn save(&mut self) {
        self.saved = Instant::now();
        if let Some(path) = self.path.clone()
            && std::mem::take(&mut self.changed)
            && let Err(e) = self.write(&path)
        {
            tracing::debug!("{} is not saved: {e}", path.display());
        }
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        let files = self.files.iter().filter(|(_, (print, _))| print.settled(self.begun));
        let files = files.map(|(key, (print, c))| {
            let known = Known {
                size: c.size,
                hash: *c.hash.as_bytes(),
                depth: c.depth,
                root: *c.root.as_bytes(),
            };
            (key.path(), *print, known)
        });
        let saved = Saved { of: self.of.clone(), begun: self.begun, files: files.collect() };
        let body = postcard::to_stdvec(&saved).map_err(std::io::Error::other)?;
        let mut out = Vec::with_capacity(HEAD + body.len() + 4);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(body.len() as u64).to_le_bytes());
        out.extend_from_slice(&body);
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".stat-").tempfile_in(dir)?;
        // Not synced: what a power cut leaves of it does not have its checksum.
        file.write_all(&out)?;
        file.persist(path)?;
        Ok(())
    }
}

/// What can be relied on: what was settled when the one that it was saved by began.
fn load(path: &Path, of: &Of) -> Option<HashMap<Key, (Print, Content)>> {
    let bytes = std::fs::read(path).ok()?;
    let (all, sum) = bytes.split_last_chunk::<4>()?;
    if all.len() < HEAD || crc32c::crc32c(all) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (head, body) = all.split_at(HEAD);
    let length = u64::from_le_bytes(head[12..].try_into().ok()?);
    if head[..8] != *MAGIC || head[8..12] != VERSION.to_le_bytes() || length != body.len() as u64 {
        return None;
    }
    let saved: Saved = postcard::from_bytes(body).ok()?;
    if saved.of != *of {
        return None;
    }
    let mut out = HashMap::with_capacity(saved.files.len());
    for (path, print, known) in saved.files {
        if print.settled(saved.begun) {
            let content = Content {
                size: known.size,
                hash: Hash::from_bytes(known.hash),
                depth: known.depth,
                root: Hash::from_bytes(known.root),
            };
            out.insert(Key::new(&path).ok()?, (print, content));
        }
    }
    Some(out)
}

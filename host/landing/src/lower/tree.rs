//! A tree of a store as a lower: what a project held at a position of its head. It is read
//! through a trait that the host wires; nothing here knows a store.

use std::io::Read;
use std::sync::Arc;

use brio_session::{
    DirEntry, Fingerprint, FsError, FsResult, Kind, Lower, Meta, Observations, RelPath, STATE_DIR,
    Source, Time,
};
use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};

use super::excludes::{IGNORE_FILE, IGNORE_FILE_MAX, Patterns, lines_of};
use crate::state::State;

/// A tree that a session stands on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TreeInfo {
    /// In which store: a URL, or `local` for that of the home.
    pub store: String,
    /// Whose it is: `org/name`.
    pub project: String,
    /// Which: `sha256:` and 64 lower-case hexadecimal digits.
    pub tree: String,
    /// The position of the project's head that has this tree.
    pub position: u64,
    /// What the times of its files show.
    pub at: Time,
}

impl TreeInfo {
    /// What is wrong with it, in words; `None`: nothing.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match self.tree.strip_prefix("sha256:") {
            Some(digits) if digits.len() == 64 && digits.bytes().all(hex) => {}
            _ => return Some("it is not `sha256:` and 64 lower-case hexadecimal digits"),
        }
        match self.project.split_once('/') {
            Some((org, name)) if !org.is_empty() && !name.is_empty() && !name.contains('/') => None,
            _ => Some("its project is not `org/name`"),
        }
    }
}

/// Opens trees by their hashes.
///
/// What it gives is a [`Lower`] whose every answer follows from the hash alone, in any process:
/// the same path with the same entry (kind, mode, content) has the same `ino` in two trees, and
/// another entry another one; a directory's `ino` follows from its path only. That is how two
/// trees are compared without reading them. Times are set by who opens it through a session
/// ([`TreeInfo::at`]), and of a [`Fingerprint`] they do not count.
pub trait Trees: Send + Sync {
    /// Opens a tree, without fetching it.
    ///
    /// # Errors
    /// `Unreachable`, `Corrupt`.
    fn open(&self, tree: &TreeInfo) -> FsResult<Arc<dyn Lower>>;
}

/// The tree below the layers of a session, from the directory down that it branches.
pub(super) fn open(state: &State, info: &TreeInfo, subdir: &RelPath) -> FsResult<Arc<dyn Lower>> {
    // Who asks for a session is told before, in words.
    let trees = state.options.trees.as_ref().ok_or(FsError::Unreachable)?;
    Ok(Arc::new(Tree { below: trees.open(info)?, subdir: subdir.clone(), at: info.at }))
}

/// The lines of `.brioignore` in a tree. A tree never changes, so they are as fixed as those
/// that are read at a begin; a line that is no pattern hides nothing.
pub(super) fn ignored(tree: &dyn Lower) -> FsResult<Vec<String>> {
    let path = RelPath::new(IGNORE_FILE)?;
    match tree.stat(&path) {
        Ok(m) if m.kind == Kind::File && m.size <= IGNORE_FILE_MAX => {}
        Ok(_) | Err(FsError::NotFound | FsError::NotDirectory) => return Ok(Vec::new()),
        Err(e) => return Err(e),
    }
    let mut text = Vec::new();
    tree.open_known(&path)?.reader().take(IGNORE_FILE_MAX).read_to_end(&mut text)?;
    let mut lines = String::from_utf8(text).map(|text| lines_of(&text)).unwrap_or_default();
    lines.retain(|line| Patterns::compile(std::slice::from_ref(line)).is_ok());
    Ok(lines)
}

/// A fingerprint without what does not count of a tree's.
pub(crate) fn timeless(f: Fingerprint) -> Fingerprint {
    Fingerprint { nlink: 1, mtime: Time::default(), ctime: Time::default(), ..f }
}

struct Tree {
    below: Arc<dyn Lower>,
    subdir: RelPath,
    at: Time,
}

impl Tree {
    /// Where a path lies in the tree. A reserved name is nowhere, whoever stored it.
    fn full(&self, path: &RelPath) -> FsResult<RelPath> {
        let reserved = |name: &[u8]| name == STATE_DIR.as_bytes();
        if path.as_bytes().split(|b| *b == b'/').any(reserved) {
            return Err(FsError::NotFound);
        }
        Ok(self.subdir.join_path(path))
    }
}

impl Lower for Tree {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        let m = self.below.stat(&self.full(path)?)?;
        Ok(Meta { atime: self.at, mtime: self.at, ctime: self.at, ..m })
    }

    fn open(&self, path: &RelPath) -> FsResult<Source> {
        self.below.open(&self.full(path)?)
    }

    fn open_known(&self, path: &RelPath) -> FsResult<Source> {
        self.below.open_known(&self.full(path)?)
    }

    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        self.below.read_link(&self.full(path)?)
    }

    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        let mut out = self.below.list(&self.full(path)?)?;
        out.retain(|e| e.name != STATE_DIR.as_bytes());
        Ok(out)
    }

    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        Ok(Some(path.clone()))
    }

    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        match self.full(base) {
            Ok(full) => Ok(self.below.fingerprint(&full)?.map(timeless)),
            Err(FsError::NotFound) => Ok(None),
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
        let entries = self.below.list(&self.full(path)?)?;
        Ok(entries.iter().any(|e| e.name == STATE_DIR.as_bytes()))
    }

    fn base(&self) -> &dyn Lower {
        self
    }
}

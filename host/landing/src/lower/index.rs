//! What a frozen copy holds: every path with the fingerprint that the base's file had, and
//! where its content lies.

use std::io;
use std::os::fd::AsFd;

use brio_session::{Fingerprint, FsError, FsResult, Kind, RelPath};
use serde::{Deserialize, Serialize};

use super::LOWER_INDEX;
use crate::disk::{self, Disk};
use crate::intent::{decode, encode};

const MAGIC: &[u8; 8] = b"BRIOLOWR";

/// All of it. Directories and entries are sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    pub(crate) root: Fingerprint,
    pub(crate) dirs: Vec<DirRecord>,
}

/// One directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DirRecord {
    pub(crate) path: RelPath,
    /// It could not be read.
    pub(crate) closed: bool,
    /// It holds something that was left out.
    pub(crate) reserved: bool,
    pub(crate) entries: Vec<Entry>,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    /// Of the base's file, when it was copied.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) content: Content,
}

/// Where the content of an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    /// It has none: a directory, a device, a FIFO, a socket.
    None,
    /// In this file of the copy. Two names of one file share it.
    File(u64),
    /// The target of a link.
    Link(Vec<u8>),
    /// It could not be read.
    Closed,
}

/// The name of a file of the copy.
pub(crate) fn file_name(n: u64) -> String {
    format!("f{n}")
}

impl Index {
    pub(crate) fn load(session: impl AsFd) -> FsResult<Self> {
        let raw = disk::read(session, LOWER_INDEX)?.ok_or(FsError::Io(0))?;
        decode(MAGIC, &raw).map_err(|_| FsError::Io(0))
    }

    pub(crate) fn store(&self, disk: &Disk, dir: impl AsFd) -> io::Result<()> {
        disk.write_new(dir, LOWER_INDEX, &encode(MAGIC, self)?).map(drop)
    }

    pub(crate) fn dir(&self, path: &RelPath) -> Option<&DirRecord> {
        let at = self.dirs.binary_search_by(|d| d.path.cmp(path)).ok()?;
        self.dirs.get(at)
    }

    pub(crate) fn entry(&self, path: &RelPath) -> Option<&Entry> {
        let (parent, name) = path.split()?;
        self.dir(&parent)?.entry(name)
    }

    /// The fingerprint of a path.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`.
    pub(crate) fn fingerprint(&self, path: &RelPath) -> FsResult<&Fingerprint> {
        if path.is_root() {
            return Ok(&self.root);
        }
        if let Some(e) = self.entry(path) {
            return Ok(&e.fingerprint);
        }
        // Nothing there: tell a missing ancestor from one that is no directory.
        for up in path.ancestors().skip(1) {
            match self.entry(&up) {
                Some(e) if e.fingerprint.kind == Kind::Dir => {}
                Some(_) => return Err(FsError::NotDirectory),
                None => break,
            }
        }
        Err(FsError::NotFound)
    }

    /// Regular files, names of one counted once.
    pub(crate) fn files(&self) -> u64 {
        let contents = self.dirs.iter().flat_map(|d| &d.entries).filter_map(|e| match e.content {
            Content::File(n) => Some(n),
            _ => None,
        });
        contents.collect::<std::collections::HashSet<_>>().len() as u64
    }
}

impl DirRecord {
    pub(crate) fn entry(&self, name: &[u8]) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|e| e.name.as_slice().cmp(name)).ok()?;
        self.entries.get(at)
    }
}

//! What lies under a layer.

use std::collections::BTreeMap;
use std::fs::File;

use serde::{Deserialize, Serialize};

use crate::{Fingerprint, FsResult, Kind, Meta, RelPath, Source};

/// What lies under a layer: a base as of a landing, a frozen copy, or a sealed layer over
/// another lower; or a tree of a store.
///
/// Paths are in this lower's own namespace. No symbolic link is followed: a path whose
/// ancestors are not real directories does not exist. Every answer is of one point in time,
/// however long the lower is in use; nothing here changes anything.
pub trait Lower: Send + Sync {
    /// Metadata of what is at `path`, links not followed.
    ///
    /// # Errors
    /// `NotFound`; `NotDirectory` when an ancestor exists and is no directory;
    /// `SnapshotGone`, `Unreachable`, `Corrupt`.
    fn stat(&self, path: &RelPath) -> FsResult<Meta>;

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// As [`stat`](Self::stat); `IsDirectory`, `NotSupported` for other kinds; `Access`.
    fn open(&self, path: &RelPath) -> FsResult<Source>;

    /// Opens what [`stat`](Self::stat) has just found to be a regular file: no second look is
    /// needed, and nothing that is known to be something else is ever opened.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn open_known(&self, path: &RelPath) -> FsResult<Source> {
        self.open(path)
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// As [`stat`](Self::stat); `Invalid` for other kinds.
    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>>;

    /// The entries of a directory, in no order, without `.`, `..` and reserved names.
    ///
    /// # Errors
    /// As [`stat`](Self::stat); `NotDirectory`.
    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>>;

    /// The path in the base where the thing at `path` comes from, or, if nothing is there,
    /// where it would be; `None` for what a layer made.
    ///
    /// # Errors
    /// As [`stat`](Self::stat), but a missing last component is none.
    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>>;

    /// The fingerprint of a path of the *base* (as [`origin`](Self::origin) returns it);
    /// `None` when nothing is there.
    ///
    /// # Errors
    /// `SnapshotGone` and the host's.
    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>>;

    /// The names in the directory `path` that a layer touched; `None` when none below it was.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    fn touched(&self, path: &RelPath) -> FsResult<Option<Vec<Vec<u8>>>>;

    /// Adds what the sealed layers first saw of the base; what is there already stays.
    fn observations(&self, into: &mut Observations);

    /// Opens the data file of a layer that holds the content of `path`, where one does:
    /// then a landing can link it instead of copying.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    fn own_file(&self, path: &RelPath) -> FsResult<Option<(cap_std::fs::Dir, String)>>;

    /// The explicit times of a path, where a layer was told to set them.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    fn set_times_of(&self, path: &RelPath) -> FsResult<Option<(crate::Time, crate::Time)>> {
        let _ = path;
        Ok(None)
    }

    /// Every name in this lower of the file or link at `path`, itself among them, as far as a
    /// layer made them: hard links of the base are names of their own.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    fn names(&self, path: &RelPath) -> FsResult<Vec<RelPath>> {
        Ok(vec![path.clone()])
    }

    /// Whether the directory `path` holds a reserved name, which [`list`](Self::list) hides.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    fn reserved(&self, path: &RelPath) -> FsResult<bool> {
        let _ = path;
        Ok(false)
    }

    /// Whether this base leaves a path of a session out: what a layer makes there is the
    /// session's own and in no change set. `dir`: what the layer made is a directory.
    fn excluded(&self, path: &RelPath, dir: bool) -> bool {
        let _ = (path, dir);
        false
    }

    /// Whether [`excluded`](Self::excluded) can be true at all.
    fn excludes(&self) -> bool {
        false
    }

    /// Adds what was read of the base by those who wrote the layers, the lowest first.
    ///
    /// # Errors
    /// `Io(0)` for a record of an unknown version, and the host's.
    fn read_set(&self, into: &mut crate::ReadSet) -> FsResult<()> {
        let _ = into;
        Ok(())
    }

    /// Where the lowermost lower notes what is asked of it, if it is a
    /// [`Tracked`](crate::Tracked).
    fn notes(&self) -> Option<&std::sync::Arc<crate::Notes>> {
        None
    }

    /// The kept original of a path of the *base*: what it held when a layer first replaced it.
    ///
    /// # Errors
    /// The host's.
    fn original(&self, base: &RelPath) -> FsResult<Option<File>> {
        let _ = base;
        Ok(None)
    }

    /// The base below all layers: fingerprints, listings and contents by base path.
    fn base(&self) -> &dyn Lower;
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirEntry {
    /// Its name.
    pub name: Vec<u8>,
    /// Its kind.
    pub kind: Kind,
    /// Its identity, as [`Meta::ino`].
    pub ino: u64,
}

/// What a session saw of a path of the base when it first touched it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// Its state; `None`: nothing was there.
    pub fingerprint: Option<Fingerprint>,
    /// SHA-256 of a file's content, taken at copy-up, truncation, replacement or removal.
    pub sha256: Option<[u8; 32]>,
    /// The layer's file `o<id>` that keeps the original, for text up to 1 MiB.
    pub original: Option<u64>,
}

/// Observations by path of the base.
pub type Observations = BTreeMap<RelPath, Observed>;

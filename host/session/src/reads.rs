//! What a session read of its base: a commit can validate it, as it validates what was written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{DirEntry, Fingerprint, FsError, FsResult, Lower, RelPath};

/// What was read of the base, by path of the base.
///
/// It is complete: who does the same again over a base where [all of it holds](Self::broken)
/// sees the same. Not counted are the times, size and link count of a directory, which move
/// with its entries: who wants to know about entries lists them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadSet {
    /// What was read of single paths.
    pub paths: BTreeMap<RelPath, Read>,
    /// More was read than is known: it counts as having read everything. Something was written
    /// by a view that did not track what it read, or whose run did not come to its end.
    pub whole: bool,
}

/// What was read of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// What was there when it was first looked at; `None`: nothing. Only its kind and its mode
    /// count, unless more was read.
    pub seen: Option<Fingerprint>,
    /// Its metadata were asked for.
    pub metadata: bool,
    /// Bytes of the file, or the target of the link, were read.
    pub content: bool,
    /// Of a directory that was listed: [`listing_digest`].
    pub listing: Option<[u8; 32]>,
}

impl Read {
    /// Whether what was read is still so, as far as a fingerprint tells: a listing is compared
    /// on its own.
    pub fn holds(&self, now: Option<&Fingerprint>) -> bool {
        match (&self.seen, now) {
            (None, None) => true,
            (Some(was), Some(now)) if self.metadata || self.content => was.same_as(now),
            (Some(was), Some(now)) => was.kind == now.kind && was.mode == now.mode,
            _ => false,
        }
    }
}

impl ReadSet {
    /// Adds what another layer read: what was seen first stays.
    pub fn merge(&mut self, other: Self) {
        self.whole |= other.whole;
        for (path, read) in other.paths {
            let at = self.paths.entry(path).or_insert(read);
            at.metadata |= read.metadata;
            at.content |= read.content;
            at.listing = at.listing.or(read.listing);
        }
    }

    /// The paths of which something that was read is no longer so in the base `now`. What
    /// [`whole`](Self::whole) stands for is the caller's to judge.
    ///
    /// # Errors
    /// Those of reading the base.
    pub fn broken(&self, now: &dyn Lower) -> FsResult<Vec<RelPath>> {
        let mut out = Vec::new();
        for (path, read) in &self.paths {
            let mut holds = read.holds(now.fingerprint(path)?.as_ref());
            if let (true, Some(digest)) = (holds, read.listing) {
                holds = match now.list(path) {
                    Ok(entries) => listing_digest(&entries) == digest,
                    Err(FsError::NotFound | FsError::NotDirectory) => false,
                    Err(e) => return Err(e),
                };
            }
            if !holds {
                out.push(path.clone());
            }
        }
        Ok(out)
    }
}

/// SHA-256 over the names and kinds of a directory's entries, in whatever order they come.
pub fn listing_digest(entries: &[DirEntry]) -> [u8; 32] {
    let mut sorted: Vec<_> = entries.iter().map(|e| (&e.name, e.kind)).collect();
    sorted.sort_unstable();
    let mut hash = Sha256::new();
    for (name, kind) in sorted {
        hash.update((name.len() as u32).to_le_bytes());
        hash.update(name);
        hash.update([kind as u8]);
    }
    hash.finalize().into()
}

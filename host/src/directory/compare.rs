//! Which of a directory's entries a session has already, where nothing is remembered of how
//! they came there.

use std::collections::HashMap;
use std::path::Path;

use brio_session::{DirHandle, DirLower, Kind, Lower, Meta, RelPath, Time, View};

use super::listing::Identity;
use super::stamp::{Known, Stamp};
use super::take_back::same_content;
use super::{DirectoryError, Listing, Progress, Watch};

/// What a session shows and what a directory holds.
pub(super) struct Both<'a> {
    pub(super) view: &'a View,
    pub(super) root: &'a DirHandle,
    pub(super) listing: &'a Listing,
    pub(super) dir: &'a DirLower,
    pub(super) shown: &'a Path,
    pub(super) now: &'a Known,
}

/// What the directory would hold, were it the session: an entry equals that of `now` where the
/// session has just that. `quick`: a file of the same size and times is the same.
pub(super) fn compare(
    both: &Both<'_>,
    quick: bool,
    watch: &Watch,
) -> Result<Known, DirectoryError> {
    let identities = Identities::of(both);
    let mut progress = Progress {
        of: both.listing.entries.len() as u64,
        of_bytes: both.listing.bytes,
        ..Progress::default()
    };
    let mut known = Known::new();
    for (path, meta) in &both.listing.entries {
        watch.go_on()?;
        let mut stamp = Stamp {
            kind: meta.kind,
            ino: identities.of_view[&Identity::of(meta)],
            size: meta.size,
            mode: meta.mode,
            mtime: meta.mtime,
            ctime: NEVER,
        };
        if let Some(new) = both.now.get(path).filter(|new| new.kind == meta.kind)
            && same(both, path, meta, new, quick)?
        {
            stamp = Stamp { ino: stamp.ino, ..*new };
        }
        known.insert(path.clone(), stamp);
        progress.done += 1;
        progress.bytes += if meta.kind == Kind::File { meta.size } else { 0 };
        watch.tell(&progress);
    }
    Ok(known)
}

/// No file has it.
const NEVER: Time = Time { secs: i64::MIN, nanos: 0 };

fn same(
    both: &Both<'_>,
    path: &RelPath,
    meta: &Meta,
    new: &Stamp,
    quick: bool,
) -> Result<bool, DirectoryError> {
    if meta.kind == Kind::Symlink {
        let ours = both.view.read_link_at(both.root, path.as_bytes());
        let host = both.shown.join(path.to_path());
        let theirs = both.dir.read_link(path).map_err(DirectoryError::host(&host))?;
        return Ok(ours.map_err(DirectoryError::view(path))? == theirs);
    }
    match meta.kind {
        _ if meta.mode != new.mode => Ok(false),
        Kind::File if meta.mtime != new.mtime => Ok(false),
        Kind::File if meta.size != new.size => Ok(false),
        Kind::File if !quick => same_content(both.dir, both.shown, path, new, both.view, both.root),
        _ => Ok(true),
    }
}

/// Which file of the directory is which of the session: by the first path that both have.
struct Identities {
    /// By identity in the view: the inode in the directory, or a number that no inode there has.
    of_view: HashMap<Identity, u64>,
}

impl Identities {
    fn of(both: &Both<'_>) -> Self {
        let mut of_view = HashMap::new();
        let mut taken = HashMap::new();
        for (path, meta) in &both.listing.entries {
            if let Some(new) = both.now.get(path).filter(|new| new.kind == meta.kind)
                && *taken.entry(new.ino).or_insert(Identity::of(meta)) == Identity::of(meta)
            {
                of_view.entry(Identity::of(meta)).or_insert(new.ino);
            }
        }
        let inodes: std::collections::HashSet<u64> = both.now.values().map(|s| s.ino).collect();
        let mut free = (0..u64::MAX).rev().filter(|n| !inodes.contains(n));
        for (_, meta) in &both.listing.entries {
            // There are fewer files than numbers.
            of_view.entry(Identity::of(meta)).or_insert_with(|| free.next().unwrap_or(0));
        }
        Self { of_view }
    }
}

//! A tree as a directory.
//!
//! It is made in the directory itself, under a marker that lies there until all of it is durable,
//! and not in another one that is renamed at the end: so it can be a mount point, or the current
//! directory, or one beside which nothing can be made, and keeps its owner and mode. A directory
//! with the marker holds a part of a tree, under final names; who checks out the same tree again
//! goes on from what is there, and believes nothing of it that he has not read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cap_std::fs::Dir;
use rustix::fs::{Mode, fchmod, symlinkat};
use rustix::io::Errno;

use super::cache::StatCache;
use super::progress::{EndsWith, Pace};
use super::root::{Is, Look, Near, Root};
use super::{Watch, WorktreeError, WorktreeResult, entries, offload};
use crate::tree::{Entry, Key};
use crate::{Hash, Project};

mod place;
mod write;

use place::Place;
use write::{Wait, Writing};

/// How a tree is checked out.
#[derive(Debug, Clone, Default)]
pub struct CheckoutOptions {
    /// Gives files their set-user-id and set-group-id bits: only for a project whose writers may
    /// all run programs as whoever checks it out. Without it they are left away, and counted.
    pub set_ids: bool,
    /// The file of [`ScanOptions::cache`](super::ScanOptions::cache): after the checkout it knows
    /// what the files hold.
    pub cache: Option<PathBuf>,
    /// Who waits.
    pub watch: Watch,
}

/// What a checkout did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckedOut {
    /// Files that the tree has.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there, from a checkout that was cut off.
    pub kept: u64,
    /// Files that share their blocks with the cache on the disk.
    pub shared: u64,
    /// Files without the set-id bits that the tree gives them.
    pub without_set_ids: u64,
}

/// Makes a directory what a tree says. It must be empty, or hold a part of the same tree that a
/// checkout left which was cut off. Durable when it returns. One that is cut off at its very end,
/// with nothing left to do but to say so, leaves a directory that is complete and not empty.
///
/// Existing files are never overwritten, and whatever the tree's names are, nothing is written
/// outside of the directory.
///
/// # Errors
/// `CHECKOUT_NOT_EMPTY`, `CHECKOUT_UNFINISHED`, `CHECKOUT_BUSY`, `CHECKOUT_NAMES`,
/// `WORKTREE_WRITE`, `INTERRUPTED`; the store's, `STORE_CORRUPT` for a tree that is none. After
/// each of them the same checkout can go on.
pub async fn checkout(
    project: &Project,
    tree: Hash,
    dir: &Dir,
    options: &CheckoutOptions,
) -> WorktreeResult<CheckedOut> {
    let pace = Pace::new(&options.watch);
    let _ends = EndsWith(pace.clone());
    let root = Arc::new(Root::of(dir).map_err(|e| WorktreeError::write(b"", e))?);
    let entries = entries(&project.tree(tree)).await?;
    let (project, options) = (project.clone(), options.clone());
    let wait = Wait::here();
    offload(move || {
        let place = Place::take(&root, &project, tree, &entries, &pace)?;
        directories(&root, &place, &entries)?;
        let writing = Writing::new(&root, &project, &place, &pace, wait, options.set_ids);
        let done = writing.files(&entries)?;
        links(&root, &place, &entries, &pace)?;
        let cache =
            options.cache.as_deref().map(|path| StatCache::open(Some(path), &project, &root));
        let cache = cache.map(|c| remember(&root, c, &entries));
        modes(&root, &entries)?;
        // The contents, then that the marker is gone.
        root.sync_all().map_err(|e| WorktreeError::write(b"", e))?;
        place.leave(&root)?;
        if let Some(mut cache) = cache {
            // So that the last of them have settled.
            std::thread::sleep(Duration::from_millis(11));
            cache.begin_now();
            cache.save();
        }
        Ok(done)
    })
    .await?
}

/// Makes the directories, so that only their owner gets into them until all is there.
fn directories(root: &Root, place: &Place, entries: &[(Key, Entry)]) -> WorktreeResult<()> {
    let mut near = Near::default();
    for (key, _) in entries.iter().filter(|(_, e)| e.is_dir()) {
        if place.has(key).is_some() {
            continue;
        }
        let bad = |e: Errno| WorktreeError::write(&key.path(), e);
        let around = near.dir(root, key.dir()).map_err(bad)?;
        match rustix::fs::mkdirat(around, key.name(), Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(place.taken(key, entries)),
            Err(e) => return Err(bad(e)),
        }
    }
    Ok(())
}

fn links(root: &Root, place: &Place, entries: &[(Key, Entry)], pace: &Pace) -> WorktreeResult<()> {
    let mut near = Near::default();
    for (key, entry) in entries {
        let Entry::Link { target } = entry else { continue };
        pace.go_on()?;
        let bad = |e: Errno| WorktreeError::write(&key.path(), e);
        let around = near.dir(root, key.dir()).map_err(bad)?;
        if place.has(key).is_some() {
            let there = rustix::fs::readlinkat(around, key.name(), Vec::new()).map_err(bad)?;
            if there.as_bytes() == target {
                continue;
            }
            return Err(WorktreeError::InTheWay { path: key.to_string() });
        }
        match symlinkat(target.as_slice(), around, key.name()) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(place.taken(key, entries)),
            Err(e) => return Err(bad(e)),
        }
    }
    Ok(())
}

/// Gives directories their modes, deepest first: one may forbid to get at what is in it.
fn modes(root: &Root, entries: &[(Key, Entry)]) -> WorktreeResult<()> {
    for (key, entry) in entries.iter().rev() {
        let Entry::Dir { mode } = entry else { continue };
        let bad = |e: Errno| WorktreeError::write(&key.path(), e);
        let dir = root.dir(&key.path()).map_err(bad)?;
        fchmod(&dir, Mode::from_raw_mode(u32::from(*mode))).map_err(bad)?;
    }
    Ok(())
}

/// Notes what the files are, so that a scan need not read them.
fn remember(root: &Root, mut cache: StatCache, entries: &[(Key, Entry)]) -> StatCache {
    let mut near = Near::default();
    for (key, entry) in entries {
        if let Entry::File { content, .. } = entry
            && let Ok(dir) = near.dir(root, key.dir())
            && let Ok(look) = Look::at(dir, key.name())
            && look.print.is == Is::File
            && look.print.size == content.size
        {
            cache.put(key, look.print, *content);
        }
    }
    cache
}

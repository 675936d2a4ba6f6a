//! Where a directory differs from a tree.

use std::sync::Arc;

use cap_std::fs::Dir;

use super::cache::StatCache;
use super::pair::{Pair, pair};
use super::progress::{EndsWith, Pace};
use super::read::{For, Job, Told, read_all};
use super::root::{Is, Root};
use super::walk::{Noticed, walk};
use super::{ScanOptions, WorktreeError, WorktreeResult, entries, offload};
use crate::tree::{Entry, Key};
use crate::{Hash, Project};

/// How a path of a directory differs from a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Only the directory has it.
    Added,
    /// Its content or its kind is another one.
    Modified,
    /// Only the tree has it.
    Removed,
    /// Its mode alone is another one.
    Mode,
}

/// A path at which a directory differs from a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drifted {
    /// The path.
    pub key: Key,
    /// How.
    pub change: Change,
}

/// Where a directory differs from a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// The paths, in order.
    pub paths: Vec<Drifted>,
    /// What a person should know.
    pub noticed: Vec<Noticed>,
    /// Files that were read.
    pub files_read: u64,
}

/// Compares a directory with a tree of a project. Of files only those are read that are as long
/// as the tree's, and of which the cache does not know what they hold. Nothing is stored, but in
/// the cache.
///
/// # Errors
/// As [`scan`](super::scan).
pub async fn drift(
    project: &Project,
    dir: &Dir,
    tree: Hash,
    options: &ScanOptions,
) -> WorktreeResult<Drift> {
    let pace = Pace::new(&options.watch);
    let _ends = EndsWith(pace.clone());
    let root = Arc::new(Root::of(dir).map_err(|e| WorktreeError::read(b"", e))?);
    let tree = Arc::new(entries(&project.tree(tree)).await?);
    let (mut cache, walked, pairs) = {
        let (root, tree, pace) = (root.clone(), tree.clone(), pace.clone());
        let (path, project, ignore) = (options.cache.clone(), project.clone(), options.ignore);
        offload(move || {
            let cache = StatCache::open(path.as_deref(), &project, &root);
            let walked = walk(&root, ignore, &pace)?;
            let pairs = pair(&walked, &tree);
            Ok::<_, WorktreeError>((cache, walked, pairs))
        })
        .await??
    };
    let mut out = Drift { noticed: walked.noticed.clone(), ..Drift::default() };
    // By their pairs; of those that must be read it is not known yet.
    let mut changes: Vec<Option<Change>> = Vec::with_capacity(pairs.len());
    let mut jobs = Vec::new();
    for (index, Pair { found, there }) in pairs.iter().enumerate() {
        let change = match (found.map(|i| &walked.found[i]), there.map(|i| &tree[i].1)) {
            (Some(_), None) => Some(Change::Added),
            (None, _) => Some(Change::Removed),
            (Some(found), Some(Entry::File { mode, content })) if found.print.is == Is::File => {
                let same_mode = found.print.mode == *mode;
                let size = found.print.size;
                if size != content.size {
                    Some(Change::Modified)
                } else if let Some(known) = cache.get(&found.key, &found.print) {
                    compared(known.hash == content.hash, same_mode)
                } else {
                    pace.expect(1, size);
                    let (key, known) = (found.key.clone(), Some(*content));
                    jobs.push(Job { index, key, size, known, chunks: Default::default() });
                    None
                }
            }
            (Some(found), Some(there)) => match found.entry() {
                Some(now) if now == *there => None,
                Some(Entry::Dir { .. }) if there.is_dir() => Some(Change::Mode),
                _ => Some(Change::Modified),
            },
        };
        changes.push(change);
    }
    if !jobs.is_empty() {
        let mut left = jobs.len();
        let mut told = read_all(root, jobs, For::Comparing, pace);
        while let Some(batch) = told.recv().await {
            for one in batch? {
                let Told::File { index, read } = one else { continue };
                left -= 1;
                out.files_read += 1;
                let Pair { found: Some(f), there: Some(t) } = pairs[index] else { continue };
                let (key, Entry::File { mode, content }) = &tree[t] else { continue };
                let Some(read) = read else {
                    changes[index] = Some(Change::Removed);
                    continue;
                };
                let same = read.content.hash == content.hash;
                changes[index] = compared(same, walked.found[f].print.mode == *mode);
                if !read.quiet {
                    out.noticed.push(Noticed::Changing(key.clone()));
                } else if same {
                    // Where the content of another one would be cut is not known.
                    cache.put(key, read.print, *content);
                }
            }
            cache.save_at_times();
        }
        cache.save();
        if left > 0 {
            return Err(WorktreeError::Interrupted);
        }
    }
    for (Pair { found, there }, change) in pairs.iter().zip(changes) {
        let found = found.map(|i| &walked.found[i].key);
        let key = found.or_else(|| there.map(|i| &tree[i].0));
        if let (Some(key), Some(change)) = (key, change) {
            out.paths.push(Drifted { key: key.clone(), change });
        }
    }
    Ok(out)
}

fn compared(same: bool, same_mode: bool) -> Option<Change> {
    match (same, same_mode) {
        (true, true) => None,
        (true, false) => Some(Change::Mode),
        (false, _) => Some(Change::Modified),
    }
}

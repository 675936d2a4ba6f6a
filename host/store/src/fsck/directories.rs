//! Whether each entry of a tree is in a directory of it, which nodes cannot show of themselves.

use std::collections::{BTreeSet, HashSet};

use super::{Damage, Fsck, Severity};
use crate::objects::empty_tree;
use crate::tree::{Entry, Key, Tree, each_difference};
use crate::{Error, Result};

impl Fsck<'_> {
    /// Whether every entry has its directory: of the first tree all are looked at, of each other
    /// one what differs from a tree that was looked at.
    pub(super) async fn directories(&mut self) -> Result<()> {
        let mut last: Option<Tree> = None;
        let mut seen = HashSet::new();
        for (root, hash) in self.roots.clone() {
            // In the tree of nothing all is well; and all of another one is new beside it.
            if hash == empty_tree() || !seen.insert(hash) {
                continue;
            }
            let tree = self.project.tree(hash);
            let found = match &last {
                None => orphans(&tree).await,
                Some(last) => new_orphans(last, &tree).await,
            };
            match found {
                Ok(found) => {
                    for key in found {
                        let path = key.to_string();
                        let damage = Damage::NoDirectory { tree: hash, path: path.clone() };
                        self.find(damage, Severity::Error, None).needed(&root, Some(path));
                    }
                    last = Some(tree);
                }
                // A node of it is lost, which was told.
                Err(Error::Missing { .. } | Error::Corrupt { .. } | Error::Format { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Entries without a directory around them.
async fn orphans(tree: &Tree) -> Result<Vec<Key>> {
    let mut dirs: HashSet<Vec<u8>> = HashSet::from([Vec::new()]);
    let mut out = Vec::new();
    tree.each(|key, entry| {
        if !dirs.contains(key.dir()) {
            out.push(key.clone());
        }
        if entry.is_dir() {
            dirs.insert(key.path());
        }
    })
    .await?;
    Ok(out)
}

/// As [`orphans`], of what differs from a tree that was looked at.
async fn new_orphans(known: &Tree, tree: &Tree) -> Result<Vec<Key>> {
    // Of what is new, the directory around it; and what is no directory any more.
    let mut dirs = BTreeSet::new();
    each_difference(known, tree, |d| {
        let is_dir = |e: &Option<Entry>| e.as_ref().is_some_and(Entry::is_dir);
        if d.before.is_none() {
            dirs.extend(d.key.parent());
        }
        if is_dir(&d.before) && !is_dir(&d.after) {
            dirs.insert(d.key);
        }
    })
    .await?;
    let mut out = Vec::new();
    for dir in dirs {
        if !tree.get(&dir).await?.is_some_and(|e| e.is_dir()) {
            out.extend(tree.list(&dir.path()).await?.into_iter().map(|(key, _)| key));
        }
    }
    out.sort();
    Ok(out)
}

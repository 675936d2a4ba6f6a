//! Marking what trees reach.

use std::collections::HashSet;

use futures_util::future::try_join_all;

use super::roots::{Root, Roots};
use crate::file::blobs_of;
use crate::key::Kind;
use crate::tree::{Entry, Items, Nodes as _};
use crate::{Content, Error, Hash, Project, Result};

/// Nodes that are read at a time.
const AT_ONCE: usize = 32;

/// What is reached, in tables that are at most twice as large: a hash for each node, and of each
/// blob the first half, for these are many. If ever two blobs had the same half, and one of them
/// were needed, the other would stay too.
#[derive(Default)]
pub(crate) struct Live {
    trees: HashSet<Hash>,
    blobs: HashSet<[u8; 16]>,
    /// Lists whose chunks were marked: the same bytes may also be some file's whole content.
    lists: HashSet<(Hash, u8)>,
    /// Of no known kind.
    pinned: HashSet<Hash>,
}

impl Live {
    pub(crate) fn has(&self, kind: Kind, hash: &Hash) -> bool {
        self.pinned.contains(hash)
            || match kind {
                Kind::Blob => self.blobs.contains(&half(hash)),
                Kind::Tree => self.trees.contains(hash),
            }
    }

    pub(crate) fn nodes(&self) -> u64 {
        self.trees.len() as u64
    }

    pub(crate) fn blobs(&self) -> u64 {
        self.blobs.len() as u64
    }

    /// Marks all that roots reach. `see` is told now and then.
    pub(crate) async fn mark(
        &mut self,
        project: &Project,
        roots: &Roots,
        see: &mut (dyn FnMut(&Self) + Send),
    ) -> Result<()> {
        self.pinned.extend(&roots.pins);
        for (root, tree) in &roots.trees {
            if self.trees.contains(tree) {
                continue;
            }
            self.tree(project, *tree, see).await.map_err(|e| unmarked(root, e))?;
        }
        for (root, content) in &roots.contents {
            match content.depth {
                0 => _ = self.blobs.insert(half(&content.root)),
                _ => self.content(project, content).await.map_err(|e| unmarked(root, e))?,
            }
        }
        Ok(())
    }

    async fn tree(
        &mut self,
        project: &Project,
        root: Hash,
        see: &mut (dyn FnMut(&Self) + Send),
    ) -> Result<()> {
        let mut waiting = vec![root];
        self.trees.insert(root);
        while !waiting.is_empty() {
            let some = waiting.split_off(waiting.len().saturating_sub(AT_ONCE));
            let nodes = try_join_all(some.iter().map(|h| project.objects().node(h))).await?;
            let mut chunked = Vec::new();
            for node in nodes {
                match &node.items {
                    Items::Inner(v) => {
                        waiting.extend(v.iter().map(|c| c.hash).filter(|h| self.trees.insert(*h)));
                    }
                    Items::Leaf(v) => {
                        for (_, entry) in v {
                            let Entry::File { content, .. } = entry else { continue };
                            match content.depth {
                                0 => _ = self.blobs.insert(half(&content.root)),
                                _ => chunked.push(*content),
                            }
                        }
                    }
                }
            }
            for content in chunked {
                self.content(project, &content).await?;
            }
            see(self);
        }
        Ok(())
    }

    async fn content(&mut self, project: &Project, content: &Content) -> Result<()> {
        if self.lists.insert((content.root, content.depth)) {
            let blobs = &mut self.blobs;
            blobs_of(project, content, &mut |hash| _ = blobs.insert(half(&hash))).await?;
        }
        Ok(())
    }
}

fn half(hash: &Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    half
}

fn unmarked(root: &Root, e: Error) -> Error {
    match e {
        Error::Missing { .. } | Error::Corrupt { .. } | Error::Format { .. } => {
            Error::Unmarked { root: root.to_string(), source: Box::new(e) }
        }
        e => e,
    }
}

//! A tree made from another one: nodes that no edit touches are taken over unread.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::future::BoxFuture;

use super::builder::{Builder, Built};
use super::node::{Entry, Items};
use super::read::Ref;
use super::{Key, Tree};
use crate::{Error, Hash, Result};

/// What is to lie at paths; `None`: nothing.
pub type Edits = BTreeMap<Key, Option<Entry>>;

/// The tree with these edits, and those of its nodes that `tree` does not have. It is the same
/// tree as one that is made from nothing.
///
/// # Errors
/// `STORE_INPUT` when an entry would have no directory around it, or a directory that goes
/// still something in it; and when the store cannot be read, or is corrupt.
pub async fn edit(tree: &Tree, edits: &Edits) -> Result<Built> {
    if edits.is_empty() {
        return Ok(Built { root: tree.hash(), nodes: Vec::new() });
    }
    check(tree, edits).await?;
    let edits: Vec<(&Key, &Option<Entry>)> = edits.iter().collect();
    let mut feed = Feed { tree, builder: Builder::default(), seen: HashSet::new() };
    feed.node(tree.root(), &edits, true).await?;
    let seen = feed.seen;
    let mut built = feed.builder.finish();
    built.nodes.retain(|(hash, _)| !seen.contains(hash));
    collapse(tree, &mut built).await?;
    Ok(built)
}

struct Feed<'a> {
    tree: &'a Tree,
    builder: Builder,
    /// Nodes of the tree that were read: if they come out again, they are there.
    seen: HashSet<Hash>,
}

impl Feed<'_> {
    /// Feeds a node, with the edits that fall into it. `end`: nothing of the tree follows it.
    fn node<'s>(
        &'s mut self,
        at: Ref,
        edits: &'s [(&'s Key, &'s Option<Entry>)],
        end: bool,
    ) -> BoxFuture<'s, Result<()>> {
        Box::pin(async move {
            if let Ref::Below { child, level, .. } = &at
                && edits.is_empty()
                && self.builder.in_sync(*level)
            {
                self.builder.push_node(*level, child.clone());
                return Ok(());
            }
            let node = at.read(self.tree.nodes()).await?;
            self.seen.insert(*at.hash());
            let mut edits = edits;
            match &node.items {
                Items::Leaf(v) => {
                    for (key, entry) in v {
                        while let Some(((k, new), rest)) = edits.split_first()
                            && *k < key
                        {
                            self.set(k, new)?;
                            edits = rest;
                        }
                        match edits.split_first() {
                            Some(((k, new), rest)) if *k == key => {
                                self.set(k, new)?;
                                edits = rest;
                            }
                            _ => self.builder.push(key.clone(), entry)?,
                        }
                    }
                    for (k, new) in edits {
                        self.set(k, new)?;
                    }
                }
                Items::Inner(v) => {
                    for (i, child) in v.iter().enumerate() {
                        let last = end && i + 1 == v.len();
                        let n = match last {
                            true => edits.len(),
                            false => edits.partition_point(|(k, _)| **k <= child.last),
                        };
                        let (mine, rest) = edits.split_at(n);
                        edits = rest;
                        self.node(at.of(&node, v, i), mine, last).await?;
                    }
                }
            }
            Ok(())
        })
    }

    fn set(&mut self, key: &Key, new: &Option<Entry>) -> Result<()> {
        match new {
            Some(entry) => self.builder.push(key.clone(), entry),
            None => Ok(()),
        }
    }
}

/// Goes down as long as the root has one child: that one is the root.
async fn collapse(tree: &Tree, built: &mut Built) -> Result<()> {
    let own: HashMap<Hash, usize> =
        built.nodes.iter().enumerate().map(|(i, (h, _))| (*h, i)).collect();
    let mut above = HashSet::new();
    loop {
        let child = match own.get(&built.root) {
            Some(i) => only_child(&super::Node::decode(&built.nodes[*i].1, &built.root)?),
            None => only_child(&*tree.nodes().node(&built.root).await?),
        };
        let Some(child) = child else { break };
        above.insert(built.root);
        built.root = child;
    }
    built.nodes.retain(|(h, _)| !above.contains(h));
    Ok(())
}

fn only_child(node: &super::Node) -> Option<Hash> {
    match &node.items {
        Items::Inner(v) if v.len() == 1 => Some(v[0].hash),
        _ => None,
    }
}

/// Whether what comes out is a tree: each entry in a directory that is there.
async fn check(tree: &Tree, edits: &Edits) -> Result<()> {
    let input = |key: &Key, why: &str| Error::Input { path: key.to_string(), why: why.into() };
    let mut dirs: HashMap<Key, bool> = HashMap::new();
    let keys: Vec<&Key> = edits.keys().collect();
    for ((key, new), old) in edits.iter().zip(tree.get_all(&keys).await?) {
        if new.is_some()
            && old.is_none()
            && let Some(parent) = key.parent()
        {
            let there = match dirs.get(&parent) {
                Some(there) => *there,
                None => {
                    let entry = match edits.get(&parent) {
                        Some(new) => new.clone(),
                        None => tree.get(&parent).await?,
                    };
                    let there = entry.is_some_and(|e| e.is_dir());
                    dirs.insert(parent, there);
                    there
                }
            };
            if !there {
                return Err(input(key, "its parent is no directory of the tree"));
            }
        }
        let stays_dir = new.as_ref().is_some_and(Entry::is_dir);
        if !stays_dir && old.is_some_and(|e| e.is_dir()) {
            for (inside, _) in tree.list(&key.path()).await? {
                if !matches!(edits.get(&inside), Some(None)) {
                    return Err(input(
                        &inside,
                        "the directory around it is removed, and it is not",
                    ));
                }
            }
        }
    }
    Ok(())
}

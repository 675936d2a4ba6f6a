//! Looking things up in a tree.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, try_join_all};

use super::Key;
use super::node::{Child, Entry, Items, Node};
use crate::{Error, Hash, Result};

/// Where nodes come from. Each is verified before it is given out.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// The node of this hash.
    async fn node(&self, hash: &Hash) -> Result<Arc<Node>>;
}

/// How many children are asked for at a time.
const AT_ONCE: usize = 32;

/// A tree that is read as far as it is asked for.
#[derive(Clone)]
pub struct Tree {
    nodes: Arc<dyn Nodes>,
    hash: Hash,
}

/// A node that is known from its parent, and not read yet.
#[derive(Clone)]
pub(super) enum Ref {
    Root(Hash),
    Below { child: Child, level: u8, after: Option<Key> },
}

impl Ref {
    pub(super) fn hash(&self) -> &Hash {
        match self {
            Self::Root(hash) => hash,
            Self::Below { child, .. } => &child.hash,
        }
    }

    /// The last key in it, where that is known before it is read.
    pub(super) fn last(&self) -> Option<&Key> {
        match self {
            Self::Root(_) => None,
            Self::Below { child, .. } => Some(&child.last),
        }
    }

    /// A key that all in it are behind.
    pub(super) fn after(&self) -> Option<&Key> {
        match self {
            Self::Root(_) => None,
            Self::Below { after, .. } => after.as_ref(),
        }
    }

    /// Reads it, and checks that it is what its parent says.
    pub(super) async fn read(&self, nodes: &dyn Nodes) -> Result<Arc<Node>> {
        let node = nodes.node(self.hash()).await?;
        let bad = |why| Error::corrupt(format!("tree node {}", self.hash()), why);
        match self {
            Self::Root(_) => match &node.items {
                Items::Inner(v) if v.len() < 2 => return Err(bad("a root has one child")),
                _ => {}
            },
            Self::Below { child, level, after } => {
                let fits = node.level == *level
                    && node.last() == Some(&child.last)
                    && node.entries() == child.entries
                    && after.as_ref().is_none_or(|after| node.is_behind(after));
                if !fits {
                    return Err(bad("it is not what its parent says"));
                }
            }
        }
        Ok(node)
    }

    /// The n-th child of a node.
    pub(super) fn of(&self, node: &Node, children: &[Child], n: usize) -> Self {
        let after = match (n.checked_sub(1).and_then(|n| children.get(n)), self) {
            (Some(before), _) => Some(before.last.clone()),
            (None, Self::Below { after, .. }) => after.clone(),
            (None, Self::Root(_)) => None,
        };
        Self::Below { child: children[n].clone(), level: node.level - 1, after }
    }
}

impl Tree {
    /// The tree with this hash. Nothing is read.
    pub fn new(nodes: Arc<dyn Nodes>, hash: Hash) -> Self {
        Self { nodes, hash }
    }

    /// The tree hash.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    pub(super) fn nodes(&self) -> &dyn Nodes {
        &*self.nodes
    }

    pub(super) fn root(&self) -> Ref {
        Ref::Root(self.hash)
    }

    /// What lies at a path; reads one node on each level.
    ///
    /// # Errors
    /// When the store cannot be read, or is corrupt.
    pub async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let mut at = self.root();
        loop {
            let node = at.read(&*self.nodes).await?;
            match &node.items {
                Items::Leaf(v) => {
                    let found = v.binary_search_by(|(k, _)| k.cmp(key)).ok();
                    return Ok(found.map(|i| v[i].1.clone()));
                }
                Items::Inner(v) => match v.partition_point(|c| c.last < *key) {
                    n if n < v.len() => at = at.of(&node, v, n),
                    _ => return Ok(None),
                },
            }
        }
    }

    /// What lies at each of these paths, which ascend: as many look-ups, but each node is read
    /// once, and those of one level at once.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_all(&self, keys: &[&Key]) -> Result<Vec<Option<Entry>>> {
        let mut out = vec![None; keys.len()];
        if !keys.is_empty() {
            self.find(self.root(), keys, &mut out).await?;
        }
        Ok(out)
    }

    fn find<'a>(
        &'a self,
        at: Ref,
        keys: &'a [&'a Key],
        out: &'a mut [Option<Entry>],
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let node = at.read(&*self.nodes).await?;
            match &node.items {
                Items::Leaf(v) => {
                    for (key, out) in keys.iter().zip(out) {
                        let found = v.binary_search_by(|(k, _)| k.cmp(key)).ok();
                        *out = found.map(|i| v[i].1.clone());
                    }
                }
                Items::Inner(v) => {
                    let mut wanted: Vec<(Ref, std::ops::Range<usize>)> = Vec::new();
                    let mut from = 0;
                    while let Some(key) = keys.get(from) {
                        let n = v.partition_point(|c| c.last < **key);
                        let Some(child) = v.get(n) else { break };
                        let to = from + keys[from..].partition_point(|k| **k <= child.last);
                        wanted.push((at.of(&node, v, n), from..to));
                        from = to;
                    }
                    for some in wanted.chunks(AT_ONCE) {
                        try_join_all(some.iter().map(|(r, _)| r.read(&*self.nodes))).await?;
                        for (r, range) in some {
                            let (keys, out) = (&keys[range.clone()], &mut out[range.clone()]);
                            self.find(r.clone(), keys, out).await?;
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// The entries of a directory, in the order of their names; none where there is none. Reads
    /// the nodes that hold them, those of one level at once.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn list(&self, dir: &[u8]) -> Result<Vec<(Key, Entry)>> {
        let mut out = Vec::new();
        let within = |k: &Key| k.dir().cmp(dir);
        self.collect(self.root(), &within, &mut |k, e| out.push((k.clone(), e.clone()))).await?;
        Ok(out)
    }

    /// The number of entries. Reads the root.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn len(&self) -> Result<u64> {
        Ok(self.root().read(&*self.nodes).await?.entries())
    }

    /// Shows every entry, in order.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn each(&self, mut see: impl FnMut(&Key, &Entry) + Send) -> Result<()> {
        self.collect(self.root(), &|_| std::cmp::Ordering::Equal, &mut see).await
    }

    /// Shows, in order, the entries whose key `within` says equal of; it must ascend.
    fn collect<'a>(
        &'a self,
        at: Ref,
        within: &'a (dyn Fn(&Key) -> std::cmp::Ordering + Sync),
        see: &'a mut (dyn FnMut(&Key, &Entry) + Send),
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let node = at.read(&*self.nodes).await?;
            match &node.items {
                Items::Leaf(v) => {
                    let from = v.partition_point(|(k, _)| within(k).is_lt());
                    for (k, e) in v[from..].iter().take_while(|(k, _)| within(k).is_eq()) {
                        see(k, e);
                    }
                }
                Items::Inner(v) => {
                    let from = v.partition_point(|c| within(&c.last).is_lt());
                    let to = v.partition_point(|c| within(&c.last).is_le());
                    // The child after the last one that ends within may begin within.
                    let wanted: Vec<Ref> =
                        (from..(to + 1).min(v.len())).map(|n| at.of(&node, v, n)).collect();
                    for refs in wanted.chunks(AT_ONCE) {
                        // Read ahead, side by side; what is read is in the cache then.
                        try_join_all(refs.iter().map(|r| r.read(&*self.nodes))).await?;
                        for r in refs {
                            self.collect(r.clone(), within, see).await?;
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// The hashes of its nodes, the root's first; every node is read.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn node_hashes(&self, skip: impl Fn(&Hash) -> bool) -> Result<Vec<Hash>> {
        let mut out = Vec::new();
        let mut level = vec![self.root()];
        while !level.is_empty() {
            level.retain(|r| !skip(r.hash()));
            let mut below = Vec::new();
            for some in level.chunks(AT_ONCE) {
                let nodes = try_join_all(some.iter().map(|r| r.read(&*self.nodes))).await?;
                for (r, node) in some.iter().zip(nodes) {
                    out.push(*r.hash());
                    if let Items::Inner(v) = &node.items {
                        below.extend((0..v.len()).map(|n| r.of(&node, v, n)));
                    }
                }
            }
            level = below;
        }
        Ok(out)
    }
}

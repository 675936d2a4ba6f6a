//! Trees and contents.

use std::collections::{HashMap, HashSet};

use futures_util::future::{join_all, try_join_all};

use super::places::Found;
use super::{Damage, Fsck, FsckProgress, Severity};
use crate::content::chunks;
use crate::file::blobs_of;
use crate::gc::Root;
use crate::hash::Hasher;
use crate::key::Kind;
use crate::objects::empty_tree;
use crate::tree::{Child, Entry, Items, Node};
use crate::{Content, Hash, Result};

/// Objects that are read at a time.
const AT_ONCE: usize = 16;

/// Contents that trees name.
#[derive(Default)]
pub(super) struct Contents {
    blobs: Hashes,
    chunked: HashSet<Content>,
}

/// Hashes that are told again and again, and then gone through: of a set, a list in order, and
/// what came since.
#[derive(Default)]
struct Hashes {
    all: Vec<Hash>,
    /// How many are in order, each once.
    sorted: usize,
}

impl Hashes {
    fn add(&mut self, hash: Hash) {
        self.all.push(hash);
        if self.all.len() > self.sorted + self.sorted / 2 + (64 << 10) {
            self.sort();
        }
    }

    fn sort(&mut self) {
        self.all.sort_unstable();
        self.all.dedup();
        self.sorted = self.all.len();
    }

    fn in_order(mut self) -> Vec<Hash> {
        self.sort();
        self.all
    }
}

/// What a parent may say of a node.
type Facts = (u8, Option<Hash>, u64);

fn facts(node: &Node) -> Facts {
    (node.level, node.last().map(|k| Hash::of(&k.path())), node.entries())
}

impl Fsck<'_> {
    /// Reads every node that the roots reach, from the store itself.
    pub(super) async fn nodes(
        &mut self,
        see: &mut (dyn FnMut(FsckProgress) + Send),
    ) -> Result<Contents> {
        let mut contents = Contents::default();
        self.contents.iter().for_each(|(_, content)| contents.add(content));
        let mut known: HashMap<Hash, Facts> = HashMap::new();
        let mut trees = HashSet::new();
        let mut waiting: Vec<(Hash, Option<Facts>)> = Vec::new();
        for (_, tree) in self.roots.clone() {
            if tree != empty_tree() && trees.insert(tree) {
                waiting.push((tree, None));
            }
            while !waiting.is_empty() {
                let some = waiting.split_off(waiting.len().saturating_sub(AT_ONCE));
                let unread =
                    |h: &Hash| !known.contains_key(h) && !self.bad.contains(&(Kind::Tree, *h));
                let read = try_join_all(some.iter().map(async |(hash, _)| match unread(hash) {
                    true => self.object(Kind::Tree, hash).await.map(Some),
                    false => Ok(None),
                }))
                .await?;
                for ((hash, said), found) in some.into_iter().zip(read) {
                    if let Some(found) = found
                        && !known.contains_key(&hash)
                        && let Some(node) = self.node(hash, found)
                    {
                        known.insert(hash, facts(&node));
                        waiting.extend(contents.take(&node));
                        self.report.nodes += 1;
                    }
                    if let (Some(said), Some(is)) = (said, known.get(&hash))
                        && said != *is
                    {
                        let why = "it is not what its parent says".to_owned();
                        let damage = Damage::Corrupt { kind: Kind::Tree, hash, why };
                        self.find(damage, Severity::Error, None);
                        self.bad.insert((Kind::Tree, hash));
                    }
                }
                see(FsckProgress::Nodes(self.report.nodes));
            }
        }
        self.report.trees = trees.len() as u64;
        Ok(contents)
    }

    fn node(&mut self, hash: Hash, found: Found) -> Option<Node> {
        let why = match found {
            Found::Whole(bytes) => match Node::decode(&bytes, &hash) {
                Ok(node) => {
                    self.uses(Kind::Tree, &hash);
                    // So that what follows need not read it again.
                    let _ = self.project.objects().remember_node(&hash, &bytes);
                    return Some(node);
                }
                Err(e) => Some(e.to_string()),
            },
            Found::Corrupt(why) => Some(why),
            Found::Missing => None,
        };
        self.lost(Kind::Tree, hash, why);
        None
    }

    /// Looks for every blob; reads it, if data is to be read.
    pub(super) async fn blobs(
        &mut self,
        contents: Contents,
        see: &mut (dyn FnMut(FsckProgress) + Send),
    ) -> Result<()> {
        let Contents { blobs: mut wanted, chunked } = contents;
        for content in &chunked {
            self.lists(content, &mut wanted).await?;
        }
        let wanted = wanted.in_order();
        let all = wanted.len() as u64;
        self.report.blobs = all;
        for (n, some) in wanted.chunks(AT_ONCE).enumerate() {
            let read = try_join_all(some.iter().map(async |hash| match self.options.read_data {
                true => self.object(Kind::Blob, hash).await.map(Some),
                false => Ok(None),
            }))
            .await?;
            for (hash, found) in some.iter().zip(read) {
                match found {
                    Some(Found::Whole(content)) => {
                        self.report.bytes += content.len() as u64;
                        self.uses(Kind::Blob, hash);
                    }
                    Some(Found::Corrupt(why)) => self.lost(Kind::Blob, *hash, Some(why)),
                    Some(Found::Missing) => self.lost(Kind::Blob, *hash, None),
                    None if self.is_listed(Kind::Blob, hash) => self.uses(Kind::Blob, hash),
                    // It may have been stored since the listing.
                    None => match self.object(Kind::Blob, hash).await? {
                        Found::Whole(_) => {}
                        Found::Corrupt(why) => self.lost(Kind::Blob, *hash, Some(why)),
                        Found::Missing => self.lost(Kind::Blob, *hash, None),
                    },
                }
            }
            see(FsckProgress::Blobs((n * AT_ONCE + some.len()) as u64, all));
        }
        if self.options.read_data {
            for content in &chunked {
                self.file(content).await?;
            }
        }
        Ok(())
    }

    /// Reads the lists of a chunked file, and adds what they name.
    async fn lists(&mut self, content: &Content, wanted: &mut Hashes) -> Result<()> {
        wanted.add(content.root);
        let mut pieces = vec![content.root];
        let mut size = 0;
        for _ in 0..content.depth {
            let mut list = Vec::new();
            for hash in &pieces {
                match self.object(Kind::Blob, hash).await? {
                    Found::Whole(bytes) => list.extend_from_slice(&bytes),
                    // Told where all blobs are looked at; what it named is not known.
                    Found::Corrupt(why) => {
                        self.lost(Kind::Blob, *hash, Some(why));
                        return Ok(());
                    }
                    Found::Missing => {
                        self.lost(Kind::Blob, *hash, None);
                        return Ok(());
                    }
                }
            }
            let found = match chunks(&list, &content.root) {
                Ok(found) => found,
                Err(e) => {
                    self.bad_content(content, e.to_string());
                    return Ok(());
                }
            };
            size = found.iter().map(|c| u64::from(c.length)).sum();
            pieces = found.iter().map(|c| c.hash).collect();
            pieces.iter().for_each(|hash| wanted.add(*hash));
        }
        if size != content.size {
            let why = format!("its chunks are {size} bytes, and the tree says {}", content.size);
            self.bad_content(content, why);
        }
        Ok(())
    }

    fn bad_content(&mut self, content: &Content, why: String) {
        self.bad.insert((Kind::Blob, content.root));
        self.find(Damage::Content { hash: content.hash, why }, Severity::Error, None);
    }

    /// The hash of a whole file, of chunks that were seen to be whole.
    async fn file(&mut self, content: &Content) -> Result<()> {
        let mut pieces = vec![content.root];
        for _ in 0..content.depth {
            let mut list = Vec::new();
            for hash in &pieces {
                let Found::Whole(bytes) = self.object(Kind::Blob, hash).await? else {
                    return Ok(());
                };
                list.extend_from_slice(&bytes);
            }
            let Ok(found) = chunks(&list, &content.root) else { return Ok(()) };
            pieces = found.iter().map(|c| c.hash).collect();
        }
        let mut hasher = Hasher::default();
        for some in pieces.chunks(4) {
            for found in try_join_all(some.iter().map(|h| self.object(Kind::Blob, h))).await? {
                let Found::Whole(bytes) = found else { return Ok(()) };
                self.report.bytes += bytes.len() as u64;
                hasher.update(&bytes);
            }
        }
        if hasher.finish() != content.hash {
            self.bad_content(content, "its chunks are another content".into());
        }
        Ok(())
    }

    /// Finds, for what is lost, the paths that need it.
    pub(super) async fn who_needs(&mut self) -> Result<()> {
        if self.bad.is_empty() {
            return Ok(());
        }
        let mut needs: Vec<(Kind, Hash, Root, String)> = Vec::new();
        for (root, tree) in self.roots.clone() {
            let mut waiting = vec![(tree, "/".to_owned())];
            while let Some((hash, upto)) = waiting.pop() {
                if self.bad.contains(&(Kind::Tree, hash)) {
                    needs.push((Kind::Tree, hash, root.clone(), upto));
                    continue;
                }
                let Ok(node) = crate::tree::Nodes::node(self.project, &hash).await else {
                    continue;
                };
                match &node.items {
                    Items::Inner(v) => {
                        waiting.extend(v.iter().map(|c| (c.hash, format!("…{}", c.last))));
                    }
                    Items::Leaf(v) => {
                        let files = v.iter().filter_map(|(key, e)| match e {
                            Entry::File { content, .. } => Some((key, content)),
                            _ => None,
                        });
                        let lost =
                            join_all(files.map(async |(key, c)| (key, self.lost_of(c).await)))
                                .await;
                        for (key, hashes) in lost {
                            let new = hashes.into_iter();
                            needs.extend(
                                new.map(|h| (Kind::Blob, h, root.clone(), key.to_string())),
                            );
                        }
                    }
                }
            }
        }
        for (root, content) in &self.contents {
            let lost = self.lost_of(content).await.into_iter();
            needs.extend(lost.map(|h| (Kind::Blob, h, root.clone(), "/".to_owned())));
        }
        for (kind, hash, root, path) in needs {
            let path = (path != "/").then_some(path);
            for finding in self.found.values_mut() {
                let is = match &finding.damage {
                    Damage::Missing { kind: k, hash: h }
                    | Damage::Corrupt { kind: k, hash: h, .. } => (*k, *h) == (kind, hash),
                    Damage::Content { hash: h, .. } => kind == Kind::Blob && *h == hash,
                    _ => false,
                };
                if is {
                    finding.needed(&root, path.clone());
                }
            }
        }
        Ok(())
    }

    /// What of a content is lost; its own hash, if its chunks make another content.
    async fn lost_of(&self, content: &Content) -> Vec<Hash> {
        let mut out = Vec::new();
        let mut see = |hash| {
            if self.bad.contains(&(Kind::Blob, hash)) {
                out.push(hash);
            }
        };
        match content.depth {
            0 => see(content.root),
            _ => _ = blobs_of(self.project, content, &mut see).await,
        }
        if !out.is_empty() {
            out.push(content.hash);
        }
        out
    }
}

impl Contents {
    fn add(&mut self, content: &Content) {
        match content {
            // Nobody reads the blob of nothing.
            Content { size: 0, .. } => {}
            Content { depth: 0, root, .. } => self.blobs.add(*root),
            content => _ = self.chunked.insert(*content),
        }
    }

    /// What a node names: contents are kept, children told, with what the node says of them.
    fn take(&mut self, node: &Node) -> Vec<(Hash, Option<Facts>)> {
        match &node.items {
            Items::Inner(v) => {
                let said = |c: &Child| (node.level - 1, Some(Hash::of(&c.last.path())), c.entries);
                v.iter().map(|c| (c.hash, Some(said(c)))).collect()
            }
            Items::Leaf(v) => {
                for (_, entry) in v {
                    if let Entry::File { content, .. } = entry {
                        self.add(content);
                    }
                }
                Vec::new()
            }
        }
    }
}

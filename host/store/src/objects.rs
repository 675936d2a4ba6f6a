//! Blobs and nodes of a project, wherever they lie: in memory, on the disk near, at their key,
//! in a pack.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join_all;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::backend::{Listed, PAGE, Shared};
use crate::cache::{DiskCache, Tier};
use crate::key::{Keys, Kind, hash_of};
use crate::pack::{Index, Spot};
use crate::spots::Spots;
use crate::tree::{Node, Nodes};
use crate::{Error, Hash, Result, envelope};

/// The objects of a project.
pub(crate) struct Objects {
    pub(crate) backend: Shared,
    pub(crate) keys: Keys,
    contents: Memory<(Kind, Hash), Bytes>,
    nodes: Memory<Hash, Arc<Node>>,
    disk: Option<DiskCache>,
    near: Vec<Arc<dyn Tier>>,
    packs: RwLock<Spots>,
    /// Indexes that were read; the lock is held while more are, so that they are read once.
    indexes: tokio::sync::Mutex<Option<HashSet<Hash>>>,
}

/// Keys are hashes, so nothing random is needed to spread them: what is kept is the same whenever
/// the same is asked.
type Plain = BuildHasherDefault<DefaultHasher>;
type Memory<K, V> = Cache<K, V, Length, Plain>;

/// Bytes of indexes that are read at once, or one of them; and how many.
const INDEXES: u64 = 8 << 20;
const INDEXES_AT_ONCE: usize = 64;

/// Parts of a memory, each with a lock of its own. Not more on a larger machine: what does not
/// fit into a part is not kept at all.
const PARTS: usize = 8;

fn memory<K: Eq + std::hash::Hash, V: Clone>(weight: u64) -> Memory<K, V>
where
    Length: Weighter<K, V>,
{
    let mut options = OptionsBuilder::new();
    // A blob is at most 2 MiB, a node some tens of KiB.
    options.estimated_items_capacity(4096).weight_capacity(weight).shards(PARTS);
    match options.build() {
        Ok(options) => {
            Cache::with_options(options, Length, Plain::default(), DefaultLifecycle::default())
        }
        Err(e) => unreachable!("all that it needs is there: {e}"),
    }
}

#[derive(Clone)]
struct Length;

impl Weighter<(Kind, Hash), Bytes> for Length {
    fn weight(&self, _: &(Kind, Hash), value: &Bytes) -> u64 {
        value.len() as u64 + 128
    }
}

impl Weighter<Hash, Arc<Node>> for Length {
    fn weight(&self, _: &Hash, node: &Arc<Node>) -> u64 {
        // A few hundred entries of about as many bytes.
        match &node.items {
            crate::tree::Items::Leaf(v) => v.len() as u64 * 220 + 128,
            crate::tree::Items::Inner(v) => v.len() as u64 * 140 + 128,
        }
    }
}

/// What is kept near.
pub(crate) struct Near {
    pub(crate) memory: u64,
    pub(crate) disk: Option<DiskCache>,
    pub(crate) tiers: Vec<Arc<dyn Tier>>,
}

impl Objects {
    pub(crate) fn new(backend: Shared, keys: Keys, near: Near) -> Self {
        Self {
            backend,
            keys,
            contents: memory(near.memory / 2),
            nodes: memory(near.memory / 2),
            disk: near.disk,
            near: near.tiers,
            packs: RwLock::default(),
            indexes: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn disk(&self) -> Option<&DiskCache> {
        self.disk.as_ref()
    }

    pub(crate) fn is_near(&self, kind: Kind, hash: &Hash) -> bool {
        self.contents.peek(&(kind, *hash)).is_some()
            || self.disk.as_ref().is_some_and(|disk| disk.has(kind, hash))
    }

    /// A verified content.
    pub(crate) async fn get(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        self.contents.get_or_insert_async(&(kind, *hash), self.fetch(kind, hash)).await
    }

    /// As [`get`](Self::get), but past what is kept near: to see whether the store itself has it.
    pub(crate) async fn get_stored(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        let envelope = self.stored(kind, hash).await?;
        let found = envelope::open(&envelope, kind.as_str(), hash);
        // What is damaged in a pack may lie by itself too, mended.
        if matches!(found, Err(Error::Corrupt { .. }))
            && self.spot(kind, hash).is_some()
            && let Some(alone) = self.backend.get(&self.keys.object(kind, hash)).await?
        {
            return envelope::open(&alone, kind.as_str(), hash);
        }
        found
    }

    async fn fetch(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        if let Some(content) = self.disk.as_ref().and_then(|d| d.get(kind, hash)) {
            return Ok(content);
        }
        for tier in &self.near {
            if let Some(content) = tier.get(kind, hash).await
                && Hash::of(&content) == *hash
            {
                self.keep(kind, hash, &content);
                return Ok(content);
            }
        }
        let content = self.get_stored(kind, hash).await?;
        self.keep(kind, hash, &content);
        Ok(content)
    }

    fn keep(&self, kind: Kind, hash: &Hash, content: &[u8]) {
        if let Some(disk) = &self.disk {
            disk.put(kind, hash, content);
        }
    }

    /// Content that is known without having been read: it was written just now.
    pub(crate) fn remember(&self, kind: Kind, hash: &Hash, content: &Bytes) {
        self.keep(kind, hash, content);
        self.contents.insert((kind, *hash), content.clone());
    }

    /// As [`remember`](Self::remember), of a node.
    pub(crate) fn remember_node(&self, hash: &Hash, bytes: &[u8]) -> Result<()> {
        self.keep(Kind::Tree, hash, bytes);
        self.nodes.insert(*hash, Arc::new(Node::decode(bytes, hash)?));
        Ok(())
    }

    async fn stored(&self, kind: Kind, hash: &Hash) -> Result<Bytes> {
        if kind == Kind::Blob {
            self.load_indexes(false).await?;
        }
        let spot = self.spot(kind, hash);
        if let Some(found) = self.packed(kind, hash).await? {
            return Ok(found);
        }
        let key = self.keys.object(kind, hash);
        if let Some(found) = self.backend.get(&key).await? {
            return Ok(found);
        }
        // It may be in a pack that was stored since. If its pack is gone, another one that was
        // read before may have it too.
        if spot.is_some() {
            self.forget_indexes().await;
        }
        self.load_indexes(true).await?;
        match self.packed(kind, hash).await? {
            Some(found) => Ok(found),
            None => Err(Error::missing(kind.as_str(), hash)),
        }
    }

    async fn packed(&self, kind: Kind, hash: &Hash) -> Result<Option<Bytes>> {
        let Some((pack, spot)) = self.spot(kind, hash) else { return Ok(None) };
        let key = self.keys.pack(&pack);
        let length = u64::from(spot.length);
        match self.backend.get_range(&key, spot.offset, length).await? {
            Some(found) if found.len() as u64 == length => Ok(Some(found)),
            Some(_) => Err(Error::corrupt(format!("pack {pack}"), "it is cut off")),
            None => Ok(None),
        }
    }

    pub(crate) fn spot(&self, kind: Kind, hash: &Hash) -> Option<(Hash, Spot)> {
        let packs = self.packs.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        packs.get(kind, hash)
    }

    /// Reads the indexes that were not read yet; without `again`, only if none ever was.
    pub(crate) async fn load_indexes(&self, again: bool) -> Result<()> {
        let mut known = self.indexes.lock().await;
        if known.is_some() && !again {
            return Ok(());
        }
        let mut seen = known.clone().unwrap_or_default();
        let listed = list_all(&self.backend, &self.keys.indexes()).await?;
        let is_new = |l: &Listed| hash_of(&l.key).is_some_and(|pack| !seen.contains(&pack));
        let new: Vec<Listed> = listed.into_iter().filter(is_new).collect();
        self.spots().reserve(new.iter().map(|l| l.size).sum());
        self.each_index(&new, &mut |_, index| {
            self.add_index(&index);
            seen.insert(index.pack);
        })
        .await?;
        *known = Some(seen);
        Ok(())
    }

    /// Shows indexes that were listed, in order and but for those that are gone; many are read at
    /// once where they are small.
    pub(crate) async fn each_index(
        &self,
        listed: &[Listed],
        see: &mut (dyn FnMut(&Listed, Index) + Send),
    ) -> Result<()> {
        let mut rest = listed;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |l: &&Listed| {
                bytes += l.size;
                bytes <= INDEXES
            };
            let n = rest.iter().take(INDEXES_AT_ONCE).take_while(fits).count().max(1);
            let (some, after) = rest.split_at(n);
            rest = after;
            let read = some.iter().map(|l| async move {
                match hash_of(&l.key) {
                    Some(pack) => self.read_index(&pack).await,
                    None => Ok(None),
                }
            });
            for (listed, index) in some.iter().zip(try_join_all(read).await?) {
                index.into_iter().for_each(|index| see(listed, index));
            }
        }
        Ok(())
    }

    pub(crate) async fn read_index(&self, pack: &Hash) -> Result<Option<Index>> {
        match self.backend.get(&self.keys.index(pack)).await? {
            Some(bytes) => Index::decode(&bytes, pack).map(Some),
            None => Ok(None),
        }
    }

    /// Blobs that lie in packs, as far as indexes were read.
    pub(crate) fn packed_blobs(&self) -> HashSet<Hash> {
        let packs = self.packs.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        packs.blobs().copied().collect()
    }

    /// Forgets what lies in packs: some may be gone.
    pub(crate) async fn forget_indexes(&self) {
        let mut known = self.indexes.lock().await;
        *known = None;
        *self.packs.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Spots::default();
    }

    fn spots(&self) -> std::sync::RwLockWriteGuard<'_, Spots> {
        self.packs.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn add_index(&self, index: &Index) {
        self.spots().add(index, true);
    }
}

#[async_trait]
impl Nodes for Objects {
    async fn node(&self, hash: &Hash) -> Result<Arc<Node>> {
        if *hash == empty_tree() {
            return Ok(Arc::new(Node { level: 0, items: crate::tree::Items::Leaf(Vec::new()) }));
        }
        let read = async {
            let bytes = self.fetch(Kind::Tree, hash).await?;
            Ok(Arc::new(Node::decode(&bytes, hash)?))
        };
        self.nodes.get_or_insert_async(hash, read).await
    }
}

/// The tree without entries, which need not be stored.
pub(crate) fn empty_tree() -> Hash {
    static EMPTY: std::sync::OnceLock<Hash> = std::sync::OnceLock::new();
    *EMPTY.get_or_init(|| Hash::of(&Node::assemble(0, 0, &[])))
}

/// All of a listing.
pub(crate) async fn list_all(backend: &Shared, prefix: &str) -> Result<Vec<Listed>> {
    let mut out = Vec::new();
    each_listed(backend, prefix, |l| out.push(l)).await?;
    Ok(out)
}

/// Shows what a listing has, page by page: of a million objects it would be hundreds of megabytes.
pub(crate) async fn each_listed(
    backend: &Shared,
    prefix: &str,
    mut see: impl FnMut(Listed),
) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        let page = backend.list(prefix, after.as_deref()).await?;
        let end = page.len() < PAGE;
        after = page.last().map(|l| l.key.clone());
        page.into_iter().for_each(&mut see);
        if end {
            return Ok(());
        }
    }
}

/// All names of refs.
pub(crate) async fn list_refs(backend: &Shared, prefix: &str) -> Result<Vec<String>> {
    let mut out: Vec<String> = Vec::new();
    loop {
        let page = backend.list_refs(prefix, out.last().map(String::as_str)).await?;
        let last = page.len() < PAGE;
        out.extend(page);
        if last {
            return Ok(out);
        }
    }
}

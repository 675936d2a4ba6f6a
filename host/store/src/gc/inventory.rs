//! What lies in a project's store, as far as it could be removed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures_util::future::try_join_all;
use time::OffsetDateTime;

use super::mark::Live;
use super::roots::{AT_ONCE, Looker, Roots};
use crate::backend::{Listed, PAGE};
use crate::history::parse_landing;
use crate::key::{Kind, hash_of};
use crate::pack::Index;
use crate::tree::{Entry, Items, Node};
use crate::upload::PIN_HOLDS;
use crate::{Error, Hash, Project, Result, envelope};

/// The parts of a pack.
#[derive(Debug, Default)]
pub(crate) struct Pack {
    /// Bytes of the pack; `None`: it is not there.
    pub(crate) size: Option<u64>,
    /// Bytes of its index; `None`: it is not there.
    pub(crate) index: Option<u64>,
    /// A part of it is not old.
    young: bool,
    /// What its index says that it holds.
    holds: Vec<(Kind, Hash)>,
}

/// What is old, and was not reached when it was listed.
pub(crate) struct Inventory {
    cutoff: OffsetDateTime,
    /// Nodes that lie by themselves, with their level: parents go first.
    pub(crate) nodes: Vec<(u8, Hash, u64)>,
    /// Lists of chunked files.
    pub(crate) lists: HashSet<Hash>,
    pub(crate) blobs: Vec<(Hash, u64)>,
    pub(crate) packs: BTreeMap<Hash, Pack>,
    /// What lies by itself and in a pack.
    twice: HashSet<(Kind, Hash)>,
    pub(crate) landings: Vec<(String, u64)>,
    pub(crate) pins: Vec<(String, u64)>,
    /// `tree.json` of sessions that are gone, and their ids.
    pub(crate) projections: Vec<(String, String, u64)>,
    pub(crate) proofs: Vec<(String, u64)>,
}

impl Inventory {
    /// Lists what is older than `cutoff` and not live, at the time `now`.
    pub(crate) async fn take(
        project: &Project,
        (now, cutoff): (OffsetDateTime, OffsetDateTime),
        live: &Live,
        roots: &Roots,
        looker: &Looker,
    ) -> Result<Self> {
        let mut new = Self {
            cutoff,
            nodes: Vec::new(),
            lists: HashSet::new(),
            blobs: Vec::new(),
            packs: BTreeMap::new(),
            twice: HashSet::new(),
            landings: Vec::new(),
            pins: Vec::new(),
            projections: Vec::new(),
            proofs: Vec::new(),
        };
        let o = project.objects();
        let packed = new.packs(project).await?;
        let mut nodes = Vec::new();
        for kind in [Kind::Tree, Kind::Blob] {
            each(project, &o.keys.objects(kind), |l| {
                let Some(hash) = hash_of(&l.key) else { return };
                if packed.contains(&(kind, hash)) {
                    new.twice.insert((kind, hash));
                }
                if l.modified < cutoff && !live.has(kind, &hash) {
                    match kind {
                        Kind::Tree => nodes.push((hash, l.size)),
                        Kind::Blob => new.blobs.push((hash, l.size)),
                    }
                }
            })
            .await?;
        }
        new.levels(project, nodes).await?;
        each(project, &o.keys.landings(), |l| {
            let Some((position, id)) = parse_landing(&l.key) else { return };
            let won = looker.chain.get(&position).is_none_or(|link| link.id.as_str() == id);
            if l.modified < cutoff && position <= roots.position && !won {
                new.landings.push((l.key, l.size));
            }
        })
        .await?;
        each(project, &o.keys.pins(), |l| {
            if l.modified < cutoff.min(now - PIN_HOLDS) {
                new.pins.push((l.key, l.size));
            }
        })
        .await?;
        let sessions = o.keys.sessions();
        each(project, &sessions, |l| {
            let id = l.key.strip_prefix(&sessions).and_then(|k| k.strip_suffix("/tree.json"));
            let Some(id) = id.map(str::to_owned) else { return };
            if l.modified < cutoff && !roots.sessions.contains(&id) {
                new.projections.push((l.key, id, l.size));
            }
        })
        .await?;
        each(project, "proofs/", |l| {
            if l.modified < cutoff {
                new.proofs.push((l.key, l.size));
            }
        })
        .await?;
        Ok(new)
    }

    /// Something that lay by itself was removed: it does not lie twice any more.
    pub(crate) fn removed(&mut self, kind: Kind, hash: &Hash) {
        self.twice.remove(&(kind, *hash));
    }

    /// Lists packs and indexes, and reads the indexes; what lies in packs.
    async fn packs(&mut self, project: &Project) -> Result<HashSet<(Kind, Hash)>> {
        let o = project.objects();
        let cutoff = self.cutoff;
        each(project, &o.keys.packs(), |l| {
            let Some(hash) = hash_of(&l.key) else { return };
            let pack = self.packs.entry(hash).or_default();
            pack.size = Some(l.size);
            pack.young |= l.modified >= cutoff;
        })
        .await?;
        self.read_indexes(project).await?;
        let whole = self.packs.values().filter(|p| p.size.is_some());
        Ok(whole.flat_map(|p| p.holds.iter().copied()).collect())
    }

    /// Reads the indexes that are not known yet.
    pub(crate) async fn read_indexes(&mut self, project: &Project) -> Result<()> {
        let o = project.objects();
        let mut new: Vec<Listed> = Vec::new();
        each(project, &o.keys.indexes(), |l| {
            let known = hash_of(&l.key).and_then(|h| self.packs.get(&h));
            if known.is_none_or(|p| p.index.is_none()) {
                new.push(l);
            }
        })
        .await?;
        for some in new.chunks(AT_ONCE) {
            let read = some.iter().filter_map(|l| Some((hash_of(&l.key)?, l)));
            let read = read.map(|(hash, l)| async move {
                let index: Option<Index> = o.read_index(&hash).await?;
                Ok::<_, Error>((hash, l, index))
            });
            for (hash, listed, index) in try_join_all(read).await? {
                let Some(index) = index else { continue };
                let pack = self.packs.entry(hash).or_default();
                pack.index = Some(listed.size);
                pack.young |= listed.modified >= self.cutoff;
                pack.holds = index.entries.into_keys().collect();
            }
        }
        Ok(())
    }

    /// Reads nodes that are to go, for their levels and the lists that they name. What cannot be
    /// read goes first.
    async fn levels(&mut self, project: &Project, nodes: Vec<(Hash, u64)>) -> Result<()> {
        let o = project.objects();
        for some in nodes.chunks(AT_ONCE) {
            let read = some.iter().map(|(hash, _)| async move {
                let key = o.keys.object(Kind::Tree, hash);
                let Some(bytes) = o.backend.get(&key).await? else { return Ok(None) };
                let node = envelope::open(&bytes, Kind::Tree.as_str(), hash)
                    .and_then(|content| Node::decode(&content, hash));
                Ok::<_, Error>(node.ok())
            });
            for ((hash, size), node) in some.iter().zip(try_join_all(read).await?) {
                if let Some(Node { items: Items::Leaf(v), .. }) = &node {
                    self.lists.extend(v.iter().filter_map(|(_, e)| match e {
                        Entry::File { content, .. } if content.depth > 0 => Some(content.root),
                        _ => None,
                    }));
                }
                self.nodes.push((node.map_or(u8::MAX, |n| n.level), *hash, *size));
            }
        }
        self.nodes.sort_unstable_by(|a, b| b.cmp(a));
        Ok(())
    }

    /// The packs in which nothing lies that is live and not elsewhere too; also halves of packs.
    pub(crate) fn dead_packs(&self, live: &Live) -> Vec<(&Hash, &Pack)> {
        let mut kept: HashSet<(Kind, Hash)> = self.twice.clone();
        let mut dead = Vec::new();
        let mut old: Vec<(usize, &Hash, &Pack)> = Vec::new();
        for (hash, pack) in &self.packs {
            let needed = pack.holds.iter().filter(|(k, h)| live.has(*k, h));
            match (pack.size, pack.young) {
                (Some(_), true) => kept.extend(needed),
                (Some(_), false) => old.push((needed.count(), hash, pack)),
                (None, true) => {}
                (None, false) => dead.push((hash, pack)),
            }
        }
        old.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        for (_, hash, pack) in old {
            let needed: BTreeSet<_> =
                pack.holds.iter().copied().filter(|(k, h)| live.has(*k, h)).collect();
            match needed.iter().all(|n| kept.contains(n)) {
                true => dead.push((hash, pack)),
                false => kept.extend(needed),
            }
        }
        dead
    }
}

impl Pack {
    pub(crate) fn holds_nodes(&self) -> bool {
        self.holds.iter().any(|(kind, _)| *kind == Kind::Tree)
    }
}

/// Shows what a listing has, page by page.
async fn each(project: &Project, prefix: &str, mut see: impl FnMut(Listed)) -> Result<()> {
    let o = project.objects();
    let mut after: Option<String> = None;
    loop {
        let page = o.backend.list(prefix, after.as_deref()).await?;
        let end = page.len() < PAGE;
        after = page.last().map(|l| l.key.clone());
        page.into_iter().for_each(&mut see);
        if end {
            return Ok(());
        }
    }
}

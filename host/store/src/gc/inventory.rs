//! What lies in a project's store, as far as it could be removed.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::future::try_join_all;
use time::OffsetDateTime;

use super::mark::Live;
use super::roots::{AT_ONCE, Looker, Roots};
use crate::backend::Listed;
use crate::history::parse_landing;
use crate::key::{Kind, hash_of};
use crate::objects::each_listed;
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
    /// There are nodes in it.
    pub(crate) nodes: bool,
    /// What stands for it where there are many.
    number: u32,
}

/// An object in a pack: 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    hash: Hash,
    kind: Kind,
    pack: u32,
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
    /// What indexes say, in order: what lies in several packs is in a row.
    held: Vec<Held>,
    numbers: u32,
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
            held: Vec::new(),
            numbers: 0,
            twice: HashSet::new(),
            landings: Vec::new(),
            pins: Vec::new(),
            projections: Vec::new(),
            proofs: Vec::new(),
        };
        let o = project.objects();
        new.packs(project).await?;
        // An index alone holds nothing.
        let whole: HashSet<u32> =
            new.packs.values().filter(|p| p.size.is_some()).map(|p| p.number).collect();
        let mut nodes = Vec::new();
        for kind in [Kind::Tree, Kind::Blob] {
            each_listed(&o.backend, &o.keys.objects(kind), |l| {
                let Some(hash) = hash_of(&l.key) else { return };
                if new.places(kind, &hash).iter().any(|h| whole.contains(&h.pack)) {
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
        each_listed(&o.backend, &o.keys.landings(), |l| {
            let Some((position, id)) = parse_landing(&l.key) else { return };
            let won = looker.chain.get(&position).is_none_or(|link| link.id.as_str() == id);
            if l.modified < cutoff && position <= roots.position && !won {
                new.landings.push((l.key, l.size));
            }
        })
        .await?;
        each_listed(&o.backend, &o.keys.pins(), |l| {
            if l.modified < cutoff.min(now - PIN_HOLDS) {
                new.pins.push((l.key, l.size));
            }
        })
        .await?;
        let sessions = o.keys.sessions();
        each_listed(&o.backend, &sessions, |l| {
            let id = l.key.strip_prefix(&sessions).and_then(|k| k.strip_suffix("/tree.json"));
            let Some(id) = id.map(str::to_owned) else { return };
            if l.modified < cutoff && !roots.sessions.contains(&id) {
                new.projections.push((l.key, id, l.size));
            }
        })
        .await?;
        each_listed(&o.backend, "proofs/", |l| {
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

    /// Where in packs an object lies.
    fn places(&self, kind: Kind, hash: &Hash) -> &[Held] {
        let of = |h: &Held| (h.hash, h.kind);
        let from = self.held.partition_point(|h| of(h) < (*hash, kind));
        let n = self.held[from..].iter().take_while(|h| of(h) == (*hash, kind)).count();
        &self.held[from..from + n]
    }

    /// Lists packs and indexes, and reads the indexes.
    async fn packs(&mut self, project: &Project) -> Result<()> {
        let o = project.objects();
        let cutoff = self.cutoff;
        each_listed(&o.backend, &o.keys.packs(), |l| {
            let Some(hash) = hash_of(&l.key) else { return };
            let pack = self.pack(hash);
            pack.size = Some(l.size);
            pack.young |= l.modified >= cutoff;
        })
        .await?;
        self.read_indexes(project).await
    }

    fn pack(&mut self, hash: Hash) -> &mut Pack {
        let numbers = &mut self.numbers;
        self.packs.entry(hash).or_insert_with(|| {
            *numbers += 1;
            Pack { number: *numbers, ..Pack::default() }
        })
    }

    /// Reads the indexes that are not known yet.
    pub(crate) async fn read_indexes(&mut self, project: &Project) -> Result<()> {
        let o = project.objects();
        let mut new: Vec<Listed> = Vec::new();
        each_listed(&o.backend, &o.keys.indexes(), |l| {
            let known = hash_of(&l.key).and_then(|h| self.packs.get(&h));
            if known.is_none_or(|p| p.index.is_none()) {
                new.push(l);
            }
        })
        .await?;
        let cutoff = self.cutoff;
        let before = self.held.len();
        o.each_index(&new, &mut |listed, index| {
            let pack = self.pack(index.pack);
            pack.index = Some(listed.size);
            pack.young |= listed.modified >= cutoff;
            pack.nodes = index.entries.keys().any(|(kind, _)| *kind == Kind::Tree);
            let pack = pack.number;
            self.held.reserve_exact(index.entries.len());
            self.held.extend(index.entries.into_keys().map(|(kind, hash)| Held {
                hash,
                kind,
                pack,
            }));
        })
        .await?;
        if self.held.len() > before {
            self.held.sort_unstable();
            // One that was read again.
            self.held.dedup();
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

    /// Shows the places in packs of each object that is live and does not lie by itself.
    fn each_needed(&self, live: &Live, mut see: impl FnMut(&[Held])) {
        for places in self.held.chunk_by(|a, b| (a.hash, a.kind) == (b.hash, b.kind)) {
            let Held { hash, kind, .. } = &places[0];
            if live.has(*kind, hash) && !self.twice.contains(&(*kind, *hash)) {
                see(places);
            }
        }
    }

    /// The packs in which nothing lies that is live and not elsewhere too; also halves of packs.
    pub(crate) fn dead_packs(&self, live: &Live) -> Vec<(&Hash, &Pack)> {
        let whole: Vec<&Pack> = self.packs.values().filter(|p| p.size.is_some()).collect();
        let mut kept: HashSet<u32> = whole.iter().filter(|p| p.young).map(|p| p.number).collect();
        let mut needed: HashMap<u32, u64> = whole.iter().map(|p| (p.number, 0)).collect();
        // What is needed and in one place keeps its pack.
        self.each_needed(live, |places| {
            let mut n = 0;
            for held in places {
                if let Some(needed) = needed.get_mut(&held.pack) {
                    (*needed, n) = (*needed + 1, n + 1);
                }
            }
            let whole = places.iter().map(|h| h.pack).filter(|p| needed.contains_key(p));
            if n == 1 {
                kept.extend(whole);
            }
        });
        // Of what is in several one stays: that in which most is needed, so that it is few.
        self.each_needed(live, |places| {
            let whole = places.iter().map(|h| h.pack).filter(|p| needed.contains_key(p));
            if !whole.clone().any(|p| kept.contains(&p)) {
                kept.extend(whole.max_by_key(|p| (needed.get(p), *p)));
            }
        });
        let is_dead = |p: &Pack| match p.size {
            Some(_) => !kept.contains(&p.number),
            None => !p.young,
        };
        self.packs.iter().filter(|(_, p)| is_dead(p)).collect()
    }
}

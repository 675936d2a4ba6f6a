//! Where objects lie, also where an index does not say it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;

use super::{Damage, Fsck, Mend, Severity};
use crate::key::{Kind, hash_of};
use crate::objects::{each_listed, list_all};
use crate::pack::Index;
use crate::spots::Spots;
use crate::{Error, Hash, Result, envelope};

#[derive(Default)]
pub(super) struct Places {
    loose: HashSet<(Kind, Hash)>,
    packed: Spots,
    /// Packs whose index is lost or bad, and what it should say.
    pub(super) rebuilt: BTreeMap<Hash, Index>,
    /// Those of them in which something is needed.
    pub(super) used: BTreeSet<Hash>,
}

/// An object as it was found.
pub(super) enum Found {
    Whole(Bytes),
    Missing,
    Corrupt(String),
}

impl Fsck<'_> {
    /// Lists packs, indexes and what lies by itself; checks each index against its pack.
    pub(super) async fn places(&mut self) -> Result<()> {
        let o = self.project.objects();
        for kind in [Kind::Tree, Kind::Blob] {
            each_listed(&o.backend, &o.keys.objects(kind), |l| {
                self.places.loose.extend(hash_of(&l.key).map(|hash| (kind, hash)));
            })
            .await?;
        }
        let sizes = |l: Vec<crate::Listed>| -> BTreeMap<Hash, u64> {
            l.into_iter().filter_map(|l| Some((hash_of(&l.key)?, l.size))).collect()
        };
        let packs = sizes(list_all(&o.backend, &o.keys.packs()).await?);
        let indexes = sizes(list_all(&o.backend, &o.keys.indexes()).await?);
        self.places.packed.reserve(indexes.values().sum());
        for hash in indexes.keys() {
            let index = match o.read_index(hash).await {
                Ok(Some(index)) => index,
                // It went meanwhile, or will be missed with its pack.
                Ok(None) => continue,
                Err(e @ (Error::Corrupt { .. } | Error::Format { .. })) => {
                    // An index that cannot be read stops every reader of packs.
                    let mend = packs.contains_key(hash).then_some(Mend::Index);
                    let damage = Damage::Index { pack: *hash, why: e.to_string() };
                    self.find(damage, Severity::Error, mend);
                    continue;
                }
                Err(e) => return Err(e),
            };
            let why = match packs.get(hash) {
                None => "it is not there, and its index is".to_owned(),
                Some(size) if *size != index.size => {
                    format!("it has {size} bytes, and its index says {}", index.size)
                }
                Some(_) => {
                    self.places.packed.add(&index, true);
                    continue;
                }
            };
            // Whether something in it is needed is seen by what is missing.
            self.find(Damage::Pack { pack: *hash, why }, Severity::Warning, None);
            if packs.contains_key(hash) {
                self.places.packed.add(&index, true);
            }
        }
        let bad = |d: &Damage, hash: &Hash| matches!(d, Damage::Index { pack, .. } if pack == hash);
        for hash in packs.keys() {
            let unread = self.found.keys().any(|d| bad(d, hash));
            if indexes.contains_key(hash) && !unread {
                if self.options.read_data {
                    self.read_pack(hash).await?;
                }
                continue;
            }
            let Some(index) = self.read_pack(hash).await? else { continue };
            self.places.packed.add(&index, false);
            self.places.rebuilt.insert(*hash, index);
        }
        Ok(())
    }

    /// Reads a whole pack, and says what lies in it.
    async fn read_pack(&mut self, hash: &Hash) -> Result<Option<Index>> {
        let o = self.project.objects();
        let Some(bytes) = o.backend.get(&o.keys.pack(hash)).await? else { return Ok(None) };
        self.report.bytes += bytes.len() as u64;
        let index = match Hash::of(&bytes) == *hash {
            true => Index::of_pack(&bytes, hash),
            false => Err(Error::corrupt("it", "its content does not match its name")),
        };
        match index {
            Ok(index) => Ok(Some(index)),
            Err(e) => {
                let why = e.to_string();
                self.find(Damage::Pack { pack: *hash, why }, Severity::Warning, None);
                Ok(None)
            }
        }
    }

    pub(super) fn is_listed(&self, kind: Kind, hash: &Hash) -> bool {
        self.places.loose.contains(&(kind, *hash)) || self.places.packed.has(kind, hash)
    }

    /// Something in a pack without an index is needed.
    pub(super) fn uses(&mut self, kind: Kind, hash: &Hash) {
        if let Some((pack, _)) = self.places.packed.get(kind, hash)
            && self.places.rebuilt.contains_key(&pack)
            && !self.places.loose.contains(&(kind, *hash))
        {
            self.places.used.insert(pack);
        }
    }

    /// An object, wherever it is whole.
    pub(super) async fn object(&self, kind: Kind, hash: &Hash) -> Result<Found> {
        let o = self.project.objects();
        let mut corrupt = None;
        let open = |bytes: Bytes| envelope::open(&bytes, kind.as_str(), hash);
        if let Some((pack, spot)) = self.places.packed.get(kind, hash) {
            let length = u64::from(spot.length);
            if let Some(bytes) =
                o.backend.get_range(&o.keys.pack(&pack), spot.offset, length).await?
            {
                match open(bytes) {
                    Ok(content) => return Ok(Found::Whole(content)),
                    Err(e) => corrupt = Some(e.to_string()),
                }
            }
        }
        if let Some(bytes) = o.backend.get(&o.keys.object(kind, hash)).await? {
            match open(bytes) {
                Ok(content) => return Ok(Found::Whole(content)),
                Err(e) => corrupt = Some(e.to_string()),
            }
        }
        Ok(corrupt.map_or(Found::Missing, Found::Corrupt))
    }

    /// Notes an object that is not there or not whole.
    pub(super) fn lost(&mut self, kind: Kind, hash: Hash, why: Option<String>) {
        self.bad.insert((kind, hash));
        let cached = self.project.objects().disk().is_some_and(|d| d.get(kind, &hash).is_some());
        let damage = match why {
            None => Damage::Missing { kind, hash },
            Some(why) => Damage::Corrupt { kind, hash, why },
        };
        self.find(damage, Severity::Error, cached.then_some(Mend::Cache));
    }

    /// Packs in which something is needed, and whose index is lost.
    pub(super) fn lost_indexes(&mut self) {
        for pack in std::mem::take(&mut self.places.used) {
            let known =
                self.found.keys().any(|d| matches!(d, Damage::Index { pack: p, .. } if *p == pack));
            if !known {
                let why = "it is not there, and something in the pack is needed".into();
                self.find(Damage::Index { pack, why }, Severity::Error, Some(Mend::Index));
            }
        }
    }
}

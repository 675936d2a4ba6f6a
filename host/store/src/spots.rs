//! Where objects lie in packs, in little memory: there may be millions.

use std::collections::HashMap;

use crate::Hash;
use crate::key::Kind;
use crate::pack::{INDEX_ENTRY, Index, Spot};

/// What indexes say: some 50 to 110 bytes for each object, for tables grow by doubling.
#[derive(Default)]
pub(crate) struct Spots {
    packs: Vec<Hash>,
    blobs: HashMap<Hash, Place>,
    trees: HashMap<Hash, Place>,
}

/// 16 bytes: the pack by its number.
#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    length: u32,
    pack: u32,
}

impl Spots {
    fn of(&self, kind: Kind) -> &HashMap<Hash, Place> {
        match kind {
            Kind::Blob => &self.blobs,
            Kind::Tree => &self.trees,
        }
    }

    /// Makes room for what indexes of so many bytes together say: a table that grows is there
    /// twice for a while.
    pub(crate) fn reserve(&mut self, bytes: u64) {
        let entries = usize::try_from(bytes).unwrap_or(0) / INDEX_ENTRY;
        // Most are blobs.
        self.blobs.reserve(entries);
    }

    /// Adds what an index says; what was known to lie elsewhere lies there from now on if
    /// `instead`.
    pub(crate) fn add(&mut self, index: &Index, instead: bool) {
        let pack = self.packs.len() as u32;
        self.packs.push(index.pack);
        for ((kind, hash), Spot { offset, length }) in &index.entries {
            let to = match kind {
                Kind::Blob => &mut self.blobs,
                Kind::Tree => &mut self.trees,
            };
            let place = Place { offset: *offset, length: *length, pack };
            match instead {
                true => _ = to.insert(*hash, place),
                false => _ = to.entry(*hash).or_insert(place),
            }
        }
    }

    /// The pack, and where in it.
    pub(crate) fn get(&self, kind: Kind, hash: &Hash) -> Option<(Hash, Spot)> {
        let Place { offset, length, pack } = *self.of(kind).get(hash)?;
        Some((*self.packs.get(pack as usize)?, Spot { offset, length }))
    }

    pub(crate) fn has(&self, kind: Kind, hash: &Hash) -> bool {
        self.of(kind).contains_key(hash)
    }

    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Hash> {
        self.blobs.keys()
    }
}

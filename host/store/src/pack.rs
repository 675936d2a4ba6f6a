//! Many objects in one, and what lies where in it (`FORMAT.md`, "Pack and index").

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::key::Kind;
use crate::{Error, Hash, Result, envelope};

const MAGIC: &[u8; 8] = b"BRIOPACK";
const INDEX_MAGIC: &[u8; 8] = b"BRIOPIDX";
const VERSION: u32 = 1;
const HEADER: usize = 12;
const INDEX_HEADER: usize = 56;
pub(crate) const INDEX_ENTRY: usize = 45;
/// Envelopes of one pack, at most, but for the last.
pub(crate) const FULL: usize = 16 << 20;

/// Where an envelope lies in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

/// A pack that is being filled.
pub(crate) struct Packer {
    bytes: Vec<u8>,
    entries: BTreeMap<(Kind, Hash), Spot>,
}

impl Default for Packer {
    fn default() -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        Self { bytes, entries: BTreeMap::new() }
    }
}

impl Packer {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn size(&self) -> usize {
        self.bytes.len() - HEADER
    }

    pub(crate) fn is_full(&self) -> bool {
        self.size() >= FULL
    }

    pub(crate) fn add(&mut self, kind: Kind, hash: Hash, envelope: &[u8]) {
        let spot = Spot { offset: self.bytes.len() as u64, length: envelope.len() as u32 };
        if self.entries.insert((kind, hash), spot).is_none() {
            self.bytes.extend_from_slice(envelope);
        }
    }

    /// The envelopes, for storing each by itself.
    pub(crate) fn into_single(self) -> Vec<(Kind, Hash, Bytes)> {
        let bytes = Bytes::from(self.bytes);
        let cut = |s: &Spot| bytes.slice(s.offset as usize..s.offset as usize + s.length as usize);
        self.entries.iter().map(|((kind, hash), spot)| (*kind, *hash, cut(spot))).collect()
    }

    /// The pack, its hash and its index.
    pub(crate) fn finish(self) -> (Hash, Bytes, Index) {
        let hash = Hash::of(&self.bytes);
        let index = Index { pack: hash, size: self.bytes.len() as u64, entries: self.entries };
        (hash, self.bytes.into(), index)
    }
}

/// What lies where in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) pack: Hash,
    pub(crate) size: u64,
    pub(crate) entries: BTreeMap<(Kind, Hash), Spot>,
}

impl Index {
    pub(crate) fn encode(&self) -> Bytes {
        let room = INDEX_HEADER + self.entries.len() * INDEX_ENTRY + 32;
        let mut out = Vec::with_capacity(room);
        out.extend_from_slice(INDEX_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(self.pack.as_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        for ((kind, hash), spot) in &self.entries {
            out.push(match kind {
                Kind::Blob => 1,
                Kind::Tree => 2,
            });
            out.extend_from_slice(hash.as_bytes());
            out.extend_from_slice(&spot.offset.to_le_bytes());
            out.extend_from_slice(&spot.length.to_le_bytes());
        }
        let sum = Hash::of(&out);
        out.extend_from_slice(sum.as_bytes());
        out.into()
    }

    /// What an index of this pack says, from the pack alone. What a blob and a node are looks
    /// the same there, so what could be a node is told as both.
    pub(crate) fn of_pack(bytes: &Bytes, pack: &Hash) -> Result<Self> {
        let bad = |why: &str| Error::corrupt(format!("pack {pack}"), why);
        if !bytes.starts_with(MAGIC) || bytes.len() < HEADER {
            return Err(bad("it is no pack"));
        }
        let found = u32::from_le_bytes(bytes[8..12].try_into().map_err(|_| bad("it is cut off"))?);
        if found != VERSION {
            let (found, known) = (u64::from(found), u64::from(VERSION));
            return Err(Error::Format { what: format!("pack {pack}"), found, known });
        }
        let mut entries = BTreeMap::new();
        let mut at = HEADER;
        while at < bytes.len() {
            let (content, length) = envelope::first(&bytes.slice(at..))
                .ok_or_else(|| bad("an envelope in it cannot be read"))?;
            let hash = Hash::of(&content);
            let spot = Spot { offset: at as u64, length: length as u32 };
            entries.insert((Kind::Blob, hash), spot);
            if crate::tree::Node::decode(&content, &hash).is_ok() {
                entries.insert((Kind::Tree, hash), spot);
            }
            at += length;
        }
        Ok(Self { pack: *pack, size: bytes.len() as u64, entries })
    }

    /// Reads an index, and refuses what breaks a rule of the format.
    pub(crate) fn decode(bytes: &[u8], pack: &Hash) -> Result<Self> {
        let bad = |why: &str| Error::corrupt(format!("index of pack {pack}"), why);
        let cut = || bad("it is cut off");
        if !bytes.starts_with(INDEX_MAGIC) || bytes.len() < INDEX_HEADER + 32 {
            return Err(bad("it is no index"));
        }
        let u32_at = |at: usize| -> Result<u32> {
            let b = bytes.get(at..at + 4).ok_or_else(cut)?;
            Ok(u32::from_le_bytes(b.try_into().map_err(|_| cut())?))
        };
        let u64_at = |at: usize| -> Result<u64> {
            let b = bytes.get(at..at + 8).ok_or_else(cut)?;
            Ok(u64::from_le_bytes(b.try_into().map_err(|_| cut())?))
        };
        let hash_at = |at: usize| -> Result<Hash> {
            let b = bytes.get(at..at + 32).ok_or_else(cut)?;
            Ok(Hash::from_bytes(b.try_into().map_err(|_| cut())?))
        };
        let found = u32_at(8)?;
        if found != VERSION {
            let (found, known) = (u64::from(found), u64::from(VERSION));
            return Err(Error::Format { what: format!("index of pack {pack}"), found, known });
        }
        let (body, sum) = bytes.split_at(bytes.len() - 32);
        if Hash::of(body).as_bytes() != sum {
            return Err(bad("its checksum does not match"));
        }
        if hash_at(12)? != *pack {
            return Err(bad("it is of another pack"));
        }
        let size = u64_at(44)?;
        let count = u32_at(52)? as usize;
        if body.len() != INDEX_HEADER + count.saturating_mul(INDEX_ENTRY) {
            return Err(bad("its length is not what it says"));
        }
        let mut entries = BTreeMap::new();
        let mut last = None;
        for i in 0..count {
            let at = INDEX_HEADER + i * INDEX_ENTRY;
            let kind = match body[at] {
                1 => Kind::Blob,
                2 => Kind::Tree,
                _ => return Err(bad("a kind in it is not known")),
            };
            let key = (kind, hash_at(at + 1)?);
            let spot = Spot { offset: u64_at(at + 33)?, length: u32_at(at + 41)? };
            let end = spot.offset.checked_add(u64::from(spot.length));
            let inside = spot.offset >= HEADER as u64 && end.is_some_and(|e| e <= size);
            if !inside || spot.length < envelope::HEADER {
                return Err(bad("an entry lies outside of the pack"));
            }
            if last.is_some_and(|l| l >= key) {
                return Err(bad("its entries are not in order"));
            }
            last = Some(key);
            entries.insert(key, spot);
        }
        Ok(Self { pack: *pack, size, entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_read_back_and_every_damage_is_seen() {
        let mut packer = Packer::default();
        for n in 0..20u8 {
            let kind = if n % 3 == 0 { Kind::Tree } else { Kind::Blob };
            packer.add(kind, Hash::of(&[n]), &vec![n; n as usize + 5]);
        }
        let (hash, bytes, index) = packer.finish();
        for ((_, h), spot) in &index.entries {
            let part = &bytes[spot.offset as usize..][..spot.length as usize];
            assert_eq!(*h, Hash::of(&part[..1]));
        }
        let encoded = index.encode();
        assert_eq!(Index::decode(&encoded, &hash).unwrap(), index);
        for at in 0..encoded.len() {
            let mut broken = encoded.to_vec();
            broken[at] ^= 1;
            assert!(Index::decode(&broken, &hash).is_err(), "byte {at}");
            assert!(Index::decode(&encoded[..at], &hash).is_err(), "cut at {at}");
        }
        assert!(Index::decode(&encoded, &Hash::of(b"another")).is_err());
    }
}

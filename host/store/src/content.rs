//! The content of a file: one blob, or chunks that are cut where the content says.

use std::io::Read;

use bytes::Bytes;
use fastcdc::v2020::{Normalization, StreamCDC};

use crate::hash::Hasher;
use crate::{Error, Hash, Result};

/// The longest content that is one blob.
pub(crate) const WHOLE: u64 = 1 << 20;
/// Bounds of a chunk.
const MIN: usize = 128 << 10;
const AVERAGE: usize = 512 << 10;
const MAX: usize = 2 << 20;
/// One entry of a list.
const LISTED: usize = 36;
/// Lists of lists, at most.
pub(crate) const MAX_DEPTH: u8 = 4;
/// How `project.json` names all this.
pub(crate) const CHUNKER: &str = "fastcdc-2020-5.0.0/131072-524288-2097152/1";

/// Where a content is: what a tree says of a file, beside its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of all of it.
    pub hash: Hash,
    /// 0: one blob; else how many lists lie above its chunks.
    pub depth: u8,
    /// The blob to begin with: the content itself at depth 0, else a list.
    pub root: Hash,
}

impl Content {
    /// Of a content that is one blob.
    pub(crate) fn whole(bytes: &[u8]) -> Self {
        let hash = Hash::of(bytes);
        Self { size: bytes.len() as u64, hash, depth: 0, root: hash }
    }
}

/// One chunk of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Where it begins.
    pub offset: u64,
    /// Bytes.
    pub length: u32,
    /// Its blob.
    pub hash: Hash,
}

/// Cuts what `from` gives, and hands each blob that it consists of to `sink`; the last one is
/// its root. A blob is handed over as often as it occurs.
///
/// # Errors
/// `from`'s and the sink's.
pub fn split(
    mut from: impl Read,
    sink: &mut dyn FnMut(Hash, Bytes) -> Result<()>,
) -> Result<Content> {
    let io = |e| Error::host("a file", e);
    let mut head = Vec::new();
    (&mut from).take(WHOLE + 1).read_to_end(&mut head).map_err(io)?;
    if head.len() as u64 <= WHOLE {
        let content = Content::whole(&head);
        sink(content.hash, head.into())?;
        return Ok(content);
    }
    let mut whole = Hasher::default();
    let mut size = 0u64;
    let mut list = Vec::new();
    let all = std::io::Cursor::new(head).chain(from);
    for chunk in StreamCDC::with_level(all, MIN, AVERAGE, MAX, Normalization::Level1) {
        let chunk = chunk.map_err(|e| io(e.into()))?;
        whole.update(&chunk.data);
        size += chunk.data.len() as u64;
        let hash = Hash::of(&chunk.data);
        list.extend_from_slice(&(chunk.data.len() as u32).to_le_bytes());
        list.extend_from_slice(hash.as_bytes());
        sink(hash, chunk.data.into())?;
    }
    let above = split(list.as_slice(), sink)?;
    if above.depth >= MAX_DEPTH {
        return Err(Error::Input { path: "a file".into(), why: "it is too large".into() });
    }
    Ok(Content { size, hash: whole.finish(), depth: above.depth + 1, root: above.root })
}

/// The chunks that a list names, in order.
pub(crate) fn chunks(list: &[u8], root: &Hash) -> Result<Vec<Chunk>> {
    let bad = |why| Error::corrupt(format!("list {root}"), why);
    if list.is_empty() || !list.len().is_multiple_of(LISTED) {
        return Err(bad("it is cut off"));
    }
    let mut offset = 0u64;
    list.chunks_exact(LISTED)
        .map(|e| {
            let (length, hash) = e.split_at(4);
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
            if length == 0 || length as usize > MAX {
                return Err(bad("a chunk's length is out of bounds"));
            }
            let hash = Hash::from_bytes(hash.try_into().map_err(|_| bad("it is cut off"))?);
            let chunk = Chunk { offset, length, hash };
            offset += u64::from(length);
            Ok(chunk)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that no compressor and no chunker finds a pattern in, by xorshift64*.
    fn noise(n: usize, mut seed: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(n + 8);
        while out.len() < n {
            seed ^= seed >> 12;
            seed ^= seed << 25;
            seed ^= seed >> 27;
            out.extend_from_slice(&seed.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
        }
        out.truncate(n);
        out
    }

    fn blobs(bytes: &[u8]) -> (Content, Vec<(Hash, Bytes)>) {
        let mut out = Vec::new();
        let c = split(bytes, &mut |h, b| {
            out.push((h, b));
            Ok(())
        })
        .unwrap();
        (c, out)
    }

    #[test]
    fn small_contents_are_one_blob() {
        for n in [0, 1, WHOLE as usize] {
            let (c, b) = blobs(&noise(n, 7));
            assert_eq!((c.depth, c.size, b.len()), (0, n as u64, 1));
            assert_eq!(c.hash, c.root);
        }
    }

    #[test]
    fn large_ones_are_chunks_that_put_together_are_the_content() {
        let bytes = noise(9 << 20, 3);
        let (c, b) = blobs(&bytes);
        assert_eq!((c.depth, c.size), (1, bytes.len() as u64));
        assert_eq!(c.hash, Hash::of(&bytes));
        let (root, list) = b.last().unwrap();
        assert_eq!(*root, c.root);
        let mut again = Vec::new();
        for (chunk, (hash, blob)) in chunks(list, root).unwrap().iter().zip(&b) {
            assert_eq!((chunk.hash, chunk.offset), (*hash, again.len() as u64));
            again.extend_from_slice(blob);
        }
        assert!(again == bytes);
    }

    #[test]
    fn a_byte_at_the_front_moves_few_chunks() {
        let bytes = noise(32 << 20, 11);
        let shifted: Vec<u8> = std::iter::once(1).chain(bytes.iter().copied()).collect();
        let before: std::collections::HashSet<Hash> =
            blobs(&bytes).1.into_iter().map(|(h, _)| h).collect();
        let new: usize = blobs(&shifted)
            .1
            .iter()
            .filter(|(h, _)| !before.contains(h))
            .map(|(_, b)| b.len())
            .sum();
        assert!(new <= 2 * MAX, "{new} bytes are new");
    }

    #[test]
    fn broken_lists_are_refused() {
        let root = Hash::of(b"");
        let mut entry = 1u32.to_le_bytes().to_vec();
        entry.extend_from_slice(&[0; 32]);
        assert!(chunks(&entry, &root).is_ok());
        assert!(chunks(&entry[..35], &root).is_err());
        assert!(chunks(&[], &root).is_err());
        entry[0] = 0;
        assert!(chunks(&entry, &root).is_err());
        entry[3] = 255;
        assert!(chunks(&entry, &root).is_err());
    }
}

//! The bytes of a node.

use crate::content::{MAX_DEPTH, WHOLE};
use crate::{Content, Error, Hash, Result};

use super::Key;

const MAGIC: &[u8; 4] = b"BRTN";
const VERSION: u8 = 1;
const HEADER: usize = 10;
const MAX_LEVEL: u8 = 15;
const TARGET_MAX: usize = 4095;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Entry {
    /// A regular file.
    File {
        /// Permission bits, at most `0o7777`.
        mode: u16,
        /// Where its content is.
        content: Content,
    },
    /// A directory; what is in it has entries of its own.
    Dir {
        /// Permission bits, at most `0o7777`.
        mode: u16,
    },
    /// A symbolic link.
    Link {
        /// Its target: 1 to 4095 bytes without NUL.
        target: Vec<u8>,
    },
}

impl Entry {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self, Self::Dir { .. })
    }

    /// Bytes: of a file's content, of a link's target; 0 of a directory.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { content, .. } => content.size,
            Self::Link { target } => target.len() as u64,
            Self::Dir { .. } => 0,
        }
    }

    /// Its permission bits; a link's are `0o777`.
    pub fn mode(&self) -> u16 {
        match self {
            Self::File { mode, .. } | Self::Dir { mode } => *mode,
            Self::Link { .. } => 0o777,
        }
    }

    /// Whether a tree can hold it.
    pub(crate) fn is_valid(&self) -> bool {
        self.mode() <= 0o7777
            && match self {
                Self::Link { target } => {
                    (1..=TARGET_MAX).contains(&target.len()) && !target.contains(&0)
                }
                Self::File { content: c, .. } => {
                    c.depth <= MAX_DEPTH
                        && (c.depth == 0) == (c.size <= WHOLE)
                        && (c.depth > 0 || c.root == c.hash)
                }
                Self::Dir { .. } => true,
            }
    }

    /// How it stands in a leaf, behind its key.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (kind, mode) = match self {
            Self::File { .. } => (1, self.mode()),
            Self::Dir { .. } => (2, self.mode()),
            Self::Link { .. } => (3, self.mode()),
        };
        out.push(kind);
        out.extend_from_slice(&mode.to_le_bytes());
        match self {
            Self::File { content, .. } => {
                out.extend_from_slice(&content.size.to_le_bytes());
                out.extend_from_slice(content.hash.as_bytes());
                out.push(content.depth);
                if content.depth > 0 {
                    out.extend_from_slice(content.root.as_bytes());
                }
            }
            Self::Dir { .. } => {}
            Self::Link { target } => {
                out.extend_from_slice(&(target.len() as u16).to_le_bytes());
                out.extend_from_slice(target);
            }
        }
    }
}

/// What an inner node says of one of the nodes below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The last key in it.
    pub last: Key,
    /// Its hash.
    pub hash: Hash,
    /// Leaf entries below it.
    pub entries: u64,
}

impl Child {
    /// How it stands in a node, behind its key.
    pub(crate) fn encode_rest(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.hash.as_bytes());
        out.extend_from_slice(&self.entries.to_le_bytes());
    }
}

/// The entries of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Items {
    /// Of a leaf.
    Leaf(Vec<(Key, Entry)>),
    /// Of an inner node.
    Inner(Vec<Child>),
}

/// A node of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// 0 for a leaf.
    pub level: u8,
    /// Its entries, in the order of their keys.
    pub items: Items,
}

impl Node {
    /// The last key; `None` in an empty leaf.
    pub fn last(&self) -> Option<&Key> {
        match &self.items {
            Items::Leaf(v) => v.last().map(|(k, _)| k),
            Items::Inner(v) => v.last().map(|c| &c.last),
        }
    }

    /// Whether all that it tells of its keys is behind this one.
    pub(crate) fn is_behind(&self, key: &Key) -> bool {
        match &self.items {
            Items::Leaf(v) => v.first().is_none_or(|(k, _)| k > key),
            Items::Inner(v) => v.first().is_none_or(|c| c.last > *key),
        }
    }

    /// Leaf entries in it and below it.
    pub fn entries(&self) -> u64 {
        match &self.items {
            Items::Leaf(v) => v.len() as u64,
            Items::Inner(v) => v.iter().fold(0, |n, c| n.saturating_add(c.entries)),
        }
    }

    /// Its bytes, from the encoded entries.
    pub(crate) fn assemble(level: u8, count: u32, entries: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + entries.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, level]);
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(entries);
        out
    }

    /// Reads a node, and refuses what breaks a rule of the format.
    ///
    /// # Errors
    /// `STORE_CORRUPT`, and `STORE_FORMAT` for a newer version.
    pub fn decode(bytes: &[u8], hash: &Hash) -> Result<Self> {
        let what = || format!("tree node {hash}");
        let mut r = Reader(bytes);
        let read = |r: &mut Reader<'_>| -> std::result::Result<Self, &'static str> {
            let [level] = r.array::<1>()?;
            let count = u32::from_le_bytes(r.array()?);
            if level > MAX_LEVEL {
                return Err("its level is beyond the bound");
            }
            if count == 0 && level > 0 {
                return Err("it is empty");
            }
            // A claimed count costs no memory: an entry has at least seven bytes.
            let room = (count as usize).min(r.0.len() / 7);
            let items = match level {
                0 => {
                    let mut v: Vec<(Key, Entry)> = Vec::with_capacity(room);
                    for _ in 0..count {
                        let key = r.key()?;
                        ascending(v.last().map(|(k, _)| k), &key)?;
                        v.push((key, r.entry()?));
                    }
                    Items::Leaf(v)
                }
                _ => {
                    let mut v: Vec<Child> = Vec::with_capacity(room);
                    for _ in 0..count {
                        let last = r.key()?;
                        ascending(v.last().map(|c| &c.last), &last)?;
                        let hash = Hash::from_bytes(r.array()?);
                        let entries = u64::from_le_bytes(r.array()?);
                        if entries == 0 {
                            return Err("a child is empty");
                        }
                        v.push(Child { last, hash, entries });
                    }
                    Items::Inner(v)
                }
            };
            match r.0.is_empty() {
                true => Ok(Self { level, items }),
                false => Err("something follows its last entry"),
            }
        };
        match r.array::<4>() {
            Ok(magic) if magic == *MAGIC => {}
            _ => return Err(Error::corrupt(what(), "it is no tree node")),
        }
        match r.array::<1>() {
            Ok([VERSION]) => {}
            Ok([found]) => {
                let (found, known) = (u64::from(found), u64::from(VERSION));
                return Err(Error::Format { what: what(), found, known });
            }
            Err(why) => return Err(Error::corrupt(what(), why)),
        }
        read(&mut r).map_err(|why| Error::corrupt(what(), why))
    }
}

fn ascending(before: Option<&Key>, key: &Key) -> std::result::Result<(), &'static str> {
    match before {
        Some(b) if b >= key => Err("its entries are not in order"),
        _ => Ok(()),
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> std::result::Result<&'a [u8], &'static str> {
        let (head, rest) = self.0.split_at_checked(n).ok_or("it is cut off")?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> std::result::Result<[u8; N], &'static str> {
        self.take(N)?.try_into().map_err(|_| "it is cut off")
    }

    fn key(&mut self) -> std::result::Result<Key, &'static str> {
        let n = u16::from_le_bytes(self.array()?) as usize;
        let dir = self.take(n)?;
        let [n] = self.array::<1>()?;
        let name = self.take(n as usize)?;
        Key::from_parts(dir, name).ok_or("a name in it is none, or escapes")
    }

    fn entry(&mut self) -> std::result::Result<Entry, &'static str> {
        let [kind] = self.array::<1>()?;
        let mode = u16::from_le_bytes(self.array()?);
        let entry = match kind {
            1 => {
                let size = u64::from_le_bytes(self.array()?);
                let hash = Hash::from_bytes(self.array()?);
                let [depth] = self.array::<1>()?;
                let root = if depth > 0 { Hash::from_bytes(self.array()?) } else { hash };
                Entry::File { mode, content: Content { size, hash, depth, root } }
            }
            2 => Entry::Dir { mode },
            3 => {
                let n = u16::from_le_bytes(self.array()?) as usize;
                Entry::Link { target: self.take(n)?.to_vec() }
            }
            _ => return Err("an entry's kind is not known"),
        };
        if kind == 3 && mode != 0o777 {
            return Err("a link's mode is not 0o777");
        }
        match entry.is_valid() {
            true => Ok(entry),
            false => Err("an entry's mode, target or depth is none that it can have"),
        }
    }
}

//! Where nodes end. The one place that decides it: a tree that is edited is fed through the same
//! rules as one that is made from nothing, so both are the same tree.

use sha2::{Digest as _, Sha256};

use super::Key;
use super::node::{Child, Entry, Node};
use crate::{Error, Hash, Result};

struct Bounds {
    min: usize,
    max: usize,
    mask: u32,
}

const LEAF: Bounds = Bounds { min: 8192, max: 131_072, mask: 0xff };
const INNER: Bounds = Bounds { min: 8192, max: 262_144, mask: 0x7ff };

/// A tree that was made: its root, and its nodes, children before parents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The tree hash.
    pub root: Hash,
    /// The nodes that were made.
    pub nodes: Vec<(Hash, Vec<u8>)>,
}

/// Takes the entries of a tree in the order of their keys.
#[derive(Default)]
pub struct Builder {
    levels: Vec<Level>,
    nodes: Vec<(Hash, Vec<u8>)>,
    last: Option<Key>,
}

#[derive(Default)]
struct Level {
    bytes: Vec<u8>,
    count: u32,
    entries: u64,
    last: Option<Key>,
    /// Nodes that ended here.
    ended: u64,
}

impl Builder {
    /// The next entry.
    ///
    /// # Errors
    /// `STORE_INPUT` when it is not behind the one before, or none that a tree can hold.
    pub fn push(&mut self, key: Key, entry: &Entry) -> Result<()> {
        if !entry.is_valid() {
            let why = "its mode, its target or its size is none that a tree can hold".into();
            return Err(Error::Input { path: key.to_string(), why });
        }
        if self.last.as_ref().is_some_and(|l| *l >= key) {
            return Err(Error::Input { path: key.to_string(), why: "it is out of order".into() });
        }
        self.last = Some(key.clone());
        let level = self.level(0);
        let from = level.bytes.len();
        key.encode(&mut level.bytes);
        let encoded_key = from..level.bytes.len();
        entry.encode(&mut level.bytes);
        level.entries += 1;
        self.added(0, key, encoded_key);
        Ok(())
    }

    /// Whether a whole node of `level` may come next: nothing is pending on its level and below.
    pub(crate) fn in_sync(&self, level: u8) -> bool {
        self.levels.iter().take(usize::from(level) + 1).all(|l| l.count == 0)
    }

    /// A whole node of `level` as it is. It must have ended by the rules, or be the end of the tree.
    pub(crate) fn push_node(&mut self, level: u8, child: Child) {
        self.last = Some(child.last.clone());
        let below = self.level(usize::from(level));
        below.ended += 1;
        self.push_child(usize::from(level) + 1, child);
    }

    fn push_child(&mut self, at: usize, child: Child) {
        let level = self.level(at);
        let from = level.bytes.len();
        child.last.encode(&mut level.bytes);
        let encoded_key = from..level.bytes.len();
        child.encode_rest(&mut level.bytes);
        level.entries += child.entries;
        self.added(at, child.last, encoded_key);
    }

    fn level(&mut self, at: usize) -> &mut Level {
        while self.levels.len() <= at {
            self.levels.push(Level::default());
        }
        &mut self.levels[at]
    }

    /// Ends the node if the rules say so.
    fn added(&mut self, at: usize, key: Key, encoded_key: std::ops::Range<usize>) {
        let bounds = if at == 0 { &LEAF } else { &INNER };
        let level = &mut self.levels[at];
        level.count += 1;
        level.last = Some(key);
        let size = level.bytes.len();
        let ends = level.count >= 2
            && (size >= bounds.max
                || (size >= bounds.min
                    && mark(at as u8, &level.bytes[encoded_key]) & bounds.mask == 0));
        if ends {
            self.end(at);
        }
    }

    fn end(&mut self, at: usize) {
        let child = self.make(at);
        self.levels[at].ended += 1;
        self.push_child(at + 1, child);
    }

    /// Makes the node that is pending on a level.
    fn make(&mut self, at: usize) -> Child {
        let level = std::mem::take(&mut self.levels[at]);
        let ended = level.ended;
        let bytes = Node::assemble(at as u8, level.count, &level.bytes);
        let hash = Hash::of(&bytes);
        self.nodes.push((hash, bytes));
        self.levels[at].ended = ended;
        // Only the empty tree has a node without a last key, and that one has no parent.
        let last = level.last.unwrap_or_else(|| self.last.clone().unwrap_or_else(nowhere));
        Child { last, hash, entries: level.entries }
    }

    /// The nodes that were made so far; they can be stored while the rest is to come.
    pub fn take_nodes(&mut self) -> Vec<(Hash, Vec<u8>)> {
        std::mem::take(&mut self.nodes)
    }

    /// Ends all levels. The root may be a node that was pushed whole.
    pub fn finish(mut self) -> Built {
        if self.levels.is_empty() {
            self.level(0);
        }
        let mut at = 0;
        loop {
            let top = at + 1 >= self.levels.len();
            let (count, ended) = (self.levels[at].count, self.levels[at].ended);
            if top && ended == 0 {
                // All that there is, is pending here. One child of an inner level is the root.
                if at > 0 && count == 1 {
                    let bytes = &self.levels[at].bytes;
                    let from = bytes.len() - 40;
                    let mut hash = [0; 32];
                    hash.copy_from_slice(&bytes[from..from + 32]);
                    return Built { root: Hash::from_bytes(hash), nodes: self.nodes };
                }
                let root = self.make(at).hash;
                return Built { root, nodes: self.nodes };
            }
            if count > 0 {
                self.end(at);
            }
            at += 1;
        }
    }
}

fn nowhere() -> Key {
    Key::from_parts(b"", b"-").unwrap_or_else(|| unreachable!("a plain name"))
}

/// What a key says of where a node ends.
fn mark(level: u8, key: &[u8]) -> u32 {
    let digest = Sha256::new().chain_update([level]).chain_update(key).finalize();
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// A tree from all its entries. That every parent is a directory is checked.
///
/// # Errors
/// `STORE_INPUT`.
pub fn build<'a>(entries: impl IntoIterator<Item = (&'a Key, &'a Entry)>) -> Result<Built> {
    let mut builder = Builder::default();
    let mut dirs = std::collections::HashSet::new();
    let mut wanted = None::<Vec<u8>>;
    for (key, entry) in entries {
        // Parents come before what is in them: `dir` is shorter than any path below it.
        if !key.dir().is_empty() && wanted.as_deref() != Some(key.dir()) {
            if !dirs.contains(key.dir()) {
                let why = "its parent is no directory of the tree".into();
                return Err(Error::Input { path: key.to_string(), why });
            }
            wanted = Some(key.dir().to_vec());
        }
        if entry.is_dir() {
            dirs.insert(key.path());
        }
        builder.push(key.clone(), entry)?;
    }
    Ok(builder.finish())
}

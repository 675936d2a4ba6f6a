//! The lines of texts, as hashes: what a landing left is told from what was edited since.

use std::collections::HashSet;
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::disk;
use crate::history;
use crate::intent::{decode, encode};
use crate::state::State;

/// In `landings/<k>`: the lines of the texts that the landing brought, by slot. It goes with
/// the slots.
pub(crate) const LINES: &[u8] = b"lines";
const MAGIC: &[u8; 8] = b"BRIOLINE";

/// Texts up to this size are recorded.
pub(crate) const LIMIT: u64 = 1 << 20;

/// A line: the first eight bytes of its SHA-256, its newline included.
pub(crate) type Line = u64;

/// Content of `lines`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Lines(Vec<(u32, Vec<Line>)>);

impl Lines {
    pub(crate) fn add(&mut self, slot: u32, text: &[u8]) {
        if is_text(text) {
            self.0.push((slot, hashes(text)));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn encode(&self) -> io::Result<Vec<u8>> {
        encode(MAGIC, self)
    }

    /// What is recorded of a landing; nothing, where it cannot be read.
    pub(crate) fn load(state: &State, landing: u64) -> io::Result<Self> {
        let dir = history::dir(state, landing)?;
        let raw = disk::read(dir, LINES)?;
        Ok(raw.and_then(|raw| decode(MAGIC, &raw).ok()).unwrap_or_default())
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&[Line]> {
        self.0.iter().find(|(s, _)| *s == slot).map(|(_, lines)| &lines[..])
    }
}

/// Whether it has lines: no byte of it is 0.
pub(crate) fn is_text(content: &[u8]) -> bool {
    !content.contains(&0)
}

/// The lines of a text, newlines included.
pub(crate) fn split(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|b| *b == b'\n')
}

pub(crate) fn hashes(text: &[u8]) -> Vec<Line> {
    let hash = |line: &[u8]| {
        let sha = Sha256::digest(line);
        sha[..8].try_into().map_or(0, u64::from_le_bytes)
    };
    split(text).map(hash).collect()
}

/// For each line of the newer text the line of the older one that it was.
pub(crate) fn was(old: &[Line], new: &[Line]) -> Vec<Option<usize>> {
    // A line that the other side does not have at all is in no common sequence: without those
    // the comparison stays quick however much was rewritten.
    let shared = |of: &[Line], in_: &[Line]| -> (Vec<usize>, Vec<Line>) {
        let known: HashSet<Line> = in_.iter().copied().collect();
        of.iter().enumerate().filter(|(_, l)| known.contains(l)).map(|(i, l)| (i, *l)).unzip()
    };
    let ((old_at, old), (new_at, new_lines)) = (shared(old, new), shared(new, old));
    let mut out = vec![None; new.len()];
    for op in capture_diff_slices(Algorithm::Myers, &old, &new_lines) {
        if let DiffOp::Equal { old_index, new_index, len } = op {
            for i in 0..len {
                out[new_at[new_index + i]] = Some(old_at[old_index + i]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_followed_back() {
        let (old, new) = (hashes(b"a\nb\nc\nlast"), hashes(b"x\na\nc\ny\nlast\n"));
        assert_eq!(was(&old, &new), [None, Some(0), Some(2), None, None]);
        assert_eq!(was(&old, &old), [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(was(&[], &new), [None; 5]);
        assert_eq!(was(&old, &[]), []);
        let many: Vec<Line> = (0..100_000).collect();
        let other: Vec<Line> = (100_000..200_000).collect();
        assert!(was(&many, &other).iter().all(Option::is_none), "and quickly");
    }
}

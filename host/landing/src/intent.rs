//! What a landing is going to do, sealed before it does the first of it; and how it ended.

use brio_session::{Fingerprint, Kind, RelPath, Time};
use serde::{Deserialize, Serialize};

use crate::conflict::{Side, What};
use crate::{Kept, SessionId};

pub(crate) const INTENT: &[u8] = b"intent";
pub(crate) const ABORTING: &[u8] = b"aborting";
pub(crate) const END: &[u8] = b"end";

const VERSION: u32 = 1;
const HEADER: usize = 20;

/// Content of `landings/<k>/intent`. Its number is its directory's name: it is not known before the seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) session: SessionId,
    pub(crate) goal: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) task_id: Option<String>,
    pub(crate) message: Option<String>,
    /// The landing that this one undoes.
    pub(crate) undo_of: Option<u64>,
    /// Who sealed it: another user's recovery never acts on it.
    pub(crate) uid: u32,
    pub(crate) time: Time,
    /// In the order in which they are applied.
    pub(crate) steps: Vec<Step>,
    /// Notes that it changes, by path; what they are to be lies beside.
    pub(crate) notes: Vec<String>,
}

/// One path of a landing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) path: RelPath,
    pub(crate) act: Act,
    /// What was there, for all but additions.
    pub(crate) old: Option<Fingerprint>,
    /// What is to be there, for all but removals.
    pub(crate) new: Option<New>,
    /// `c<slot>` holds a copy of the old content, made because it had several links.
    pub(crate) cloned: bool,
    /// SHA-256 of the old content, where the session read it: what a late edit is told from.
    pub(crate) old_sha256: Option<[u8; 32]>,
    /// SHA-256 of the staged content of a file; none in a plan.
    pub(crate) new_sha256: Option<[u8; 32]>,
}

/// What is staged for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct New {
    pub(crate) kind: Kind,
    /// 0 in a plan; the staged inode in a sealed intent.
    pub(crate) ino: u64,
    pub(crate) mode: u32,
    pub(crate) size: u64,
    pub(crate) mtime: Time,
    /// Times that the session asked for.
    pub(crate) times: Option<(Time, Time)>,
}

impl New {
    /// As a conflict shows it.
    pub(crate) fn side(&self) -> Side {
        let size = if self.kind == Kind::Dir { 0 } else { self.size };
        Side { kind: self.kind, mode: self.mode, size, sha256: None }
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Act {
    /// `rename(slot, target, NOREPLACE)`
    Add { slot: u32 },
    /// `rename(slot, target, EXCHANGE)`
    Replace { slot: u32 },
    /// `rename(target, slot, NOREPLACE)`
    Remove { slot: u32 },
    /// `fchmod`, `utimensat` of a directory: one of the base (`old`), or one that this landing added.
    DirMeta,
}

/// How many paths a landing adds, modifies and removes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) added: u64,
    pub(crate) modified: u64,
    pub(crate) removed: u64,
}

impl Intent {
    pub(crate) fn counts(&self) -> Counts {
        let mut c = Counts::default();
        // The metadata of a directory that this landing adds is no change of its own.
        for step in self.steps.iter().filter(|s| !s.is_late_meta()) {
            match step.what() {
                What::Added => c.added += 1,
                What::Removed => c.removed += 1,
                What::Modified | What::Replaced => c.modified += 1,
            }
        }
        c
    }
}

impl Step {
    /// The metadata of a directory that another step of this landing makes.
    pub(crate) fn is_late_meta(&self) -> bool {
        self.act == Act::DirMeta && self.old.is_none()
    }

    pub(crate) fn slot(&self) -> Option<u32> {
        match self.act {
            Act::Add { slot } | Act::Replace { slot } | Act::Remove { slot } => Some(slot),
            Act::DirMeta => None,
        }
    }

    /// What it does to the path, for others' conflicts.
    pub(crate) fn what(&self) -> What {
        match self.act {
            Act::Add { .. } => What::Added,
            Act::Remove { .. } => What::Removed,
            Act::DirMeta => What::Modified,
            Act::Replace { .. } => match (&self.old, &self.new) {
                (Some(o), Some(n)) if o.kind == n.kind => What::Modified,
                _ => What::Replaced,
            },
        }
    }
}

/// The name of a slot.
pub(crate) fn slot_name(slot: u32) -> Vec<u8> {
    format!("s{slot}").into_bytes()
}

/// The name of a clone of a pre-image.
pub(crate) fn clone_name(slot: u32) -> Vec<u8> {
    format!("c{slot}").into_bytes()
}

/// Content of `landings/<k>/end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    /// The base is new.
    Finished {
        /// What it left: the new files at their paths.
        left: Vec<(RelPath, Fingerprint)>,
        /// Pre-images with other names outside, as the displacement left them: the change
        /// time of those names is ours.
        displaced: Vec<Fingerprint>,
        /// Slots whose pre-image was edited meanwhile.
        late: Vec<u32>,
        kept: Vec<Kept>,
    },
    /// The base is old.
    Aborted {
        kept: Vec<Kept>,
        /// What was put back, as that left it: its change time is ours.
        restored: Vec<Fingerprint>,
    },
    /// Some paths are neither; both versions are kept.
    Damaged { paths: Vec<RelPath> },
}

/// Why a binary record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadRecord {
    Version(u32),
    Torn,
}

/// `magic[8] | version u32 | len u32 | crc32c u32 | payload`.
pub(crate) fn encode<T: Serialize>(magic: &[u8; 8], value: &T) -> std::io::Result<Vec<u8>> {
    let payload = postcard::to_stdvec(value).map_err(std::io::Error::other)?;
    let len = u32::try_from(payload.len()).map_err(std::io::Error::other)?;
    let mut out = Vec::with_capacity(HEADER + payload.len());
    out.extend_from_slice(magic);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
    out.extend_from_slice(&payload);
    Ok(out)
}

pub(crate) fn decode<T: for<'a> Deserialize<'a>>(
    magic: &[u8; 8],
    raw: &[u8],
) -> Result<T, BadRecord> {
    let u32_at =
        |i: usize| raw.get(i..i + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    if raw.get(..8) != Some(magic) {
        return Err(BadRecord::Torn);
    }
    match u32_at(8) {
        Some(VERSION) => {}
        Some(v) => return Err(BadRecord::Version(v)),
        None => return Err(BadRecord::Torn),
    }
    let (len, crc) = (u32_at(12).ok_or(BadRecord::Torn)?, u32_at(16).ok_or(BadRecord::Torn)?);
    let payload = &raw[HEADER..];
    if payload.len() != len as usize || crc32c::crc32c(payload) != crc {
        return Err(BadRecord::Torn);
    }
    postcard::from_bytes(payload).map_err(|_| BadRecord::Torn)
}

pub(crate) const INTENT_MAGIC: &[u8; 8] = b"BRIOINTT";
pub(crate) const END_MAGIC: &[u8; 8] = b"BRIOENDS";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_whole_or_refused() {
        let end = End::Aborted { kept: Vec::new(), restored: Vec::new() };
        let good = encode(END_MAGIC, &end).expect("encodes");
        assert_eq!(decode::<End>(END_MAGIC, &good), Ok(end));
        for cut in 0..good.len() {
            assert_eq!(decode::<End>(END_MAGIC, &good[..cut]), Err(BadRecord::Torn));
        }
        let mut newer = good.clone();
        newer[8] = 2;
        assert_eq!(decode::<End>(END_MAGIC, &newer), Err(BadRecord::Version(2)));
        for i in 12..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 1;
            assert_eq!(decode::<End>(END_MAGIC, &bad), Err(BadRecord::Torn));
        }
    }
}

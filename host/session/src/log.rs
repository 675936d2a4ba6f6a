//! The index of a layer on disk: an append-only log of batches.
//!
//! `BRIOLAYR | version u32 | tag u64`, then frames `len u32 | crc32c u32 | payload`, all
//! little endian; the payload is a postcard sequence of [`Record`]s, whose ids are below 2^48. A
//! frame is one batch and is atomic; a torn tail is what a crash left of an operation that was
//! never acknowledged.
//! The checksum goes on from that of the frame before (the first, from the header's), so that
//! nothing counts that stands after a batch which the disk lost.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use cap_std::fs::Dir;

use crate::tree::{Record, Tree};
use crate::{Door, FsError, FsResult, Op};

/// The name of a layer's index in its directory: a layer is there when this file is.
pub const INDEX: &str = "index";
const MAGIC: &[u8; 8] = b"BRIOLAYR";
const VERSION: u32 = 1;
pub(crate) const HEADER: u64 = 20;

/// The log of a layer that is being written.
pub(crate) struct Log {
    file: File,
    end: End,
    /// A batch could not be taken back: nothing more may be appended.
    broken: bool,
    door: Door,
}

pub(crate) fn header(tag: u64) -> [u8; HEADER as usize] {
    let mut h = [0; HEADER as usize];
    h[..8].copy_from_slice(MAGIC);
    h[8..12].copy_from_slice(&VERSION.to_le_bytes());
    h[12..].copy_from_slice(&tag.to_le_bytes());
    h
}

/// Reads a layer's tree.
///
/// # Errors
/// `Io(0)` for a foreign or damaged header or an unknown version, and the host's.
pub(crate) fn load(dir: &Dir) -> FsResult<(Tree, End)> {
    let mut raw = Vec::new();
    dir.open(INDEX)?.read_to_end(&mut raw)?;
    if raw.len() < HEADER as usize
        || &raw[..8] != MAGIC
        || u32::from_le_bytes([raw[8], raw[9], raw[10], raw[11]]) != VERSION
    {
        return Err(FsError::Io(0));
    }
    let tag = u64::from_le_bytes(raw[12..20].try_into().map_err(|_| FsError::Io(0))?);
    let mut tree = Tree::new(tag);
    let mut end = End { at: HEADER, crc: crc32c::crc32c(&raw[..HEADER as usize]) };
    while let Some((records, next)) = frame(&raw, end) {
        for r in records {
            tree.apply(r);
        }
        end = next;
    }
    tree.sweep();
    Ok((tree, end))
}

/// Where a log ends, and the checksum that the next frame's goes on from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    at: u64,
    crc: u32,
}

fn frame(raw: &[u8], end: End) -> Option<(Vec<Record>, End)> {
    let at = usize::try_from(end.at).ok()?;
    let head = raw.get(at..at + 8)?;
    let len = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let crc = u32::from_le_bytes(head[4..].try_into().ok()?);
    let payload = raw.get(at + 8..at.checked_add(8)?.checked_add(len)?)?;
    if crc32c::crc32c_append(end.crc, payload) != crc {
        return None;
    }
    let records: Vec<Record> = postcard::from_bytes(payload).ok()?;
    let at = (at + 8 + len) as u64;
    records.iter().all(Record::is_sound).then_some((records, End { at, crc }))
}

impl Log {
    /// Opens the log for appending after its last whole batch.
    pub(crate) fn open(dir: &Dir, end: End, door: Door) -> FsResult<Self> {
        let mut options = cap_std::fs::OpenOptions::new();
        options.read(true).write(true);
        let mut file = dir.open_with(INDEX, &options)?.into_std();
        if file.metadata()?.len() > end.at {
            door.run(Op::Truncate, || file.set_len(end.at))?;
        }
        file.seek(SeekFrom::Start(end.at))?;
        Ok(Self { file, end, broken: false, door })
    }

    /// Appends one batch. When this returns an error, the batch is not in the log.
    pub(crate) fn append(&mut self, records: &[Record]) -> FsResult<()> {
        if self.broken {
            return Err(FsError::Io(5));
        }
        // What would not be read again is not written.
        if !records.iter().all(Record::is_sound) {
            return Err(FsError::Invalid);
        }
        let payload = postcard::to_stdvec(records).map_err(|_| FsError::Invalid)?;
        let mut frame = Vec::with_capacity(payload.len() + 8);
        frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        let crc = crc32c::crc32c_append(self.end.crc, &payload);
        frame.extend_from_slice(&crc.to_le_bytes());
        frame.extend_from_slice(&payload);
        if let Err(e) = self.door.run(Op::Append, || (&self.file).write_all(&frame)) {
            // As if killed: what is on the disk stays there, and nothing follows it.
            if crate::is_stop(&e) {
                self.broken = true;
            } else {
                self.take_back();
            }
            return Err(e.into());
        }
        self.end = End { at: self.end.at + frame.len() as u64, crc };
        Ok(())
    }

    fn take_back(&mut self) {
        let undone = self
            .file
            .set_len(self.end.at)
            .and_then(|()| self.file.seek(SeekFrom::Start(self.end.at)));
        self.broken = undone.is_err();
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.door.run(Op::Sync, || self.file.sync_data())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tree::ROOT;
    use crate::{Observed, RelPath};

    #[test]
    fn numbers_that_no_layer_has_end_it_like_what_is_damaged() {
        let node = |id| Record::Node { id, node: Tree::new(7).nodes[&ROOT].clone() };
        let original = |n| Record::Observed {
            base: RelPath::root(),
            observed: Observed { original: Some(n), ..Observed::default() },
        };
        let tmp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(tmp.path(), cap_std::ambient_authority()).unwrap();
        for (bad, good) in [(node(u64::MAX), node(1)), (original(u64::MAX), original(1))] {
            let mut raw = header(7).to_vec();
            let mut crc = crc32c::crc32c(&raw);
            let mut ends = Vec::new();
            for record in [good, bad] {
                let payload = postcard::to_stdvec(&[record][..]).unwrap();
                crc = crc32c::crc32c_append(crc, &payload);
                raw.extend_from_slice(&(payload.len() as u32).to_le_bytes());
                raw.extend_from_slice(&crc.to_le_bytes());
                raw.extend_from_slice(&payload);
                ends.push(raw.len() as u64);
            }
            dir.write(INDEX, &raw).unwrap();
            let (tree, end) = load(&dir).unwrap();
            assert_eq!((tree.next, end.at), (2, ends[0]));
        }
    }
}

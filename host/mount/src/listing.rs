//! Directories, listed.
//!
//! The kernel keeps what it was told of a directory, and may come back for the rest with nothing
//! but an offset. So an offset follows from a name alone: whatever happens to the directory
//! meanwhile, nothing is told twice, and nothing that stays is left out.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use brio_session::{DirEntry, DirHandle, FsError, FsResult, Kind, RelPath};
use fuser::{Generation, INodeNo, ReplyDirectory, ReplyDirectoryPlus};

use crate::Lent;
use crate::ops::Served;
use crate::table::ROOT;

/// What `..` is told with; `.` has the number before. Every name's lies above.
const DOTS: u64 = 2;

/// How many listings that nobody read to their end are kept.
const KEPT: usize = 32;

/// An entry, and the offset behind it.
#[derive(Debug)]
struct Told {
    offset: u64,
    entry: DirEntry,
}

type Entries = Arc<Vec<Told>>;

/// Listings that are being read, so that a large directory is not listed for each part of it.
#[derive(Default)]
pub(crate) struct Listings(Mutex<VecDeque<(u64, Entries)>>);

impl Listings {
    fn put(&self, ino: u64, entries: &Entries) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(of, _)| *of != ino);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((ino, entries.clone()));
    }

    fn get(&self, ino: u64) -> Option<Entries> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(of, _)| *of == ino).map(|(_, entries)| entries.clone())
    }

    fn remove(&self, ino: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _)| *of != ino);
    }
}

struct Listing {
    lent: Lent,
    dir: DirHandle,
    entries: Entries,
    /// Where in it this part begins.
    from: usize,
}

/// In the order of their offsets.
fn in_order(names: Vec<DirEntry>) -> impl Iterator<Item = Told> {
    let offset = |name: &[u8]| {
        let mut hasher = DefaultHasher::new();
        hasher.write(name);
        // The kernel's offsets are signed.
        (hasher.finish() >> 2) + DOTS + 1
    };
    let mut all: Vec<_> =
        names.into_iter().map(|entry| Told { offset: offset(&entry.name), entry }).collect();
    all.sort_unstable_by(|a, b| (a.offset, &a.entry.name).cmp(&(b.offset, &b.entry.name)));
    let mut last = DOTS;
    all.into_iter().map(move |told| {
        // Two names of one hash have offsets of their own, too.
        last = told.offset.max(last + 1);
        Told { offset: last, ..told }
    })
}

impl Served {
    fn listing(&self, ino: u64, offset: u64) -> FsResult<Listing> {
        let lent = self.read()?;
        let dir = self.dir(&lent, ino)?;
        let known = if offset == 0 { None } else { self.listings.get(ino) };
        let entries = match known {
            Some(entries) => entries,
            None => {
                let dot = |name: &[u8], ino| DirEntry { name: name.into(), kind: Kind::Dir, ino };
                let dots = [dot(b".", ino), dot(b"..", self.parent(&lent, &dir)?)];
                let dots = (1..).zip(dots).map(|(offset, entry)| Told { offset, entry });
                let entries = Arc::new(dots.chain(in_order(dir.list()?)).collect());
                self.listings.put(ino, &entries);
                entries
            }
        };
        let from = entries.partition_point(|told| told.offset <= offset);
        if from == entries.len() {
            self.listings.remove(ino);
        }
        Ok(Listing { lent, dir, entries, from })
    }

    /// The number of a directory's parent.
    fn parent(&self, lent: &Lent, dir: &DirHandle) -> FsResult<u64> {
        let root = lent.view.root();
        let parent = match dir.path()?.strip_prefix(&root.path()?).as_ref().and_then(RelPath::split)
        {
            Some((parent, _)) if !parent.is_root() => parent,
            _ => return Ok(ROOT),
        };
        let (node, meta) = lent.view.node_at(&root, parent.as_bytes(), false)?;
        Ok(self.nodes.number(&node, meta.ino))
    }

    pub(crate) fn readdir(
        &self,
        ino: u64,
        offset: u64,
        reply: &mut ReplyDirectory,
    ) -> FsResult<()> {
        let listing = self.listing(ino, offset)?;
        for Told { offset, entry: e } in &listing.entries[listing.from..] {
            let name = brio_session::to_os(&e.name);
            if reply.add(INodeNo(e.ino), *offset, self.specials.kind(e.ino, e.kind), &*name) {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn readdirplus(
        &self,
        ino: u64,
        offset: u64,
        reply: &mut ReplyDirectoryPlus,
    ) -> FsResult<()> {
        let listing = self.listing(ino, offset)?;
        let (ttl, view) = (self.ttl(), &listing.lent.view);
        for Told { offset, entry: e } in &listing.entries[listing.from..] {
            // The kernel counts no look-up for these two.
            let dots = *offset <= DOTS;
            let attr = if dots {
                self.attr(e.ino, &listing.dir.meta()?)
            } else {
                match view.node_at(&listing.dir, &e.name, false) {
                    Ok(found) => self.entry(&listing.lent, found),
                    // Gone since the listing was taken.
                    Err(FsError::NotFound) => continue,
                    Err(e) => return Err(e),
                }
            };
            let number = attr.ino;
            let name = brio_session::to_os(&e.name);
            if reply.add(number, *offset, &*name, &ttl, &attr, Generation(0)) {
                if !dots {
                    self.nodes.forget(number.0, 1);
                }
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_follow_from_names_and_are_each_one_names() {
        let entries = |names: &[&str]| -> Vec<_> {
            let entry = |n: &&str| DirEntry { name: (*n).into(), kind: Kind::File, ino: 9 };
            in_order(names.iter().map(entry).collect()).collect()
        };
        let all = entries(&["a", "b", "c", "d"]);
        assert!(all.is_sorted_by(|a, b| a.offset < b.offset) && all[0].offset > DOTS);
        assert!(all.iter().all(|told| i64::try_from(told.offset).is_ok()));
        for told in entries(&["d", "x", "a"]) {
            let same = all.iter().find(|t| t.entry.name == told.entry.name);
            assert!(same.is_none_or(|t| t.offset == told.offset));
        }
        // Of one hash: what no name does of itself in less than 2^31 tries.
        assert!(entries(&["a", "a"]).is_sorted_by(|a, b| a.offset < b.offset));
    }
}

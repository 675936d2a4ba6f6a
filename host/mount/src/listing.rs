//! Directories, listed.
//!
//! A listing is taken when a directory is read from its start, and is what its offsets mean
//! until it is read from its start again: whatever happens to the directory meanwhile, nothing
//! is told twice, and nothing that stays is left out.

use std::sync::Arc;

use brio_session::{DirEntry, DirHandle, FsError, FsResult, Kind, RelPath};
use fuser::{Generation, INodeNo, ReplyDirectory, ReplyDirectoryPlus};

use crate::Lent;
use crate::attr::{file_attr, file_type};
use crate::ops::Served;
use crate::table::ROOT;

struct Listing {
    lent: Lent,
    dir: DirHandle,
    entries: Arc<Vec<DirEntry>>,
}

impl Served {
    fn listing(&self, ino: u64, fh: u64, offset: u64) -> FsResult<Listing> {
        let lent = self.read()?;
        let open = self.open.dir(fh)?;
        let dir = self.dir(&lent, ino)?;
        let entries = if offset == 0 {
            let mut entries = vec![
                DirEntry { name: b".".to_vec(), kind: Kind::Dir, ino },
                DirEntry { name: b"..".to_vec(), kind: Kind::Dir, ino: self.parent(&lent, &dir)? },
            ];
            entries.extend(dir.list()?);
            open.start(entries)
        } else {
            open.entries()
        };
        Ok(Listing { lent, dir, entries })
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
        fh: u64,
        offset: u64,
        reply: &mut ReplyDirectory,
    ) -> FsResult<()> {
        let listing = self.listing(ino, fh, offset)?;
        for (i, e) in listing.entries.iter().enumerate().skip(offset as usize) {
            let name = brio_session::to_os(&e.name);
            if reply.add(INodeNo(e.ino), i as u64 + 1, file_type(e.kind), &*name) {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn readdirplus(
        &self,
        ino: u64,
        fh: u64,
        offset: u64,
        reply: &mut ReplyDirectoryPlus,
    ) -> FsResult<()> {
        let listing = self.listing(ino, fh, offset)?;
        let (ttl, view) = (self.ttl(), &listing.lent.view);
        for (i, e) in listing.entries.iter().enumerate().skip(offset as usize) {
            // The kernel counts no look-up for these two.
            let dots = i < 2;
            let attr = if dots {
                file_attr(e.ino, &listing.dir.meta()?, self.owner)
            } else {
                match view.node_at(&listing.dir, &e.name, false) {
                    Ok(found) => self.entry(&listing.lent, found),
                    // Gone since the listing was taken.
                    Err(FsError::NotFound) => continue,
                    Err(e) => return Err(e),
                }
            };
            let (number, next) = (attr.ino, i as u64 + 1);
            let name = brio_session::to_os(&e.name);
            if reply.add(number, next, &*name, &ttl, &attr, Generation(0)) {
                if !dots {
                    self.nodes.forget(number.0, 1);
                }
                break;
            }
        }
        Ok(())
    }
}

//! Directories, listed.

use std::sync::Arc;

use brio_session::{DirEntry, DirHandle, FsError, FsResult, Kind, Lent, Listed, Listings, RelPath};
use fuser::{Generation, INodeNo, ReplyDirectory, ReplyDirectoryPlus};

use crate::ops::Served;
use crate::table::ROOT;

struct Listing {
    lent: Lent,
    dir: DirHandle,
    entries: Arc<Vec<Listed>>,
    /// Where in it this part begins.
    from: usize,
}

impl Served {
    fn listing(&self, ino: u64, offset: u64) -> FsResult<Listing> {
        let lent = self.read()?;
        let dir = self.dir(&lent, ino)?;
        let (entries, from) = self.listings.behind(ino, offset, || {
            let dot = |name: &[u8], ino| DirEntry { name: name.into(), kind: Kind::Dir, ino };
            Ok(([dot(b".", ino), dot(b"..", self.parent(&lent, &dir)?)], dir.list()?))
        })?;
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
        for Listed { cookie: offset, entry: e } in &listing.entries[listing.from..] {
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
        for Listed { cookie: offset, entry: e } in &listing.entries[listing.from..] {
            // The kernel counts no look-up for these two.
            let dots = *offset <= Listings::DOTS;
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

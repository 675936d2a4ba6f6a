//! FIFOs and sockets, which a view has not: they are meeting points of processes, and mean nothing
//! to anybody once those are gone. In the view stands an empty file in the place of each for as
//! long as the mount lasts; so names, links, modes and permissions are the view's, as all others'.
//! (It stays when this process is killed: a file, where a directory would have a dead socket.)

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::{PoisonError, RwLock};

use brio_session::{FsError, FsResult, Handle, Kind, NodeHandle, OpenOptions};
use fuser::{FileAttr, FileType};

use crate::attr::file_type;
use crate::ops::Served;

/// What was made here, by the view's inode number.
#[derive(Default)]
pub(crate) struct Specials(RwLock<HashMap<u64, (FileType, NodeHandle)>>);

impl Specials {
    fn add(&self, ino: u64, kind: FileType, node: NodeHandle) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(ino, (kind, node));
    }

    /// What the kernel is told that something of the view is.
    pub(crate) fn kind(&self, ino: u64, kind: Kind) -> FileType {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&ino).map_or_else(|| file_type(kind), |(special, _)| *special)
    }
}

impl Served {
    /// Makes a FIFO or a socket.
    ///
    /// # Errors
    /// `NotPermitted` where the mount is not the only one who shows the view: others would take
    /// it for a file.
    pub(crate) fn make_special(
        &self,
        parent: u64,
        name: &OsStr,
        mode: u32,
        kind: FileType,
    ) -> FsResult<FileAttr> {
        if !self.lender.is_exclusive() {
            return Err(FsError::NotPermitted);
        }
        let lent = self.write()?;
        let dir = self.dir(&lent, parent)?;
        let how = OpenOptions {
            create: true,
            exclusive: true,
            mode: Some(mode & 0o7777),
            ..OpenOptions::default()
        };
        let Handle::File(file) = lent.view.open_at(&dir, name.as_bytes(), &how)? else {
            return Err(FsError::IsDirectory);
        };
        let (node, meta) = (file.node(), file.meta()?);
        // Before the kernel is told of it: what it is never changes.
        self.specials.add(meta.ino, kind, node.clone());
        Ok(self.entry(&lent, (node, meta)))
    }

    /// Removes what stands in the place of FIFOs and sockets, once nobody can reach them.
    pub(crate) fn remove_specials(&self) {
        let known = &mut *self.specials.0.write().unwrap_or_else(PoisonError::into_inner);
        for (_, (_, node)) in known.drain() {
            // One that cannot be removed (the view has ended) stays, as an empty file.
            let _ = self.remove_names(&node);
        }
    }

    fn remove_names(&self, node: &NodeHandle) -> FsResult<()> {
        let view = self.write()?.view;
        let root = view.root();
        // Each of its names, until there is none.
        while let Ok(path) = node.path() {
            let below = path.strip_prefix(&root.path()?).ok_or(FsError::NotFound)?;
            view.unlink_at(&root, below.as_bytes())?;
        }
        Ok(())
    }
}

//! What a view shows, as a list.

use brio_session::{DirEntry, DirHandle, FileHandle, FsError, Handle, Kind, Meta, OpenOptions};
use brio_session::{RelPath, Time, View};

use super::{DirectoryError, Watch};

/// What names of one file have in common. The number alone is not it: a name whose hard link was
/// broken by a write keeps the number that the other names have in the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Identity(u64, Time);

impl Identity {
    pub(super) fn of(meta: &Meta) -> Self {
        Self(meta.ino, meta.ctime)
    }
}

/// Everything below the root of a view, a directory before what it holds.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<(RelPath, Meta)>,
    /// Devices, FIFOs and sockets of the base: they cannot be carried.
    pub(crate) special: Vec<RelPath>,
    /// The bytes of all files, each counted once.
    pub(crate) bytes: u64,
}

impl Listing {
    /// Looks at everything.
    pub(crate) fn of(view: &View, root: &DirHandle, watch: &Watch) -> Result<Self, DirectoryError> {
        let mut this = Self::default();
        let mut linked = std::collections::HashSet::new();
        let mut left = vec![RelPath::root()];
        while let Some(dir) = left.pop() {
            watch.go_on()?;
            for entry in list(view, root, &dir)? {
                let path = dir.join(&entry.name);
                if entry.kind == Kind::Other {
                    this.special.push(path);
                    continue;
                }
                let meta = view.stat_at(root, path.as_bytes(), false);
                let meta = meta.map_err(DirectoryError::view(&path))?;
                match entry.kind {
                    Kind::Dir => left.push(path.clone()),
                    Kind::File if meta.nlink == 1 || linked.insert(Identity::of(&meta)) => {
                        this.bytes = this.bytes.saturating_add(meta.size);
                    }
                    _ => {}
                }
                this.entries.push((path, meta));
            }
        }
        Ok(this)
    }
}

fn list(view: &View, root: &DirHandle, dir: &RelPath) -> Result<Vec<DirEntry>, DirectoryError> {
    if dir.is_root() {
        return root.list().map_err(DirectoryError::view(dir));
    }
    let how = OpenOptions { read: true, directory: true, ..OpenOptions::default() };
    match view.open_at(root, dir.as_bytes(), &how).map_err(DirectoryError::view(dir))? {
        Handle::Dir(handle) => handle.list().map_err(DirectoryError::view(dir)),
        Handle::File(_) => Err(DirectoryError::view(dir)(FsError::NotDirectory)),
    }
}

/// Opens a file of the view for reading.
pub(super) fn open_file(
    view: &View,
    root: &DirHandle,
    path: &RelPath,
) -> Result<FileHandle, DirectoryError> {
    let how = OpenOptions { read: true, ..OpenOptions::default() };
    match view.open_at(root, path.as_bytes(), &how).map_err(DirectoryError::view(path))? {
        Handle::File(file) => Ok(file),
        Handle::Dir(_) => Err(DirectoryError::view(path)(FsError::IsDirectory)),
    }
}

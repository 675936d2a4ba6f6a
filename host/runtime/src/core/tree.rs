//! The few operations that `session-tools` needs, over a view and over the directory of the
//! plain form.

use brio_session::{FsError, FsResult, Kind, OpenOptions};

use crate::fs::{File, Mount, Opened};

/// One entry of a directory.
pub(super) struct Item {
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) size: u64,
}

/// A tree of files; paths are relative to its root.
pub(super) trait Tree {
    /// Reads a file from its beginning, in pieces, for as long as `more` answers true.
    fn read(&self, path: &str, more: &mut dyn FnMut(&[u8]) -> bool) -> FsResult<()>;
    /// Replaces the content of a file, or makes one; on an error the file is as it was.
    fn write(&self, path: &str, content: &[u8]) -> FsResult<()>;
    fn make_dir(&self, path: &str) -> FsResult<()>;
    fn list(&self, path: &str) -> FsResult<Vec<Item>>;
    /// Removes a file, a link or an empty directory.
    fn remove(&self, path: &str) -> FsResult<()>;
}

/// Size of the pieces in which a file is read.
pub(super) const PIECE: usize = 256 * 1024;

impl Tree for Mount {
    fn read(&self, path: &str, more: &mut dyn FnMut(&[u8]) -> bool) -> FsResult<()> {
        let how = OpenOptions { read: true, follow: true, ..OpenOptions::default() };
        let file = file(self.root().open_at(path.as_bytes(), &how)?)?;
        read_from(&file, more)
    }

    fn write(&self, path: &str, content: &[u8]) -> FsResult<()> {
        let (root, path) = (self.root(), path.as_bytes());
        let new =
            OpenOptions { write: true, create: true, exclusive: true, ..OpenOptions::default() };
        let old = OpenOptions {
            read: true,
            write: true,
            create: true,
            follow: true,
            ..OpenOptions::default()
        };
        match root.open_at(path, &new) {
            Ok(made) => replace(&file(made)?, content).inspect_err(|_| {
                let _ = root.unlink_at(path);
            }),
            Err(FsError::Exists) => {
                let file = file(root.open_at(path, &old)?)?;
                // Only what is written over: the rest goes last, and by one call.
                let size = file.meta()?.size;
                let mut before = Vec::new();
                read_from(&file, &mut |piece| {
                    let room = content.len() - before.len();
                    before.extend_from_slice(&piece[..room.min(piece.len())]);
                    before.len() < content.len()
                })?;
                replace(&file, content).inspect_err(|_| {
                    let _ = put(&file, &before).and_then(|()| file.set_len(size));
                })
            }
            Err(e) => Err(e),
        }
    }

    fn make_dir(&self, path: &str) -> FsResult<()> {
        self.root().mkdir_at(path.as_bytes())
    }

    fn list(&self, path: &str) -> FsResult<Vec<Item>> {
        let how =
            OpenOptions { read: true, directory: true, follow: true, ..OpenOptions::default() };
        let Opened::Dir(dir) = self.root().open_at(path.as_bytes(), &how)? else {
            return Err(FsError::NotDirectory);
        };
        let item = |e: brio_session::DirEntry| {
            let size = match e.kind {
                Kind::File | Kind::Symlink => dir.stat_at(&e.name, false).map(|m| m.size),
                Kind::Dir | Kind::Other => Ok(0),
            };
            match size {
                Ok(size) => Some(Ok(Item { name: e.name, kind: e.kind, size })),
                // Removed since it was listed.
                Err(FsError::NotFound) => None,
                Err(e) => Some(Err(e)),
            }
        };
        dir.list()?.into_iter().filter_map(item).collect()
    }

    fn remove(&self, path: &str) -> FsResult<()> {
        let (root, path) = (self.root(), path.as_bytes());
        match root.stat_at(path, false)?.kind {
            Kind::Dir => root.rmdir_at(path),
            _ => root.unlink_at(path),
        }
    }
}

fn file(opened: Opened) -> FsResult<File> {
    match opened {
        Opened::File(f) => Ok(f),
        Opened::Dir(_) => Err(FsError::IsDirectory),
    }
}

fn read_from(file: &File, more: &mut dyn FnMut(&[u8]) -> bool) -> FsResult<()> {
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    loop {
        let n = file.read_at(&mut buffer, at)?;
        if n == 0 || !more(&buffer[..n]) {
            return Ok(());
        }
        at += n as u64;
    }
}

fn replace(file: &File, content: &[u8]) -> FsResult<()> {
    put(file, content)?;
    file.set_len(content.len() as u64)
}

fn put(file: &File, content: &[u8]) -> FsResult<()> {
    let mut at = 0;
    while at < content.len() {
        match file.write_at(&content[at..], at as u64)? {
            0 => return Err(FsError::NoSpace),
            n => at += n,
        }
    }
    Ok(())
}

//! A tree of a store, as what a session stands on.
//!
//! A directory is read as a whole the first time that anything in it is asked for: whoever opens
//! one file looks at its neighbours next, and they lie in the same nodes.

use std::sync::Arc;

use brio_session::{
    DirEntry, Fingerprint, FsError, FsResult, Kind, Lower, Meta, Observations, ReadAt, RelPath,
    Source, Time,
};
use brio_store::tree::{Entry, Key, Tree};
use brio_store::{Content, FileContent, Project};
use cap_std::fs::Dir;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use brio_store::Runner;

use crate::ahead::{Ahead, Read};

/// Bytes of memory for the directories of one tree.
const DIRECTORIES: u64 = 32 << 20;

/// The error of a store, as a file system says it. What it was is in the log.
pub(crate) fn fs_error(e: &brio_store::Error) -> FsError {
    use brio_store::Error as E;
    tracing::warn!("{e}");
    match e {
        E::Corrupt { .. } | E::Missing { .. } | E::Format { .. } => FsError::Corrupt,
        E::Host { source, .. } => match source.raw_os_error() {
            Some(n) => std::io::Error::from_raw_os_error(n).into(),
            None => FsError::Io(0),
        },
        _ => FsError::Unreachable,
    }
}

type Listing = Arc<Vec<(Key, Entry)>>;

#[derive(Clone)]
struct Size;

impl Weighter<RelPath, Listing> for Size {
    fn weight(&self, path: &RelPath, listing: &Listing) -> u64 {
        // A key holds its directory's path.
        let each = 200 + path.as_bytes().len() as u64;
        128 + listing.len() as u64 * each
    }
}

pub(crate) struct TreeLower {
    runner: Arc<Runner>,
    project: Project,
    tree: Tree,
    directories: Cache<RelPath, Listing, Size>,
    ahead: Ahead,
}

impl TreeLower {
    pub(crate) fn new(runner: Arc<Runner>, project: Project, tree: Tree) -> Self {
        let directories = Cache::with_weighter(1024, DIRECTORIES, Size);
        Self { runner, project, tree, directories, ahead: Ahead::default() }
    }

    /// What lies in a directory; nothing where there is none.
    fn listing(&self, dir: &RelPath) -> FsResult<Listing> {
        self.directories.get_or_insert_with(dir, || {
            let (tree, path) = (self.tree.clone(), dir.as_bytes().to_vec());
            let found = self.runner.run(async move { tree.list(&path).await });
            Ok(Arc::new(found.map_err(|e| fs_error(&e))?))
        })
    }

    /// Where an entry of a directory is: in which listing, and there.
    fn locate(&self, dir: &RelPath, name: &[u8]) -> FsResult<Option<(Listing, usize)>> {
        let listing = self.listing(dir)?;
        let found = listing.binary_search_by(|(k, _)| k.name().cmp(name));
        Ok(found.ok().map(|at| (listing, at)))
    }

    fn find(&self, path: &RelPath) -> FsResult<Option<Entry>> {
        let Some((dir, name)) = path.split() else {
            return Ok(Some(Entry::Dir { mode: 0o755 }));
        };
        Ok(self.locate(&dir, name)?.map(|(listing, at)| listing[at].1.clone()))
    }

    fn entry(&self, path: &RelPath) -> FsResult<Entry> {
        self.find(path)?.map_or_else(|| Err(self.absent(path)), Ok)
    }

    /// Why nothing is at a path.
    fn absent(&self, path: &RelPath) -> FsError {
        for up in path.ancestors() {
            match self.find(&up) {
                Ok(Some(e)) if !e.is_dir() => return FsError::NotDirectory,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(e) => return e,
            }
        }
        FsError::NotFound
    }

    /// A file to read. What may be read next is fetched meanwhile.
    fn file(&self, path: &RelPath) -> FsResult<Source> {
        let (dir, name) = path.split().ok_or(FsError::IsDirectory)?;
        let (listing, at) = self.locate(&dir, name)?.ok_or_else(|| self.absent(path))?;
        match &listing[at].1 {
            Entry::File { content, .. } => {
                let (found, missed) = open(&self.runner, &self.project, *content)?;
                let read = Read { at, missed };
                self.ahead.read((&self.runner, &self.project), &dir, read, &listing);
                Ok(found)
            }
            Entry::Dir { .. } => Err(FsError::IsDirectory),
            Entry::Link { .. } => Err(FsError::Loop),
        }
    }
}

/// A file of the host where one holds just this content, else what is fetched as it is read.
pub(crate) fn source(
    runner: &Arc<Runner>,
    project: &Project,
    content: Content,
) -> FsResult<Source> {
    Ok(open(runner, project, content)?.0)
}

/// As [`source`]; and whether it had to be fetched for that.
fn open(runner: &Arc<Runner>, project: &Project, content: Content) -> FsResult<(Source, bool)> {
    let mut missed = false;
    if content.depth == 0 && content.size > 0 {
        if let Some((file, _)) = project.kept_file(&content.root) {
            return Ok((Source::File(file), false));
        }
        missed = !project.is_near(&content.root);
        let (from, root) = (project.clone(), content.root);
        runner.run(async move { from.blob(&root).await.map(drop) }).map_err(|e| fs_error(&e))?;
        if let Some((file, _)) = project.kept_file(&content.root) {
            return Ok((Source::File(file), missed));
        }
    }
    let file = project.file(content);
    Ok((Source::Lazy(Arc::new(Fetched { runner: runner.clone(), file })), missed))
}

struct Fetched {
    runner: Arc<Runner>,
    file: FileContent,
}

impl ReadAt for Fetched {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> FsResult<usize> {
        let (file, length) = (self.file.clone(), buf.len());
        let read = self.runner.run(async move { file.read_at(offset, length).await });
        let read = read.map_err(|e| fs_error(&e))?;
        buf[..read.len()].copy_from_slice(&read);
        Ok(read.len())
    }

    fn sha256(&self) -> Option<[u8; 32]> {
        Some(*self.file.content().hash.as_bytes())
    }
}

fn kind(entry: &Entry) -> Kind {
    match entry {
        Entry::File { .. } => Kind::File,
        Entry::Dir { .. } => Kind::Dir,
        Entry::Link { .. } => Kind::Symlink,
    }
}

/// Of the path and all that an entry says; of a directory, of the path alone. The same in every
/// tree, on every machine.
fn ino(path: &RelPath, entry: &Entry) -> u64 {
    let mut sha = Sha256::new();
    sha.update((path.as_bytes().len() as u64).to_le_bytes());
    sha.update(path.as_bytes());
    match entry {
        Entry::Dir { .. } => sha.update([0]),
        Entry::File { mode, content } => {
            sha.update([1]);
            sha.update(mode.to_le_bytes());
            sha.update(content.hash.as_bytes());
        }
        Entry::Link { target } => {
            sha.update([2]);
            sha.update(target);
        }
    }
    let d = sha.finalize();
    // Layers number what they make from the upper half on; 0 and 1 have meanings.
    let n = u64::from_le_bytes([d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]) >> 1;
    n.max(2)
}

fn meta(path: &RelPath, entry: &Entry) -> Meta {
    let time = Time::default();
    Meta {
        kind: kind(entry),
        ino: ino(path, entry),
        nlink: 1,
        size: entry.size(),
        mode: u32::from(entry.mode()),
        atime: time,
        mtime: time,
        ctime: time,
    }
}

impl Lower for TreeLower {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        Ok(meta(path, &self.entry(path)?))
    }

    fn open(&self, path: &RelPath) -> FsResult<Source> {
        self.file(path)
    }

    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        match self.entry(path)? {
            Entry::Link { target } => Ok(target),
            _ => Err(FsError::Invalid),
        }
    }

    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        if !self.entry(path)?.is_dir() {
            return Err(FsError::NotDirectory);
        }
        let listing = self.listing(path)?;
        let entry = |(key, e): &(Key, Entry)| DirEntry {
            name: key.name().to_vec(),
            kind: kind(e),
            ino: ino(&path.join(key.name()), e),
        };
        Ok(listing.iter().map(entry).collect())
    }

    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        Ok(Some(path.clone()))
    }

    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        match self.entry(base) {
            Ok(e) => {
                let m = meta(base, &e);
                Ok(Some(Fingerprint {
                    kind: m.kind,
                    ino: m.ino,
                    mode: m.mode,
                    nlink: m.nlink,
                    size: m.size,
                    mtime: m.mtime,
                    ctime: m.ctime,
                }))
            }
            Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn touched(&self, _path: &RelPath) -> FsResult<Option<Vec<Vec<u8>>>> {
        Ok(None)
    }

    fn observations(&self, _into: &mut Observations) {}

    fn own_file(&self, _path: &RelPath) -> FsResult<Option<(Dir, String)>> {
        Ok(None)
    }

    fn base(&self) -> &dyn Lower {
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use brio_store::backend::Memory;
    use brio_store::{Hash, ProjectId, Store, StoreOptions};

    #[test]
    fn a_file_is_missed_where_it_is_not_near() {
        let (backend, runner) = (Arc::new(Memory::default()), Arc::new(Runner::new().unwrap()));
        let id: ProjectId = "org/name".parse().unwrap();
        let project = || {
            let store = Store::new(backend.clone(), StoreOptions::default());
            let id = id.clone();
            runner.run(async move { store.create(&id).await.map(|(p, _)| p) }).unwrap()
        };
        let hash = Hash::of(b"text");
        let mut upload = project().upload();
        runner
            .run(async move {
                upload.blob(hash, bytes::Bytes::from_static(b"text")).await?;
                upload.finish().await.map(drop)
            })
            .unwrap();
        let there = project();
        let content = Content { hash, size: 4, depth: 0, root: hash };
        let missed = || open(&runner, &there, content).unwrap().1;
        assert_eq!([missed(), missed()], [true, false]);
    }
}

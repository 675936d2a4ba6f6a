//! What a plan needs to know of the base: looked up here, judged in `plan`.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use brio_session::{
    ChangeSet, Fingerprint, FsError, FsResult, Kind, Lower, ReadSet, RelPath, listing_digest,
};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::disk;
use crate::look::Look;
use crate::lower::timeless;
use crate::state::State;

/// Directories of the base, opened once each, links not followed, mounts not crossed.
pub(crate) struct Dirs<'a> {
    state: &'a State,
    open: HashMap<RelPath, Rc<OwnedFd>>,
}

const AT_ONCE: usize = 256;

impl<'a> Dirs<'a> {
    pub(crate) fn new(state: &'a State) -> Self {
        Self { state, open: HashMap::new() }
    }

    /// `None` when it is missing or no directory.
    pub(crate) fn get(&mut self, path: &RelPath) -> io::Result<Option<Rc<OwnedFd>>> {
        if let Some(fd) = self.open.get(path) {
            return Ok(Some(fd.clone()));
        }
        let how = OFlags::PATH | OFlags::DIRECTORY;
        let fd = match disk::open_beneath(self.state.root()?, path.as_bytes(), how, true) {
            Ok(fd) => Rc::new(fd),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        if self.open.len() >= AT_ONCE {
            self.open.clear();
        }
        self.open.insert(path.clone(), fd.clone());
        Ok(Some(fd))
    }

    /// The directory that holds a path, which must be there.
    pub(crate) fn parent<'p>(&mut self, path: &'p RelPath) -> io::Result<(Rc<OwnedFd>, &'p [u8])> {
        let (parent, name) = split(path);
        match self.get(&parent)? {
            Some(fd) => Ok((fd, name)),
            None => Err(Errno::NOENT.into()),
        }
    }

    /// What is at a path.
    pub(crate) fn look(&mut self, path: &RelPath) -> io::Result<Option<Look>> {
        let (parent, name) = split(path);
        match self.get(&parent)? {
            Some(fd) => Look::at(&*fd, name),
            None => Ok(None),
        }
    }

    /// Forgets a directory that is about to be renamed away.
    pub(crate) fn forget(&mut self, path: &RelPath) {
        self.open.retain(|p, _| !p.starts_with(path));
    }
}

/// Parent and last component; for the root itself the root and an empty name.
fn split(path: &RelPath) -> (RelPath, &[u8]) {
    path.split().unwrap_or((RelPath::root(), b""))
}

/// The base's state at the paths of a change set and above them.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) now: BTreeMap<RelPath, Option<Fingerprint>>,
    /// What is in directories that are to go.
    pub(crate) listings: BTreeMap<RelPath, Vec<Vec<u8>>>,
    /// What is at paths that were read, and in directories that were listed; with paths of the
    /// session's directory.
    pub(crate) read: BTreeMap<RelPath, Option<Fingerprint>>,
    pub(crate) digests: BTreeMap<RelPath, [u8; 32]>,
}

impl Facts {
    /// Looks at every changed path and its ancestors. Costs what changed.
    pub(crate) fn gather(state: &State, set: &ChangeSet) -> Result<Facts, (RelPath, io::Error)> {
        let mut dirs = Dirs::new(state);
        let mut facts = Facts::default();
        for c in &set.changes {
            for path in c.path.ancestors().chain([c.path.clone()]) {
                if let std::collections::btree_map::Entry::Vacant(v) = facts.now.entry(path.clone())
                {
                    let look = dirs.look(&path).map_err(|e| (path.clone(), e))?;
                    v.insert(look.map(|l| l.fingerprint()));
                }
            }
            let goes = c.before.is_some_and(|m| m.kind == Kind::Dir)
                && c.after.is_none_or(|m| m.kind != Kind::Dir);
            if goes && let Some(dir) = dirs.get(&c.path).map_err(|e| (c.path.clone(), e))? {
                let names = disk::names(&*dir).map_err(|e| (c.path.clone(), e))?;
                facts.listings.insert(c.path.clone(), names);
            }
        }
        Ok(facts)
    }

    /// As [`gather`](Self::gather), of a tree, with paths of what it shows.
    pub(crate) fn of_tree(tree: &dyn Lower, set: &ChangeSet) -> FsResult<Facts> {
        let mut facts = Facts::default();
        for c in &set.changes {
            for path in c.path.ancestors().chain([c.path.clone()]) {
                if let std::collections::btree_map::Entry::Vacant(v) = facts.now.entry(path.clone())
                {
                    v.insert(tree.fingerprint(&path)?.map(timeless));
                }
            }
            let goes = c.before.is_some_and(|m| m.kind == Kind::Dir)
                && c.after.is_none_or(|m| m.kind != Kind::Dir);
            if goes {
                match tree.list(&c.path) {
                    Ok(entries) => {
                        let names = entries.into_iter().map(|e| e.name).collect();
                        facts.listings.insert(c.path.clone(), names);
                    }
                    Err(FsError::NotFound | FsError::NotDirectory) => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(facts)
    }

    /// Looks at every path that was read, as views see the base `now`. Costs what was read.
    pub(crate) fn gather_reads(&mut self, now: &dyn Lower, reads: &ReadSet) -> FsResult<()> {
        for (path, read) in &reads.paths {
            self.read.insert(path.clone(), now.fingerprint(path)?);
            if read.listing.is_some() {
                match now.list(path) {
                    Ok(entries) => {
                        self.digests.insert(path.clone(), listing_digest(&entries));
                    }
                    Err(FsError::NotFound | FsError::NotDirectory | FsError::Access) => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }

    pub(crate) fn at(&self, path: &RelPath) -> Option<&Fingerprint> {
        self.now.get(path)?.as_ref()
    }
}

//! One export: the nodes that clients have handles of.

mod known;
mod names;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use brio_session::{
    FileHandle, FsError, FsResult, Kind, Lender, Lent, Listings, NodeHandle, OpenOptions,
};
use known::Known;

use crate::handles::{Handles, Name, Seen, Told};
use crate::pending::Move;

/// Files that are kept open, and for how long after they were last used.
const FILES: usize = 64;
const IDLE: Duration = Duration::from_secs(2);
/// Changes of one file wait for each other; files share these.
const LOCKS: usize = 64;

/// A view that is shown.
pub(crate) struct Export {
    pub id: u32,
    /// `<directory>/<name>`, with `/@` behind it where it is what that stands on.
    pub name: String,
    pub root: Told,
    pub listings: Listings,
    lender: Arc<dyn Lender>,
    handles: Arc<Handles>,
    known: Mutex<Known>,
    open: Mutex<VecDeque<OpenFile>>,
    names: RwLock<()>,
    files: [Mutex<()>; LOCKS],
    used: Mutex<Instant>,
    settled: Mutex<bool>,
}

struct OpenFile {
    id: u64,
    epoch: u64,
    write: bool,
    file: FileHandle,
    used: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The table of handles failed: what depends on it cannot be answered.
fn broken(error: rusqlite::Error) -> FsError {
    tracing::error!(%error, "the table of NFS handles");
    FsError::Io(0)
}

impl Export {
    pub(crate) fn new(
        name: String,
        lender: Arc<dyn Lender>,
        handles: Arc<Handles>,
    ) -> FsResult<Self> {
        let id = handles.export(&name).map_err(broken)?;
        // Whatever its number in the view is, or becomes, it is the root.
        let seen = Seen { export: id, parent: 0, name: name.as_bytes(), ino: 0, kind: Kind::Dir };
        let root = handles.tell(seen).map_err(broken)?;
        Ok(Self {
            id,
            name,
            root,
            listings: Listings::default(),
            lender,
            handles,
            known: Mutex::default(),
            open: Mutex::default(),
            names: RwLock::default(),
            files: std::array::from_fn(|_| Mutex::default()),
            used: Mutex::new(Instant::now()),
            settled: Mutex::new(false),
        })
    }

    /// When it was last used.
    pub(crate) fn used(&self) -> Instant {
        *lock(&self.used)
    }

    pub(crate) fn read(&self) -> FsResult<Lent> {
        *lock(&self.used) = Instant::now();
        self.settle(self.lender.read()?)
    }

    pub(crate) fn write(&self) -> FsResult<Lent> {
        *lock(&self.used) = Instant::now();
        self.settle(self.lender.write()?)
    }

    /// Before anything else: where a rename left what it was about when the server was killed.
    fn settle(&self, lent: Lent) -> FsResult<Lent> {
        let mut settled = lock(&self.settled);
        if *settled {
            return Ok(lent);
        }
        if let Some((told, Move { from, to })) = self.handles.moving(self.id).map_err(broken)? {
            let is_at = |told: Told, (dir, name): &Name| {
                let there = || {
                    let dir = self.find(&lent, *dir, 0)?.0.as_dir().ok_or(FsError::Stale)?;
                    lent.view.node_at(&dir, name, false).map(|(_, meta)| meta)
                };
                match lent.view.unnoted(there) {
                    Ok(meta) => Ok((meta.ino, meta.kind) == (told.ino, told.kind)),
                    Err(FsError::NotFound | FsError::NotDirectory | FsError::Stale) => Ok(false),
                    Err(e) => Err(e),
                }
            };
            // Both may be names of one file, of which the new one was there before.
            let moved = match told {
                Some(told) => is_at(told, &to)? && !is_at(told, &from)?,
                None => false,
            };
            let done = match moved {
                true => {
                    self.handles.renamed(self.id, (from.0, &from.1), (to.0, &to.1), None).map(drop)
                }
                false => self.handles.not_renamed(self.id),
            };
            done.map_err(broken)?;
        }
        *settled = true;
        drop(settled);
        Ok(lent)
    }

    /// Held while names are made, moved and removed, so that what is told of a directory before
    /// and after belongs together.
    pub(crate) fn names(&self) -> RwLockWriteGuard<'_, ()> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held from looking at a name until what was found there is told: in between nobody may put
    /// something else there, which would be told first, and then forgotten for the older one.
    pub(crate) fn look(&self) -> RwLockReadGuard<'_, ()> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while a file is changed, likewise.
    pub(crate) fn file_lock(&self, id: u64) -> MutexGuard<'_, ()> {
        lock(&self.files[(id % LOCKS as u64) as usize])
    }

    /// Closes what nobody used for a moment. Whether nobody used the export for so long.
    pub(crate) fn rest(&self, idle: Duration) -> bool {
        let gone: VecDeque<_> = {
            let mut open = lock(&self.open);
            let (kept, gone) =
                std::mem::take(&mut *open).into_iter().partition(|f| f.used.elapsed() < IDLE);
            *open = kept;
            gone
        };
        drop(gone);
        lock(&self.used).elapsed() >= idle
    }

    /// What a handle stands for.
    ///
    /// # Errors
    /// `Stale` when it is not there any more; the host's.
    pub(crate) fn node(&self, lent: &Lent, id: u64, salt: u64) -> FsResult<NodeHandle> {
        if let Some((node, told)) = lock(&self.known).at(lent.epoch).node(id) {
            return if told.salt == salt { Ok(node) } else { Err(FsError::Stale) };
        }
        // A client that asks for what it has looked up has seen it already.
        let (node, told) = lent.view.unnoted(|| self.find(lent, id, 0))?;
        if told.salt == salt { Ok(node) } else { Err(FsError::Stale) }
    }

    /// Likewise, for who holds none of its locks. While names change, the view and the table do not
    /// say the same: what seems to be gone is looked for once more when that is over.
    pub(crate) fn node_now(&self, lent: &Lent, id: u64, salt: u64) -> FsResult<NodeHandle> {
        match self.node(lent, id, salt) {
            Err(FsError::Stale) => {
                let _names = self.look();
                self.node(lent, id, salt)
            }
            found => found,
        }
    }

    /// By its names, from the nearest directory that is at hand.
    fn find(&self, lent: &Lent, id: u64, depth: usize) -> FsResult<(NodeHandle, Told)> {
        if let Some(found) = lock(&self.known).at(lent.epoch).node(id) {
            return Ok(found);
        }
        // No view is so deep. What the table says in a circle ends here.
        if depth > 1024 {
            return Err(FsError::Stale);
        }
        let (told, names) = self.handles.get(self.id, id).map_err(broken)?.ok_or(FsError::Stale)?;
        if id == self.root.id {
            let node = lent.view.root().node();
            lock(&self.known).at(lent.epoch).put(node.clone(), told);
            return Ok((node, told));
        }
        let mut missing = FsError::Stale;
        for (parent, name) in names {
            let found = self.find(lent, parent, depth + 1).and_then(|(dir, _)| {
                lent.view.node_at(&dir.as_dir().ok_or(FsError::Stale)?, &name, false)
            });
            match found {
                Ok((node, meta)) if meta.ino == told.ino && meta.kind == told.kind => {
                    lock(&self.known).at(lent.epoch).put(node.clone(), told);
                    return Ok((node, told));
                }
                Ok(_) | Err(FsError::NotFound | FsError::NotDirectory) => {}
                Err(e) => missing = e,
            }
        }
        Err(missing)
    }

    fn forget(&self, id: Option<u64>) {
        let Some(id) = id else { return };
        lock(&self.known).forget(id);
        let mut open = lock(&self.open);
        let (gone, kept): (VecDeque<_>, _) =
            std::mem::take(&mut *open).into_iter().partition(|f| f.id == id);
        *open = kept;
        drop((open, gone));
    }

    /// A file, opened, or open still.
    pub(crate) fn open(
        &self,
        lent: &Lent,
        (id, salt): (u64, u64),
        write: bool,
    ) -> FsResult<FileHandle> {
        let node = self.node(lent, id, salt)?;
        {
            let mut open = lock(&self.open);
            let fits =
                |f: &&mut OpenFile| f.id == id && f.epoch == lent.epoch && (f.write || !write);
            if let Some(found) = open.iter_mut().find(fits) {
                found.used = Instant::now();
                return Ok(found.file.clone());
            }
        }
        // The client has judged by the permission bits who may do what.
        let how = OpenOptions { read: true, write, owner: true, ..OpenOptions::default() };
        let file = node.open(&how)?;
        let mut open = lock(&self.open);
        open.retain(|f| f.id != id && f.epoch == lent.epoch);
        while open.len() >= FILES {
            open.pop_front();
        }
        let used = Instant::now();
        open.push_back(OpenFile { id, epoch: lent.epoch, write, file: file.clone(), used });
        Ok(file)
    }
}

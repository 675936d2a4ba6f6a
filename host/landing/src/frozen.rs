//! The base as of a landing, read through the pre-images of later ones.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, PoisonError, RwLock};

use brio_session::{
    DirEntry, Fingerprint, FsError, FsResult, Kind, Lower, Meta, Observations, RelPath, STATE_DIR,
    Source,
};
use cap_std::fs::Dir;
use rustix::fs::{FileType, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::binds;
use crate::disk::{self, DIR};
use crate::gc::is_collected;
use crate::history::{self, History};
use crate::intent::{Step, clone_name, slot_name};
use crate::look::Look;
use crate::seq::Value;
use crate::state::State;

/// Directories that are kept open, at most.
const WARM: usize = 256;

/// The base as of landing `n`, seen from `prefix` down. Paths are relative to the prefix.
///
/// A warm look-up costs one `statx` and one `pread` of the sequence. Directories that were
/// opened stay open until the sequence moves; a directory that something outside of brio moves
/// away meanwhile is still read (drift: a landing's validation starts from the root).
pub(crate) struct FrozenBase {
    state: Arc<State>,
    n: u64,
    prefix: RelPath,
    /// No session keeps what later landings displaced.
    unkept: bool,
    snapshot: RwLock<Arc<Snapshot>>,
}

/// What was known when the sequence had a value.
struct Snapshot {
    value: Value,
    history: History,
    dirs: RwLock<HashMap<Box<[u8]>, Arc<OwnedFd>>>,
}

/// Where a path's content is.
enum Place<'a> {
    /// Nothing was there.
    Absent,
    /// In the base, and no landing named it.
    Base,
    /// A later landing changed it; it was this.
    Named(&'a Step, &'a Fingerprint),
}

impl FrozenBase {
    pub(crate) fn open(state: Arc<State>, n: u64, prefix: RelPath) -> FsResult<Self> {
        let snapshot = RwLock::new(Arc::new(load(&state, n, false)?));
        Ok(Self { state, n, prefix, unkept: false, snapshot })
    }

    /// As [`open`](Self::open), where nothing keeps what it needs: what was collected meanwhile is
    /// `SnapshotGone`, and never anything newer.
    pub(crate) fn open_unkept(state: Arc<State>, n: u64) -> FsResult<Self> {
        let snapshot = RwLock::new(Arc::new(load(&state, n, true)?));
        Ok(Self { state, n, prefix: RelPath::root(), unkept: true, snapshot })
    }

    /// Runs an operation, again and again until the sequence stood still meanwhile.
    fn attempt<T>(
        &self,
        path: &RelPath,
        f: impl Fn(&Snapshot, &RelPath) -> FsResult<T>,
    ) -> FsResult<T> {
        let joined;
        let full = if self.prefix.is_root() {
            path
        } else {
            joined = self.prefix.join_path(path);
            &joined
        };
        loop {
            let snapshot = self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone();
            let answer = f(&snapshot, full);
            if self.state.seq.get()? == snapshot.value {
                return answer;
            }
            let new = Arc::new(load(&self.state, self.n, self.unkept)?);
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
    }

    fn place<'a>(&self, s: &'a Snapshot, full: &RelPath) -> FsResult<Place<'a>> {
        if self.is_hidden(full) {
            return Ok(Place::Absent);
        }
        if s.history.is_empty() {
            return Ok(Place::Base);
        }
        let mut absent = match s.history.first(full) {
            Some((_, step)) => match &step.old {
                Some(old) => return Ok(Place::Named(step, old)),
                None => true,
            },
            None if full.is_root() => return Ok(Place::Base),
            None => false,
        };
        for up in full.ancestors() {
            if let Some((_, step)) = s.history.first(&up) {
                match &step.old {
                    Some(old) if old.kind != Kind::Dir => return Err(FsError::NotDirectory),
                    // Its metadata changed only; what is in it is where it was.
                    Some(_) if !s.history.is_gone_dir(&up) => {}
                    // Removed with all that was in it: each of those is named.
                    _ => absent = true,
                }
            }
        }
        Ok(if absent { Place::Absent } else { Place::Base })
    }

    fn is_hidden(&self, full: &RelPath) -> bool {
        full.as_bytes().split(|b| *b == b'/').any(|c| c == STATE_DIR.as_bytes())
            || self.state.hidden.as_ref().is_some_and(|h| full.starts_with(h))
    }

    /// A directory of the base as it is now, kept open.
    fn dir(&self, s: &Snapshot, path: &[u8]) -> FsResult<Arc<OwnedFd>> {
        if let Some(fd) = s.dirs.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(fd.clone());
        }
        let fd = match disk::open_beneath(
            self.state.root()?,
            path,
            OFlags::PATH | OFlags::DIRECTORY,
            false,
        ) {
            Ok(fd) => Arc::new(fd),
            Err(Errno::LOOP) => return Err(FsError::NotDirectory),
            Err(e) => return Err(e.into()),
        };
        let mut dirs = s.dirs.write().unwrap_or_else(PoisonError::into_inner);
        if dirs.len() >= WARM {
            dirs.clear();
        }
        dirs.insert(path.into(), fd.clone());
        Ok(fd)
    }

    /// The directory that holds a path, and its name there; empty for the root itself.
    fn parent<'p>(&self, s: &Snapshot, path: &'p RelPath) -> FsResult<(Arc<OwnedFd>, &'p [u8])> {
        let raw = path.as_bytes();
        Ok(match raw.iter().rposition(|b| *b == b'/') {
            Some(i) => (self.dir(s, &raw[..i])?, &raw[i + 1..]),
            None => (self.dir(s, b"")?, raw),
        })
    }

    fn look(&self, s: &Snapshot, path: &RelPath) -> FsResult<Look> {
        let (dir, name) = self.parent(s, path)?;
        Ok(Look::raw(&*dir, name)?)
    }

    /// Opens what a later landing displaced: in its slot, or still (or again) in the base.
    fn displaced(
        &self,
        s: &Snapshot,
        path: &RelPath,
        old: &Fingerprint,
        how: OFlags,
    ) -> FsResult<OwnedFd> {
        let how = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Slot, base, slot: an exchange between the first two looks moves it from one to the other.
        for _ in 0..2 {
            if let Some(fd) = self.in_slot(s, path, old, how)? {
                return Ok(fd);
            }
            if let Ok((dir, name)) = self.parent(s, path)
                && let Ok(fd) =
                    openat(&*dir, if name.is_empty() { b"." } else { name }, how, Mode::empty())
                && Look::of(&fd)?.ino() == old.ino
            {
                // The number of an inode that is gone is given again.
                return match self.is_collected(s, path, old) {
                    false => Ok(fd),
                    true => Err(FsError::SnapshotGone),
                };
            }
        }
        // Its pre-image was collected: whatever lies there now was made from something newer.
        if self.is_collected(s, path, old) {
            return Err(FsError::SnapshotGone);
        }
        // What a landing left there, or nothing, is newer than this snapshot. Anything else came
        // from outside: drift, which is shown.
        let (dir, name) = self.parent(s, path).map_err(|_| FsError::SnapshotGone)?;
        let fd = openat(&*dir, name, how, Mode::empty()).map_err(|_| FsError::SnapshotGone)?;
        let now = Look::of(&fd)?;
        let ours =
            s.history.all(path).any(|(_, step)| step.new.is_some_and(|n| n.ino == now.ino()));
        if ours || now.kind() != old.kind { Err(FsError::SnapshotGone) } else { Ok(fd) }
    }

    /// `look`: whether its kind is still to be learned.
    fn open_file(&self, path: &RelPath, look: bool) -> FsResult<File> {
        let how = OFlags::RDONLY | OFlags::NONBLOCK;
        self.attempt(path, |s, full| match self.place(s, full)? {
            Place::Absent => Err(FsError::NotFound),
            Place::Named(_, old) => match old.kind {
                Kind::File => Ok(self.displaced(s, full, old, how)?.into()),
                k => Err(no_file(k)),
            },
            Place::Base => {
                let (dir, name) = self.parent(s, full)?;
                if name.is_empty() {
                    return Err(FsError::IsDirectory);
                }
                let flags = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = openat(&*dir, name, flags, Mode::empty())?;
                if !look {
                    return Ok(fd.into());
                }
                match Look::of(&fd)?.kind() {
                    Kind::File => Ok(fd.into()),
                    k => Err(no_file(k)),
                }
            }
        })
    }

    /// Whether what a landing displaced at a path is not kept any more.
    fn is_collected(&self, s: &Snapshot, path: &RelPath, old: &Fingerprint) -> bool {
        s.history.all(path).any(|(l, step)| {
            step.slot().is_some()
                && step.old.is_some_and(|was| was.ino == old.ino)
                && is_collected(&self.state, l.number).unwrap_or(true)
        })
    }

    fn in_slot(
        &self,
        s: &Snapshot,
        path: &RelPath,
        old: &Fingerprint,
        how: OFlags,
    ) -> FsResult<Option<OwnedFd>> {
        for (l, step) in s.history.all(path) {
            let (Some(slot), Some(was)) = (step.slot(), &step.old) else { continue };
            if was.ino != old.ino {
                continue;
            }
            // Where the file has other names the clone is what nobody else writes to.
            if step.cloned
                && old.kind == Kind::File
                && let Ok(fd) = openat(
                    &self.state.landings,
                    history::inside(l.number, &clone_name(slot)),
                    how,
                    Mode::empty(),
                )
            {
                return Ok(Some(fd));
            }
            if let Ok(fd) = openat(
                &self.state.landings,
                history::inside(l.number, &slot_name(slot)),
                how,
                Mode::empty(),
            ) && Look::of(&fd)?.ino() == old.ino
            {
                return Ok(Some(fd));
            }
        }
        Ok(None)
    }
}

fn load(state: &State, n: u64, unkept: bool) -> FsResult<Snapshot> {
    let value = state.seq.get()?;
    let history = if value.landing() <= n && value.quiet() {
        History::default()
    } else {
        History::load(state, n).map_err(|_| FsError::SnapshotGone)?
    };
    // Collecting marks a landing before it takes anything of it away: what is not marked now was
    // there when it was read.
    if unkept {
        binds::check_landing(state, n).map_err(|_| FsError::SnapshotGone)?;
    }
    Ok(Snapshot { value, history, dirs: RwLock::default() })
}

fn meta_of(f: &Fingerprint) -> Meta {
    Meta {
        kind: f.kind,
        ino: f.ino,
        nlink: f.nlink,
        size: f.size,
        mode: f.mode,
        atime: f.mtime,
        mtime: f.mtime,
        ctime: f.ctime,
    }
}

impl Lower for FrozenBase {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        self.attempt(path, |s, full| match self.place(s, full)? {
            Place::Absent => Err(FsError::NotFound),
            Place::Named(_, old) => Ok(meta_of(old)),
            Place::Base => Ok(self.look(s, full)?.meta()),
        })
    }

    fn open(&self, path: &RelPath) -> FsResult<Source> {
        Ok(self.open_file(path, true)?.into())
    }

    fn open_known(&self, path: &RelPath) -> FsResult<Source> {
        Ok(self.open_file(path, false)?.into())
    }

    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        self.attempt(path, |s, full| match self.place(s, full)? {
            Place::Absent => Err(FsError::NotFound),
            Place::Named(_, old) if old.kind != Kind::Symlink => Err(FsError::Invalid),
            Place::Named(_, old) => {
                let fd = self.displaced(s, full, old, OFlags::PATH)?;
                Ok(rustix::fs::readlinkat(&fd, c"", Vec::new())?.into_bytes())
            }
            Place::Base => {
                let (dir, name) = self.parent(s, full)?;
                if name.is_empty() {
                    return Err(FsError::Invalid);
                }
                Ok(rustix::fs::readlinkat(&*dir, name, Vec::new())?.into_bytes())
            }
        })
    }

    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        self.attempt(path, |s, full| {
            let mut out = match self.place(s, full)? {
                Place::Absent => return Err(FsError::NotFound),
                Place::Named(_, old) if old.kind != Kind::Dir => return Err(FsError::NotDirectory),
                Place::Named(step, old) => match self.dir(s, full.as_bytes()) {
                    Ok(dir)
                        if Look::of(&*dir)?.ino() == old.ino
                            && !self.is_collected(s, full, old) =>
                    {
                        entries(dir)?
                    }
                    // Displaced when it was empty: what was in it is named.
                    _ if step.slot().is_some() => Vec::new(),
                    _ => {
                        self.displaced(s, full, old, OFlags::PATH)?;
                        Vec::new()
                    }
                },
                Place::Base => entries(self.dir(s, full.as_bytes())?)?,
            };
            out.retain(|e| e.name != STATE_DIR.as_bytes());
            if let Some(h) = &self.state.hidden
                && h.starts_with(full)
            {
                out.retain(|e| full.join(&e.name) != *h);
            }
            for child in s.history.children(full) {
                let Some((_, name)) = child.split() else { continue };
                out.retain(|e| e.name != name);
                if let Some((_, Step { old: Some(old), .. })) = s.history.first(child) {
                    out.push(DirEntry { name: name.to_vec(), kind: old.kind, ino: old.ino });
                }
            }
            Ok(out)
        })
    }

    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        Ok(Some(path.clone()))
    }

    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        let found = self.attempt(base, |s, full| match self.place(s, full)? {
            Place::Absent => Err(FsError::NotFound),
            Place::Named(_, old) => Ok(*old),
            Place::Base => Ok(self.look(s, full)?.fingerprint()),
        });
        match found {
            Ok(f) => Ok(Some(f)),
            Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn touched(&self, _path: &RelPath) -> FsResult<Option<Vec<Vec<u8>>>> {
        Ok(None)
    }

    fn reserved(&self, path: &RelPath) -> FsResult<bool> {
        self.attempt(path, |s, full| {
            let old = match self.place(s, full)? {
                Place::Absent => return Err(FsError::NotFound),
                Place::Named(_, old) if old.kind != Kind::Dir => return Err(FsError::NotDirectory),
                Place::Named(_, old) => Some(old.ino),
                Place::Base => None,
            };
            if let Some(h) = &self.state.hidden
                && h.split().is_some_and(|(parent, _)| parent == *full)
            {
                return Ok(true);
            }
            let dir = match (self.dir(s, full.as_bytes()), old) {
                (Ok(dir), _) => dir,
                // A landing removed it, so nothing was in it.
                (Err(_), Some(_)) => return Ok(false),
                (Err(e), None) => return Err(e),
            };
            if old.is_some_and(|ino| Look::of(&*dir).is_ok_and(|now| now.ino() != ino)) {
                return Ok(false);
            }
            Ok(Look::at(&*dir, STATE_DIR.as_bytes())?.is_some())
        })
    }

    fn observations(&self, _into: &mut Observations) {}

    fn own_file(&self, _path: &RelPath) -> FsResult<Option<(Dir, String)>> {
        Ok(None)
    }

    fn base(&self) -> &dyn Lower {
        self
    }
}

fn no_file(kind: Kind) -> FsError {
    match kind {
        Kind::Dir => FsError::IsDirectory,
        Kind::Symlink => FsError::Loop,
        _ => FsError::NotSupported,
    }
}

fn entries(dir: impl AsFd) -> FsResult<Vec<DirEntry>> {
    let fd = openat(&dir, c".", DIR, Mode::empty())?;
    let mut out = Vec::new();
    for e in rustix::fs::Dir::new(fd)? {
        let e = e?;
        let name = e.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let kind = match e.file_type() {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Symlink,
            FileType::Unknown => Look::raw(&dir, name)?.kind(),
            _ => Kind::Other,
        };
        out.push(DirEntry { name: name.to_vec(), kind, ino: e.ino() });
    }
    Ok(out)
}

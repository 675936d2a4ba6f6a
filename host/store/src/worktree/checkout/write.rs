//! Writing a tree's files, many at a time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};

use bytes::Bytes;
use rustix::fs::{
    AtFlags, FallocateFlags, Mode, OFlags, fallocate, fchmod, ioctl_ficlone, openat, unlinkat,
};
use rustix::io::Errno;

use super::super::progress::Pace;
use super::super::root::{Near, Root, open_file, read_some};
use super::super::{WorktreeError, WorktreeResult, processors};
use super::CheckedOut;
use super::place::{Place, make_accessible};
use crate::content::Chunk;
use crate::tree::{Entry, Key};
use crate::{Content, Error, Hash, Hasher, Project, Result};

/// Files, or chunks of a large one, that are under way at a time: their memory is bounded by it,
/// and so many requests hide each other's waiting.
const AHEAD: usize = 16;
/// Neighbours that one thread takes at once.
const ROW: usize = 8;

/// How a thread waits for the store: on the caller's executor, if it has one.
#[derive(Clone)]
pub(super) struct Wait(Option<tokio::runtime::Handle>);

impl Wait {
    pub(super) fn here() -> Self {
        Self(tokio::runtime::Handle::try_current().ok())
    }

    fn thread(&self) -> Result<Waiter> {
        Ok(match &self.0 {
            Some(handle) => Waiter::Callers(handle.clone()),
            None => {
                let own = tokio::runtime::Builder::new_current_thread().enable_all().build();
                Waiter::Own(own.map_err(|e| Error::host("a thread", e))?)
            }
        })
    }
}

enum Waiter {
    Callers(tokio::runtime::Handle),
    Own(tokio::runtime::Runtime),
}

impl Waiter {
    fn on<T>(&self, future: impl Future<Output = T>) -> T {
        match self {
            Self::Callers(handle) => handle.block_on(future),
            Self::Own(runtime) => runtime.block_on(future),
        }
    }
}

pub(super) struct Writing<'a> {
    root: &'a Root,
    project: &'a Project,
    place: &'a Place,
    pace: &'a Pace,
    wait: Wait,
    set_ids: bool,
    /// Until the first time that it could not be.
    can_share: AtomicBool,
    shared: AtomicU64,
    kept: AtomicU64,
    without_set_ids: AtomicU64,
}

/// A file of the tree.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    key: &'a Key,
    mode: u16,
    content: Content,
}

impl<'a> Writing<'a> {
    pub(super) fn new(
        root: &'a Root,
        project: &'a Project,
        place: &'a Place,
        pace: &'a Pace,
        wait: Wait,
        set_ids: bool,
    ) -> Self {
        Self {
            root,
            project,
            place,
            pace,
            wait,
            set_ids,
            can_share: AtomicBool::new(true),
            shared: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            without_set_ids: AtomicU64::new(0),
        }
    }

    /// Writes all files.
    pub(super) fn files(&self, entries: &[(Key, Entry)]) -> WorktreeResult<CheckedOut> {
        let (mut small, mut large) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for (key, entry) in entries {
            let Entry::File { mode, content } = entry else { continue };
            bytes += content.size;
            let to = if content.depth == 0 { &mut small } else { &mut large };
            to.push(Wanted { key, mode: *mode, content: *content });
        }
        let files = (small.len() + large.len()) as u64;
        self.pace.expect(files, bytes);
        self.side_by_side(&small, ROW, |waiter, near, wanted| {
            self.small(waiter, near, wanted, entries)?;
            self.pace.done(1, wanted.content.size);
            Ok(())
        })?;
        for wanted in large {
            self.large(&wanted, entries)?;
            self.pace.done(1, 0);
        }
        Ok(CheckedOut {
            files,
            bytes,
            kept: self.kept.load(Ordering::Relaxed),
            shared: self.shared.load(Ordering::Relaxed),
            without_set_ids: self.without_set_ids.load(Ordering::Relaxed),
        })
    }

    /// Does something to each of many, on several threads, until the first failure.
    fn side_by_side<T: Sync>(
        &self,
        all: &[T],
        row: usize,
        each: impl Fn(&Waiter, &mut Near, &T) -> WorktreeResult<()> + Sync,
    ) -> WorktreeResult<()> {
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        let over = AtomicBool::new(false);
        let work = || -> WorktreeResult<()> {
            let waiter = self.wait.thread()?;
            let mut near = Near::default();
            loop {
                let from = next.fetch_add(row, Ordering::Relaxed);
                for one in all.iter().skip(from).take(row) {
                    self.pace.go_on()?;
                    if over.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    each(&waiter, &mut near, one)?;
                }
                if from >= all.len() {
                    return Ok(());
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..AHEAD.max(processors()).min(all.len()) {
                scope.spawn(|| {
                    if let Err(e) = work() {
                        over.store(true, Ordering::Relaxed);
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
                    }
                });
            }
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn small(
        &self,
        waiter: &Waiter,
        near: &mut Near,
        wanted: &Wanted<'_>,
        entries: &[(Key, Entry)],
    ) -> WorktreeResult<()> {
        let Wanted { key, content, .. } = wanted;
        let bad = |e: Errno| WorktreeError::write(&key.path(), e);
        let dir = near.dir(self.root, key.dir()).map_err(bad)?;
        if let Some(look) = self.place.has(key) {
            make_accessible(dir, key.name(), look, 0o600).map_err(bad)?;
            let file = open_file(dir, key.name()).map_err(bad)?;
            if look.print.size == content.size && hash(&file).is_ok_and(|h| h == content.hash) {
                self.kept.fetch_add(1, Ordering::Relaxed);
                return self.mode(&file, wanted);
            }
            unlinkat(dir, key.name(), AtFlags::empty()).map_err(bad)?;
        }
        let mut file = self.create(dir, key, entries)?;
        if content.size > 0 && !self.share(&file, &content.root) {
            let blob = waiter.on(self.project.blob(&content.root))?;
            if blob.len() as u64 != content.size {
                let what = format!("blob {}", content.root);
                return Err(Error::corrupt(what, "its length is not what its file says").into());
            }
            file.write_all(&blob).map_err(|e| WorktreeError::write(&key.path(), e))?;
        }
        self.mode(&file, wanted)
    }

    /// Lets a new file share its blocks with the cache's.
    fn share(&self, to: &File, blob: &Hash) -> bool {
        if !self.can_share.load(Ordering::Relaxed) {
            return false;
        }
        let Some((from, _)) = self.project.kept_file(blob) else { return false };
        let shares = ioctl_ficlone(to, &from).is_ok();
        if shares {
            self.shared.fetch_add(1, Ordering::Relaxed);
        } else {
            self.can_share.store(false, Ordering::Relaxed);
        }
        shares
    }

    fn create(&self, dir: impl AsFd, key: &Key, entries: &[(Key, Entry)]) -> WorktreeResult<File> {
        let how = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(dir, key.name(), how, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => Ok(File::from(fd)),
            Err(Errno::EXIST) => Err(self.place.taken(key, entries)),
            Err(e) => Err(WorktreeError::write(&key.path(), e)),
        }
    }

    fn mode(&self, file: &File, wanted: &Wanted<'_>) -> WorktreeResult<()> {
        let mut mode = wanted.mode;
        if !self.set_ids && mode & 0o6000 != 0 {
            mode &= !0o6000;
            self.without_set_ids.fetch_add(1, Ordering::Relaxed);
        }
        let mode = Mode::from_raw_mode(u32::from(mode));
        fchmod(file, mode).map_err(|e| WorktreeError::write(&wanted.key.path(), e))
    }

    /// Writes a file chunk by chunk. Of one that is there those chunks stay that are right.
    fn large(&self, wanted: &Wanted<'_>, entries: &[(Key, Entry)]) -> WorktreeResult<()> {
        let Wanted { key, content, .. } = wanted;
        let bad = |e: Errno| WorktreeError::write(&key.path(), e);
        let contents = self.project.file(*content);
        let chunks = self.wait.thread()?.on(contents.chunks())?.to_vec();
        let dir = self.root.dir(key.dir()).map_err(bad)?;
        let there = self.place.has(key);
        let file = match there {
            Some(look) => {
                make_accessible(&dir, key.name(), look, 0o600).map_err(bad)?;
                let how = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                File::from(openat(&dir, key.name(), how, Mode::empty()).map_err(bad)?)
            }
            None => self.create(&dir, key, entries)?,
        };
        file.set_len(content.size).map_err(|e| WorktreeError::write(&key.path(), e))?;
        // Better now than at the last chunk; a file system that cannot, is not asked to.
        if let Err(e @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) =
            fallocate(&file, FallocateFlags::empty(), 0, content.size)
        {
            return Err(bad(e));
        }
        let fetched = AtomicU64::new(0);
        let (tx, rx) = mpsc::sync_channel::<(u64, Bytes)>(AHEAD);
        let whole = std::thread::scope(|scope| {
            let whole = scope.spawn(move || in_order(rx));
            let each = |waiter: &Waiter, tx: &mpsc::SyncSender<(u64, Bytes)>, chunk: &Chunk| {
                let kept = there.and_then(|_| part(&file, chunk));
                let blob = match kept {
                    Some(blob) => blob,
                    None => {
                        let blob = waiter.on(contents.chunk(chunk))?;
                        let written = file.write_all_at(&blob, chunk.offset);
                        written.map_err(|e| WorktreeError::write(&key.path(), e))?;
                        fetched.fetch_add(1, Ordering::Relaxed);
                        blob
                    }
                };
                let n = blob.len() as u64;
                let _ = tx.send((chunk.offset, blob));
                self.pace.done(0, n);
                Ok(())
            };
            let done = self.side_by_side(&chunks, 1, |waiter, _, chunk| each(waiter, &tx, chunk));
            drop(tx);
            let whole = whole.join().map_err(|_| Error::host("a thread", Errno::IO.into()))?;
            done.map(|()| whole)
        })?;
        if whole != content.hash {
            let what = format!("file {}", content.hash);
            return Err(Error::corrupt(what, "its chunks are another content").into());
        }
        if there.is_some() && fetched.load(Ordering::Relaxed) == 0 {
            self.kept.fetch_add(1, Ordering::Relaxed);
        }
        self.mode(&file, wanted)
    }
}

/// The hash of what comes in pieces, of which each is soon followed by the one before it.
fn in_order(pieces: mpsc::Receiver<(u64, Bytes)>) -> Hash {
    let mut hasher = Hasher::default();
    let mut waiting = BTreeMap::new();
    let mut at = 0;
    for (offset, piece) in pieces {
        waiting.insert(offset, piece);
        while let Some(piece) = waiting.remove(&at) {
            hasher.update(&piece);
            at += piece.len() as u64;
        }
    }
    hasher.finish()
}

/// A chunk of a file that holds it already.
fn part(file: &File, chunk: &Chunk) -> Option<Bytes> {
    let mut there = vec![0; chunk.length as usize];
    file.read_exact_at(&mut there, chunk.offset).ok()?;
    (Hash::of(&there) == chunk.hash).then(|| there.into())
}

fn hash(mut file: &File) -> std::io::Result<Hash> {
    let mut own = file.try_clone()?;
    std::io::Seek::rewind(&mut file)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match read_some(&mut own, &mut buffer)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

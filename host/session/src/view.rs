//! A live view: one writable layer over a lower.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;

use crate::handle::{DirHandle, Handle, Object, OpenOptions};
use crate::log::{self, INDEX};
use crate::sealed::{Sealed, Stack};
use crate::state::State;
use crate::tracked;
use crate::tree::{ROOT, Ref};
use crate::{Door, FsError, FsResult, Lower, Op, ReadSet, RelPath, Time, hostdir};

/// What a run may write.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Bytes: written content, and copies made by a first write. Freed bytes are not given back.
    pub disk: Option<u64>,
    /// Files, directories and links created.
    pub files: Option<u64>,
}

/// What was written, counted against [`Limits`]. Clones are one account: views that share it
/// are limited together.
#[derive(Debug, Clone, Default)]
pub struct Account(Arc<Spent>);

impl Account {
    /// Bytes and files that were charged so far.
    pub fn written(&self) -> (u64, u64) {
        (self.0.bytes.load(Ordering::Relaxed), self.0.files.load(Ordering::Relaxed))
    }
}

#[derive(Debug, Default)]
struct Spent {
    bytes: AtomicU64,
    files: AtomicU64,
    /// Which limit refused something: 1 bytes, 2 files.
    hit: AtomicU8,
}

/// How a view is opened.
#[derive(Debug, Clone, Default)]
pub struct ViewOptions {
    /// Lets `.git` be changed, at every depth.
    pub vcs: bool,
    /// Refuses every change.
    pub read_only: bool,
    /// What may be written through this view.
    pub limits: Limits,
    /// What the limits count in.
    pub account: Account,
    /// Notes what is read of the base, for a commit that validates it: see
    /// [`View::reads`]. The lowermost lower must be a [`Tracked`](crate::Tracked).
    pub track_reads: bool,
    /// Where mutations pass.
    pub door: Door,
}

/// A live view of a session: file operations over its layers. Clones are the same view.
///
/// Every operation is atomic against the others, and a change is in the layer's index before
/// it is acknowledged: it survives the process, though not a power cut before a sync.
#[derive(Clone)]
pub struct View {
    pub(crate) inner: Arc<Inner>,
    /// The directory that `root` answers, and whether it lies in a `.git`; `None`: the layers' own.
    root: Option<(Arc<Object>, bool)>,
}

pub(crate) struct Inner {
    pub state: RwLock<State>,
    /// Writes hold it shared; a seal or a landing takes it exclusively. True: the view has ended.
    pub gate: RwLock<bool>,
    pub ended: AtomicBool,
    pub options: ViewOptions,
    pub objects: Mutex<Objects>,
    pub generation: AtomicU64,
    /// Moves with every switch to another stack: handles of an earlier one are stale.
    pub epoch: AtomicU64,
    /// The upper tells what was read in it, and this view does not track.
    pub forgets: AtomicBool,
}

/// What is open: handles of one file share an object.
#[derive(Default)]
pub(crate) struct Objects {
    pub by_ref: HashMap<Ref, Weak<Object>>,
}

impl View {
    /// Makes an empty layer in the empty directory `dir`, and returns T0: the change time of
    /// its index, which no file that changed before this call carries.
    ///
    /// # Errors
    /// The host's.
    pub fn create_layer(dir: &Dir, door: &Door) -> FsResult<Time> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let tag = now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 40);
        let mut file = None;
        door.run(Op::Create, || {
            let mut how = cap_std::fs::OpenOptions::new();
            how.write(true).create_new(true);
            file = Some(dir.open_with(INDEX, &how)?.into_std());
            Ok(())
        })?;
        let Some(file) = file else { return Ok(Time::default()) };
        let write = |byte: usize| {
            use std::io::{Seek, SeekFrom, Write};
            let mut f = &file;
            f.seek(SeekFrom::Start(byte as u64))?;
            f.write_all(&log::header(tag)[byte..])
        };
        door.run(Op::Write, || write(0))?;
        let first = hostdir::stat_file(&file)?.0.ctime;
        // On kernels with coarse timestamps the clock has to tick once in between.
        for _ in 0..200 {
            door.run(Op::Write, || write(0))?;
            let t0 = hostdir::stat_file(&file)?.0.ctime;
            if t0 != first || door.stopped() {
                return Ok(t0);
            }
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        Ok(first)
    }

    /// Opens the layer in `layer` over `below`.
    ///
    /// # Errors
    /// `Io(0)` for an index that is not one or of an unknown version; `Invalid` where reads are
    /// to be tracked and no [`Tracked`](crate::Tracked) lies below; and the host's.
    pub fn open(layer: Dir, below: Arc<dyn Lower>, options: ViewOptions) -> FsResult<Self> {
        let state = State::open(layer, below, &options)?;
        let forgets = AtomicBool::new(state.keep_notes(&options)?);
        Ok(Self {
            root: None,
            inner: Arc::new(Inner {
                state: RwLock::new(state),
                gate: RwLock::new(false),
                ended: AtomicBool::new(false),
                options,
                objects: Mutex::default(),
                generation: AtomicU64::new(0),
                epoch: AtomicU64::new(0),
                forgets,
            }),
        })
    }

    /// The same view with another root: look-ups from it never lead above that directory.
    /// Limits, gate and change set stay those of the whole view.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, and as a look-up.
    pub fn rooted(&self, at: &RelPath) -> FsResult<Self> {
        if at.is_root() {
            return Ok(self.clone());
        }
        let how = OpenOptions { read: true, directory: true, ..OpenOptions::default() };
        match self.open_at(&self.root(), at.as_bytes(), &how)? {
            Handle::Dir(dir) => {
                dir.object.make_root();
                Ok(Self { inner: self.inner.clone(), root: Some((dir.object, dir.protected)) })
            }
            Handle::File(_) => Err(FsError::NotDirectory),
        }
    }

    /// The root directory.
    pub fn root(&self) -> DirHandle {
        if let Some((object, protected)) = &self.root {
            return DirHandle::new(self.clone(), object.clone(), *protected);
        }
        DirHandle::new(self.clone(), self.inner.object(Ref::Node(ROOT)), false)
    }

    /// Makes the layer durable: its index and the content that was written.
    ///
    /// # Errors
    /// The host's.
    pub fn sync(&self) -> FsResult<()> {
        let state = self.inner.read()?;
        let Some(log) = &state.log else { return Ok(()) };
        if let Some(notes) = &state.notes {
            notes.save()?;
        }
        let door = &self.inner.options.door;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use rustix::fs::{Mode, OFlags, openat};
            log.sync()?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd = openat(&*state.stack.dir, c".", flags, Mode::empty())?;
            door.run(Op::SyncFs, || Ok(rustix::fs::syncfs(&fd)?))?;
            state.synced.store(true, Ordering::Relaxed);
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        {
            for entry in state.stack.dir.entries()? {
                let file = entry?.open()?;
                door.run(Op::Sync, || file.sync_all())?;
            }
            log.sync()?;
        }
        Ok(())
    }

    /// What room is left on the file system that the layer lies on, as `statvfs(3)` says it.
    ///
    /// # Errors
    /// The host's; `Ended`.
    #[cfg(unix)]
    pub fn space(&self) -> FsResult<rustix::fs::StatVfs> {
        Ok(rustix::fs::fstatvfs(&*self.inner.read()?.stack.dir)?)
    }

    /// What was read of the base: by this view, if it tracks that, and by all who wrote the layers.
    ///
    /// # Errors
    /// As [`open`](Self::open); `Ended`.
    pub fn reads(&self) -> FsResult<ReadSet> {
        let state = self.inner.read()?;
        let mut set = ReadSet::default();
        state.stack.below.read_set(&mut set)?;
        match &state.notes {
            Some(notes) => notes.add_to(&mut set),
            None => set.merge(tracked::of_layer(&state.stack.dir)?),
        }
        Ok(set)
    }

    /// Does something on the host's account: nothing that this thread reads meanwhile is noted.
    pub fn unnoted<T>(&self, act: impl FnOnce() -> T) -> T {
        let _quiet = tracked::Quiet::new();
        act()
    }

    /// Whether nothing can be changed through it.
    pub fn is_read_only(&self) -> bool {
        self.inner.options.read_only
    }

    /// Whether this view notes what is read.
    pub fn tracks_reads(&self) -> bool {
        self.inner.options.track_reads
    }

    /// What may be written through this view, and what counts it: to open another view under
    /// the same limits.
    pub fn limits(&self) -> (Limits, Account) {
        (self.inner.options.limits, self.inner.options.account.clone())
    }

    /// Which limit refused something: `DiskLimit` or `FileLimit`.
    pub fn limit_hit(&self) -> Option<FsError> {
        match self.inner.options.account.0.hit.load(Ordering::Relaxed) {
            1 => Some(FsError::DiskLimit),
            2 => Some(FsError::FileLimit),
            _ => None,
        }
    }

    /// Bytes and files that were charged so far.
    pub fn written(&self) -> (u64, u64) {
        self.inner.options.account.written()
    }

    /// Waits until no write is in flight and holds new ones back until the guard is dropped.
    pub fn gate(&self) -> WriteGate<'_> {
        let guard = self.inner.gate.write().unwrap_or_else(PoisonError::into_inner);
        WriteGate { view: self, guard }
    }

    /// Waits for writes in flight, then ends the view: handles answer `Stale`, look-ups `Ended`.
    pub fn end(&self) {
        self.gate().end();
    }

    /// Puts a new, empty layer on top: what was the upper is sealed, `between` are layers that
    /// come next (a landed child's), `layer` takes the writes from here on. Open handles stay
    /// valid and copy up into the new layer.
    ///
    /// # Errors
    /// As [`open`](Self::open); the view is as it was.
    pub fn restack(&self, between: Vec<Dir>, layer: Dir) -> FsResult<()> {
        self.gate().restack(between, layer)
    }
}

/// While it lives, no write is in flight.
pub struct WriteGate<'a> {
    view: &'a View,
    guard: RwLockWriteGuard<'a, bool>,
}

impl WriteGate<'_> {
    pub(crate) fn inner(&self) -> &Inner {
        &self.view.inner
    }

    /// The view.
    pub fn view(&self) -> &View {
        self.view
    }

    /// As [`View::restack`], while no write is in flight before and after it either.
    ///
    /// # Errors
    /// As [`View::restack`].
    pub fn restack(&self, between: Vec<Dir>, layer: Dir) -> FsResult<()> {
        let inner = self.inner();
        let mut state = inner.write()?;
        let old = &state.stack;
        let sealed =
            Stack { tree: old.tree.clone(), dir: old.dir.clone(), below: old.below.clone() };
        let mut lower: Arc<dyn Lower> = Arc::new(Sealed { stack: sealed });
        let mut passed = Vec::new();
        for dir in between {
            let layer = Arc::new(Sealed::open(dir, lower)?);
            passed.push(layer.clone());
            lower = layer;
        }
        let mut new = State::open(layer, lower, &inner.options)?;
        if let Some(notes) = &state.notes {
            notes.save()?;
        }
        let forgets = new.keep_notes(&inner.options)?;
        inner.forgets.store(forgets, Ordering::SeqCst);
        new.generation = inner.generation.fetch_add(1, Ordering::SeqCst) + 1;
        let mut objects = inner.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_ref = HashMap::new();
        for object in objects.by_ref.values().filter_map(Weak::upgrade) {
            if let Some(r) = object.move_to(&state.stack.tree, &passed, &new.stack) {
                by_ref.insert(r, Arc::downgrade(&object));
            }
        }
        objects.by_ref = by_ref;
        *state = new;
        Ok(())
    }

    /// Ends the view for good.
    pub fn end(mut self) {
        *self.guard = true;
        self.view.inner.ended.store(true, Ordering::SeqCst);
    }
}

impl Inner {
    pub(crate) fn read(&self) -> FsResult<RwLockReadGuard<'_, State>> {
        if self.ended.load(Ordering::Relaxed) {
            return Err(FsError::Ended);
        }
        Ok(self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn write(&self) -> FsResult<RwLockWriteGuard<'_, State>> {
        if self.ended.load(Ordering::Relaxed) {
            return Err(FsError::Ended);
        }
        Ok(self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Held by every change while it happens.
    pub(crate) fn admit(&self) -> FsResult<RwLockReadGuard<'_, bool>> {
        if self.options.read_only {
            return Err(FsError::ReadOnly);
        }
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        if *gate {
            return Err(FsError::Ended);
        }
        if self.forgets.load(Ordering::SeqCst) {
            tracked::forget(&self.read()?.stack.dir, &self.options.door)?;
            self.forgets.store(false, Ordering::SeqCst);
        }
        Ok(gate)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    pub(crate) fn object(&self, r: Ref) -> Arc<Object> {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(o) = objects.by_ref.get(&r).and_then(Weak::upgrade) {
            return o;
        }
        if objects.by_ref.len() > 1024 && objects.by_ref.len().is_power_of_two() {
            objects.by_ref.retain(|_, o| o.strong_count() > 0);
        }
        let o = Arc::new(Object::new(r.clone(), self.epoch.load(Ordering::SeqCst)));
        objects.by_ref.insert(r, Arc::downgrade(&o));
        o
    }

    /// Something untouched became a node: its handles follow.
    pub(crate) fn rekey(&self, from: Ref, to: Ref) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(o) = objects.by_ref.remove(&from) {
            objects.by_ref.insert(to, o);
        }
    }

    /// Whether somebody has this place open.
    pub(crate) fn is_open(&self, r: &Ref) -> bool {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.by_ref.get(r).is_some_and(|o| o.strong_count() > 0)
    }

    /// A node lost its last name: whoever has it open keeps its attributes.
    pub(crate) fn orphan(&self, r: &Ref, node: crate::tree::Node) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(o) = objects.by_ref.remove(r).and_then(|o| o.upgrade()) {
            o.lose(node);
        }
    }

    pub(crate) fn charge_bytes(&self, n: u64) -> FsResult<()> {
        self.options.account.charge_bytes(n, &self.options.limits)
    }

    pub(crate) fn charge_file(&self) -> FsResult<()> {
        self.options.account.charge_file(&self.options.limits)
    }
}

impl Account {
    pub(crate) fn charge_bytes(&self, n: u64, limits: &Limits) -> FsResult<()> {
        charge(&self.0.bytes, n, limits.disk).map_err(|()| self.refuse(1))
    }

    pub(crate) fn charge_file(&self, limits: &Limits) -> FsResult<()> {
        charge(&self.0.files, 1, limits.files).map_err(|()| self.refuse(2))
    }

    fn refuse(&self, which: u8) -> FsError {
        let _ = self.0.hit.compare_exchange(0, which, Ordering::Relaxed, Ordering::Relaxed);
        if which == 1 { FsError::DiskLimit } else { FsError::FileLimit }
    }
}

fn charge(counter: &AtomicU64, n: u64, limit: Option<u64>) -> Result<(), ()> {
    let Some(limit) = limit else {
        counter.fetch_add(n, Ordering::Relaxed);
        return Ok(());
    };
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |c| {
            c.checked_add(n).filter(|c| *c <= limit)
        })
        .map(drop)
        .map_err(drop)
}

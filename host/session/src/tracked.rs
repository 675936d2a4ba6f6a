//! A base that notes what is asked of it.
//!
//! All that a view shows follows from its layers and from what the lowermost lower answers. So
//! that is where reads are noted: no operation can forget to.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;

use crate::reads::{Read, ReadSet, listing_digest};
use crate::{
    DirEntry, Door, Fingerprint, FsError, FsResult, Lower, Meta, Observations, Op, RelPath, Source,
    Time,
};

/// The file of a layer that tells what was read. It is there only while it is complete: it is
/// removed before the next read is noted, so that a run which is killed leaves none.
pub(crate) const READS: &str = "reads";
pub(crate) const READS_NEW: &str = "reads.new";
const MAGIC: &[u8; 8] = b"BRIOREAD";
const VERSION: u32 = 1;
const HEADER: usize = 20;

/// A base, as the lowermost lower of a view that [tracks reads](crate::ViewOptions).
pub struct Tracked {
    base: Arc<dyn Lower>,
    notes: Arc<Notes>,
}

impl Tracked {
    /// Over `base`, with nothing noted.
    pub fn new(base: Arc<dyn Lower>) -> Self {
        Self { base, notes: Arc::default() }
    }

    /// Notes why nothing can be at a path: the nearest ancestor that can be seen, and all that
    /// are missing below it.
    fn note_ancestors(&self, path: &RelPath) -> FsResult<()> {
        let mut at = path.split().map(|(parent, _)| parent);
        while let Some(up) = at {
            if self.notes.knows(&up) {
                return Ok(());
            }
            match self.base.stat(&up) {
                Ok(m) => return self.notes.add(&up, What::Kind, || Ok(Some(fingerprint(&m)))),
                Err(FsError::NotFound | FsError::NotDirectory) => {
                    self.notes.add(&up, What::Kind, || Ok(None))?;
                }
                Err(FsError::Access) => {}
                Err(e) => return Err(e),
            }
            at = up.split().map(|(parent, _)| parent);
        }
        Ok(())
    }
}

impl Lower for Tracked {
    fn stat(&self, path: &RelPath) -> FsResult<Meta> {
        let found = self.base.stat(path);
        match &found {
            Ok(m) => self.notes.add(path, What::Kind, || Ok(Some(fingerprint(m))))?,
            Err(FsError::NotFound | FsError::NotDirectory) if !self.notes.knows(path) => {
                self.notes.add(path, What::Kind, || Ok(None))?;
                self.note_ancestors(path)?;
            }
            Err(FsError::Access) => self.note_ancestors(path)?,
            Err(_) => {}
        }
        found
    }

    // That a file is opened says no more than its metadata; the view notes when it is read.
    fn open(&self, path: &RelPath) -> FsResult<Source> {
        self.base.open(path)
    }

    fn open_known(&self, path: &RelPath) -> FsResult<Source> {
        self.base.open_known(path)
    }

    fn read_link(&self, path: &RelPath) -> FsResult<Vec<u8>> {
        let target = self.base.read_link(path)?;
        self.notes.add(path, What::Content, || self.base.fingerprint(path))?;
        Ok(target)
    }

    fn list(&self, path: &RelPath) -> FsResult<Vec<DirEntry>> {
        let entries = self.base.list(path)?;
        self.notes.add(path, What::Listing(&entries), || self.base.fingerprint(path))?;
        Ok(entries)
    }

    fn origin(&self, path: &RelPath) -> FsResult<Option<RelPath>> {
        self.base.origin(path)
    }

    fn fingerprint(&self, base: &RelPath) -> FsResult<Option<Fingerprint>> {
        self.base.fingerprint(base)
    }

    fn touched(&self, path: &RelPath) -> FsResult<Option<Vec<Vec<u8>>>> {
        self.base.touched(path)
    }

    fn observations(&self, into: &mut Observations) {
        self.base.observations(into);
    }

    fn own_file(&self, path: &RelPath) -> FsResult<Option<(Dir, String)>> {
        self.base.own_file(path)
    }

    fn set_times_of(&self, path: &RelPath) -> FsResult<Option<(Time, Time)>> {
        self.base.set_times_of(path)
    }

    fn names(&self, path: &RelPath) -> FsResult<Vec<RelPath>> {
        self.base.names(path)
    }

    fn reserved(&self, path: &RelPath) -> FsResult<bool> {
        self.base.reserved(path)
    }

    fn excluded(&self, path: &RelPath, dir: bool) -> bool {
        self.base.excluded(path, dir)
    }

    fn excludes(&self) -> bool {
        self.base.excludes()
    }

    /// The base itself: a landing looks at it on its own account.
    fn base(&self) -> &dyn Lower {
        self.base.base()
    }

    fn notes(&self) -> Option<&Arc<Notes>> {
        Some(&self.notes)
    }
}

fn fingerprint(m: &Meta) -> Fingerprint {
    Fingerprint {
        kind: m.kind,
        ino: m.ino,
        mode: m.mode,
        nlink: m.nlink,
        size: m.size,
        mtime: m.mtime,
        ctime: m.ctime,
    }
}

/// What is noted about a path.
pub(crate) enum What<'a> {
    /// That it is there, its kind and its mode; or that nothing is.
    Kind,
    Metadata,
    Content,
    Listing(&'a [DirEntry]),
}

/// What was read through a [`Tracked`], and where that is kept.
#[derive(Default)]
pub struct Notes(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    paths: HashMap<RelPath, Read>,
    whole: bool,
    /// The layer's file says all of this.
    saved: bool,
    layer: Option<(Arc<Dir>, Door)>,
}

thread_local! {
    static QUIET: Cell<u32> = const { Cell::new(0) };
}

/// While it lives, this thread reads on the host's account: nothing is noted.
pub(crate) struct Quiet(());

impl Quiet {
    pub(crate) fn new() -> Self {
        QUIET.set(QUIET.get() + 1);
        Self(())
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(QUIET.get() - 1);
    }
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, path: &RelPath) -> bool {
        QUIET.get() > 0 || self.lock().paths.contains_key(path)
    }

    /// Notes something about a path; `seen` tells what is there if nothing was noted of it yet.
    pub(crate) fn add(
        &self,
        path: &RelPath,
        what: What<'_>,
        seen: impl FnOnce() -> FsResult<Option<Fingerprint>>,
    ) -> FsResult<()> {
        if QUIET.get() > 0 {
            return Ok(());
        }
        let mut noted = self.lock();
        if noted.whole {
            return Ok(());
        }
        if !noted.paths.contains_key(path) {
            let seen = if let What::Kind = what {
                seen()?
            } else {
                // This one may look at the disk.
                drop(noted);
                let seen = seen()?;
                noted = self.lock();
                seen
            };
            noted.forget_saved()?;
            let new = Read { seen, metadata: false, content: false, listing: None };
            noted.paths.entry(path.clone()).or_insert(new);
        }
        let noted = &mut *noted;
        let Some(read) = noted.paths.get(path) else { return Ok(()) };
        let lacks = match what {
            What::Kind => false,
            What::Metadata => !read.metadata,
            What::Content => !read.content,
            What::Listing(_) => read.listing.is_none(),
        };
        if lacks {
            noted.forget_saved()?;
            if let Some(read) = noted.paths.get_mut(path) {
                match what {
                    What::Kind => {}
                    What::Metadata => read.metadata = true,
                    What::Content => read.content = true,
                    What::Listing(entries) => read.listing = Some(listing_digest(entries)),
                }
            }
        }
        Ok(())
    }

    /// From here on it is kept with the layer in `dir`, and has what was read there before.
    pub(crate) fn keep_in(&self, dir: &Arc<Dir>, door: &Door) -> FsResult<()> {
        let found = load(dir)?;
        let mut noted = self.lock();
        let all_there = |set: &ReadSet| {
            noted.whole == set.whole
                && noted.paths.iter().all(|(path, read)| set.paths.get(path) == Some(read))
        };
        let saved = found.as_ref().is_some_and(all_there);
        if !saved && found.is_some() {
            door.run(Op::Unlink, || dir.remove_file(READS))?;
        }
        noted.came_after(before(dir, found)?.unwrap_or_default());
        noted.saved = saved;
        noted.layer = Some((dir.clone(), door.clone()));
        Ok(())
    }

    /// For a view that keeps nothing: what was read in the layer in `dir` before.
    pub(crate) fn join(&self, dir: &Dir) -> FsResult<()> {
        let set = of_layer(dir)?;
        self.lock().came_after(set);
        Ok(())
    }

    /// Adds what other notes hold: a view goes on over another stack.
    pub(crate) fn absorb(&self, other: &Arc<Self>) -> FsResult<()> {
        if std::ptr::eq(self, &**other) {
            return Ok(());
        }
        let mut set = ReadSet::default();
        other.add_to(&mut set);
        let mut noted = self.lock();
        noted.forget_saved()?;
        noted.came_after(set);
        Ok(())
    }

    pub(crate) fn add_to(&self, set: &mut ReadSet) {
        let noted = self.lock();
        let paths = noted.paths.iter().map(|(p, r)| (p.clone(), *r)).collect();
        set.merge(ReadSet { paths, whole: noted.whole });
    }

    /// Writes the layer's file, if it does not say all this already.
    pub(crate) fn save(&self) -> FsResult<()> {
        let mut noted = self.lock();
        let Some((dir, door)) = noted.layer.clone().filter(|_| !noted.saved) else { return Ok(()) };
        let mut set = Saved { paths: BTreeMap::new(), whole: noted.whole };
        if !noted.whole {
            set.paths = noted.paths.iter().collect();
        }
        let payload = postcard::to_stdvec(&set).map_err(|_| FsError::Invalid)?;
        let mut raw = Vec::with_capacity(HEADER + payload.len());
        raw.extend_from_slice(MAGIC);
        raw.extend_from_slice(&VERSION.to_le_bytes());
        raw.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        raw.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
        raw.extend_from_slice(&payload);
        match door.run(Op::Unlink, || dir.remove_file(READS_NEW)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
        let Some(mut file) = crate::io::create(&dir, READS_NEW, &door)? else { return Ok(()) };
        door.run(Op::Write, || file.write_all(&raw))?;
        door.run(Op::Rename, || dir.rename(READS_NEW, &dir, READS))?;
        noted.saved = true;
        Ok(())
    }
}

/// A [`ReadSet`], written without copying it.
#[derive(serde::Serialize)]
struct Saved<'a> {
    paths: BTreeMap<&'a RelPath, &'a Read>,
    whole: bool,
}

impl Noted {
    /// What was seen earlier stays.
    fn came_after(&mut self, mut set: ReadSet) {
        let paths = std::mem::take(&mut self.paths).into_iter().collect();
        set.merge(ReadSet { paths, whole: self.whole });
        (self.paths, self.whole) = (set.paths.into_iter().collect(), set.whole);
    }

    fn forget_saved(&mut self) -> FsResult<()> {
        if self.saved
            && let Some((dir, door)) = &self.layer
        {
            door.run(Op::Unlink, || dir.remove_file(READS))?;
            self.saved = false;
        }
        Ok(())
    }
}

/// Before a view that tracks nothing changes the layer in `dir`: what was read is not known
/// any more.
pub(crate) fn forget(dir: &Dir, door: &Door) -> FsResult<()> {
    match door.run(Op::Unlink, || dir.remove_file(READS)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

/// What was read by those who wrote in the layer in `dir`.
pub(crate) fn of_layer(dir: &Dir) -> FsResult<ReadSet> {
    Ok(before(dir, load(dir)?)?.unwrap_or_default())
}

/// What the layer's file says; without one, what was written there may depend on anything.
fn before(dir: &Dir, found: Option<ReadSet>) -> FsResult<Option<ReadSet>> {
    match found {
        Some(set) => Ok(Some(set)),
        None if crate::View::layer_is_empty(dir)? => Ok(None),
        None => Ok(Some(ReadSet { whole: true, ..ReadSet::default() })),
    }
}

/// `None`: there is no file. One that is damaged says nothing either.
fn load(dir: &Dir) -> FsResult<Option<ReadSet>> {
    let mut raw = Vec::new();
    match dir.open(READS) {
        Ok(mut file) => file.read_to_end(&mut raw)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let unknown = Ok(Some(ReadSet { whole: true, ..ReadSet::default() }));
    let word = |at: usize| raw.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    if raw.get(..8) != Some(MAGIC) {
        return unknown;
    }
    if word(8) != Some(VERSION) {
        return Err(FsError::Io(0));
    }
    let payload = raw.get(HEADER..).unwrap_or_default();
    if word(12) != u32::try_from(payload.len()).ok() || word(16) != Some(crc32c::crc32c(payload)) {
        return unknown;
    }
    postcard::from_bytes(payload).map_or(unknown, |set| Ok(Some(set)))
}

//! Notes in a directory of the local disk.

mod disk;
mod file;
mod name;
mod write;

use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;

use brio_session::Door;
use cap_std::fs::Dir;

use self::disk::Disk;
use self::file::Defect;
pub(crate) use self::file::Stored;
pub(crate) use self::write::{Below, Change};
use crate::notes::{Make, Note, NoteInfo, Notes, NotesError, See, Version, WriteOptions, Written};
use crate::{Clock, NotePath, Pattern};

const MARKER: &str = ".format";
const MARKER_NEW: &str = ".format.new";
const NEW: &str = "new";

/// Notes in a directory: for each a directory, in it a file for each version.
///
/// *Atomic*: a version is written beside, made durable and then given its number by one rename;
/// who is killed anywhere leaves the note old or new. *Durable*: a write is, when it is
/// acknowledged, also through a power cut: its file, its name and its directory's name were
/// synced. After an error the note is the old or the new one. *Between processes*: one writer
/// at a time for each note, by `flock` on the note's directory; readers take no lock and see
/// whole versions. *History*: the newest [`DirOptions::keep`] versions, removals included.
///
/// The directory is used by its handle only, so it may be moved; if it is deleted, everything
/// is [`NotesError::Unavailable`]. The format is in `FORMAT.md`.
#[derive(Debug)]
pub struct DirNotes {
    root: OwnedFd,
    disk: Disk,
    clock: Clock,
    keep: usize,
}

/// How notes are kept in a directory.
#[derive(Debug, Clone)]
pub struct DirOptions {
    /// The wall clock.
    pub clock: Clock,
    /// How many versions of each note are kept, the current one included; at least 1.
    pub keep: usize,
    /// What every mutation passes.
    pub door: Door,
}

impl DirOptions {
    /// A hundred versions of each note, and an open door.
    pub fn new(clock: Clock) -> Self {
        Self { clock, keep: 100, door: Door::default() }
    }
}

impl DirNotes {
    /// Opens the notes in a directory, or makes an empty one a place for notes.
    ///
    /// # Errors
    /// [`NotesError::Corrupt`] for a directory that holds other things;
    /// [`NotesError::Format`] for notes of a newer program; what the host reports.
    pub fn open(dir: Dir, options: DirOptions) -> Result<Self, NotesError> {
        // A descriptor that can be locked and synced: cap-std's own may be one for paths only.
        let root = disk::open_dir(&dir, ".").map_err(|e| failed("open the notes", e))?;
        let root = root.ok_or_else(|| gone("open the notes"))?;
        let DirOptions { clock, keep, door } = options;
        let notes = Self { root, disk: Disk(door), clock, keep: keep.max(1) };
        if !notes.is_there()? {
            notes.make().map_err(|e| failed("make a place for notes", e))?;
            if !notes.is_there()? {
                let what = "has other things in it; give the notes a directory of their own";
                return Err(NotesError::corrupt("the notes' directory", what));
            }
        }
        Ok(notes)
    }

    /// Whether the marker is there, and of a format that is known.
    fn is_there(&self) -> Result<bool, NotesError> {
        let bytes = disk::read(&self.root, MARKER).map_err(|e| failed("read the notes", e))?;
        let Some(bytes) = bytes else { return Ok(false) };
        if bytes == marker() {
            return Ok(true);
        }
        let found = String::from_utf8_lossy(&bytes).trim().chars().take(64).collect();
        Err(NotesError::Format { found, known: file::FORMAT })
    }

    /// Writes the marker into an empty directory; in another one it does nothing.
    fn make(&self) -> io::Result<()> {
        // A descriptor of its own: the lock belongs to the open file description.
        let Some(root) = disk::open_dir(&self.root, ".")? else { return Ok(()) };
        disk::lock(&root)?;
        let names = disk::names(&root)?;
        if names.iter().any(|name| name != MARKER_NEW) {
            return Ok(());
        }
        if !names.is_empty() {
            self.disk.unlink(&root, MARKER_NEW)?;
        }
        self.disk.write_new(&root, MARKER_NEW, &marker())?;
        self.disk.rename(&root, MARKER_NEW, MARKER)?;
        self.disk.sync_dir(&root)
    }

    /// Removes what killed writers left behind, and versions over the bound. Every write does
    /// this for its own note; nothing depends on it.
    ///
    /// # Errors
    /// [`NotesError`].
    pub fn sweep(&self) -> Result<(), NotesError> {
        for name in self.note_names()? {
            let what = || format!("sweep {name}");
            let sweep = || -> io::Result<()> {
                let Some(dir) = disk::open_dir(&self.root, &name)? else { return Ok(()) };
                let names = disk::names(&dir)?;
                if names.iter().any(|n| n == NEW) || versions(&names).len() > self.keep {
                    disk::lock(&dir)?;
                    self.disk.unlink(&dir, NEW)?;
                    self.prune(&dir)?;
                }
                Ok(())
            };
            sweep().map_err(|e| failed(what(), e))?;
        }
        Ok(())
    }

    fn note_names(&self) -> Result<Vec<String>, NotesError> {
        if !self.is_there()? {
            return Err(gone("list the notes"));
        }
        let mut names = disk::names(&self.root).map_err(|e| failed("list the notes", e))?;
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        Ok(names)
    }

    /// A note's directory. Where there is none, the notes themselves are.
    fn note_dir(&self, path: &NotePath) -> Result<Option<OwnedFd>, NotesError> {
        let dir = disk::open_dir(&self.root, &name::of(path))
            .map_err(|e| failed(format!("read {path}"), e))?;
        if dir.is_none() && !self.is_there()? {
            return Err(gone(format!("read {path}")));
        }
        Ok(dir)
    }

    /// The newest version, removals included.
    fn tip(&self, dir: &OwnedFd, name: &str) -> Result<Option<Stored>, NotesError> {
        loop {
            let names = disk::names(dir).map_err(|e| failed(format!("read {name}"), e))?;
            let Some(newest) = versions(&names).last().copied() else { return Ok(None) };
            match self.version(dir, name, newest)? {
                Some(stored) => return Ok(Some(stored)),
                // As many versions as are kept were written since the listing: look again.
                None => continue,
            }
        }
    }

    /// One version; `None` where it is not kept any more.
    fn version(
        &self,
        dir: &OwnedFd,
        name: &str,
        version: u64,
    ) -> Result<Option<Stored>, NotesError> {
        let label = format!("{name}/{version}");
        let bytes = disk::read(dir, &version.to_string())
            .map_err(|e| failed(format!("read {label}"), e))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let stored = file::decode(bytes).map_err(|defect| match defect {
            Defect::Format(found) => NotesError::Format { found, known: file::FORMAT },
            Defect::Corrupt(what) => NotesError::corrupt(&label, what),
        })?;
        if stored.header.version != version || name::of(&stored.path) != name {
            return Err(NotesError::corrupt(&label, "is another note's, or of another version"));
        }
        Ok(Some(stored))
    }

    /// A note as it is, removed ones included.
    pub(crate) fn stored(&self, path: &NotePath) -> Result<Option<Stored>, NotesError> {
        match self.note_dir(path)? {
            Some(dir) => self.tip(&dir, &name::of(path)),
            None => Ok(None),
        }
    }

    /// What `take` makes of the notes that fit, as they are, removed ones included, in the order
    /// of their paths. Only one is in memory at a time.
    pub(crate) fn all_stored<T>(
        &self,
        pattern: &Pattern,
        take: impl Fn(Stored) -> Option<T>,
    ) -> Result<Vec<T>, NotesError> {
        let mut all = Vec::new();
        for name in self.note_names()? {
            // Most need not be opened to know that they don't fit.
            if name::path(&name).is_some_and(|path| !pattern.fits(&path)) {
                continue;
            }
            let dir =
                disk::open_dir(&self.root, &name).map_err(|e| failed(format!("read {name}"), e))?;
            let Some(dir) = dir else { continue };
            if let Some(stored) = self.tip(&dir, &name)?.filter(|s| pattern.fits(&s.path)) {
                let path = stored.path.clone();
                all.extend(take(stored).map(|taken| (path, taken)));
            }
        }
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(all.into_iter().map(|(_, taken)| taken).collect())
    }
}

impl Notes for DirNotes {
    fn read(&self, path: &NotePath) -> Result<Option<Note>, NotesError> {
        Ok(self.stored(path)?.and_then(Stored::into_note))
    }

    fn write(
        &self,
        path: &NotePath,
        content: &str,
        how: &WriteOptions,
    ) -> Result<Written, NotesError> {
        let decide = &mut |_: Option<&Stored>| Ok(Change::to(content));
        Ok(self.change(path, how, decide, &none_below)?.written)
    }

    /// Under the note's lock: `make` is called once.
    fn modify(
        &self,
        path: &NotePath,
        origin: Option<&str>,
        make: &mut Make<'_>,
    ) -> Result<Written, NotesError> {
        let how = WriteOptions { expected_version: None, origin: origin.map(str::to_owned) };
        let decide = &mut |tip: Option<&Stored>| {
            let note = tip.cloned().and_then(Stored::into_note);
            Ok(Change::to(make(note.as_ref())?))
        };
        Ok(self.change(path, &how, decide, &none_below)?.written)
    }

    fn list(&self, pattern: &Pattern) -> Result<Vec<NoteInfo>, NotesError> {
        self.all_stored(pattern, |stored| (!stored.header.removed).then(|| stored.into_info()))
    }

    fn remove(&self, path: &NotePath, how: &WriteOptions) -> Result<Option<Written>, NotesError> {
        let decide = &mut |_: Option<&Stored>| Ok(Change::Remove);
        let changed = self.change(path, how, decide, &none_below)?;
        Ok((changed.was_there || changed.written.replayed).then_some(changed.written))
    }

    fn history(&self, path: &NotePath) -> Result<Vec<Version>, NotesError> {
        let mut history = Vec::new();
        self.visit_history(path, &mut |version| {
            history.push(version);
            ControlFlow::Continue(())
        })?;
        Ok(history)
    }

    /// Only one version is in memory at a time.
    fn visit_history(&self, path: &NotePath, see: &mut See<'_>) -> Result<(), NotesError> {
        let Some(dir) = self.note_dir(path)? else { return Ok(()) };
        let name = name::of(path);
        let names = disk::names(&dir).map_err(|e| failed(format!("read {path}"), e))?;
        for version in versions(&names).into_iter().rev() {
            match self.version(&dir, &name, version) {
                Ok(None) => {}
                Ok(Some(stored)) => {
                    if see(stored.into_version()).is_break() {
                        break;
                    }
                }
                Err(NotesError::Corrupt { name, what }) => {
                    tracing::warn!(name, what, "A version of a note is damaged - it is left out");
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl Stored {
    pub(crate) fn into_note(self) -> Option<Note> {
        let (version, at) = (self.header.version, self.header.at);
        let note = Note { path: self.path, content: self.content, version, at };
        (!self.header.removed).then_some(note)
    }

    pub(crate) fn into_info(self) -> NoteInfo {
        NoteInfo { path: self.path, version: self.header.version, at: self.header.at }
    }
}

fn none_below() -> Result<Below, NotesError> {
    Ok(Below::default())
}

/// The numbers among the names, ascending.
fn versions(names: &[String]) -> Vec<u64> {
    let number = |name: &String| name.parse::<u64>().ok().filter(|n| n.to_string() == *name);
    let mut versions: Vec<_> = names.iter().filter_map(number).collect();
    versions.sort_unstable();
    versions
}

fn marker() -> Vec<u8> {
    format!("brio-notes {}\n", file::FORMAT).into_bytes()
}

/// The notes' directory is not there any more.
fn gone(what: impl std::fmt::Display) -> NotesError {
    let what = format!("could not {what}: their directory is gone");
    NotesError::Unavailable { what, source: None }
}

/// What an error of the host means.
fn failed(what: impl std::fmt::Display, e: io::Error) -> NotesError {
    use rustix::io::Errno;
    const AWAY: [Errno; 8] = [
        Errno::IO,
        Errno::STALE,
        Errno::NODEV,
        Errno::NXIO,
        Errno::NOTCONN,
        Errno::TIMEDOUT,
        Errno::HOSTDOWN,
        Errno::ACCESS,
    ];
    let away = Errno::from_io_error(&e).is_some_and(|errno| AWAY.contains(&errno));
    if away {
        let what = format!("could not {what}: {e}");
        NotesError::Unavailable { what, source: Some(Box::new(e)) }
    } else {
        NotesError::Io { what: format!("could not {what}"), source: e }
    }
}

//! A session's notes: what it wrote over what lies below.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::dir::{Below, Change, DirNotes, Stored};
use crate::notes::{Note, NoteInfo, Notes, NotesError, See, Version, WriteOptions, Written};
use crate::project::SESSION_PATH;
use crate::store::{Base, Store};
use crate::{Clock, NotePath, Observer, Pattern, ProjectError, Record};

/// Notes of which the writes stay in a directory of their own until they are delivered.
///
/// What is written or removed here is seen here at once; nothing reaches what is below. What
/// others write below is seen as long as the note is not written here. The versions here go on
/// from those below. Throwing the own directory away throws the changes away.
///
/// *Atomic and durable* as [`DirNotes`].
pub struct Overlay {
    below: Arc<dyn Notes>,
    own: DirNotes,
}

/// A note that differs from what is below, by this overlay's own writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteChange {
    /// The note.
    pub path: NotePath,
    /// What it is to be; `None` if it is removed.
    pub content: Option<String>,
    /// Its version here.
    pub version: u64,
    /// The version that was below when it was first written here; 0 for none.
    pub base: u64,
}

/// What became of a change that was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The note.
    pub path: NotePath,
    /// The version that it got; `None` for the removal of a note that was not there, and for a
    /// record in which nothing happened where there is one.
    pub written: Option<Written>,
}

/// What lies in several directories of a session, bottom up, each the own one of an overlay over
/// that of the one before: each note as the last of them has it, over what lies below all of
/// them. In the order of the paths.
///
/// # Errors
/// [`NotesError`].
pub fn changes<'a>(
    layers: impl IntoIterator<Item = &'a DirNotes>,
) -> Result<Vec<NoteChange>, NotesError> {
    let mut all: BTreeMap<NotePath, NoteChange> = BTreeMap::new();
    for layer in layers {
        for Stored { path, header, content } in layer.all_stored(&Pattern::all(), Some)? {
            let below = all.get(&path).map(|change| change.base);
            let change = NoteChange {
                path: path.clone(),
                version: header.version,
                base: below.or(header.base).unwrap_or_default(),
                content: (!header.removed).then_some(content),
            };
            all.insert(path, change);
        }
    }
    Ok(all.into_values().collect())
}

/// Puts changes into an empty directory of a session, over the same that they were made over:
/// [`changes`] of it are these.
///
/// # Errors
/// [`NotesError`]; some may be there.
pub fn carry(changes: &[NoteChange], to: &DirNotes) -> Result<(), NotesError> {
    for change in changes {
        let made = match &change.content {
            Some(content) => Change::to(content.as_str()),
            None => Change::Remove,
        };
        let floor = change.version.saturating_sub(1);
        let below = || Ok(Below { visible: change.base, floor, of_a_session: true });
        to.change(&change.path, &WriteOptions::default(), &mut |_| Ok(made.clone()), &below)?;
    }
    Ok(())
}

/// Writes changes to `to`, each as a whole: the last write wins. `origin` says whose
/// they are; a delivery that died is repeated with the same one, and no note takes its
/// change twice, also if others wrote it since. The record gets a version above the one
/// that is there, and a conflict is counted where somebody else updated it since.
///
/// # Errors
/// The first that `to` reports; what was delivered until then stays delivered.
pub fn deliver(
    changes: &[NoteChange],
    to: &dyn Notes,
    origin: &str,
    clock: Clock,
    observer: &dyn Observer,
) -> Result<Vec<Delivered>, ProjectError> {
    let how = WriteOptions { origin: Some(origin.to_owned()), expected_version: None };
    let deliver = |change: &NoteChange| {
        let NoteChange { path, content, base, .. } = change;
        let record = match content {
            Some(text) if path.as_str() == SESSION_PATH => Record::from_json(text).ok(),
            _ => None,
        };
        let written = match (record, content) {
            // Made by looking, not by writing: it yields to any other.
            (Some(record), Some(content)) if *base == 0 && record.is_untouched() => {
                let first = WriteOptions { expected_version: Some(0), ..how.clone() };
                match to.write(path, content, &first) {
                    Err(NotesError::VersionMismatch { .. }) => None,
                    written => Some(written?),
                }
            }
            (Some(record), _) => {
                let store = Store { notes: to, clock, observer, origin: Some(origin) };
                let mine = |_: Option<&Record>| record.clone();
                Some(store.save(Base::Note(*base), &mine)?.1)
            }
            (None, Some(content)) => Some(to.write(path, content, &how)?),
            (None, None) => to.remove(path, &how)?,
        };
        Ok(Delivered { path: path.clone(), written })
    };
    changes.iter().map(deliver).collect()
}

impl Overlay {
    /// Lays `own`, a directory that only this session writes, over `below`.
    pub fn new(below: Arc<dyn Notes>, own: DirNotes) -> Self {
        Self { below, own }
    }

    /// What was written here, in the order of the paths.
    ///
    /// # Errors
    /// [`NotesError`].
    pub fn changes(&self) -> Result<Vec<NoteChange>, NotesError> {
        changes([&self.own])
    }

    fn change(
        &self,
        path: &NotePath,
        change: Change<'_>,
        how: &WriteOptions,
    ) -> Result<(Written, bool), NotesError> {
        let below = || {
            let version = self.below.read(path)?.map_or(0, |note| note.version);
            // A note that was removed below had versions too.
            let last = match version {
                0 => newest(&*self.below, path)?,
                _ => version,
            };
            Ok(Below { visible: version, floor: last, of_a_session: true })
        };
        let changed = self.own.change(path, how, &mut |_| Ok(change.clone()), &below)?;
        Ok((changed.written, changed.was_there))
    }
}

/// A note's last version, removals included; 0: it never was.
fn newest(notes: &dyn Notes, path: &NotePath) -> Result<u64, NotesError> {
    let mut newest = 0;
    notes.visit_history(path, &mut |last| {
        newest = last.version;
        ControlFlow::Break(())
    })?;
    Ok(newest)
}

impl Notes for Overlay {
    fn read(&self, path: &NotePath) -> Result<Option<Note>, NotesError> {
        match self.own.stored(path)? {
            Some(own) => Ok(own.into_note()),
            None => self.below.read(path),
        }
    }

    fn write(
        &self,
        path: &NotePath,
        content: &str,
        how: &WriteOptions,
    ) -> Result<Written, NotesError> {
        Ok(self.change(path, Change::to(content), how)?.0)
    }

    fn list(&self, pattern: &Pattern) -> Result<Vec<NoteInfo>, NotesError> {
        let below = self.below.list(pattern)?;
        let mut all: BTreeMap<_, _> = below.into_iter().map(|i| (i.path.clone(), i)).collect();
        for (removed, own) in
            self.own.all_stored(pattern, |s| Some((s.header.removed, s.into_info())))?
        {
            if removed {
                all.remove(&own.path);
            } else {
                all.insert(own.path.clone(), own);
            }
        }
        Ok(all.into_values().collect())
    }

    fn remove(&self, path: &NotePath, how: &WriteOptions) -> Result<Option<Written>, NotesError> {
        let (written, was_there) = self.change(path, Change::Remove, how)?;
        Ok((was_there || written.replayed).then_some(written))
    }

    /// The session's own versions, then those below.
    fn history(&self, path: &NotePath) -> Result<Vec<Version>, NotesError> {
        let mut history = self.own.history(path)?;
        history.extend(self.below.history(path)?);
        Ok(history)
    }

    fn visit_history(&self, path: &NotePath, see: &mut See<'_>) -> Result<(), NotesError> {
        let mut enough = false;
        self.own.visit_history(path, &mut |version| {
            let next = see(version);
            enough = next.is_break();
            next
        })?;
        if enough { Ok(()) } else { self.below.visit_history(path, see) }
    }
}

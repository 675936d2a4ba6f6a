//! The record in its note: how it is read, and how the last write wins.

use crate::notes::{Note, Notes, NotesError, Written};
use crate::observer::{Conflict, Resolution};
use crate::project::SESSION_PATH;
use crate::{Clock, NotePath, Observer, ProjectError, Record, Timestamp};

/// Where the record is written.
pub(crate) struct Store<'a> {
    pub(crate) notes: &'a dyn Notes,
    pub(crate) clock: Clock,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) origin: Option<&'a str>,
}

/// What the writer had read.
#[derive(Clone, Copy)]
pub(crate) enum Base {
    /// A record of this version; 0 for none.
    Record(u64),
    /// The note's version; 0 for none.
    Note(u64),
}

impl Store<'_> {
    /// The record and its note's version.
    pub(crate) fn load(&self) -> Result<Option<(Record, u64)>, ProjectError> {
        let Some(note) = self.notes.read(&session_path()?)? else { return Ok(None) };
        match Record::from_json(&note.content) {
            Ok(record) => Ok(Some((record, note.version))),
            Err(source) => Err(ProjectError::Record { source }),
        }
    }

    /// Writes what `next` makes of the stored record, under a version above both the stored
    /// one and the base. What is stored is re-read inside the write, so that no update is
    /// overridden unseen; one newer than the base is reported, and never a failure.
    pub(crate) fn save(
        &self,
        base: Base,
        next: &dyn Fn(Option<&Record>) -> Record,
    ) -> Result<(Record, Written), ProjectError> {
        let path = session_path()?;
        let mut made = None;
        let written = self.notes.modify(&path, self.origin, &mut |note| {
            let stored = note.and_then(readable);
            let current = stored.as_ref().map_or(0, |record| record.version);
            let attempted = self.attempted(base, &path, note, current)?;
            let record = next(stored.as_ref());
            let floor = match base {
                Base::Record(_) => current.max(attempted),
                // The updates that were made apart count.
                Base::Note(_) => current.max(record.version.saturating_sub(1)),
            };
            let record = record.touched(floor, Timestamp::now(self.clock));
            let json = record.to_json();
            made = Some((record, current, attempted));
            Ok(json)
        })?;
        match made {
            Some((record, current, attempted)) => {
                if current > attempted && !written.replayed {
                    self.report(current, attempted);
                }
                Ok((record, written))
            }
            // A replay need not ask what it would write.
            None => match self.load()? {
                Some((record, _)) => Ok((record, written)),
                None => Ok((next(None), written)),
            },
        }
    }

    /// The record's version that the writer had read.
    fn attempted(
        &self,
        base: Base,
        path: &NotePath,
        note: Option<&Note>,
        current: u64,
    ) -> Result<u64, NotesError> {
        match base {
            Base::Record(version) => Ok(version),
            Base::Note(version) if note.is_some_and(|note| note.version == version) => Ok(current),
            Base::Note(version) => {
                let history = self.notes.history(path)?;
                let then = history.into_iter().find(|old| old.version == version);
                let record = then.and_then(|old| Record::from_json(&old.content?).ok());
                Ok(record.map_or(0, |record| record.version))
            }
        }
    }

    fn report(&self, current_version: u64, attempted_version: u64) {
        tracing::warn!(
            currentVersion = current_version,
            attemptedVersion = attempted_version,
            "Version conflict detected - proceeding with LWW"
        );
        let resolution = Resolution::Lww;
        self.observer.conflict(&Conflict { resolution, current_version, attempted_version });
    }
}

fn readable(note: &Note) -> Option<Record> {
    let record = Record::from_json(&note.content);
    if let Err(error) = &record {
        let path = SESSION_PATH;
        tracing::warn!(path, %error, "The stored record cannot be read - it is replaced");
    }
    record.ok()
}

pub(crate) fn session_path() -> Result<NotePath, ProjectError> {
    Ok(NotePath::new(SESSION_PATH).map_err(NotesError::from)?)
}

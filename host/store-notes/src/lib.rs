//! Notes that lie in a content-addressed store, so that many machines share them.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::SystemTime;
//! use brio_project::Notes;
//! use brio_store::{Runner, Store, StoreOptions, backend::Memory};
//! use brio_store_notes::{StoreNotes, StoreNotesOptions};
//!
//! let runner = Arc::new(Runner::new()?);
//! let store = Store::new(Arc::new(Memory::default()), StoreOptions::default());
//! let id = "org/name".parse()?;
//! let (project, _) = runner.run(async move { store.create(&id).await })?;
//! let options = StoreNotesOptions::new(SystemTime::now, "laptop");
//! let notes = StoreNotes::new(project, runner, options);
//! let path = "plans/next".parse()?;
//! notes.write(&path, "ship", &Default::default())?;
//! assert_eq!(notes.read(&path)?.unwrap().content, "ship");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`StoreNotes`] are the notes of one project of `brio-store`. The format is the store's
//! (`host/store/FORMAT.md`, "Notes"), and so is what reads and writes it; here is only what
//! `brio-project` asks of notes.
//!
//! *Atomic*: a note is one ref, which is moved by compare-and-swap; who reads sees a version as a
//! whole. *Durable*: a write is, when it is acknowledged, as a landing is. *Between machines*: who
//! loses a swap reads what the other wrote and goes on from there, so no write is overridden
//! unseen and no version is given twice; an answer that was lost is found again by the attempt
//! that is in each version. *History*: the newest hundred versions, removals included.
//!
//! A write that ends with an error may have been made, and one that got no answer may yet be
//! made: who repeats it gives it an origin ([`WriteOptions::origin`]).
//!
//! | | requests |
//! |---|---|
//! | read | 1; more where the content is over 16 KiB, and 2 where there is no note |
//! | write | 2: read, swap; more where the content is over 16 KiB, and now and then one for old versions |
//! | list | 1 for each thousand notes, and 1 for each note that fits, sixteen at a time |
//!
//! Deliberately absent: a cache (what is read is what the store has), a format, a clock and an
//! executor of its own.

mod error;
mod write;

use std::ops::ControlFlow;
use std::sync::Arc;

use brio_project::{
    Clock, Make, Note, NoteInfo, NotePath, Notes, NotesError, Pattern, See, Timestamp, Version,
    WriteOptions, Written, is_tombstone,
};
use brio_store::{NoteBody, NoteVersion, Project, Runner, StoredNote};
use time::OffsetDateTime;

use crate::error::told;
use crate::write::{Changed, content_to_write};

/// How notes are kept in a store.
#[derive(Debug, Clone)]
pub struct StoreNotesOptions {
    /// The wall clock.
    pub clock: Clock,
    /// Who writes: this machine's name. Each version tells it; nothing depends on it.
    pub by: Option<String>,
}

impl StoreNotesOptions {
    /// By this clock, on this machine.
    pub fn new(clock: Clock, by: impl Into<String>) -> Self {
        Self { clock, by: Some(by.into()) }
    }
}

/// The notes of a project in a store. The crate's page says what is promised.
///
/// Nothing is asked before the first call. Calls block, and may be made from any thread but those
/// of the [`Runner`].
pub struct StoreNotes {
    project: Project,
    runner: Arc<Runner>,
    clock: Clock,
    by: Option<String>,
}

impl std::fmt::Debug for StoreNotes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (store, project) = (self.project.store(), self.project.id().as_str());
        f.debug_struct("StoreNotes").field("store", &store).field("project", &project).finish()
    }
}

impl StoreNotes {
    /// The notes of that project; what waits for the store does it on `runner`.
    pub fn new(project: Project, runner: Arc<Runner>, options: StoreNotesOptions) -> Self {
        Self { project, runner, clock: options.clock, by: options.by }
    }

    /// Asks the store whether the project is there, and of a format that is known.
    ///
    /// # Errors
    /// [`NotesError::Unavailable`], [`NotesError::Format`].
    pub fn check(&self) -> Result<(), NotesError> {
        self.ask("look for the notes", "the notes", |p| async move { p.check().await })
    }

    /// Does something with the project, and waits for it.
    fn ask<T, F>(
        &self,
        what: impl std::fmt::Display,
        name: impl std::fmt::Display,
        work: impl FnOnce(Project) -> F,
    ) -> Result<T, NotesError>
    where
        T: Send + 'static,
        F: Future<Output = brio_store::Result<T>> + Send + 'static,
    {
        let done = self.runner.run(work(self.project.clone()));
        done.map_err(|e| {
            let at =
                format!("{what}, in project {} in {}", self.project.id(), self.project.store());
            told(at, name, e)
        })
    }

    fn stored(&self, path: &NotePath) -> Result<Option<StoredNote>, NotesError> {
        let at = path.to_string();
        self.ask(format_args!("read {path}"), path, |p| async move { p.read_note(&at).await })
    }

    /// What a version says; `None`: it is a removal.
    fn content(
        &self,
        path: &NotePath,
        version: &NoteVersion,
    ) -> Result<Option<String>, NotesError> {
        let (at, of) = (path.to_string(), version.clone());
        let what = format_args!("read {path}");
        self.ask(what, path, |p| async move { p.note_content(&at, &of).await })
    }

    /// The note as it is seen.
    fn note(
        &self,
        path: &NotePath,
        stored: Option<&StoredNote>,
    ) -> Result<Option<Note>, NotesError> {
        let Some(newest) = stored.and_then(|s| s.doc.newest()) else { return Ok(None) };
        let (version, at) = (newest.version, stamp(path, newest.at)?);
        let content = self.content(path, newest)?;
        Ok(content.map(|content| Note { path: path.clone(), content, version, at }))
    }
}

impl Notes for StoreNotes {
    fn read(&self, path: &NotePath) -> Result<Option<Note>, NotesError> {
        self.note(path, self.stored(path)?.as_ref())
    }

    fn write(
        &self,
        path: &NotePath,
        content: &str,
        how: &WriteOptions,
    ) -> Result<Written, NotesError> {
        let content = content_to_write(path, content, how)?;
        Ok(self.change(path, how, &mut |_| Ok(content.clone()))?.written)
    }

    /// Made anew where others came first; nothing is overridden unseen.
    fn modify(
        &self,
        path: &NotePath,
        origin: Option<&str>,
        make: &mut Make<'_>,
    ) -> Result<Written, NotesError> {
        let how = WriteOptions { expected_version: None, origin: origin.map(str::to_owned) };
        let changed = self.change(path, &how, &mut |stored| {
            let note = self.note(path, stored)?;
            content_to_write(path, &make(note.as_ref())?, &how)
        })?;
        Ok(changed.written)
    }

    fn list(&self, pattern: &Pattern) -> Result<Vec<NoteInfo>, NotesError> {
        let pattern = pattern.clone();
        let all = self.ask("list the notes", "a note", |p| async move {
            let fits = |path: &str| NotePath::new(path).is_ok_and(|path| pattern.fits(&path));
            let mut all = Vec::new();
            let see = &mut |note: StoredNote| {
                let newest = note.doc.newest().filter(|v| v.body != NoteBody::Removed);
                let told = newest.map(|v| (v.version, v.at));
                all.extend(told.map(|(version, at)| (note.doc.path, version, at)));
            };
            p.list_notes(&fits, see).await.map(|()| all)
        })?;
        let info = |(path, version, at)| {
            let path = NotePath::new(path)?;
            let at = stamp(&path, at)?;
            Ok(NoteInfo { path, version, at })
        };
        let mut all: Vec<NoteInfo> =
            all.into_iter().map(info).collect::<Result<_, NotesError>>()?;
        all.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        // A listing that goes on while others write may see one twice.
        all.dedup_by(|a, b| a.path == b.path);
        Ok(all)
    }

    fn remove(&self, path: &NotePath, how: &WriteOptions) -> Result<Option<Written>, NotesError> {
        brio_project::check_size(path, "", how)?;
        let Changed { written, was_there } = self.change(path, how, &mut |_| Ok(None))?;
        Ok((was_there || written.replayed).then_some(written))
    }

    fn history(&self, path: &NotePath) -> Result<Vec<Version>, NotesError> {
        let mut history = Vec::new();
        self.visit_history(path, &mut |version| {
            history.push(version);
            ControlFlow::Continue(())
        })?;
        Ok(history)
    }

    /// One content is in memory at a time, beside those in the document.
    fn visit_history(&self, path: &NotePath, see: &mut See<'_>) -> Result<(), NotesError> {
        let Some(stored) = self.stored(path)? else { return Ok(()) };
        for old in stored.doc.versions() {
            let content = match self.content(path, old) {
                Ok(content) => content,
                Err(NotesError::Corrupt { name, what }) => {
                    tracing::warn!(name, what, "A version of a note is damaged - it is left out");
                    continue;
                }
                Err(e) => return Err(e),
            };
            let (version, at, origin) = (old.version, stamp(path, old.at)?, old.origin.clone());
            if see(Version { version, at, origin, content }).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The store's time in the form that notes have.
fn stamp(path: &NotePath, at: OffsetDateTime) -> Result<Timestamp, NotesError> {
    use time::format_description::well_known::Rfc3339;
    let text = at.format(&Rfc3339).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| NotesError::Corrupt {
        name: path.to_string(),
        what: "has a time that is none".to_owned(),
    })
}

/// And the other way round.
fn instant(at: Timestamp) -> OffsetDateTime {
    let nanos = i128::from(at.unix_millis()) * 1_000_000;
    // A timestamp is of the years 0 to 9999, and all of them are possible.
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// What a content is to be written as: `None` is a removal.
fn unless_tombstone(content: &str) -> Option<String> {
    (!is_tombstone(content)).then(|| content.to_owned())
}

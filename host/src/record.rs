//! The project's record and notes: one of each base, in its domain.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use brio_landing::{
    Domain, DomainError, HeadError, NotesAt, NotesAtError, NotesServer, SessionError, SessionNotes,
    Writer,
};
use brio_mcp_notes::ServerError;
use brio_project::{DirNotes, DirOptions, NoteChange, Notes, NotesError, Project};
use brio_store_notes::{StoreNotes, StoreNotesOptions};

use crate::{Brio, SessionHandle};

/// A project's notes could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenProjectError {
    /// The base cannot be worked on.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The session cannot be found.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// What lies there cannot be used.
    #[error(transparent)]
    Notes(#[from] NotesError),
    /// Where they are cannot be told, or not be changed.
    #[error(transparent)]
    At(#[from] NotesAtError),
    /// They are said to be on a server that is not asked.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// They are said to be in a store that cannot be used.
    #[error(transparent)]
    Store(#[from] HeadError),
    /// Their directory cannot be made or opened.
    #[error("NOTES: the notes of {} cannot be opened ({source}); see whether its .brio can be written", base.display())]
    Host {
        /// The base.
        base: PathBuf,
        /// What the host said.
        source: std::io::Error,
    },
}

impl OpenProjectError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Domain(e) => e.code(),
            Self::Session(e) => e.code(),
            Self::Notes(e) => e.code(),
            Self::At(e) => e.code(),
            Self::Server(e) => e.code(),
            Self::Store(e) => e.code,
            Self::Host { .. } => "NOTES",
        }
    }
}

impl Brio {
    /// The project that a directory belongs to: its record, what its agents knew last, its notes.
    /// What is written applies at once, to every session. It is in `.brio/notes` of the base, made
    /// where it is not there, and durable when a call returns; or on the server that the base
    /// names ([`place_notes`](Self::place_notes)), which is not asked yet.
    ///
    /// # Errors
    /// [`OpenProjectError`].
    #[cfg(unix)]
    pub fn project(&self, base: &Path) -> Result<Project, OpenProjectError> {
        let (domain, _) = self.domain(base, true)?;
        Ok(self.project_of(self.notes_brought(&domain)?))
    }

    pub(crate) fn project_of(&self, notes: Arc<dyn Notes>) -> Project {
        Project::new(notes, SystemTime::now).observed_by(self.meter().clone())
    }

    /// Where the notes of the project are that a directory belongs to.
    ///
    /// # Errors
    /// [`OpenProjectError`].
    pub fn notes_at(&self, base: &Path) -> Result<NotesAt, OpenProjectError> {
        Ok(self.domain(base, true)?.0.notes_at()?)
    }

    /// Says where they are from now on, and gives the project there. A server is asked first, and
    /// not taken if it does not answer as one that keeps notes. No note is moved.
    ///
    /// # Errors
    /// [`OpenProjectError`]; then they are where they were.
    pub fn place_notes(&self, base: &Path, at: &NotesAt) -> Result<Project, OpenProjectError> {
        let (domain, _) = self.domain(base, true)?;
        match at {
            NotesAt::Mcp(server) => self.remotes().get(server, &self.options().trust)?.check()?,
            NotesAt::Store => self.notes_in_store(&domain)?.check()?,
            _ => {}
        }
        domain.set_notes_at(at)?;
        Ok(self.project_of(self.notes_brought(&domain)?))
    }

    /// The notes on a server that keeps some, whatever project they are of. It is not asked yet.
    ///
    /// # Errors
    /// [`OpenProjectError::Server`].
    pub fn notes_on(&self, server: &NotesServer) -> Result<Arc<dyn Notes>, OpenProjectError> {
        Ok(self.remotes().get(server, &self.options().trust)?)
    }

    /// The notes of another directory: of the project that it belongs to, or those that lie in it
    /// as in a `.brio/notes`. Nothing is made where there are none.
    ///
    /// # Errors
    /// [`OpenProjectError`].
    pub fn notes_of(&self, dir: &Path) -> Result<Arc<dyn Notes>, OpenProjectError> {
        let host = |source| OpenProjectError::Host { base: dir.to_owned(), source };
        if !dir.join(".format").try_exists().map_err(host)? {
            let (domain, _) = self.domain(dir, false)?;
            return self.notes(&domain);
        }
        let opened = cap_std::fs::Dir::open_ambient_dir(dir, cap_std::ambient_authority());
        self.in_dir(opened.map_err(host)?)
    }

    /// Wherever they are.
    pub(crate) fn notes(&self, domain: &Domain) -> Result<Arc<dyn Notes>, OpenProjectError> {
        match domain.notes_at()? {
            NotesAt::Mcp(server) => self.notes_on(&server),
            NotesAt::Store => Ok(Arc::new(self.notes_in_store(domain)?)),
            _ => self.notes_here(domain),
        }
    }

    /// As [`notes`](Self::notes), with what landed and was not there yet.
    fn notes_brought(&self, domain: &Domain) -> Result<Arc<dyn Notes>, OpenProjectError> {
        if let Err(error) = self.deliver_notes_of(domain) {
            // It is tried again by whoever comes next.
            tracing::warn!(%error, "Notes that landed are not yet where the project's notes are");
        }
        self.notes(domain)
    }

    fn notes_in_store(&self, domain: &Domain) -> Result<StoreNotes, OpenProjectError> {
        let place = self.bound_place(domain).map_err(|e| e.head())?;
        let by = self.options().stores.machine.clone();
        let options = StoreNotesOptions { clock: SystemTime::now, by };
        Ok(StoreNotes::new(place.project().clone(), place.runner().clone(), options))
    }

    fn notes_here(&self, domain: &Domain) -> Result<Arc<dyn Notes>, OpenProjectError> {
        let base = || domain.root_path().to_owned();
        let dir = domain.notes_dir();
        self.in_dir(dir.map_err(|source| OpenProjectError::Host { base: base(), source })?)
    }

    fn in_dir(&self, dir: cap_std::fs::Dir) -> Result<Arc<dyn Notes>, OpenProjectError> {
        let door = self.options().door.clone();
        let notes = DirNotes::open(dir, DirOptions { door, ..DirOptions::new(SystemTime::now) })?;
        Ok(Arc::new(notes))
    }
}

impl SessionHandle {
    /// Its notes, over those of the project: what is written in them is the session's, seen there
    /// at once, by others when it lands, by nobody if it is rolled back. Each write takes the right
    /// to write in it (`SESSION_BUSY` while a run has that).
    ///
    /// # Errors
    /// [`OpenProjectError`].
    pub fn notes(&self) -> Result<SessionNotes, OpenProjectError> {
        Ok(self.session()?.notes(self.brio().notes_brought(self.domain())?))
    }

    /// As [`notes`](Self::notes), written by the right that `writer` has, as long as it has it.
    ///
    /// # Errors
    /// [`OpenProjectError`].
    pub fn notes_by(&self, writer: &Writer) -> Result<SessionNotes, OpenProjectError> {
        Ok(writer.notes(self.brio().notes_brought(self.domain())?))
    }

    /// What it wrote or removed of notes, by path: what its landing would deliver. Nobody is asked
    /// where the project's notes are.
    ///
    /// # Errors
    /// [`OpenProjectError`].
    pub fn note_changes(&self) -> Result<Vec<NoteChange>, OpenProjectError> {
        Ok(self.session()?.note_changes()?)
    }

    /// The project as the session sees it, by [`notes`](Self::notes).
    ///
    /// # Errors
    /// [`OpenProjectError`].
    pub fn project(&self) -> Result<Project, OpenProjectError> {
        Ok(self.brio().project_of(Arc::new(self.notes()?)))
    }
}

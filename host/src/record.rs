//! The project's record and notes: one of each base, in its domain.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use brio_landing::{Domain, DomainError, SessionError, SessionNotes, Writer};
use brio_project::{DirNotes, DirOptions, Notes, NotesError, Project};

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
            Self::Host { .. } => "NOTES",
        }
    }
}

impl Brio {
    /// The project that a directory belongs to: its record, what its agents knew last, its notes.
    /// What is written applies at once, to every session; it is in `.brio/notes` of the base, made
    /// where it is not there, and durable when a call returns.
    ///
    /// # Errors
    /// [`OpenProjectError`].
    #[cfg(unix)]
    pub fn project(&self, base: &Path) -> Result<Project, OpenProjectError> {
        let (domain, _) = self.domain(base, true)?;
        Ok(self.project_of(self.notes(&domain)?))
    }

    pub(crate) fn project_of(&self, notes: Arc<dyn Notes>) -> Project {
        Project::new(notes, SystemTime::now).observed_by(self.meter().clone())
    }

    pub(crate) fn notes(&self, domain: &Domain) -> Result<Arc<dyn Notes>, OpenProjectError> {
        let base = || domain.root_path().to_owned();
        let failed = |source| OpenProjectError::Host { base: base(), source };
        let dir = domain.notes_dir().map_err(failed)?;
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
        Ok(self.session()?.notes(self.brio().notes(self.domain())?))
    }

    /// As [`notes`](Self::notes), written by the right that `writer` has, as long as it has it.
    ///
    /// # Errors
    /// [`OpenProjectError`].
    pub fn notes_by(&self, writer: &Writer) -> Result<SessionNotes, OpenProjectError> {
        Ok(writer.notes(self.brio().notes(self.domain())?))
    }

    /// The project as the session sees it, by [`notes`](Self::notes).
    ///
    /// # Errors
    /// [`OpenProjectError`].
    pub fn project(&self) -> Result<Project, OpenProjectError> {
        Ok(self.brio().project_of(Arc::new(self.notes()?)))
    }
}

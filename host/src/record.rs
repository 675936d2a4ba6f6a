//! The project's record and notes: one of each base, in its domain.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use brio_landing::DomainError;
use brio_project::{DirNotes, DirOptions, NotesError, Project};

use crate::Brio;

/// A project's notes could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenProjectError {
    /// The base cannot be worked on.
    #[error(transparent)]
    Domain(#[from] DomainError),
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
        let failed = |source| OpenProjectError::Host { base: base.to_owned(), source };
        let dir = domain.notes_dir().map_err(failed)?;
        let door = self.options().door.clone();
        let notes = DirNotes::open(dir, DirOptions { door, ..DirOptions::new(SystemTime::now) })?;
        Ok(Project::new(Arc::new(notes), SystemTime::now))
    }
}

//! What a place for notes must do, whichever it is.

use std::fmt;
use std::io;
use std::ops::ControlFlow;

use crate::{NotePath, PathError, Pattern, Timestamp};

/// The largest content, in bytes.
pub const MAX_CONTENT: usize = 16 << 20;
/// The longest origin, in bytes.
pub const MAX_ORIGIN: usize = 255;

/// The notes of one project. What one project writes, no other sees.
///
/// A write replaces a note as a whole: who reads sees the old content or the new, never a part
/// or a mixture. Each backend says in its own documentation what is durable when a call
/// returns. Every method reports [`NotesError::Unavailable`] when the backend cannot be
/// reached; that a note is missing is never an error, and the other way round.
pub trait Notes: Send + Sync {
    /// A note, or `None` where there is none or it was removed.
    ///
    /// # Errors
    /// [`NotesError`], never for a note that is missing.
    fn read(&self, path: &NotePath) -> Result<Option<Note>, NotesError>;

    /// Makes or replaces a note. A content that is a [tombstone](crate::tombstone) removes it.
    ///
    /// # Errors
    /// [`NotesError::VersionMismatch`] when [`WriteOptions::expected_version`] is another;
    /// nothing is written then. After any other error the note is the old or the new one.
    fn write(
        &self,
        path: &NotePath,
        content: &str,
        how: &WriteOptions,
    ) -> Result<Written, NotesError>;

    /// Replaces a note by what `make` gives for the one that is there, with no write of others
    /// in between. `make` may be called several times; the last answer counts, unless the write
    /// is a replay.
    ///
    /// This one compares and swaps, and after a thousand rounds in which others came first
    /// writes whatever is there; a backend that can does it under a lock.
    ///
    /// # Errors
    /// As for [`write`](Self::write), and what `make` reports.
    fn modify(
        &self,
        path: &NotePath,
        origin: Option<&str>,
        make: &mut Make<'_>,
    ) -> Result<Written, NotesError> {
        let mut round = 0;
        loop {
            let note = self.read(path)?;
            let content = make(note.as_ref())?;
            let expected = note.map_or(0, |note| note.version);
            let how = WriteOptions {
                expected_version: (round < 1000).then_some(expected),
                origin: origin.map(str::to_owned),
            };
            match self.write(path, &content, &how) {
                Err(NotesError::VersionMismatch { .. }) if round < 1000 => round += 1,
                done => return done,
            }
        }
    }

    /// The notes that fit, in the order of their paths, without those that were removed.
    ///
    /// # Errors
    /// [`NotesError`].
    fn list(&self, pattern: &Pattern) -> Result<Vec<NoteInfo>, NotesError>;

    /// Puts a tombstone in a note's place; its history stays. `None` where there was none.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    fn remove(&self, path: &NotePath, how: &WriteOptions) -> Result<Option<Written>, NotesError>;

    /// The versions that are kept, newest first, removals included; empty for a note that never
    /// was.
    ///
    /// # Errors
    /// [`NotesError`].
    fn history(&self, path: &NotePath) -> Result<Vec<Version>, NotesError>;

    /// As [`history`](Self::history), a version at a time, until `see` has seen enough: a history
    /// may be far larger than what is wanted of it.
    ///
    /// # Errors
    /// [`NotesError`].
    fn visit_history(&self, path: &NotePath, see: &mut See<'_>) -> Result<(), NotesError> {
        let _ = self.history(path)?.into_iter().try_for_each(see);
        Ok(())
    }
}

impl<N: Notes + ?Sized> Notes for std::sync::Arc<N> {
    fn read(&self, path: &NotePath) -> Result<Option<Note>, NotesError> {
        (**self).read(path)
    }

    fn write(
        &self,
        path: &NotePath,
        content: &str,
        how: &WriteOptions,
    ) -> Result<Written, NotesError> {
        (**self).write(path, content, how)
    }

    fn modify(
        &self,
        path: &NotePath,
        origin: Option<&str>,
        make: &mut Make<'_>,
    ) -> Result<Written, NotesError> {
        (**self).modify(path, origin, make)
    }

    fn list(&self, pattern: &Pattern) -> Result<Vec<NoteInfo>, NotesError> {
        (**self).list(pattern)
    }

    fn remove(&self, path: &NotePath, how: &WriteOptions) -> Result<Option<Written>, NotesError> {
        (**self).remove(path, how)
    }

    fn history(&self, path: &NotePath) -> Result<Vec<Version>, NotesError> {
        (**self).history(path)
    }

    fn visit_history(&self, path: &NotePath, see: &mut See<'_>) -> Result<(), NotesError> {
        (**self).visit_history(path, see)
    }
}

/// Sees one version of a note after the other, until it breaks off.
pub type See<'a> = dyn FnMut(Version) -> ControlFlow<()> + 'a;

/// Makes a note's new content of the one that is there.
pub type Make<'a> = dyn FnMut(Option<&Note>) -> Result<String, NotesError> + 'a;

/// A note as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its path.
    pub path: NotePath,
    /// Its content.
    pub content: String,
    /// Rises with every write and removal of this path, for ever; not always by one.
    pub version: u64,
    /// When it was written.
    pub at: Timestamp,
}

/// What a listing tells of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteInfo {
    /// Its path.
    pub path: NotePath,
    /// Its version.
    pub version: u64,
    /// When it was written.
    pub at: Timestamp,
}

/// One version of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub version: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Whose write it was, if that was told.
    pub origin: Option<String>,
    /// What was written; `None` where the note was removed.
    pub content: Option<String>,
}

/// How to write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// The version that the note must have, by [`Note::version`]; 0 for no note: never
    /// written, or removed.
    pub expected_version: Option<u64>,
    /// What this write is, so that the same one is not applied twice: a landing's number, say.
    /// A note that took a write of this origin is not changed; see [`Written::replayed`]. It
    /// remembers at least the last 256 writes that told one.
    pub origin: Option<String>,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The version that it made.
    pub version: u64,
    /// Whether this origin's write was there already: nothing was changed.
    pub replayed: bool,
}

/// Notes could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotesError {
    /// The backend cannot be reached. It does not mean that a note is missing.
    #[error(
        "NOTES_UNAVAILABLE: BrainUnavailableError: {what}; nothing is known of the notes until it is back, try again then"
    )]
    Unavailable {
        /// What was being done, and to what.
        what: String,
        /// Why, if more is known.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Another write came first.
    #[error("NOTE_CHANGED: {path} has version {found}, not {expected}; read it again")]
    VersionMismatch {
        /// The note.
        path: NotePath,
        /// What the writer expected.
        expected: u64,
        /// What is there; 0 for no note.
        found: u64,
    },
    /// The backend tells no versions, so nothing can be compared.
    #[error(
        "NOTES_NO_VERSIONS: {at} tells no versions, so {path} cannot be written only if it has one; write it without"
    )]
    NoVersions {
        /// The note.
        path: NotePath,
        /// The backend.
        at: String,
    },
    /// A content or an origin over its bound.
    #[error(
        "NOTE_TOO_LARGE: the {part} for {path} has {size} bytes, at most {limit} go in; make it smaller"
    )]
    TooLarge {
        /// The note.
        path: NotePath,
        /// What is too large.
        part: &'static str,
        /// How large it is.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// What is stored cannot be understood.
    #[error("NOTE_CORRUPT: {name} {what}; its earlier versions are in its history")]
    Corrupt {
        /// The note, or the file where its path is not known.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// The notes were written by a newer program.
    #[error(
        "NOTES_FORMAT: the notes are of format {found:?}, this program knows {known}; use a newer one"
    )]
    Format {
        /// The format on disk.
        found: String,
        /// The one that is known.
        known: u32,
    },
    /// A path, in an answer of the backend, that names no note.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Who holds the notes refuses: a session that has ended, or that somebody else works in. The
    /// text begins with the code.
    #[error("{source}")]
    Refused {
        /// The stable code.
        code: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The host failed.
    #[error("{code}: {what}: {source}", code = io_code(source))]
    Io {
        /// What was being done, and to what.
        what: String,
        /// The host's error.
        source: io::Error,
    },
}

fn io_code(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "NO_SPACE",
        _ => "IO",
    }
}

impl NotesError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "NOTES_UNAVAILABLE",
            Self::VersionMismatch { .. } => "NOTE_CHANGED",
            Self::NoVersions { .. } => "NOTES_NO_VERSIONS",
            Self::TooLarge { .. } => "NOTE_TOO_LARGE",
            Self::Corrupt { .. } => "NOTE_CORRUPT",
            Self::Format { .. } => "NOTES_FORMAT",
            Self::Path(_) => "NOTE_PATH_INVALID",
            Self::Refused { code, .. } => code,
            Self::Io { source, .. } => io_code(source),
        }
    }

    /// Whether the backend could not be reached.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    pub(crate) fn corrupt(name: impl fmt::Display, what: impl fmt::Display) -> Self {
        Self::Corrupt { name: name.to_string(), what: what.to_string() }
    }
}

/// Checks what no backend takes.
///
/// # Errors
/// [`NotesError::TooLarge`].
pub fn check_size(path: &NotePath, content: &str, how: &WriteOptions) -> Result<(), NotesError> {
    let origin = how.origin.as_deref().unwrap_or_default();
    let parts = [("content", content.len(), MAX_CONTENT), ("origin", origin.len(), MAX_ORIGIN)];
    match parts.into_iter().find(|(_, size, limit)| size > limit) {
        Some((part, size, limit)) => {
            Err(NotesError::TooLarge { path: path.clone(), part, size, limit })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Whoever gets a failure as a text finds the code at its beginning.
    #[test]
    fn every_failure_begins_with_its_code() {
        let path = NotePath::new("plans/next").unwrap();
        let io = |kind| NotesError::Io {
            what: "could not write a".into(),
            source: io::Error::from(kind),
        };
        let text = |text: &str| Box::<dyn std::error::Error + Send + Sync>::from(text);
        let found = "2".to_owned();
        for (error, code) in [
            (
                NotesError::Unavailable { what: "no answer".into(), source: None },
                "NOTES_UNAVAILABLE",
            ),
            (
                NotesError::VersionMismatch { path: path.clone(), expected: 1, found: 2 },
                "NOTE_CHANGED",
            ),
            (NotesError::NoVersions { path: path.clone(), at: "it".into() }, "NOTES_NO_VERSIONS"),
            (NotesError::corrupt(&path, "is damaged"), "NOTE_CORRUPT"),
            (NotesError::Format { found, known: 1 }, "NOTES_FORMAT"),
            (NotePath::new("..").unwrap_err().into(), "NOTE_PATH_INVALID"),
            (NotesError::Refused { code: "BUSY", source: text("BUSY: later") }, "BUSY"),
            (io(io::ErrorKind::StorageFull), "NO_SPACE"),
            (io(io::ErrorKind::QuotaExceeded), "NO_SPACE"),
            (io(io::ErrorKind::PermissionDenied), "IO"),
        ] {
            assert_eq!(error.code(), code);
            assert!(error.to_string().starts_with(&format!("{code}: ")), "{error}");
            assert_eq!(error.is_unavailable(), code == "NOTES_UNAVAILABLE", "{error}");
        }
    }
}

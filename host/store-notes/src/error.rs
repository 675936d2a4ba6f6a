//! What the store's errors mean for notes.

use std::fmt::Display;

use brio_project::NotesError;
use brio_store::Error;

/// `what` could not be done; `name` is the note, or the notes.
///
/// Whoever cannot ask the store, is refused by it, or finds no project there, knows nothing of
/// its notes: that is [`NotesError::Unavailable`], and never a note that is missing.
pub(crate) fn told(what: impl Display, name: impl Display, e: Error) -> NotesError {
    match e {
        Error::Format { found, known, .. } => NotesError::Format {
            found: found.to_string(),
            known: u32::try_from(known).unwrap_or(u32::MAX),
        },
        Error::Corrupt { .. } | Error::Missing { .. } => {
            NotesError::Corrupt { name: name.to_string(), what: format!("is damaged: {e}") }
        }
        Error::Busy { .. } | Error::Moved { .. } | Error::Input { .. } => {
            NotesError::Refused { code: e.code(), source: Box::new(e) }
        }
        Error::Host { what: host, source } => {
            NotesError::Io { what: format!("could not {what}: {host}"), source }
        }
        e => {
            let what = format!("could not {what}: {e}");
            NotesError::Unavailable { what, source: Some(Box::new(e)) }
        }
    }
}

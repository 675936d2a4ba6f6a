//! The project's notes (feature `project-record`).
//!
//! The run must be granted it: `brio run AGENT --grant project-record`. A note is text under a
//! path such as `plans/next`; it outlives sessions, and its earlier versions are kept. What is
//! written is the session's: others see it when the session lands, and nobody when it is rolled
//! back. No file of the session is a note, nor the other way round.
//!
//! ```no_run
//! use brio_agent::{AgentError, notes};
//!
//! fn remember(what: &str) -> Result<(), AgentError> {
//!     let before = notes::read("plans/next")?;
//!     let (text, version) = before.map_or((String::new(), 0), |note| (note.content, note.version));
//!     // Nothing that others wrote since is lost.
//!     notes::write_if("plans/next", &format!("{text}{what}\n"), version)?;
//!     Ok(())
//! }
//! ```

use crate::bindings::project::brio::core::project_record as wire;
use crate::record::RecordError;

/// A note; `None` when there is none, or it was removed.
///
/// ```no_run
/// if let Some(note) = brio_agent::notes::read("plans/next")? {
///     println!("{}", note.content);
/// }
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
pub fn read(path: &str) -> Result<Option<Note>, RecordError> {
    let note = wire::read_note(path)?;
    Ok(note.map(|note| Note {
        content: note.content,
        version: note.version,
        written_at_ms: note.written_at,
    }))
}

/// Makes or replaces a note of at most 16 MiB; returns its version.
///
/// ```no_run
/// brio_agent::notes::write("plans/next", "the lexer\n")?;
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
pub fn write(path: &str, content: &str) -> Result<u64, RecordError> {
    Ok(wire::write_note(path, content, None)?)
}

/// As [`write`], if the note has this version, and 0 is that of no note; else
/// [`RecordError::Changed`].
///
/// ```no_run
/// let first = brio_agent::notes::write_if("plans/next", "the lexer\n", 0)?;
/// brio_agent::notes::write_if("plans/next", "the parser\n", first)?;
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
pub fn write_if(path: &str, content: &str, version: u64) -> Result<u64, RecordError> {
    Ok(wire::write_note(path, content, Some(version))?)
}

/// The notes whose paths fit a pattern, by the bytes of their paths: `*` is any text without
/// `/`, `**` any text.
///
/// ```no_run
/// for note in brio_agent::notes::list("plans/*")? {
///     println!("{} has version {}", note.path, note.version);
/// }
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
pub fn list(pattern: &str) -> Result<Vec<NoteInfo>, RecordError> {
    let info = |info: wire::NoteInfo| NoteInfo {
        path: info.path,
        version: info.version,
        written_at_ms: info.written_at,
    };
    Ok(wire::list_notes(pattern)?.into_iter().map(info).collect())
}

/// Removes a note; returns the version of its removal, or `None` when there was no such note. Its
/// history stays.
///
/// ```no_run
/// brio_agent::notes::remove("plans/next")?;
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
pub fn remove(path: &str) -> Result<Option<u64>, RecordError> {
    Ok(wire::remove_note(path, None)?)
}

/// As [`remove`], if the note has this version; else [`RecordError::Changed`].
///
/// ```no_run
/// if let Some(note) = brio_agent::notes::read("plans/next")? {
///     brio_agent::notes::remove_if("plans/next", note.version)?;
/// }
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
pub fn remove_if(path: &str, version: u64) -> Result<Option<u64>, RecordError> {
    Ok(wire::remove_note(path, Some(version))?)
}

/// The versions of a note that are kept, newest first, removals among them.
///
/// ```no_run
/// let history = brio_agent::notes::history("plans/next")?;
/// let before = history.into_iter().skip(1).find_map(|version| version.content);
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
pub fn history(path: &str) -> Result<Vec<NoteVersion>, RecordError> {
    let version = |version: wire::NoteVersion| NoteVersion {
        version: version.version,
        written_at_ms: version.written_at,
        origin: version.origin,
        content: version.content,
    };
    Ok(wire::note_history(path)?.into_iter().map(version).collect())
}

/// A note as it was read.
///
/// ```no_run
/// let version = brio_agent::notes::read("plans/next")?.map(|note| note.version);
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its content.
    pub content: String,
    /// Its version: rises with every write and removal, not always by one.
    pub version: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub written_at_ms: u64,
}

/// What a listing tells of a note.
///
/// ```no_run
/// let paths: Vec<String> =
///     brio_agent::notes::list("**")?.into_iter().map(|note| note.path).collect();
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteInfo {
    /// Its path.
    pub path: String,
    /// Its version.
    pub version: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub written_at_ms: u64,
}

/// One version of a note.
///
/// ```no_run
/// let removed =
///     brio_agent::notes::history("plans/next")?.first().is_some_and(|v| v.content.is_none());
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteVersion {
    /// Its number.
    pub version: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub written_at_ms: u64,
    /// Whose write it was, where that is known: a landing, say.
    pub origin: Option<String>,
    /// What was written; `None` where the note was removed.
    pub content: Option<String>,
}

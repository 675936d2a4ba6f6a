//! The notes of a project: texts with names, which survive every session.

use std::ops::ControlFlow;

use brio_host::project::{self, NotePath, Notes, Pattern, Project, WriteOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::project::Whose;
use super::{Does, ToolDef, tool, tool_that_says};
use crate::mcp::desk::{Caller, Desk, MOST_BYTES};
use crate::mcp::failure::Failure;

/// So many notes are listed.
const MOST_LISTED: usize = 5000;
/// Versions that are returned, when nobody says how many and at most.
const VERSIONS: usize = 20;
const MOST_VERSIONS: usize = 1000;

pub(super) fn tools() -> Vec<ToolDef> {
    vec![
        tool_that_says(
            ("read_note", "Read a note"),
            "Reads a note of the project: a text under a name, which survives every session. Its \
             `version` is what write_note takes as `expected_version`. With `session`, as that \
             session sees it.",
            Does::Reads,
            read_note,
            |note| Some(note.content.clone()),
        ),
        tool(
            ("write_note", "Write a note"),
            "Makes `content` the whole content of a note, durably: the project's, at once and \
             whatever becomes of sessions, or with `session` that session's, which lands with its \
             files. The last write wins, unless `expected_version` is given. Earlier versions are \
             kept (note_history).",
            Does::Replaces,
            write_note,
        ),
        tool(
            ("list_notes", "List notes"),
            "Lists the notes of the project, by name, with their versions and times.",
            Does::Reads,
            list_notes,
        ),
        tool(
            ("remove_note", "Remove a note"),
            "Removes a note. Its earlier versions are kept (note_history): to have \
             it again, write one of them.",
            Does::Changes,
            remove_note,
        ),
        tool(
            ("note_history", "List a note's versions"),
            "Lists the versions of a note that are kept, newest first, with their contents; also \
             of a note that was removed.",
            Does::Reads,
            note_history,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadNote {
    /// The note's name, such as plans/next.
    #[serde(alias = "identifier")]
    path: String,
    #[serde(flatten)]
    whose: Whose,
}

#[derive(Serialize, JsonSchema)]
struct Note {
    path: String,
    version: u64,
    /// When this version was written.
    time: String,
    content: String,
}

fn read_note(desk: &Desk, _: &Caller, asked: ReadNote) -> Result<Note, Failure> {
    let path = NotePath::new(asked.path)?;
    let note = note(asked.whose.project(desk)?.notes(), &path)?;
    Ok(Note {
        path: note.path.to_string(),
        version: note.version,
        time: note.at.to_string(),
        content: note.content,
    })
}

/// A note that is there, and no larger than an answer may be.
pub(in crate::mcp) fn note(notes: &dyn Notes, path: &NotePath) -> Result<project::Note, Failure> {
    let note = notes.read(path)?.ok_or_else(|| unknown(path))?;
    if note.content.len() > MOST_BYTES {
        let what = format!("{path}: {} bytes are over {MOST_BYTES}", note.content.len());
        let failure = Failure::new("NOTE_TOO_LARGE", what).path(path.to_string());
        return Err(failure.hint("whoever has the directory reads it with `brio note read`"));
    }
    Ok(note)
}

pub(in crate::mcp) fn unknown(path: &NotePath) -> Failure {
    Failure::typed("NOTE_UNKNOWN", &format_args!("{path}: there is no such note"))
        .path(path.to_string())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteNote {
    /// The note's name, such as plans/next: what is before a slash groups notes.
    #[serde(alias = "identifier")]
    path: String,
    /// What it is to say.
    content: String,
    /// Write only if the note has this version, as read_note tells it; 0: only if there is none.
    expected_version: Option<u64>,
    /// What this write is, such as the id of the event that it is made for: a note takes a write
    /// of one origin once, so that it can be sent again.
    origin: Option<String>,
    #[serde(flatten)]
    whose: Whose,
}

#[derive(Serialize, JsonSchema)]
struct Written {
    path: String,
    /// The version that it has by this.
    version: u64,
}

fn write_note(desk: &Desk, _: &Caller, asked: WriteNote) -> Result<Written, Failure> {
    let path = NotePath::new(asked.path)?;
    if asked.content.len() > MOST_BYTES {
        let what = format!("{path}: {} bytes are over {MOST_BYTES}", asked.content.len());
        let failure = Failure::new("NOTE_TOO_LARGE", what).path(path.to_string());
        return Err(failure.hint("make it smaller, or several notes of it"));
    }
    let WriteNote { content, expected_version, origin, whose, .. } = asked;
    let how = WriteOptions { expected_version, origin };
    let write = |project: &Project| Ok(project.notes().write(&path, &content, &how)?);
    let written = whose.change(desk, (&path, true), write)?;
    Ok(Written { path: path.to_string(), version: written.version })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListNotes {
    /// Only those that fit this glob: `plans/*`, `**/next`; all when left out.
    pattern: Option<String>,
    #[serde(flatten)]
    whose: Whose,
}

#[derive(Serialize, JsonSchema)]
struct List {
    notes: Vec<Listed>,
    /// How many there are beyond those that are listed.
    more: u64,
}

#[derive(Serialize, JsonSchema)]
struct Listed {
    path: String,
    version: u64,
    /// When that version was written.
    time: String,
}

fn list_notes(desk: &Desk, _: &Caller, asked: ListNotes) -> Result<List, Failure> {
    let pattern = asked.pattern.map(|p| Pattern::new(&p)).transpose()?.unwrap_or(Pattern::all());
    let all = asked.whose.project(desk)?.notes().list(&pattern)?;
    let more = all.len().saturating_sub(MOST_LISTED) as u64;
    let notes = all.into_iter().take(MOST_LISTED).map(|note| Listed {
        path: note.path.to_string(),
        version: note.version,
        time: note.at.to_string(),
    });
    Ok(List { notes: notes.collect(), more })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RemoveNote {
    /// The note's name.
    #[serde(alias = "identifier")]
    path: String,
    /// Remove it only if it has this version, as read_note tells it.
    expected_version: Option<u64>,
    #[serde(flatten)]
    whose: Whose,
}

fn remove_note(desk: &Desk, _: &Caller, asked: RemoveNote) -> Result<Written, Failure> {
    let path = NotePath::new(asked.path)?;
    let how = WriteOptions { expected_version: asked.expected_version, origin: None };
    let remove =
        |project: &Project| project.notes().remove(&path, &how)?.ok_or_else(|| unknown(&path));
    let removed = asked.whose.change(desk, (&path, false), remove)?;
    Ok(Written { path: path.to_string(), version: removed.version })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoteHistory {
    /// The note's name.
    #[serde(alias = "identifier")]
    path: String,
    /// At most so many; 20 when left out.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    #[serde(flatten)]
    whose: Whose,
}

#[derive(Serialize, JsonSchema)]
struct History {
    path: String,
    versions: Vec<Version>,
    /// How many older ones there are beyond those that are listed.
    more: u64,
}

#[derive(Serialize, JsonSchema)]
struct Version {
    version: u64,
    time: String,
    /// What the write said of itself; null: nothing.
    origin: Option<String>,
    /// What it said then; null: it was removed.
    content: Option<String>,
}

fn note_history(desk: &Desk, _: &Caller, asked: NoteHistory) -> Result<History, Failure> {
    let path = NotePath::new(asked.path)?;
    let limit = asked.limit.unwrap_or(VERSIONS);
    if limit == 0 || limit > MOST_VERSIONS {
        return Err(Failure::new("USAGE", format!("limit is 1 to {MOST_VERSIONS}")));
    }
    let (mut bytes, mut more, mut versions) = (0, 0, Vec::new());
    let mut see = |v: project::Version| {
        bytes += v.content.as_ref().map_or(0, String::len);
        // The newest is told however large it is: an answer of one note, as others are.
        if versions.is_empty() || (more == 0 && versions.len() < limit && bytes <= MOST_BYTES) {
            let (version, time) = (v.version, v.at.to_string());
            versions.push(Version { version, time, origin: v.origin, content: v.content });
        } else {
            more += 1;
        }
        ControlFlow::Continue(())
    };
    asked.whose.project(desk)?.notes().visit_history(&path, &mut see)?;
    if versions.is_empty() {
        return Err(unknown(&path));
    }
    Ok(History { path: path.to_string(), versions, more })
}

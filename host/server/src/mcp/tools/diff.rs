//! What a session changed.

use brio_host::{Patches, RelPath, SessionHandle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Does, ToolDef, tool_that_says};
use crate::mcp::desk::{Caller, Desk};
use crate::mcp::failure::Failure;
use crate::mcp::json::Changes;

/// Bytes of a diff.
const MOST_TEXT: usize = 1 << 20;

pub(super) fn tools() -> Vec<ToolDef> {
    vec![tool_that_says(
        ("diff", "Show what a session changed"),
        "Shows what a session changed since it began: the paths, a unified diff, and the notes. \
         Binary files, modes and links are said in words. Look at it before `commit`.",
        Does::Reads,
        diff,
        |shown| Some(said(shown)),
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Diff {
    /// The session; a unique beginning of its id is enough.
    session: String,
    /// Only this file, or what is below this directory, relative to the session.
    path: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Shown {
    session: String,
    changes: Changes,
    /// The unified diff.
    diff: String,
    /// Notes that it changed, unless `path` was given.
    notes: Vec<NoteChange>,
    /// The diff has more: show it by `path`.
    truncated: bool,
}

#[derive(Serialize, JsonSchema)]
struct NoteChange {
    path: String,
    /// `written`, `removed`.
    change: &'static str,
}

fn diff(desk: &Desk, _: &Caller, asked: Diff) -> Result<Shown, Failure> {
    let session = desk.session(&asked.session)?;
    let invalid =
        |path: &str| Failure::from(brio_host::FileToolError::InvalidPath(path.to_owned()));
    let path = match asked.path.as_deref().map(|path| path.trim_end_matches('/')) {
        None | Some(".") => RelPath::root(),
        Some(path) => RelPath::new(path).map_err(|_| invalid(path))?,
    };
    let mut set = session.changes()?;
    set.changes.retain(|change| change.path.starts_with(&path));
    let (diff, truncated) = text(&session, &set)?;
    let changes = Changes::from(&set);
    let written = match asked.path {
        None => session.note_changes()?,
        Some(_) => Vec::new(),
    };
    let notes = written.iter().map(|note| NoteChange {
        path: note.path.to_string(),
        change: if note.content.is_some() { "written" } else { "removed" },
    });
    let (session, notes) = (session.id().to_string(), notes.collect());
    Ok(Shown { session, changes, diff, notes, truncated })
}

/// The diff itself, and what is not in it.
fn said(shown: &Shown) -> String {
    let mut text = shown.diff.clone();
    if shown.truncated {
        text.push_str("… the diff goes on: show it by `path`\n");
    }
    for note in &shown.notes {
        text.push_str(&format!("note {} is {}\n", note.path, note.change));
    }
    if text.is_empty() {
        text.push_str("nothing is changed\n");
    }
    text
}

/// The unified diff of all that a session changed.
pub(in crate::mcp) fn patch(session: &SessionHandle) -> Result<(String, bool), Failure> {
    text(session, &session.changes()?)
}

fn text(session: &SessionHandle, set: &brio_host::ChangeSet) -> Result<(String, bool), Failure> {
    let patches = Patches::open(session)?;
    let mut text = String::new();
    for change in &set.changes {
        for line in patches.patch(change)? {
            if text.len() + line.text.len() >= MOST_TEXT {
                return Ok((text, true));
            }
            text.push_str(&String::from_utf8_lossy(&line.text));
            text.push('\n');
        }
    }
    Ok((text, false))
}

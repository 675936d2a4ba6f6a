//! The notes that a landing carries, in `landings/<k>/notes`, and their delivery.

use std::io;
use std::os::fd::AsFd;

use brio_project::{NoteChange, NotePath, NotesError, ProjectError};
use serde::{Deserialize, Serialize};

use super::NotesOptions;
use crate::disk;
use crate::intent::{BadRecord, decode, encode};
use crate::state::State;

/// In `landings/<k>`: the notes that it brings, whole. There if the intent names any.
pub(super) const CARRIED: &[u8] = b"notes";
const MAGIC: &[u8; 8] = b"BRIONOTE";

/// A note that is to be changed.
#[derive(Serialize, Deserialize)]
struct Carried {
    path: String,
    content: Option<String>,
    version: u64,
    base: u64,
}

impl From<&NoteChange> for Carried {
    fn from(change: &NoteChange) -> Self {
        let NoteChange { path, content, version, base } = change;
        let (path, content) = (path.as_str().to_owned(), content.clone());
        Self { path, content, version: *version, base: *base }
    }
}

/// Writes them down. They are durable with what lies beside them.
pub(crate) fn write(state: &State, dir: impl AsFd, changes: &[NoteChange]) -> io::Result<()> {
    let carried: Vec<Carried> = changes.iter().map(Into::into).collect();
    state.disk.write_new(dir, CARRIED, &encode(MAGIC, &carried)?).map(drop)
}

/// Those in a file; `None`: there is none.
pub(super) fn load(dir: impl AsFd, name: &[u8]) -> io::Result<Option<Vec<NoteChange>>> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("its notes {what}"));
    let Some(raw) = disk::read(dir, name)? else { return Ok(None) };
    let carried: Vec<Carried> = decode(MAGIC, &raw).map_err(|e| match e {
        BadRecord::Torn => bad("are damaged"),
        BadRecord::Version(v) => bad(&format!("have format {v}; use a newer brio")),
    })?;
    let change = |Carried { path, content, version, base }: Carried| {
        let path = NotePath::new(path).map_err(|_| bad("are damaged"))?;
        Ok(NoteChange { path, content, version, base })
    };
    carried.into_iter().map(change).collect::<io::Result<_>>().map(Some)
}

/// Delivers the notes of a landing that is durable, before it ends: again after a crash, and no
/// note takes one twice. Where the notes are elsewhere it is seen to that somebody will.
pub(crate) fn deliver(state: &State, landing: u64, dir: impl AsFd) -> io::Result<()> {
    if super::elsewhere(state)? {
        return super::outbox::put(state, landing, dir);
    }
    let missing = || io::Error::new(io::ErrorKind::NotFound, "its notes are missing");
    let changes = load(dir, CARRIED)?.ok_or_else(missing)?;
    deliver_here(state, &changes, &origin(landing))
}

/// Delivers the notes of a session that landed on a project's head, as [`deliver`].
pub(crate) fn land_on_head(
    state: &State,
    changes: &[NoteChange],
    project: &str,
    position: u64,
) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    if super::elsewhere(state)? {
        let carried: Vec<Carried> = changes.iter().map(Into::into).collect();
        return super::outbox::put_of_head(state, project, position, &encode(MAGIC, &carried)?);
    }
    deliver_here(state, changes, &origin_on_head(project, position))
}

fn deliver_here(state: &State, changes: &[NoteChange], origin: &str) -> io::Result<()> {
    let NotesOptions { clock, observer } = &state.options.notes;
    let once = || {
        let to = super::of_domain(state)?;
        brio_project::deliver(changes, &to, origin, *clock, &**observer)
            .map_err(notes_error)
            .map(drop)
    };
    let again = |e: io::Error| {
        if brio_session::is_stop(&e) {
            return Err(e);
        }
        // A full disk, or an error that passes, must not keep a landing from ending.
        state.give_up_reserve();
        let done = once().map_err(host);
        state.restore_reserve();
        done
    };
    once().map_err(host).or_else(again)
}

/// Whose write a landing's is, in the history of a note.
pub(super) fn origin(landing: u64) -> String {
    format!("landing {landing}")
}

/// As [`origin`], of what landed on a project's head.
pub(super) fn origin_on_head(project: &str, position: u64) -> String {
    format!("position {position} of {project}")
}

pub(super) fn notes_error(e: ProjectError) -> NotesError {
    match e {
        ProjectError::Notes(e) => e,
        e => NotesError::Refused { code: e.code(), source: Box::new(e) },
    }
}

fn host(e: NotesError) -> io::Error {
    match e {
        NotesError::Io { source, .. } => source,
        e => io::Error::other(e),
    }
}

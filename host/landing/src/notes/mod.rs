//! Notes of sessions: each layer has a place for its own, `notes/` beside its index, so whatever
//! becomes of the layer becomes of them. A landing carries them to those of the domain.

mod carried;
mod options;
mod outbox;
mod session;
mod undo;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use brio_project::{DirNotes, DirOptions, NoteChange, Notes, NotesError, Overlay};
use cap_std::fs::Dir;

pub(crate) use carried::{deliver, land_on_head, write};
pub use options::NotesOptions;
pub(crate) use outbox::elsewhere;
pub use outbox::{LandedNotes, PendingNotes};
pub use session::SessionNotes;
pub(crate) use session::{Held, refused};
pub(crate) use undo::undo;

use crate::disk;
use crate::look::Look;
use crate::meta::{Layer, Meta, cap, layer_dir};
use crate::state::{NOTES, State};
use crate::{CommitError, HostError};

/// The domain's own, made if they are not there.
pub(crate) fn domain_dir(state: &State) -> io::Result<Dir> {
    match state.disk.mkdir(&state.dir, NOTES, 0o700) {
        Ok(()) => state.disk.sync_dir(&state.dir)?,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    disk::open_dir(&state.dir, NOTES).map(cap)
}

/// The domain's own, opened.
pub(crate) fn of_domain(state: &State) -> Result<DirNotes, NotesError> {
    let dir = domain_dir(state).map_err(|e| failed("open the notes of the base", e))?;
    DirNotes::open(dir, dir_options(state))
}

/// Whether a layer has notes.
pub(crate) fn lie_in(dir: impl AsFd) -> io::Result<bool> {
    Ok(Look::at(dir, NOTES)?.is_some())
}

/// The notes of a session's layers that have some, bottom up.
fn of_layers(state: &State, layers: &[Layer]) -> Result<Vec<DirNotes>, NotesError> {
    let mut all = Vec::new();
    for layer in layers {
        let opened = layer_dir(state, layer).and_then(|dir| disk::open_dir(&dir, NOTES));
        match opened {
            Ok(dir) => all.push(DirNotes::open(cap(dir), dir_options(state))?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(format_args!("open the notes of {}", layer.session), e)),
        }
    }
    Ok(all)
}

/// A layer's notes, made if it has none.
fn in_layer(state: &State, layer: impl AsFd) -> Result<DirNotes, NotesError> {
    let dir = match state.disk.mkdir(&layer, NOTES, 0o700) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => disk::open_dir(&layer, NOTES),
    };
    let dir = dir.map_err(|e| failed("make a place for the session's notes", e))?;
    DirNotes::open(cap(dir), dir_options(state))
}

/// What a stack of layers shows over `below`.
fn stacked(
    state: &State,
    below: Arc<dyn Notes>,
    layers: &[Layer],
) -> Result<Arc<dyn Notes>, NotesError> {
    let own = of_layers(state, layers)?;
    Ok(own.into_iter().fold(below, |below, own| Arc::new(Overlay::new(below, own))))
}

/// What the notes of a session's own layers are to change.
pub(crate) fn changes(state: &State, m: &Meta) -> Result<Vec<NoteChange>, NotesError> {
    brio_project::changes(&of_layers(state, &m.layers[m.inherited..])?)
}

/// Puts a session's notes into a fresh layer that takes the place of its own ones.
pub(crate) fn carry(
    state: &State,
    changes: &[NoteChange],
    fresh: &Layer,
) -> Result<(), CommitError> {
    if changes.is_empty() {
        return Ok(());
    }
    let dir = layer_dir(state, fresh).map_err(|e| HostError::new(&fresh.session, e))?;
    Ok(brio_project::carry(changes, &in_layer(state, &dir)?)?)
}

/// Lands the notes of a child in its parent, whose new upper is `upper`: nobody sees it yet. Its
/// layers will lie above all that the parent has, so only what both wrote is to be settled, as
/// notes are: the last write wins, under a version above both.
pub(crate) fn land_in_parent(
    state: &State,
    ours: &[NoteChange],
    (child, parent): (&Meta, &Meta),
    upper: impl AsFd,
) -> Result<(), CommitError> {
    if ours.is_empty() {
        return Ok(());
    }
    let theirs = of_layers(state, &parent.layers[child.inherited..])?;
    let theirs = brio_project::changes(&theirs)?;
    let both = ours.iter().filter(|ours| theirs.iter().any(|theirs| theirs.path == ours.path));
    let both: Vec<NoteChange> = both.cloned().collect();
    if both.is_empty() {
        return Ok(());
    }
    let below: Arc<dyn Notes> = Arc::new(of_domain(state)?);
    let seen = stacked(state, below, &parent.layers)?;
    let to = Overlay::new(seen.clone(), in_layer(state, upper)?);
    let origin = format!("landing of {}", child.id);
    let NotesOptions { clock, observer } = &state.options.notes;
    let delivered = brio_project::deliver(&both, &to, &origin, *clock, &**observer)
        .map_err(carried::notes_error)?;
    // Who gave way must not be hidden by the child's layers all the same.
    for yielded in delivered.iter().filter(|d| d.written.is_none()) {
        if let Some(note) = seen.read(&yielded.path)? {
            to.write(&note.path, &note.content, &Default::default())?;
        }
    }
    Ok(())
}

fn dir_options(state: &State) -> DirOptions {
    DirOptions { door: state.disk.0.clone(), ..DirOptions::new(state.options.notes.clock) }
}

fn failed(what: impl std::fmt::Display, source: io::Error) -> NotesError {
    NotesError::Io { what: format!("could not {what}"), source }
}

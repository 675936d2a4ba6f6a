//! The notes of one session, as everybody reads and writes them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use brio_project::{
    Note, NoteInfo, NotePath, Notes, NotesError, Overlay, Pattern, See, Version, WriteOptions,
    Written,
};

use super::{in_layer, stacked};
use crate::lease::{Ask, Hold, Lease};
use crate::meta::{self, Meta, layer_dir};
use crate::state::State;
use crate::{LeaseError, SessionError, SessionId};

/// A session's notes: what it wrote, over those of its parent and of the project. What is written
/// is seen in the session at once, by others when it lands, by nobody if it is rolled back; a
/// checkpoint has them, and a child sees its parent's as they were when it began.
///
/// *Atomic and durable* as [`DirNotes`](brio_project::DirNotes). A landing delivers them with its
/// files; of two that land the same note, and of one that was written outside meanwhile, the last
/// wins.
#[derive(Clone)]
pub struct SessionNotes {
    state: Arc<State>,
    id: SessionId,
    below: Arc<dyn Notes>,
    right: Right,
}

/// What a write needs.
#[derive(Clone)]
enum Right {
    /// The session's lease, taken for each.
    Asked,
    /// A writer that holds it.
    Held(Arc<Held>),
}

/// A writer's lease, as long as it lives, for one change of the session's stack at a time.
pub(crate) struct Held(Mutex<bool>);

impl Default for Held {
    fn default() -> Self {
        Self(Mutex::new(true))
    }
}

impl Held {
    /// Keeps every other change of the stack out. False: the lease is given back.
    pub(crate) fn alone(&self) -> MutexGuard<'_, bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody may write by it any more.
    pub(crate) fn end(&self) {
        *self.alone() = false;
    }
}

impl SessionNotes {
    /// Those of a session; each write takes its lease.
    pub(crate) fn asking(state: Arc<State>, id: SessionId, below: Arc<dyn Notes>) -> Self {
        Self { state, id, below, right: Right::Asked }
    }

    /// Those of a session that somebody writes in.
    pub(crate) fn held(
        state: Arc<State>,
        id: SessionId,
        below: Arc<dyn Notes>,
        held: Arc<Held>,
    ) -> Self {
        Self { state, id, below, right: Right::Held(held) }
    }

    fn meta(&self) -> Result<Meta, NotesError> {
        meta::load_open(&self.state, &self.id).map_err(refused)
    }

    /// A stack whose layers went while it was looked at is another one now.
    fn look<T>(&self, f: impl Fn(&dyn Notes) -> Result<T, NotesError>) -> Result<T, NotesError> {
        let mut m = self.meta()?;
        loop {
            let seen = stacked(&self.state, self.below.clone(), &m.layers).and_then(|n| f(&*n));
            let now = self.meta()?;
            if now.layers == m.layers {
                return seen;
            }
            m = now;
        }
    }

    fn change<T>(
        &self,
        f: impl FnOnce(&dyn Notes) -> Result<T, NotesError>,
    ) -> Result<T, NotesError> {
        let (_lease, _alone);
        match &self.right {
            Right::Asked => {
                let hold = Hold::Brief("note");
                _lease = Lease::take(&self.state, &self.id, Ask::Refuse, hold)
                    .map_err(|e| refused_by(e.code(), e))?;
            }
            Right::Held(held) => {
                _alone = held.alone();
                if !*_alone {
                    let e = LeaseError::Gone { id: self.id.clone() };
                    return Err(refused_by(e.code(), e));
                }
            }
        }
        let m = self.meta()?;
        let (upper, below) = match m.layers.split_last() {
            Some((upper, below)) => (upper, below),
            None => {
                return Err(super::failed(
                    "find the session's layers",
                    std::io::ErrorKind::NotFound.into(),
                ));
            }
        };
        let dir = layer_dir(&self.state, upper)
            .map_err(|e| super::failed(format_args!("open {}", self.id), e))?;
        let below = stacked(&self.state, self.below.clone(), below)?;
        f(&Overlay::new(below, in_layer(&self.state, &dir)?))
    }
}

pub(crate) fn refused(e: SessionError) -> NotesError {
    refused_by(e.code(), e)
}

fn refused_by(code: &'static str, e: impl std::error::Error + Send + Sync + 'static) -> NotesError {
    NotesError::Refused { code, source: Box::new(e) }
}

impl Notes for SessionNotes {
    fn read(&self, path: &NotePath) -> Result<Option<Note>, NotesError> {
        self.look(|notes| notes.read(path))
    }

    fn write(
        &self,
        path: &NotePath,
        content: &str,
        how: &WriteOptions,
    ) -> Result<Written, NotesError> {
        self.change(|notes| notes.write(path, content, how))
    }

    fn modify(
        &self,
        path: &NotePath,
        origin: Option<&str>,
        make: &mut brio_project::Make<'_>,
    ) -> Result<Written, NotesError> {
        self.change(|notes| notes.modify(path, origin, make))
    }

    fn list(&self, pattern: &Pattern) -> Result<Vec<NoteInfo>, NotesError> {
        self.look(|notes| notes.list(pattern))
    }

    fn remove(&self, path: &NotePath, how: &WriteOptions) -> Result<Option<Written>, NotesError> {
        self.change(|notes| notes.remove(path, how))
    }

    fn history(&self, path: &NotePath) -> Result<Vec<Version>, NotesError> {
        self.look(|notes| notes.history(path))
    }

    fn visit_history(&self, path: &NotePath, see: &mut See<'_>) -> Result<(), NotesError> {
        stacked(&self.state, self.below.clone(), &self.meta()?.layers)?.visit_history(path, see)
    }
}

//! A session that has something in it before anybody can see it: one that was pushed from another
//! machine is opened here.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use brio_session::{FsResult, View, ViewOptions};

use crate::begin::{self, New};
use crate::errors::Doing;
use crate::lower::Staging;
use crate::meta::{META, cap};
use crate::state::State;
use crate::{
    BeginError, BeginOptions, Isolation, Session, SessionError, SessionId, WantedLower, journal,
    layers, manifest, meta, words,
};

/// Where it is made in its staging directory.
const MADE: &[u8] = b"session";

/// See [`Domain::begin_filled`](crate::Domain::begin_filled).
pub(crate) fn begin(
    state: &Arc<State>,
    options: &BeginOptions,
    id: Option<SessionId>,
    fill: impl FnOnce(&View) -> FsResult<()>,
) -> Result<Session, BeginError> {
    let WantedLower::Tree(tree) = &options.lower.wanted else { return Err(BeginError::NotOnTree) };
    if options.parent.is_some() {
        return Err(BeginError::NotOnTree);
    }
    let lower = begin::tree_lower(state, options, tree)?;
    let id = match id {
        Some(id) => {
            free(state, &id)?;
            id
        }
        None => SessionId::random().doing("random bytes")?,
    };
    // It may take long to fill, so no lock is held: it lies where nobody sweeps it meanwhile.
    let staging = Staging::make(state).doing("staging")?;
    let landing = state.seq.get().doing("the landing sequence")?.landing();
    let new = New { landing, dirs: Vec::new(), options, parent: None, lower, undo_of: None };
    let (dir, mut m) = begin::fill(state, &new, &id, &staging.dir, MADE)?;
    let failed = |source| BeginError::View { id: id.clone(), source };
    let base = layers::base(state, &m).map_err(failed)?;
    let track_reads = m.isolation == Isolation::Serializable;
    let view = View::open(
        cap(dir.try_clone().doing(&id)?),
        layers::below(base, track_reads),
        ViewOptions {
            vcs: true,
            track_reads,
            door: state.disk.0.clone(),
            ..ViewOptions::default()
        },
    )
    .map_err(failed)?;
    view.unnoted(|| fill(&view)).map_err(failed)?;
    m.clean = true;
    let raw = serde_json::to_vec(&m).doing(&id)?;
    state.disk.replace(dir.as_fd(), META, &raw, true).doing(&id)?;
    view.sync().map_err(failed)?;
    words::carry(state, &id, &options.words)?;
    publish(state, &staging, &id)?;
    begin::tell(state, &id, options);
    if let Err(e) = manifest::write(state, &m, &view, || false) {
        tracing::warn!("the manifest of {id} was not written: {e}");
    }
    view.end();
    Ok(Session::new(state.clone(), id))
}

/// Gives it its name, durably.
fn publish(state: &State, staging: &Staging<'_>, id: &SessionId) -> Result<(), BeginError> {
    let (disk, name) = (&state.disk, id.as_str().as_bytes());
    let _lock = state.shared()?;
    let named = disk.rename_noreplace(&staging.dir, MADE, &state.sessions, name);
    let made = match named {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BeginError::Exists { id: id.clone(), why: "it is open" });
        }
        named => named.and_then(|()| disk.sync_dir(&state.sessions)),
    };
    if made.is_err() {
        // It may have been done although it failed.
        let _ = disk.rename_noreplace(&state.sessions, name, &staging.dir, MADE);
    }
    Ok(made.doing(id)?)
}

/// Whether a session may have this id.
fn free(state: &State, id: &SessionId) -> Result<(), BeginError> {
    let taken = |why| Err(BeginError::Exists { id: id.clone(), why });
    match meta::dir(state, id) {
        Ok(_) => return taken("it is open"),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(crate::HostError::new(id, e).into()),
    }
    // What landed under it is told apart by it.
    if let SessionError::Ended { state: crate::State::Landed, .. } = journal::ended(state, id) {
        return taken("it has landed here");
    }
    state.disk.remove_tree(&state.trash, id.as_str().as_bytes()).doing(id)?;
    Ok(())
}

//! The end of a session whose changes landed on the head of a project: there they are done, and
//! here it is over, with all that a landing leaves.
//!
//! `elsewhere/<id>` is the word that it is over, whatever of it is still there: it is durable
//! before anything goes, and goes when all of that is durable. Who finds it finishes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use brio_project::NotePath;
use brio_session::{Time, View, is_stop};
use serde::{Deserialize, Serialize};

use crate::commit::admit;
use crate::errors::Doing;
use crate::finish::{discard, empty_trash};
use crate::lock::Lock;
use crate::look::Look;
use crate::onto_tree::stands_on;
use crate::state::State;
use crate::{
    CommitError, CommitOptions, Isolation, SessionError, SessionId, TreeInfo, disk, gc, meta,
    notes, recover,
};

const ELSEWHERE: &[u8] = b"elsewhere";
const FORMAT: u32 = 1;

/// Where the changes of a session landed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// The position of the project's head that they are.
    pub position: u64,
    /// The tree that it has there: `sha256:` and 64 lower-case hexadecimal digits.
    pub tree: String,
    /// For the journal.
    pub message: Option<String>,
    /// The machine went down before the session was synced, and it landed all the same.
    pub accept_unclean: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    format: u32,
    session: SessionId,
    project: String,
    position: u64,
    tree: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    time: Time,
}

fn at(id: &SessionId) -> Vec<u8> {
    [ELSEWHERE, b"/", id.as_str().as_bytes()].concat()
}

/// Whether a session landed elsewhere, though its directory may still be there.
pub(crate) fn is_over(state: &State, id: &SessionId) -> io::Result<bool> {
    Ok(Look::at(&state.dir, &at(id))?.is_some())
}

fn load(state: &State, id: &SessionId) -> Result<Option<Record>, SessionError> {
    let Some(dir) = open(state).doing(id)? else { return Ok(None) };
    let Some(raw) = disk::read(&dir, id.as_str().as_bytes()).doing(id)? else { return Ok(None) };
    let bad = |what: String| SessionError::Corrupt { id: id.clone(), what };
    let record: Record =
        serde_json::from_slice(&raw).map_err(|e| bad(format!("the record of its landing: {e}")))?;
    match record.format {
        FORMAT => Ok(Some(record)),
        format => Err(bad(format!("the record of its landing has format {format}"))),
    }
}

fn open(state: &State) -> io::Result<Option<OwnedFd>> {
    match disk::open_dir(&state.dir, ELSEWHERE) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        dir => dir.map(Some),
    }
}

fn store(state: &State, record: &Record) -> io::Result<()> {
    let dir = match open(state)? {
        Some(dir) => dir,
        None => {
            match state.disk.mkdir(&state.dir, ELSEWHERE, 0o700) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                _ => state.disk.sync_dir(&state.dir)?,
            }
            disk::open_dir(&state.dir, ELSEWHERE)?
        }
    };
    let (name, raw) = (record.session.as_str().as_bytes(), serde_json::to_vec(record)?);
    match state.disk.replace(dir.as_fd(), name, &raw, true) {
        // It may be there although that was reported as failed.
        Err(e) if !is_stop(&e) && disk::read(&dir, name)?.as_deref() == Some(&raw) => {
            state.disk.sync_dir(&dir)
        }
        done => done,
    }
}

/// Whether a session may be landed on the head at all.
pub(crate) fn may_land(
    state: &Arc<State>,
    id: &SessionId,
    accept_unclean: bool,
) -> Result<(), CommitError> {
    let m = meta::load_open(state, id)?;
    stands_on(&m)?;
    // What it read is validated where it lands.
    let isolation = Some(Isolation::Snapshot);
    admit(state, &m, &CommitOptions { accept_unclean, isolation, ..CommitOptions::default() })
}

/// See [`Writer::land_elsewhere`](crate::Writer::land_elsewhere).
pub(crate) fn land(
    state: &Arc<State>,
    id: &SessionId,
    live: &View,
    to: &Elsewhere,
) -> Result<Vec<NotePath>, CommitError> {
    let known = load(state, id)?.filter(|r| (r.position, &r.tree) == (to.position, &to.tree));
    let (record, lock) = match known {
        Some(record) => (record, state.exclusive()?),
        None => {
            may_land(state, id, to.accept_unclean)?;
            let m = meta::load_open(state, id)?;
            let tree = TreeInfo { tree: to.tree.clone(), ..stands_on(&m)?.clone() };
            if let Some(why) = tree.fault() {
                return Err(CommitError::Tree { session: id.clone(), tree: Box::new(tree), why });
            }
            let record = Record {
                format: FORMAT,
                session: id.clone(),
                project: tree.project,
                position: to.position,
                tree: tree.tree,
                message: to.message.clone(),
                time: state.now(),
            };
            let gate = live.gate();
            let lock = state.exclusive()?;
            recover::settle(state, &lock).map_err(Box::new)?;
            let stored = store(state, &record);
            // It is over as soon as the record is there.
            if stored.is_ok() || is_over(state, id).unwrap_or(true) {
                gate.end();
            }
            stored.doing(id)?;
            (record, lock)
        }
    };
    let delivered = finish(state, &record, &lock)?;
    if let Err(e) = gc::collect(state, &lock) {
        tracing::warn!("gc: {e}");
    }
    drop(lock);
    if let Err(e) = empty_trash(state) {
        tracing::warn!("trash was not emptied: {e}");
    }
    Ok(delivered)
}

/// Does what is left to do, in an order in which any of it may be done again. Gives the notes
/// that were delivered.
fn finish(state: &State, record: &Record, _lock: &Lock) -> Result<Vec<NotePath>, CommitError> {
    let id = &record.session;
    let mut delivered = Vec::new();
    let mut line = state.entry("landed", Some(id));
    line.detail = Some(serde_json::json!({
        "project": record.project, "position": record.position, "tree": record.tree,
        "message": record.message,
    }));
    match meta::load(state, id) {
        Ok(m) => {
            let changes = notes::changes(state, &m)?;
            notes::land_on_head(state, &changes, &record.project, record.position).doing(id)?;
            delivered.extend(changes.into_iter().map(|change| change.path));
            let d = m.metadata;
            (line.goal, line.agent, line.task_id) = (d.goal, d.agent, d.task_id);
            state.write_journal(&line).doing("the journal")?;
            discard(state, id).doing(id)?;
        }
        // A crash came after its directory went; the line may have been lost.
        Err(SessionError::Unknown { .. }) => state.write_journal(&line).doing("the journal")?,
        Err(SessionError::Ended { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    state.disk.sync_fs(&state.sessions).doing(id)?;
    match state.disk.unlink(&state.dir, &at(id)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).doing(id)?,
        _ => {}
    }
    Ok(delivered)
}

/// Finishes what others left. Costs a look where there is nothing.
pub(crate) fn settle(state: &State) -> Result<(), CommitError> {
    let Some(dir) = open(state).doing("landings on the head")? else { return Ok(()) };
    let names = disk::names(&dir).doing("landings on the head")?;
    let ids = names.into_iter().filter_map(|n| String::from_utf8(n).ok()?.parse().ok());
    let ids: Vec<SessionId> = ids.collect();
    if ids.is_empty() {
        return Ok(());
    }
    let lock = state.exclusive()?;
    for id in ids {
        // Who was about to may have finished by now.
        if let Some(record) = load(state, &id)? {
            finish(state, &record, &lock)?;
        }
    }
    Ok(())
}

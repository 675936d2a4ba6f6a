//! Sessions begun, landed, thrown away, shown and listed.

use std::path::Path;

use brio_host::{
    BeginOptions, ChangeKind, CommitOptions, Conflict, ListFilter, LowerInfo, Metadata,
    RegistryError, SessionHandle, SessionRow,
};

use prost::Message as _;

use super::desk::{Caller, Desk, stopped};
use super::fault::Fault;
use super::{convert, proto};
use crate::waiting::{ended_by_hand, of_task};

/// Characters of a goal or a message, and of a text at length.
const LONGEST_LINE: usize = 4096;
pub(super) const LONGEST_TEXT: usize = 65_536;
/// Sessions of a page, where nobody says, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 500;
/// Bytes of a page, but for a first session that has more: clients take 4 MiB.
const LONGEST_LIST: usize = 2 << 20;
/// Conflicts that are told of a session.
pub(super) const MOST_CONFLICTS: usize = 1000;
/// What a session's agent is called when its client has no name.
const NAMELESS: &str = "grpc";

/// A text that is not longer than it may be.
pub(super) fn bounded(text: String, what: &str, most: usize) -> Result<Option<String>, Fault> {
    if text.chars().count() > most {
        return Err(Fault::usage(format!("{what} has over {most} characters; say it shorter")));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// The tree that a session stands on; empty: none.
fn tree(lower: &LowerInfo) -> String {
    lower.tree().map(|tree| tree.tree.clone()).unwrap_or_default()
}

pub(super) fn start(
    desk: &Desk,
    caller: &Caller,
    asked: proto::StartSessionRequest,
) -> Result<(Begun, proto::StartSessionResponse), Fault> {
    let goal = bounded(asked.goal, "goal", LONGEST_LINE)?;
    if goal.is_none() {
        return Err(Fault::usage("goal is empty; say in a line what the session is to achieve"));
    }
    let description = asked.description.unwrap_or_default();
    let description = bounded(description, "description", LONGEST_TEXT)?;
    let base = desk.base(&asked.project_id)?;
    let agent = Some(caller.client.clone().unwrap_or_else(|| NAMELESS.to_owned()));
    let metadata = Metadata { goal, description, agent, ..Metadata::default() };
    let options = BeginOptions { metadata, ..BeginOptions::default() };
    let session = desk.brio.begin_with(&base, options)?;
    let (session_id, nfs_export_path) = (session.id().to_string(), desk.export(&session));
    let begun = Begun(Some(session.clone()));
    let record = session.record()?;
    if caller.stop.is_stopped() {
        return Err(stopped());
    }
    let base_tree_hash = tree(&record.lower);
    let told = proto::StartSessionResponse { session_id, nfs_export_path, base_tree_hash };
    Ok((begun, told))
}

/// A session that nobody knows the id of, so that nobody could end it: dropped, it is rolled back.
pub(super) struct Begun(Option<SessionHandle>);

impl Begun {
    /// Its client is told.
    pub(super) fn told(mut self) {
        self.0 = None;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let Some(session) = self.0.take() else { return };
        // Whoever drops it may be none that can wait.
        std::thread::spawn(move || {
            if let Err(error) = session.rollback(false) {
                tracing::warn!(session = %session.id(), %error, "begun for nobody, and still there");
            }
        });
    }
}

/// The answer, and how many changes there are beyond those that are in it.
pub(super) fn land(
    desk: &Desk,
    asked: proto::LandSessionRequest,
) -> Result<(proto::LandSessionResponse, u64), Fault> {
    let message = bounded(asked.commit_message, "commit_message", LONGEST_LINE)?;
    let session = desk.session(&asked.session_id)?;
    let of_task = of_task(&session);
    let landed = session
        .commit(CommitOptions { message, ..CommitOptions::default() })
        .map_err(|e| Fault::from(e).about(session.id().as_str()))?;
    ended_by_hand(&desk.brio, &session, of_task);
    for warning in &landed.warnings {
        tracing::warn!(session = %session.id(), "{warning}");
    }
    let (changes, more) = convert::changes(&landed.changes);
    let answer = proto::LandSessionResponse {
        new_tree_hash: landed.head.as_ref().map(|h| h.tree.tree.clone()).unwrap_or_default(),
        landed_commit: landed.landing.map(|n| n.to_string()).unwrap_or_default(),
        changes,
    };
    Ok((answer, more))
}

pub(super) fn rollback(
    desk: &Desk,
    asked: proto::RollbackSessionRequest,
) -> Result<proto::RollbackSessionResponse, Fault> {
    let session = desk.session(&asked.session_id)?;
    let of_task = of_task(&session);
    let about = |e| Fault::from(e).about(session.id().as_str());
    let (done, children) = match asked.cascade {
        true => session.rollback_cascade(false).map_err(about)?,
        false => (session.rollback(false).map_err(about)?, Vec::new()),
    };
    ended_by_hand(&desk.brio, &session, of_task);
    Ok(proto::RollbackSessionResponse {
        session_id: session.id().to_string(),
        children: children.iter().map(ToString::to_string).collect(),
        bytes_freed: done.bytes_freed,
    })
}

pub(super) fn get(
    desk: &Desk,
    asked: proto::GetSessionRequest,
) -> Result<proto::GetSessionResponse, Fault> {
    let session = desk.session(&asked.session_id)?;
    let (row, info) = (session.row()?, session.info()?);
    let changes = session.changes()?;
    let of_kind = |wanted: &dyn Fn(ChangeKind) -> bool| {
        changes.changes.iter().filter(|change| wanted(change.kind)).count() as u64
    };
    let (added, removed) =
        (of_kind(&|k| k == ChangeKind::Added), of_kind(&|k| k == ChangeKind::Removed));
    let conflicts: Option<Vec<Conflict>> = session.conflicts().ok();
    let conflicts_known = conflicts.is_some();
    let conflicts = conflicts.unwrap_or_default();
    Ok(proto::GetSessionResponse {
        session: Some(desk.told(&row)),
        description: info.description.clone().unwrap_or_default(),
        base_tree_hash: tree(&info.lower),
        base_position: info.lower.tree().map_or(info.landing, |tree| tree.position),
        nfs_export_path: desk.export(&session),
        run: convert::run(info.lease).into(),
        used_at_ms: convert::millis(info.used_at),
        children: info.children.iter().map(ToString::to_string).collect(),
        added,
        modified: changes.changes.len() as u64 - added - removed,
        removed,
        conflicts: conflicts.iter().take(MOST_CONFLICTS).map(convert::conflict).collect(),
        more_conflicts: conflicts.len().saturating_sub(MOST_CONFLICTS) as u64,
        conflicts_known,
    })
}

/// The sessions that are open and may be shown, as the index and the domains know them.
pub(super) fn open(desk: &Desk, base: Option<&Path>) -> Result<Vec<SessionRow>, RegistryError> {
    let filter = ListFilter { base: base.map(Path::to_owned), ended: false };
    let mut rows = desk.brio.sessions(&filter)?;
    rows.retain(|row| desk.may_use(&row.base));
    rows.sort_by(|a, b| key(a).cmp(&key(b)));
    Ok(rows)
}

/// Where a session is in the list: a list goes on there, whatever came and went meanwhile.
fn key(row: &SessionRow) -> (i64, &str) {
    (row.created_at, &row.id)
}

pub(super) fn list(
    desk: &Desk,
    asked: proto::ListSessionsRequest,
) -> Result<proto::ListSessionsResponse, Fault> {
    let size = match usize::try_from(asked.page_size) {
        Ok(0) => PAGE,
        Ok(size) => size.min(LONGEST_PAGE),
        Err(_) => return Err(Fault::usage("page_size is below 0; leave it out, or give a number")),
    };
    let after = match asked.page_token.as_str() {
        "" => None,
        token => Some(place(token).ok_or_else(|| {
            Fault::usage("page_token is none of this server; give the one of the answer before")
        })?),
    };
    let base = match asked.project_id.as_str() {
        "" => None,
        project => Some(desk.base(project)?),
    };
    let mut rows = open(desk, base.as_deref())?;
    if let Some((at, id)) = after {
        rows.retain(|row| key(row) > (at, id));
    }
    let (mut sessions, mut room) = (Vec::new(), LONGEST_LIST);
    for row in rows.iter().take(size) {
        let told = desk.told(row);
        let bytes = told.encoded_len();
        if bytes > room && !sessions.is_empty() {
            break;
        }
        room = room.saturating_sub(bytes);
        sessions.push(told);
    }
    let last = rows[..sessions.len()].last().filter(|_| sessions.len() < rows.len());
    let next_page_token = last.map(|r| format!("{}.{}", r.created_at, r.id)).unwrap_or_default();
    Ok(proto::ListSessionsResponse { next_page_token, sessions })
}

fn place(token: &str) -> Option<(i64, &str)> {
    let (at, id) = token.split_once('.')?;
    Some((at.parse().ok()?, id))
}

//! The sessions of one run: its own, and those that its guest may begin.

mod answers;
mod record;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use brio_landing::{BeginOptions, CommitOptions, Decision, Metadata, SessionId, State, Writer};
use brio_runtime::{
    Files, SessionCheckpoint, SessionDecision, SessionMetadata, SessionStatus, Sessions,
    SessionsCode, SessionsError,
};
use brio_session::{ChangeSet, RelPath, ViewOptions};

use crate::observe::WatchedLanding;
use crate::{Grants, SessionHandle};
use answers::*;
pub(crate) use record::GuestRecords;

/// How many sessions one run may hold open: each costs descriptors of the host.
const MOST: usize = 64;
/// How much one run may write to the journal, which is kept for good.
const MOST_LINES: usize = 4096;
const MOST_BYTES: usize = 1 << 20;

/// Implements the runtime's [`Sessions`] over the landing core.
pub(crate) struct GuestSessions {
    own: SessionHandle,
    /// Whether the guest may begin sessions. Without, it may only look at its own.
    granted: bool,
    vcs: bool,
    writer: Arc<Writer>,
    task_id: String,
    /// Who speaks in the journal.
    agent: String,
    said: Mutex<Said>,
    children: Mutex<HashMap<SessionId, Child>>,
}

/// What one run has written to the journal.
#[derive(Default)]
struct Said {
    lines: usize,
    bytes: usize,
}

struct Child {
    session: SessionHandle,
    /// `None` once it has ended.
    writer: Option<Arc<Writer>>,
    parent: Option<SessionId>,
    /// The directory it was begun on, in its parent.
    path: RelPath,
    ended: Option<State>,
    metadata: SessionMetadata,
}

impl GuestSessions {
    pub(crate) fn new(
        own: SessionHandle,
        writer: Arc<Writer>,
        task_id: String,
        agent: &str,
        grants: Grants,
    ) -> Self {
        let Grants { session_fs: granted, vcs, .. } = grants;
        let (agent, said) = (agent.to_owned(), Mutex::default());
        Self { own, granted, vcs, writer, task_id, agent, said, children: Mutex::default() }
    }

    /// Rolls back what the guest began and did not end: a session never outlives its run
    /// unless its parent has it.
    pub(crate) fn end(&self) {
        let mut children = self.children();
        // A child's child first: a session with an open child cannot be rolled back.
        while let Some(id) = leaf(&children) {
            let Some(child) = children.get_mut(&id) else { break };
            self.release(child.writer.take());
            child.ended = Some(State::RolledBack);
            if let Err(error) = child.session.rollback(false) {
                tracing::warn!(session = %id, %error, "a guest's session could not be rolled back");
            }
        }
    }

    /// Of a child's view: what is written there is what the run writes.
    fn options(&self) -> ViewOptions {
        let (limits, account) = self.writer.view().limits();
        ViewOptions { vcs: self.vcs, limits, account, ..ViewOptions::default() }
    }

    /// Before a child is thrown away: what it read is part of what its parent did.
    fn release(&self, writer: Option<Arc<Writer>>) {
        if let Some(writer) = writer
            && writer.view().tracks_reads()
        {
            finish(writer);
        }
    }

    fn children(&self) -> MutexGuard<'_, HashMap<SessionId, Child>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer_of(
        &self,
        children: &HashMap<SessionId, Child>,
        id: Option<&SessionId>,
    ) -> Result<Arc<Writer>, SessionsError> {
        match id {
            None => Ok(self.writer.clone()),
            Some(id) if id == self.own.id() => Ok(self.writer.clone()),
            Some(id) => {
                let child = children.get(id).ok_or_else(|| unknown(id.as_str()))?;
                child.writer.clone().ok_or_else(|| ended(id.as_str()))
            }
        }
    }

    fn own_child(&self, id: &str) -> Result<SessionId, SessionsError> {
        let id: SessionId = id.parse().map_err(|_| unknown(id))?;
        if &id == self.own.id() {
            let why = format!("{id} is the run's own session; the supervisor ends it");
            return Err(SessionsError::new(SessionsCode::NotPermitted, why));
        }
        Ok(id)
    }
}

impl Sessions for GuestSessions {
    fn begin(
        &self,
        parent: Option<&str>,
        path: &RelPath,
    ) -> Result<(String, Files), SessionsError> {
        if !self.granted {
            let why = "sessions were not granted (--grant session-fs)";
            return Err(SessionsError::new(SessionsCode::NotPermitted, why));
        }
        let mut children = self.children();
        if children.values().filter(|c| c.ended.is_none()).count() >= MOST {
            let why = format!("{MOST} sessions are open; end one first");
            return Err(SessionsError::new(SessionsCode::Limit, why));
        }
        let parent = parent.map(|p| p.parse().map_err(|_| unknown(p))).transpose()?;
        let writer = self.writer_of(&children, parent.as_ref())?;
        let parent_id = parent.clone().unwrap_or_else(|| self.own.id().clone());
        let info = self.own.info().map_err(|e| session_error(&e))?;
        let (goal, agent, task_id) = (info.goal, info.agent, info.task_id);
        let metadata = Metadata { goal, agent, task_id, ..Metadata::default() };
        let options = BeginOptions {
            subdir: info.subdir,
            parent: Some(parent_id.clone()),
            metadata,
            ..BeginOptions::default()
        };
        let begun = writer.begin_child(options).map_err(|e| begin_error(&e))?;
        let session = self.own.brio().begun(self.own.domain().clone(), begun.id().clone());
        let opened = session
            .writer("guest session", self.options())
            .map_err(|e| lease_error(&e))
            .and_then(|w| {
                let view = crate::run::rooted(w.view(), path).map_err(|e| fs_error(path, e))?;
                Ok((w, view))
            });
        let (child_writer, view) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                let _ = session.rollback(false);
                return Err(e);
            }
        };
        let metadata = match session.info() {
            Ok(info) => metadata_of(&info),
            Err(e) => return Err(session_error(&e)),
        };
        let id = begun.id().clone();
        children.insert(
            id.clone(),
            Child {
                session,
                writer: Some(Arc::new(child_writer)),
                parent: Some(parent_id),
                path: path.clone(),
                ended: None,
                metadata,
            },
        );
        Ok((id.to_string(), view.into()))
    }

    fn commit(&self, id: &str) -> Result<(), SessionsError> {
        let id = self.own_child(id)?;
        let mut children = self.children();
        let parent = children.get(&id).ok_or_else(|| unknown(id.as_str()))?.parent.clone();
        let into = self.writer_of(&children, parent.as_ref())?;
        let child = children.get_mut(&id).ok_or_else(|| unknown(id.as_str()))?;
        // The lease ends with the writer: a commit takes it for itself.
        let writer = child.writer.take().ok_or_else(|| ended(id.as_str()))?;
        finish(writer);
        let base = child.session.base().unwrap_or_default();
        let watched = WatchedLanding::commit(&child.session, &base);
        let done = into.commit_child(&id, CommitOptions::default());
        watched.ended(&done);
        match done {
            Ok(_) => {
                child.ended = Some(State::Landed);
                child.session.index_ended("landed");
                Ok(())
            }
            Err(e) => {
                // Still open; the guest may roll it back, or look at it.
                let again = child.session.writer("guest session", self.options());
                child.writer = again.ok().map(Arc::new);
                Err(commit_error(&e))
            }
        }
    }

    fn rollback(&self, id: &str) -> Result<(), SessionsError> {
        let id = self.own_child(id)?;
        let mut children = self.children();
        if !children.contains_key(&id) {
            return Err(unknown(id.as_str()));
        }
        // Its own children go with it, the deepest first.
        while let Some(below) = leaf_below(&children, &id) {
            let Some(child) = children.get_mut(&below) else { break };
            self.release(child.writer.take());
            child.ended = Some(State::RolledBack);
            child.session.rollback(false).map_err(|e| rollback_error(&e))?;
            if below == id {
                return Ok(());
            }
        }
        Err(ended(id.as_str()))
    }

    fn status(&self, id: &str) -> Result<SessionStatus, SessionsError> {
        let parsed: SessionId = id.parse().map_err(|_| unknown(id))?;
        let session = if &parsed == self.own.id() {
            self.own.clone()
        } else {
            let children = self.children();
            let child = children.get(&parsed).ok_or_else(|| unknown(id))?;
            if let Some(state) = child.ended {
                return Ok(SessionStatus {
                    state: state_of(state),
                    parent: child.parent.as_ref().map(ToString::to_string),
                    open_children: Vec::new(),
                    base_landing: 0,
                });
            }
            child.session.clone()
        };
        let info = session.info().map_err(|e| session_error(&e))?;
        Ok(SessionStatus {
            state: state_of(info.state),
            parent: info.parent.map(|p| p.to_string()),
            open_children: info.children.iter().map(ToString::to_string).collect(),
            base_landing: info.landing,
        })
    }

    fn changes(&self, id: &str) -> Result<ChangeSet, SessionsError> {
        let parsed: SessionId = id.parse().map_err(|_| unknown(id))?;
        let (writer, parent, path) = {
            let children = self.children();
            let path = children.get(&parsed).map(|c| c.path.clone());
            let parent = children.get(&parsed).and_then(|c| c.parent.as_ref());
            let parent = parent.map(|p| self.writer_of(&children, Some(p))).transpose()?;
            (self.writer_of(&children, Some(&parsed))?, parent, path)
        };
        let look = |w: &Writer| w.view().changes().map_err(|e| fs_error(&RelPath::root(), e));
        let mut set = look(&writer)?;
        if let Some(parent) = parent {
            set = crate::nested::against(set, look(&parent)?);
        }
        Ok(match path {
            Some(path) => crate::run::below(set, &path),
            None => set,
        })
    }

    fn metadata(&self, id: &str) -> Result<SessionMetadata, SessionsError> {
        let parsed: SessionId = id.parse().map_err(|_| unknown(id))?;
        if &parsed == self.own.id() {
            let info = self.own.info().map_err(|e| session_error(&e))?;
            // An open session may be worked in for one task after another.
            return Ok(SessionMetadata {
                task_id: Some(self.task_id.clone()),
                ..metadata_of(&info)
            });
        }
        self.children().get(&parsed).map(|c| c.metadata.clone()).ok_or_else(|| unknown(id))
    }

    fn checkpoint(&self, id: &str, name: &str) -> Result<SessionCheckpoint, SessionsError> {
        let made = self.changeable(id)?.checkpoint(name);
        made.map(checkpoint_of).map_err(|e| told(e.code(), &e))
    }

    fn restore(&self, id: &str, name: &str) -> Result<SessionCheckpoint, SessionsError> {
        let restored = self.changeable(id)?.restore(name);
        restored.map(checkpoint_of).map_err(|e| told(e.code(), &e))
    }

    fn checkpoints(&self, id: &str) -> Result<Vec<SessionCheckpoint>, SessionsError> {
        let writer = self.changeable(id)?;
        let session = self.own.domain().session(writer.id()).map_err(|e| session_error(&e))?;
        let info = session.info().map_err(|e| session_error(&e))?;
        Ok(info.checkpoints.into_iter().map(checkpoint_of).collect())
    }

    fn say(&self, id: &str, text: &str) -> Result<(), SessionsError> {
        let session = self.speaking(id, text.len())?;
        session.say(&self.agent, text).map_err(|e| journal_error(&e))
    }

    fn decide(&self, id: &str, decision: &SessionDecision) -> Result<(), SessionsError> {
        let SessionDecision { title, why, alternatives } = decision.clone();
        let rest: usize = alternatives.iter().map(String::len).sum();
        let session = self.speaking(id, title.len() + why.len() + rest)?;
        let decision = Decision { title, why, alternatives };
        session.decide(&self.agent, &decision).map_err(|e| journal_error(&e))
    }
}

impl GuestSessions {
    /// The session that a guest speaks in, if it may still say so much.
    fn speaking(&self, id: &str, bytes: usize) -> Result<SessionHandle, SessionsError> {
        let parsed: SessionId = id.parse().map_err(|_| unknown(id))?;
        let session = match &parsed == self.own.id() {
            true => self.own.clone(),
            false => {
                let children = self.children();
                let child = children.get(&parsed).ok_or_else(|| unknown(id))?;
                if child.ended.is_some() {
                    return Err(ended(id));
                }
                child.session.clone()
            }
        };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.lines >= MOST_LINES || said.bytes.saturating_add(bytes) > MOST_BYTES {
            let why = format!("a run writes {MOST_LINES} lines and {MOST_BYTES} bytes at most");
            return Err(SessionsError::new(SessionsCode::Limit, why));
        }
        said.lines += 1;
        said.bytes += bytes;
        Ok(session)
    }

    /// The writer of the run's own session or of a child, where the guest may change that.
    fn changeable(&self, id: &str) -> Result<Arc<Writer>, SessionsError> {
        if !self.granted {
            let why = "sessions were not granted (--grant session-fs)";
            return Err(SessionsError::new(SessionsCode::NotPermitted, why));
        }
        let parsed: SessionId = id.parse().map_err(|_| unknown(id))?;
        self.writer_of(&self.children(), Some(&parsed))
    }
}

fn finish(writer: Arc<Writer>) {
    // Nobody else holds it while the list is locked; a drop would release it as well, unsynced.
    if let Some(writer) = Arc::into_inner(writer)
        && let Err(error) = writer.finish()
    {
        tracing::warn!(%error, "a guest's session could not be synced");
    }
}

fn leaf(children: &HashMap<SessionId, Child>) -> Option<SessionId> {
    let open = |c: &&Child| c.ended.is_none();
    let is_leaf =
        |id: &SessionId| !children.values().filter(open).any(|c| c.parent.as_ref() == Some(id));
    children.iter().find(|(id, c)| c.ended.is_none() && is_leaf(id)).map(|(id, _)| id.clone())
}

fn leaf_below(children: &HashMap<SessionId, Child>, id: &SessionId) -> Option<SessionId> {
    let below = children
        .iter()
        .find(|(_, c)| c.ended.is_none() && c.parent.as_ref() == Some(id))
        .map(|(id, _)| id.clone());
    match below {
        Some(child) => leaf_below(children, &child),
        None => children.get(id).filter(|c| c.ended.is_none()).map(|_| id.clone()),
    }
}

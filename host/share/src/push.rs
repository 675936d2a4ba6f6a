//! A session brought to the store, and its end told there.

use brio_landing::{LowerInfo, Pushed, Session, SessionInfo, TreeInfo, Writer};
use brio_session::{Time, ViewOptions};
use brio_store::{
    AttemptId, Base, Hash, NewSession, Project, SessionDoc, SessionLanding, SessionState, Settled,
    Stored,
};
use time::OffsetDateTime;

use crate::attempts::{attempt_id, landings};
use crate::gather::gather;
use crate::{Place, ShareError, Story};

/// A session that is in the store.
#[derive(Debug, Clone)]
pub struct PushedSession {
    /// As it stands there.
    pub session: SessionDoc,
    /// What was sent.
    pub stored: Stored,
}

/// What a session stands on, if that is a tree.
pub(crate) fn tree_of(info: &SessionInfo) -> Result<&TreeInfo, ShareError> {
    if let Some(parent) = &info.parent {
        return Err(ShareError::Child { id: info.id.clone(), parent: parent.clone() });
    }
    match &info.lower {
        LowerInfo::Tree(tree) => Ok(tree),
        _ => Err(ShareError::NotShared { id: info.id.clone() }),
    }
}

/// The tree that a session stands on, in the store's terms.
pub(crate) fn base_of(info: &SessionInfo, tree: &TreeInfo) -> Result<Base, ShareError> {
    let hash: Hash = tree.tree.parse().map_err(|e: brio_store::NoHash| ShareError::Corrupt {
        id: info.id.to_string(),
        what: e.to_string(),
    })?;
    Ok(Base { tree: hash, position: tree.position })
}

pub(crate) fn to_time(t: OffsetDateTime) -> Time {
    Time { secs: t.unix_timestamp(), nanos: t.nanosecond() }
}

pub(crate) fn from_time(t: Time) -> OffsetDateTime {
    let at = i128::from(t.secs) * 1_000_000_000 + i128::from(t.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(at).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The directory that it branches, as a store is told; `None`: all of the project.
fn subdir_of(info: &SessionInfo) -> Result<Option<String>, ShareError> {
    if info.subdir.is_root() {
        return Ok(None);
    }
    let text = String::from_utf8(info.subdir.as_bytes().to_vec());
    Ok(Some(text.map_err(|_| brio_store::Error::Input {
        path: info.subdir.to_string(),
        why: "a session on it cannot be stored, for its name is not UTF-8".into(),
    })?))
}

/// A session as the store is to have it: what it had there, and what is new.
pub(crate) fn document(
    info: &SessionInfo,
    tree: &TreeInfo,
    story: &Story,
) -> Result<SessionDoc, ShareError> {
    let base = base_of(info, tree)?;
    let new = NewSession {
        goal: info.goal.clone(),
        title: story.title.clone(),
        description: story.description.clone(),
        agent: info.agent.clone(),
        task_id: info.task_id.clone(),
        parent: None,
        subdir: subdir_of(info)?,
        machine: story.machine.clone(),
    };
    let (at, created) = (from_time(tree.at), from_time(info.created_at));
    let mut doc = SessionDoc::new(info.id.as_str(), base, at, created, new)?;
    doc.seq = info.pushed.as_ref().map_or(0, |p| p.seq);
    doc.attempts = landings(info.id.as_str(), info.pushed.as_ref())?;
    doc.conversation.clone_from(&story.conversation);
    doc.decisions.clone_from(&story.decisions);
    Ok(doc)
}

/// Attempts at a push of a session whose end is not known.
pub(crate) fn attempts_of(session: &Session) -> Result<Vec<AttemptId>, ShareError> {
    let all = session.pushed()?.map_or_else(Vec::new, |p| p.attempts);
    all.iter().map(|a| attempt_id(session.id().as_str(), a)).collect()
}

/// Stores a session's document. The attempt is written down here first, so that a crash between
/// the store and this machine is no conflict with oneself.
pub(crate) fn store(
    place: &Place,
    session: &Session,
    writer: &Writer,
    doc: SessionDoc,
    settled: Settled,
) -> Result<SessionDoc, ShareError> {
    let known = session.pushed()?;
    // Earlier attempts whose end is not known here: each may have been done, or be done yet.
    let own = attempts_of(session)?;
    let mut attempts = known.as_ref().map_or_else(Vec::new, |k| k.attempts.clone());
    attempts.push(doc.attempt.to_string());
    let pushed = |seq, tree: Hash, attempts| Pushed {
        seq,
        tree: tree.to_string(),
        position: doc.base.position,
        attempts,
        landings: known.as_ref().map_or_else(Vec::new, |k| k.landings.clone()),
    };
    let before = match &known {
        Some(known) => Pushed { attempts, ..known.clone() },
        None => pushed(0, doc.tree, attempts),
    };
    writer.set_pushed(before)?;
    let sent = doc.clone();
    let there =
        place.run(|p: Project| async move { p.store_session_after(&sent, &own, settled).await })?;
    writer.set_pushed(pushed(there.seq, there.tree, Vec::new()))?;
    Ok(there)
}

impl Place {
    /// Brings a session to the store as it is now: its contents, its tree, its story. Then any
    /// machine opens it by its id. Nobody may be writing in it. Durable when it returns; if it
    /// fails, the store has it as it had it.
    ///
    /// # Errors
    /// `CONFLICT` when it was pushed from elsewhere since; `NOT_SHARED`; `SESSION_BUSY`; the
    /// store's.
    pub fn push(&self, session: &Session, story: &Story) -> Result<PushedSession, ShareError> {
        let writer = session.writer("push", ViewOptions { vcs: true, ..ViewOptions::default() })?;
        let pushed = self.push_held(session, &writer, story);
        let finished = writer.finish();
        let pushed = pushed?;
        finished.map_err(ShareError::host("a session"))?;
        Ok(pushed)
    }

    fn push_held(
        &self,
        session: &Session,
        writer: &Writer,
        story: &Story,
    ) -> Result<PushedSession, ShareError> {
        let info = session.info()?;
        let tree = tree_of(&info)?;
        let mut doc = document(&info, tree, story)?;
        if info.state == brio_landing::State::Conflicted {
            doc.state = SessionState::Conflicted;
        }
        let on = self.project.tree(doc.base.tree);
        let gathered = gather(self, writer.view(), &on, &info.subdir)?;
        let (edits, mut upload) = (gathered.edits, gathered.upload);
        let base = doc.base.tree;
        let (root, settled) = self.run(|p: Project| async move {
            let root = p.edited(base, &edits, &mut upload).await?;
            Ok((root, upload.finish().await?))
        })?;
        doc.tree = root;
        let stored = settled.stored();
        let there = store(self, session, writer, doc, settled)?;
        self.tell_tree(&there);
        Ok(PushedSession { session: there, stored })
    }

    /// Writes what a session changed in words; it can be made again at any time.
    pub(crate) fn tell_tree(&self, doc: &SessionDoc) {
        let told = doc.clone();
        let done = self.run(|p: Project| async move { p.tell_session_tree(&told).await });
        if let Err(e) = done {
            tracing::warn!("session {}: its tree.json is not written: {e}", doc.id);
        }
    }

    /// Tells the store of a session's landing.
    pub(crate) fn tell_state(
        &self,
        session: &Session,
        writer: &Writer,
        doc: &SessionDoc,
        state: SessionState,
        landing: Option<SessionLanding>,
        settled: Settled,
    ) -> Result<SessionDoc, ShareError> {
        let mut doc = doc.anew()?;
        (doc.state, doc.landing) = (state, landing);
        store(self, session, writer, doc, settled)
    }

    /// Tells the store that a session was thrown away, unless somebody else went on with it.
    pub(crate) fn tell_rolled_back(&self, id: &str, seq: u64) -> Result<(), ShareError> {
        let there = self.session(id)?;
        if there.seq != seq {
            return Ok(());
        }
        let mut doc = there.anew()?;
        doc.state = SessionState::RolledBack;
        self.run(|p: Project| async move {
            let nothing = p.upload().finish().await?;
            p.store_session(&doc, nothing).await
        })?;
        Ok(())
    }
}

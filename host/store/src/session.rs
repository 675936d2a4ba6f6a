//! Sessions in a store: what another machine needs to go on with one.

use crate::backend::Swap;
use crate::doc::{self, Base, DiffLine, SessionDoc, SessionState, SessionTreeDoc};
use crate::objects::list_refs;
use crate::tree::{Difference, Entry, diff, shown};
use crate::upload::Settled;
use crate::{AttemptId, Error, Hash, Project, Result};

/// Attempts to store a session that nobody else stores.
const ATTEMPTS: u32 = 16;

/// What a session is when it is first stored.
#[derive(Debug, Clone, Default)]
pub struct NewSession {
    /// What it is to reach.
    pub goal: Option<String>,
    /// A short name for people.
    pub title: Option<String>,
    /// The goal at length.
    pub description: Option<String>,
    /// The agent that works in it.
    pub agent: Option<String>,
    /// The task that it is for.
    pub task_id: Option<String>,
    /// The session that it branches.
    pub parent: Option<String>,
    /// The directory of the project that it branches; `None`: all of it.
    pub subdir: Option<String>,
    /// The machine that it is on.
    pub machine: Option<String>,
}

impl SessionDoc {
    /// A session that was never stored, on a base.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(
        id: &str,
        base: Base,
        base_at: time::OffsetDateTime,
        created_at: time::OffsetDateTime,
        new: NewSession,
    ) -> Result<Self> {
        Ok(Self {
            format: doc::FORMAT,
            id: id.to_owned(),
            seq: 0,
            attempt: AttemptId::random()?,
            base_at,
            state: SessionState::Open,
            goal: new.goal,
            title: new.title,
            description: new.description,
            agent: new.agent,
            task_id: new.task_id,
            parent: new.parent,
            subdir: new.subdir,
            created_at,
            pushed_at: created_at,
            machine: new.machine,
            base,
            tree: base.tree,
            landing: None,
            attempts: Vec::new(),
            conversation: Vec::new(),
            decisions: Vec::new(),
        })
    }

    /// The same, to be stored by another attempt.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn anew(&self) -> Result<Self> {
        Ok(Self { attempt: AttemptId::random()?, ..self.clone() })
    }
}

impl Project {
    /// A session as it was last stored.
    ///
    /// # Errors
    /// `SESSION_UNKNOWN`, and the store's.
    pub async fn session(&self, id: &str) -> Result<SessionDoc> {
        let o = self.objects();
        let found = o.backend.read_ref(&o.keys.session(id)?).await?;
        let (bytes, _) = found.ok_or_else(|| self.no_session(id))?;
        self.decode_session(id, &bytes)
    }

    fn decode_session(&self, id: &str, bytes: &[u8]) -> Result<SessionDoc> {
        let doc: SessionDoc = doc::decode(bytes, &format!("session {id}"))?;
        match doc.id == id {
            true => Ok(doc),
            false => Err(Error::corrupt(format!("session {id}"), "it is another session's")),
        }
    }

    fn no_session(&self, id: &str) -> Error {
        Error::NoSession { store: self.store(), project: self.id().clone(), id: id.to_owned() }
    }

    /// The ids of the sessions that are stored.
    ///
    /// # Errors
    /// The store's.
    pub async fn sessions(&self) -> Result<Vec<String>> {
        let o = self.objects();
        let prefix = o.keys.sessions();
        let names = list_refs(&o.backend, &prefix).await?;
        let id = |name: &String| {
            Some(name.strip_prefix(&prefix)?.strip_suffix("/metadata.json")?.to_owned())
        };
        Ok(names.iter().filter_map(id).collect())
    }

    /// Stores a session whose `seq` is that of what it was made from (0: it is new), and gives
    /// it the next one. Its `attempt` must be new. What its tree needs is in `stored`, and
    /// protected. Durable when it returns; wholly or not at all.
    ///
    /// # Errors
    /// `CONFLICT` when it was stored from elsewhere meanwhile; the store's.
    pub async fn store_session(&self, session: &SessionDoc, stored: Settled) -> Result<SessionDoc> {
        self.store_session_after(session, &[], stored).await
    }

    /// As [`store_session`](Self::store_session), of somebody who does not know what became of
    /// `own` earlier attempts from the same `seq`: one of them may have been done, or be done yet.
    /// Whoever writes the id of an attempt down before knows it again after a crash.
    ///
    /// # Errors
    /// As there.
    pub async fn store_session_after(
        &self,
        session: &SessionDoc,
        own: &[AttemptId],
        stored: Settled,
    ) -> Result<SessionDoc> {
        let o = self.objects();
        let name = o.keys.session(&session.id)?;
        // One that is new is not looked for: the swap says if it is there.
        let mut now = match session.seq {
            0 if own.is_empty() => None,
            _ => o.backend.read_ref(&name).await?,
        };
        for lost in 0..ATTEMPTS {
            let there = now.as_ref().map(|(bytes, _)| self.decode_session(&session.id, bytes));
            let (seq, base_there) = match there.transpose()? {
                Some(there) if there.attempt == session.attempt => {
                    stored.release().await;
                    return Ok(there);
                }
                Some(there) if there.seq == session.seq || own.contains(&there.attempt) => {
                    (there.seq, Some(there.base))
                }
                Some(there) => return Err(moved(session, &there)),
                None if session.seq == 0 => (0, None),
                None => return Err(self.no_session(&session.id)),
            };
            if base_there != Some(session.base) && !self.keeps(session.base).await? {
                return Err(Error::Missing {
                    what: format!(
                        "the tree of landing {}, on which session {} stands and which is older than the history that is kept,",
                        session.base.position, session.id
                    ),
                });
            }
            if !stored.holds() {
                return Err(Error::Busy { what: format!("session {}", session.id), attempts: 1 });
            }
            let new = SessionDoc {
                format: doc::FORMAT,
                seq: seq + 1,
                pushed_at: self.options().clock.now(),
                ..session.clone()
            };
            let value = doc::encode(&new)?;
            match o.backend.swap_ref(&name, now.as_ref().map(|(_, v)| v), value).await? {
                Swap::Done(_) => {
                    stored.release().await;
                    return Ok(new);
                }
                // Perhaps it was won and the answer was lost; perhaps nobody was faster.
                Swap::Lost => {
                    self.back_off(lost).await;
                    now = o.backend.read_ref(&name).await?;
                }
            }
        }
        Err(Error::Busy { what: format!("session {}", session.id), attempts: ATTEMPTS })
    }

    /// Writes what a stored session changed, for people and other programs.
    ///
    /// # Errors
    /// The store's.
    pub async fn tell_session_tree(&self, session: &SessionDoc) -> Result<()> {
        let changed = diff(&self.tree(session.base.tree), &self.tree(session.tree)).await?;
        let value = doc::encode(&SessionTreeDoc {
            format: doc::FORMAT,
            session: &session.id,
            seq: session.seq,
            base: session.base.tree,
            tree: session.tree,
            diff: changed.iter().map(line).collect(),
        })?;
        let o = self.objects();
        o.backend.overwrite(&o.keys.session_tree(&session.id)?, value).await
    }
}

fn moved(ours: &SessionDoc, there: &SessionDoc) -> Error {
    let by = there.machine.as_deref().unwrap_or("another machine");
    let at = there.pushed_at.replace_nanosecond(0).unwrap_or(there.pushed_at);
    let at = at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    Error::Moved {
        what: format!("session {}", ours.id),
        now: format!(
            "it was stored {} times, last by {by} at {at}, and this copy knows {}; what it has is kept: `brio session export {} DIR` takes it out",
            there.seq, ours.seq, ours.id
        ),
    }
}

fn line(d: &Difference) -> DiffLine {
    let op = match (&d.before, &d.after) {
        (None, _) => "+",
        (_, None) => "-",
        _ => "~",
    };
    let path = d.key.path();
    let (shown, bytes) = match String::from_utf8(path) {
        Ok(path) => (path, None),
        Err(e) => (shown(e.as_bytes()), Some(e.into_bytes())),
    };
    let (kind, sha256): (Option<&'static str>, Option<Hash>) = match &d.after {
        Some(Entry::File { content, .. }) => (Some("file"), Some(content.hash)),
        Some(Entry::Dir { .. }) => (Some("directory"), None),
        Some(Entry::Link { .. }) => (Some("link"), None),
        None => (None, None),
    };
    DiffLine {
        op,
        path: shown,
        path_bytes: bytes,
        kind,
        mode: d.after.as_ref().map(Entry::mode),
        size: d.after.as_ref().map(Entry::size),
        sha256,
    }
}

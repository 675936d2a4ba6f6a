//! A session landed on a project's head.

use std::collections::BTreeMap;

use brio_landing::{
    Conflict, Elsewhere, Isolation, Policy, Pushed, RebaseOptions, Seal, Session, SessionId,
    Theirs, TreeInfo, What, Writer,
};
use brio_project::NotePath;
use brio_session::{ChangeSet, RelPath, ViewOptions};
use brio_store::tree::Key;
use brio_store::{
    AttemptId, Base, Head, Landing, LandingDoc, Project, SessionDoc, SessionLanding, SessionState,
    Settled, Why,
};

use crate::gather::gather;
use crate::push::{document, tree_of};
use crate::{Place, ShareError, Story};

/// Attempts that others may be faster than.
const ATTEMPTS: u32 = 100;

/// How a session lands on a head.
#[derive(Debug, Clone, Default)]
pub struct LandOptions {
    /// What the record says of it.
    pub message: Option<String>,
    /// Who does it.
    pub who: Option<String>,
    /// What becomes of paths that others changed too.
    pub policy: Policy,
    /// What is validated of what it read; `None`: what it began with.
    pub isolation: Option<Isolation>,
    /// Land exactly what was sealed, on the head that it was sealed on, or nothing.
    pub sealed: Option<Seal>,
    /// Land also what a power cut may have left incomplete.
    pub accept_unclean: bool,
    /// What else the store is told of the session.
    pub story: Story,
}

/// What a landing on a head did.
#[derive(Debug)]
pub struct LandedOnHead {
    /// Its record; `None`: the session changed nothing.
    pub record: Option<LandingDoc>,
    /// Notes of the session that were delivered.
    pub notes: Vec<NotePath>,
    /// Paths that both sides had changed, as the policy settled them.
    pub settled: Vec<RelPath>,
    /// What the session changed.
    pub changes: ChangeSet,
    /// The position of the head that it stood on.
    pub from: u64,
    /// The session in the store. `None`: it landed, and could not be told there.
    pub session: Option<SessionDoc>,
}

impl Place {
    /// Lands a session on the project's head: all of it or nothing, beside what others landed if
    /// the paths are others. Durable when it returns.
    ///
    /// After a crash, or where the last answer was lost, calling it again finds out what became
    /// of the attempt and completes it.
    ///
    /// # Errors
    /// `CONFLICT`, and the session is kept, open; those of a commit; the store's.
    pub fn land(
        &self,
        session: &Session,
        options: &LandOptions,
    ) -> Result<LandedOnHead, ShareError> {
        let writer = session.writer("land", ViewOptions { vcs: true, ..ViewOptions::default() })?;
        match self.land_held(session, &writer, options) {
            Ok((record, settled, doc)) => {
                let changes =
                    writer.view().changes().map_err(ShareError::path(&RelPath::root()))?;
                let from = doc.base.position;
                let elsewhere = Self::elsewhere(record.as_ref(), &doc, options);
                let notes = writer.land_elsewhere(elsewhere)?;
                let told = self.tell_landed(&doc, record.as_ref());
                Ok(LandedOnHead { record, notes, settled, changes, from, session: told })
            }
            Err(e) => {
                if let Err(finish) = writer.finish() {
                    tracing::warn!("session {}: {finish}", session.id());
                }
                Err(e)
            }
        }
    }

    fn elsewhere(
        record: Option<&LandingDoc>,
        doc: &SessionDoc,
        options: &LandOptions,
    ) -> Elsewhere {
        let (position, tree) = match record {
            Some(r) => (r.position, r.new_tree),
            None => (doc.base.position, doc.base.tree),
        };
        Elsewhere {
            position,
            tree: tree.to_string(),
            message: options.message.clone(),
            accept_unclean: options.accept_unclean,
        }
    }

    fn land_held(
        &self,
        session: &Session,
        writer: &Writer,
        options: &LandOptions,
    ) -> Result<(Option<LandingDoc>, Vec<RelPath>, SessionDoc), ShareError> {
        writer.may_land_elsewhere(options.accept_unclean)?;
        let mut head = self.head()?;
        let mut settled_paths = Vec::new();
        // An attempt that was cut off may have landed what the session held then.
        let mut before = self.cut_off(session, &head.0)?;
        let mut attempts = Vec::new();
        for _ in 0..ATTEMPTS {
            let found = match before.take() {
                Some(record) => Some(record),
                None => self.landed_after_all(session, &head.0, &attempts)?,
            };
            if let Some(record) = found {
                if let Some(doc) = self.is_all(session, writer, &record, options)? {
                    return Ok((Some(record), settled_paths, doc));
                }
                self.stand_on(session, writer, &record)?;
                attempts.clear();
            }
            self.judge(session, writer, &head, options, &mut settled_paths)?;
            let info = session.info()?;
            let tree = tree_of(&info)?;
            let mut doc = document(&info, tree, &options.story)?;
            let gathered =
                gather(self, writer.view(), &self.project.tree(doc.base.tree), &info.subdir)?;
            if gathered.edits.is_empty() {
                return Ok((None, settled_paths, doc));
            }
            let (edits, mut upload) = (gathered.edits, gathered.upload);
            let base = doc.base;
            let (edits, contents) = self.run(|p: Project| async move {
                p.rely_on_edits(base.tree, Some(base.position), &edits, &mut upload).await?;
                Ok((edits, upload.finish().await?))
            })?;
            let id = AttemptId::random()?;
            attempts.push(id.clone());
            doc = self.announce(session, writer, doc, &id)?;
            let why = Why {
                session: Some(info.id.to_string()),
                who: options.who.clone(),
                agent: info.agent.clone(),
                goal: info.goal.clone(),
                message: options.message.clone(),
            };
            let (on, head_of) = (head.0.clone(), format!("the head of {}", self.project.id()));
            let landing = self.run(|p: Project| async move {
                if !contents.holds() {
                    return Err(brio_store::Error::Busy { what: head_of, attempts: 1 });
                }
                let landing = p.land_on(&on, base, &edits, &why, id).await;
                Ok((landing?, contents))
            });
            let (landing, contents): (Landing, Settled) = landing?;
            if !matches!(landing, Landing::Moved(_)) {
                // One that was lost may yet be done, and needs what is protected.
                self.runner.run(contents.release());
            }
            match landing {
                Landing::Landed(landed) => return Ok((Some(landed.record), settled_paths, doc)),
                Landing::Unchanged => {
                    self.reopen(session, writer, &doc);
                    return Ok((None, settled_paths, doc));
                }
                Landing::Moved(_) | Landing::Conflicts(_) => {
                    self.reopen(session, writer, &doc);
                    head = self.head()?;
                }
            }
        }
        let project = self.project.id().to_string();
        Err(ShareError::Busy { id: session.id().clone(), project })
    }

    /// What an earlier attempt of this session landed without anybody being told.
    fn cut_off(&self, session: &Session, head: &Head) -> Result<Option<LandingDoc>, ShareError> {
        let Some(Pushed { landing: Some(id), .. }) = session.pushed()? else { return Ok(None) };
        let bad = |_| ShareError::Corrupt {
            id: session.id().to_string(),
            what: "its attempt at a landing is none".into(),
        };
        let id: AttemptId = serde_json::from_value(id.into()).map_err(bad)?;
        self.landed_after_all(session, head, &[id])
    }

    /// Which of these attempts was done after all.
    fn landed_after_all(
        &self,
        session: &Session,
        head: &Head,
        attempts: &[AttemptId],
    ) -> Result<Option<LandingDoc>, ShareError> {
        if attempts.is_empty() {
            return Ok(None);
        }
        let after = tree_of(&session.info()?)?.position;
        let (head, attempts) = (head.clone(), attempts.to_vec());
        let found = self.run(|p: Project| async move {
            for id in &attempts {
                if let Some(record) = p.find_landing(&head, after, id).await? {
                    return Ok(Some(record));
                }
            }
            Ok(None)
        })?;
        Ok(found)
    }

    /// Whether a landing holds all that the session changed: it may have been worked on since.
    fn is_all(
        &self,
        session: &Session,
        writer: &Writer,
        record: &LandingDoc,
        options: &LandOptions,
    ) -> Result<Option<SessionDoc>, ShareError> {
        let info = session.info()?;
        let doc = document(&info, tree_of(&info)?, &options.story)?;
        let edits =
            gather(self, writer.view(), &self.project.tree(doc.base.tree), &info.subdir)?.edits;
        let landed = self.project.tree(record.new_tree);
        let same = self.run(|_| async move {
            let keys: Vec<&Key> = edits.keys().collect();
            let there = landed.get_all(&keys).await?;
            Ok(edits.values().zip(there).all(|(ours, there)| *ours == there))
        })?;
        Ok(same.then_some(doc))
    }

    /// Puts a session onto the landing that holds what it was earlier: what it changed since is
    /// left. What it changed of its own landing is no conflict; the rest is.
    fn stand_on(
        &self,
        session: &Session,
        writer: &Writer,
        record: &LandingDoc,
    ) -> Result<(), ShareError> {
        let onto = self.tree_info(record.base_after(), record.at);
        let own = record.clone();
        let own = self.run(|p: Project| async move { p.changes_of(&own).await })?;
        let mut others = session.conflicts_onto(&onto)?;
        others.retain(|c| !own.iter().any(|d| d.key.path() == c.path.as_bytes()));
        if !others.is_empty() {
            let (id, project) = (session.id().clone(), self.project.id().to_string());
            return Err(ShareError::Conflicts { id, project, conflicts: others });
        }
        let how = RebaseOptions { policy: Policy::LastWriteWins, ..RebaseOptions::default() };
        let _ = writer.rebase_onto(&onto, how)?;
        if let Some(pushed) = session.pushed()? {
            writer.set_pushed(Pushed { landing: None, ..pushed })?;
        }
        Ok(())
    }

    /// Finds what stands against a landing on this head, and settles it as the policy says:
    /// then the session stands on the head itself.
    fn judge(
        &self,
        session: &Session,
        writer: &Writer,
        head: &(Head, TreeInfo),
        options: &LandOptions,
        settled: &mut Vec<RelPath>,
    ) -> Result<(), ShareError> {
        let info = session.info()?;
        let base = tree_of(&info)?;
        if let Some(seal) = &options.sealed {
            return Ok(writer.check_seal(seal, &head.1)?);
        }
        if base.tree == head.1.tree {
            return Ok(());
        }
        let mut conflicts = match options.isolation.unwrap_or(info.isolation) {
            Isolation::Serializable => session.reads_changed(&head.1)?,
            _ => Vec::new(),
        };
        if conflicts.is_empty() {
            conflicts = session.conflicts_onto(&head.1)?;
            if conflicts.is_empty() {
                return Ok(());
            }
            if options.policy != Policy::Reject {
                let how = RebaseOptions { policy: options.policy, ..RebaseOptions::default() };
                match writer.rebase_onto(&head.1, how) {
                    Ok(rebased) => {
                        settled.extend(rebased.settled);
                        return Ok(());
                    }
                    Err(brio_landing::CommitError::Conflict { conflicts: left, .. }) => {
                        conflicts = left;
                    }
                    Err(e) => return Err(e.into()),
                }
            }
        }
        let base = crate::push::base_of(&info, base)?;
        self.name_who(&mut conflicts, base, &head.0);
        let (id, project) = (session.id().clone(), self.project.id().to_string());
        Err(ShareError::Conflicts { id, project, conflicts })
    }

    /// Says of each conflict which landing it was, where the store tells.
    fn name_who(&self, conflicts: &mut [Conflict], base: Base, head: &Head) {
        let mut known: BTreeMap<Key, Option<LandingDoc>> = BTreeMap::new();
        for conflict in conflicts {
            let Ok(key) = Key::new(conflict.path.as_bytes()) else { continue };
            let found = known.entry(key.clone()).or_insert_with(|| {
                let head = head.clone();
                let asked =
                    self.run(|p: Project| async move { p.who_changed(&key, base, &head).await });
                asked.unwrap_or_else(|e| {
                    tracing::warn!("who changed {}: {e}", conflict.path);
                    None
                })
            });
            if let Some(record) = found
                && let Some(session) =
                    record.why.session.as_deref().and_then(|s| s.parse::<SessionId>().ok())
            {
                let what = conflict.theirs.what().unwrap_or(What::Modified);
                let goal = record.why.goal.clone();
                conflict.theirs = Theirs::Landing { number: record.position, session, goal, what };
            }
        }
    }

    /// Writes down that an attempt begins: here, and in the store if that knows the session. So
    /// of two machines that land one session, one is told.
    fn announce(
        &self,
        session: &Session,
        writer: &Writer,
        mut doc: SessionDoc,
        id: &AttemptId,
    ) -> Result<SessionDoc, ShareError> {
        let known = session.pushed()?;
        let landing = Some(id.to_string());
        let new = match known {
            Some(known) => Pushed { landing, ..known },
            None => Pushed {
                seq: 0,
                tree: doc.base.tree.to_string(),
                position: doc.base.position,
                attempt: None,
                landing,
            },
        };
        let seq = new.seq;
        writer.set_pushed(new)?;
        if seq == 0 {
            return Ok(doc);
        }
        // What it had there stays its tree until it has landed.
        let there = self.session(&doc.id)?;
        doc.tree = there.tree;
        let under_way = Some(SessionLanding { id: id.clone(), position: None, tree: None });
        let nothing = self.run(|p: Project| async move { p.upload().finish().await })?;
        self.tell_state(session, writer, &doc, SessionState::Committing, under_way, nothing)
    }

    /// The attempt was lost: the session is open again. Best effort: whoever finds it under way
    /// looks for the landing, and finds none.
    fn reopen(&self, session: &Session, writer: &Writer, doc: &SessionDoc) {
        if doc.state != SessionState::Committing {
            return;
        }
        let told = self
            .run(|p: Project| async move { p.upload().finish().await })
            .map_err(ShareError::from)
            .and_then(|n| self.tell_state(session, writer, doc, SessionState::Open, None, n));
        if let Err(e) = told {
            tracing::warn!("session {}: the store still says that it is landing: {e}", doc.id);
        }
    }

    /// Tells the store that a session has landed. Best effort: the record of the landing names
    /// it, and whoever opens it looks there.
    fn tell_landed(&self, doc: &SessionDoc, record: Option<&LandingDoc>) -> Option<SessionDoc> {
        let mut doc = doc.anew().ok()?;
        doc.state = SessionState::Landed;
        if let Some(r) = record {
            doc.tree = r.new_tree;
            let (id, position, tree) = (r.id.clone(), Some(r.position), Some(r.new_tree));
            doc.landing = Some(SessionLanding { id, position, tree });
        }
        let sent = doc.clone();
        let told = self.run(|p: Project| async move {
            let nothing = p.upload().finish().await?;
            p.store_session(&sent, nothing).await
        });
        match told {
            Ok(told) => {
                self.tell_tree(&told);
                Some(told)
            }
            Err(e) => {
                tracing::warn!("session {}: the store is not told that it landed: {e}", doc.id);
                None
            }
        }
    }
}

//! A session landed on a project's head.

use std::collections::BTreeMap;

use brio_landing::{
    Conflict, Elsewhere, Isolation, Policy, RebaseOptions, Seal, Session, SessionId, Theirs,
    TreeInfo, What, Writer,
};
use brio_project::NotePath;
use brio_session::{ChangeSet, RelPath, ViewOptions};
use brio_store::tree::Key;
use brio_store::{
    AttemptId, Base, Head, Landing, LandingAttempt, LandingDoc, Project, SessionDoc,
    SessionLanding, SessionState, Settled, Why,
};

use crate::attempts::Outcome;
use crate::gather::gather;
use crate::push::{attempts_of, document, tree_of};
use crate::{Place, ShareError, Story};

/// Attempts that others may be faster than.
pub(crate) const ATTEMPTS: u32 = 100;

/// How a session lands on a head.
#[derive(Debug, Clone, Default)]
pub struct LandOptions {
    /// What the record says of it.
    pub message: Option<String>,
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
    /// What the session changed, relative to the directory that it branches.
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
        self.land_by(session, writer, options, None)
    }

    /// As [`land`](Self::land), by who writes in it already. `undo_of`: the landing of the head
    /// that it undoes.
    pub(crate) fn land_by(
        &self,
        session: &Session,
        writer: Writer,
        options: &LandOptions,
        undo_of: Option<u64>,
    ) -> Result<LandedOnHead, ShareError> {
        let mut announced = None;
        match self.land_held(session, &writer, (options, undo_of), &mut announced) {
            Ok((record, settled, doc)) => {
                let changes =
                    writer.view().changes().map_err(ShareError::path(&RelPath::root()))?;
                let (from, own) = (doc.base.position, attempts_of(session)?);
                let elsewhere = Self::elsewhere(record.as_ref(), &doc, options);
                let notes = writer.land_elsewhere(elsewhere)?;
                let told = self.tell_landed(&doc, own, record.as_ref());
                Ok(LandedOnHead { record, notes, settled, changes, from, session: told })
            }
            Err(e) => {
                // Of another error nobody knows whether it is the end.
                if let (ShareError::Conflicts { .. } | ShareError::Busy { .. }, Some(doc)) =
                    (&e, &announced)
                {
                    self.reopen(session, &writer, doc);
                }
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

    /// `announced`: the session as the store has it, if that was told of an attempt.
    fn land_held(
        &self,
        session: &Session,
        writer: &Writer,
        (options, undo_of): (&LandOptions, Option<u64>),
        announced: &mut Option<SessionDoc>,
    ) -> Result<(Option<LandingDoc>, Vec<RelPath>, SessionDoc), ShareError> {
        writer.may_land_elsewhere(options.accept_unclean)?;
        let mut settled_paths = Vec::new();
        for lost in 0..ATTEMPTS {
            if lost > 0 {
                self.run(|p: Project| async move {
                    p.back_off(lost).await;
                    Ok(())
                })?;
            }
            let head = self.head()?;
            let Outcome { landed, open } = self.outcome(session, &head.0)?;
            if let Some(record) = landed {
                if let Some(doc) = self.is_all(session, writer, &record, options)? {
                    match self.make_void(&head.0, &open)? {
                        true => return Ok((Some(record), settled_paths, doc)),
                        false => continue,
                    }
                }
                self.stand_on(session, writer, &record, &open)?;
            }
            self.judge(session, writer, &head, options, &mut settled_paths)?;
            let info = session.info()?;
            let mut doc = document(&info, tree_of(&info)?, &options.story)?;
            let on = self.project.tree(doc.base.tree);
            let gathered = gather(self, writer.view(), &on, &info.subdir)?;
            if gathered.edits.is_empty() {
                match self.make_void(&head.0, &open)? {
                    true => return Ok((None, settled_paths, doc)),
                    false => continue,
                }
            }
            let (edits, mut upload) = (gathered.edits, gathered.upload);
            let base = doc.base;
            let (edits, contents) = self.run(|p: Project| async move {
                p.rely_on_edits(base.tree, Some(base.position), &edits, &mut upload).await?;
                Ok((edits, upload.finish().await?))
            })?;
            let id = AttemptId::random()?;
            let new = LandingAttempt { id: id.clone(), position: head.0.position() + 1 };
            doc = self.announce(session, writer, doc, open.clone(), new)?;
            if doc.state == SessionState::Committing {
                *announced = Some(doc.clone());
            }
            let why = Why {
                session: Some(info.id.to_string()),
                who: self.who.clone(),
                agent: info.agent.clone(),
                goal: info.goal.clone(),
                message: options.message.clone(),
                undo_of,
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
                    if self.make_void(&head.0, &open)? {
                        return Ok((None, settled_paths, doc));
                    }
                }
                Landing::Moved(_) | Landing::Conflicts(_) => {}
            }
        }
        let project = self.project.id().to_string();
        Err(ShareError::Busy { id: session.id().clone(), project })
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
        let isolation = options.isolation.unwrap_or(info.isolation);
        if isolation == Isolation::Serializable && info.isolation != isolation {
            let session = session.id().clone();
            return Err(brio_landing::CommitError::NotTracked { session }.into());
        }
        if let Some(seal) = &options.sealed {
            return Ok(writer.check_seal(seal, &head.1)?);
        }
        if base.tree == head.1.tree {
            return Ok(());
        }
        let mut conflicts = match isolation {
            Isolation::Serializable => {
                // What the writer read of it by itself is known with the rest only then.
                writer.view().sync().map_err(ShareError::path(&RelPath::root()))?;
                session.reads_changed(&head.1)?
            }
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
        let own = conflicts.iter().find_map(|c| match &c.theirs {
            Theirs::Landing { number, session: by, .. } if by == session.id() => Some(*number),
            _ => None,
        });
        if let Some(position) = own {
            return Err(ShareError::LandedElsewhere { id, project, position });
        }
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

    /// Tells the store that a session has landed. Best effort: the record of the landing names
    /// it, and whoever opens it looks there.
    fn tell_landed(
        &self,
        doc: &SessionDoc,
        own: Vec<AttemptId>,
        record: Option<&LandingDoc>,
    ) -> Option<SessionDoc> {
        let mut doc = doc.anew().ok()?;
        (doc.state, doc.landing) = (SessionState::Landed, None);
        doc.attempts.clear();
        if let Some(r) = record {
            doc.tree = r.new_tree;
            let (id, position, tree) = (r.id.clone(), Some(r.position), Some(r.new_tree));
            doc.landing = Some(SessionLanding { id, position, tree });
        }
        let sent = doc.clone();
        let told = self.run(|p: Project| async move {
            let nothing = p.upload().finish().await?;
            p.store_session_after(&sent, &own, nothing).await
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

//! Attempts to land a session whose end is not known. A swap that was sent may take effect long
//! after its sender has crashed, as long as the head is the one that it was sent for. So attempts
//! are written down before, here and in the store if that knows the session; before another one
//! they are looked for; and a session that is to end otherwise makes them void first.

use brio_landing::{Policy, Pushed, RebaseOptions, Session, Writer};
use brio_store::tree::{Difference, Key};
use brio_store::{
    AttemptId, Head, LandingAttempt, LandingDoc, Project, SessionDoc, SessionLanding, SessionState,
};

use crate::fill::{below, fill};
use crate::gather::gather;
use crate::land::{ATTEMPTS, LandOptions};
use crate::push::{document, tree_of};
use crate::{Place, ShareError};

/// What became of a session's attempts.
pub(crate) struct Outcome {
    /// The one that was done.
    pub(crate) landed: Option<LandingDoc>,
    /// Those that may yet be done: the head is the one that they were for.
    pub(crate) open: Vec<LandingAttempt>,
}

/// The id of an attempt, as it was written down here.
pub(crate) fn attempt_id(session: &str, id: &str) -> Result<AttemptId, ShareError> {
    serde_json::from_value(id.into()).map_err(|_| ShareError::Corrupt {
        id: session.to_owned(),
        what: "an attempt that is written down is none".into(),
    })
}

/// Attempts to land a session, as they were written down here.
pub(crate) fn landings(
    session: &str,
    pushed: Option<&Pushed>,
) -> Result<Vec<LandingAttempt>, ShareError> {
    let all = pushed.map_or(&[][..], |p| &p.landings);
    let attempt = |a: &brio_landing::LandingAttempt| {
        Ok(LandingAttempt { id: attempt_id(session, &a.id)?, position: a.position })
    };
    all.iter().map(attempt).collect()
}

/// The same, to be written down.
pub(crate) fn written(attempts: &[LandingAttempt]) -> Vec<brio_landing::LandingAttempt> {
    let attempt = |a: &LandingAttempt| brio_landing::LandingAttempt {
        id: a.id.to_string(),
        position: a.position,
    };
    attempts.iter().map(attempt).collect()
}

impl Place {
    /// Finds out for good what became of attempts to land a session whose answers were lost: the
    /// record of the one that was done, or `None`, and none of them will be. To be asked before a
    /// session is given up for which [`land`](Self::land) had no answer.
    ///
    /// # Errors
    /// `STORE_BUSY` when the head kept moving; the store's.
    pub fn settle(&self, session: &Session) -> Result<Option<LandingDoc>, ShareError> {
        for _ in 0..ATTEMPTS {
            let head = self.head()?.0;
            let outcome = self.outcome(session, &head)?;
            if outcome.landed.is_some() || self.make_void(&head, &outcome.open)? {
                return Ok(outcome.landed);
            }
        }
        let project = self.project.id().to_string();
        Err(ShareError::Busy { id: session.id().clone(), project })
    }

    /// Looks up what became of a session's attempts. Costs nothing where there are none.
    pub(crate) fn outcome(&self, session: &Session, head: &Head) -> Result<Outcome, ShareError> {
        let attempts = landings(session.id().as_str(), session.pushed()?.as_ref())?;
        let landed = self.done(head, &attempts)?;
        let open = attempts.into_iter().filter(|a| a.position > head.position()).collect();
        Ok(Outcome { landed, open })
    }

    /// Which of some attempts was done.
    pub(crate) fn done(
        &self,
        head: &Head,
        attempts: &[LandingAttempt],
    ) -> Result<Option<LandingDoc>, ShareError> {
        let ended = attempts.iter().filter(|a| a.position <= head.position());
        let ended: Vec<LandingAttempt> = ended.cloned().collect();
        if ended.is_empty() {
            return Ok(None);
        }
        let head = head.clone();
        Ok(self.run(|p: Project| async move {
            for a in ended {
                if p.has_landed(&head, a.position, &a.id).await? {
                    return p.landing(a.position, &head).await.map(Some);
                }
            }
            Ok(None)
        })?)
    }

    /// Makes sure that none of these is done any more; `false`: the head is another one, and they
    /// must be looked up again.
    pub(crate) fn make_void(
        &self,
        head: &Head,
        open: &[LandingAttempt],
    ) -> Result<bool, ShareError> {
        if open.is_empty() {
            return Ok(true);
        }
        let head = head.clone();
        Ok(self.run(|p: Project| async move { p.renew_head(&head).await })?.is_some())
    }

    /// Whether a landing is all that the session changed: it may have been worked on since.
    pub(crate) fn is_all(
        &self,
        session: &Session,
        writer: &Writer,
        record: &LandingDoc,
        options: &LandOptions,
    ) -> Result<Option<SessionDoc>, ShareError> {
        let info = session.info()?;
        let doc = document(&info, tree_of(&info)?, &options.story)?;
        let on = self.project.tree(doc.base.tree);
        let edits = gather(self, writer.view(), &on, &info.subdir)?.edits;
        let (landed, record) = (self.project.tree(record.new_tree), record.clone());
        let stands_on_it = doc.base.position >= record.position;
        let same = self.run(|p: Project| async move {
            if stands_on_it {
                return Ok(edits.is_empty());
            }
            let keys: Vec<&Key> = edits.keys().collect();
            let there = landed.get_all(&keys).await?;
            let own = p.changes_of(&record).await?;
            // What it took back since is no edit any more.
            Ok(edits.values().zip(there).all(|(ours, there)| *ours == there)
                && own.iter().all(|d| edits.contains_key(&d.key)))
        })?;
        Ok(same.then_some(doc))
    }

    /// Puts a session onto the landing that is what it was earlier: what it changed since is
    /// left. What it changed of its own landing is no conflict; the rest is.
    pub(crate) fn stand_on(
        &self,
        session: &Session,
        writer: &Writer,
        record: &LandingDoc,
        open: &[LandingAttempt],
    ) -> Result<(), ShareError> {
        let info = session.info()?;
        if tree_of(&info)?.position < record.position {
            let base = self.project.tree(crate::push::base_of(&info, tree_of(&info)?)?.tree);
            let edits = gather(self, writer.view(), &base, &info.subdir)?.edits;
            let own = record.clone();
            let own = self.run(|p: Project| async move { p.changes_of(&own).await })?;
            let onto = self.tree_info(record.base_after(), record.at);
            let mut others = session.conflicts_onto(&onto)?;
            others.retain(|c| !own.iter().any(|d| d.key.path() == c.path.as_bytes()));
            if !others.is_empty() {
                let (id, project) = (session.id().clone(), self.project.id().to_string());
                return Err(ShareError::Conflicts { id, project, conflicts: others });
            }
            let back: Vec<Difference> =
                own.into_iter().filter(|d| !edits.contains_key(&d.key)).collect();
            let back = self.run(|_| async move {
                let keys: Vec<&Key> = back.iter().map(|d| &d.key).collect();
                let was = base.get_all(&keys).await?;
                let pairs = back.iter().zip(was).filter(|(d, was)| d.after != *was);
                Ok(pairs
                    .map(|(d, was)| Difference {
                        key: d.key.clone(),
                        before: d.after.clone(),
                        after: was,
                    })
                    .collect::<Vec<_>>())
            })?;
            let how = RebaseOptions { policy: Policy::LastWriteWins, ..RebaseOptions::default() };
            let _ = writer.rebase_onto(&onto, how)?;
            // What it took back since shows as it landed, until it is taken back there.
            below(back, &info.subdir)
                .and_then(|back| fill(self, writer.view(), &back))
                .map_err(ShareError::path(&info.subdir))?;
        }
        if let Some(pushed) = session.pushed()? {
            writer.set_pushed(Pushed { landings: written(open), ..pushed })?;
        }
        Ok(())
    }

    /// Writes down that an attempt begins: here, and in the store if that knows the session. So
    /// of two machines that land one session, one is told, and whoever opens it finds out.
    pub(crate) fn announce(
        &self,
        session: &Session,
        writer: &Writer,
        mut doc: SessionDoc,
        mut open: Vec<LandingAttempt>,
        new: LandingAttempt,
    ) -> Result<SessionDoc, ShareError> {
        let id = new.id.clone();
        open.push(new);
        let landings = written(&open);
        let known = match session.pushed()? {
            Some(known) => Pushed { landings, ..known },
            None => Pushed {
                seq: 0,
                tree: doc.base.tree.to_string(),
                position: doc.base.position,
                attempts: Vec::new(),
                landings,
            },
        };
        let unknown = known.seq == 0 && known.attempts.is_empty();
        writer.set_pushed(known)?;
        if unknown {
            return Ok(doc);
        }
        // What it had there stays its tree until it has landed.
        match self.session(&doc.id) {
            Ok(there) => doc.tree = there.tree,
            Err(ShareError::Store(brio_store::Error::NoSession { .. })) => return Ok(doc),
            Err(e) => return Err(e),
        }
        doc.attempts = open;
        let under_way = Some(SessionLanding { id, position: None, tree: None });
        let nothing = self.run(|p: Project| async move { p.upload().finish().await })?;
        self.tell_state(session, writer, &doc, SessionState::Committing, under_way, nothing)
    }

    /// It did not land: the session is open again. Best effort: whoever finds it under way looks
    /// for the landing, and finds none.
    pub(crate) fn reopen(&self, session: &Session, writer: &Writer, doc: &SessionDoc) {
        let told = self
            .run(|p: Project| async move { p.upload().finish().await })
            .map_err(ShareError::from)
            .and_then(|n| self.tell_state(session, writer, doc, SessionState::Open, None, n));
        if let Err(e) = told {
            tracing::warn!("session {}: the store still says that it is landing: {e}", doc.id);
        }
    }
}

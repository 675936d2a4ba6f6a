//! Undoing a landing on the head: a session as of that landing which changes everything back,
//! landed by the same rules as any other.

use brio_landing::{
    BeginOptions, Domain, LowerOptions, Metadata, UndoError, UndoOptions, WantedLower,
};
use brio_store::{Head, LandingDoc, Project};

use super::log::undone;
use crate::fill::{differences, fill};
use crate::{LandOptions, LandedOnHead, Place, ShareError};

impl Place {
    /// Undoes a landing of the project's head by another landing. What was changed since is a
    /// conflict, settled as `options.policy` says; if it cannot be, nothing is changed. An undo
    /// can be undone. The work is done in a session of the domain that nobody sees and that goes
    /// with it, whatever fails; a crash leaves the head wholly before or after.
    ///
    /// # Errors
    /// `LANDING_UNKNOWN`, `ALREADY_UNDONE`, `LANDING_COLLECTED`, `CONFLICT`; those of a landing,
    /// and the store's.
    pub fn undo(
        &self,
        domain: &Domain,
        position: u64,
        options: &UndoOptions,
    ) -> Result<LandedOnHead, ShareError> {
        let head = self.head()?.0;
        if position == 0 || position > head.position() {
            return Err(UndoError::Unknown { landing: position }.into());
        }
        self.not_undone(&head, position)?;
        let record = self.run(|p: Project| async move { p.landing(position, &head).await })?;
        if position < self.run(|p: Project| async move { p.kept_from().await })? {
            let project = self.project.id().to_string();
            return Err(ShareError::Collected { project, landing: position });
        }
        let done = self.undo_record(domain, &record, options);
        match done {
            // Somebody undid it meanwhile: that is what stands against it.
            Err(ShareError::Conflicts { conflicts, .. }) => {
                self.not_undone(&self.head()?.0, position)?;
                Err(UndoError::Conflict { landing: position, conflicts }.into())
            }
            Ok(landed) if landed.record.is_none() => {
                self.not_undone(&self.head()?.0, position)?;
                Ok(landed)
            }
            done => done,
        }
    }

    fn not_undone(&self, head: &Head, landing: u64) -> Result<(), ShareError> {
        let on = head.clone();
        let since =
            self.run(|p: Project| async move { p.undos(&on, landing, usize::MAX).await })?;
        match undone(&since).get(&landing) {
            Some(by) => Err(UndoError::AlreadyUndone { landing, by: *by }.into()),
            None => Ok(()),
        }
    }

    fn undo_record(
        &self,
        domain: &Domain,
        record: &LandingDoc,
        options: &UndoOptions,
    ) -> Result<LandedOnHead, ShareError> {
        let landing = record.position;
        let goal = match &record.why.goal {
            Some(goal) => format!("undo of landing {landing}: {goal}"),
            None => format!("undo of landing {landing}"),
        };
        let on = self.tree_info(record.base_after(), record.at);
        let begin = BeginOptions {
            metadata: Metadata {
                goal: Some(goal),
                agent: options.agent.clone(),
                ..Metadata::default()
            },
            lower: LowerOptions { wanted: WantedLower::Tree(on), ..LowerOptions::default() },
            ..BeginOptions::default()
        };
        let back = |source| UndoError::View { landing, source };
        let changes = differences(self, record.new_tree, record.old_tree).map_err(back)?;
        let (session, writer) = domain.begin_undo(landing, &begin)?;
        let done = match fill(self, writer.view(), &changes) {
            Ok(()) => {
                let how = LandOptions {
                    message: options.message.clone(),
                    policy: options.policy,
                    ..LandOptions::default()
                };
                self.land_by(&session, writer, &how, Some(landing))
            }
            Err(e) => {
                drop(writer);
                Err(back(e).into())
            }
        };
        if done.is_err() {
            domain.end_undo(session.id());
        }
        done
    }
}

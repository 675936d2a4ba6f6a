//! The session of an undo that lands on a project's head. As with one on the base, nobody else
//! sees it, and it goes with the undo: if that dies, the next recovery or collection sweeps it away.

use brio_session::ViewOptions;

use crate::begin::{self, New};
use crate::errors::Doing;
use crate::lease::Lease;
use crate::{
    BeginError, BeginOptions, CommitError, Domain, Session, SessionId, UndoError, WantedLower,
    Writer,
};

impl Domain {
    /// Begins the session of an undo of a landing on a project's head, on the tree that
    /// `options.lower` names, and gives the right to write in it. It is in no list, and is gone
    /// when its writer dies without having landed it.
    ///
    /// # Errors
    /// Those of a begin; `NotOnTree` for what is not to stand on a tree.
    pub fn begin_undo(
        &self,
        landing: u64,
        options: &BeginOptions,
    ) -> Result<(Session, Writer), UndoError> {
        let state = self.state();
        let WantedLower::Tree(tree) = &options.lower.wanted else {
            return Err(BeginError::NotOnTree.into());
        };
        let lower = begin::tree_lower(state, options, tree)?;
        let lock = state.shared()?;
        let sequence = state.seq.get().doing("the landing sequence")?.landing();
        let new = New {
            landing: sequence,
            dirs: Vec::new(),
            options,
            parent: None,
            lower,
            undo_of: Some(landing),
        };
        let lease = |dir: &_| Lease::of_new(state, dir, "undo").doing("a session");
        let (id, lease) = begin::make_with(state, &new, lease)?;
        drop(lock);
        let session = Session::new(state.clone(), id);
        let writing = ViewOptions { vcs: true, ..ViewOptions::default() };
        match session.writer_by(lease, writing) {
            Ok(writer) => Ok((session, writer)),
            Err(e) => {
                self.end_undo(session.id());
                Err(CommitError::from(e).into())
            }
        }
    }

    /// Removes the session of an undo that did not land; its writer has let go. What cannot be
    /// removed is said in the log, and swept away later.
    pub fn end_undo(&self, session: &SessionId) {
        super::throw_away(self.state(), session);
    }
}

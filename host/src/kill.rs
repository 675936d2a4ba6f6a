//! Ending a run from outside, and its session with it.

use std::time::{Duration, Instant};

use brio_landing::{
    LeaseError, RollbackError, SessionError, SessionId, State, StopOptions, Stopped,
};

use crate::SessionHandle;

/// How a session is killed.
#[derive(Debug, Clone, Copy)]
pub struct KillOptions {
    /// Leave the session open, to look at.
    pub keep: bool,
    /// Kill the process of a run that has not ended in time, if that is there for the run alone.
    pub force: bool,
    /// How long a run may take to end.
    pub patience: Duration,
}

impl Default for KillOptions {
    /// The session is rolled back; five seconds, no force.
    fn default() -> Self {
        let StopOptions { keep, force, patience } = StopOptions::default();
        Self { keep, force, patience }
    }
}

/// A session that was killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killed {
    /// The session.
    pub session: SessionId,
    /// The run that was ended in it, if one was alive.
    pub run: Option<Stopped>,
    /// How long that took.
    pub took: Duration,
    /// Its open children, which were killed with it, the leaves before what they branch.
    pub children: Vec<Killed>,
    /// What became of it.
    pub ending: KillEnding,
}

/// What became of a session that was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillEnding {
    /// It is gone, with so many bytes on disk; the base is untouched.
    RolledBack(u64),
    /// It is open.
    Kept,
    /// Its run was quicker, and had ended it.
    Ended(State),
}

impl SessionHandle {
    /// Ends the run in the session, and in its children, and then rolls it back with them, or
    /// keeps them. A run is asked to end, and does within an epoch tick of the guest (10 ms),
    /// also in a loop that calls nothing; one that waits ends at once.
    ///
    /// # Errors
    /// `SESSION_BUSY` when a run has not ended in time and cannot be forced: then nothing is
    /// rolled back that it needs.
    pub fn kill(&self, options: &KillOptions) -> Result<Killed, RollbackError> {
        let begun = Instant::now();
        let &KillOptions { keep, force, patience } = options;
        let open = match self.session() {
            Ok(session) => session,
            Err(SessionError::Ended { state, .. }) => return Ok(self.ended(None, begun, state)),
            Err(e) => return Err(e.into()),
        };
        let run = match open.stop_run(&StopOptions { keep, force, patience }) {
            Err(LeaseError::Session(SessionError::Ended { state, .. })) => {
                return Ok(self.ended(None, begun, state));
            }
            stopped => stopped?,
        };
        let took = begun.elapsed();
        // Nobody begins more of them now.
        let children = match self.info() {
            Err(SessionError::Ended { state, .. }) => {
                return Ok(Killed { took, ..self.ended(run, begun, state) });
            }
            info => info?.children,
        };
        let mut killed = Vec::new();
        for child in children.into_iter().rev() {
            killed.push(self.sibling(child).kill(options)?);
        }
        let ending = match keep {
            true => KillEnding::Kept,
            false => match self.rollback_cascade(true) {
                Ok((done, _)) => KillEnding::RolledBack(done.bytes_freed),
                Err(e) => match ended_as(&e) {
                    Some(state) => KillEnding::Ended(state),
                    None => return Err(e),
                },
            },
        };
        Ok(Killed { session: self.id().clone(), run, took, children: killed, ending })
    }

    fn ended(&self, run: Option<Stopped>, begun: Instant, state: State) -> Killed {
        let ending = match (&run, state) {
            // A run that is asked to stop rolls its session back itself.
            (Some(_), State::RolledBack) => KillEnding::RolledBack(0),
            _ => KillEnding::Ended(state),
        };
        let (session, took) = (self.id().clone(), begun.elapsed());
        Killed { session, run, took, children: Vec::new(), ending }
    }
}

fn ended_as(e: &RollbackError) -> Option<State> {
    match e {
        RollbackError::Session(SessionError::Ended { state, .. })
        | RollbackError::Lease(LeaseError::Session(SessionError::Ended { state, .. })) => {
            Some(*state)
        }
        _ => None,
    }
}

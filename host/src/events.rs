//! What becomes of sessions, told as it happens.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use brio_landing::SessionId;

/// Something that this process did to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// It began.
    Begun(SessionId),
    /// A run holds it.
    RunBegan(SessionId),
    /// No run of this process holds it any more.
    RunEnded(SessionId),
    /// It has another state, by the name that a listing shows.
    State(SessionId, String),
}

/// What is told to one who listens. An iterator that waits, and ends with the [`Brio`](crate::Brio).
#[derive(Debug)]
pub struct SessionEvents(Receiver<SessionEvent>);

impl SessionEvents {
    /// The next one, if it comes within so long.
    pub fn next_within(&mut self, patience: Duration) -> Option<SessionEvent> {
        self.0.recv_timeout(patience).ok()
    }
}

impl Iterator for SessionEvents {
    type Item = SessionEvent;

    fn next(&mut self) -> Option<SessionEvent> {
        self.0.recv().ok()
    }
}

/// Those who listen. Who has stopped is forgotten at the next event.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Mutex<Vec<Sender<SessionEvent>>>);

impl Listeners {
    pub(crate) fn listen(&self) -> SessionEvents {
        let (tell, told) = channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(tell);
        SessionEvents(told)
    }

    pub(crate) fn tell(&self, event: SessionEvent) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.send(event.clone()).is_ok());
    }
}

/// Tells of the end of a run when it is dropped.
pub(crate) struct Telling {
    brio: crate::Brio,
    session: SessionId,
}

impl crate::Brio {
    /// Tells that a run has begun, and, at the end of what this gives, that it has ended.
    pub(crate) fn telling(&self, session: &SessionId) -> Telling {
        self.tell(SessionEvent::RunBegan(session.clone()));
        Telling { brio: self.clone(), session: session.clone() }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.brio.tell(SessionEvent::RunEnded(self.session.clone()));
    }
}

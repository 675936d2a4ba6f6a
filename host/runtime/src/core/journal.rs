//! `session-journal`: what a guest says and decides.

use super::CoreCtx;
use crate::bindings::brio::core::session_journal as wit;
use crate::{SessionDecision, Sessions, SessionsCode, SessionsError};

type Answer = wasmtime::Result<Result<(), wit::JournalError>>;

impl CoreCtx<'_> {
    fn write(
        &self,
        id: &str,
        how: impl FnOnce(&dyn Sessions) -> Result<(), SessionsError>,
    ) -> Result<(), wit::JournalError> {
        let journal = self.core.info.as_ref().or(self.core.sessions.as_ref());
        match journal {
            Some(_) if self.core.ended.contains(id) => Err(wit::JournalError::Ended(id.into())),
            Some(sessions) if self.may_ask(id) => how(&**sessions).map_err(|e| error(id, e)),
            _ => Err(wit::JournalError::Unknown(id.into())),
        }
    }
}

impl wit::Host for CoreCtx<'_> {
    fn say(&mut self, id: String, text: String) -> Answer {
        Ok(self.write(&id, |s| s.say(&id, &text)))
    }

    fn decide(&mut self, id: String, decision: wit::Decision) -> Answer {
        let wit::Decision { title, why, alternatives } = decision;
        let decision = SessionDecision { title, why, alternatives };
        Ok(self.write(&id, |s| s.decide(&id, &decision)))
    }
}

fn error(id: &str, e: SessionsError) -> wit::JournalError {
    use wit::JournalError as E;
    match e.code {
        SessionsCode::Unknown => E::Unknown(id.into()),
        SessionsCode::Ended => E::Ended(id.into()),
        SessionsCode::JournalText => E::Empty(e.message),
        SessionsCode::Limit => E::Limit(e.message),
        _ => E::Failed(e.message),
    }
}

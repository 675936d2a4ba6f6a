//! The journal: what was to be achieved, said, decided and done, of sessions that are gone too.

use std::io;
use std::path::Path;

use brio_landing::{Decision, JournalError, JournalReader, SessionError};

use crate::{Brio, FindError, SessionHandle};

impl Brio {
    /// Reads the journal of the domain that `base` lies in, and what will be appended to it.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn journal(&self, base: &Path) -> Result<JournalReader, SessionError> {
        let (domain, _) = self.domain(base, false)?;
        domain.journal_reader().map_err(|e| unread(&e, base.display()))
    }

    /// As [`journal`](Self::journal), of the domain in which an open session lies, by the
    /// beginning of its id, wherever that is.
    ///
    /// # Errors
    /// [`FindError`].
    pub fn journal_with(&self, session: &str) -> Result<JournalReader, FindError> {
        let session = self.find(session, None)?;
        let reader = session.domain().journal_reader();
        Ok(reader.map_err(|e| unread(&e, session.id()))?)
    }
}

fn unread(e: &io::Error, what: impl std::fmt::Display) -> SessionError {
    let source = match e.raw_os_error() {
        Some(n) => io::Error::from_raw_os_error(n),
        None => io::Error::new(e.kind(), e.to_string()),
    };
    brio_landing::HostError { what: format!("the journal of {what}"), source }.into()
}

impl SessionHandle {
    /// Writes what somebody said in it to the journal, where it stays when the session is gone.
    ///
    /// # Errors
    /// Nothing was written.
    pub fn say(&self, author: &str, text: &str) -> Result<(), JournalError> {
        self.session()?.say(author, text)
    }

    /// Writes to the journal what was decided in it, why, and what else there was; its landing
    /// leads there.
    ///
    /// # Errors
    /// Nothing was written.
    pub fn decide(&self, author: &str, decision: &Decision) -> Result<(), JournalError> {
        self.session()?.decide(author, decision)
    }
}

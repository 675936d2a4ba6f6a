//! Notes that landed where the project's notes are not: bringing them there.

use std::path::Path;

use brio_landing::{Domain, Landed, PendingNotes, Warning};

use crate::Brio;
use crate::project::OpenProjectError;

impl Brio {
    /// Notes that landed in the base that `base` lies in, and that are not yet where the notes of
    /// its project are.
    ///
    /// # Errors
    /// [`OpenProjectError`].
    pub fn pending_notes(&self, base: &Path) -> Result<Vec<PendingNotes>, OpenProjectError> {
        let (domain, _) = self.domain(base, false)?;
        pending(&domain)
    }

    /// Brings them there; how many landings' notes arrived. A landing does so by itself.
    ///
    /// # Errors
    /// [`OpenProjectError`]; what did not arrive is pending as before.
    pub fn deliver_notes(&self, base: &Path) -> Result<usize, OpenProjectError> {
        let (domain, _) = self.domain(base, false)?;
        self.deliver_notes_of(&domain)
    }

    pub(crate) fn deliver_notes_of(&self, domain: &Domain) -> Result<usize, OpenProjectError> {
        match pending(domain)?.is_empty() {
            true => Ok(0),
            false => Ok(domain.deliver_notes(&*self.notes(domain)?)?),
        }
    }

    /// After a landing: what cannot be brought there now is said.
    pub(crate) fn deliver_landed(&self, domain: &Domain, landed: &mut Landed) {
        // What landed in a parent is the parent's to bring.
        if landed.parent.is_some() || landed.notes.is_empty() {
            return;
        }
        if let Err(e) = self.deliver_notes_of(domain) {
            landed.warnings.push(Warning::NotesPending { reason: e.to_string() });
        }
    }
}

fn pending(domain: &Domain) -> Result<Vec<PendingNotes>, OpenProjectError> {
    let base = || domain.root_path().to_owned();
    domain.pending_notes().map_err(|source| OpenProjectError::Host { base: base(), source })
}

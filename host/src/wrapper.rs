//! Work in a session that ends it however the work ends.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use brio_landing::{BeginError, CommitError, CommitOptions, Landed, Metadata};

use crate::{Brio, SessionHandle};

/// Why [`Brio::with_session`] gave nothing. No session is left behind.
#[derive(Debug)]
pub enum WorkError<E> {
    /// There was no session to work in.
    Begin(BeginError),
    /// The work failed; the session was rolled back.
    Work(E),
    /// The work panicked; the session was rolled back.
    Panicked,
    /// The work was done and could not land; the session was rolled back.
    Commit(CommitError),
}

impl<E: fmt::Display> fmt::Display for WorkError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(e) => e.fmt(f),
            Self::Work(e) => e.fmt(f),
            Self::Panicked => f.write_str("Agent panicked"),
            Self::Commit(e) => write!(f, "Commit failed: {e}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for WorkError<E> {}

impl Brio {
    /// Begins a session on `base`, does `work` in it and lands it. When the work fails or
    /// panics, or when it cannot land, the session is rolled back.
    ///
    /// # Errors
    /// [`WorkError`], whose text is the work's own, `Agent panicked` or `Commit failed: …`.
    pub fn with_session<T, E>(
        &self,
        base: &Path,
        metadata: Metadata,
        work: impl FnOnce(&SessionHandle) -> Result<T, E>,
    ) -> Result<(T, Landed), WorkError<E>> {
        let session = self.begin(base, metadata).map_err(WorkError::Begin)?;
        // The work is over after a panic: nothing it left half done is looked at again.
        let done = catch_unwind(AssertUnwindSafe(|| work(&session)));
        let failed = match done {
            Ok(Ok(value)) => match session.commit(CommitOptions::default()) {
                Ok(landed) => return Ok((value, landed)),
                Err(e) => WorkError::Commit(e),
            },
            Ok(Err(e)) => WorkError::Work(e),
            Err(_) => WorkError::Panicked,
        };
        if let Err(error) = session.rollback(true) {
            tracing::warn!(session = %session.id(), %error, "the session could not be rolled back");
        }
        Err(failed)
    }
}

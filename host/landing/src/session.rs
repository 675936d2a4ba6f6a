//! A session on disk, and the right to write in it.

use std::io;

use brio_session::{FsResult, View, ViewOptions};

use crate::{BeginError, BeginOptions, CommitError, CommitOptions, Landed, LeaseError, SessionError, SessionId, SessionInfo};

/// A session of a domain.
#[derive(Clone)]
pub struct Session {
    id: SessionId,
}

impl Session {
    /// Its id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// How it stands now.
    ///
    /// # Errors
    /// When it has ended or cannot be read.
    pub fn info(&self) -> Result<SessionInfo, SessionError> {
        todo!()
    }

    /// A read-only view of it as it is now; it takes no lease.
    ///
    /// # Errors
    /// As a view's opening.
    pub fn view(&self, options: ViewOptions) -> FsResult<View> {
        let _ = options;
        todo!()
    }

    /// Takes the writer lease and opens it for writing. `purpose` is shown to others.
    ///
    /// # Errors
    /// `SESSION_BUSY` when somebody holds it.
    pub fn writer(&self, purpose: &str, options: ViewOptions) -> Result<Writer, LeaseError> {
        let _ = (purpose, options);
        todo!()
    }
}

/// The right to write in a session: one at a time. Dropping it ends the view (its handles
/// answer `Stale`) and releases the lease.
pub struct Writer {
    view: View,
}

impl Writer {
    /// The live view.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Whether somebody asked this run to stop (`--stop`). Seen within 200 ms.
    pub fn stop_requested(&self) -> bool {
        todo!()
    }

    /// Begins a child of this session while it is being written: the view goes on over a new
    /// upper, its handles stay. `options.parent` is set for the caller.
    ///
    /// # Errors
    /// As [`Domain::begin`](crate::Domain::begin).
    pub fn begin_child(&self, options: BeginOptions) -> Result<Session, BeginError> {
        let _ = options;
        todo!()
    }

    /// Commits a child into this session while it is being written: its changes appear in the view.
    ///
    /// # Errors
    /// As [`Domain::commit`](crate::Domain::commit).
    pub fn commit_child(&self, child: &SessionId, options: CommitOptions) -> Result<Landed, CommitError> {
        let _ = (child, options);
        todo!()
    }

    /// Makes the session durable and records that it is clean; then as a drop.
    ///
    /// # Errors
    /// The host's; the lease is released all the same.
    pub fn finish(self) -> io::Result<()> {
        todo!()
    }
}

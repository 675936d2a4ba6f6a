//! What a session shows beside itself: directories of the host (*binds*), other sessions and
//! earlier landings (*mounts*).
//!
//! The record lies with the session (see `brio_landing::Bind`); here it is judged what may be
//! shown, and opened for a run.

mod judge;
mod shown;

use std::fmt;
use std::path::Path;

use brio_landing::{
    Bind, BindAccess, BindError, BindSource, HostError, JournalEntry, LeaseError, SessionError,
    SessionId, check_target,
};

use crate::SessionHandle;

pub(crate) use shown::Shown;

impl SessionHandle {
    /// Shows a directory of the host at `target`, an absolute path, to every run from the next
    /// one on, beside the session. What is written there, where `access` lets it be, is written
    /// to the directory at once: it is no part of the session, is in no diff, and neither lands
    /// nor goes with it. The bind itself ends with the session.
    ///
    /// A directory that is Brio's own or holds it is refused: the session's base and what is
    /// above it, a state directory, the home; the base's inside can be shown read-only.
    ///
    /// # Errors
    /// See [`BindError`]; nothing has changed.
    pub fn bind(&self, source: &Path, target: &str, access: BindAccess) -> Result<Bind, BindError> {
        check_target(target)?;
        self.record()?;
        let directory = judge::directory(self, source, access)?;
        let source = BindSource::Directory(directory);
        self.show(Bind { target: target.to_owned(), source, access })
    }

    /// Shows another session at `target`, read-only, to every run from the next one on: each sees
    /// it as it is when the run begins, without what is bound beside it. It may be of another base.
    ///
    /// # Errors
    /// See [`BindError`]; `Cycle` where this session would be shown in itself, or one in its own
    /// ancestor or child.
    pub fn mount(&self, other: &SessionHandle, target: &str) -> Result<Bind, BindError> {
        check_target(target)?;
        judge::leads_back(self, other)?;
        let source = BindSource::Session(other.id().clone());
        self.show(Bind { target: target.to_owned(), source, access: BindAccess::ReadOnly })
    }

    /// Shows the base as of a landing at `target`, read-only, to every run from the next one on.
    /// Later landings are not in it; what was edited from outside since is. It can be shown for as
    /// long as the undo history keeps what it needs.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn mount_landing(&self, landing: u64, target: &str) -> Result<Bind, BindError> {
        check_target(target)?;
        let source = BindSource::Landing(landing);
        self.show(Bind { target: target.to_owned(), source, access: BindAccess::ReadOnly })
    }

    fn show(&self, bind: Bind) -> Result<Bind, BindError> {
        self.session()?.bind(bind.clone())?;
        let told = match bind.source {
            BindSource::Directory(_) => self.notify_bind_success(&bind.source, &bind.target),
            _ => self.notify_mount_success(&bind.source, &bind.target),
        };
        self.not_told(told);
        Ok(bind)
    }

    /// Takes away what [`bind`](Self::bind) shows, from the next run on.
    ///
    /// # Errors
    /// See [`BindError`]; `Kind` where there is a mount.
    pub fn unbind(&self, target: &str) -> Result<Bind, BindError> {
        self.take_away(target, "bind", "unbound")
    }

    /// Takes away what [`mount`](Self::mount) or [`mount_landing`](Self::mount_landing) shows, from
    /// the next run on.
    ///
    /// # Errors
    /// See [`BindError`]; `Kind` where there is a bind, `Busy` where a run may be reading a landing.
    pub fn unmount_at(&self, target: &str) -> Result<Bind, BindError> {
        self.take_away(target, "mount", "unmounted")
    }

    fn take_away(&self, target: &str, kind: &'static str, what: &str) -> Result<Bind, BindError> {
        let bind = self.session()?.unbind(target, kind)?;
        self.not_told(self.announce(what, &bind.source, &bind.target));
        Ok(bind)
    }

    /// What it shows beside itself, in the order of the names.
    ///
    /// # Errors
    /// When it has ended, or the record cannot be read.
    pub fn binds(&self) -> Result<Vec<Bind>, BindError> {
        self.session()?.binds()
    }

    /// Says in the journal that `source` is mounted at `target`. [`mount`](Self::mount) says so
    /// itself; this is for who shows something to a session's runs by means of their own.
    ///
    /// # Errors
    /// When the session has ended, or the journal cannot be written.
    pub fn notify_mount_success(
        &self,
        source: impl fmt::Display,
        target: impl fmt::Display,
    ) -> Result<(), SessionError> {
        self.announce("mounted", source, target)
    }

    /// Says in the journal that `source` is bound at `target`. [`bind`](Self::bind) says so itself;
    /// this is for who shows something to a session's runs by means of their own.
    ///
    /// # Errors
    /// When the session has ended, or the journal cannot be written.
    pub fn notify_bind_success(
        &self,
        source: impl fmt::Display,
        target: impl fmt::Display,
    ) -> Result<(), SessionError> {
        self.announce("bound", source, target)
    }

    fn announce(
        &self,
        what: &str,
        source: impl fmt::Display,
        target: impl fmt::Display,
    ) -> Result<(), SessionError> {
        let record = self.record()?;
        let detail = serde_json::json!({
            "source": source.to_string(), "target": target.to_string(),
        });
        let entry = JournalEntry {
            session: Some(self.id().clone()),
            agent: record.agent,
            task_id: record.task_id,
            detail: Some(detail),
            ..JournalEntry::new(self.brio().now(), what)
        };
        let failed = |source| HostError { what: "the journal".to_owned(), source };
        Ok(self.domain().journal(&entry).map_err(failed)?)
    }

    /// It is done, and the record says so: a journal that is full takes nothing back.
    fn not_told(&self, told: Result<(), SessionError>) {
        if let Err(error) = told {
            tracing::warn!(session = %self.id(), %error, "the journal was not written");
        }
    }

    /// The session of that id, wherever it lies.
    fn other(&self, id: &SessionId) -> Result<SessionHandle, String> {
        match self.domain().session(id) {
            Ok(_) => {
                return Ok(SessionHandle::new(
                    self.brio().clone(),
                    self.domain().clone(),
                    id.clone(),
                ));
            }
            Err(SessionError::Ended { state, .. }) => {
                return Err(format!("has ended ({})", state.as_str()));
            }
            Err(SessionError::Unknown { .. }) => {}
            Err(e) => return Err(format!("cannot be opened ({e})")),
        }
        match self.brio().find(id.as_str(), None) {
            Ok(found) => Ok(found),
            Err(crate::FindError::Ended { state, .. }) => Err(format!("has ended ({state})")),
            Err(crate::FindError::Session(SessionError::Ended { state, .. })) => {
                Err(format!("has ended ({})", state.as_str()))
            }
            Err(crate::FindError::Session(SessionError::Unknown { .. })) => {
                Err("has ended, or its base is gone".to_owned())
            }
            Err(e) => Err(format!("cannot be opened ({e})")),
        }
    }
}

/// What cannot be looked at has no layers to show.
fn unreadable(target: &str, e: LeaseError) -> BindError {
    match e {
        LeaseError::View { source, .. } => BindError::View { target: target.to_owned(), source },
        LeaseError::Session(e) => e.into(),
        LeaseError::Io(e) => e.into(),
        e => BindError::NotShown {
            target: target.to_owned(),
            how: format!("now ({e})"),
            next: "try again".to_owned(),
        },
    }
}

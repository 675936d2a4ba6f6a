//! What others changed as well: resolving it, and looking at it; and seals, which say that nobody
//! has.

use std::sync::Arc;

use brio_landing::{
    Applied, ApplyError, CommitError, Conflict, LeaseError, Moved, RebaseOptions, Rebased,
    ResolveError, ResolveOptions, Resolved, Seal,
};
use brio_session::{ChangeSet, Lower, RelPath};

use crate::SessionHandle;

impl SessionHandle {
    /// Rebases it on its base (a child: on its parent) as it is now, and keeps it open: see
    /// [`Resolved`]. Paths are relative to its base.
    ///
    /// # Errors
    /// It is what it was: `CONFLICT` names the paths that somebody must choose for.
    pub fn resolve(&self, options: ResolveOptions) -> Result<Resolved, ResolveError> {
        let subdir = self.record().map_err(CommitError::from)?.subdir;
        let takes = options.takes.iter().map(|(p, t)| (subdir.join_path(p), *t)).collect();
        let below = |p: RelPath| p.strip_prefix(&subdir).unwrap_or(p);
        let all = |paths: Vec<RelPath>| paths.into_iter().map(below).collect();
        match self.domain().resolve(self.id(), ResolveOptions { takes, ..options }) {
            Ok(done) => {
                self.index_ended("open");
                Ok(Resolved {
                    merged: all(done.merged),
                    marked: all(done.marked),
                    taken: done.taken.into_iter().map(|(p, t)| (below(p), t)).collect(),
                    ..done
                })
            }
            Err(ResolveError::Choose { session, conflicts }) => {
                Err(ResolveError::Choose { session, conflicts: inside(conflicts, &subdir) })
            }
            Err(ResolveError::NoConflict { path }) => {
                Err(ResolveError::NoConflict { path: below(path) })
            }
            Err(e) => Err(e),
        }
    }

    /// Puts it on its base (a child: on its parent) as it is now, and keeps it open: what a commit
    /// by the same policy would land, without landing it. Durable when it returns. Paths are
    /// relative to its base.
    ///
    /// # Errors
    /// As [`commit`](Self::commit) by that policy; it is what it was.
    pub fn rebase(&self, options: &RebaseOptions) -> Result<Rebased, CommitError> {
        let subdir = self.record()?.subdir;
        let done = self.session()?.rebase(options).map_err(|e| inside_of(e, &subdir));
        match &done {
            Ok(done) if done.moved => self.index_ended("open"),
            Ok(_) => {}
            Err(e) => self.index_failed(e),
        }
        let below = |p: RelPath| p.strip_prefix(&subdir).unwrap_or(p);
        done.map(|d| Rebased { settled: d.settled.into_iter().map(below).collect(), ..d })
    }

    /// Says what would land and on what, for gates to look at: with it in
    /// [`CommitOptions::sealed`](crate::CommitOptions::sealed) exactly that lands, or nothing.
    ///
    /// ```
    /// # use brio_host::{Brio, CommitOptions, Metadata};
    /// # let dir = tempfile::tempdir()?;
    /// # let base = dir.path().join("base");
    /// # std::fs::create_dir(&base)?;
    /// # let brio = Brio::open(dir.path().join("home"))?;
    /// let session = brio.begin(&base, Metadata::default())?;
    /// let seal = session.seal()?;
    /// // … whoever must agree looks at the session, in branches of it …
    /// session.commit(CommitOptions { sealed: Some(seal), ..CommitOptions::default() })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `SESSION_BEHIND` when others landed since it began, which [`rebase`](Self::rebase) mends;
    /// `CONFLICT`, and as a commit would be refused. It is what it was.
    pub fn seal(&self) -> Result<Seal, CommitError> {
        let subdir = self.record()?.subdir;
        self.session()?.seal().map_err(|e| inside_of(e, &subdir))
    }

    /// Makes what it changed (against its parent, if it has one) in another session as well, all
    /// of it at once and durably, or nothing: so that several can look at one piece of work, each
    /// in a session of its own. Paths are relative to what each of them branches.
    ///
    /// # Errors
    /// `CONFLICT` names the paths at which the other one has something else than what was
    /// changed; `SESSION_BUSY` when somebody works in one of them. The other one is what it was.
    pub fn apply_changes_to_session(&self, other: &SessionHandle) -> Result<Applied, ApplyError> {
        let session = |e| ApplyError::from(CommitError::from(e));
        let (from, into) = (self.session().map_err(session)?, other.session().map_err(session)?);
        from.apply_changes_to_session(&into)
    }

    /// What differs at the paths that it changed between it and the base as it is now.
    ///
    /// # Errors
    /// As [`view`](Self::view).
    pub fn changes_against_base(&self) -> Result<ChangeSet, LeaseError> {
        let fail = |source| LeaseError::View { id: self.id().clone(), source };
        let session = self.session()?;
        session.base_is_there()?;
        session.changes_against_base().map_err(fail)
    }

    /// Its base as it is now, whatever it sees itself.
    ///
    /// # Errors
    /// As [`view`](Self::view).
    pub fn base_now(&self) -> Result<Arc<dyn Lower>, LeaseError> {
        let fail = |source| LeaseError::View { id: self.id().clone(), source };
        let session = self.session()?;
        session.base_is_there()?;
        session.base_now().map_err(fail)
    }
}

/// A commit's error with the paths of its conflicts relative to the session's base.
pub(crate) fn inside_of(error: CommitError, subdir: &RelPath) -> CommitError {
    match error {
        CommitError::Conflict { session, conflicts } => {
            CommitError::Conflict { session, conflicts: inside(conflicts, subdir) }
        }
        CommitError::SealBroken { session, moved: Moved::Drift(paths) } => {
            let below = |p: RelPath| p.strip_prefix(subdir).unwrap_or(p);
            let moved = Moved::Drift(paths.into_iter().map(below).collect());
            CommitError::SealBroken { session, moved }
        }
        CommitError::Cascade { landed, source } => {
            CommitError::Cascade { landed, source: Box::new(inside_of(*source, subdir)) }
        }
        error => error,
    }
}

/// Conflicts with paths relative to a session's base, where they lie in it.
fn inside(conflicts: Vec<Conflict>, subdir: &RelPath) -> Vec<Conflict> {
    let below = |p: RelPath| p.strip_prefix(subdir).unwrap_or(p);
    conflicts.into_iter().map(|c| Conflict { path: below(c.path), ..c }).collect()
}

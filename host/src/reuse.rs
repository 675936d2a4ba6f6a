//! A session that is there, or else a new one.

use std::fs::File;
use std::io;
use std::path::Path;

use brio_landing::{
    BeginError, BeginOptions, HostError, LeaseStatus, LowerInfo, SessionInfo, State, WantedLower,
};

use crate::{Brio, SessionHandle};

/// A session that was asked for.
#[derive(Debug)]
pub struct Begun {
    /// The session.
    pub session: SessionHandle,
    /// It was there; everything that the caller said about a new one is not so.
    pub reused: bool,
}

impl Brio {
    /// The session on this directory that its owner, this user, has open, or a new one. It is the
    /// youngest that branches exactly this directory and sees of it what `options` asks for,
    /// belongs to no task, has no parent, and can land. Somebody may be working in it. Two who
    /// ask at once get the same one.
    ///
    /// # Errors
    /// [`BeginError`]; nothing of a new session is left then.
    pub fn begin_or_reuse(&self, base: &Path, options: BeginOptions) -> Result<Begun, BeginError> {
        let path = self.home().join("reuse.lock");
        let _alone =
            lock(&path).map_err(|source| HostError { what: path.display().to_string(), source })?;
        if let Some(session) = self.reusable(base, &options) {
            return Ok(Begun { session, reused: true });
        }
        Ok(Begun { session: self.begin_with(base, options)?, reused: false })
    }

    fn reusable(&self, base: &Path, options: &BeginOptions) -> Option<SessionHandle> {
        let (domain, subdir) = self.domain(base, false).ok()?;
        let me = rustix::process::geteuid().as_raw();
        let fits = |info: &SessionInfo| {
            info.subdir == subdir
                && info.owner == me
                && info.parent.is_none()
                && info.task_id.is_none()
                && matches!(info.state, State::Open | State::Conflicted)
                && !matches!(info.lease, LeaseStatus::Dead { .. })
                && is_wanted(&options.lower.wanted, &info.lower)
                && leaves_out(base, info, &options.lower.excludes)
                && info.isolation == options.isolation
                && !(info.stale || info.adopted || info.unclean)
        };
        let sessions = domain.sessions().ok()?.into_iter().filter(fits);
        let youngest = sessions.max_by_key(|info| info.created_at)?;
        Some(SessionHandle::new(self.clone(), domain, youngest.id))
    }
}

/// Whether a session sees of its base what is asked for.
fn is_wanted(wanted: &WantedLower, lower: &LowerInfo) -> bool {
    match (wanted, lower) {
        (WantedLower::Live, LowerInfo::Live) | (WantedLower::Frozen, LowerInfo::Frozen(_)) => true,
        (WantedLower::Tree(wanted), LowerInfo::Tree(tree)) => {
            wanted.tree == tree.tree
                && (&wanted.store, &wanted.project) == (&tree.store, &tree.project)
        }
        _ => false,
    }
}

/// Whether a session leaves out what is asked for; what `.brioignore` says comes before that.
fn leaves_out(base: &Path, info: &SessionInfo, excludes: &[String]) -> bool {
    info.excludes.ends_with(excludes)
        && (info.excludes.len() == excludes.len() || base.join(".brioignore").exists())
}

/// Held until it is dropped; whoever is killed lets go of it.
fn lock(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    file.lock()?;
    Ok(file)
}

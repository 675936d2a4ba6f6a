//! What landed in a base: listing it, undoing it, and deleting what is kept for that.

use std::path::{Path, PathBuf};

use brio_landing::{
    Blame, BlameError, Collected, CommitError, Domain, DomainError, GcOptions, Landed, Log,
    LogFilter, SessionError, UndoError, UndoOptions,
};
use brio_registry::{RegistryError, SessionRow};
use brio_session::{RelPath, from_os};
use brio_share::ShareError;

use crate::Brio;
use crate::observe::WatchedLanding;

impl Brio {
    /// The root of the domain that `base` lies in: where its landings land.
    ///
    /// # Errors
    /// When it lies in none.
    pub fn root_of(&self, base: &Path) -> Result<PathBuf, DomainError> {
        Ok(self.domain(base, false)?.0.root_path().to_owned())
    }

    /// The landings of the domain that `base` lies in, newest first; where it belongs to a project
    /// in a store, those on the project's head. `path`: only those that changed it, or something
    /// below it.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn log(
        &self,
        base: &Path,
        limit: Option<usize>,
        path: Option<&Path>,
    ) -> Result<Log, SessionError> {
        let (domain, _) = self.domain(base, false)?;
        let path = path.map(|p| inside(&domain, p)).transpose()?;
        if let Some(place) = self.place_of(&domain).map_err(|e| e.head())? {
            return Ok(place.log(limit, path.as_ref()).map_err(|e| e.head())?);
        }
        domain.log(&LogFilter { limit, path })
    }

    /// Undoes a landing of the domain that `base` lies in, by another landing; where it belongs to
    /// a project in a store, one on the project's head, by its position.
    ///
    /// # Errors
    /// [`UndoError`]; then the base is as it was.
    pub fn undo(
        &self,
        base: &Path,
        landing: u64,
        options: &UndoOptions,
    ) -> Result<Landed, UndoError> {
        let (domain, _) = self.domain(base, false)?;
        let watched = WatchedLanding::undo(self, domain.root_path(), landing);
        let mut done = match self.place_of(&domain).map_err(|e| CommitError::from(e.head()))? {
            None => domain.undo(landing, options),
            Some(place) => match place.undo(&domain, landing, options) {
                Ok(landed) => Ok(place.as_landed(&domain, landed)),
                Err(ShareError::Undo(e)) => Err(e),
                Err(ShareError::Commit(e)) => Err(e.into()),
                Err(e) => Err(CommitError::from(e.head()).into()),
            },
        };
        watched.undone(&done);
        if let Ok(landed) = &mut done {
            self.deliver_landed(&domain, landed);
        }
        done
    }

    /// Which landing each line of a file came with. The domain is the one that the file lies in.
    ///
    /// # Errors
    /// [`BlameError`].
    pub fn blame(&self, file: &Path) -> Result<Blame, BlameError> {
        let dir = match file.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        // Without a name (`..`, `/`) it is a directory, and is said to be none with lines.
        let base = if file.file_name().is_some() { dir } else { file };
        let (domain, below) = self.domain(base, false)?;
        let path = file.file_name().map_or(below.clone(), |name| below.join(from_os(name)));
        match self.place_of(&domain).map_err(|e| e.head())? {
            None => domain.blame(&path),
            Some(place) => place.blame(&path).map_err(|e| match e {
                ShareError::Blame(e) => e,
                e => e.head().into(),
            }),
        }
    }

    /// Deletes what nobody needs any more in the domain that `base` lies in, and in the one that
    /// it has in the home.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn gc(&self, base: &Path, options: &GcOptions) -> Result<Collected, SessionError> {
        let how = self.domain_options(base, false);
        if !options.dry_run
            && let Err(error) = Domain::sweep(base, &how)
        {
            tracing::warn!(%error, "what crashes left of domains was not removed");
        }
        let (domain, _) = self.domain(base, false)?;
        let mut done = domain.gc_with(options)?;
        if let Some(claim) = Domain::claim_in_home(base, &how)?
            && claim != domain.claim_id()
            && let Some(beside) = Domain::open_in_home(&claim, how)?
        {
            let more = beside.gc_with(options)?;
            done.bytes_freed += more.bytes_freed;
            done.stale.extend(more.stale);
        }
        Ok(done)
    }

    /// Forgets the domains whose bases are gone, with their sessions; returns those. A base
    /// that comes back (a disk that is mounted again) is known again when it is opened. Sessions
    /// in the home are not lost with their base; without any its domain there is deleted.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn forget_lost(&self, dry_run: bool) -> Result<Vec<SessionRow>, RegistryError> {
        self.refresh_index();
        let sessions = self.registry().sessions()?;
        let mut lost = Vec::new();
        for place in self.known_domains() {
            match self.known_domain(&place) {
                Ok(domain) if domain.claim_id() != place.claim => {}
                Ok(domain) if domain.base_gone().is_some() => {}
                Err(DomainError::Missing { .. } | DomainError::NoDomain { .. }) => {}
                // There, or for `brio recover --adopt` to take over.
                _ => continue,
            }
            if dry_run {
                let its = sessions.iter().filter(|r| r.claim == place.claim && r.state == "lost");
                lost.extend(its.cloned());
                continue;
            }
            let options = self.domain_options(&place.path, false);
            match Domain::forget(&place.claim, &options) {
                Ok(true) => {}
                // Work is in it.
                Ok(false) => continue,
                Err(error) => {
                    tracing::warn!(base = %place.path.display(), %error, "a domain could not be forgotten");
                    continue;
                }
            }
            lost.extend(self.registry().forget_domain(&place.claim)?);
        }
        Ok(lost)
    }
}

/// A path of the host as one of the domain. It may be gone; links in its directory are followed.
fn inside(domain: &Domain, path: &Path) -> Result<RelPath, DomainError> {
    let missing = |path: &Path| DomainError::Missing { path: path.to_owned() };
    let absolute = std::path::absolute(path).map_err(|_| missing(path))?;
    let mut known = absolute.as_path();
    let mut rest = PathBuf::new();
    let found = loop {
        let (Some(parent), Some(name)) = (known.parent(), known.file_name()) else {
            break known.to_owned();
        };
        rest = if rest.as_os_str().is_empty() { name.into() } else { Path::new(name).join(rest) };
        known = parent;
        if let Ok(real) = known.canonicalize() {
            break real;
        }
    };
    let full = found.join(rest);
    let root = domain.root_path().canonicalize().unwrap_or_else(|_| domain.root_path().to_owned());
    let below = full.strip_prefix(&root).map_err(|_| missing(path))?;
    RelPath::new(from_os(below.as_os_str())).map_err(|_| missing(path))
}

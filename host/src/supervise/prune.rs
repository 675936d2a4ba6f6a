//! What tasks left that ended long ago: rows, decisions, logs, samples, owners.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use brio_landing::{Domain, DomainError, SessionError};
use brio_registry::queue::{Job, QueueError, dead_owners};

use super::{Supervisor, outcome};
use crate::directory::remove_all;
use crate::session::base_of;
use crate::{FindError, STATE_DIR};

/// What was made within that time may be a task's that is being submitted, or an owner's that is
/// about to be one.
const FRESH: Duration = Duration::from_secs(3600);

/// What was removed of tasks that ended long ago, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// The tasks, as they were submitted.
    pub tasks: Vec<String>,
    /// Tasks that ended as long ago and are kept, and why.
    pub kept: Vec<(String, String)>,
    /// Logs and samples of tasks that nobody knows any more, and files of owners that are dead.
    pub strays: usize,
    /// What all of it took, in bytes.
    pub bytes: u64,
}

/// Why something of a task cannot be removed.
#[derive(Debug, thiserror::Error)]
enum Obstacle {
    #[error("its session {0} is open: `brio session commit` or `rollback` ends it")]
    Kept(String),
    #[error("{0} of its sample is open: `brio session rollback` ends it")]
    InSample(String),
    #[error("its session cannot be looked for: {0}")]
    Find(FindError),
    #[error("its sample {} cannot be looked at: {error}", path.display())]
    Sample { path: PathBuf, error: DomainError },
    #[error("{} cannot be removed: {error}", path.display())]
    Remove { path: PathBuf, error: io::Error },
}

impl Supervisor {
    /// Removes what is left of tasks that ended so long ago: their logs, samples, decisions and
    /// themselves; whole submissions only, and none of which a session is still open. Files go
    /// first: what a crash leaves, the next call removes. The ids of removed tasks are free
    /// again: submitted once more they are done once more.
    ///
    /// # Errors
    /// The queue's. What was removed by then is removed.
    pub fn prune(&self, older_than: Duration, dry_run: bool) -> Result<Pruned, QueueError> {
        let millis = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
        let before = self.now().saturating_sub(millis);
        let mut pruned = Pruned::default();
        for id in self.queue.ended_by(before)? {
            let jobs = self.queue.submission(&id)?;
            match self.files_of(&jobs, dry_run) {
                Ok(bytes) => {
                    if !dry_run && !self.queue.remove(&id)? {
                        continue;
                    }
                    pruned.bytes += bytes + jobs.iter().map(row_size).sum::<u64>();
                    pruned.tasks.push(id);
                }
                Err(obstacle) => pruned.kept.push((id, obstacle.to_string())),
            }
        }
        self.strays(older_than, dry_run, &mut pruned)?;
        if !dry_run {
            self.queue.remove_decisions(before)?;
            if let Err(error) = self.queue.compact() {
                tracing::warn!(%error, "the queue's file stays as large as it is");
            }
        }
        Ok(pruned)
    }

    /// Removes the logs and samples of jobs that are done. What they took.
    fn files_of(&self, jobs: &[Job], dry_run: bool) -> Result<u64, Obstacle> {
        let kept = jobs.iter().filter_map(|job| outcome(job)?.kept);
        kept.into_iter().try_for_each(|session| match self.brio.find(&session, None) {
            Ok(_) => Err(Obstacle::Kept(session)),
            Err(
                FindError::Ended { .. }
                | FindError::Session(SessionError::Ended { .. } | SessionError::Unknown { .. }),
            ) => Ok(()),
            Err(e) => Err(Obstacle::Find(e)),
        })?;
        let mut bytes = 0;
        for job in jobs.iter().filter(|job| is_name(&job.id)) {
            bytes += self.sample(&self.samples().join(&job.id), dry_run)?;
            bytes += removed(&self.log(&job.id), dry_run)?;
        }
        Ok(bytes)
    }

    fn samples(&self) -> PathBuf {
        self.brio.home().join("samples")
    }

    /// Removes a sample, and its domain from the index, unless a session is open on it.
    fn sample(&self, path: &Path, dry_run: bool) -> Result<u64, Obstacle> {
        if !path.is_dir() {
            return removed(path, dry_run);
        }
        let unseen = |error| Obstacle::Sample { path: path.to_owned(), error };
        // Without a state of its own it may lie in somebody else's domain.
        let whose = match self.brio.domain(path, false) {
            Ok((domain, _)) => Some(domain),
            Err(DomainError::NoDomain { .. }) => None,
            Err(error) => return Err(unseen(error)),
        };
        if let Some(domain) = whose {
            let open = domain.sessions();
            let open = open.map_err(|e| Obstacle::Find(FindError::Session(e)))?;
            let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            let on = open.iter().find(|s| base_of(&s.base, &s.subdir).starts_with(&real));
            if let Some(session) = on {
                return Err(Obstacle::InSample(session.id.to_string()));
            }
            if !dry_run && path.join(STATE_DIR).is_dir() {
                let claim = domain.claim_id();
                let options = self.brio.domain_options(path, false);
                Domain::forget(claim, &options).map_err(unseen)?;
                self.brio.index(|r| r.forget_domain(claim).map(drop));
            }
        }
        removed(path, dry_run)
    }

    /// Removes what belongs to no job: a crash left it before there was one.
    fn strays(
        &self,
        older_than: Duration,
        dry_run: bool,
        pruned: &mut Pruned,
    ) -> Result<(), QueueError> {
        let long_ago = older_than.max(FRESH);
        let Some(time) = SystemTime::now().checked_sub(long_ago) else { return Ok(()) };
        let logs = old(&self.brio.home().join("tasks"), time);
        let samples = old(&self.samples(), time);
        let mut found = Vec::new();
        for path in logs.into_iter().chain(samples) {
            // A job's id has no dot but before a child's number.
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let id = name.strip_suffix(".log").unwrap_or(name);
            if self.queue.job(id)?.is_none() {
                found.push(self.sample(&path, dry_run));
            }
        }
        let owners = self.brio.home().join("owners");
        match dead_owners(&owners, time) {
            Ok(dead) => found.extend(dead.iter().map(|(path, _)| removed(path, dry_run))),
            Err(error) => tracing::warn!(path = %owners.display(), %error, "not looked at"),
        }
        for found in found {
            match found {
                Ok(bytes) => {
                    pruned.strays += 1;
                    pruned.bytes += bytes;
                }
                Err(error) => tracing::warn!(%error, "left behind"),
            }
        }
        Ok(())
    }
}

/// Whether a job's files are where they are expected: an id of an embedder may be anything.
fn is_name(id: &str) -> bool {
    let mut parts = Path::new(id).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

fn row_size(job: &Job) -> u64 {
    let texts = [&job.memo, &job.outcome].map(|text| text.as_ref().map_or(0, String::len));
    (job.task.len() + texts.iter().sum::<usize>()) as u64
}

/// What lies in a directory and was changed by a time.
fn old(dir: &Path, time: SystemTime) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let old = |path: &PathBuf| {
        fs::symlink_metadata(path).and_then(|meta| meta.modified()).is_ok_and(|at| at <= time)
    };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(old).collect()
}

/// Removes something with all that it holds, if it is there. What it took.
fn removed(path: &Path, dry_run: bool) -> Result<u64, Obstacle> {
    let fail = |error| Obstacle::Remove { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        there => there.map(|_| ()).map_err(fail)?,
    }
    let bytes = size(path);
    if !dry_run {
        remove_all(path).map_err(fail)?;
    }
    Ok(bytes)
}

fn size(path: &Path) -> u64 {
    let mut left = vec![path.to_owned()];
    let mut bytes = 0;
    while let Some(path) = left.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() {
            left.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
        } else {
            bytes += meta.len();
        }
    }
    bytes
}

//! Throwing many sessions away.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use brio_landing::{LeaseError, LeaseStatus, RollbackError, SessionError, SessionInfo};
use brio_registry::{RegistryError, SessionRow};
use brio_session::Time;

use crate::{Brio, KillEnding, KillOptions, ListFilter, SessionHandle};

/// Which sessions a purge is about; all of them by default.
#[derive(Debug, Clone, Default)]
pub struct PurgeFilter {
    /// Only those in one of these states, as [`SessionRow::state`]; empty: in any.
    pub states: Vec<String>,
    /// Only those that nobody has worked in for so long.
    pub older_than: Option<Duration>,
    /// Only those of the domain that this directory lies in.
    pub base: Option<PathBuf>,
    /// Also those that somebody works in, and those that a task asks about or works with: runs
    /// are ended first.
    pub force: bool,
}

/// A session that a purge found.
#[derive(Debug, Clone)]
pub struct Purgeable {
    /// The session.
    pub row: SessionRow,
    /// Bytes that it takes on disk; 0 if they cannot be counted.
    pub bytes: u64,
    /// Why it is spared; `None`: it goes.
    pub spared: Option<Spared>,
}

/// Why a purge spares a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Spared {
    /// A process works in it.
    #[error("process {pid} works in it")]
    Live {
        /// The process; 0: it does not say.
        pid: u32,
    },
    /// It belongs to a task that has not ended.
    #[error("task {task} has not ended")]
    OfTask {
        /// The task.
        task: String,
    },
    /// Its base is not where it was.
    #[error("its base is not there; `brio gc --forget-lost` forgets it")]
    Lost,
    /// A child of it is spared.
    #[error("its child {child} stays")]
    Child {
        /// The child.
        child: String,
    },
    /// It could not be rolled back.
    #[error("{0}")]
    Failed(String),
}

/// What became of a session in a purge.
#[derive(Debug, Clone)]
pub struct Purged {
    /// The session.
    pub row: SessionRow,
    /// Bytes on disk that are free again; why it is still there.
    pub freed: Result<u64, Spared>,
}

impl Brio {
    /// Looks which sessions a purge would throw away, children before what they branch; nothing
    /// is changed.
    ///
    /// # Errors
    /// When the index cannot be used.
    pub fn purgeable(&self, filter: &PurgeFilter) -> Result<Vec<Purgeable>, RegistryError> {
        let filter_of_base = ListFilter { ended: false, base: filter.base.clone() };
        let (rows, mut there) = self.asked(&filter_of_base)?;
        let tasks = self.open_tasks();
        let mut found = Vec::new();
        let mut spared: HashSet<String> = HashSet::new();
        for row in children_first(rows) {
            let (handle, info) = there.remove(&row.id).unzip();
            if !filter.fits(&row, info.as_ref(), self.now()) {
                // Who is not asked about keeps what it branches.
                spared.insert(row.id);
                continue;
            }
            let why = match row.state.as_str() {
                "lost" => Some(Spared::Lost),
                _ if filter.force => None,
                _ => why_spared(&row, info.as_ref(), &tasks),
            };
            let kept = info.iter().flat_map(|info| &info.children);
            let kept = kept.map(ToString::to_string).find(|child| spared.contains(child));
            let why = why.or(kept.map(|child| Spared::Child { child }));
            if why.is_some() {
                spared.insert(row.id.clone());
            }
            let bytes =
                handle.and_then(|handle: SessionHandle| handle.disk_usage().ok()).unwrap_or(0);
            found.push(Purgeable { row, bytes, spared: why });
        }
        Ok(found)
    }

    /// Throws away what [`purgeable`](Self::purgeable) found and did not spare, in its order;
    /// `told` hears of each. Who began to work in one of them meanwhile keeps it, unless `force`
    /// says otherwise. Each is rolled back as a whole or stays.
    pub fn purge(&self, found: Vec<Purgeable>, force: bool, mut told: impl FnMut(&Purged)) {
        for Purgeable { row, spared, .. } in found {
            let freed = match spared {
                Some(why) => Err(why),
                None => self.purge_one(&row, force),
            };
            told(&Purged { row, freed });
        }
    }

    fn purge_one(&self, row: &SessionRow, force: bool) -> Result<u64, Spared> {
        let handle = match self.find(&row.id, None) {
            Ok(handle) => handle,
            Err(e) if e.code() == "SESSION_ENDED" => return Ok(0),
            Err(e) => return Err(Spared::Failed(e.to_string())),
        };
        let done =
            if force { force_away(&handle) } else { handle.rollback(false).map(|d| d.bytes_freed) };
        match done {
            Ok(freed) => Ok(freed),
            Err(RollbackError::Lease(LeaseError::Busy { pid, .. })) => Err(Spared::Live { pid }),
            Err(RollbackError::OpenChildren { mut children, .. }) if !children.is_empty() => {
                Err(Spared::Child { child: children.swap_remove(0).to_string() })
            }
            Err(RollbackError::Session(SessionError::Ended { .. })) => Ok(0),
            Err(e) => Err(Spared::Failed(e.to_string())),
        }
    }

    /// The tasks that have not ended, with the session that each works with.
    fn open_tasks(&self) -> Vec<(String, Option<String>)> {
        let queue = self.home().join("queue.db");
        if !queue.exists() {
            return Vec::new();
        }
        let jobs = self.supervisor(Vec::new()).and_then(|supervisor| supervisor.jobs(false));
        match jobs {
            Ok(jobs) => jobs.into_iter().map(|job| (job.id, job.session)).collect(),
            Err(error) => {
                tracing::warn!(%error, "which sessions tasks work with is not known");
                Vec::new()
            }
        }
    }
}

fn force_away(handle: &SessionHandle) -> Result<u64, RollbackError> {
    let killed = handle.kill(&KillOptions { force: true, ..KillOptions::default() })?;
    fn freed(killed: &crate::Killed) -> u64 {
        let own = if let KillEnding::RolledBack(bytes) = killed.ending { bytes } else { 0 };
        own + killed.children.iter().map(freed).sum::<u64>()
    }
    Ok(freed(&killed))
}

fn why_spared(
    row: &SessionRow,
    info: Option<&SessionInfo>,
    tasks: &[(String, Option<String>)],
) -> Option<Spared> {
    if let Some(LeaseStatus::Live { pid } | LeaseStatus::Silent { pid }) =
        info.map(|info| info.lease)
    {
        return Some(Spared::Live { pid });
    }
    let task = tasks.iter().find(|(task, session)| {
        session.as_ref() == Some(&row.id)
            || row.task_id.as_deref().is_some_and(|label| belongs(label, task))
    });
    task.map(|(task, _)| Spared::OfTask { task: task.clone() })
}

/// Whether a session's label is of a task, or of a part of it: `task-…`, `task-…/…`, `task-…#…`.
fn belongs(label: &str, task: &str) -> bool {
    label.strip_prefix(task).is_some_and(|rest| {
        rest.is_empty() || !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
    })
}

impl PurgeFilter {
    fn fits(&self, row: &SessionRow, info: Option<&SessionInfo>, now: Time) -> bool {
        let state = self.states.is_empty() || self.states.contains(&row.state);
        let old = self.older_than.is_none_or(|age| {
            let used = info.map_or(row.created_at / 1000, |info| info.used_at.secs);
            let idle = u64::try_from(now.secs.saturating_sub(used)).unwrap_or(0);
            idle >= age.as_secs()
        });
        state && old
    }
}

/// In an order in which each comes before what it branches.
fn children_first(rows: Vec<SessionRow>) -> Vec<SessionRow> {
    let parents: std::collections::HashMap<_, _> =
        rows.iter().map(|row| (row.id.clone(), row.parent.clone())).collect();
    let depth = |row: &SessionRow| {
        let mut depth = 0;
        let mut at = row.parent.as_ref();
        while let Some(parent) = at
            && depth < parents.len()
        {
            depth += 1;
            at = parents.get(parent).and_then(Option::as_ref);
        }
        depth
    };
    let mut rows: Vec<_> = rows.into_iter().map(|row| (depth(&row), row)).collect();
    rows.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
    rows.into_iter().map(|(_, row)| row).collect()
}

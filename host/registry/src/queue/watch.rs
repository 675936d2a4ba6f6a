//! What is looked up by whoever watches the queue and does not work on it.

use serde::{Deserialize, Serialize};

use super::job::COLUMNS;
use super::{Job, JobState, Queue, QueueError, Result};
use crate::rows::count;

/// How many jobs are where, of those that have not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCounts {
    /// Those that nobody works on.
    pub queued: u64,
    /// Those that somebody works on.
    pub running: u64,
    /// Those that wait for a person.
    pub waiting: u64,
}

impl Queue {
    /// The job whose id is `prefix` or, alone, begins with it. `task-` may be left out.
    ///
    /// # Errors
    /// [`QueueError::Ambiguous`] when several begin with it.
    pub fn find(&self, prefix: &str) -> Result<Option<Job>> {
        let full =
            if prefix.starts_with("task-") { prefix.to_owned() } else { format!("task-{prefix}") };
        if let Some(job) = self.job(&full)? {
            return Ok(Some(job));
        }
        // substr, not LIKE: a prefix is no pattern.
        let like = format!(
            "SELECT {COLUMNS} FROM jobs WHERE id >= ?1 AND substr(id, 1, length(?1)) = ?1 \
             AND id < ?1 || char(0x10ffff)"
        );
        let mut found = self.all(&like, [&full])?;
        // Those of a group begin as it does.
        if found.iter().filter(|job| job.parent.is_none()).count() == 1 {
            found.retain(|job| job.parent.is_none());
        }
        match found.len() {
            0 | 1 => Ok(found.pop()),
            count => Err(QueueError::Ambiguous { prefix: prefix.to_owned(), count }),
        }
    }

    /// One job.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn job(&self, id: &str) -> Result<Option<Job>> {
        self.one(&format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1"), [id])
    }

    /// The jobs that are not done, or all, in the order in which they were submitted.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn jobs(&self, ended: bool) -> Result<Vec<Job>> {
        let which = if ended { "" } else { "WHERE state IN ('queued', 'running', 'waiting')" };
        self.all(&format!("SELECT {COLUMNS} FROM jobs {which} ORDER BY number"), [])
    }

    /// The children of a group, in the order in which they were submitted.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn children(&self, id: &str) -> Result<Vec<Job>> {
        self.all(&format!("SELECT {COLUMNS} FROM jobs WHERE parent = ?1 ORDER BY number"), [id])
    }

    /// How many jobs are where.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn counts(&self) -> Result<JobCounts> {
        let counts = "SELECT count(*) FILTER (WHERE state = 'queued'), \
                     count(*) FILTER (WHERE state = 'running'), \
                     count(*) FILTER (WHERE state = 'waiting') \
                     FROM jobs WHERE state IN ('queued', 'running', 'waiting')";
        let read = |row: &rusqlite::Row<'_>| {
            let [queued, running, waiting] = [count(row, 0)?, count(row, 1)?, count(row, 2)?];
            Ok(JobCounts { queued, running, waiting })
        };
        Ok(self.rows(counts, [], read)?.pop().unwrap_or_default())
    }

    /// The jobs that were submitted after the one of this number, and the number of the last one:
    /// for whoever asks again and again what is new. Numbers only grow; 0 is before all.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn submitted_after(&self, number: i64) -> Result<(Vec<Job>, i64)> {
        let newer = format!("SELECT {COLUMNS}, number FROM jobs WHERE number > ?1 ORDER BY number");
        let read = |row: &rusqlite::Row<'_>| Ok((Job::read(row)?, row.get::<_, i64>(19)?));
        let (jobs, numbers): (Vec<_>, Vec<_>) =
            self.rows(&newer, [number], read)?.into_iter().unzip();
        self.settled(jobs.iter().any(|job: &Job| job.state == JobState::Done))?;
        Ok((jobs, numbers.last().copied().unwrap_or(number)))
    }

    /// The number of the job that was submitted last; 0: there is none.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn last_number(&self) -> Result<i64> {
        let last = "SELECT coalesce(max(number), 0) FROM jobs";
        Ok(self.rows(last, [], |row| row.get(0))?.pop().unwrap_or_default())
    }
}

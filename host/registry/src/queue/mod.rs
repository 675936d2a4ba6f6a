//! The queue: what is to be done, who works on it, how it ended. `queue.db` in the home.
//!
//! Unlike the index it is the truth of what it holds: what a call has returned survives a power
//! cut, and each call happens as a whole or not at all. Two steps of a running job,
//! [`claim`](Queue::claim) and [`note_session`](Queue::note_session), survive a power cut once
//! anything after them does. Any number of
//! processes use it at once. Whoever works on a job is its *owner*; every change to a running job
//! names the owner and does nothing when that is another by now.

mod decisions;
mod error;
mod flush;
mod job;
mod owner;
mod prune;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Params, Row, TransactionBehavior, params};

pub use error::QueueError;
pub use job::{Back, Decision, Job, JobState, NewJob};
pub use owner::{Owner, is_alive};
pub use prune::dead_owners;
pub use watch::JobCounts;

use crate::schema;
use flush::Flush;
use job::COLUMNS;

/// The open queue.
#[derive(Debug)]
pub struct Queue {
    path: PathBuf,
    db: Mutex<Connection>,
    flush: Option<Flush>,
}

type Result<T> = std::result::Result<T, QueueError>;

impl Queue {
    /// Opens the queue, and makes it when it is not there. Its directory must exist.
    ///
    /// # Errors
    /// [`QueueError::UnknownVersion`], [`QueueError::Database`]; so of all that follow.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |source| QueueError::Database { path: path.to_owned(), source };
        let mut db = Connection::open(path).map_err(fail)?;
        match schema::prepare(&mut db, &schema::QUEUE).map_err(fail)? {
            Ok(()) => {
                let flush = match Flush::new(path) {
                    Ok(flush) => Some(flush),
                    // Where it cannot be shared there is no log: then SQLite flushes.
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                        db.pragma_update(None, "synchronous", "FULL").map_err(fail)?;
                        None
                    }
                    Err(source) => return Err(QueueError::Flush { path: path.into(), source }),
                };
                Ok(Self { path: path.to_owned(), db: Mutex::new(db), flush })
            }
            Err(found) => Err(QueueError::UnknownVersion {
                path: path.to_owned(),
                found,
                known: schema::QUEUE.version,
            }),
        }
    }

    /// Adds jobs, all or none. False: the first one's id is there already, and nothing is added.
    ///
    /// # Errors
    /// See [`open`](Self::open); another id that is there already is one.
    pub fn submit(&self, jobs: &[NewJob], now: i64) -> Result<bool> {
        self.durably(|db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if let Some(first) = jobs.first() {
                let there = "SELECT 1 FROM jobs WHERE id = ?1";
                if tx.query_row(there, [&first.id], |_| Ok(())).optional()?.is_some() {
                    return Ok(false);
                }
            }
            for job in jobs {
                tx.execute(
                    "INSERT INTO jobs (id, parent, submission, name, task, priority, state, \
                     submitted_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7)",
                    params![
                        job.id,
                        job.parent,
                        job.submission,
                        job.name,
                        job.task,
                        job.priority,
                        now
                    ],
                )?;
            }
            tx.commit()?;
            Ok(true)
        })
    }

    /// Gives the next job that is due, of one submission or of all, to an owner: of the highest priority, of the submission
    /// with the fewest running jobs, the oldest. A group is due when its children are done.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn claim(&self, owner: &str, now: i64, submission: Option<&str>) -> Result<Option<Job>> {
        let next = format!(
            "UPDATE jobs SET state = 'running', owner = ?1, started_at = coalesce(started_at, ?2) \
             WHERE number = (
                WITH busy AS (
                    SELECT submission, count(*) AS n FROM jobs WHERE state = 'running'
                    GROUP BY submission
                )
                SELECT j.number FROM jobs j LEFT JOIN busy USING (submission)
                WHERE j.state = 'queued' AND (j.not_before <= ?2 OR j.cancelled)
                AND (?3 IS NULL OR j.submission = ?3)
                AND NOT EXISTS (SELECT 1 FROM jobs c WHERE c.parent = j.id AND c.state <> 'done')
                ORDER BY j.priority DESC, coalesce(busy.n, 0), j.number LIMIT 1
             ) RETURNING {COLUMNS}"
        );
        self.read_one(&next, params![owner, now, submission])
    }

    /// Counts a new attempt of a running job, which has no session yet. `None`: it has another
    /// owner.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn begin_attempt(&self, id: &str, owner: &str) -> Result<Option<u32>> {
        let begin = "UPDATE jobs SET attempt = attempt + 1, session = NULL, memo = NULL \
                     WHERE id = ?1 AND owner = ?2 AND state = 'running' RETURNING attempt";
        self.durably(|db| {
            let mut begin = db.prepare_cached(begin)?;
            // To the end of the rows: only there it is committed, or has failed.
            let begun: rusqlite::Result<Vec<u32>> =
                begin.query_map(params![id, owner], |row| row.get(0))?.collect();
            Ok(begun?.pop())
        })
    }

    /// Records the session of a running job's attempt. False: it has another owner; so of all that
    /// follow.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn note_session(&self, id: &str, owner: &str, session: &str) -> Result<bool> {
        let note =
            "UPDATE jobs SET session = ?3 WHERE id = ?1 AND owner = ?2 AND state = 'running'";
        let db = self.db();
        let noted = db.prepare_cached(note).and_then(|mut s| s.execute([id, owner, session]));
        noted.map(|n| n > 0).map_err(|e| self.fail(e))
    }

    /// Records the session of a running job's attempt, and what its owner wants to find again.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn note(
        &self,
        id: &str,
        owner: &str,
        session: Option<&str>,
        memo: Option<&str>,
    ) -> Result<bool> {
        self.change(
            "UPDATE jobs SET session = ?3, memo = ?4 \
             WHERE id = ?1 AND owner = ?2 AND state = 'running'",
            params![id, owner, session, memo],
        )
    }

    /// Lets a running job go until somebody decides about its session, which it `asked` about in
    /// that state, or cancels it; one that is cancelled by now is queued.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn wait(&self, id: &str, owner: &str, asked: &str) -> Result<bool> {
        self.change(
            "UPDATE jobs SET owner = NULL, not_before = 0, asked = ?3, \
             state = CASE WHEN cancelled THEN 'queued' ELSE 'waiting' END \
             WHERE id = ?1 AND owner = ?2 AND state = 'running'",
            params![id, owner, asked],
        )
    }

    /// Puts a running job back, not to begin before `not_before`.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn put_back(&self, id: &str, owner: &str, not_before: i64, why: Back) -> Result<bool> {
        let over = !matches!(why, Back::Unknown | Back::Paused);
        let interrupted = matches!(why, Back::Stopped | Back::Crashed);
        let setback = matches!(why, Back::Unknown | Back::Crashed);
        self.change(
            "UPDATE jobs SET owner = NULL, state = 'queued', not_before = ?3, \
             session = CASE WHEN ?4 THEN NULL ELSE session END, \
             memo = CASE WHEN ?4 THEN NULL ELSE memo END, \
             interrupted = interrupted + ?5, setbacks = setbacks + ?6 \
             WHERE id = ?1 AND owner = ?2 AND state = 'running'",
            params![id, owner, not_before, over, interrupted, setback],
        )
    }

    /// Ends a running job.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn finish(&self, id: &str, owner: &str, outcome: &str, now: i64) -> Result<bool> {
        self.change(
            "UPDATE jobs SET owner = NULL, state = 'done', outcome = ?3, ended_at = ?4 \
             WHERE id = ?1 AND owner = ?2 AND state = 'running'",
            params![id, owner, outcome, now],
        )
    }

    /// Asks for the end of a job and of its children. Who owns one sees it by
    /// [`cancelled`](Self::cancelled); what nobody works on is due at once. The jobs that
    /// were not done.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn cancel(&self, id: &str) -> Result<Vec<Job>> {
        let cancel = format!(
            "UPDATE jobs SET cancelled = 1, \
             state = CASE state WHEN 'waiting' THEN 'queued' ELSE state END \
             WHERE (id = ?1 OR parent = ?1) AND state <> 'done' RETURNING {COLUMNS}"
        );
        self.durably(|db| db.prepare_cached(&cancel)?.query_map([id], Job::read)?.collect())
    }

    /// Which of its running jobs an owner is asked to end.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn cancelled(&self, owner: &str) -> Result<Vec<String>> {
        let ids = "SELECT id FROM jobs WHERE cancelled AND state = 'running' AND owner = ?1";
        self.rows(ids, [owner], |row| row.get(0))
    }

    /// The owners of running jobs, each once.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn owners(&self) -> Result<Vec<String>> {
        let owners = "SELECT DISTINCT owner FROM jobs WHERE state = 'running'";
        self.rows(owners, [], |row| row.get(0))
    }

    /// Gives the running jobs of an owner that is dead to another, who finds out how far each
    /// came.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn take_over(
        &self,
        dead: &str,
        owner: &str,
        submission: Option<&str>,
    ) -> Result<Vec<String>> {
        let take = "UPDATE jobs SET owner = ?2 WHERE owner = ?1 AND state = 'running' \
                    AND (?3 IS NULL OR submission = ?3) RETURNING id";
        let taken = params![dead, owner, submission];
        self.durably(|db| db.prepare_cached(take)?.query_map(taken, |row| row.get(0))?.collect())
    }

    /// Whether a job of a submission is not done, and waits for no person.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn is_open(&self, submission: &str) -> Result<bool> {
        let open = "SELECT id FROM jobs j WHERE submission = ?1 AND (state = 'running' OR \
                    (state = 'queued' AND NOT EXISTS (SELECT 1 FROM jobs c WHERE c.parent = j.id \
                    AND c.state = 'waiting'))) LIMIT 1";
        Ok(!self.rows(open, [submission], |row| row.get::<_, String>(0))?.is_empty())
    }

    /// When the next queued job is due that is not due yet; a group that waits for its children
    /// is not counted.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn next_due(&self, now: i64) -> Result<Option<i64>> {
        let db = self.db();
        let read = db.query_row(
            "SELECT min(not_before) FROM jobs WHERE state = 'queued' AND not_before > ?1",
            [now],
            |row| row.get(0),
        );
        drop(db);
        read.map_err(|e| self.fail(e))
    }

    fn one(&self, sql: &str, params: impl Params) -> Result<Option<Job>> {
        let job = self.read_one(sql, params)?;
        self.settled(job.as_ref().is_some_and(|job| job.state == JobState::Done))?;
        Ok(job)
    }

    fn read_one(&self, sql: &str, params: impl Params) -> Result<Option<Job>> {
        // To the end of the rows: a change is committed only there, or has failed.
        Ok(self.rows(sql, params, Job::read)?.pop())
    }

    fn all(&self, sql: &str, params: impl Params) -> Result<Vec<Job>> {
        let jobs = self.rows(sql, params, Job::read)?;
        self.settled(jobs.iter().any(|job| job.state == JobState::Done))?;
        Ok(jobs)
    }

    fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let db = self.db();
        let rows = db.prepare_cached(sql).and_then(|mut s| s.query_map(params, read)?.collect());
        rows.map_err(|e| self.fail(e))
    }

    fn change(&self, sql: &str, params: impl Params) -> Result<bool> {
        self.durably(|db| Ok(db.prepare_cached(sql)?.execute(params)? > 0))
    }

    /// Has a transaction done; what it did is on disk when this returns.
    fn durably<T>(&self, act: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T> {
        let failed = self.failed_flushes();
        let done = act(&mut self.db()).map_err(|e| self.fail(e))?;
        self.flush(failed)?;
        Ok(done)
    }

    /// Before an end is told that was read: whoever wrote it, perhaps in another process, may
    /// still wait for the disk.
    fn settled(&self, told: bool) -> Result<()> {
        if told { self.flush(self.failed_flushes()) } else { Ok(()) }
    }

    fn failed_flushes(&self) -> u64 {
        self.flush.as_ref().map_or(0, Flush::failed)
    }

    fn flush(&self, failed_before: u64) -> Result<()> {
        let Some(flush) = &self.flush else { return Ok(()) };
        flush
            .wait(failed_before)
            .map_err(|source| QueueError::Flush { path: self.path.clone(), source })
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, source: rusqlite::Error) -> QueueError {
        QueueError::Database { path: self.path.clone(), source }
    }
}

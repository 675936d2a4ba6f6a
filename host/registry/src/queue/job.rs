//! What the queue keeps of a job, and of a person's decision.

use rusqlite::Row;
use serde::{Deserialize, Serialize};

/// A job that is to be put into the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Unique for ever: a second submission of the same id is none.
    pub id: String,
    /// The group that it belongs to. The group's job comes before it in the same submission.
    pub parent: Option<String>,
    /// What is submitted together: jobs of one submission take turns with those of others.
    pub submission: String,
    /// For a person.
    pub name: String,
    /// What is to be done, in the form of whoever works the queue.
    pub task: String,
    /// Higher ones go first.
    pub priority: i32,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Nobody works on it; a group waits here for its children.
    Queued,
    /// Its owner works on it.
    Running,
    /// It waits for a decision about its session. Nobody owns it.
    Waiting,
    /// It has its outcome.
    Done,
}

impl JobState {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "queued" => Self::Queued,
            "running" => Self::Running,
            "waiting" => Self::Waiting,
            // The table admits no other.
            _ => Self::Done,
        }
    }
}

/// Why a running job is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// Its attempt is over, and it is to have another.
    Again,
    /// Its owner stops; the attempt is over, and does not count.
    Stopped,
    /// Its owner died; likewise.
    Crashed,
    /// What became of its attempt cannot be told now: its session and its memo stay.
    Unknown,
    /// Its owner stops, and the attempt goes on later: likewise.
    Paused,
}

/// A job in the queue. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// The group that it belongs to.
    pub parent: Option<String>,
    /// What it was submitted with.
    pub submission: String,
    /// For a person.
    pub name: String,
    /// What is to be done.
    pub task: String,
    /// Higher ones go first.
    pub priority: i32,
    /// Where it is.
    pub state: JobState,
    /// The attempt that runs or ran last, from 1; 0 before the first.
    pub attempt: u32,
    /// How many attempts did not come to an end, because their owner stopped or died.
    pub interrupted: u32,
    /// How often its owner died, or could not tell what had become of it.
    pub setbacks: u32,
    /// It does not begin before this.
    pub not_before: i64,
    /// The process that works on it.
    pub owner: Option<String>,
    /// The session of the attempt.
    pub session: Option<String>,
    /// What its owner wants to find again.
    pub memo: Option<String>,
    /// Somebody wants it to end.
    pub cancelled: bool,
    /// How it ended, in the form of whoever worked on it.
    pub outcome: Option<String>,
    /// When it was submitted.
    pub submitted_at: i64,
    /// When its first attempt began.
    pub started_at: Option<i64>,
    /// When it was done.
    pub ended_at: Option<i64>,
}

pub(super) const COLUMNS: &str = "id, parent, submission, name, task, priority, state, attempt, \
     interrupted, setbacks, not_before, owner, session, memo, cancelled, outcome, submitted_at, started_at, \
     ended_at";

impl Job {
    /// Whether this owner works on it.
    pub fn is_run_by(&self, owner: &str) -> bool {
        self.state == JobState::Running && self.owner.as_deref() == Some(owner)
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            parent: row.get(1)?,
            submission: row.get(2)?,
            name: row.get(3)?,
            task: row.get(4)?,
            priority: row.get(5)?,
            state: JobState::read(&row.get::<_, String>(6)?),
            attempt: row.get(7)?,
            interrupted: row.get(8)?,
            setbacks: row.get(9)?,
            not_before: row.get(10)?,
            owner: row.get(11)?,
            session: row.get(12)?,
            memo: row.get(13)?,
            cancelled: row.get(14)?,
            outcome: row.get(15)?,
            submitted_at: row.get(16)?,
            started_at: row.get(17)?,
            ended_at: row.get(18)?,
        })
    }
}

/// What a person said of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The session.
    pub session: String,
    /// The state of it that was looked at.
    pub seal: String,
    /// Whether it may land.
    pub approved: bool,
    /// Why.
    pub comment: String,
    /// Who says so.
    pub author: String,
    /// When.
    pub at: i64,
}

impl Decision {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            session: row.get(0)?,
            seal: row.get(1)?,
            approved: row.get(2)?,
            comment: row.get(3)?,
            author: row.get(4)?,
            at: row.get(5)?,
        })
    }
}

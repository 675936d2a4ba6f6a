//! What a worker and its supervisor tell each other.
//!
//! The supervisor sends a [`Job`], with the compiled code as a descriptor; then it only answers.
//! The worker sends [`Up`]. The answer to an [`Ask`] is what its comment says; bytes are bodies.

use brio_session::{Change, OpenOptions, SetTime};
use serde::{Deserialize, Serialize};

use super::records::AskRecord;
use crate::outcome::{AgentErrorInfo, Outcome, TaskOutput, Usage, Verdict};
use crate::{AgentKind, RunLimits, SessionDecision};

/// A handle, as the supervisor numbers it. The roots of the mounts are the first: the session is
/// 0, its binds follow in their order.
pub(super) type Id = u32;

/// Bytes of one read or write.
pub(super) const PIECE: usize = 1 << 20;

/// What a worker is to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) kind: AgentKind,
    /// Bytes of the code that comes with it.
    pub(super) code: u64,
    pub(super) at: String,
    /// Whether the session is, as a reviewer's.
    pub(super) read_only: bool,
    /// Each with its name, and whether it is read-only.
    pub(super) binds: Vec<(String, bool)>,
    pub(super) task_id: String,
    pub(super) description: String,
    pub(super) input_files: Vec<String>,
    pub(super) session_id: Option<String>,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) limits: RunLimits,
    /// Whether there is who answers for sessions, and who tells about them.
    pub(super) sessions: bool,
    pub(super) info: bool,
    /// Whether there is who answers for the project's record.
    pub(super) records: bool,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Up {
    /// It can take a job.
    Ready,
    /// It waits for an answer. Handles that it has closed since the last time go first.
    Ask(Vec<Id>, Ask),
    /// It has closed many.
    Closed(Vec<Id>),
    /// The body was put out: 0 on stdout, 1 on stderr.
    Output(u8),
    /// The most memory that the guest had.
    Memory(u64),
    /// The body is a [`Done`]. Nothing follows.
    Done,
}

/// How a run ended, as the worker tells it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) output: Option<TaskOutput>,
    pub(super) verdict: Option<Verdict>,
    pub(super) error: Option<AgentErrorInfo>,
    pub(super) exit: Option<i32>,
    pub(super) usage: Usage,
}

/// How something is opened. No mode and no owner: a guest has none to give.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct How {
    read: bool,
    write: bool,
    create: bool,
    exclusive: bool,
    truncate: bool,
    directory: bool,
    follow: bool,
}

impl From<&OpenOptions> for How {
    fn from(how: &OpenOptions) -> Self {
        let OpenOptions { read, write, create, exclusive, truncate, directory, follow, .. } = *how;
        Self { read, write, create, exclusive, truncate, directory, follow }
    }
}

impl From<How> for OpenOptions {
    fn from(how: How) -> Self {
        let How { read, write, create, exclusive, truncate, directory, follow } = how;
        Self { read, write, create, exclusive, truncate, directory, follow, ..Self::default() }
    }
}

/// What was opened.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Opened {
    File { id: Id, writable: bool },
    Dir { id: Id },
}

/// What is asked of files: `FsResult<…>`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// [`Opened`].
    Open {
        dir: Id,
        path: String,
        how: How,
    },
    /// `Meta`.
    Stat {
        dir: Id,
        path: String,
        follow: bool,
    },
    /// `Vec<u8>`.
    ReadLink {
        dir: Id,
        path: String,
    },
    MakeDir {
        dir: Id,
        path: String,
    },
    Unlink {
        dir: Id,
        path: String,
    },
    RemoveDir {
        dir: Id,
        path: String,
    },
    SetTimesAt {
        dir: Id,
        path: String,
        follow: bool,
        atime: SetTime,
        mtime: SetTime,
    },
    Symlink {
        dir: Id,
        target: String,
        path: String,
    },
    Link {
        dir: Id,
        old: String,
        to: Id,
        new: String,
    },
    Rename {
        dir: Id,
        old: String,
        to: Id,
        new: String,
    },
    /// `RelPath`, of a directory.
    Path {
        dir: Id,
    },
    /// `Vec<DirEntry>`.
    List {
        dir: Id,
    },
    /// `Meta`.
    Meta {
        of: Id,
    },
    Sync {
        of: Id,
        data_only: bool,
    },
    SetTimes {
        of: Id,
        atime: SetTime,
        mtime: SetTime,
    },
    /// `()`, and the bytes: fewer than were asked for at the end of the file.
    Read {
        file: Id,
        at: u64,
        length: u32,
    },
    /// `usize`; the bytes are the body.
    Write {
        file: Id,
        at: u64,
    },
    /// `usize`; the bytes are the body.
    Append {
        file: Id,
    },
    SetLength {
        file: Id,
        length: u64,
    },
    /// `()`: a child's files are no longer asked for.
    End {
        root: Id,
    },
    Sessions(AskSessions),
    Record(AskRecord),
}

/// What is asked about sessions: `Result<…, SessionsError>`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AskSessions {
    /// `(String, Id)`: the child, and its root.
    Begin {
        parent: Option<String>,
        path: Vec<u8>,
    },
    Commit {
        id: String,
    },
    Rollback {
        id: String,
    },
    /// `SessionStatus`.
    Status {
        id: String,
    },
    /// [`Changes`].
    Changes {
        id: String,
    },
    /// `SessionMetadata`.
    Metadata {
        id: String,
    },
    /// `SessionCheckpoint`.
    Checkpoint {
        id: String,
        name: String,
    },
    /// `SessionCheckpoint`.
    Restore {
        id: String,
        name: String,
    },
    /// `Vec<SessionCheckpoint>`.
    Checkpoints {
        id: String,
    },
    Say {
        id: String,
        text: String,
    },
    Decide {
        id: String,
        decision: SessionDecision,
    },
}

/// A change set as far as a guest is shown it.
pub(super) type Changes = Vec<Change>;

//! What is known about a session, and what became of it.

use brio_project::NotePath;
use std::path::PathBuf;

use brio_session::{ChangeSet, RelPath, Time};
use serde::{Deserialize, Serialize};

use crate::{CheckpointInfo, Gone, Isolation, LowerInfo, OnHead, Pushed, RunInfo, SessionId};

/// What a session is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Can be worked in.
    Open,
    /// Its landing is sealed and not finished.
    Committing,
    /// Open; its last commit was refused for conflicts.
    Conflicted,
    /// Ended: it is part of its base or parent.
    Landed,
    /// Ended: thrown away.
    RolledBack,
}

impl State {
    /// As it is written in JSON and on the terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Committing => "committing",
            Self::Conflicted => "conflicted",
            Self::Landed => "landed",
            Self::RolledBack => "rolled-back",
        }
    }
}

/// Who writes in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseStatus {
    /// Nobody.
    Free,
    /// A process that lives.
    Live {
        /// Its pid.
        pid: u32,
    },
    /// A process that exists and has not sent a heartbeat for over 4 s.
    Silent {
        /// Its pid.
        pid: u32,
    },
    /// The last holder is gone without a release (missing pid, or reused by another process).
    Dead {
        /// Its pid.
        pid: u32,
    },
}

/// A session, as it lies on disk.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// What it is in.
    pub state: State,
    /// The domain's root as it was opened.
    pub base: PathBuf,
    /// The directory it branches, inside the domain.
    pub subdir: RelPath,
    /// It sees the base as of this landing.
    pub landing: u64,
    /// A base path whose ctime is not before this may have changed since the begin.
    pub t0: Time,
    /// What it is to achieve.
    pub goal: Option<String>,
    /// Which agent works in it.
    pub agent: Option<String>,
    /// The task it belongs to.
    pub task_id: Option<String>,
    /// A short name for people.
    pub title: Option<String>,
    /// The goal at length.
    pub description: Option<String>,
    /// When it began.
    pub created_at: Time,
    /// When somebody last took or gave back the right to write in it; when it began, if nobody
    /// did.
    pub used_at: Time,
    /// The user whose it is, by number.
    pub owner: u32,
    /// The session it branches.
    pub parent: Option<SessionId>,
    /// Open sessions that branch it.
    pub children: Vec<SessionId>,
    /// What its commit validates.
    pub isolation: Isolation,
    /// States that it can be put back to, oldest first.
    pub checkpoints: Vec<CheckpointInfo>,
    /// Who writes in it.
    pub lease: LeaseStatus,
    /// The run that holds it; where the lease is dead, the one that did.
    pub run: Option<RunInfo>,
    /// Files in which a resolve put conflict markers, relative to the domain's root. A commit
    /// refuses while one still carries them.
    pub unresolved: Vec<RelPath>,
    /// The machine went down before it was synced: it lands only with `accept_unclean`.
    pub unclean: bool,
    /// What the base held when it began is no longer kept.
    pub stale: bool,
    /// Its domain was adopted after it began: it can be diffed and exported, not landed.
    pub adopted: bool,
    /// What it sees of the base.
    pub lower: LowerInfo,
    /// What a store has of it.
    pub pushed: Option<Pushed>,
    /// Patterns of what it leaves out.
    pub excludes: Vec<String>,
    /// Why nothing lands in its base, and its state lies in the home; `None`: it does in the base.
    pub frozen_only: Option<String>,
    /// Why its base is not there to look at; its own work is. Only said of what lies in the home.
    pub base_gone: Option<Gone>,
}

/// What a session is, whoever works in it: a part of [`SessionInfo`] that costs one file, however
/// many sessions lie beside it.
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// The domain's root as it was opened.
    pub base: PathBuf,
    /// The directory it branches, inside the domain.
    pub subdir: RelPath,
    /// What it is to achieve.
    pub goal: Option<String>,
    /// Which agent works in it.
    pub agent: Option<String>,
    /// The task it belongs to.
    pub task_id: Option<String>,
    /// When it began.
    pub created_at: Time,
    /// The session it branches.
    pub parent: Option<SessionId>,
    /// What it sees of the base.
    pub lower: LowerInfo,
}

/// What a commit did.
#[derive(Debug)]
pub struct Landed {
    /// The landing's number; `None` when nothing had changed, or when it landed in its parent.
    pub landing: Option<u64>,
    /// What changed, with paths relative to the domain's root.
    pub changes: ChangeSet,
    /// Notes that changed.
    pub notes: Vec<NotePath>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// The parent it landed in.
    pub parent: Option<SessionId>,
    /// Where on a project's head it landed; `landing` is the position then.
    pub head: Option<Box<OnHead>>,
    /// Children that landed first, each in its parent, in this order.
    pub children: Vec<SessionId>,
}

/// Something a landing reports although it succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A replaced file was written to through an old handle; that version is kept.
    LateEdit {
        /// The path.
        path: RelPath,
        /// Where the edited version lies.
        kept: PathBuf,
    },
    /// The base has the change, durably; only the closing record could not be written. The
    /// next command completes it.
    FinishPending {
        /// Why.
        reason: String,
    },
    /// Notes that landed could not be brought to where the project's notes are. Brio tries again.
    NotesPending {
        /// Why.
        reason: String,
    },
    /// It landed on the project's head; the directory here could not be brought to where that
    /// is. The next landing tries again.
    NotFollowed {
        /// Why.
        reason: String,
    },
    /// The head changed this, and here it stays what somebody made of it.
    Drifted {
        /// The path.
        path: RelPath,
        /// The position that was followed.
        position: u64,
    },
    /// An undo left a note as it is: it was written since, or what it was is not kept any more.
    NoteStays {
        /// The note.
        path: NotePath,
    },
    /// Something that a tool executes by itself was touched (hooks, CI, `.envrc`).
    Executes {
        /// The path.
        path: RelPath,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LateEdit { path, kept } => {
                write!(
                    f,
                    "{path}: the replaced file was edited while it was replaced; that version is {}",
                    kept.display()
                )
            }
            Self::FinishPending { reason } => {
                write!(
                    f,
                    "landed, but the closing record is missing ({reason}); the next brio command completes it"
                )
            }
            Self::NotesPending { reason } => write!(
                f,
                "landed, but its notes are not where the project's are yet ({reason}); `brio recover` tries again, and so does the next landing"
            ),
            Self::NotFollowed { reason } => write!(
                f,
                "landed on the project's head, but this directory is not there yet ({reason}); `brio project update` tries again, and so does the next landing"
            ),
            Self::Drifted { path, position } => write!(
                f,
                "{path} was changed here by somebody and stays so: at position {position} the project has something else; `brio project status` shows it"
            ),
            Self::NoteStays { path } => write!(
                f,
                "note {path} stays as it is: it was written since, or what it was is not kept; `brio note history {path}` shows its versions"
            ),
            Self::Executes { path } => write!(f, "{path}: tools execute this by themselves"),
        }
    }
}

/// What a rollback did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolledBack {
    /// Bytes on disk that are free again.
    pub bytes_freed: u64,
}

/// What a recovery did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Landings that were completed.
    pub completed: Vec<u64>,
    /// Landings that were undone.
    pub aborted: Vec<u64>,
    /// Our versions that could not go to their path because of a later edit, and where they are.
    pub kept: Vec<Kept>,
    /// Paths of a damaged base that are resolved now.
    pub repaired: Vec<RelPath>,
}

impl Recovered {
    pub(crate) fn add(&mut self, more: Self) {
        self.completed.extend(more.completed);
        self.aborted.extend(more.aborted);
        self.kept.extend(more.kept);
        self.repaired.extend(more.repaired);
    }
}

/// A version that recovery or an abort set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The path it was meant for, or came from.
    pub path: RelPath,
    /// Where it lies: relative to the domain's root.
    pub at: RelPath,
    /// Why, in words.
    pub why: String,
}

/// What an adoption did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The new claim.
    pub claim: String,
    /// Sessions that can now only be diffed and exported.
    pub sessions: Vec<SessionId>,
    /// Sessions of the former state that are gone.
    pub lost: Vec<String>,
}

//! Why a path cannot land: what each side did to it.

use std::fmt;

use brio_session::{ChangeKind, Fingerprint, Kind, RelPath};
use serde::{Deserialize, Serialize};

use crate::{SessionId, Unmerged};

/// What the other side did to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It is there now.
    Added,
    /// Its content or metadata is another.
    Modified,
    /// It is gone.
    Removed,
    /// It is something else: another kind, or another directory.
    Replaced,
}

impl What {
    /// As it is written in JSON and on the terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Removed => "removed",
            Self::Replaced => "replaced",
        }
    }
}

/// Who changed a path besides this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Theirs {
    /// A landing since this session began.
    Landing {
        /// Its number.
        number: u64,
        /// The session that landed.
        session: SessionId,
        /// That session's goal.
        goal: Option<String>,
        /// What it did.
        what: What,
    },
    /// A change that came from no landing: an editor, a `git pull`.
    Drift {
        /// What was done.
        what: What,
    },
    /// A program has the file open for writing.
    Busy,
    /// The parent session (or a sibling that landed in it), since the child began.
    Parent {
        /// The parent.
        session: SessionId,
        /// What was done.
        what: What,
    },
    /// What landed on the head of the project that the session's tree is of.
    Head {
        /// The project.
        project: String,
        /// The position of the head that was looked at.
        position: u64,
        /// What was done, since the tree of the session.
        what: What,
    },
}

impl Theirs {
    /// As it is written in JSON: `landing`, `drift`, `busy`, `parent` or `head`.
    pub fn by(&self) -> &'static str {
        match self {
            Self::Landing { .. } => "landing",
            Self::Drift { .. } => "drift",
            Self::Busy => "busy",
            Self::Parent { .. } => "parent",
            Self::Head { .. } => "head",
        }
    }

    /// What was done, where that is known.
    pub fn what(&self) -> Option<What> {
        match self {
            Self::Landing { what, .. }
            | Self::Drift { what }
            | Self::Parent { what, .. }
            | Self::Head { what, .. } => Some(*what),
            Self::Busy => None,
        }
    }
}

/// What one side of a conflict has at the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// The kind of file.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Bytes; of a symbolic link, of its target; 0 for a directory.
    pub size: u64,
    /// SHA-256 of a file's content; `None` where it is no longer kept, or could not be read.
    pub sha256: Option<[u8; 32]>,
}

impl Side {
    pub(crate) fn of(f: &Fingerprint) -> Self {
        let size = if f.kind == Kind::Dir { 0 } else { f.size };
        Self { kind: f.kind, mode: f.mode, size, sha256: None }
    }
}

/// The three versions of a path; `None`: nothing is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sides {
    /// Before either change.
    pub base: Option<Side>,
    /// In this session.
    pub ours: Option<Side>,
    /// In the base (for a child: in its parent) now.
    pub theirs: Option<Side>,
}

/// One path that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The path, relative to the domain's root.
    pub path: RelPath,
    /// What this session did to it; `None`: it changed something below, or took away its directory.
    pub ours: Option<ChangeKind>,
    /// This session read it (or the listing that it is in) and did not change it: a conflict
    /// under [`Isolation::Serializable`](crate::Isolation), which no policy resolves.
    pub read: bool,
    /// Who else, and what.
    pub theirs: Theirs,
    /// What each side has there.
    pub sides: Sides,
    /// Why the policy `merge` cannot settle it; `None`: it can, or was not asked.
    pub unmerged: Option<Unmerged>,
}

/// A word for what a session did to a path.
pub fn change_word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Modified => "modified",
        ChangeKind::Removed => "removed",
        ChangeKind::TypeChanged => "replaced",
        ChangeKind::MetaOnly => "changed mode or times",
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours = match self.ours {
            None if self.read => "read",
            ours => ours.map_or("changed below it", change_word),
        };
        write!(f, "{} (ours: {ours}; theirs: {}", self.path, self.theirs)?;
        if let Some(why) = self.unmerged {
            write!(f, "; not merged: {why}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Theirs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Landing { number, session, goal, what } => {
                write!(f, "{} by landing {number} of {session}", what.as_str())?;
                if let Some(goal) = goal {
                    write!(f, ", \"{goal}\"")?;
                }
                Ok(())
            }
            Self::Drift { what } => write!(f, "{} outside of brio", what.as_str()),
            Self::Busy => f.write_str("open for writing in another program"),
            Self::Parent { session, what } => {
                write!(f, "{} in the parent {session}", what.as_str())
            }
            Self::Head { project, position, what } => {
                write!(f, "{} on the head of {project}, by position {position}", what.as_str())
            }
        }
    }
}

/// Conflicts in one line: the first few, and how many more.
pub(crate) struct Summary<'a>(pub(crate) &'a [Conflict]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, c) in self.0.iter().enumerate() {
            write!(f, "{}{c}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

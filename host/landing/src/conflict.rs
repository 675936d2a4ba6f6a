//! Why a path cannot land: what each side did to it.

use std::fmt;

use brio_session::{ChangeKind, Fingerprint, RelPath};
use serde::{Deserialize, Serialize};

use crate::SessionId;

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
}

/// One path that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The path, relative to the domain's root.
    pub path: RelPath,
    /// What this session did to it; `None`: it changed something below.
    pub ours: Option<ChangeKind>,
    /// Who else, and what.
    pub theirs: Theirs,
    /// Its state when the session first saw it.
    pub base: Option<Fingerprint>,
    /// Its state now.
    pub now: Option<Fingerprint>,
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
        let ours = self.ours.map_or("changed below it", change_word);
        write!(f, "{} (ours: {ours}; theirs: {})", self.path, self.theirs)
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

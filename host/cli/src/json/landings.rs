//! What became of a session that was to land, and what was in its way.

use serde::Serialize;

use super::{Changes, Error, change_name};

/// `brio session commit --json`
#[derive(Debug, Serialize)]
pub(crate) struct Committed {
    pub(crate) schema: u32,
    pub(crate) session: String,
    pub(crate) result: Option<&'static str>,
    pub(crate) landing: Option<u64>,
    /// With `--cascade`: children that have landed, in this order; also before an error.
    pub(crate) children: Vec<String>,
    pub(crate) changes: Changes,
    /// Notes that it changed, by path.
    pub(crate) notes: Vec<String>,
    pub(crate) error: Option<Error>,
}

/// One path that both sides changed.
#[derive(Debug, Serialize)]
pub(crate) struct Conflict {
    pub(crate) path: String,
    /// Before either change; null: nothing was there.
    pub(crate) base: Option<Version>,
    pub(crate) ours: Ours,
    pub(crate) theirs: Theirs,
    /// Why the policy `merge` cannot settle it; null: it was not asked, or it can.
    pub(crate) unmerged: Option<&'static str>,
}

impl From<&brio_host::Conflict> for Conflict {
    fn from(c: &brio_host::Conflict) -> Self {
        let (landing, session, goal) = match &c.theirs {
            brio_host::Theirs::Landing { number, session, goal, .. } => {
                (Some(*number), Some(session.to_string()), goal.clone())
            }
            brio_host::Theirs::Parent { session, .. } => (None, Some(session.to_string()), None),
            _ => (None, None, None),
        };
        Self {
            path: c.path.to_string(),
            base: c.sides.base.map(Version::from),
            ours: Ours {
                change: c.ours.map(change_name),
                version: c.sides.ours.map(Version::from),
            },
            theirs: Theirs {
                by: c.theirs.by(),
                what: c.theirs.what().map(brio_host::What::as_str),
                landing,
                session,
                goal,
                version: c.sides.theirs.map(Version::from),
            },
            unmerged: c.unmerged.map(brio_host::Unmerged::as_str),
        }
    }
}

/// This session's side.
#[derive(Debug, Serialize)]
pub(crate) struct Ours {
    /// `added`, `modified`, `removed`, `replaced`, `metadata`; null: something below was changed.
    pub(crate) change: Option<&'static str>,
    pub(crate) version: Option<Version>,
}

/// The other side.
#[derive(Debug, Serialize)]
pub(crate) struct Theirs {
    /// `landing`, `drift`, `parent`, `busy`.
    pub(crate) by: &'static str,
    /// `added`, `modified`, `removed`, `replaced`; null for `busy`.
    pub(crate) what: Option<&'static str>,
    pub(crate) landing: Option<u64>,
    pub(crate) session: Option<String>,
    pub(crate) goal: Option<String>,
    pub(crate) version: Option<Version>,
}

/// What is at a path.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) kind: &'static str,
    pub(crate) mode: String,
    pub(crate) size: u64,
    /// Of a file; null: it is not kept any more, or could not be read.
    pub(crate) sha256: Option<String>,
}

impl From<brio_host::Side> for Version {
    fn from(s: brio_host::Side) -> Self {
        let hex = |h: [u8; 32]| h.iter().map(|b| format!("{b:02x}")).collect();
        Self {
            kind: crate::summary::kind_word(s.kind),
            mode: format!("{:04o}", s.mode),
            size: s.size,
            sha256: s.sha256.map(hex),
        }
    }
}

/// `brio session resolve --json`. Paths are relative to the session's base.
#[derive(Debug, Serialize)]
pub(crate) struct Resolved {
    pub(crate) schema: u32,
    pub(crate) session: String,
    /// The landing that it sees the base as of; null: it was not resolved.
    pub(crate) landing: Option<u64>,
    /// Merged without a doubt.
    pub(crate) merged: Vec<String>,
    /// With conflict markers.
    pub(crate) marked: Vec<String>,
    /// Settled as told.
    pub(crate) taken: Vec<Taken>,
    pub(crate) error: Option<Error>,
}

/// One path of which a side was taken.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    pub(crate) path: String,
    /// `ours`, `theirs`, `base`.
    pub(crate) side: &'static str,
}

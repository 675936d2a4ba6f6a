//! What became of a session that was to land, and what was in its way.

use serde::Serialize;

use super::{Changes, Error};
use crate::lower::Tree as Head;

/// `brio session commit --json`
#[derive(Debug, Serialize)]
pub(crate) struct Committed {
    pub(crate) schema: u32,
    pub(crate) session: String,
    pub(crate) result: Option<&'static str>,
    pub(crate) landing: Option<u64>,
    /// The head of a project that it landed on.
    pub(crate) head: Option<Head>,
    /// With `--cascade`: children that have landed, in this order; also before an error.
    pub(crate) children: Vec<String>,
    pub(crate) changes: Changes,
    /// Notes that it changed, by path.
    pub(crate) notes: Vec<String>,
    pub(crate) error: Option<Error>,
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

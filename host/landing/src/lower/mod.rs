//! What a session sees below its layers: the base as of a landing, or a frozen copy of it;
//! without what is excluded.
//!
//! `freeze` makes a frozen copy: `probe` decides how, `walk` and `copy` do it, `index` records
//! what was copied, `space` guards the disk, `mounts` finds what is not to be crossed; `copied`
//! and `snapshot` read it; `tree` reads a tree of a store. `excludes` hides paths of either.

mod btrfs;
mod copied;
mod copy;
mod excludes;
mod freeze;
mod index;
mod mounts;
mod probe;
mod snapshot;
mod space;
mod tree;
mod walk;

use std::sync::Arc;

use brio_session::{FsResult, Lower};
use serde::{Deserialize, Serialize};

use crate::frozen::FrozenBase;
use crate::meta::Meta;
use crate::state::State;

pub(crate) use btrfs::{ROOT_INO as SUBVOLUME_INO, destroy as destroy_subvolume};
pub(crate) use excludes::{Patterns, read_ignore_file};
pub(crate) use freeze::{Staging, freeze, is_swept, sweep};
pub use probe::check_reflink_support;
pub(crate) use probe::{
    Reflink, Snapshots, reflink_across, reflink_in, snapshot_across, snapshots_in,
};
pub use space::SpaceGuards;
pub(crate) use tree::timeless;
pub use tree::{TreeInfo, Trees};

/// The frozen copy, in the directory of the session that was begun with it.
pub(crate) const LOWER: &[u8] = b"lower";
/// What was copied, beside it.
pub(crate) const LOWER_INDEX: &[u8] = b"lower.index";

/// Which lower a session is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WantedLower {
    /// The base as of now, seen through what later landings displace: costs nothing.
    #[default]
    Live,
    /// A private copy: by snapshot, else by reflink, else by copying.
    Frozen,
    /// A tree of a store, fetched as it is read: costs nothing. Needs
    /// [`OpenOptions::trees`](crate::OpenOptions::trees).
    Tree(TreeInfo),
}

/// What a session is to see of its base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LowerOptions {
    /// Which lower.
    pub wanted: WantedLower,
    /// Patterns in gitignore syntax, after those of `.brioignore` in the branched directory (of a
    /// tree: that of the tree).
    pub excludes: Vec<String>,
    /// What a full copy may take of the disk.
    pub space: SpaceGuards,
}

/// A way to make a frozen copy, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A snapshot of a btrfs subvolume.
    Snapshot,
    /// Files that share their blocks with the base's.
    Reflink,
    /// Bytes.
    Copy,
}

impl Method {
    /// As it is written in JSON and on the terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Reflink => "reflink",
            Self::Copy => "copy",
        }
    }
}

/// A better way that was not to be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUsed {
    /// Which.
    pub method: Method,
    /// Why.
    pub why: String,
}

/// The lower of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum LowerInfo {
    /// The base, as of the session's landing.
    #[default]
    Live,
    /// A private copy.
    Frozen(FrozenInfo),
    /// A tree of a store.
    Tree(TreeInfo),
}

impl LowerInfo {
    /// Whether it is read from the base, through what later landings displaced; otherwise they
    /// may drop that.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }

    /// The tree, if it is one.
    pub fn tree(&self) -> Option<&TreeInfo> {
        match self {
            Self::Tree(tree) => Some(tree),
            Self::Live | Self::Frozen(_) => None,
        }
    }
}

/// How a frozen copy was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenInfo {
    /// The way that was used.
    pub method: Method,
    /// Why each better one was not.
    pub not_used: Vec<NotUsed>,
    /// Regular files in it; not counted in a snapshot.
    pub files: Option<u64>,
    /// Bytes that were copied, and not shared.
    pub bytes_copied: u64,
    /// Files of others: that nobody wrote to them meanwhile was told by their times only.
    pub unleased: u64,
}

/// The tree `tree` as a session would see it.
pub(crate) fn tree(state: &State, meta: &Meta, tree: &TreeInfo) -> FsResult<Arc<dyn Lower>> {
    let below = tree::open(state, tree, &meta.subdir)?;
    let mut excludes = tree::ignored(&*below)?;
    excludes.extend(meta.excludes.iter().cloned());
    excludes::over(below, &excludes)
}

/// The base as it is now, with what a session may see of it.
pub(crate) fn now(state: &Arc<State>, meta: &Meta) -> FsResult<Arc<dyn Lower>> {
    // As of a landing that is never reached.
    let base = FrozenBase::open(state.clone(), u64::MAX, meta.subdir.clone())?;
    excludes::over(Arc::new(base), &meta.excludes)
}

/// The base below all layers of a session.
pub(crate) fn open(state: &Arc<State>, meta: &Meta) -> FsResult<Arc<dyn Lower>> {
    let below: Arc<dyn Lower> = match &meta.lower {
        LowerInfo::Live => {
            Arc::new(FrozenBase::open(state.clone(), meta.landing, meta.subdir.clone())?)
        }
        LowerInfo::Frozen(f) => {
            let at = meta.lower_at.as_ref().unwrap_or(&meta.id);
            let dir = crate::meta::dir(state, at)?;
            match f.method {
                Method::Snapshot => snapshot::open(state, &dir, &meta.subdir)?,
                Method::Reflink | Method::Copy => Arc::new(copied::Copied::open(&dir)?),
            }
        }
        LowerInfo::Tree(info) => return tree(state, meta, info),
    };
    excludes::over(below, &meta.excludes)
}

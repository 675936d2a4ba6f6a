//! A session's changes against the base as it is now, rather than as it was when it began.

use std::sync::Arc;

use brio_session::{Change, ChangeKind, ChangeSet, FsResult, Kind, Lower};

use crate::commit::as_first_seen;
use crate::errors::Doing;
use crate::meta::Meta;
use crate::state::State;
use crate::versions::{Ancestor, Versions};
use crate::{HostError, LowerInfo, layers};

/// The base as of the last landing, from the directory down that a session branches; for one
/// on a tree, that.
pub(crate) fn base_now(state: &Arc<State>, m: &Meta) -> FsResult<Arc<dyn Lower>> {
    if m.lower.tree().is_some() {
        // What it lands on is not here: it is compared with what it began on.
        return layers::base(state, m);
    }
    state.root()?;
    let newest = state.seq.get().doing("the landing sequence").map_err(|e: HostError| e.source)?;
    let now = Meta { landing: newest.landing(), lower: LowerInfo::Live, ..m.clone() };
    layers::base(state, &now)
}

/// What would differ at the paths that the session changed, if it lay over the base as it is now.
pub(crate) fn changes(state: &Arc<State>, m: &Meta) -> FsResult<ChangeSet> {
    let view = layers::view(state, m, layers::read_only(state))?;
    let set = as_first_seen(view.changes()?);
    let now = base_now(state, m)?;
    let versions = Versions::new(&view, &set, Ancestor::Shared(now.clone()), now.clone());
    let mut changes = Vec::new();
    for c in &set.changes {
        let case = versions.case(&c.path)?;
        let kind = match (&case.theirs, &case.ours) {
            (None, None) => continue,
            (None, Some(_)) => ChangeKind::Added,
            (Some(_), None) => ChangeKind::Removed,
            (Some(a), Some(b)) if a.kind() != b.kind() => ChangeKind::TypeChanged,
            (Some(a), Some(b)) if a.content != b.content => ChangeKind::Modified,
            (Some(a), Some(b)) if a.mode != b.mode && a.kind() != Kind::Symlink => {
                ChangeKind::MetaOnly
            }
            _ => continue,
        };
        let before = match case.theirs {
            Some(_) => Some(now.stat(&c.path)?),
            None => None,
        };
        changes.push(Change { kind, before, ..c.clone() });
    }
    Ok(ChangeSet { changes, observed: set.observed })
}

//! The landings of a head, as those of a base are told.

use std::collections::BTreeMap;

use brio_landing::{Log, LogEntry};
use brio_session::RelPath;
use brio_store::{Hash, LandingDoc, Project};

use super::changes::{Changes, UNDOS};
use crate::push::to_time;
use crate::{Place, ShareError};

impl Place {
    /// The landings of the project's head, the newest first, at most `limit`; with a `path` only
    /// those that changed it, or something below it.
    ///
    /// Those of a path are found between the states of the head, and not by reading all records:
    /// their price grows with what changed there, and hardly with what landed besides. A change
    /// that is older than the last 128 landings, and was taken back by hand, may not be among
    /// them; one that was undone is.
    ///
    /// # Errors
    /// The store's.
    pub fn log(&self, limit: Option<usize>, path: Option<&RelPath>) -> Result<Log, ShareError> {
        let head = self.head()?.0;
        let kept = self.run(|p: Project| async move { p.kept_from().await })?;
        let most = limit.unwrap_or(usize::MAX);
        let on = head.clone();
        let (records, undone) = match path.filter(|path| !path.is_root()) {
            None => {
                let count = most as u64;
                let records = self.run(|p: Project| async move { p.landings(&on, count).await })?;
                let undone = undone(&records);
                (records, undone)
            }
            Some(path) => {
                let undos = self.run(|p: Project| async move { p.undos(&on, 0, UNDOS).await })?;
                let mut changes = Changes::new(self, &head, kept, path, true, &undos)?;
                let mut records = Vec::new();
                while records.len() < most
                    && let Some(record) = changes.next()?
                {
                    records.push(record);
                }
                (records, undone(&undos))
            }
        };
        let entry = |r: &LandingDoc| entry(r, undone.get(&r.position).copied(), kept);
        Ok(Log {
            landings: records.iter().map(entry).collect(),
            kept_since: (head.position() > 0).then_some(kept.max(1)),
        })
    }
}

impl Place {
    /// The tree that the project's head had at a position.
    ///
    /// # Errors
    /// `STORE_MISSING` for one that it never had; the store's.
    pub fn tree_at(&self, position: u64) -> Result<Hash, ShareError> {
        let head = self.head()?.0;
        Ok(self.run(|p: Project| async move { p.past(position, &head).await })?.base.tree)
    }
}

/// Which landings are undone, and by which: an undo that was undone itself is none. Newest first.
pub(super) fn undone(landings: &[LandingDoc]) -> BTreeMap<u64, u64> {
    let mut out = BTreeMap::new();
    for landing in landings {
        if let (Some(of), false) = (landing.why.undo_of, out.contains_key(&landing.position)) {
            out.entry(of).or_insert(landing.position);
        }
    }
    out
}

fn entry(record: &LandingDoc, undone_by: Option<u64>, kept: u64) -> LogEntry {
    let why = &record.why;
    LogEntry {
        landing: record.position,
        time: to_time(record.at),
        session: why.session.as_deref().and_then(|s| s.parse().ok()),
        goal: why.goal.clone(),
        agent: why.agent.clone(),
        who: why.who.clone(),
        task_id: None,
        message: why.message.clone(),
        added: record.counts.added,
        modified: record.counts.modified,
        removed: record.counts.removed,
        notes: Vec::new(),
        decisions: Vec::new(),
        undo_of: why.undo_of,
        undone_by,
        undoable: record.position >= kept,
    }
}

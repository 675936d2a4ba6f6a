//! What a view is at one time: its stack, and where changes and reads of it are recorded.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cap_std::fs::Dir;

use crate::log::Log;
use crate::promote::now;
use crate::sealed::Stack;
use crate::tracked::{Notes, READS, What};
use crate::tree::{Body, Record, Ref};
use crate::view::Inner;
use crate::{FsError, FsResult, Lower, Op, RelPath, ViewOptions};

pub(crate) struct State {
    pub stack: Stack,
    /// Moves with every restack.
    pub generation: u64,
    /// `None` in a read-only view.
    pub log: Option<Log>,
    /// All of the session was made durable since this layer became its upper.
    pub synced: AtomicBool,
    /// In a view that tracks what it reads.
    pub notes: Option<Arc<Notes>>,
}

impl State {
    pub(crate) fn open(layer: Dir, below: Arc<dyn Lower>, options: &ViewOptions) -> FsResult<Self> {
        let notes = match (options.track_reads, below.notes()) {
            (true, None) => return Err(FsError::Invalid),
            (true, Some(notes)) => Some(notes.clone()),
            (false, _) => None,
        };
        let (stack, end) = Stack::open(layer, below)?;
        let log = match options.read_only {
            true => None,
            false => Some(Log::open(&stack.dir, end, options.door.clone())?),
        };
        Ok(Self { stack, generation: 0, log, synced: AtomicBool::new(false), notes })
    }

    /// From here on this is the view's state: what is read is kept with its upper. True: what the
    /// upper tells of reads has to go before the first change.
    pub(crate) fn keep_notes(&self, options: &ViewOptions) -> FsResult<bool> {
        let dir = &self.stack.dir;
        match (&self.notes, &self.log) {
            (Some(notes), Some(_)) => notes.keep_in(dir, &options.door)?,
            (Some(notes), None) => notes.join(dir)?,
            (None, Some(_)) => return Ok(dir.try_exists(READS)?),
            (None, None) => {}
        }
        Ok(false)
    }

    /// Notes that more was read of the base at a place than what kind of thing is there.
    pub(crate) fn note(&self, at: &Ref, what: What<'_>) -> FsResult<()> {
        let Some(notes) = &self.notes else { return Ok(()) };
        match self.stack.origin_ref(at) {
            Ok(Some(base)) => notes.add(&base, what, || self.stack.below.fingerprint(&base)),
            // What a layer made, or what has no name any more.
            Ok(None) | Err(FsError::NotFound) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// As [`note`](Self::note), of a path of the base.
    pub(crate) fn note_base(&self, base: &RelPath, what: What<'_>) -> FsResult<()> {
        let Some(notes) = &self.notes else { return Ok(()) };
        notes.add(base, what, || self.stack.below.fingerprint(base))
    }

    /// Writes a batch to the log, then applies it. Data files of what lost its last name go.
    /// What of it is open keeps its node with its handles.
    pub(crate) fn commit(&mut self, records: Vec<Record>, inner: &Inner) -> FsResult<()> {
        let door = &inner.options.door;
        self.log.as_mut().ok_or(FsError::ReadOnly)?.append(&records)?;
        for r in records {
            let changed = match &r {
                Record::Node { id, .. } if self.stack.tree.nodes.contains_key(id) => Some(*id),
                _ => None,
            };
            self.stack.tree.changed.extend(changed.map(|id| (id, now())));
            let Some(gone) = self.stack.tree.apply(r) else { continue };
            let Some(node) = self.stack.tree.nodes.remove(&gone) else { continue };
            self.stack.tree.changed.remove(&gone);
            if matches!(node.body, Body::Own { .. }) {
                let name = crate::sealed::data_name(gone);
                // A file that stays is swept when the session ends.
                let _ = door.run(Op::Unlink, || self.stack.dir.remove_file(&name));
            }
            inner.orphan(&Ref::Node(gone), node);
        }
        Ok(())
    }
}

//! What a landing displaced, and whether it still is what it was.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use brio_session::{Fingerprint, Kind, RelPath};
use rustix::fs::{Mode, OFlags, openat};

use crate::history::{self, Landing};
use crate::intent::{Act, End, Step, clone_name, slot_name};
use crate::judge::{Seen, see};
use crate::look::Look;
use crate::state::State;

/// The pre-images of a finished landing.
pub(crate) struct PreImages {
    pub(crate) landing: Arc<Landing>,
    pub(crate) dir: OwnedFd,
    left: HashMap<RelPath, Fingerprint>,
}

impl PreImages {
    /// `None`: it did not finish.
    pub(crate) fn open(state: &State, landing: Arc<Landing>) -> io::Result<Option<Self>> {
        let Some(End::Finished { left, .. }) = &landing.end else { return Ok(None) };
        let left = left.iter().cloned().collect();
        let dir = history::dir(state, landing.number)?;
        Ok(Some(Self { landing, dir, left }))
    }

    /// What the landing left at a path, if it left something of its own there.
    pub(crate) fn left(&self, step: &Step) -> Option<Fingerprint> {
        let new = step.new.as_ref()?;
        let left = self.left.get(&step.path).copied();
        // What was deleted in the same instant: by a fingerprint that nothing has.
        Some(left.unwrap_or(Fingerprint {
            kind: new.kind,
            ino: new.ino,
            mode: new.mode,
            nlink: 1,
            size: new.size,
            mtime: new.mtime,
            ctime: brio_session::Time::default(),
        }))
    }

    /// Whether a step did what it says. Where an edit came between a crash and the recovery it
    /// may not have: then the edit is what lies there, and nothing of the landing.
    pub(crate) fn done(&self, step: &Step) -> io::Result<bool> {
        let left = self.left.get(&step.path);
        Ok(match (step.act, &step.old, &step.new) {
            (Act::Add { .. }, _, Some(new)) => left.is_some_and(|l| l.ino == new.ino),
            (Act::Replace { slot } | Act::Remove { slot }, Some(old), _) => {
                Look::at(&self.dir, &slot_name(slot))?.is_some_and(|l| l.ino() == old.ino)
            }
            (Act::DirMeta, Some(old), _) => left.is_some_and(|l| l.ino == old.ino),
            _ => false,
        })
    }

    /// The file that a step displaced. `None`: it was edited since, and nobody made a copy.
    pub(crate) fn file(&self, step: &Step) -> io::Result<Option<File>> {
        let (Some(slot), Some(old)) = (step.slot(), &step.old) else { return Ok(None) };
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        // Where the file has other names the clone is what nobody else writes to.
        if step.cloned && old.kind == Kind::File {
            match openat(&self.dir, &*clone_name(slot), how, Mode::empty()) {
                Err(rustix::io::Errno::NOENT) => {}
                r => return Ok(Some(r?.into())),
            }
        }
        let file = File::from(openat(&self.dir, &*slot_name(slot), how, Mode::empty())?);
        Ok(self.unchanged(step)?.then_some(file))
    }

    /// Whether what a step displaced is as it was planned.
    pub(crate) fn unchanged(&self, step: &Step) -> io::Result<bool> {
        let Some(slot) = step.slot() else { return Ok(true) };
        if step.cloned && Look::at(&self.dir, &clone_name(slot))?.is_some() {
            return Ok(true);
        }
        let now = Look::at(&self.dir, &slot_name(slot))?.map(|l| l.fingerprint());
        Ok(see(now.as_ref(), step) == Seen::Old)
    }

    /// The slot of what was displaced at a path: whose owner and attributes it had.
    pub(crate) fn slot(&self, path: &RelPath) -> Option<Vec<u8>> {
        let of = |s: &&Step| s.path == *path && s.old.is_some();
        self.landing.intent.steps.iter().find(of)?.slot().map(slot_name)
    }
}

//! How a note gets a new version.

use std::borrow::Cow;
use std::io;
use std::os::fd::OwnedFd;

use brio_session::is_stop;

use super::file::{Applied, Header, ORIGINS, Stored, encode};
use super::{DirNotes, NEW, disk, failed, gone, name, versions};
use crate::notes::{NotesError, WriteOptions, Written, check_size};
use crate::tombstone::{is_tombstone, tombstone};
use crate::{NotePath, Timestamp};

/// What becomes of a note.
#[derive(Debug, Clone)]
pub(crate) enum Change<'a> {
    Put(Cow<'a, str>),
    Remove,
}

impl<'a> Change<'a> {
    /// To have this content, or to be removed if that is a tombstone.
    pub(crate) fn to(content: impl Into<Cow<'a, str>>) -> Self {
        let content = content.into();
        if is_tombstone(&content) { Self::Remove } else { Self::Put(content) }
    }
}

/// Says what becomes of a note, from its newest version.
pub(crate) type Decide<'d, 'a> = dyn FnMut(Option<&Stored>) -> Result<Change<'a>, NotesError> + 'd;

/// What lies below a session's own note: the version that is seen there (0: none), and the
/// one that a new version must be above.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Below {
    pub(crate) visible: u64,
    pub(crate) floor: u64,
    pub(crate) of_a_session: bool,
}

/// What a change did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed {
    pub(crate) written: Written,
    pub(crate) was_there: bool,
}

impl DirNotes {
    /// Gives a note a new version, under its lock. `decide` and `below` are asked under it too.
    pub(crate) fn change(
        &self,
        path: &NotePath,
        how: &WriteOptions,
        decide: &mut Decide<'_, '_>,
        below: &dyn Fn() -> Result<Below, NotesError>,
    ) -> Result<Changed, NotesError> {
        let fail = |e| failed(format!("write {path}"), e);
        let name = name::of(path);
        let dir = match self.note_dir(path)? {
            Some(dir) => dir,
            None => {
                self.disk.mkdir(&self.root, &name).map_err(fail)?;
                let made = disk::open_dir(&self.root, &name).map_err(fail)?;
                made.ok_or_else(|| gone(format!("write {path}")))?
            }
        };
        disk::lock(&dir).map_err(fail)?;
        let tip = match self.tip(&dir, &name) {
            // Who expects nothing of it may write it anew.
            Err(NotesError::Corrupt { name, what }) if how.expected_version.is_none() => {
                tracing::warn!(name, what, "A note is damaged - it is written anew");
                None
            }
            tip => tip?,
        };
        let applied = tip.as_ref().map(|tip| &tip.header.origins[..]).unwrap_or_default();
        if let Some(was) = applied.iter().find(|was| Some(&was.origin) == how.origin.as_ref()) {
            // Whoever wrote it may have died before it was durable.
            self.disk.sync_dir(&dir).map_err(fail)?;
            let written = Written { version: was.version, replayed: true };
            return Ok(Changed { written, was_there: true });
        }
        let change = decide(tip.as_ref())?;
        let content = match &change {
            Change::Put(content) => content.to_string(),
            Change::Remove => tombstone(Timestamp::now(self.clock)),
        };
        check_size(path, &content, how)?;
        let below = below()?;
        let visible = tip.as_ref().map_or(below.visible, Stored::visible);
        if let Some(expected) = how.expected_version.filter(|expected| *expected != visible) {
            let path = path.clone();
            return Err(NotesError::VersionMismatch { path, expected, found: visible });
        }
        let names = disk::names(&dir).map_err(fail)?;
        let newest = versions(&names).last().copied().unwrap_or_default();
        if matches!(change, Change::Remove) && visible == 0 && how.origin.is_none() {
            let written = Written { version: newest, replayed: false };
            return Ok(Changed { written, was_there: false });
        }
        let version = newest.max(below.floor).checked_add(1);
        let version = version.ok_or_else(|| NotesError::corrupt(path, "has no version left"))?;
        let base = match &tip {
            Some(tip) => tip.header.base,
            None => below.of_a_session.then_some(below.visible),
        };
        let removed = matches!(change, Change::Remove);
        let header = self.header(path, version, removed, how, applied, base);
        let bytes = encode(&header, &content).map_err(|e| fail(e.into()))?;
        self.put(&dir, newest == 0, version, &bytes).map_err(fail)?;
        if let Err(e) = self.prune(&dir) {
            // The version is there and durable; the next write tries again.
            tracing::warn!(%path, error = %e, "Old versions of a note could not be removed");
        }
        let written = Written { version, replayed: false };
        Ok(Changed { written, was_there: visible != 0 })
    }

    fn header(
        &self,
        path: &NotePath,
        version: u64,
        removed: bool,
        how: &WriteOptions,
        applied: &[Applied],
        base: Option<u64>,
    ) -> Header {
        let mut origins = applied.to_vec();
        if let Some(origin) = how.origin.clone() {
            origins.push(Applied { origin, version });
        }
        origins.drain(..origins.len().saturating_sub(ORIGINS));
        Header {
            path: path.as_str().to_owned(),
            version,
            at: Timestamp::now(self.clock),
            origin: how.origin.clone(),
            removed,
            base,
            origins,
        }
    }

    /// A version comes into being at the rename, and is durable at the last sync.
    fn put(&self, dir: &OwnedFd, first: bool, version: u64, bytes: &[u8]) -> io::Result<()> {
        if first {
            // Before the first version, so that whoever finds one need not ask whether the
            // directory's name is durable.
            self.disk.sync_dir(&self.root)?;
        }
        // What a killed writer left.
        self.disk.unlink(dir, NEW)?;
        let beside = self
            .disk
            .write_new(dir, NEW, bytes)
            .and_then(|()| self.disk.rename(dir, NEW, &version.to_string()));
        if let Err(e) = beside {
            if !is_stop(&e) {
                // Else the next write does it.
                let _ = self.disk.unlink(dir, NEW);
            }
            return Err(e);
        }
        self.disk.sync_dir(dir)
    }

    /// Removes the oldest versions over the bound.
    pub(super) fn prune(&self, dir: &OwnedFd) -> io::Result<()> {
        let versions = versions(&disk::names(dir)?);
        let over = versions.len().saturating_sub(self.keep);
        versions[..over].iter().try_for_each(|old| self.disk.unlink(dir, &old.to_string()))
    }
}

//! A look at every path of a branched directory, but for what is excluded, and never across
//! a mount or into another subvolume.

use std::io;
use std::os::fd::OwnedFd;

use brio_session::{Kind, RelPath, STATE_DIR};
use rustix::io::Errno;

use super::Patterns;
use super::index::{Content, DirRecord, Entry, Index};
use crate::disk::{self, DIR};
use crate::errors::Doing;
use crate::look::Look;
use crate::state::State;
use crate::{BeginError, Boundary, BoundaryKind, HostError};

/// A directory that is to be copied.
pub(super) struct Source<'a> {
    pub(super) state: &'a State,
    pub(super) subdir: &'a RelPath,
    pub(super) root: OwnedFd,
    pub(super) patterns: Option<Patterns>,
}

/// What becomes of an entry that was seen.
pub(super) enum Seen {
    /// It is recorded.
    Is(Content),
    /// It is not what it was a moment ago.
    Changing,
}

/// What a walk found.
pub(super) struct Walked {
    pub(super) index: Index,
    /// Something that changed while it was looked at.
    pub(super) changing: Option<RelPath>,
}

impl<'a> Source<'a> {
    pub(super) fn open(
        state: &'a State,
        subdir: &'a RelPath,
        patterns: Option<Patterns>,
    ) -> Result<Self, BeginError> {
        let root =
            disk::open_beneath(state.root().doing("the base")?, subdir.as_bytes(), DIR, true)
                .map_err(|_| BeginError::Subdir { path: subdir.clone() })?;
        Ok(Self { state, subdir, root, patterns })
    }

    /// Whether a path is left out of the copy.
    pub(super) fn left_out(&self, path: &RelPath, dir: bool) -> bool {
        path.components().any(|c| c == STATE_DIR.as_bytes())
            || self.state.hidden.as_ref().is_some_and(|h| self.subdir.join_path(path) == *h)
            || self.patterns.as_ref().is_some_and(|p| p.hide(path, dir))
    }

    /// Looks at everything; `see` says what becomes of each entry, from its directory, its
    /// path and what lies there.
    pub(super) fn walk(
        &self,
        mut see: impl FnMut(&OwnedFd, &RelPath, &Look) -> io::Result<Seen>,
    ) -> Result<Walked, BeginError> {
        let root = Look::of(&self.root).doing(self.subdir)?;
        let (mount, dev) = (root.mount(), root.dev());
        let (mut dirs, mut changing, mut boundaries) = (Vec::new(), None, Vec::new());
        let mut todo = vec![RelPath::root()];
        while let Some(path) = todo.pop() {
            let fail = |e: io::Error| HostError::new(self.subdir.join_path(&path), e);
            let fd = match disk::open_beneath(&self.root, path.as_bytes(), DIR, true) {
                Ok(fd) => fd,
                Err(Errno::ACCESS) => {
                    dirs.push(DirRecord {
                        path,
                        closed: true,
                        reserved: true,
                        entries: Vec::new(),
                    });
                    continue;
                }
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                    changing = Some(path);
                    continue;
                }
                Err(e) => return Err(fail(e.into()).into()),
            };
            let (mut entries, mut reserved) = (Vec::new(), false);
            for name in disk::names(&fd).map_err(fail)? {
                if name == STATE_DIR.as_bytes() {
                    reserved = true;
                    continue;
                }
                let at = path.join(&name);
                let Some(look) = Look::at(&fd, &name).map_err(fail)? else {
                    changing = Some(at);
                    continue;
                };
                let dir = look.kind() == Kind::Dir;
                // Its directories above are in already.
                if self.patterns.as_ref().is_some_and(|p| p.matches(&at, dir))
                    || self.state.hidden.as_ref().is_some_and(|h| self.subdir.join_path(&at) == *h)
                {
                    reserved = true;
                    continue;
                }
                let kind = match dir {
                    _ if look.mount() != mount => Some(BoundaryKind::Mount),
                    true if look.dev() != dev => Some(BoundaryKind::Subvolume),
                    _ => None,
                };
                if let Some(kind) = kind {
                    boundaries.push(Boundary { path: self.subdir.join_path(&at), kind });
                    continue;
                }
                let seen = see(&fd, &at, &look)
                    .map_err(|e| HostError::new(self.subdir.join_path(&at), e))?;
                let Seen::Is(content) = seen else {
                    changing = Some(at);
                    continue;
                };
                if dir {
                    todo.push(at);
                }
                entries.push(Entry { name, fingerprint: look.fingerprint(), content });
            }
            dirs.push(DirRecord { path, closed: false, reserved, entries });
        }
        if !boundaries.is_empty() {
            return Err(BeginError::Boundaries { boundaries });
        }
        dirs.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(Walked { index: Index { root: root.fingerprint(), dirs }, changing })
    }
}

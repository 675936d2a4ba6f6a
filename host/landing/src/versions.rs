//! What base, ours and theirs hold at a path: read from the layers, the pre-images and the
//! kept originals, for the merge and for the report of a conflict.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use brio_session::{
    Change, ChangeKind, ChangeSet, FsError, FsResult, Kind, Lower, Observed, RelPath, Source, View,
};
use sha2::{Digest, Sha256};

use crate::conflict::{Side, Sides};
use crate::history::History;
use crate::merge::{Case, Content, TEXT_MAX, Version};

/// The three sides of a session's paths. Paths are relative to what the session branches.
pub(crate) struct Versions<'a> {
    pub(crate) ours: &'a View,
    pub(crate) set: &'a ChangeSet,
    changes: HashMap<&'a RelPath, &'a Change>,
    pub(crate) ancestor: Ancestor<'a>,
    pub(crate) theirs: Arc<dyn Lower>,
}

/// Where what was before either change is to be had.
pub(crate) enum Ancestor<'a> {
    /// In the base as of the session's landing, where a landing changed it since; else in the
    /// original that the session kept. `copied`: the session has a frozen copy of all of it.
    Base { history: &'a History, subdir: &'a RelPath, copied: bool },
    /// In the layers that parent and child share.
    Shared(Arc<dyn Lower>),
}

impl<'a> Versions<'a> {
    pub(crate) fn new(
        ours: &'a View,
        set: &'a ChangeSet,
        ancestor: Ancestor<'a>,
        theirs: Arc<dyn Lower>,
    ) -> Self {
        let changes = set.changes.iter().map(|c| (&c.path, c)).collect();
        Self { ours, set, changes, ancestor, theirs }
    }

    pub(crate) fn change(&self, path: &RelPath) -> Option<&Change> {
        self.changes.get(path).copied()
    }

    /// All that is known of a path.
    pub(crate) fn case(&self, path: &RelPath) -> FsResult<Case> {
        let change = self.change(path).map(|c| c.kind);
        Ok(Case {
            change,
            base: self.base(path, change)?,
            ours: self.our_version(path)?,
            theirs: of_lower(&*self.theirs, path)?,
        })
    }

    fn our_version(&self, path: &RelPath) -> FsResult<Option<Version>> {
        let Some(meta) = stat(self.ours, path)? else { return Ok(None) };
        let content = match self.ours.change_content(path) {
            Err(FsError::NotSupported) => Content::Other,
            Err(e) => return Err(e),
            Ok(brio_session::Content::Dir) => Content::Dir,
            Ok(brio_session::Content::Symlink(target)) => Content::Symlink(target),
            Ok(brio_session::Content::Own { dir, name }) => {
                file(meta.size, &dir.open(name)?.into_std().into())?
            }
            Ok(brio_session::Content::Borrowed(from)) => file(meta.size, &from)?,
        };
        Ok(Some(Version { mode: meta.mode, content }))
    }

    fn base(&self, path: &RelPath, change: Option<ChangeKind>) -> FsResult<Option<Version>> {
        let Ancestor::Base { .. } = self.ancestor else {
            return match &self.ancestor {
                Ancestor::Shared(shared) => of_lower(&**shared, path),
                Ancestor::Base { .. } => Ok(None),
            };
        };
        let observed = self.set.observed.get(path);
        let (kind, mode, size) = match (observed, self.change(path).and_then(|c| c.before)) {
            (Some(Observed { fingerprint: Some(f), .. }), _) => (f.kind, f.mode, f.size),
            (None, Some(m)) => (m.kind, m.mode, m.size),
            _ => return Ok(None),
        };
        let content = match kind {
            Kind::Dir => Content::Dir,
            Kind::Other => Content::Other,
            Kind::Symlink => match self.named(path) {
                true => Content::Symlink(self.ours.with_base(|b| b.read_link(path))??),
                false => self.same_link(path)?,
            },
            Kind::File => match self.base_file(path)? {
                Some(from) => file(from.size()?, &from)?,
                // A change of the mode only says that the content is not ours.
                None if change == Some(ChangeKind::MetaOnly) => {
                    Content::File { size, sha256: None, text: None }
                }
                None => Content::File { size, sha256: observed.and_then(|o| o.sha256), text: None },
            },
        };
        Ok(Some(Version { mode, content }))
    }

    /// A link that drifted still leads where it led if it is the same inode: a link's target
    /// cannot be changed in place. The number of one that is gone is given to the next: its
    /// time and its length tell them apart.
    fn same_link(&self, path: &RelPath) -> FsResult<Content> {
        let was = self.set.observed.get(path).and_then(|o| o.fingerprint);
        let now = present(self.theirs.stat(path))?;
        match (was, now) {
            (Some(a), Some(b))
                if b.kind == Kind::Symlink
                    && (a.ino, a.mtime, a.size) == (b.ino, b.mtime, b.size) =>
            {
                Ok(Content::Symlink(self.theirs.read_link(path)?))
            }
            _ => Ok(Content::Other),
        }
    }

    /// Whether a landing since the session's own names a path, and replaced there what the
    /// session saw: then the pre-image is what was before either change.
    fn named(&self, path: &RelPath) -> bool {
        let Ancestor::Base { history, subdir, copied } = &self.ancestor else { return false };
        if *copied {
            return true;
        }
        let full = subdir.join_path(path);
        let Some((_, step)) = history.first(&full) else { return false };
        match (self.set.observed.get(path), &step.old) {
            (_, None) => false,
            (Some(Observed { fingerprint: Some(f), .. }), Some(old)) => {
                f.same_as(old) || (f.same_content(old) && history.touched_by_us(old))
            }
            (Some(_), Some(_)) => false,
            (None, Some(_)) => true,
        }
    }

    /// The file that was there before either change, where it is kept.
    pub(crate) fn base_file(&self, path: &RelPath) -> FsResult<Option<Source>> {
        if let Ancestor::Shared(shared) = &self.ancestor {
            return match shared.open(path) {
                Ok(f) => Ok(Some(f)),
                Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
                Err(e) => Err(e),
            };
        }
        let sha256 = self.set.observed.get(path).and_then(|o| o.sha256);
        if let (Some(sha256), Some(original)) = (sha256, self.ours.original(path)?)
            && let original = Source::from(original)
            && original.sha256()? == sha256
        {
            return Ok(Some(original));
        }
        if self.named(path) {
            match self.ours.with_base(|b| b.open(path))? {
                Ok(f) => {
                    let same = sha256.is_none() || sha256 == Some(f.sha256()?);
                    return Ok(same.then_some(f));
                }
                Err(FsError::SnapshotGone | FsError::NotFound | FsError::NotDirectory) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }
}

/// What is at a path of a view, links not followed.
pub(crate) fn stat(view: &View, path: &RelPath) -> FsResult<Option<brio_session::Meta>> {
    present(view.stat_at(&view.root(), name(path), false))
}

/// A path as a view's operations take it.
pub(crate) fn name(path: &RelPath) -> &[u8] {
    if path.is_root() { b"." } else { path.as_bytes() }
}

fn present<T>(found: FsResult<T>) -> FsResult<Option<T>> {
    match found {
        Ok(m) => Ok(Some(m)),
        Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

pub(crate) fn of_lower(lower: &dyn Lower, path: &RelPath) -> FsResult<Option<Version>> {
    let Some(meta) = present(lower.stat(path))? else { return Ok(None) };
    let content = match meta.kind {
        Kind::Dir => Content::Dir,
        Kind::Symlink => Content::Symlink(lower.read_link(path)?),
        Kind::Other => Content::Other,
        Kind::File => match lower.open(path) {
            Ok(f) => file(meta.size, &f)?,
            Err(FsError::Access) => Content::File { size: meta.size, sha256: None, text: None },
            Err(e) => return Err(e),
        },
    };
    Ok(Some(Version { mode: meta.mode, content }))
}

fn file(size: u64, from: &Source) -> FsResult<Content> {
    if let Some(known) = from.known_sha256().filter(|_| size > TEXT_MAX) {
        return Ok(Content::File { size, sha256: Some(known), text: None });
    }
    let (sha256, text) = digest(from)?;
    let size = text.as_ref().map_or(size, |t| t.len() as u64);
    Ok(Content::File { size, sha256: Some(sha256), text })
}

/// A file's hash, and its bytes where they are a text that is merged.
fn digest(from: &Source) -> FsResult<([u8; 32], Option<Vec<u8>>)> {
    let mut from = from.reader();
    let (mut sha, mut buf) = (Sha256::new(), vec![0; 1 << 16]);
    let mut text = Some(Vec::new());
    loop {
        let n = from.read(&mut buf)?;
        if n == 0 {
            return Ok((sha.finalize().into(), text));
        }
        sha.update(&buf[..n]);
        if let Some(t) = &mut text {
            if buf[..n].contains(&0) || (t.len() + n) as u64 > TEXT_MAX {
                text = None;
            } else {
                t.extend_from_slice(&buf[..n]);
            }
        }
    }
}

impl Version {
    fn side(&self) -> Side {
        let (size, sha256) = match &self.content {
            Content::File { size, sha256, .. } => (*size, *sha256),
            Content::Symlink(target) => (target.len() as u64, None),
            Content::Dir | Content::Other => (0, None),
        };
        Side { kind: self.kind(), mode: self.mode, size, sha256 }
    }
}

impl Case {
    /// As a conflict reports it.
    pub(crate) fn sides(&self) -> Sides {
        let side = |v: &Option<Version>| v.as_ref().map(Version::side);
        Sides { base: side(&self.base), ours: side(&self.ours), theirs: side(&self.theirs) }
    }
}

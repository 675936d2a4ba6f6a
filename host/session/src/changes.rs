//! What a session changed, found by walking only what its layers touched.

use std::collections::HashMap;
use std::fs::File;

use cap_std::fs::Dir;

use crate::sealed::{Stack, own_file, times_of, touched};
use crate::tracked::Quiet;
use crate::tree::{Ref, merge_observed};
use serde::{Deserialize, Serialize};

use crate::{
    FsError, FsResult, Kind, Lower, Meta, Observations, RelPath, Source, Time, View, hostdir,
};

/// What a session changed against the base as of its snapshot, ordered by path.
#[derive(Debug, Clone, Default)]
pub struct ChangeSet {
    /// The changes; a directory stands before its entries.
    pub changes: Vec<Change>,
    /// What the session saw of the base when it first touched it.
    pub observed: Observations,
}

/// One path that a session changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub path: RelPath,
    /// How.
    pub kind: ChangeKind,
    /// What was there as of the snapshot.
    pub before: Option<Meta>,
    /// What is there in the session.
    pub after: Option<Meta>,
    /// The base's file has other names, which keep the old content.
    pub link_broken: bool,
    /// An earlier path of this set that names the same file.
    pub hard_link_of: Option<RelPath>,
}

/// How a path changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChangeKind {
    /// Nothing was there.
    Added,
    /// Other content.
    Modified,
    /// Nothing is there.
    Removed,
    /// Another kind of file.
    TypeChanged,
    /// The same content with another mode or other times.
    MetaOnly,
}

/// Where the content of a changed path is to be had.
pub enum Content {
    /// A layer's data file, which a landing may link.
    Own {
        /// The layer's directory.
        dir: Dir,
        /// The data file's name in it.
        name: String,
    },
    /// Still the lower's: to be cloned or copied.
    Borrowed(Source),
    /// A link with this target.
    Symlink(Vec<u8>),
    /// A directory.
    Dir,
}

impl Content {
    /// The bytes of a regular file.
    ///
    /// # Errors
    /// `Invalid` for other kinds, and the host's.
    pub fn source(self) -> FsResult<Source> {
        match self {
            Self::Own { dir, name } => Ok(hostdir::open_file(&dir, name.as_bytes())?.into()),
            Self::Borrowed(source) => Ok(source),
            Self::Symlink(_) | Self::Dir => Err(FsError::Invalid),
        }
    }
}

impl View {
    /// What this session changed. Costs what was changed, whatever the size of the base.
    ///
    /// # Errors
    /// The host's, `SnapshotGone`, `Ended`.
    pub fn changes(&self) -> FsResult<ChangeSet> {
        let _quiet = Quiet::new();
        let state = self.inner.read()?;
        let mut observed = Observations::new();
        state.stack.below.observations(&mut observed);
        for (p, o) in &state.stack.tree.observed {
            merge_observed(&mut observed, p.clone(), o.clone());
        }
        let (stack, links) = (&state.stack, HashMap::new());
        let mut walk = Walk { stack, observed: &observed, out: Vec::new(), links };
        walk.visit(&RelPath::root())?;
        Ok(ChangeSet { changes: walk.out, observed })
    }

    /// Where the content of a path of this view is to be had.
    ///
    /// # Errors
    /// `NotFound`, `NotSupported` for a device, FIFO or socket, and the host's.
    pub fn change_content(&self, path: &RelPath) -> FsResult<Content> {
        let _quiet = Quiet::new();
        let state = self.inner.read()?;
        let stack = &state.stack;
        let at = stack.tree.walk(path).ok_or(FsError::NotFound)?;
        match stack.meta(&at)?.kind {
            Kind::Dir => Ok(Content::Dir),
            Kind::Symlink => Ok(Content::Symlink(stack.read_link_ref(&at)?)),
            Kind::Other => Err(FsError::NotSupported),
            Kind::File => match own_file(stack, &at)? {
                Some((dir, name)) => Ok(Content::Own { dir, name }),
                None => Ok(Content::Borrowed(stack.open_ref(&at)?)),
            },
        }
    }

    /// The access and modification times that a path of this view was told to have.
    ///
    /// # Errors
    /// `NotFound`, and the host's.
    pub fn explicit_times(&self, path: &RelPath) -> FsResult<Option<(Time, Time)>> {
        let _quiet = Quiet::new();
        let state = self.inner.read()?;
        times_of(&state.stack, &state.stack.tree.walk(path).ok_or(FsError::NotFound)?)
    }

    /// The original that the layers keep of a path of the base: what it held when its content
    /// was first replaced here. `None` where none was kept.
    ///
    /// # Errors
    /// `Ended`, and the host's.
    pub fn original(&self, base: &RelPath) -> FsResult<Option<File>> {
        self.inner.read()?.stack.original(base)
    }

    /// What the base below all layers holds, as of the session's snapshot.
    ///
    /// # Errors
    /// `Ended`.
    pub fn with_base<T>(&self, f: impl FnOnce(&dyn Lower) -> T) -> FsResult<T> {
        Ok(f(self.inner.read()?.stack.below.base()))
    }
}

#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Own(u64, String),
    Borrowed(RelPath),
}

struct Walk<'a> {
    stack: &'a Stack,
    observed: &'a Observations,
    out: Vec<Change>,
    links: HashMap<Identity, RelPath>,
}

impl Walk<'_> {
    fn visit(&mut self, path: &RelPath) -> FsResult<()> {
        let at = self.stack.tree.walk(path);
        let after = match &at {
            Some(r) => present(self.stack.meta(r))?,
            None => None,
        };
        let base = self.stack.below.base();
        let before = present(base.stat(path))?;
        // What lies where the base leaves things out is the session's own; what was there
        // before it is gone all the same.
        let after = after.filter(|m| !base.excluded(path, m.kind == Kind::Dir));
        let at = at.filter(|_| after.is_some());
        let is_dir = |m: &Option<Meta>| m.is_some_and(|m| m.kind == Kind::Dir);
        let kind = match (&at, &before, &after) {
            (_, None, None) => return Ok(()),
            (_, None, Some(_)) => Some(ChangeKind::Added),
            (_, Some(_), None) => Some(ChangeKind::Removed),
            (_, Some(b), Some(a)) if a.kind != b.kind => Some(ChangeKind::TypeChanged),
            (Some(at), Some(b), Some(a)) => self.compare(path, at, b, a)?,
            (None, ..) => None,
        };
        if let Some(kind) = kind {
            self.push(path, kind, before, after, at.as_ref())?;
        }
        let from_here = match &at {
            Some(r) if is_dir(&after) => self.stack.origin_ref(r)?.as_ref() == Some(path),
            _ => false,
        };
        let mut names = Vec::new();
        if let (Some(r), true, true) = (&at, is_dir(&before), from_here) {
            names = touched(self.stack, r)?.unwrap_or_default();
        } else {
            if let (Some(r), true) = (&at, is_dir(&after)) {
                match self.stack.list_ref(r) {
                    Ok(entries) => names.extend(entries.into_iter().map(|e| e.name)),
                    // Taken from the base outside of any landing: what the layers have remains.
                    Err(FsError::NotFound | FsError::NotDirectory) => {
                        names.extend(touched(self.stack, r)?.unwrap_or_default());
                    }
                    Err(e) => return Err(e),
                }
            }
            if is_dir(&before) {
                names.extend(base.list(path)?.into_iter().map(|e| e.name));
            }
            names.sort_unstable();
            names.dedup();
        }
        for name in names {
            self.visit(&path.join(&name))?;
        }
        Ok(())
    }

    /// Two things of one kind: what differs, if anything does.
    fn compare(
        &self,
        path: &RelPath,
        at: &Ref,
        b: &Meta,
        a: &Meta,
    ) -> FsResult<Option<ChangeKind>> {
        let base = self.stack.below.base();
        let same = match a.kind {
            Kind::Dir => true,
            Kind::Symlink => match base.read_link(path) {
                // It cannot be compared any more, so it counts as changed: a layer touched it.
                Err(FsError::SnapshotGone) => self.is_borrowed(path, at)?,
                target => self.stack.read_link_ref(at)? == target?,
            },
            Kind::Other => self.is_borrowed(path, at)?,
            Kind::File => match own_file(self.stack, at)? {
                None if self.is_borrowed(path, at)? => true,
                _ if a.size != b.size => false,
                _ => match base.open(path) {
                    Err(FsError::SnapshotGone) => false,
                    was => self.stack.open_ref(at)?.same_as(&was?)?,
                },
            },
        };
        if !same {
            return Ok(Some(ChangeKind::Modified));
        }
        // A mode that is still what the session found is not its doing: another changed it since.
        let found = self.observed.get(path).and_then(|o| o.fingerprint).map(|f| f.mode);
        let mode = a.kind != Kind::Symlink && a.mode != b.mode && found != Some(a.mode);
        let times = times_of(self.stack, at)?.is_some_and(|(_, m)| m != b.mtime);
        Ok((mode || times).then_some(ChangeKind::MetaOnly))
    }

    /// Whether what is at a path is still what the base has there.
    fn is_borrowed(&self, path: &RelPath, at: &Ref) -> FsResult<bool> {
        Ok(self.stack.origin_ref(at)?.as_ref() == Some(path))
    }

    fn push(
        &mut self,
        path: &RelPath,
        kind: ChangeKind,
        before: Option<Meta>,
        after: Option<Meta>,
        at: Option<&Ref>,
    ) -> FsResult<()> {
        let link_broken = kind != ChangeKind::Removed
            && before.is_some_and(|m| m.kind == Kind::File && m.nlink > 1);
        let mut hard_link_of = None;
        if let (Some(at), Some(Meta { kind: Kind::File, nlink: 2.., .. })) = (at, after) {
            let identity = match own_file(self.stack, at)? {
                Some((dir, name)) => Some(Identity::Own(hostdir::stat(&dir, b".")?.0.ino, name)),
                None => self.stack.origin_ref(at)?.map(Identity::Borrowed),
            };
            if let Some(identity) = identity {
                match self.links.get(&identity) {
                    Some(first) => hard_link_of = Some(first.clone()),
                    None => drop(self.links.insert(identity, path.clone())),
                }
            }
        }
        self.out.push(Change {
            path: path.clone(),
            kind,
            before,
            after,
            link_broken,
            hard_link_of,
        });
        Ok(())
    }
}

fn present(meta: FsResult<Meta>) -> FsResult<Option<Meta>> {
    match meta {
        Ok(m) => Ok(Some(m)),
        Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

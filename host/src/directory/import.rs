//! A session made what a directory is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use brio_landing::{Draft, LeaseError};
use brio_session::{
    Change, ChangeKind, ChangeSet, FsError, Kind, RelPath, STATE_DIR, View, ViewOptions,
};

use super::compare::{Both, compare};
use super::stamp::{self, Known, Stamp, look};
use super::take_back::{Sides, still, take_back};
use super::{DirectoryError, Listing, Watch, in_git};
use crate::SessionHandle;

/// How a directory is imported.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Take `.git` too, at every depth; else it stays what it is in the session.
    pub vcs: bool,
    /// Hold a file of the same size, mode and modification time for the same, unread.
    pub quick: bool,
    /// Who looks on, and may end it.
    pub watch: Watch,
}

/// A directory could not be imported. The session is what it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A session holds files, directories and symbolic links.
    #[error("IMPORT_REFUSED: {} is a device, FIFO or socket, which a session does not hold; remove it there; the session is what it was", path.display())]
    Special {
        /// The path.
        path: PathBuf,
    },
    /// The session cannot be used, or somebody works in it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Reading or writing failed, or was interrupted.
    #[error("{code}: {0}; the session is what it was", code = .0.code())]
    Directory(#[from] DirectoryError),
}

impl ImportError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Special { .. } => "IMPORT_REFUSED",
            Self::Lease(e) => e.code(),
            Self::Directory(e) => e.code(),
        }
    }
}

/// An import that is ready, and not the session's yet: dropped without
/// [`accept`](Self::accept), nothing of it is left.
pub struct Import {
    draft: Draft,
    changes: ChangeSet,
    vcs: Option<RelPath>,
    excluded: u64,
}

impl Import {
    /// What it changes in the session, with paths relative to its base.
    pub fn changes(&self) -> &ChangeSet {
        &self.changes
    }

    /// The session before.
    pub fn before(&self) -> &View {
        self.draft.before()
    }

    /// The session with the changes.
    pub fn after(&self) -> &View {
        self.draft.view()
    }

    /// A path in a `.git` that differs, and was left as it is.
    pub fn vcs_differs(&self) -> Option<&RelPath> {
        self.vcs.as_ref()
    }

    /// How many entries of the directory were left out because the session excludes them.
    pub fn excluded(&self) -> u64 {
        self.excluded
    }

    /// Makes it the session's, durably and at once.
    ///
    /// # Errors
    /// The session is what it was.
    pub fn accept(&mut self) -> Result<(), ImportError> {
        if !self.changes.changes.is_empty() {
            self.draft.keep("imported")?;
        }
        Ok(())
    }
}

impl SessionHandle {
    /// Makes the session what `dir` is: additions, changes of content, kind, mode and time,
    /// deletions, symbolic links with whatever target, hard links. Only what differs is
    /// touched. Not taken are `dir`'s own mode, times of directories and links (which would be
    /// changes wherever an entry is), owners and extended attributes; `.brio` at
    /// every depth, and what the session excludes, is on neither side. All of it becomes the
    /// session's at once, durably, or nothing does, also under `kill -9`. Returns what changed.
    ///
    /// # Errors
    /// `SESSION_BUSY` when somebody works in it; `CHANGING` when something in `dir` changed
    /// meanwhile; see [`ImportError`]. The session is what it was.
    pub fn import(&self, dir: &Path, options: &ImportOptions) -> Result<ChangeSet, ImportError> {
        let mut import = self.prepare_import(dir, options)?;
        import.accept()?;
        Ok(import.changes)
    }

    /// As [`import`](Self::import), up to where it becomes the session's: to be looked at, and
    /// accepted or dropped. Holds the session's writer lease.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn prepare_import(
        &self,
        dir: &Path,
        options: &ImportOptions,
    ) -> Result<Import, ImportError> {
        let writing = ViewOptions { vcs: options.vcs, ..ViewOptions::default() };
        let draft = self.session().map_err(LeaseError::from)?.draft("import", writing)?;
        let (view, root) = (draft.view(), draft.view().root());
        let watch = &options.watch;
        let opened = stamp::open(dir)?;
        let looked = look(&opened, dir)?;
        let mut listing = Listing::of(view, &root, watch)?;
        let sorted = sort(view, options.vcs, &looked.known, &mut listing)?;
        refuse_special(dir, &looked.special, &listing, &sorted)?;
        let touched = {
            let both = Both {
                view,
                root: &root,
                listing: &listing,
                dir: &opened,
                shown: dir,
                now: &sorted.now,
            };
            let known = compare(&both, options.quick, watch)?;
            let dir_times = false;
            let sides = Sides { dir: &opened, shown: dir, view, root: &root, watch, dir_times };
            let mut touched = remove_special(&sides, &listing.special, &sorted.now)?;
            touched.append(&mut take_back(&sides, &known, &sorted.now)?);
            still(&opened, dir, &looked.known)?;
            touched
        };
        let changes = changes(&draft, touched)?;
        let (vcs, excluded) = (sorted.vcs, sorted.excluded);
        Ok(Import { draft, changes, vcs, excluded })
    }
}

/// What of a directory is imported.
struct Sorted {
    now: Known,
    vcs: Option<RelPath>,
    excluded: u64,
    excludes: BTreeSet<RelPath>,
}

/// Takes out of both sides what is not imported.
fn sort(
    view: &View,
    vcs: bool,
    looked: &Known,
    listing: &mut Listing,
) -> Result<Sorted, DirectoryError> {
    let sorted = view.with_base(|base| {
        let excluded = |path: &RelPath, dir| base.excludes() && base.excluded(path, dir);
        let mut sorted =
            Sorted { now: Known::new(), vcs: None, excluded: 0, excludes: BTreeSet::new() };
        let mut theirs: BTreeMap<&RelPath, &Stamp> = BTreeMap::new();
        for (path, stamp) in looked {
            if !vcs && in_git(path) {
                theirs.insert(path, stamp);
            } else if excluded(path, stamp.kind == Kind::Dir) {
                sorted.excluded += 1;
                sorted.excludes.insert(path.clone());
            } else {
                sorted.now.insert(path.clone(), *stamp);
            }
        }
        for (path, meta) in listing.entries.iter().filter(|(path, _)| !vcs && in_git(path)) {
            let same = theirs.remove(path).is_some_and(|stamp| {
                stamp.kind == meta.kind
                    && (stamp.kind == Kind::Dir
                        || (stamp.size, stamp.mtime) == (meta.size, meta.mtime))
            });
            if !same {
                sorted.vcs.get_or_insert_with(|| path.clone());
            }
        }
        if let Some(path) = theirs.keys().next() {
            sorted.vcs.get_or_insert_with(|| (*path).clone());
        }
        listing.entries.retain(|(path, meta)| {
            (vcs || !in_git(path)) && !excluded(path, meta.kind == Kind::Dir)
        });
        sorted
    });
    sorted.map_err(DirectoryError::view(&RelPath::root()))
}

/// A device or the like stays where the session shows one already.
fn refuse_special(
    dir: &Path,
    theirs: &[RelPath],
    listing: &Listing,
    sorted: &Sorted,
) -> Result<(), ImportError> {
    let out = |path: &RelPath| {
        listing.special.contains(path)
            || path.ancestors().any(|up| sorted.excludes.contains(&up))
            || in_git(path)
    };
    match theirs.iter().find(|path| !out(path)) {
        Some(path) => Err(ImportError::Special { path: dir.join(path.to_path()) }),
        None => Ok(()),
    }
}

/// A device or the like of the base stays, unless something else is there now or its directory
/// is gone: the directory cannot hold it.
fn remove_special(
    sides: &Sides<'_>,
    special: &[RelPath],
    now: &Known,
) -> Result<BTreeSet<RelPath>, DirectoryError> {
    let mut gone = BTreeSet::new();
    for path in special {
        let parent = path.split().map(|(parent, _)| parent).unwrap_or_default();
        let homeless =
            !parent.is_root() && now.get(&parent).is_none_or(|stamp| stamp.kind != Kind::Dir);
        if now.contains_key(path) || homeless {
            sides
                .view
                .unlink_at(sides.root, path.as_bytes())
                .map_err(DirectoryError::view(path))?;
            gone.insert(path.clone());
        }
    }
    Ok(gone)
}

/// What the draft changed. A change set against the base tells most of it; what became of a file
/// that the session had changed before is told by what was touched.
fn changes(draft: &Draft, touched: BTreeSet<RelPath>) -> Result<ChangeSet, DirectoryError> {
    let fail = |e| DirectoryError::view(&RelPath::root())(e);
    let (before, after) = (draft.before(), draft.view());
    let mut set =
        crate::nested::against(after.changes().map_err(fail)?, before.changes().map_err(fail)?);
    let told: BTreeSet<RelPath> = set.changes.iter().map(|c| c.path.clone()).collect();
    for path in touched.difference(&told) {
        let at = |view: &View| match view.stat_at(&view.root(), path.as_bytes(), false) {
            Ok(meta) => Ok(Some(meta)),
            Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
            Err(e) => Err(DirectoryError::view(path)(e)),
        };
        // Directories were entered only; what came back to what it was is told by neither side.
        if let (Some(before), Some(after)) = (at(before)?, at(after)?)
            && after.kind != Kind::Dir
        {
            set.changes.push(Change {
                path: path.clone(),
                kind: ChangeKind::Modified,
                before: Some(before),
                after: Some(after),
                link_broken: false,
                hard_link_of: None,
            });
        }
    }
    set.changes.sort_by(|a, b| a.path.cmp(&b.path));
    debug_assert!(
        set.changes.iter().all(|c| c.path.components().all(|n| n != STATE_DIR.as_bytes()))
    );
    Ok(set)
}

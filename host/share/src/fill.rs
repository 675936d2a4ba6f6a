//! A session's tree, made again as the layer of a session here.

use std::collections::BTreeMap;

use brio_session::{FsError, FsResult, Handle, Kind, OpenOptions, RelPath, Source, View};
use brio_store::tree::{Difference, Entry, Key};

use crate::Place;
use crate::lower::{fs_error, source};

/// Makes the differences in a view that stands on the first tree. What is new is fetched.
pub(crate) fn fill(place: &Place, view: &View, differences: &[Difference]) -> FsResult<()> {
    fill_where_it_fits(place, view, differences, &mut |_, e| Err(e))
}

/// As [`fill`], in a view that may show something else here and there: what cannot be made is
/// told, with the reason, and its answer decides whether the rest is.
pub(crate) fn fill_where_it_fits(
    place: &Place,
    view: &View,
    differences: &[Difference],
    cannot: &mut dyn FnMut(&Key, FsError) -> FsResult<()>,
) -> FsResult<()> {
    let mut closed = Closed::default();
    // What goes: what is in a directory before the directory.
    for d in differences.iter().rev() {
        closed.within(view, &d.key, || remove(view, d)).or_else(|e| cannot(&d.key, e))?;
    }
    for d in differences {
        closed.within(view, &d.key, || make(place, view, d)).or_else(|e| cannot(&d.key, e))?;
    }
    // A mode may deny what goes into a directory, so it is set when all is there.
    for d in differences {
        if let Some(Entry::Dir { mode }) = &d.after {
            closed.0.insert(d.key.path(), u32::from(*mode));
        }
    }
    for (path, mode) in closed.0.iter().rev() {
        let is_dir = view.stat_at(&view.root(), path, false).map(|m| m.kind == Kind::Dir);
        let set = match is_dir {
            Ok(true) => view.set_mode_at(&view.root(), path, false, *mode),
            Ok(false) | Err(FsError::NotFound | FsError::NotDirectory) => Ok(()),
            Err(e) => Err(e),
        };
        set.or_else(|e| cannot(&Key::new(path).map_err(|e| fs_error(&e))?, e))?;
    }
    Ok(())
}

/// Directories that may not be written in, and were opened for a while, with the modes that they
/// are to have in the end.
#[derive(Default)]
struct Closed(BTreeMap<Vec<u8>, u32>);

impl Closed {
    fn within(
        &mut self,
        view: &View,
        key: &Key,
        mut work: impl FnMut() -> FsResult<()>,
    ) -> FsResult<()> {
        match work() {
            Err(FsError::Access) if self.open_above(view, key)? => work(),
            done => done,
        }
    }

    /// Opens the directories above a path; false: they were.
    fn open_above(&mut self, view: &View, key: &Key) -> FsResult<bool> {
        let path = RelPath::new(key.path())?;
        let mut above: Vec<RelPath> = path.ancestors().filter(|p| !p.is_root()).collect();
        above.sort();
        let mut opened = false;
        for dir in above {
            let name = dir.as_bytes();
            let meta = view.stat_at(&view.root(), name, false)?;
            if meta.kind == Kind::Dir && meta.mode & 0o700 != 0o700 {
                view.set_mode_at(&view.root(), name, false, meta.mode | 0o700)?;
                self.0.entry(name.to_vec()).or_insert(meta.mode);
                opened = true;
            }
        }
        Ok(opened)
    }
}

fn is_dir(entry: &Option<Entry>) -> bool {
    entry.as_ref().is_some_and(Entry::is_dir)
}

fn remove(view: &View, d: &Difference) -> FsResult<()> {
    let Some(before) = &d.before else { return Ok(()) };
    let stays = match &d.after {
        None => false,
        Some(after) => std::mem::discriminant(after) == std::mem::discriminant(before),
    };
    match (stays, before) {
        (true, Entry::Link { .. }) | (false, Entry::File { .. } | Entry::Link { .. }) => {
            view.unlink_at(&view.root(), &d.key.path())
        }
        (false, Entry::Dir { .. }) => view.rmdir_at(&view.root(), &d.key.path()),
        (true, _) => Ok(()),
    }
}

fn make(place: &Place, view: &View, d: &Difference) -> FsResult<()> {
    let root = view.root();
    let same = content_of(&d.before) == content_of(&d.after);
    match &d.after {
        None => Ok(()),
        Some(Entry::Dir { .. }) if is_dir(&d.before) => Ok(()),
        Some(Entry::Dir { .. }) => view.make_dir_at(&root, &d.key.path(), 0o755),
        Some(Entry::Link { target }) => view.import_symlink_at(target, &root, &d.key.path()),
        Some(Entry::File { mode, .. }) if same => set_mode(view, &d.key, *mode),
        Some(Entry::File { mode, content }) => {
            let how = OpenOptions {
                read: true,
                write: true,
                create: true,
                mode: Some(u32::from(*mode)),
                ..OpenOptions::default()
            };
            let Handle::File(file) = view.open_at(&root, &d.key.path(), &how)? else {
                return Err(FsError::IsDirectory);
            };
            let from: Source = source(&place.runner, &place.project, *content)?;
            file.copy_from(&from)?;
            file.set_mode(u32::from(*mode))
        }
    }
}

fn set_mode(view: &View, key: &Key, mode: u16) -> FsResult<()> {
    view.set_mode_at(&view.root(), &key.path(), false, u32::from(mode))
}

fn content_of(entry: &Option<Entry>) -> Option<&brio_store::Content> {
    match entry {
        Some(Entry::File { content, .. }) => Some(content),
        _ => None,
    }
}

/// Differences as a directory shows them; there must be none outside of it.
pub(crate) fn below(all: Vec<Difference>, subdir: &RelPath) -> FsResult<Vec<Difference>> {
    if subdir.is_root() {
        return Ok(all);
    }
    let inside = |d: Difference| {
        let path = RelPath::new(d.key.path())?.strip_prefix(subdir).ok_or(FsError::Corrupt)?;
        let key = Key::new(path.as_bytes()).map_err(|_| FsError::Corrupt)?;
        Ok(Difference { key, ..d })
    };
    all.into_iter().map(inside).collect()
}

/// The differences between two trees of a place.
pub(crate) fn differences(
    place: &Place,
    from: brio_store::Hash,
    to: brio_store::Hash,
) -> FsResult<Vec<Difference>> {
    let (from, to) = (place.project.tree(from), place.project.tree(to));
    let found = place.runner.run(async move { brio_store::tree::diff(&from, &to).await });
    found.map_err(|e| fs_error(&e))
}

//! A session's tree, made again as the layer of a session here.

use brio_session::{FsError, FsResult, Handle, OpenOptions, RelPath, Source, View};
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
    // What goes: what is in a directory before the directory.
    for d in differences.iter().rev() {
        remove(view, d).or_else(|e| cannot(&d.key, e))?;
    }
    for d in differences {
        make(place, view, d).or_else(|e| cannot(&d.key, e))?;
    }
    // A mode may deny what goes into a directory, so it is set when all is there.
    for d in differences.iter().rev() {
        if let (Some(Entry::Dir { mode }), true) = (&d.after, !is_dir(&d.before)) {
            set_mode(view, &d.key, *mode).or_else(|e| cannot(&d.key, e))?;
        }
    }
    Ok(())
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
        Some(Entry::Dir { mode }) if is_dir(&d.before) => set_mode(view, &d.key, *mode),
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

//! A session's tree, made again as the layer of a session here.

use brio_session::{FsError, FsResult, Handle, OpenOptions, Source, View};
use brio_store::tree::{Difference, Entry, Key};

use crate::Place;
use crate::lower::{fs_error, source};

/// Makes the differences in a view that stands on the first tree. What is new is fetched.
pub(crate) fn fill(place: &Place, view: &View, differences: &[Difference]) -> FsResult<()> {
    let root = view.root();
    // What goes: what is in a directory before the directory.
    for d in differences.iter().rev() {
        let Some(before) = &d.before else { continue };
        let stays = match (&d.after, before) {
            (None, _) => false,
            (Some(a), b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        };
        match (stays, before) {
            (true, Entry::Link { .. }) | (false, Entry::File { .. } | Entry::Link { .. }) => {
                view.unlink_at(&root, &d.key.path())?;
            }
            (false, Entry::Dir { .. }) => view.rmdir_at(&root, &d.key.path())?,
            (true, _) => {}
        }
    }
    for d in differences {
        let (Some(after), same) = (&d.after, content_of(&d.before) == content_of(&d.after)) else {
            continue;
        };
        match after {
            Entry::Dir { mode } if matches!(d.before, Some(Entry::Dir { .. })) => {
                set_mode(view, &d.key, *mode)?;
            }
            // Its mode may deny what goes into it, so it is set when all is there.
            Entry::Dir { .. } => view.make_dir_at(&root, &d.key.path(), 0o755)?,
            Entry::Link { target } => view.import_symlink_at(target, &root, &d.key.path())?,
            Entry::File { mode, .. } if same => set_mode(view, &d.key, *mode)?,
            Entry::File { mode, content } => {
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
                file.set_mode(u32::from(*mode))?;
            }
        }
    }
    for d in differences.iter().rev() {
        if let (Some(Entry::Dir { mode }), true) =
            (&d.after, !matches!(d.before, Some(Entry::Dir { .. })))
        {
            set_mode(view, &d.key, *mode)?;
        }
    }
    Ok(())
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

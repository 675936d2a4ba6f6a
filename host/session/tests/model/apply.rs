//! Applies a change set to a copy of the base, the way any reader of one would.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use brio_session::{Change, ChangeKind, Content, Kind, View};

use super::memory::Memory;
use super::{Tree, plain};

/// Applies `view.changes()` to `copy`, which holds what the base holds.
pub fn apply(view: &View, copy: &Path) -> Vec<Change> {
    let at = |p: &brio_session::RelPath| -> PathBuf {
        copy.join(std::ffi::OsStr::from_bytes(p.as_bytes()))
    };
    let changes = view.changes().expect("changes").changes;
    for c in changes.iter().rev() {
        match c.kind {
            ChangeKind::MetaOnly | ChangeKind::Added => {}
            _ if c.before.expect("it was there").kind == Kind::Dir => {
                std::fs::remove_dir(at(&c.path)).expect("an empty directory goes");
            }
            _ => std::fs::remove_file(at(&c.path)).expect("a file goes"),
        }
    }
    for c in &changes {
        if matches!(c.kind, ChangeKind::Removed | ChangeKind::MetaOnly) {
            continue;
        }
        let to = at(&c.path);
        if let Some(first) = &c.hard_link_of {
            std::fs::hard_link(at(first), to).expect("the first name is there");
            continue;
        }
        match view.change_content(&c.path).expect("content") {
            Content::Dir => std::fs::create_dir(to).expect("the parent is there"),
            Content::Symlink(t) => {
                std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(&t), to).expect("a link");
            }
            content @ (Content::Own { .. } | Content::Borrowed(_)) => {
                let mut bytes = Vec::new();
                content.source().expect("data").reader().read_to_end(&mut bytes).expect("data");
                std::fs::write(to, bytes).expect("a file");
            }
        }
    }
    for c in changes.iter().rev().filter(|c| c.kind != ChangeKind::Removed) {
        if let Some((_, mtime)) = view.explicit_times(&c.path).expect("times")
            && c.after.is_some_and(|m| m.kind != Kind::Symlink)
        {
            super::base::set_mtime(&at(&c.path), mtime);
        }
    }
    changes
}

/// Whether what was applied is what the view shows.
///
/// # Errors
/// What differs.
pub fn check(view: &View, memory: &mut Memory, copy: &Path) -> Result<(), String> {
    use super::Subject;
    let changes = apply(view, copy);
    let of = |without: &[ChangeKind]| -> BTreeSet<Vec<u8>> {
        let left = changes.iter().filter(|c| !without.contains(&c.kind));
        left.map(|c| c.path.as_bytes().to_vec()).collect()
    };
    let changed = of(&[ChangeKind::Removed]);
    let written = of(&[ChangeKind::Removed, ChangeKind::MetaOnly]);
    let mut want = memory.tree();
    let mut got: Tree = plain::scan(copy);
    // Names of one file that the change set gives content are one file after it. A link to
    // something whose content is the base's is a copy.
    let linked = links_of(copy);
    for group in memory.groups().values() {
        let group: Vec<_> = group.iter().filter(|p| written.contains(*p)).collect();
        for p in &group {
            let file = want[*p].stat.kind == super::Kind::File;
            if file && linked[*p] != linked[group[0]] {
                return Err(format!(
                    "{} is no longer a link of {}",
                    super::show(p),
                    super::show(group[0])
                ));
            }
        }
    }
    for e in want.values_mut().chain(got.values_mut()) {
        e.stat.nlink = 0;
        if e.stat.kind == super::Kind::Symlink {
            e.stat.mtime = None;
        }
    }
    let told = memory.told();
    for (path, e) in &mut want {
        // A time that nobody set (a file that was moved here, a directory that entries were made
        // in) is no part of a change.
        if !told.contains(path) {
            e.stat.mtime = None;
        }
        if e.stat.kind == super::Kind::Dir && !changed.contains(path) {
            e.stat.mtime = None;
        }
    }
    super::run::same_tree("the applied change set", &want, got)
}

fn links_of(root: &Path) -> std::collections::BTreeMap<Vec<u8>, u64> {
    use std::os::unix::fs::MetadataExt;
    plain::scan(root)
        .into_keys()
        .map(|p| {
            let ino =
                root.join(std::ffi::OsStr::from_bytes(&p)).symlink_metadata().expect("there").ino();
            (p, ino)
        })
        .collect()
}

//! What a child session changed against its parent. A view tells what all of its layers
//! changed against the base; the parent's part is taken away here.

use std::collections::BTreeMap;

use brio_session::{Change, ChangeKind, ChangeSet, Kind, Meta, RelPath};

/// The changes of `child` as seen from `parent`, ordered by path.
pub(crate) fn against(child: ChangeSet, parent: ChangeSet) -> ChangeSet {
    let mut theirs: BTreeMap<RelPath, Change> =
        parent.changes.into_iter().map(|c| (c.path.clone(), c)).collect();
    let mut changes = Vec::new();
    for mut change in child.changes {
        match theirs.remove(&change.path) {
            None => changes.push(change),
            Some(parent) => {
                if let Some(kind) = kind(parent.after.as_ref(), change.after.as_ref()) {
                    change.kind = kind;
                    change.before = parent.after;
                    change.link_broken = false;
                    changes.push(change);
                }
            }
        }
    }
    // What the parent changed and the child put back to what the base holds.
    for (path, parent) in theirs {
        if let Some(kind) = kind(parent.after.as_ref(), parent.before.as_ref()) {
            changes.push(Change {
                path,
                kind,
                before: parent.after,
                after: parent.before,
                link_broken: false,
                hard_link_of: None,
            });
        }
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    ChangeSet { changes, observed: child.observed }
}

fn kind(before: Option<&Meta>, after: Option<&Meta>) -> Option<ChangeKind> {
    match (before, after) {
        (None, None) => None,
        (None, Some(_)) => Some(ChangeKind::Added),
        (Some(_), None) => Some(ChangeKind::Removed),
        (Some(b), Some(a)) if b.kind != a.kind => Some(ChangeKind::TypeChanged),
        // The times of a directory move with its entries.
        (Some(b), Some(a)) if b.kind == Kind::Dir => {
            (b.mode != a.mode).then_some(ChangeKind::MetaOnly)
        }
        (Some(b), Some(a)) if b.size != a.size || b.mtime != a.mtime => Some(ChangeKind::Modified),
        (Some(b), Some(a)) => (b.mode != a.mode).then_some(ChangeKind::MetaOnly),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use brio_session::Time;

    fn meta(size: u64) -> Option<Meta> {
        let t = Time { secs: size as i64, nanos: 0 };
        Some(Meta {
            kind: Kind::File,
            ino: 1,
            nlink: 1,
            size,
            mode: 0o644,
            atime: t,
            mtime: t,
            ctime: t,
        })
    }

    fn set(changes: &[(&str, ChangeKind, Option<Meta>, Option<Meta>)]) -> ChangeSet {
        let changes = changes
            .iter()
            .map(|(path, kind, before, after)| Change {
                path: RelPath::new(*path).expect("a path"),
                kind: *kind,
                before: *before,
                after: *after,
                link_broken: false,
                hard_link_of: None,
            })
            .collect();
        ChangeSet { changes, ..ChangeSet::default() }
    }

    // B-042: a child is judged by what it did itself.
    #[test]
    fn the_parents_part_is_taken_away() {
        use ChangeKind::{Added, Modified, Removed};
        let parent = set(&[
            ("both", Modified, meta(1), meta(2)),
            ("dropped", Added, None, meta(3)),
            ("same", Added, None, meta(4)),
        ]);
        let child = set(&[
            ("both", Modified, meta(1), meta(5)),
            ("new", Added, None, meta(6)),
            ("same", Added, None, meta(4)),
        ]);
        let own: Vec<_> = against(child, parent)
            .changes
            .into_iter()
            .map(|c| (c.path.to_string(), c.kind))
            .collect();
        assert_eq!(
            own,
            [("both".into(), Modified), ("dropped".into(), Removed), ("new".into(), Added)]
        );
    }
}

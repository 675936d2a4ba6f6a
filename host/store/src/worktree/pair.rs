//! A directory beside a tree, path by path.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::root::Is;
use super::walk::Walked;
use crate::tree::{Entry, Key};

/// What the directory and the tree have at a path; at least one of them has something.
pub(super) struct Pair {
    /// Which of what was found.
    pub(super) found: Option<usize>,
    /// Which of the tree's entries.
    pub(super) there: Option<usize>,
}

/// All paths of both, in order, but those of the tree of which the directory says nothing: what
/// was left out, as long as there is a directory around it.
pub(super) fn pair(walked: &Walked, tree: &[(Key, Entry)]) -> Vec<Pair> {
    let found = &walked.found;
    let mut out = Vec::with_capacity(found.len().max(tree.len()));
    let mut dirs: HashSet<Vec<u8>> = HashSet::new();
    let mut unsaid: HashSet<Vec<u8>> = HashSet::new();
    let (mut f, mut t) = (0, 0);
    loop {
        let order = match (found.get(f), tree.get(t)) {
            (None, None) => return out,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some((b, _))) => a.key.cmp(b),
        };
        let pair = Pair { found: order.is_le().then_some(f), there: order.is_ge().then_some(t) };
        if order.is_le() {
            if found[f].print.is == Is::Dir {
                dirs.insert(found[f].key.path());
            }
            f += 1;
        }
        if order.is_ge() {
            let (key, entry) = &tree[t];
            t += 1;
            if order.is_gt() {
                let around = key.dir();
                let below_unsaid = unsaid.contains(around);
                let in_found = around.is_empty() || dirs.contains(around);
                if below_unsaid || in_found && walked.left_out(key, entry.is_dir()) {
                    if entry.is_dir() {
                        unsaid.insert(key.path());
                    }
                    continue;
                }
            }
        }
        out.push(pair);
    }
}

//! Landings that a later one took back: what is left of a path's history when they cancel out.

use std::collections::HashMap;

use brio_session::{Kind, RelPath};

use crate::history::Landing;
use crate::intent::Step;

/// A step, with the landing that it is of.
pub(crate) type Of<'a> = (&'a Landing, &'a Step);

/// The steps of landings by path, oldest first.
pub(crate) struct ByPath<'a>(HashMap<&'a RelPath, Vec<Of<'a>>>);

impl<'a> ByPath<'a> {
    /// Of landings in ascending order. `wanted`: only these paths.
    pub(crate) fn new(
        landings: impl Iterator<Item = &'a Landing>,
        wanted: impl Fn(&RelPath) -> bool,
    ) -> Self {
        let mut by: HashMap<&RelPath, Vec<Of<'_>>> = HashMap::new();
        for l in landings {
            for s in l.intent.steps.iter().filter(|s| !s.is_late_meta() && wanted(&s.path)) {
                by.entry(&s.path).or_default().push((l, s));
            }
        }
        Self(by)
    }

    /// All that was done to a path.
    pub(crate) fn all(&self, path: &RelPath) -> &[Of<'a>] {
        self.0.get(path).map_or(&[], Vec::as_slice)
    }

    /// What was done to a path and stands: without what was undone, and the undos. What was
    /// undone and done again stands as the landing that did it first.
    pub(crate) fn standing(&self, path: &RelPath) -> Vec<Of<'a>> {
        let mut stack: Vec<Stands<'_>> = Vec::new();
        let mut undos: HashMap<u64, Undo<'_>> = HashMap::new();
        for (l, s) in self.all(path) {
            let by = (*l, *s);
            let of = l.intent.undo_of;
            if let Some(top) = stack.last()
                && [top.first, top.last]
                    .iter()
                    .any(|(k, was)| of == Some(k.number) && restores(s, was))
                && let Some(top) = stack.pop()
            {
                undos.insert(l.number, Undo { taken: top.first, by, depth: stack.len() });
            } else if let Some(undo) = of.and_then(|k| undos.get(&k))
                && undo.depth == stack.len()
                && restores(s, undo.by.1)
            {
                stack.push(Stands { first: undo.taken, last: by });
            } else {
                stack.push(Stands { first: by, last: by });
            }
        }
        stack.into_iter().map(|s| s.first).collect()
    }
}

/// A step that stands.
struct Stands<'a> {
    first: Of<'a>,
    /// Which did it again.
    last: Of<'a>,
}

/// A step that took another one back.
struct Undo<'a> {
    taken: Of<'a>,
    by: Of<'a>,
    /// How many stood below: if as many do, nothing came in between.
    depth: usize,
}

/// Whether a step puts back exactly what another one found.
fn restores(undo: &Step, was: &Step) -> bool {
    match (&was.old, &undo.new) {
        (None, None) => true,
        (Some(o), Some(n)) => {
            let content = match (was.old_sha256, undo.new_sha256) {
                (Some(a), Some(b)) => a == b,
                _ => true,
            };
            let same = o.kind == Kind::Dir || (o.size == n.size && o.mtime == n.mtime);
            // A directory gets the bits that kept us from filling it in a step of its own.
            let open = if o.kind == Kind::Dir { 0o700 } else { 0 };
            let mode = o.kind == Kind::Symlink || o.mode | open == n.mode | open;
            o.kind == n.kind && same && mode && content
        }
        _ => false,
    }
}

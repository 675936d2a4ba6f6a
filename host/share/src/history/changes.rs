//! The landings that changed a path, newest first, without a look at all the others.
//!
//! What a path was at two positions is compared, and where it differs, halfway between them
//! again, until so few landings are left that their records are read: so a landing costs some
//! look-ups for each doubling of the history, and a stretch in which the path did not change
//! costs one. A stretch at whose ends it is the same can hide a change that was taken back in it.
//! Where that was an undo it is known, and looked at; of the newest landings every record is
//! read; of older ones a change that somebody took back by hand may stay hidden.

use std::collections::{BTreeMap, VecDeque};

use brio_session::RelPath;
use brio_store::tree::{Key, differs_below};
use brio_store::{Hash, Head, LandingDoc, Past, PathChange, Project, Result};

use crate::Place;

/// So many landings, the newest, are looked at one by one.
const RECENT: u64 = 128;
/// So many, in a stretch in which something changed: they are read side by side.
const FEW: u64 = 32;
/// So many undos, the newest, are looked at.
pub(super) const UNDOS: usize = 256;

/// What may lie between two states of the head.
struct Stretch {
    from: Past,
    to: Past,
}

pub(super) struct Changes<'a> {
    place: &'a Place,
    head: Head,
    /// The first landing whose trees are kept.
    kept: u64,
    path: RelPath,
    key: Key,
    /// Whether what lies below the path counts too.
    below: bool,
    /// Records that were read and not looked at yet, newest first.
    read: VecDeque<LandingDoc>,
    /// All before them, the newest last.
    older: Vec<Stretch>,
}

impl<'a> Changes<'a> {
    /// Of a path that is not the root. `undos`: the landings that undid others, as far as they
    /// are known.
    pub(super) fn new(
        place: &'a Place,
        head: &Head,
        kept: u64,
        path: &RelPath,
        below: bool,
        undos: &[LandingDoc],
    ) -> Result<Self> {
        let key = Key::new(path.as_bytes())?;
        let on = head.clone();
        let recent = place.run(|p: Project| async move { p.landings(&on, RECENT).await })?;
        let to = recent.last().map_or_else(|| head.past(), LandingDoc::stood_on);
        let path = path.clone();
        let mut all = Self {
            place,
            head: head.clone(),
            kept,
            path,
            key,
            below,
            read: recent.into(),
            older: Vec::new(),
        };
        // Of the oldest landing that is kept there is what it stood on, too.
        let first = kept.saturating_sub(1);
        if first < to.base.position {
            let from = all.at(first)?;
            all.older = all.stretches(from, to, undos)?;
        }
        Ok(all)
    }

    /// Between two states, parted where something was undone.
    fn stretches(&self, from: Past, to: Past, undos: &[LandingDoc]) -> Result<Vec<Stretch>> {
        let (first, last) = (from.base.position, to.base.position);
        let mut states = BTreeMap::from([(first, from), (last, to)]);
        for undo in undos {
            if undo.changes.as_ref().is_some_and(|c| !self.named(c)) {
                continue;
            }
            let of = undo.why.undo_of.unwrap_or_default();
            for position in [undo.position, undo.position - 1, of, of.saturating_sub(1)] {
                if first < position && position < last && !states.contains_key(&position) {
                    states.insert(position, self.at(position)?);
                }
            }
        }
        let mut out = Vec::new();
        let mut states = states.into_values();
        let mut from = states.next();
        for to in states {
            let before = from.replace(to.clone());
            out.extend(before.map(|from| Stretch { from, to }));
        }
        Ok(out)
    }

    /// The next older landing that changed it.
    pub(super) fn next(&mut self) -> Result<Option<LandingDoc>> {
        loop {
            while let Some(record) = self.read.pop_front() {
                if self.changed_by(&record)? {
                    return Ok(Some(record));
                }
            }
            let Some(Stretch { from, to }) = self.older.pop() else { return Ok(None) };
            let (first, last) = (from.base.position, to.base.position);
            if first == last || self.same(from.base.tree, to.base.tree)? {
                continue;
            }
            if last - first <= FEW {
                let read = move |p: Project| async move { p.landings_to(&to, last - first).await };
                self.read = self.place.run(read)?.into();
                continue;
            }
            let middle = self.at(first + (last - first) / 2)?;
            self.older.extend([Stretch { from, to: middle.clone() }, Stretch { from: middle, to }]);
        }
    }

    /// Goes on with the landings up to this one.
    pub(super) fn go_back(&mut self, position: u64) -> Result<()> {
        self.read.retain(|r| r.position <= position);
        self.older.retain(|s| s.from.base.position < position);
        if let Some(last) = self.older.pop() {
            let to = match last.to.base.position > position {
                true => self.at(position)?,
                false => last.to,
            };
            self.older.push(Stretch { from: last.from, to });
        }
        Ok(())
    }

    /// What a landing's record says; what it does not say, its trees do.
    fn changed_by(&self, record: &LandingDoc) -> Result<bool> {
        match &record.changes {
            Some(changes) => Ok(self.named(changes)),
            None if record.position < self.kept => Ok(false),
            None => Ok(!self.same(record.old_tree, record.new_tree)?),
        }
    }

    fn named(&self, changes: &[PathChange]) -> bool {
        let wanted = self.path.as_bytes();
        changes.iter().any(|c| {
            let path = c.path_bytes.as_deref().unwrap_or(c.path.as_bytes());
            match path.strip_prefix(wanted) {
                Some([]) => true,
                Some([b'/', ..]) => self.below,
                _ => false,
            }
        })
    }

    fn same(&self, one: Hash, other: Hash) -> Result<bool> {
        if one == other {
            return Ok(true);
        }
        let (key, below) = (self.key.clone(), self.below);
        self.place.run(|p: Project| async move {
            let (one, other) = (p.tree(one), p.tree(other));
            if one.get(&key).await? != other.get(&key).await? {
                return Ok(false);
            }
            Ok(!below || !differs_below(&one, &other, &key.path()).await?)
        })
    }

    fn at(&self, position: u64) -> Result<Past> {
        let head = self.head.clone();
        self.place.run(|p: Project| async move { p.past(position, &head).await })
    }
}

//! What differs between two trees: at the price of what differs, for equal nodes are not read.

use std::cmp::Ordering;
use std::collections::VecDeque;

use futures_util::future::try_join_all;

use super::node::{Entry, Items};
use super::read::Ref;
use super::{Key, Tree};
use crate::Result;

/// One path at which two trees differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The path.
    pub key: Key,
    /// What the first tree has there.
    pub before: Option<Entry>,
    /// What the second one has.
    pub after: Option<Entry>,
}

/// What is left to compare of a tree, in order.
struct Rest<'a> {
    tree: &'a Tree,
    /// Only what lies in this directory, at any depth, is wanted.
    below: Option<&'a [u8]>,
    items: VecDeque<Item>,
}

/// Whether a key is before, among or behind those of what lies in a directory, at any depth.
/// Among them are some of its neighbours: `a-b/c` sorts between what is in `a` and in `a/d`.
fn side(key: &Key, dir: &[u8]) -> Ordering {
    match key.dir().strip_prefix(dir) {
        Some(rest) if rest.first().is_none_or(|b| *b <= b'/') => Ordering::Equal,
        Some(_) => Ordering::Greater,
        None => key.dir().cmp(dir),
    }
}

fn is_below(key: &Key, dir: &[u8]) -> bool {
    key.dir()
        .strip_prefix(dir)
        .is_some_and(|rest| dir.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
}

enum Item {
    Node(Ref, u8),
    Entry(Key, Entry),
}

impl<'a> Rest<'a> {
    async fn of(tree: &'a Tree, below: Option<&'a [u8]>) -> Result<Self> {
        let level = tree.root().read(tree.nodes()).await?.level;
        Ok(Self { tree, below, items: VecDeque::from([Item::Node(tree.root(), level)]) })
    }

    fn wants(&self, r: &Ref) -> bool {
        let Some(dir) = self.below else { return true };
        let ends_before = r.last().is_some_and(|last| side(last, dir).is_lt());
        let begins_behind = r.after().is_some_and(|after| side(after, dir).is_gt());
        !ends_before && !begins_behind
    }

    /// Puts what is in the first node in its place.
    async fn open(&mut self) -> Result<()> {
        let Some(Item::Node(r, _)) = self.items.pop_front() else { return Ok(()) };
        let node = r.read(self.tree.nodes()).await?;
        match &node.items {
            Items::Leaf(v) => {
                let wanted = |k: &Key| self.below.is_none_or(|dir| is_below(k, dir));
                for (k, e) in v.iter().rev().filter(|(k, _)| wanted(k)) {
                    self.items.push_front(Item::Entry(k.clone(), e.clone()));
                }
            }
            Items::Inner(v) => {
                for child in (0..v.len()).rev().map(|n| r.of(&node, v, n)) {
                    if self.wants(&child) {
                        self.items.push_front(Item::Node(child, node.level - 1));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The paths at which two trees differ, in order.
///
/// # Errors
/// When the store cannot be read, or is corrupt.
pub async fn diff(before: &Tree, after: &Tree) -> Result<Vec<Difference>> {
    let mut out = Vec::new();
    compare(before, after, None, &mut |d| {
        out.push(d);
        true
    })
    .await?;
    Ok(out)
}

/// As [`diff`], one after the other.
pub(crate) async fn each_difference(
    before: &Tree,
    after: &Tree,
    mut see: impl FnMut(Difference) + Send,
) -> Result<()> {
    compare(before, after, None, &mut |d| {
        see(d);
        true
    })
    .await
}

/// Whether two trees differ in what lies in a directory, at any depth; nodes that hold nothing of
/// it are not read.
///
/// # Errors
/// As [`diff`].
pub async fn differs_below(before: &Tree, after: &Tree, dir: &[u8]) -> Result<bool> {
    let mut differs = false;
    compare(before, after, Some(dir), &mut |_| {
        differs = true;
        false
    })
    .await?;
    Ok(differs)
}

/// Shows each difference, until `see` has seen enough.
async fn compare(
    before: &Tree,
    after: &Tree,
    below: Option<&[u8]>,
    see: &mut (dyn FnMut(Difference) -> bool + Send),
) -> Result<()> {
    if before.hash() == after.hash() {
        return Ok(());
    }
    let (mut a, mut b) = (Rest::of(before, below).await?, Rest::of(after, below).await?);
    let gone = |(key, e): (Key, Entry)| Difference { key, before: Some(e), after: None };
    let new = |(key, e): (Key, Entry)| Difference { key, before: None, after: Some(e) };
    loop {
        let found = match (a.items.front(), b.items.front()) {
            (None, None) => return Ok(()),
            (Some(Item::Node(x, i)), Some(Item::Node(y, j))) => {
                if x.hash() == y.hash() {
                    a.items.pop_front();
                    b.items.pop_front();
                } else {
                    match i.cmp(j) {
                        Ordering::Greater => a.open().await?,
                        Ordering::Less => b.open().await?,
                        Ordering::Equal => {
                            // Both at once: one round trip.
                            try_join_all([x.read(before.nodes()), y.read(after.nodes())]).await?;
                            a.open().await?;
                            b.open().await?;
                        }
                    }
                }
                None
            }
            (Some(Item::Node(..)), _) => {
                a.open().await?;
                None
            }
            (_, Some(Item::Node(..))) => {
                b.open().await?;
                None
            }
            (Some(Item::Entry(x, _)), Some(Item::Entry(y, _))) => match x.cmp(y) {
                Ordering::Less => a.entry().map(gone),
                Ordering::Greater => b.entry().map(new),
                Ordering::Equal => match (a.entry(), b.entry()) {
                    (Some((key, x)), Some((_, y))) if x != y => {
                        Some(Difference { key, before: Some(x), after: Some(y) })
                    }
                    _ => None,
                },
            },
            (Some(Item::Entry(..)), None) => a.entry().map(gone),
            (None, Some(Item::Entry(..))) => b.entry().map(new),
        };
        if let Some(d) = found
            && !see(d)
        {
            return Ok(());
        }
    }
}

impl Rest<'_> {
    fn entry(&mut self) -> Option<(Key, Entry)> {
        match self.items.pop_front() {
            Some(Item::Entry(k, e)) => Some((k, e)),
            _ => None,
        }
    }
}

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
    items: VecDeque<Item>,
}

enum Item {
    Node(Ref, u8),
    Entry(Key, Entry),
}

impl<'a> Rest<'a> {
    async fn of(tree: &'a Tree) -> Result<Self> {
        let level = tree.root().read(tree.nodes()).await?.level;
        Ok(Self { tree, items: VecDeque::from([Item::Node(tree.root(), level)]) })
    }

    /// Puts what is in the first node in its place.
    async fn open(&mut self) -> Result<()> {
        let Some(Item::Node(r, _)) = self.items.pop_front() else { return Ok(()) };
        let node = r.read(self.tree.nodes()).await?;
        match &node.items {
            Items::Leaf(v) => {
                for (k, e) in v.iter().rev() {
                    self.items.push_front(Item::Entry(k.clone(), e.clone()));
                }
            }
            Items::Inner(v) => {
                for n in (0..v.len()).rev() {
                    self.items.push_front(Item::Node(r.of(&node, v, n), node.level - 1));
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
    if before.hash() == after.hash() {
        return Ok(out);
    }
    let (mut a, mut b) = (Rest::of(before).await?, Rest::of(after).await?);
    let gone = |(key, e): (Key, Entry)| Difference { key, before: Some(e), after: None };
    let new = |(key, e): (Key, Entry)| Difference { key, before: None, after: Some(e) };
    loop {
        match (a.items.front(), b.items.front()) {
            (None, None) => return Ok(out),
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
            }
            (Some(Item::Node(..)), _) => a.open().await?,
            (_, Some(Item::Node(..))) => b.open().await?,
            (Some(Item::Entry(x, _)), Some(Item::Entry(y, _))) => match x.cmp(y) {
                Ordering::Less => out.extend(a.entry().map(gone)),
                Ordering::Greater => out.extend(b.entry().map(new)),
                Ordering::Equal => {
                    if let (Some((key, x)), Some((_, y))) = (a.entry(), b.entry())
                        && x != y
                    {
                        out.push(Difference { key, before: Some(x), after: Some(y) });
                    }
                }
            },
            (Some(Item::Entry(..)), None) => out.extend(a.entry().map(gone)),
            (None, Some(Item::Entry(..))) => out.extend(b.entry().map(new)),
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

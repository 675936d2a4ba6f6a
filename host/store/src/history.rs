//! What landed on a head: the chain of records.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use crate::backend::PAGE;
use crate::doc::{self, Base, LandingDoc};
use crate::objects::empty_tree;
use crate::tree::{Difference, Key, diff};
use crate::{AttemptId, Error, Head, Project, Result};

/// A state that the head was in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Its tree and its position.
    pub base: Base,
    /// The landing that made it; `None`: none did, or it is not known.
    landing: Option<AttemptId>,
}

impl Head {
    /// As a state of its own.
    pub fn past(&self) -> Past {
        Past { base: self.base(), landing: self.doc.landing.clone() }
    }
}

impl LandingDoc {
    /// The state of the head that it landed on.
    pub fn stood_on(&self) -> Past {
        let position = self.position.saturating_sub(1);
        let base = Base { tree: self.old_tree, position };
        Past { base, landing: self.previous.clone() }
    }
}

impl Project {
    /// Whether the landing with this id is the one at its position.
    ///
    /// # Errors
    /// The store's.
    pub async fn has_landed(&self, head: &Head, position: u64, id: &AttemptId) -> Result<bool> {
        if head.position() <= position {
            return Ok(head.position() == position && head.doc.landing.as_ref() == Some(id));
        }
        // Whoever tried to land next, won or lost, knew which one this is.
        let o = self.objects();
        let next = o.backend.list(&o.keys.landings_at(position + 1), None).await?;
        for listed in next {
            if let Some(bytes) = o.backend.get(&listed.key).await? {
                let record: LandingDoc = doc::decode(&bytes, &listed.key)?;
                return Ok(record.previous.as_ref() == Some(id));
            }
        }
        Err(Error::Missing { what: format!("the record of landing {}", position + 1) })
    }

    /// The landing that last changed a path between two positions, found by halving: at the price
    /// of some look-ups, however many landings lie between.
    ///
    /// # Errors
    /// The store's.
    pub async fn who_changed(
        &self,
        key: &Key,
        base: Base,
        head: &Head,
    ) -> Result<Option<LandingDoc>> {
        let was = self.tree(base.tree).get(key).await?;
        if self.tree(head.tree()).get(key).await? == was {
            return Ok(None);
        }
        let (mut same, mut other) = (base.position, head.position());
        while other - same > 1 {
            let middle = same + (other - same) / 2;
            let record = self.landing(middle, head).await?;
            match self.tree(record.new_tree).get(key).await? == was {
                true => same = middle,
                false => other = middle,
            }
        }
        self.landing(other, head).await.map(Some)
    }

    /// The record of the landing at a position.
    ///
    /// # Errors
    /// The store's; `STORE_MISSING`.
    pub async fn landing(&self, position: u64, head: &Head) -> Result<LandingDoc> {
        self.landing_of(&self.past(position, head).await?).await
    }

    /// The head as it was at a position; at 0 it has the empty tree.
    ///
    /// # Errors
    /// The store's; `STORE_MISSING`.
    pub async fn past(&self, position: u64, head: &Head) -> Result<Past> {
        let missing = || Error::Missing { what: format!("the record of landing {position}") };
        let state = |tree, landing| Past { base: Base { tree, position }, landing };
        if position == 0 {
            return Ok(state(empty_tree(), None));
        }
        if position >= head.position() {
            let now = (position == head.position()).then(|| head.past());
            return now.ok_or_else(missing);
        }
        // Whoever tried to land next, won or lost, stood on it and knew which one it is.
        let o = self.objects();
        for listed in o.backend.list(&o.keys.landings_at(position + 1), None).await? {
            if let Some(bytes) = o.backend.get(&listed.key).await? {
                return Ok(doc::decode::<LandingDoc>(&bytes, &listed.key)?.stood_on());
            }
        }
        Err(missing())
    }

    /// The record of the landing that made a state of the head: one request.
    ///
    /// # Errors
    /// The store's; `STORE_MISSING`.
    pub async fn landing_of(&self, past: &Past) -> Result<LandingDoc> {
        let position = past.base.position;
        let missing = || Error::Missing { what: format!("the record of landing {position}") };
        let o = self.objects();
        let key = o.keys.landing(position, past.landing.as_ref().ok_or_else(missing)?);
        let bytes = o.backend.get(&key).await?.ok_or_else(missing)?;
        doc::decode(&bytes, &key)
    }

    /// The landings after a position that undid others, the newest first, at most `most`; each
    /// costs one request, whatever lies between them.
    ///
    /// # Errors
    /// The store's; `STORE_MISSING` when the chain is broken.
    pub async fn undos(&self, head: &Head, after: u64, most: usize) -> Result<Vec<LandingDoc>> {
        let o = self.objects();
        let mut out = Vec::new();
        let mut next = head.doc.undo.clone();
        while let Some(at) = next.filter(|at| at.position > after && out.len() < most) {
            let key = o.keys.landing(at.position, &at.id);
            let missing =
                || Error::Missing { what: format!("the record of landing {}", at.position) };
            let bytes = o.backend.get(&key).await?.ok_or_else(missing)?;
            let record: LandingDoc = doc::decode(&bytes, &key)?;
            // It goes back, so it ends.
            next = record.undo.clone().filter(|older| older.position < at.position);
            out.push(record);
        }
        Ok(out)
    }

    /// The last landings, the newest first: at most `count` of those up to the head.
    ///
    /// # Errors
    /// The store's; `STORE_MISSING` when the chain is broken.
    pub async fn landings(&self, head: &Head, count: u64) -> Result<Vec<LandingDoc>> {
        self.landings_to(&head.past(), count).await
    }

    /// The last landings that made a state of the head, the newest first: at most `count`.
    ///
    /// # Errors
    /// As [`landings`](Self::landings).
    pub async fn landings_to(&self, past: &Past, count: u64) -> Result<Vec<LandingDoc>> {
        let last = past.base.position;
        let from = last.saturating_sub(count) + 1;
        if last == 0 || count == 0 {
            return Ok(Vec::new());
        }
        let o = self.objects();
        let mut after = Some(behind(&o.keys.landings_at(from - 1)));
        let mut records = BTreeMap::new();
        loop {
            let page = o.backend.list(&o.keys.landings(), after.as_deref()).await?;
            let older = |key: &str| parse_landing(key).is_none_or(|(position, _)| position <= last);
            let wanted: Vec<_> = page.iter().filter(|l| older(&l.key)).collect();
            for some in wanted.chunks(32) {
                let read = try_join_all(some.iter().map(|l| o.backend.get(&l.key))).await?;
                for (listed, bytes) in some.iter().zip(read) {
                    if let Some(bytes) = bytes {
                        let record: LandingDoc = doc::decode(&bytes, &listed.key)?;
                        records.insert((record.position, record.id.clone()), record);
                    }
                }
            }
            if page.len() < PAGE || wanted.len() < page.len() {
                break;
            }
            after = page.last().map(|l| l.key.clone());
        }
        let mut out = Vec::new();
        let mut wanted = past.landing.clone();
        for position in (from..=last).rev() {
            let record =
                wanted.and_then(|id| records.remove(&(position, id))).ok_or_else(|| {
                    Error::Missing { what: format!("the record of landing {position}") }
                })?;
            wanted = record.previous.clone();
            out.push(record);
        }
        Ok(out)
    }

    /// All that a landing changed: the difference of its trees.
    ///
    /// # Errors
    /// The store's.
    pub async fn changes_of(&self, record: &LandingDoc) -> Result<Vec<Difference>> {
        diff(&self.tree(record.old_tree), &self.tree(record.new_tree)).await
    }
}

/// What sorts behind every key that begins so, and ends with an id.
fn behind(prefix: &str) -> String {
    format!("{prefix}~")
}

/// Position and id in a record's key.
pub(crate) fn parse_landing(key: &str) -> Option<(u64, &str)> {
    let (position, id) = key.rsplit('/').next()?.split_once('-')?;
    Some((position.parse().ok()?, id))
}

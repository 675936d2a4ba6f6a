//! What landed on a head: the chain of records.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use crate::backend::PAGE;
use crate::doc::{self, Base, LandingDoc};
use crate::tree::{Difference, Key, diff};
use crate::{AttemptId, Error, Head, Project, Result};

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
        let missing = || Error::Missing { what: format!("the record of landing {position}") };
        if position == 0 || position > head.position() {
            return Err(missing());
        }
        let id = match (&head.doc.landing, head.position() == position) {
            (Some(id), true) => id.clone(),
            _ => {
                let o = self.objects();
                let next = o.backend.list(&o.keys.landings_at(position + 1), None).await?;
                let mut previous = None;
                for listed in next {
                    if let Some(bytes) = o.backend.get(&listed.key).await? {
                        let record: LandingDoc = doc::decode(&bytes, &listed.key)?;
                        previous = record.previous;
                        break;
                    }
                }
                previous.ok_or_else(missing)?
            }
        };
        let o = self.objects();
        let key = o.keys.landing(position, &id);
        let bytes = o.backend.get(&key).await?.ok_or_else(missing)?;
        doc::decode(&bytes, &key)
    }

    /// The last landings, the newest first: at most `count` of those up to the head.
    ///
    /// # Errors
    /// The store's; `STORE_MISSING` when the chain is broken.
    pub async fn landings(&self, head: &Head, count: u64) -> Result<Vec<LandingDoc>> {
        let from = head.position().saturating_sub(count) + 1;
        if head.position() == 0 || count == 0 {
            return Ok(Vec::new());
        }
        let o = self.objects();
        let mut after = Some(behind(&o.keys.landings_at(from - 1)));
        let mut records = BTreeMap::new();
        loop {
            let page = o.backend.list(&o.keys.landings(), after.as_deref()).await?;
            for some in page.chunks(32) {
                let read = try_join_all(some.iter().map(|l| o.backend.get(&l.key))).await?;
                for (listed, bytes) in some.iter().zip(read) {
                    if let Some(bytes) = bytes {
                        let record: LandingDoc = doc::decode(&bytes, &listed.key)?;
                        records.insert((record.position, record.id.clone()), record);
                    }
                }
            }
            if page.len() < PAGE {
                break;
            }
            after = page.last().map(|l| l.key.clone());
        }
        let mut out = Vec::new();
        let mut wanted = head.doc.landing.clone();
        for position in (from..=head.position()).rev() {
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

//! Refs and records: what there is to be looked at, and whether it fits together.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Damage, Fsck, Mend, Severity};
use crate::doc::{self, HeadDoc, LandingDoc, SessionDoc};
use crate::gc::{GcDoc, Root};
use crate::objects::list_all;
use crate::{Error, Hash, Result};

/// What of a session's projection must fit.
#[derive(Deserialize)]
struct Told {
    seq: u64,
    base: Hash,
    tree: Hash,
}

impl Fsck<'_> {
    /// Reads all refs and records, the head first and the newest landing next.
    pub(super) async fn history(&mut self) -> Result<()> {
        let o = self.project.objects();
        let floor = match self.reference::<GcDoc>(&o.keys.gc()).await? {
            Some(gc) => gc.kept.from,
            None => 0,
        };
        if let Some(head) = self.reference::<HeadDoc>(&o.keys.head()).await? {
            self.roots.push((Root::Head, head.tree));
            self.chain(&head, floor).await?;
        }
        for id in self.project.sessions().await? {
            let name = o.keys.session(&id)?;
            if let Some(doc) = self.reference::<SessionDoc>(&name).await? {
                let landed = doc.landing.as_ref().and_then(|l| l.tree);
                let trees = [Some(doc.base.tree), Some(doc.tree), landed];
                let root = Root::Session(id);
                self.roots.extend(trees.into_iter().flatten().map(|t| (root.clone(), t)));
                self.projection(&doc).await?;
            }
        }
        Ok(())
    }

    /// A ref that can be read.
    async fn reference<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>> {
        let o = self.project.objects();
        let Some((bytes, _)) = o.backend.read_ref(name).await? else { return Ok(None) };
        match doc::decode(&bytes, name) {
            Ok(doc) => Ok(Some(doc)),
            Err(e) => {
                let damage = Damage::Ref { name: name.to_owned(), why: e.to_string() };
                self.find(damage, Severity::Error, None);
                Ok(None)
            }
        }
    }

    /// From the head back: each record names the one before, and stands on what that one made.
    async fn chain(&mut self, head: &HeadDoc, floor: u64) -> Result<()> {
        let o = self.project.objects();
        let mut at: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for listed in list_all(&o.backend, &o.keys.landings()).await? {
            if let Some((position, _)) = crate::history::parse_landing(&listed.key) {
                at.entry(position).or_default().push(listed.key);
            }
        }
        let mut wanted = head.landing.clone();
        let mut made = head.tree;
        for position in (1..=head.position).rev() {
            let mut records = Vec::new();
            for key in at.remove(&position).unwrap_or_default() {
                let Some(bytes) = o.backend.get(&key).await? else { continue };
                match doc::decode::<LandingDoc>(&bytes, &key) {
                    Ok(record) => records.push(record),
                    // Of an attempt that lost, unless nothing else fits.
                    Err(e) => tracing::warn!("{key}: {e}"),
                }
            }
            let found = match &wanted {
                Some(id) => records.iter().position(|r| r.id == *id),
                // The record above is lost: the only one, or what made the tree that is known.
                None if records.len() == 1 => Some(0),
                None => records.iter().position(|r| r.new_tree == made),
            };
            let Some(record) = found.map(|i| records.swap_remove(i)) else {
                let why = "its record is not there, or cannot be read".to_owned();
                let finding = self.find(Damage::Landing { position, why }, Severity::Error, None);
                finding.needed(&Root::Landing(position), None);
                wanted = None;
                continue;
            };
            let follows = wanted.is_none() || record.new_tree == made;
            if !follows || record.position != position {
                let why =
                    "it made another tree than the one that the next one stands on".to_owned();
                self.find(Damage::Landing { position, why }, Severity::Error, None);
            }
            if position >= floor {
                let root = Root::Landing(position);
                self.roots.push((root.clone(), record.new_tree));
                self.roots.push((root.clone(), record.old_tree));
                if record.base_position >= floor {
                    self.roots.push((root, record.base_tree));
                }
            }
            wanted = record.previous;
            made = record.old_tree;
        }
        Ok(())
    }

    async fn projection(&mut self, session: &SessionDoc) -> Result<()> {
        let o = self.project.objects();
        let key = o.keys.session_tree(&session.id)?;
        let why = match o.backend.get(&key).await? {
            None => "it is not there".to_owned(),
            Some(bytes) => match doc::decode::<Told>(&bytes, &key) {
                Err(e @ Error::Format { .. }) => return Err(e),
                Err(e) => e.to_string(),
                Ok(told) if told.seq < session.seq => {
                    format!("it is of push {}, and the session of push {}", told.seq, session.seq)
                }
                Ok(told)
                    if told.seq == session.seq
                        && (told.base, told.tree) != (session.base.tree, session.tree) =>
                {
                    "it tells of other trees than the session has".to_owned()
                }
                Ok(_) => return Ok(()),
            },
        };
        let damage = Damage::Projection { session: session.id.clone(), why };
        let finding = self.find(damage, Severity::Warning, Some(Mend::Projection));
        finding.needed(&Root::Session(session.id.clone()), None);
        Ok(())
    }
}

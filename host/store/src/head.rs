//! A project's head, and landings on it: the one thing in a store that all writers share.

use futures_util::future::try_join_all;

use crate::backend::{Put, Swap, Version};
use crate::doc::{
    self, Base, ChangeWord, Counts, HeadDoc, LandingDoc, LandingRef, PathChange, Why,
};
use crate::objects::empty_tree;
use crate::tree::{Built, Edits, Entry, Key, edit};
use crate::upload::{Settled, Stored};
use crate::{AttemptId, Error, Hash, Project, Result, Upload};

/// Changes that a record names; more of them are the difference of its trees.
const NAMED: usize = 256;
/// Attempts of a landing that others keep being faster than.
const ATTEMPTS: u32 = 100;
/// Attempts at a record that is said to be there, and is not.
const RECORD_ATTEMPTS: u32 = 8;

/// A head that was read, and can be moved from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub(crate) doc: HeadDoc,
    /// `None`: nothing ever landed.
    version: Option<Version>,
}

impl Head {
    /// The number of landings.
    pub fn position(&self) -> u64 {
        self.doc.position
    }

    /// The tree.
    pub fn tree(&self) -> Hash {
        self.doc.tree
    }

    /// The tree, and where it is.
    pub fn base(&self) -> Base {
        Base { tree: self.doc.tree, position: self.doc.position }
    }

    /// The id of the landing at its position.
    pub(crate) fn landing(&self) -> Option<&AttemptId> {
        self.doc.landing.as_ref()
    }

    /// When it came to be so.
    pub fn at(&self) -> time::OffsetDateTime {
        self.doc.at
    }
}

/// A path that a landing could not change, because the head's is not what it stood on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The path.
    pub key: Key,
    /// What the landing stood on.
    pub base: Option<Entry>,
    /// What it wants.
    pub ours: Option<Entry>,
    /// What the head has.
    pub theirs: Option<Entry>,
}

/// What became of a landing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landing {
    /// The head is at it.
    Landed(Box<Landed>),
    /// Nothing was changed.
    Unchanged,
    /// Nothing was changed: the head has other things at these paths.
    Conflicts(Vec<Conflict>),
    /// The head moved to this one, which must be looked at before another attempt. Only from
    /// [`Project::land_on`].
    Moved(Head),
}

/// What one attempt is to land.
struct Wanted<'a> {
    base: Base,
    edits: &'a Edits,
    why: &'a Why,
    id: AttemptId,
}

/// A landing that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// Its record.
    pub record: LandingDoc,
    /// What it wrote.
    pub stored: Stored,
    /// Attempts that others were faster than.
    pub lost: u32,
}

impl Project {
    /// The head, by one request. A project on which nothing ever landed has the empty tree.
    ///
    /// # Errors
    /// The store's; `PROJECT_UNKNOWN`.
    pub async fn head(&self) -> Result<Head> {
        let o = self.objects();
        match o.backend.read_ref(&o.keys.head()).await? {
            Some((bytes, version)) => {
                let doc = doc::decode(&bytes, &format!("the head of {}", self.id()))?;
                let head = Head { doc, version: Some(version) };
                self.saw_head(head.base());
                Ok(head)
            }
            None => {
                self.check().await?;
                let tree = empty_tree();
                let at = self.options().clock.now();
                let attempt = self.new_attempt()?;
                let format = doc::FORMAT;
                let (landing, undo) = (None, None);
                let doc = HeadDoc { format, position: 0, tree, landing, undo, at, attempt };
                Ok(Head { doc, version: None })
            }
        }
    }

    /// Lands edits of `base`'s tree on the head: where the head has moved since, beside what
    /// others landed, if the paths are others. `blobs` holds the new contents. Durable when it
    /// returns; wholly or not at all, whatever breaks.
    ///
    /// # Errors
    /// The store's; `STORE_BUSY` when others kept being faster.
    pub async fn land(
        &self,
        base: Base,
        edits: &Edits,
        why: &Why,
        mut blobs: Upload,
    ) -> Result<Landing> {
        self.rely_on_edits(base.tree, Some(base.position), edits, &mut blobs).await?;
        let settled = blobs.finish().await?;
        let mut head = self.head().await?;
        let mut lost = 0;
        let mut open = Vec::new();
        let landing = loop {
            if let Some(record) = self.landed_after_all(&head, &open).await? {
                let stored = settled.stored();
                break Ok(Landing::Landed(Box::new(Landed { record, stored, lost })));
            }
            let id = self.new_attempt()?;
            match self
                .attempt(&head, &Wanted { base, edits, why, id }, Some(&settled), &mut open)
                .await
            {
                Ok(Landing::Moved(now)) if lost < ATTEMPTS => {
                    lost += 1;
                    head = now;
                    self.back_off(lost).await;
                }
                Ok(Landing::Moved(_)) => {
                    let what = format!("the head of {}", self.id());
                    break Err(Error::Busy { what, attempts: lost });
                }
                Ok(Landing::Landed(mut landed)) => {
                    let blobs = settled.stored();
                    landed.lost = lost;
                    landed.stored.objects += blobs.objects;
                    landed.stored.bytes += blobs.bytes;
                    landed.stored.existed += blobs.existed;
                    break Ok(Landing::Landed(landed));
                }
                other => break other,
            }
        };
        // After an error nobody knows whether a swap is yet to be done.
        if landing.is_ok() {
            settled.release().await;
        }
        landing
    }

    /// Which of our attempts with an unknown end was done.
    async fn landed_after_all(
        &self,
        head: &Head,
        open: &[LandingDoc],
    ) -> Result<Option<LandingDoc>> {
        for record in open {
            if self.has_landed(head, record.position, &record.id).await? {
                return Ok(Some(record.clone()));
            }
        }
        Ok(None)
    }

    /// Of several that lose to each other, not all try again at once.
    pub async fn back_off(&self, lost: u32) {
        let mut random = [0; 8];
        if self.options().chance.fill(&mut random).is_ok() {
            let most = 10u64 << lost.min(6);
            let wait = std::time::Duration::from_millis(u64::from_le_bytes(random) % most);
            self.options().clock.sleep(wait).await;
        }
    }

    /// One attempt to land on exactly this head. New contents are in the store already, and
    /// protected ([`rely_on_edits`](Self::rely_on_edits), [`Settled::holds`]); they are released
    /// only when it is known what became of it. `id` must be new: after a crash, whoever wrote it
    /// down before is told by [`has_landed`](Self::has_landed), once the head is at the position
    /// that it was to have, or has been [renewed](Self::renew_head).
    ///
    /// # Errors
    /// The store's.
    pub async fn land_on(
        &self,
        head: &Head,
        base: Base,
        edits: &Edits,
        why: &Why,
        id: AttemptId,
    ) -> Result<Landing> {
        self.attempt(head, &Wanted { base, edits, why, id }, None, &mut Vec::new()).await
    }

    /// Moves the head to where it is: no attempt to land on it that is still on its way takes
    /// effect after this. `None`: somebody moved it, or nobody knows.
    ///
    /// # Errors
    /// The store's.
    pub async fn renew_head(&self, head: &Head) -> Result<Option<Head>> {
        let o = self.objects();
        let doc = HeadDoc { attempt: self.new_attempt()?, ..head.doc.clone() };
        let value = doc::encode(&doc)?;
        match o.backend.swap_ref(&o.keys.head(), head.version.as_ref(), value).await? {
            Swap::Done(version) => Ok(Some(Head { doc, version: Some(version) })),
            Swap::Lost => {
                let now = self.head().await?;
                Ok((now.doc.attempt == doc.attempt).then_some(now))
            }
        }
    }

    /// `blobs` are those that the edits need. An attempt of which nobody knows yet whether it is
    /// done is added to `open`.
    async fn attempt(
        &self,
        head: &Head,
        wanted: &Wanted<'_>,
        blobs: Option<&Settled>,
        open: &mut Vec<LandingDoc>,
    ) -> Result<Landing> {
        let Wanted { base, edits, why, ref id } = *wanted;
        let found = self.conflicts(base.tree, head.tree(), edits).await?;
        if !found.is_empty() {
            return Ok(Landing::Conflicts(found));
        }
        let on = self.tree(head.tree());
        let mut counts = Counts::default();
        let mut changes = Vec::new();
        let mut real = Edits::new();
        let keys: Vec<&Key> = edits.keys().collect();
        for ((key, new), old) in edits.iter().zip(on.get_all(&keys).await?) {
            let change = match (&old, new) {
                (None, None) => continue,
                (Some(a), Some(b)) if a == b => continue,
                (None, Some(_)) => ChangeWord::Added,
                (Some(_), Some(_)) => ChangeWord::Modified,
                (Some(_), None) => ChangeWord::Removed,
            };
            match change {
                ChangeWord::Added => counts.added += 1,
                ChangeWord::Modified => counts.modified += 1,
                ChangeWord::Removed => counts.removed += 1,
            }
            changes.push(PathChange::new(key.path(), change));
            real.insert(key.clone(), new.clone());
        }
        if real.is_empty() {
            return Ok(Landing::Unchanged);
        }
        let Built { root, nodes } = edit(&on, &real).await?;
        let mut upload = self.upload();
        upload.nodes(nodes);
        let settled = upload.finish().await?;
        let at = self.options().clock.now();
        let record = LandingDoc {
            format: doc::FORMAT,
            position: head.position() + 1,
            id: id.clone(),
            previous: head.doc.landing.clone(),
            old_tree: head.tree(),
            new_tree: root,
            base_tree: base.tree,
            base_position: base.position,
            why: why.clone(),
            undo: head.doc.undo.clone(),
            at,
            counts,
            changes: (changes.len() <= NAMED).then_some(changes),
        };
        let o = self.objects();
        let key = o.keys.landing(record.position, id);
        self.write_record(&key, &record).await?;
        let new = HeadDoc {
            format: doc::FORMAT,
            position: record.position,
            tree: root,
            landing: Some(id.clone()),
            undo: match why.undo_of {
                Some(_) => Some(LandingRef { position: record.position, id: id.clone() }),
                None => head.doc.undo.clone(),
            },
            at,
            attempt: id.clone(),
        };
        let value = doc::encode(&new)?;
        if !settled.holds() || blobs.is_some_and(|b| !b.holds()) {
            return Err(Error::Busy { what: format!("the head of {}", self.id()), attempts: 1 });
        }
        let moved = o.backend.swap_ref(&o.keys.head(), head.version.as_ref(), value).await?;
        let stored = settled.stored();
        let landed =
            || Landing::Landed(Box::new(Landed { record: record.clone(), stored, lost: 0 }));
        let landing = match moved {
            Swap::Done(_) => landed(),
            Swap::Lost => {
                // Perhaps it was won, and the answer was lost; perhaps others landed since.
                let now = self.head().await?;
                if self.has_landed(&now, record.position, id).await? {
                    landed()
                } else if now.version == head.version {
                    // It may yet be done: its record stays, and what protects it too.
                    open.push(record);
                    return Ok(Landing::Moved(now));
                } else {
                    let _ = o.backend.delete(&key).await;
                    Landing::Moved(now)
                }
            }
        };
        settled.release().await;
        Ok(landing)
    }

    /// Nobody else writes at this key, so one that is said to be there is looked for: after the
    /// swap, a record that is not there would be a hole in the history.
    async fn write_record(&self, key: &str, record: &LandingDoc) -> Result<()> {
        let o = self.objects();
        let value = doc::encode(record)?;
        for _ in 0..RECORD_ATTEMPTS {
            match o.backend.create(key, value.clone()).await? {
                Put::Created => return Ok(()),
                Put::Exists if o.backend.stat(key).await?.is_some() => return Ok(()),
                Put::Exists => {}
            }
        }
        let what = format!("the record of landing {}", record.position);
        Err(Error::Busy { what, attempts: RECORD_ATTEMPTS })
    }

    /// The paths at which edits of `base` meet something else in `head`.
    ///
    /// # Errors
    /// The store's.
    pub async fn conflicts(&self, base: Hash, head: Hash, edits: &Edits) -> Result<Vec<Conflict>> {
        let mut out = Vec::new();
        if base == head {
            return Ok(out);
        }
        let (was, now) = (self.tree(base), self.tree(head));
        let keys: Vec<&Key> = edits.keys().collect();
        let both = try_join_all([was.get_all(&keys), now.get_all(&keys)]).await?;
        let [bases, heads] = &both[..] else { return Ok(out) };
        for (((key, ours), base), theirs) in edits.iter().zip(bases).zip(heads) {
            let (base, theirs) = (base.clone(), theirs.clone());
            if base != theirs && *ours != theirs {
                let (key, ours) = (key.clone(), ours.clone());
                out.push(Conflict { key, base, ours, theirs });
                continue;
            }
            // The directory around it, where only others touched it.
            if ours.is_some()
                && let Some(parent) = key.parent()
                && !edits.contains_key(&parent)
            {
                let theirs = now.get(&parent).await?;
                if !theirs.as_ref().is_some_and(Entry::is_dir) {
                    let base = was.get(&parent).await?;
                    out.push(Conflict { key: parent, ours: base.clone(), base, theirs });
                }
            }
            // What others put into a directory that goes.
            if !ours.as_ref().is_some_and(Entry::is_dir)
                && theirs.as_ref().is_some_and(Entry::is_dir)
            {
                for (inside, theirs) in now.list(&key.path()).await? {
                    if !matches!(edits.get(&inside), Some(None)) {
                        let base = was.get(&inside).await?;
                        out.push(Conflict { key: inside, base, ours: None, theirs: Some(theirs) });
                    }
                }
            }
        }
        out.sort_by(|a, b| a.key.cmp(&b.key));
        out.dedup_by(|a, b| a.key == b.key);
        Ok(out)
    }
}

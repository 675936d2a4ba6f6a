//! Rounds of removing, each between two moves of the collector's ref.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use time::OffsetDateTime;

use super::collect::{Dead, Seen};
use super::inventory::Inventory;
use super::mark::Live;
use super::roots::Looker;
use super::{GcDoc, GcState, Kept, LEASE, ROUND};
use crate::backend::{Swap, Version};
use crate::key::Kind;
use crate::{Hash, Project, Result, doc};

/// Requests under way at a time.
const AT_ONCE: usize = 16;
/// Rounds whose time was over before anything was removed.
const FUTILE: u32 = 5;
/// How often a removal is tried.
const TRIES: u32 = 5;
/// A request that took longer may have been sent twice.
const LONG: Duration = Duration::from_secs(20);
/// So that writers who wait get through between two rounds.
const PAUSE: Duration = Duration::from_secs(2);

/// What became of a list.
pub(crate) enum Swept {
    /// All of it was removed, or is needed.
    All,
    /// Somebody else swept since it was made.
    Stale,
    /// A request has an unknown end: nobody sweeps, and writers wait, until then.
    Until(OffsetDateTime),
    /// There was no time to remove anything.
    Futile,
}

/// One thing to remove. In this order, so that a sweep that is cut off leaves nothing that names
/// what is gone: an index before its pack, a node before what is below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, std::hash::Hash)]
pub(crate) enum Step {
    Landing(String),
    Pin(String),
    Projection(String),
    Proof(String),
    /// Of a pack in which there are nodes.
    NodeIndex(Hash),
    NodePack(Hash),
    /// The higher its level, the earlier.
    Node(u8, Hash),
    Index(Hash),
    Pack(Hash),
    List(Hash),
    Blob(Hash),
}

impl Step {
    /// Steps of one phase do not wait for each other.
    fn phase(&self) -> u16 {
        match self {
            Self::Landing(_) | Self::Pin(_) | Self::Projection(_) | Self::Proof(_) => 0,
            Self::NodeIndex(_) => 1,
            Self::NodePack(_) => 2,
            Self::Node(level, _) => 3 + u16::from(u8::MAX - level),
            Self::Index(_) => 300,
            Self::Pack(_) => 301,
            Self::List(_) => 302,
            Self::Blob(_) => 303,
        }
    }

    fn key(&self, project: &Project) -> String {
        let keys = &project.objects().keys;
        match self {
            Self::Landing(key) | Self::Pin(key) | Self::Projection(key) | Self::Proof(key) => {
                key.clone()
            }
            Self::NodeIndex(pack) | Self::Index(pack) => keys.index(pack),
            Self::NodePack(pack) | Self::Pack(pack) => keys.pack(pack),
            Self::Node(_, hash) => keys.object(Kind::Tree, hash),
            Self::List(hash) | Self::Blob(hash) => keys.object(Kind::Blob, hash),
        }
    }
}

/// What of a list is to go now, in order, with the bytes of each.
pub(crate) fn steps(
    inventory: &Inventory,
    live: &Live,
    sessions: &std::collections::BTreeSet<String>,
) -> Vec<(Step, u64)> {
    let i = inventory;
    let mut out: Vec<(Step, u64)> = Vec::new();
    out.extend(i.landings.iter().map(|(k, n)| (Step::Landing(k.clone()), *n)));
    out.extend(i.pins.iter().map(|(k, n)| (Step::Pin(k.clone()), *n)));
    let gone = i.projections.iter().filter(|(_, id, _)| !sessions.contains(id));
    out.extend(gone.map(|(k, _, n)| (Step::Projection(k.clone()), *n)));
    out.extend(i.proofs.iter().map(|(k, n)| (Step::Proof(k.clone()), *n)));
    for (hash, pack) in i.dead_packs(live) {
        let nodes = pack.nodes;
        out.extend(pack.index.map(|n| match nodes {
            true => (Step::NodeIndex(*hash), n),
            false => (Step::Index(*hash), n),
        }));
        out.extend(pack.size.map(|n| match nodes {
            true => (Step::NodePack(*hash), n),
            false => (Step::Pack(*hash), n),
        }));
    }
    let nodes = i.nodes.iter().filter(|(_, h, _)| !live.has(Kind::Tree, h));
    out.extend(nodes.map(|(level, h, n)| (Step::Node(*level, *h), *n)));
    let blobs = i.blobs.iter().filter(|(h, _)| !live.has(Kind::Blob, h));
    out.extend(blobs.map(|(h, n)| match i.lists.contains(h) {
        true => (Step::List(*h), *n),
        false => (Step::Blob(*h), *n),
    }));
    out.sort_unstable_by(|a, b| a.0.phase().cmp(&b.0.phase()).then_with(|| a.0.cmp(&b.0)));
    out
}

/// Removes what a list says.
pub(crate) struct Sweep<'a> {
    pub(crate) project: &'a Project,
    pub(crate) inventory: &'a mut Inventory,
    pub(crate) live: &'a mut Live,
    pub(crate) looker: &'a mut Looker,
    pub(crate) kept: Kept,
    /// Where the collector's ref was when the list was begun.
    pub(crate) version: Option<Version>,
    pub(crate) removed: &'a mut Dead,
}

impl Sweep<'_> {
    /// Until all is removed.
    pub(crate) async fn run(&mut self, see: &mut Seen<'_>) -> Result<Swept> {
        let mut futile = 0;
        loop {
            let before = self.removed.total().count;
            match self.round(see).await? {
                Round::Over => return Ok(Swept::All),
                Round::Stale => return Ok(Swept::Stale),
                Round::Until(until) => return Ok(Swept::Until(until)),
                Round::More if self.removed.total().count > before => futile = 0,
                Round::More => futile += 1,
            }
            if futile == FUTILE {
                return Ok(Swept::Futile);
            }
            self.project.options().clock.sleep(PAUSE).await;
        }
    }

    async fn round(&mut self, see: &mut Seen<'_>) -> Result<Round> {
        let o = self.project.objects();
        let began = self.project.options().clock.monotonic();
        let now = o.backend.now().await?;
        let until = now + LEASE;
        let sweeping = GcDoc {
            format: doc::FORMAT,
            attempt: self.project.new_attempt()?,
            state: GcState::Sweeping,
            at: now,
            until: Some(until),
            kept: self.kept,
        };
        if !self.swap(&sweeping).await? {
            return Ok(Round::Stale);
        }
        let mut uncertain = false;
        let done = self.remove(now, began, &mut uncertain, see).await;
        if uncertain {
            return done.map(|_| Round::Until(until));
        }
        let idle = GcDoc {
            attempt: self.project.new_attempt()?,
            state: GcState::Idle,
            until: None,
            ..sweeping
        };
        // If that does not come through, the round is over at `until`.
        let swapped = self.swap(&idle).await;
        let more = done?;
        match (swapped?, more) {
            (_, false) => Ok(Round::Over),
            (true, true) => Ok(Round::More),
            (false, true) => Ok(Round::Stale),
        }
    }

    /// Moves the collector's ref; `false`: somebody else did.
    async fn swap(&mut self, to: &GcDoc) -> Result<bool> {
        let o = self.project.objects();
        let name = o.keys.gc();
        let value = doc::encode(to)?;
        match o.backend.swap_ref(&name, self.version.as_ref(), value).await? {
            Swap::Done(version) => self.version = Some(version),
            Swap::Lost => {
                let Some((bytes, version)) = o.backend.read_ref(&name).await? else {
                    return Ok(false);
                };
                let there: GcDoc = doc::decode(&bytes, "the collector's ref")?;
                if there.attempt != to.attempt {
                    return Ok(false);
                }
                self.version = Some(version);
            }
        }
        Ok(true)
    }

    /// Looks again, and removes as long as the round lasts; whether something is left.
    async fn remove(
        &mut self,
        now: OffsetDateTime,
        began: Duration,
        uncertain: &mut bool,
        see: &mut Seen<'_>,
    ) -> Result<bool> {
        let roots = self.looker.look(self.project, now, self.kept).await?;
        self.live.mark(self.project, &roots, &mut |live| see.marked(live)).await?;
        self.inventory.read_indexes(self.project).await?;
        let steps = steps(self.inventory, self.live, &roots.sessions);
        let clock = self.project.options().clock.clone();
        let in_time = || clock.monotonic().saturating_sub(began) < ROUND;
        let mut gone = HashSet::new();
        let mut from = 0;
        while from < steps.len() && in_time() && !*uncertain {
            let phase = steps[from].0.phase();
            let some: Vec<&(Step, u64)> =
                steps[from..].iter().take(AT_ONCE).take_while(|s| s.0.phase() == phase).collect();
            from += some.len();
            let done = join_all(some.iter().map(|(step, _)| self.delete(step, &in_time))).await;
            for ((step, size), done) in some.into_iter().zip(done) {
                *uncertain |= done != Deleted::Yes;
                if done != Deleted::No {
                    self.removed.add(step, *size);
                    gone.insert(step);
                }
            }
            see.removed(self.removed);
        }
        let left = gone.len() < steps.len();
        self.forget(&gone);
        Ok(left)
    }

    /// A removal whose answer was lost may be done later, also when it was repeated.
    async fn delete(&self, step: &Step, in_time: &(impl Fn() -> bool + Sync)) -> Deleted {
        let o = self.project.objects();
        let key = step.key(self.project);
        let clock = &self.project.options().clock;
        for n in 0..TRIES {
            if n > 0 && !in_time() {
                break;
            }
            let sent = clock.monotonic();
            match o.backend.delete(&key).await {
                // One that took long may have been sent twice.
                Ok(()) if n == 0 && clock.monotonic().saturating_sub(sent) < LONG => {
                    return Deleted::Yes;
                }
                Ok(()) => return Deleted::Perhaps,
                Err(e) => tracing::warn!("{key} is not removed yet: {e}"),
            }
        }
        Deleted::No
    }

    /// What was removed is on no list any more: it may be written again between two rounds.
    fn forget(&mut self, gone: &HashSet<&Step>) {
        let i = &mut *self.inventory;
        for step in gone {
            match step {
                Step::Node(_, hash) => i.removed(Kind::Tree, hash),
                Step::List(hash) | Step::Blob(hash) => i.removed(Kind::Blob, hash),
                Step::NodePack(hash) | Step::Pack(hash) => _ = i.packs.remove(hash),
                Step::NodeIndex(hash) | Step::Index(hash) => {
                    if let Some(pack) = i.packs.get_mut(hash) {
                        pack.index = None;
                    }
                }
                _ => {}
            }
        }
        i.packs.retain(|_, p| p.size.is_some() || p.index.is_some());
        i.landings.retain(|(k, _)| !gone.contains(&Step::Landing(k.clone())));
        i.pins.retain(|(k, _)| !gone.contains(&Step::Pin(k.clone())));
        i.projections.retain(|(k, _, _)| !gone.contains(&Step::Projection(k.clone())));
        i.proofs.retain(|(k, _)| !gone.contains(&Step::Proof(k.clone())));
        i.nodes.retain(|(level, h, _)| !gone.contains(&Step::Node(*level, *h)));
        i.blobs.retain(|(h, _)| !gone.contains(&Step::Blob(*h)) && !gone.contains(&Step::List(*h)));
    }
}

enum Round {
    Over,
    More,
    Stale,
    Until(OffsetDateTime),
}

#[derive(PartialEq, Eq)]
enum Deleted {
    Yes,
    Perhaps,
    No,
}

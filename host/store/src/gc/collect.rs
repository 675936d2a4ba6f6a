//! A collection.

use std::time::Duration;

use time::OffsetDateTime;

use super::inventory::Inventory;
use super::mark::Live;
use super::roots::Looker;
use super::sweep::{Step, Sweep, Swept, steps};
use super::{GRACE_MIN, no_sweep};
use crate::{Error, Project, Result};

/// Lists that others' sweeps made stale before it is given up.
const ATTEMPTS: u32 = 10;
/// Looks of which each found something that could not be read.
const RETRIES: u32 = 2;

/// How a collection is made.
#[derive(Debug, Clone)]
pub struct GcOptions {
    /// What is younger stays, by the store's clock; at least [`GRACE_MIN`].
    pub grace: Duration,
    /// The trees of so many landings are kept, beside what sessions stand on; `None`: of all. A
    /// new bound is announced by one collection, and acted on by one that is later by
    /// [`GRACE_MIN`]. Records of landings stay, whatever it is.
    pub keep_landings: Option<u64>,
    /// Only counts.
    pub dry_run: bool,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self { grace: Duration::from_secs(14 * 24 * 3600), keep_landings: None, dry_run: false }
    }
}

/// A number of things, and their bytes in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What nothing names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dead {
    /// Blobs that lie by themselves.
    pub blobs: Tally,
    /// Nodes that lie by themselves.
    pub nodes: Tally,
    /// Packs in which nothing is needed.
    pub packs: Tally,
    /// Their indexes.
    pub indexes: Tally,
    /// Records of landings that lost.
    pub landings: Tally,
    /// Pins that are over.
    pub pins: Tally,
    /// What is left of sessions that are gone, and of proofs of the store.
    pub leftovers: Tally,
}

impl Dead {
    /// All of it.
    pub fn total(&self) -> Tally {
        let all = [
            self.blobs,
            self.nodes,
            self.packs,
            self.indexes,
            self.landings,
            self.pins,
            self.leftovers,
        ];
        all.iter().fold(Tally::default(), |a, b| Tally {
            count: a.count + b.count,
            bytes: a.bytes + b.bytes,
        })
    }

    pub(crate) fn add(&mut self, step: &Step, bytes: u64) {
        let tally = match step {
            Step::Landing(_) => &mut self.landings,
            Step::Pin(_) => &mut self.pins,
            Step::Projection(_) | Step::Proof(_) => &mut self.leftovers,
            Step::NodeIndex(_) | Step::Index(_) => &mut self.indexes,
            Step::NodePack(_) | Step::Pack(_) => &mut self.packs,
            Step::Node(..) => &mut self.nodes,
            Step::List(_) | Step::Blob(_) => &mut self.blobs,
        };
        tally.count += 1;
        tally.bytes += bytes;
    }
}

/// How far a collection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GcProgress {
    /// So many are needed, as far as is known.
    Marked {
        /// Nodes.
        nodes: u64,
        /// Blobs.
        blobs: u64,
    },
    /// So many are to go.
    Found(Tally),
    /// So many are gone.
    Removed(Tally),
}

/// What a collection found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcReport {
    /// Nodes that are needed.
    pub live_nodes: u64,
    /// Blobs that are needed.
    pub live_blobs: u64,
    /// What was found to go.
    pub found: Dead,
    /// What was removed; nothing, in a dry run. Some of what was found may be needed by now.
    pub removed: Dead,
    /// The first landing whose tree is kept; 0: all are.
    pub kept_from: u64,
    /// A request to the store had no answer: the rest is for another collection, and writers that
    /// need something old wait until then.
    pub busy_until: Option<OffsetDateTime>,
}

/// Who is told how far it is.
pub(crate) struct Seen<'a>(pub(crate) &'a mut (dyn FnMut(GcProgress) + Send));

impl Seen<'_> {
    pub(crate) fn marked(&mut self, live: &Live) {
        (self.0)(GcProgress::Marked { nodes: live.nodes(), blobs: live.blobs() });
    }

    pub(crate) fn removed(&mut self, dead: &Dead) {
        (self.0)(GcProgress::Removed(dead.total()));
    }
}

impl Project {
    /// Removes what nothing names and is older than the grace. Safe beside whoever works in the
    /// project, and beside other collections; one that is cut off leaves nothing that the next
    /// one does not find. Takes at most 120 bytes of memory for each object in a pack, half as much
    /// for each other one that is needed, some 150 for each that is to go by itself, and some 64 MB
    /// for what is read at a time.
    ///
    /// # Errors
    /// `STORE_UNMARKED` or `STORE_FORMAT` when not all that is needed can be told, and then
    /// nothing is removed; `STORE_BUSY` when other collections kept going on; the store's.
    pub async fn collect(
        &self,
        options: &GcOptions,
        see: &mut (dyn FnMut(GcProgress) + Send),
    ) -> Result<GcReport> {
        self.check().await?;
        let o = self.objects();
        let grace = options.grace.max(GRACE_MIN);
        let mut see = Seen(see);
        let (mut live, mut looker) = (Live::default(), Looker::default());
        let mut removed = Dead::default();
        let (mut first, mut unmarked) = (None, 0);
        for _ in 0..ATTEMPTS {
            let quiet = no_sweep(self).await?;
            let now = o.backend.now().await?;
            let roots = looker.look(self, now, quiet.kept).await?;
            if let Err(e) = live.mark(self, &roots, &mut |live| see.marked(live)).await {
                // A session that went meanwhile may have been collected by somebody else: then
                // it is no root any more. What was marked in part counts for nothing.
                match e {
                    Error::Unmarked { .. } if unmarked < RETRIES => unmarked += 1,
                    e => return Err(e),
                }
                live = Live::default();
                continue;
            }
            // What the marking needed of indexes is much, and the inventory has its own.
            o.forget_indexes().await;
            let mut inventory =
                Inventory::take(self, (now, now - grace), &live, &roots, &looker).await?;
            let wanted =
                options.keep_landings.map_or(0, |n| (roots.position + 1).saturating_sub(n));
            let kept = quiet.kept.raised(wanted, now);
            let steps = steps(&inventory, &live, &roots.sessions);
            let mut found = Dead::default();
            steps.iter().for_each(|(step, size)| found.add(step, *size));
            (see.0)(GcProgress::Found(found.total()));
            let found = *first.get_or_insert(found);
            let report = |removed, live: &Live, busy_until| GcReport {
                live_nodes: live.nodes(),
                live_blobs: live.blobs(),
                found,
                removed,
                kept_from: kept.from,
                busy_until,
            };
            if options.dry_run || (steps.is_empty() && kept == quiet.kept) {
                return Ok(report(removed, &live, None));
            }
            drop(steps);
            let mut sweep = Sweep {
                project: self,
                inventory: &mut inventory,
                live: &mut live,
                looker: &mut looker,
                kept,
                version: quiet.version,
                removed: &mut removed,
            };
            let swept = sweep.run(&mut see).await;
            o.forget_indexes().await;
            match swept? {
                Swept::All => return Ok(report(removed, &live, None)),
                Swept::Until(until) => return Ok(report(removed, &live, Some(until))),
                Swept::Stale => {}
                Swept::Futile => break,
            }
        }
        Err(Error::Busy { what: "a collection of the store".into(), attempts: ATTEMPTS })
    }
}

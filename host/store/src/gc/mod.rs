//! Collecting what nothing names any more: mark and sweep, beside writers that go on.
//!
//! **What is kept.** All that the roots reach: the head's tree, the trees of every landing (or of
//! the last ones), base and tree of every session, what notes keep in blobs, what writers *pin*
//! (`upload`). And whatever is
//! younger than the grace.
//!
//! **How.** First everything is marked from the roots, and what is old and was not marked is
//! listed. Then, in rounds: the ref `gc` goes from idle to `sweeping`, pins and roots are read
//! again and what they reach is marked too, the rest of the list is removed for a while, and the
//! ref goes back to idle. Why that is safe:
//!
//! - What a writer made itself is younger than the grace until its ref moved: it was not listed,
//!   or the ref moved before the listing began, and was read after it.
//! - What it found there it pins, and then waits until nobody sweeps, and then looks whether it
//!   is still there. If it saw no sweep, the sweep that comes reads the pin; if that has gone
//!   again, the ref was moved before, and refs are read after pins. Among refs, sessions are read
//!   before the head: what lands moves from a session to the head, never back.
//! - Two collectors do not sweep at a time, and neither removes by a list that is older than the
//!   other's sweep: an object may have been written again since.
//! - A sweep that was cut off ends by itself: its `until` is later than its last request can take
//!   effect ([`REQUEST`]). One of which a request failed leaves the ref as it is, until then.
//!
//! A node that cannot be read ends a collection before anything is removed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::backend::Version;
use crate::objects::empty_tree;
use crate::tree::{Edits, Entry, Key};
use crate::upload::Upload;
use crate::{AttemptId, Base, Error, Hash, Project, Result, doc};

mod collect;
mod inventory;
mod mark;
pub(crate) mod roots;
mod sweep;

pub use collect::{Dead, GcOptions, GcProgress, GcReport, Tally};
pub use roots::Root;

/// No object younger than this is ever removed.
pub const GRACE_MIN: Duration = Duration::from_secs(3600);
/// No request takes effect later than this after it was sent: S3 refuses a signature that is
/// older, and a directory answers at once.
pub(crate) const REQUEST: Duration = Duration::from_secs(15 * 60);
/// How long one round removes; writers may wait as long.
pub(crate) const ROUND: Duration = Duration::from_secs(60);
/// From the beginning of a round until nothing of it can take effect any more.
pub(crate) const LEASE: Duration = Duration::from_secs(17 * 60);

const _: () = assert!(ROUND.as_secs() + REQUEST.as_secs() < LEASE.as_secs());

/// The ref of the collector.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GcDoc {
    pub(crate) format: u64,
    pub(crate) attempt: AttemptId,
    pub(crate) state: GcState,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) at: OffsetDateTime,
    /// When a sweep is over, whatever became of its collector.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) until: Option<OffsetDateTime>,
    #[serde(default)]
    pub(crate) kept: Kept,
}

/// From which landing on trees are kept. It is announced before it is acted on, so that a writer
/// that stands on an older one has moved its ref by then, or has seen that it must not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The first landing whose tree is to be kept; 0: all are.
    pub(crate) from: u64,
    /// The first one that was, before.
    pub(crate) before: u64,
    /// Since when.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) since: Option<OffsetDateTime>,
}

impl Kept {
    fn is_settled(&self, now: OffsetDateTime) -> bool {
        self.since.is_none_or(|since| now - since >= GRACE_MIN)
    }

    /// The first landing whose tree is a root now.
    pub(crate) fn floor(&self, now: OffsetDateTime) -> u64 {
        match self.is_settled(now) {
            true => self.from,
            false => self.before,
        }
    }

    /// With `from` announced, if one that was announced before is settled.
    pub(crate) fn raised(self, from: u64, now: OffsetDateTime) -> Self {
        match self.is_settled(now) && from > self.from {
            true => Self { from, before: self.from, since: Some(now) },
            false => self,
        }
    }
}

/// What a collector is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GcState {
    Idle,
    Sweeping,
}

/// How long somebody waits for a sweep: longer than one that was cut off lasts.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// The collector's ref: nothing yet, or where it stands.
pub(crate) struct Quiet {
    pub(crate) version: Option<Version>,
    pub(crate) kept: Kept,
}

/// Waits until no sweep is under way.
pub(crate) async fn no_sweep(project: &Project) -> Result<Quiet> {
    let o = project.objects();
    let clock = &project.options().clock;
    let began = clock.monotonic();
    let mut attempts = 0;
    while clock.monotonic().saturating_sub(began) < PATIENCE {
        attempts += 1;
        let Some((bytes, version)) = o.backend.read_ref(&o.keys.gc()).await? else {
            return Ok(Quiet { version: None, kept: Kept::default() });
        };
        let now: GcDoc = doc::decode(&bytes, "the collector's ref")?;
        let over = now.state == GcState::Idle || {
            let until = now.until.unwrap_or(now.at + LEASE);
            o.backend.now().await? >= until
        };
        if over {
            return Ok(Quiet { version: Some(version), kept: now.kept });
        }
        clock.sleep(Duration::from_secs(1)).await;
    }
    Err(Error::Busy { what: "a collection of the store".into(), attempts })
}

impl Project {
    /// The first landing whose trees are kept, by one request; 0: those of all are.
    ///
    /// # Errors
    /// The store's.
    pub async fn kept_from(&self) -> Result<u64> {
        let o = self.objects();
        match o.backend.read_ref(&o.keys.gc()).await? {
            Some((bytes, _)) => Ok(doc::decode::<GcDoc>(&bytes, "the collector's ref")?.kept.from),
            None => Ok(0),
        }
    }

    /// Whether the tree of a landing is one of those that are kept, for long enough to move a
    /// ref to something that stands on it.
    pub(crate) async fn keeps(&self, base: Base) -> Result<bool> {
        if base.tree == empty_tree() || self.was_head(&base) {
            return Ok(true);
        }
        Ok(base.position >= self.kept_from().await?)
    }

    /// Makes an upload rely on the contents of edits that it does not bring itself, but for those
    /// that the tree has at the same path: what keeps the tree keeps them. `position` is that of
    /// the landing that made the tree, if one did.
    ///
    /// # Errors
    /// The store's.
    pub async fn rely_on_edits(
        &self,
        tree: Hash,
        position: Option<u64>,
        edits: &Edits,
        upload: &mut Upload,
    ) -> Result<()> {
        let mut wanted = Vec::new();
        for (key, new) in edits {
            match new {
                Some(Entry::File { content, .. }) if !upload.has(content) => {
                    wanted.push((key, content));
                }
                _ => {}
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let keys: Vec<&Key> = wanted.iter().map(|(key, _)| *key).collect();
        let there = self.tree(tree).get_all(&keys).await?;
        let mut kept = position.is_none().then_some(true);
        for ((_, content), there) in wanted.into_iter().zip(there) {
            if matches!(there, Some(Entry::File { content: same, .. }) if same == *content) {
                let keeps = match (kept, position) {
                    (None, Some(position)) => self.keeps(Base { tree, position }).await?,
                    (kept, _) => kept.unwrap_or(true),
                };
                kept = Some(keeps);
                if keeps {
                    continue;
                }
            }
            upload.rely_on(content).await?;
        }
        Ok(())
    }
}

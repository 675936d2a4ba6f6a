//! What callers hand in. This crate reads no environment, no home and no clock of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use brio_session::{Door, RelPath, Time};
use serde::{Deserialize, Serialize};

use crate::{
    Heads, Isolation, JournalEntry, LowerOptions, NotesOptions, Pushed, Seal, SessionId, Trees,
};

/// How a domain is opened.
#[derive(Clone)]
pub struct OpenOptions {
    /// `$BRIO_HOME`: where the person's index of domains lies. `None`: no index is kept, and
    /// a lost `.brio` cannot be told from a new base.
    pub home: Option<PathBuf>,
    /// The user's home directory: the search for `.brio` above a base below it stops there.
    pub user_home: Option<PathBuf>,
    /// Make the domain when there is none; otherwise that is [`DomainError::NoDomain`](crate::DomainError::NoDomain).
    pub create: bool,
    /// Frozen sessions are what it is opened for: with `create`, where the base can have no
    /// `.brio` (it cannot be written, or refuses live sessions) the domain is one in `home`.
    pub frozen: bool,
    /// Identifies this boot of the machine (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// The wall clock.
    pub now: fn() -> Time,
    /// Where every mutation passes.
    pub door: Door,
    /// Another owner of `.brio` than the caller and root that is trusted as well.
    pub trust_uid: Option<u32>,
    /// How long landings can be undone.
    pub retention: Retention,
    /// How notes land.
    pub notes: NotesOptions,
    /// Opens what sessions on trees of a store stand on. `None`: they cannot be looked into.
    pub trees: Option<Arc<dyn Trees>>,
    /// Where such sessions land. `None`: they don't, `LANDS_ON_HEAD`.
    pub heads: Option<Arc<dyn Heads>>,
}

/// How long the pre-images of landings are kept after no session needs them any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// For so long a landing can be undone, counted from its end.
    pub window: Duration,
    /// Over this, undo history goes first, oldest first; then the sessions that look at the
    /// oldest landing become stale.
    pub quota: Quota,
}

/// How much room pre-images may take on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Bytes.
    Bytes(u64),
    /// A share of the file system's size, in percent.
    Percent(u8),
}

impl Default for Retention {
    /// 30 days, and a tenth of the file system.
    fn default() -> Self {
        Self { window: Duration::from_secs(30 * 86_400), quota: Quota::Percent(10) }
    }
}

impl Default for OpenOptions {
    /// No home, creates, the system's clock, an empty boot id.
    fn default() -> Self {
        Self {
            home: None,
            user_home: None,
            create: true,
            frozen: false,
            boot_id: String::new(),
            now: system_time,
            door: Door::default(),
            trust_uid: None,
            retention: Retention::default(),
            notes: NotesOptions::default(),
            trees: None,
            heads: None,
        }
    }
}

/// The system's wall clock, for [`OpenOptions::now`].
pub fn system_time() -> Time {
    let d = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time { secs: d.as_secs() as i64, nanos: d.subsec_nanos() }
}

/// What a session is for, as whoever began it said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// What the session is to achieve; shown to others in conflicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// Which agent works in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The task it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// A short name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The goal at length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// How a session begins.
#[derive(Debug, Clone, Default)]
pub struct BeginOptions {
    /// The directory it branches, inside the domain (for a child: must be its parent's, or root).
    pub subdir: RelPath,
    /// The session it branches instead of the base.
    pub parent: Option<SessionId>,
    /// What it is for.
    pub metadata: Metadata,
    /// What it sees of the base; a child sees what its parent does.
    pub lower: LowerOptions,
    /// What its commit is to validate. With [`Isolation::Serializable`] its views note what is
    /// read; a child of such a session is one too.
    pub isolation: Isolation,
    /// What a store has of it, when it is opened from there.
    pub pushed: Option<Pushed>,
    /// What was said and decided in it elsewhere: goes to the journal, where it is not yet.
    pub words: Vec<JournalEntry>,
}

/// How a session is committed.
#[derive(Debug, Clone, Default)]
pub struct CommitOptions {
    /// For the journal; shown by `brio log`.
    pub message: Option<String>,
    /// Ask a live run to stop first (5 s), instead of refusing.
    pub stop: bool,
    /// Land although the machine went down before the session was synced.
    pub accept_unclean: bool,
    /// Land its open children first, oldest first, each after its own; otherwise they are
    /// [`CommitError::OpenChildren`](crate::CommitError::OpenChildren).
    pub cascade: bool,
    /// What is validated; `None`: what the session began with. More than that cannot be asked
    /// for: [`CommitError::NotTracked`](crate::CommitError::NotTracked).
    pub isolation: Option<Isolation>,
    /// What becomes of paths that others changed as well.
    pub policy: Policy,
    /// Land exactly what was sealed, as the next landing after the one that the seal names, or
    /// be refused with [`CommitError::SealBroken`](crate::CommitError::SealBroken). No policy
    /// settles anything then, and no children land first.
    pub sealed: Option<Seal>,
}

/// How a session is rebased.
#[derive(Debug, Clone, Default)]
pub struct RebaseOptions {
    /// What becomes of paths that both sides changed.
    pub policy: Policy,
    /// Ask a live run to stop first (5 s), instead of refusing.
    pub stop: bool,
}

/// What a commit does about paths that both sides changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Nothing lands, and the error names every such path.
    #[default]
    Reject,
    /// What nobody could dispute is merged: both made the same, one changed the mode and the
    /// other the content, both changed a text in different places. Anything else is refused, as
    /// with `reject`.
    Merge,
    /// Ours lands, whatever stands there; the journal says what was overridden.
    LastWriteWins,
}

impl Policy {
    /// As it is written on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Merge => "merge",
            Self::LastWriteWins => "last-write-wins",
        }
    }
}

/// A word that names no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no policy (reject, merge, last-write-wins)")]
pub struct BadPolicy(pub String);

impl std::str::FromStr for Policy {
    type Err = BadPolicy;

    fn from_str(text: &str) -> Result<Self, BadPolicy> {
        [Self::Reject, Self::Merge, Self::LastWriteWins]
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or_else(|| BadPolicy(text.to_owned()))
    }
}

/// What [`Domain::gc_with`](crate::Domain::gc_with) collects.
#[derive(Debug, Clone, Default)]
pub struct GcOptions {
    /// Instead of the domain's own window.
    pub window: Option<Duration>,
    /// Instead of the domain's own quota.
    pub quota: Option<Quota>,
    /// Do nothing; say what would be done.
    pub dry_run: bool,
}

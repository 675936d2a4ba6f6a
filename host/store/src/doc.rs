//! The JSON documents (`FORMAT.md`, "Documents").

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{AttemptId, Error, Hash, ProjectId, Result};

/// The format that this version writes, and the newest that it reads.
pub(crate) const FORMAT: u64 = 1;

/// `project.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProjectDoc {
    pub(crate) format: u64,
    pub(crate) project: ProjectId,
    pub(crate) hash: String,
    pub(crate) tree: u64,
    pub(crate) chunker: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    pub(crate) attempt: AttemptId,
}

/// Where a project stands: the tree of its last landing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadDoc {
    pub(crate) format: u64,
    /// The number of landings; 0: none yet, and the tree is empty.
    pub position: u64,
    /// Its tree.
    pub tree: Hash,
    /// The id of the landing at this position.
    pub landing: Option<AttemptId>,
    /// The newest landing up to this one that undid another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undo: Option<LandingRef>,
    /// When that was.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub(crate) attempt: AttemptId,
}

/// A landing, named so that its record is one request away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LandingRef {
    pub(crate) position: u64,
    pub(crate) id: AttemptId,
}

/// What a landing did to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeWord {
    /// It was not there before.
    Added,
    /// Its content, mode or kind is another one.
    Modified,
    /// It is gone.
    Removed,
}

/// A path that a landing changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathChange {
    /// The path, for people where it is no UTF-8.
    pub path: String,
    /// The path itself where it is no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<Vec<u8>>,
    /// What happened.
    pub change: ChangeWord,
}

impl PathChange {
    pub(crate) fn new(path: Vec<u8>, change: ChangeWord) -> Self {
        match String::from_utf8(path) {
            Ok(path) => Self { path, path_bytes: None, change },
            Err(e) => {
                let bytes = e.into_bytes();
                Self { path: crate::tree::shown(&bytes), path_bytes: Some(bytes), change }
            }
        }
    }
}

/// How many paths a landing changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Added.
    pub added: u64,
    /// Modified.
    pub modified: u64,
    /// Removed.
    pub removed: u64,
}

/// Who lands what, and why: what the record of a landing says beside its trees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Why {
    /// The session that landed.
    pub session: Option<String>,
    /// Who did it: a person, a machine.
    pub who: Option<String>,
    /// The agent of the session.
    pub agent: Option<String>,
    /// Its goal.
    pub goal: Option<String>,
    /// The message.
    pub message: Option<String>,
    /// The position of the landing that this one undoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<u64>,
}

/// The record of a landing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandingDoc {
    pub(crate) format: u64,
    /// Its position: the first is 1.
    pub position: u64,
    /// Its id.
    pub id: AttemptId,
    /// The id of the landing before it.
    pub previous: Option<AttemptId>,
    /// The project's tree before it.
    pub old_tree: Hash,
    /// And after it.
    pub new_tree: Hash,
    /// The tree that what landed stood on.
    pub base_tree: Hash,
    /// The position of that tree.
    pub base_position: u64,
    /// Who and why.
    #[serde(flatten)]
    pub why: Why,
    /// The newest landing before this one that undid another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undo: Option<LandingRef>,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// How much.
    pub counts: Counts,
    /// The paths, where they are no more than 256; all of them are the difference of the trees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<PathChange>>,
}

impl LandingDoc {
    /// The head as this landing left it.
    pub fn base_after(&self) -> Base {
        Base { tree: self.new_tree, position: self.position }
    }
}

/// A tree, and where in a project's history it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The tree.
    pub tree: Hash,
    /// The position of the landing that made it.
    pub position: u64,
}

/// How a session in a store stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// It can be worked on.
    Open,
    /// It can be worked on, and met a conflict.
    Conflicted,
    /// Its landing is under way, or was cut off.
    Committing,
    /// It landed.
    Landed,
    /// It was thrown away.
    RolledBack,
}

/// The landing of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLanding {
    /// Its id.
    pub id: AttemptId,
    /// Its position, when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// The tree that it made, when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Hash>,
}

/// An attempt to land a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandingAttempt {
    /// Its id: that of the landing, if it was done.
    pub id: AttemptId,
    /// The position that it has then. Once the head is there, the attempt has ended.
    pub position: u64,
}

/// `metadata.json` of a session: all that another machine needs to open it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionDoc {
    pub(crate) format: u64,
    /// Its id.
    pub id: String,
    /// How often it was written.
    pub seq: u64,
    /// The attempt that wrote it: whoever made it knows it again.
    pub attempt: AttemptId,
    /// How it stands.
    pub state: SessionState,
    /// What it is to reach.
    #[serde(default)]
    pub goal: Option<String>,
    /// A short name for people.
    #[serde(default)]
    pub title: Option<String>,
    /// The goal at length.
    #[serde(default)]
    pub description: Option<String>,
    /// The agent that works in it.
    #[serde(default)]
    pub agent: Option<String>,
    /// The task that it is for.
    #[serde(default)]
    pub task_id: Option<String>,
    /// The session that it branches.
    #[serde(default)]
    pub parent: Option<String>,
    /// The directory of the project that it branches; `None`: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subdir: Option<String>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When this was written.
    #[serde(with = "time::serde::rfc3339")]
    pub pushed_at: OffsetDateTime,
    /// Where.
    #[serde(default)]
    pub machine: Option<String>,
    /// What it stands on.
    pub base: Base,
    /// When that came to be the head's: what the times of files show that it did not change.
    #[serde(with = "time::serde::rfc3339")]
    pub base_at: OffsetDateTime,
    /// What it is.
    pub tree: Hash,
    /// Its landing.
    #[serde(default)]
    pub landing: Option<SessionLanding>,
    /// Attempts to land it whose end was not known when this was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<LandingAttempt>,
    /// What agents and people said, oldest first.
    #[serde(default)]
    pub conversation: Vec<serde_json::Value>,
    /// What was decided and why, oldest first.
    #[serde(default)]
    pub decisions: Vec<serde_json::Value>,
}

/// One path of a session's `tree.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DiffLine {
    pub(crate) op: &'static str,
    pub(crate) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path_bytes: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<Hash>,
}

/// `tree.json` of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SessionTreeDoc<'a> {
    pub(crate) format: u64,
    pub(crate) session: &'a str,
    pub(crate) seq: u64,
    pub(crate) base: Hash,
    pub(crate) tree: Hash,
    pub(crate) diff: Vec<DiffLine>,
}

pub(crate) fn encode(doc: &impl Serialize) -> Result<Bytes> {
    let bytes = serde_json::to_vec(doc).map_err(|e| Error::host("a document", e.into()))?;
    Ok(bytes.into())
}

/// Reads a document; one of a newer format is refused before its fields are looked at.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    #[derive(Deserialize)]
    struct Head {
        format: u64,
    }
    let bad = |e: serde_json::Error| Error::corrupt(what, e);
    let head: Head = serde_json::from_slice(bytes).map_err(bad)?;
    if head.format == 0 || head.format > FORMAT {
        return Err(Error::Format { what: what.into(), found: head.format, known: FORMAT });
    }
    serde_json::from_slice(bytes).map_err(bad)
}

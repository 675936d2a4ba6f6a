//! The document of a note (`FORMAT.md`, "Notes").

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::name;
use crate::{AttemptId, Content, Error, Hash, Result, doc};

/// Versions that are kept.
pub(crate) const KEEP: usize = 100;
/// Writes that told an origin and are remembered.
pub(crate) const ORIGINS: usize = 256;

/// A note: its newest version and those before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteDoc {
    pub(crate) format: u64,
    /// Its path.
    pub path: String,
    /// The attempt that made the newest version.
    pub(crate) attempt: AttemptId,
    /// The last writes that told an origin, oldest first.
    #[serde(default)]
    pub origins: Vec<NoteOrigin>,
    pub(crate) versions: Vec<NoteVersion>,
}

/// A write that told its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteOrigin {
    /// What it was.
    pub origin: String,
    /// The version that it made.
    pub version: u64,
}

/// One version of a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Flat", into = "Flat")]
pub struct NoteVersion {
    /// Its number: rises by one with each write and removal.
    pub version: u64,
    /// The attempt that made it.
    pub attempt: AttemptId,
    /// When, by the writer's clock.
    pub at: OffsetDateTime,
    /// By whom: a machine.
    pub by: Option<String>,
    /// What write it was, if that was told.
    pub origin: Option<String>,
    /// What was written.
    pub body: NoteBody,
}

/// What a version of a note is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoteBody {
    /// The note was removed.
    Removed,
    /// A content in the document itself, and its hash.
    Here {
        /// The content.
        content: String,
        /// Its hash, as it was written.
        hash: Hash,
    },
    /// A content in blobs.
    Blobs(Content),
}

/// A version as it lies in the document.
#[derive(Serialize, Deserialize)]
struct Flat {
    version: u64,
    attempt: AttemptId,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    depth: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root: Option<Hash>,
}

impl TryFrom<Flat> for NoteVersion {
    type Error = String;

    fn try_from(flat: Flat) -> std::result::Result<Self, String> {
        let Flat { version, attempt, at, by, origin, removed, size, sha256, content, depth, root } =
            flat;
        let body = match (removed, content, size, sha256) {
            (true, None, None, None) => NoteBody::Removed,
            // Its length is its own.
            (false, Some(content), Some(_), Some(hash)) => NoteBody::Here { content, hash },
            (false, None, Some(size), Some(hash)) => {
                let depth = depth.unwrap_or(0);
                let root = match (depth, root) {
                    (0, None) => hash,
                    (1.., Some(root)) => root,
                    _ => return Err(format!("version {version} does not say where it lies")),
                };
                NoteBody::Blobs(Content { size, hash, depth, root })
            }
            _ => return Err(format!("version {version} is neither a content nor a removal")),
        };
        Ok(Self { version, attempt, at, by, origin, body })
    }
}

impl From<NoteVersion> for Flat {
    fn from(v: NoteVersion) -> Self {
        let NoteVersion { version, attempt, at, by, origin, body } = v;
        let flat = Self {
            version,
            attempt,
            at,
            by,
            origin,
            removed: false,
            size: None,
            sha256: None,
            content: None,
            depth: None,
            root: None,
        };
        match body {
            NoteBody::Removed => Self { removed: true, ..flat },
            NoteBody::Here { content, hash } => Self {
                size: Some(content.len() as u64),
                sha256: Some(hash),
                content: Some(content),
                ..flat
            },
            NoteBody::Blobs(Content { size, hash, depth, root }) => Self {
                size: Some(size),
                sha256: Some(hash),
                depth: (depth > 0).then_some(depth),
                root: (depth > 0).then_some(root),
                ..flat
            },
        }
    }
}

impl NoteDoc {
    /// A note's document, by its ref's name.
    pub(crate) fn decode(bytes: &[u8], of: &str, key: &str) -> Result<Self> {
        let new: Self = doc::decode(bytes, key)?;
        let bad = |why: &str| Err(Error::corrupt(key, why));
        if name::of(&new.path)? != of {
            return bad("it is another note's");
        }
        let Some(newest) = new.versions.first() else { return bad("it has no version") };
        if newest.attempt != new.attempt {
            return bad("its newest version is another attempt's");
        }
        let falls = |pair: &[NoteVersion]| pair[0].version > pair[1].version;
        if !new.versions.windows(2).all(falls) || new.versions.iter().any(|v| v.version == 0) {
            return bad("its versions are in disorder");
        }
        Ok(new)
    }

    /// With one more version.
    pub(crate) fn next(path: &str, from: Option<&Self>, new: NoteVersion) -> Self {
        let mut origins = from.map(|d| d.origins.clone()).unwrap_or_default();
        if let Some(origin) = new.origin.clone() {
            origins.push(NoteOrigin { origin, version: new.version });
        }
        origins.drain(..origins.len().saturating_sub(ORIGINS));
        let attempt = new.attempt.clone();
        let old = from.map(|d| d.versions.as_slice()).unwrap_or_default();
        let versions = std::iter::once(new).chain(old.iter().cloned()).take(KEEP).collect();
        Self { format: doc::FORMAT, path: path.to_owned(), attempt, origins, versions }
    }

    /// The newest version.
    pub fn newest(&self) -> Option<&NoteVersion> {
        self.versions.first()
    }

    /// The versions that are kept, newest first.
    pub fn versions(&self) -> &[NoteVersion] {
        &self.versions
    }

    /// The version that one who looks sees: 0 where it was removed.
    pub fn visible(&self) -> u64 {
        match self.newest() {
            Some(NoteVersion { body: NoteBody::Removed, .. }) | None => 0,
            Some(v) => v.version,
        }
    }

    /// The version that an attempt made, as far as it is kept.
    pub(crate) fn made_by(&self, attempt: &AttemptId) -> Option<u64> {
        self.versions.iter().find(|v| v.attempt == *attempt).map(|v| v.version)
    }

    /// Contents that lie in blobs.
    pub(crate) fn contents(&self) -> impl Iterator<Item = Content> {
        self.versions.iter().filter_map(|v| match &v.body {
            NoteBody::Blobs(content) => Some(*content),
            NoteBody::Removed | NoteBody::Here { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The format is a contract: these bytes are in FORMAT.md.
    #[test]
    fn the_bytes_are_the_documented_ones() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let bytes = format!(
            "{{\"format\":1,\"path\":\"plans/next\",\"attempt\":\"b\",\"origins\":[{{\"origin\":\
             \"landing 3\",\"version\":3}}],\"versions\":[{{\"version\":3,\"attempt\":\"b\",\
             \"at\":\"2026-01-19T10:00:00Z\",\"by\":\"laptop\",\"origin\":\"landing 3\",\
             \"size\":3,\"sha256\":\"sha256:{abc}\",\"content\":\"abc\"}},{{\"version\":2,\
             \"attempt\":\"a\",\"at\":\"2026-01-19T09:00:00Z\",\"removed\":true}},{{\"version\":1,\
             \"attempt\":\"0\",\"at\":\"2026-01-19T08:00:00.5Z\",\"size\":9000000,\
             \"sha256\":\"sha256:{abc}\",\"depth\":1,\"root\":\"sha256:{abc}\"}}]}}"
        );
        let doc = NoteDoc::decode(bytes.as_bytes(), "plans_2fnext", "key").unwrap();
        assert_eq!(doc::encode(&doc).unwrap(), bytes);
        assert_eq!((doc.visible(), doc.contents().count()), (3, 1));

        for (from, to, code) in [
            ("\"format\":1", "\"format\":2", "STORE_FORMAT"),
            ("plans/next", "plans/last", "STORE_CORRUPT"),
            ("\"attempt\":\"b\"", "\"attempt\":\"c\"", "STORE_CORRUPT"),
            ("\"version\":2", "\"version\":3", "STORE_CORRUPT"),
            ("\"version\":1", "\"version\":0", "STORE_CORRUPT"),
            (",\"removed\":true", "", "STORE_CORRUPT"),
            (",\"depth\":1", "", "STORE_CORRUPT"),
            ("{\"version\":3", "[{\"version\":3", "STORE_CORRUPT"),
        ] {
            let bad = bytes.replacen(from, to, 1);
            assert_ne!(bad, bytes);
            let error = NoteDoc::decode(bad.as_bytes(), "plans_2fnext", "key").unwrap_err();
            assert_eq!(error.code(), code, "{to}: {error}");
        }
    }
}

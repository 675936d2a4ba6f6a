//! What would land, as a digest: equal ones land the same.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use brio_project::NoteChange;
use brio_session::{ChangeSet, Content, FsError, Kind, RelPath, Time, View};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::CommitError;
use crate::intent::Step;
use crate::meta::{Layer, Meta};
use crate::policy::view_error;

/// A SHA-256, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Enough of it for people to tell two apart.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no digest (64 hexadecimal digits)")]
pub struct BadDigest(pub String);

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let bad = || BadDigest(text.to_owned());
        let mut out = [0; 32];
        let pairs = text.as_bytes().chunks_exact(2);
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        for (byte, pair) in out.iter_mut().zip(pairs) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(out))
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// What a note's name begins with: no path of a file does.
const NOTE: &[u8] = b"/note/";

/// What would land, with paths of the domain's root.
pub(crate) struct Changes<'a> {
    pub(crate) set: &'a ChangeSet,
    pub(crate) view: &'a View,
    pub(crate) subdir: &'a RelPath,
    /// Steps whose contents were hashed already.
    pub(crate) known: &'a [Step],
    pub(crate) notes: &'a [NoteChange],
}

/// What could not be read for it.
pub(crate) struct Unread(RelPath, FsError);

impl Unread {
    pub(crate) fn of(self, m: &Meta) -> CommitError {
        match self {
            Self(_, FsError::SnapshotGone) => view_error(m, FsError::SnapshotGone),
            Self(path, source) => CommitError::View { path, source },
        }
    }
}

impl Changes<'_> {
    /// The digest of FORMAT.md, "Seals".
    pub(crate) fn digest(&self) -> Result<Digest, Unread> {
        let known: HashMap<&RelPath, [u8; 32]> =
            self.known.iter().filter_map(|s| Some((&s.path, s.new_sha256?))).collect();
        let mut sha = Sha256::new();
        sha.update(b"BRIOSEAL\x01");
        for c in &self.set.changes {
            field(&mut sha, c.path.as_bytes());
            let Some(after) = c.after else {
                sha.update([0]);
                continue;
            };
            let inside = c.path.strip_prefix(self.subdir).unwrap_or_default();
            let view = |e| Unread(c.path.clone(), e);
            sha.update([match after.kind {
                Kind::File => 1,
                Kind::Dir => 2,
                Kind::Symlink => 3,
                Kind::Other => 4,
            }]);
            if after.kind != Kind::Symlink {
                sha.update(after.mode.to_le_bytes());
            }
            match (after.kind, &c.hard_link_of) {
                (Kind::File, Some(first)) => {
                    sha.update([1]);
                    field(&mut sha, first.as_bytes());
                }
                (Kind::File, None) => {
                    sha.update([0]);
                    let content = match known.get(&c.path) {
                        Some(known) => *known,
                        None => self.hash(&c.path, &inside)?,
                    };
                    sha.update(content);
                }
                (Kind::Symlink, _) => {
                    if let Content::Symlink(target) =
                        self.view.change_content(&inside).map_err(view)?
                    {
                        field(&mut sha, &target);
                    }
                }
                (Kind::Dir | Kind::Other, _) => {}
            }
            match self.view.explicit_times(&inside).map_err(view)? {
                None => sha.update([0]),
                Some((atime, mtime)) => {
                    sha.update([1]);
                    time(&mut sha, atime);
                    time(&mut sha, mtime);
                }
            }
        }
        for note in self.notes {
            field(&mut sha, &[NOTE, note.path.as_str().as_bytes()].concat());
            match &note.content {
                None => sha.update([0]),
                Some(content) => {
                    sha.update([1]);
                    sha.update(Sha256::digest(content));
                }
            }
        }
        Ok(Digest(sha.finalize().into()))
    }

    fn hash(&self, path: &RelPath, inside: &RelPath) -> Result<[u8; 32], Unread> {
        let content = self.view.change_content(inside).and_then(Content::source);
        content.and_then(|c| c.sha256()).map_err(|e| Unread(path.clone(), e))
    }
}

/// Which layers a parent has something in.
pub(crate) fn stack(layers: &[Layer]) -> Digest {
    let mut sha = Sha256::new();
    sha.update(b"BRIOSTCK\x01");
    for l in layers {
        field(&mut sha, l.session.as_str().as_bytes());
        sha.update(l.n.to_le_bytes());
    }
    Digest(sha.finalize().into())
}

fn field(sha: &mut Sha256, bytes: &[u8]) {
    sha.update((bytes.len() as u64).to_le_bytes());
    sha.update(bytes);
}

fn time(sha: &mut Sha256, t: Time) {
    sha.update(t.secs.to_le_bytes());
    sha.update(t.nanos.to_le_bytes());
}

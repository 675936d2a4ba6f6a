//! What becomes of one path that both sides changed. Pure: what each side has is handed in.

use std::fmt;

use brio_session::{ChangeKind, Kind};
use serde::{Deserialize, Serialize};

use crate::merge_text::{Labels, Merged, merge_text};

/// Texts up to this size are merged; it is also the largest that a session keeps the original of.
pub(crate) const TEXT_MAX: u64 = 1 << 20;

/// What one side has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) mode: u32,
    pub(crate) content: Content,
}

/// The content of a [`Version`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Dir,
    Symlink(Vec<u8>),
    File {
        size: u64,
        /// `None`: it is no longer kept.
        sha256: Option<[u8; 32]>,
        /// Where it is one: no NUL byte, and not over [`TEXT_MAX`].
        text: Option<Vec<u8>>,
    },
    Other,
}

impl Version {
    pub(crate) fn kind(&self) -> Kind {
        match self.content {
            Content::Dir => Kind::Dir,
            Content::Symlink(_) => Kind::Symlink,
            Content::File { .. } => Kind::File,
            Content::Other => Kind::Other,
        }
    }
}

/// One path, seen from three sides; `None`: nothing is there.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// What we did; `None`: we changed something below, or took its directory away.
    pub(crate) change: Option<ChangeKind>,
    pub(crate) base: Option<Version>,
    pub(crate) ours: Option<Version>,
    pub(crate) theirs: Option<Version>,
}

/// What a path is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// What is there stays: our change is dropped.
    Theirs,
    /// As the session has it, whatever is there.
    Ours,
    /// As it was before either change.
    Base,
    /// A file or directory with its content from one side and this mode.
    Mixed { ours: bool, mode: u32 },
    /// A file with this text and mode.
    Text { bytes: Vec<u8>, mode: u32, marked: bool },
}

/// Why a path cannot be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unmerged {
    /// Both changed the same lines.
    Overlap,
    /// Both changed it, and it is no text, or one over 1 MiB.
    Binary,
    /// Both changed it, and over 20,000 lines lie between the first and the last change.
    Large,
    /// Both made it, and not the same.
    BothAdded,
    /// What it was before either change is not kept, so nobody can say who changed which lines.
    NoAncestor,
    /// Both changed the mode.
    Mode,
    /// We changed it, they removed it.
    RemovedByThem,
    /// We removed it, they changed it.
    RemovedByUs,
    /// Their sides are of different kinds.
    Kind,
    /// Both changed where a symbolic link leads.
    Link,
    /// A directory on its path is gone or another one, or holds something that came since.
    Directory,
    /// The directory that was branched is gone or another one.
    Branch,
    /// A program has it open for writing.
    Busy,
    /// The session read it.
    Read,
    /// It still has the conflict markers of an earlier resolve.
    Markers,
}

impl Unmerged {
    /// As it is written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overlap => "overlap",
            Self::Binary => "binary",
            Self::Large => "large",
            Self::BothAdded => "both-added",
            Self::NoAncestor => "no-ancestor",
            Self::Mode => "mode",
            Self::RemovedByThem => "removed-by-them",
            Self::RemovedByUs => "removed-by-us",
            Self::Kind => "kind",
            Self::Link => "link",
            Self::Directory => "directory",
            Self::Branch => "branch",
            Self::Busy => "busy",
            Self::Read => "read",
            Self::Markers => "markers",
        }
    }
}

impl fmt::Display for Unmerged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overlap => "both changed the same lines",
            Self::Binary => "both changed it, and it is no text of at most 1 MiB",
            Self::Large => "too many lines lie between the changes",
            Self::BothAdded => "both made it, and not the same",
            Self::NoAncestor => "what it was before is not kept",
            Self::Mode => "both changed its mode",
            Self::RemovedByThem => "changed here, removed there",
            Self::RemovedByUs => "removed here, changed there",
            Self::Kind => "the two are of different kinds",
            Self::Link => "both changed where it leads",
            Self::Directory => "its directory is gone, replaced, or not as it was",
            Self::Branch => "the directory that was branched is gone or replaced",
            Self::Busy => "it is being written",
            Self::Read => "it was read, and is another now",
            Self::Markers => "it still has conflict markers",
        })
    }
}

/// What nobody could dispute. With `labels`, texts that overlap carry markers instead of being
/// refused.
pub(crate) fn merge(case: &Case, labels: Option<&Labels>) -> Result<Resolution, Unmerged> {
    let Some(change) = case.change else { return Err(Unmerged::Directory) };
    let (ours, theirs) = match (&case.ours, &case.theirs) {
        (None, None) => return Ok(Resolution::Theirs),
        (None, Some(_)) => return Err(Unmerged::RemovedByUs),
        (Some(_), None) if case.base.is_some() => return Err(Unmerged::RemovedByThem),
        (Some(_), None) => return Err(Unmerged::Directory),
        (Some(ours), Some(theirs)) => (ours, theirs),
    };
    if ours.kind() != theirs.kind() {
        return Err(Unmerged::Kind);
    }
    if ours == theirs && change != ChangeKind::MetaOnly {
        return Ok(Resolution::Theirs);
    }
    let base = case.base.as_ref().filter(|b| b.kind() == ours.kind());
    match (&ours.content, &theirs.content) {
        (Content::File { .. }, Content::File { .. }) => file(change, base, ours, theirs, labels),
        (Content::Dir, Content::Dir) => match base {
            Some(base) => Ok(Resolution::Mixed { ours: false, mode: mode(base, ours, theirs)? }),
            None => Err(Unmerged::BothAdded),
        },
        (Content::Symlink(_), Content::Symlink(_)) => match base {
            // What they did to it was no change of where it leads.
            Some(base) if base.content == theirs.content => Ok(Resolution::Ours),
            Some(base) if base.content == ours.content => Ok(Resolution::Theirs),
            Some(_) => Err(Unmerged::Link),
            None => Err(Unmerged::BothAdded),
        },
        _ => Err(Unmerged::Kind),
    }
}

/// Both are files, and differ.
fn file(
    change: ChangeKind,
    base: Option<&Version>,
    ours: &Version,
    theirs: &Version,
    labels: Option<&Labels>,
) -> Result<Resolution, Unmerged> {
    let (
        Content::File { sha256: our_hash, text: our_text, .. },
        Content::File { sha256, text, .. },
    ) = (&ours.content, &theirs.content)
    else {
        return Err(Unmerged::Kind);
    };
    let Some(base) = base else {
        // Nothing was there, or something of another kind: two texts that begin from nothing.
        return match (labels, our_text, text) {
            (Some(labels), Some(a), Some(b)) if ours.mode == theirs.mode => {
                Ok(text_of(merge_text(b"", a, b, Some(labels))?, ours.mode))
            }
            _ => Err(Unmerged::BothAdded),
        };
    };
    let Content::File { sha256: base_hash, text: base_text, .. } = &base.content else {
        return Err(Unmerged::Kind);
    };
    let mode = mode(base, ours, theirs)?;
    if change == ChangeKind::MetaOnly || (our_hash == sha256 && our_hash.is_some()) {
        return Ok(Resolution::Mixed { ours: false, mode });
    }
    match (base_hash, base_text, our_text, text) {
        (Some(base), ..) if Some(base) == sha256.as_ref() => {
            Ok(Resolution::Mixed { ours: true, mode })
        }
        (Some(base), ..) if Some(base) == our_hash.as_ref() => {
            Ok(Resolution::Mixed { ours: false, mode })
        }
        (_, Some(o), Some(a), Some(b)) => Ok(text_of(merge_text(o, a, b, labels)?, mode)),
        (_, _, Some(_), Some(_)) => Err(Unmerged::NoAncestor),
        _ => Err(Unmerged::Binary),
    }
}

fn text_of(merged: Merged, mode: u32) -> Resolution {
    Resolution::Text { bytes: merged.text, mode, marked: merged.marked }
}

/// The mode after two changes of it.
fn mode(base: &Version, ours: &Version, theirs: &Version) -> Result<u32, Unmerged> {
    match (base.mode, ours.mode, theirs.mode) {
        (_, a, b) if a == b => Ok(a),
        (o, a, b) if o == a => Ok(b),
        (o, a, b) if o == b => Ok(a),
        _ => Err(Unmerged::Mode),
    }
}

/// Ours, over whatever is there. A change of mode or times only is made to what is there now.
pub(crate) fn force(case: &Case) -> Resolution {
    match (&case.ours, &case.theirs, case.change) {
        (Some(ours), Some(theirs), Some(ChangeKind::MetaOnly)) if ours.kind() == theirs.kind() => {
            Resolution::Mixed { ours: false, mode: ours.mode }
        }
        _ => Resolution::Ours,
    }
}

#[cfg(test)]
mod tests;

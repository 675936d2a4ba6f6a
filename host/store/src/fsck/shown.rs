//! What is wrong, in words.

use std::fmt;

use super::Damage;
use crate::key::Kind;

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { kind, hash } => write!(f, "{} {hash} is missing", word(*kind)),
            Self::Corrupt { kind, hash, why } => {
                write!(f, "{} {hash} is corrupt: {why}", word(*kind))
            }
            Self::Content { hash, why } => {
                write!(f, "the chunks of file content {hash} are another content: {why}")
            }
            Self::NoDirectory { tree, path } => {
                write!(f, "tree {tree}: {path} has no directory around it")
            }
            Self::Index { pack, why } => write!(f, "the index of pack {pack}: {why}"),
            Self::Pack { pack, why } => write!(f, "pack {pack}: {why}"),
            Self::Ref { name, why } => write!(f, "{name}: {why}"),
            Self::Landing { position, why } => write!(f, "the record of landing {position}: {why}"),
            Self::Note { path, version, why } => {
                write!(f, "version {version} of note {path}: {why}")
            }
            Self::Projection { session, why } => write!(f, "tree.json of {session}: {why}"),
        }
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Blob => "blob",
        _ => "node",
    }
}

//! Where things lie in a store.

use crate::id::{AttemptId, ProjectId, is_component};
use crate::{Error, Hash, Result};

/// The keys of one project.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    root: String,
}

/// Blobs or tree nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Content of files.
    Blob,
    /// A node of a tree.
    Tree,
}

impl Kind {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
        }
    }

    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Blob => "blobs",
            Self::Tree => "trees",
        }
    }
}

impl Keys {
    /// Of a project.
    pub(crate) fn of(project: &ProjectId) -> Self {
        Self { root: format!("projects/{project}") }
    }

    /// `project.json`.
    pub(crate) fn project(&self) -> String {
        format!("{}/project.json", self.root)
    }

    /// The ref of the head.
    pub(crate) fn head(&self) -> String {
        format!("{}/head", self.root)
    }

    /// The ref of the collector.
    pub(crate) fn gc(&self) -> String {
        format!("{}/gc", self.root)
    }

    /// A blob or a node that lies by itself.
    pub(crate) fn object(&self, kind: Kind, hash: &Hash) -> String {
        let hex = hash.hex();
        format!("{}/{}/{}/{hex}", self.root, kind.folder(), &hex[..2])
    }

    /// All blobs or nodes.
    pub(crate) fn objects(&self, kind: Kind) -> String {
        format!("{}/{}/", self.root, kind.folder())
    }

    /// A pack.
    pub(crate) fn pack(&self, hash: &Hash) -> String {
        let hex = hash.hex();
        format!("{}/packs/{}/{hex}", self.root, &hex[..2])
    }

    /// All packs.
    pub(crate) fn packs(&self) -> String {
        format!("{}/packs/", self.root)
    }

    /// The index of a pack.
    pub(crate) fn index(&self, pack: &Hash) -> String {
        format!("{}/indexes/{}", self.root, pack.hex())
    }

    /// All indexes.
    pub(crate) fn indexes(&self) -> String {
        format!("{}/indexes/", self.root)
    }

    /// The record of a landing.
    pub(crate) fn landing(&self, position: u64, id: &AttemptId) -> String {
        format!("{}/landings/{position:020}-{id}", self.root)
    }

    /// All records of landings at a position.
    pub(crate) fn landings_at(&self, position: u64) -> String {
        format!("{}/landings/{position:020}-", self.root)
    }

    /// All records of landings.
    pub(crate) fn landings(&self) -> String {
        format!("{}/landings/", self.root)
    }

    /// The ref of a session.
    ///
    /// # Errors
    /// When the id could leave its place.
    pub(crate) fn session(&self, id: &str) -> Result<String> {
        Ok(format!("{}/sessions/{}/metadata.json", self.root, component(id)?))
    }

    /// What a session changed.
    ///
    /// # Errors
    /// As [`session`](Self::session).
    pub(crate) fn session_tree(&self, id: &str) -> Result<String> {
        Ok(format!("{}/sessions/{}/tree.json", self.root, component(id)?))
    }

    /// All refs of sessions.
    pub(crate) fn sessions(&self) -> String {
        format!("{}/sessions/", self.root)
    }

    /// The refs of notes.
    pub(crate) fn notes(&self) -> String {
        format!("{}/notes/", self.root)
    }

    /// The ref of a note, by its name there.
    pub(crate) fn note(&self, name: &str) -> String {
        format!("{}/notes/{name}", self.root)
    }

    /// What a writer relies on.
    pub(crate) fn pin(&self, id: &AttemptId) -> String {
        format!("{}/pins/{id}", self.root)
    }

    /// All pins.
    pub(crate) fn pins(&self) -> String {
        format!("{}/pins/", self.root)
    }
}

fn component(id: &str) -> Result<&str> {
    match is_component(id) {
        true => Ok(id),
        false => Err(Error::Input {
            path: id.chars().take(200).collect(),
            why: "no id of a session: letters, digits, `.`, `_` and `-` only".into(),
        }),
    }
}

/// The hash that a key of an object, a pack or an index ends with.
pub(crate) fn hash_of(key: &str) -> Option<Hash> {
    Hash::from_hex(key.rsplit('/').next()?)
}

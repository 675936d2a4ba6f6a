//! What can go wrong between a directory and its project in a store.

use std::path::PathBuf;

use brio_landing::{BeginError, DomainError, LeaseError, SessionError, StoreBindingError};
use brio_share::ShareError;

/// The error of an operation on a project in a store. Its text begins with a stable code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store's, or of what is between it and sessions.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// Of what is between a directory and a tree.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Worktree(#[from] brio_store::worktree::WorktreeError),
    /// The directory cannot be worked on.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// The directory belongs to another project.
    #[error(
        "STORE_BOUND: {} belongs to project {project} in {store}; remove its .brio/store.json if it is to belong to another one",
        base.display()
    )]
    Bound {
        /// The base.
        base: PathBuf,
        /// The project.
        project: String,
        /// Its store.
        store: String,
    },
    /// No name, and none can be made of the directory's.
    #[error(
        "PROJECT_NAME: `{name}` is no name of a project; give one as org/project, in lower-case letters, digits, `.`, `_` and `-`"
    )]
    Name {
        /// What was given, or made.
        name: String,
    },
    /// The project has something, and the directory never held any state of it.
    #[error(
        "NOT_SYNCED: project {project} is at position {position}, and {} was never a state of it, so what it does not have is not to be removed there; check the project out into an empty directory and bring there what is to go in: `brio project checkout DIR --project {project} --store {store}`",
        base.display()
    )]
    NeverSynced {
        /// The base.
        base: PathBuf,
        /// The project.
        project: String,
        /// Its store.
        store: String,
        /// Where its head is.
        position: u64,
    },
    /// What was changed in the directory, others changed too.
    #[error(
        "CONFLICT: {} changed in {} and on the head of {project} too: {}; nothing was imported: `brio project update` brings what others landed, and leaves these to you",
        count(paths.len()), base.display(), list(paths)
    )]
    Conflicts {
        /// The base.
        base: PathBuf,
        /// The project.
        project: String,
        /// The paths, for people.
        paths: Vec<String>,
    },
    /// A tree that is none.
    #[error(
        "TREE_INVALID: `{tree}` is no tree: {why}; give one as `brio project status` and every landing show it, sha256:…"
    )]
    Tree {
        /// What was given.
        tree: String,
        /// Why.
        why: String,
    },
    /// The host's.
    #[error("IO: {what}: {source}")]
    Host {
        /// What was done.
        what: String,
        /// Its error.
        source: std::io::Error,
    },
}

fn count(n: usize) -> String {
    if n == 1 { "1 path was".into() } else { format!("{n} paths were") }
}

fn list(paths: &[String]) -> String {
    let shown: Vec<&str> = paths.iter().take(5).map(String::as_str).collect();
    let more = if paths.len() > shown.len() { ", …" } else { "" };
    shown.join(", ") + more
}

impl StoreError {
    /// The stable code, with which the text begins.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Share(e) => e.code(),
            #[cfg(target_os = "linux")]
            Self::Worktree(e) => e.code(),
            Self::Domain(e) => e.code(),
            Self::Bound { .. } => "STORE_BOUND",
            Self::Name { .. } => "PROJECT_NAME",
            Self::NeverSynced { .. } => "NOT_SYNCED",
            Self::Conflicts { .. } => "CONFLICT",
            Self::Tree { .. } => "TREE_INVALID",
            Self::Host { .. } => "IO",
        }
    }
}

macro_rules! by_share {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(e: $error) -> Self {
                Self::Share(e.into())
            }
        }
    )*};
}

by_share!(brio_store::Error, StoreBindingError, SessionError, LeaseError, BeginError);

//! A project in a content-addressed store.
//!
//! Files are blobs, directories a content-addressed B+ tree, both immutable and named by their
//! SHA-256; what moves is a few *refs*, each by compare-and-swap: a project's head, a session, a
//! note. So a store can be a directory or any S3 server with conditional writes, and many
//! machines share it without anything between them. `FORMAT.md` has every byte.
//!
//! The crate knows trees, not sessions: who stands on a tree, and what of it changed, is told
//! to it in paths and entries.
//!
//! Everything is asynchronous and asks for no particular executor, but a [`Backend`] may: S3
//! needs tokio's.

pub mod backend;
pub mod cache;
mod chance;
pub mod content;
mod doc;
mod envelope;
mod error;
mod file;
mod fsck;
mod gc;
mod hash;
mod head;
mod history;
mod id;
mod key;
mod notes;
mod objects;
mod pack;
mod project;
mod runner;
mod session;
mod spots;
pub mod tree;
mod upload;
mod url;
#[cfg(target_os = "linux")]
pub mod worktree;

pub use backend::{Backend, Listed, Put, Swap, Version};
pub use cache::{DiskCache, Tier};
pub use chance::{Chance, SystemChance};
pub use content::Content;
pub use doc::{
    Base, ChangeWord, Counts, HeadDoc, LandingAttempt, LandingDoc, PathChange, SessionDoc,
    SessionLanding, SessionState, Why,
};
pub use envelope::Compression;
pub use error::{Error, Result};
pub use file::FileContent;
pub use fsck::{Damage, Finding, FsckOptions, FsckProgress, FsckReport, Mend, Need, Severity};
pub use gc::{Dead, GRACE_MIN, GcOptions, GcProgress, GcReport, Root, Tally};
pub use hash::{Hash, Hasher, NoHash};
pub use head::{Conflict, Head, Landed, Landing};
pub use history::Past;
pub use id::{AttemptId, NoProjectId, ProjectId};
pub use key::Kind;
pub use notes::{
    NewNote, NoteBody, NoteBy, NoteDoc, NoteOrigin, NoteSwap, NoteVersion, StoredNote,
};
pub use project::{Clock, Project, Store, StoreOptions, SystemClock};
pub use runner::Runner;
pub use session::NewSession;
pub use upload::{Sealed, Settled, Stored, Upload};
pub use url::StoreUrl;

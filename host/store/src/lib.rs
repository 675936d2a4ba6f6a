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
mod envelope;
mod error;
mod hash;
mod id;
mod key;

pub use backend::{Backend, Listed, Put, Swap, Version};
pub use envelope::Compression;
pub use error::{Error, Result};
pub use hash::Hash;
pub use id::{AttemptId, ProjectId};

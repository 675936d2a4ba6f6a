//! Where a store lies: objects that are written once, and refs that are moved by compare-and-swap.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;

mod directory;
mod memory;
mod names;
mod proof;
mod s3;

pub use directory::Directory;
pub use memory::Memory;
pub use proof::prove;
pub use s3::{Credentials, Patience, S3, S3Options};

/// More than any object that is ever written; what claims to be longer is not read.
const MAX_OBJECT: u64 = 1 << 30;

fn too_large(size: u64) -> String {
    format!("it claims to have {size} bytes, more than any object of a store")
}

/// A place for objects and refs. Keys are relative to the store's prefix; those of refs and of
/// objects are apart.
///
/// An implementation retries what is safe to repeat (see each method), bounds each attempt in
/// time, and says [`Unreachable`](crate::Error::Unreachable) when that was not enough.
#[async_trait]
pub trait Backend: Send + Sync {
    /// For people: its URL.
    fn name(&self) -> String;

    /// An object; `None`: there is none.
    async fn get(&self, key: &str) -> Result<Option<Bytes>>;

    /// Bytes of an object, as many as there are from `offset` on and at most `length`; `None`:
    /// there is no object.
    async fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Bytes>>;

    /// Writes an object durably if there is none. Whoever repeats it after an answer was lost
    /// may be told `Exists` about his own.
    async fn create(&self, key: &str, value: Bytes) -> Result<Put>;

    /// Writes an object durably, whatever was there.
    async fn overwrite(&self, key: &str, value: Bytes) -> Result<()>;

    /// Removes an object; that there is none is no error. An attempt that it repeats itself
    /// because of no answer takes seconds: then the first may yet be done, and whoever must know
    /// looks at the time that it took.
    async fn delete(&self, key: &str) -> Result<()>;

    /// What is known of an object without reading it; `None`: there is none.
    async fn stat(&self, key: &str) -> Result<Option<Listed>>;

    /// The objects whose key begins with `prefix`, in the order of their keys, after `after`;
    /// one page of them. Fewer than [`PAGE`] are the end.
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>>;

    /// A ref; `None`: it was never written, or was removed.
    async fn read_ref(&self, name: &str) -> Result<Option<(Bytes, Version)>>;

    /// Moves a ref durably from `expected` (`None`: it is not there) to `value`, a document with
    /// the id of the attempt in it. Never repeats an attempt whose answer was lost: the caller
    /// reads the ref back, and knows its own attempt. One that is not read may still have been
    /// carried out, and written over since; and it may be yet, until the ref moves.
    async fn swap_ref(&self, name: &str, expected: Option<&Version>, value: Bytes) -> Result<Swap>;

    /// The names of the refs that begin with `prefix`, in order, after `after`; one
    /// page, as of [`list`](Self::list).
    async fn list_refs(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>>;

    /// Removes a ref, if it is still at `expected`.
    async fn delete_ref(&self, name: &str, expected: &Version) -> Result<Swap>;

    /// The time by the clock that stamps [`Listed::modified`].
    async fn now(&self) -> Result<time::OffsetDateTime>;
}

/// How many names a page of a listing has, but for the last one.
pub const PAGE: usize = 1000;

/// What a listing says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: time::OffsetDateTime,
}

/// What became of a [`create`](Backend::create).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is there now.
    Created,
    /// It was there.
    Exists,
}

/// The state of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

/// What became of a [`swap_ref`](Backend::swap_ref).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// It is ours.
    Done(Version),
    /// It was not at the version that was expected, or nobody knows: read it.
    Lost,
}

/// A backend that is shared.
pub type Shared = Arc<dyn Backend>;

//! What a server shows, and where.

use std::sync::Arc;

use brio_session::{FsResult, Lender};

/// What is shown: directories of exports, each of them a view.
///
/// A client finds them as `/exports/<directory>/<name>`, and can mount any directory on the way
/// and below.
pub trait Exports: Send + Sync + 'static {
    /// The directories below `/exports`. At most a thousand, and always the same ones.
    fn directories(&self) -> &[&'static str];

    /// The names that a listing of a directory tells. There may be others, which only open.
    fn list(&self, directory: &str) -> Vec<String>;

    /// What is at a name of a directory, under the one name that it is to have there.
    ///
    /// # Errors
    /// `NotFound`; whatever else keeps it from being opened.
    fn open(&self, directory: &str, name: &str) -> FsResult<Opened>;

    /// What an export stands on: found as `@` in its root, where it has nothing of that name
    /// itself. Listings do not tell it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn base(&self, directory: &str, name: &str) -> FsResult<Arc<dyn Lender>>;

    /// Whether there may still be something at a name: what is gone for good is forgotten.
    fn is_there(&self, directory: &str, name: &str) -> bool;
}

/// An export.
pub struct Opened {
    /// Its name in its directory.
    pub name: String,
    /// Where it gets its view from, for as long as it is used.
    pub lender: Arc<dyn Lender>,
}

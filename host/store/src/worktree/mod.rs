//! A directory and a tree: what a directory holds becomes a tree's entries ([`scan`], [`import`]),
//! is compared with one ([`drift`]), or is made from one ([`checkout`]).
//!
//! A directory is opened once. Everything in it is reached from there; no symbolic link is
//! followed and no mount point crossed, so neither a tree nor somebody who renames things
//! meanwhile leads outside of it.
//!
//! Reading and writing files is done by threads of this module, so that hashing and compressing
//! have all processors; what needs the store is asked for on the caller's executor, or, where
//! there is none, on the thread that needs it.

mod cache;
mod checkout;
mod drift;
mod error;
mod import;
mod pair;
mod progress;
mod read;
mod root;
mod rules;
mod scan;
mod walk;

pub use checkout::{CheckedOut, CheckoutOptions, checkout};
pub use drift::{Change, Drift, Drifted, drift};
pub use error::{WorktreeError, WorktreeResult};
pub use import::import;
pub use progress::{Progress, Told, Watch};
pub use rules::Ignore;
pub use scan::{Scan, ScanOptions, scan};
pub use walk::Noticed;

use crate::tree::{Entry, Key, Tree};
use crate::{Error, Result};

/// The entries of a tree, in order, of which each is in a directory of it: what nodes cannot
/// show of themselves.
async fn entries(tree: &Tree) -> Result<Vec<(Key, Entry)>> {
    let mut out: Vec<(Key, Entry)> = Vec::new();
    tree.each(|k, e| out.push((k.clone(), e.clone()))).await?;
    let bad =
        |key: &Key, why: &str| Err(Error::corrupt(format!("tree {}: {key}", tree.hash()), why));
    let mut dirs = std::collections::HashSet::new();
    let mut before: Option<&Key> = None;
    for (key, entry) in &out {
        if before.is_some_and(|b| b >= key) {
            return bad(key, "it is out of order");
        }
        let neighbours = before.is_some_and(|b| b.dir() == key.dir());
        if !key.dir().is_empty() && !neighbours && !dirs.contains(key.dir()) {
            return bad(key, "its parent is no directory of the tree");
        }
        if entry.is_dir() {
            dirs.insert(key.path());
        }
        before = Some(key);
    }
    Ok(out)
}

/// Runs on a thread of its own.
async fn offload<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (tx, rx) = tokio::sync::oneshot::channel();
    let began = std::thread::Builder::new().name("brio-worktree".into()).spawn(move || {
        // Nobody waits any more: then nobody needs it.
        let _ = tx.send(run());
    });
    began.map_err(|e| Error::host("a thread", e))?;
    rx.await.map_err(|_| Error::host("a thread", std::io::Error::other("it ended too early")))
}

/// Threads for work that is the processor's.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).max(2)
}

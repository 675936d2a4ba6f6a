//! Files of a directory fetched before they are asked for: whoever reads one after another of
//! them, as a search or a build does, waits for the store once in a while and not for each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use brio_session::RelPath;
use brio_store::tree::{Entry, Key};
use brio_store::{Hash, Project, Runner};
use futures_util::StreamExt as _;

/// Files that are fetched ahead of the one that was asked for.
const FILES: usize = 64;
/// Larger ones are not: they may not be read whole.
const LARGEST: u64 = 256 << 10;
/// Requests at a time.
const AT_ONCE: usize = 16;
/// Directories in which somebody reads.
const DIRECTORIES: usize = 256;

/// How far somebody is in directories.
#[derive(Default)]
pub(crate) struct Ahead(Mutex<HashMap<RelPath, Far>>);

#[derive(Clone, Copy)]
struct Far {
    /// The entry that was read last.
    last: usize,
    /// The first that was not asked for.
    next: usize,
}

/// A file that was read.
#[derive(Clone, Copy)]
pub(crate) struct Read {
    /// Which of its directory's entries it is.
    pub(crate) at: usize,
    /// It was not near.
    pub(crate) missed: bool,
}

impl Ahead {
    /// A file was read, the one at `at` in the listing of its directory: which of the next ones
    /// are to be fetched. None, before a second one is missed that comes after a first; from then
    /// on also what was fetched ahead says how far the reader is.
    fn wanted(&self, dir: &RelPath, read: Read, listing: &[(Key, Entry)]) -> Vec<Hash> {
        let Read { at, missed } = read;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(far) = all.get_mut(dir) else {
            if missed {
                if all.len() >= DIRECTORIES {
                    all.clear();
                }
                all.insert(dir.clone(), Far { last: at, next: at + 1 });
            }
            return Vec::new();
        };
        if !missed && at >= far.next {
            return Vec::new();
        }
        let goes_on = at > far.last;
        far.last = at;
        // Half of what was fetched is still before whoever reads.
        if !goes_on || far.next > at + FILES / 2 {
            return Vec::new();
        }
        let from = far.next.max(at + 1);
        let until = (at + 1 + FILES).min(listing.len());
        far.next = until.max(far.next);
        let small = |entry: &Entry| match entry {
            Entry::File { content, .. } if content.depth == 0 && content.size <= LARGEST => {
                (content.size > 0).then_some(content.root)
            }
            _ => None,
        };
        listing.get(from..until).unwrap_or_default().iter().filter_map(|(_, e)| small(e)).collect()
    }

    /// Says that a file was read, and fetches what may be next. Does not wait.
    pub(crate) fn read(
        &self,
        (runner, project): (&Runner, &Project),
        dir: &RelPath,
        read: Read,
        listing: &[(Key, Entry)],
    ) {
        let mut wanted = self.wanted(dir, read, listing);
        wanted.retain(|hash| !project.is_near(hash));
        if wanted.is_empty() {
            return;
        }
        let project = project.clone();
        runner.spawn(async move {
            let fetch = |hash: Hash| {
                let project = project.clone();
                async move {
                    // Whoever reads it asks again, and is told why it cannot be had.
                    let _ = project.blob(&hash).await;
                }
            };
            futures_util::stream::iter(wanted).map(fetch).buffer_unordered(AT_ONCE).count().await;
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use brio_store::Content;

    fn listing(count: usize) -> Vec<(Key, Entry)> {
        let entry = |i: usize| {
            let root = Hash::of(i.to_string().as_bytes());
            let content = Content { hash: root, size: 1, depth: 0, root };
            (
                Key::new(format!("d/{i:04}").as_bytes()).unwrap(),
                Entry::File { mode: 0o644, content },
            )
        };
        (0..count).map(entry).collect()
    }

    fn miss(at: usize) -> Read {
        Read { at, missed: true }
    }

    fn hit(at: usize) -> Read {
        Read { at, missed: false }
    }

    #[test]
    fn who_reads_one_after_another_is_expected() {
        let (ahead, all, dir) = (Ahead::default(), listing(200), RelPath::new(b"d").unwrap());
        let (mut fetched, mut near) = (0, 0);
        let mut asked = Vec::new();
        for at in 0..200 {
            let read = Read { at, missed: at >= near };
            let wanted = ahead.wanted(&dir, read, &all);
            if !wanted.is_empty() {
                asked.push(at);
                near = at + 1 + FILES;
            }
            fetched += wanted.len();
        }
        // Each once, in a few goes, and nothing for the first one.
        assert_eq!((fetched, asked[0]), (198, 1));
        assert!(asked.len() <= 8, "{asked:?}");
    }

    #[test]
    fn who_reads_one_or_goes_back_is_not() {
        let (ahead, all, dir) = (Ahead::default(), listing(200), RelPath::new(b"d").unwrap());
        for at in [150, 100, 100, 3, 1] {
            assert!(ahead.wanted(&dir, miss(at), &all).is_empty(), "{at}");
        }
        assert!(ahead.wanted(&dir, miss(199), &all).is_empty(), "there is no next one");
    }

    #[test]
    fn where_all_is_near_nothing_is_fetched() {
        let (ahead, all, dir) = (Ahead::default(), listing(200), RelPath::new(b"d").unwrap());
        assert!((0..200).all(|at| ahead.wanted(&dir, hit(at), &all).is_empty()));
        // So before and behind what was fetched ahead.
        assert!(ahead.wanted(&dir, miss(10), &all).is_empty());
        assert!((11..50).all(|at| ahead.wanted(&dir, hit(at), &all).is_empty()));
        assert_eq!(ahead.wanted(&dir, miss(50), &all).len(), FILES);
        assert!((51 + FILES..200).all(|at| ahead.wanted(&dir, hit(at), &all).is_empty()));
        assert!(!ahead.wanted(&dir, hit(50 + FILES), &all).is_empty(), "the last that was");
    }
}

//! Directories that are listed in parts.
//!
//! Whoever lists a directory may come back for the rest with nothing but a cookie. So a cookie
//! follows from a name alone: whatever happens to the directory meanwhile, nothing is told twice,
//! and nothing that stays is left out; nor does it matter who keeps what.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{DirEntry, FsResult};

/// How many listings that nobody read to their end are kept.
const KEPT: usize = 32;

/// An entry, and the cookie with which a listing goes on behind it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// 1 for `.` and 2 for `..`; above that for every other name, below 2^63.
    pub cookie: u64,
    /// What is there.
    pub entry: DirEntry,
}

/// Listings that are being read, so that a large directory is not listed for each part of it.
#[derive(Debug, Default)]
pub struct Listings(Mutex<VecDeque<(u64, Arc<Vec<Listed>>)>>);

impl Listings {
    /// The cookie of `..`. Every name's lies above.
    pub const DOTS: u64 = 2;

    /// The listing of directory `key`, and where in it the part behind `cookie` begins; 0 is the
    /// beginning, where it is listed anew. `list` gives `.` and `..`, and then the rest.
    ///
    /// # Errors
    /// Those of `list`.
    pub fn behind(
        &self,
        key: u64,
        cookie: u64,
        list: impl FnOnce() -> FsResult<([DirEntry; 2], Vec<DirEntry>)>,
    ) -> FsResult<(Arc<Vec<Listed>>, usize)> {
        let known = if cookie == 0 { None } else { self.get(key) };
        let entries = match known {
            Some(entries) => entries,
            None => {
                let (dots, names) = list()?;
                let dots = (1..).zip(dots).map(|(cookie, entry)| Listed { cookie, entry });
                let entries = Arc::new(dots.chain(in_order(names)).collect());
                self.put(key, &entries);
                entries
            }
        };
        let from = entries.partition_point(|listed| listed.cookie <= cookie);
        if from == entries.len() {
            self.ended(key, &entries);
        }
        Ok((entries, from))
    }

    /// Whoever was told that there is nothing behind what he has got does not ask for that. If he
    /// asks for the last part again, it is listed anew.
    pub fn ended(&self, key: u64, entries: &Arc<Vec<Listed>>) {
        self.lock().retain(|(of, kept)| *of != key || !Arc::ptr_eq(kept, entries));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, Arc<Vec<Listed>>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, key: u64, entries: &Arc<Vec<Listed>>) {
        let mut kept = self.lock();
        kept.retain(|(of, _)| *of != key);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((key, entries.clone()));
    }

    fn get(&self, key: u64) -> Option<Arc<Vec<Listed>>> {
        self.lock().iter().find(|(of, _)| *of == key).map(|(_, entries)| entries.clone())
    }
}

/// FNV-1a, and the finalizer of MurmurHash3, which spreads what differs in the last bytes only.
/// Part of what clients hold while a server is replaced by another version of itself.
fn hash(name: &[u8]) -> u64 {
    let fnv = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut h = name.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        h = (h ^ (h >> 33)).wrapping_mul(factor);
    }
    h ^ (h >> 33)
}

/// In the order of their cookies.
fn in_order(names: Vec<DirEntry>) -> impl Iterator<Item = Listed> {
    // Cookies are signed where a kernel has them as offsets.
    let cookie = |name: &[u8]| (hash(name) >> 2) + Listings::DOTS + 1;
    let mut all: Vec<_> =
        names.into_iter().map(|entry| Listed { cookie: cookie(&entry.name), entry }).collect();
    all.sort_unstable_by(|a, b| (a.cookie, &a.entry.name).cmp(&(b.cookie, &b.entry.name)));
    let mut last = Listings::DOTS;
    all.into_iter().map(move |listed| {
        // Two names of one hash have cookies of their own, too.
        last = listed.cookie.max(last + 1);
        Listed { cookie: last, ..listed }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn cookies_follow_from_names_and_are_each_one_names() {
        let entries = |names: &[&str]| -> Vec<_> {
            let entry = |n: &&str| DirEntry { name: (*n).into(), kind: Kind::File, ino: 9 };
            in_order(names.iter().map(entry).collect()).collect()
        };
        let all = entries(&["a", "b", "c", "d"]);
        assert!(all.is_sorted_by(|a, b| a.cookie < b.cookie) && all[0].cookie > Listings::DOTS);
        assert!(all.iter().all(|listed| i64::try_from(listed.cookie).is_ok()));
        for listed in entries(&["d", "x", "a"]) {
            let same = all.iter().find(|l| l.entry.name == listed.entry.name);
            assert!(same.is_none_or(|l| l.cookie == listed.cookie));
        }
        // Of one hash: what no name does of itself in less than 2^31 tries.
        assert!(entries(&["a", "a"]).is_sorted_by(|a, b| a.cookie < b.cookie));
    }

    #[test]
    fn what_was_read_to_its_end_is_not_kept() {
        let listings = Listings::default();
        let entry = |n: &str, kind| DirEntry { name: n.into(), kind, ino: 9 };
        let list = |listings: &Listings, cookie| {
            let dots = [entry(".", Kind::Dir), entry("..", Kind::Dir)];
            let names = ["a", "b"].map(|n| entry(n, Kind::File)).into();
            listings.behind(1, cookie, || Ok((dots, names))).unwrap()
        };
        let is_kept = |entries: &Arc<Vec<Listed>>| Arc::strong_count(entries) > 1;
        let (old, _) = list(&listings, 0);
        let (all, _) = list(&listings, 0);
        listings.ended(1, &old);
        assert!(is_kept(&all), "that is another one by now");
        let (same, from) = list(&listings, all[2].cookie);
        assert!(Arc::ptr_eq(&same, &all) && from == 3);
        drop(same);
        listings.ended(1, &all);
        assert!(!is_kept(&all));
        let (again, from) = list(&listings, all[2].cookie);
        assert_eq!((again[from].cookie, again.len()), (all[3].cookie, 4));
        assert_eq!(list(&listings, again[3].cookie).1, 4);
        assert!(!is_kept(&again));
    }

    #[test]
    fn cookies_are_the_same_in_every_version() {
        assert_eq!(hash(b"README.md"), 0x1090_888e_3e0f_deed);
    }
}

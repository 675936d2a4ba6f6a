//! The directory that a tree is checked out into: whether it may be, and what is there already.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _};

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, chmodat, flock, fsync, openat, unlinkat,
};
use rustix::io::Errno;

use super::super::progress::Pace;
use super::super::root::{Is, Look, Root};
use super::super::walk::names;
use super::super::{WorktreeError, WorktreeResult};
use crate::tree::{Entry, Key, shown};
use crate::{Error, Hash, Project};

/// While it lies there, the directory holds a part of a tree.
const MARKER: &[u8] = b".brio-checkout";
/// The same to a file system that does not tell upper from lower case.
const MARKER_UPPER: &[u8] = b".BRIO-CHECKOUT";

/// A directory that is ours to fill.
pub(super) struct Place {
    /// Locked, as long as we work.
    _marker: File,
    there: HashMap<Key, Look>,
}

impl Place {
    /// Takes a directory that is empty, or holds a part of this tree.
    pub(super) fn take(
        root: &Root,
        project: &Project,
        tree: Hash,
        entries: &[(Key, Entry)],
        pace: &Pace,
    ) -> WorktreeResult<Self> {
        if let Some((key, _)) =
            entries.iter().find(|(k, _)| k.dir().is_empty() && k.name() == MARKER)
        {
            let why =
                "the name marks a directory that is being checked out, so it cannot be".into();
            return Err(Error::Input { path: key.to_string(), why }.into());
        }
        let mut buffer = Vec::with_capacity(64 << 10);
        let mut found = names(root, &mut buffer).map_err(|e| WorktreeError::read(b"", e))?;
        found.sort_unstable();
        let marked = found.iter().any(|n| n == MARKER);
        found.retain(|n| n != MARKER);
        if let (Some(first), false) = (found.first(), marked) {
            return Err(WorktreeError::InTheWay { path: shown(first) });
        }
        let bad = |e: std::io::Error| WorktreeError::write(MARKER, e);
        let how =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let marker = openat(root, MARKER, how, Mode::RUSR | Mode::WUSR);
        let mut marker = File::from(marker.map_err(|e| bad(e.into()))?);
        match flock(&marker, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(WorktreeError::AtWork),
            Err(e) => return Err(bad(e.into())),
        }
        // Whoever had it may have been done just now.
        let same = Look::at(root, MARKER).is_ok_and(|a| {
            Look::at(&marker, b"")
                .is_ok_and(|b| a.print.ino == b.print.ino && b.print.is == Is::File)
        });
        if !same {
            return Err(WorktreeError::AtWork);
        }
        let what = format!("tree {tree} of {}", project.id());
        let text = format!("brio-checkout 1\n{what}\n");
        let mut there = String::new();
        (&mut marker).take(4096).read_to_string(&mut there).map_err(bad)?;
        if there != text {
            // It is written before all else: one that is not whole stands for nothing.
            if let Some(first) = found.first() {
                let other =
                    there.strip_prefix("brio-checkout 1\n").and_then(|t| t.strip_suffix('\n'));
                return Err(match other {
                    Some(other) => WorktreeError::Unfinished { found: other.into(), wanted: what },
                    None => WorktreeError::InTheWay { path: shown(first) },
                });
            }
            marker.set_len(0).map_err(bad)?;
            std::io::Seek::rewind(&mut marker).map_err(bad)?;
            marker.write_all(text.as_bytes()).map_err(bad)?;
            fsync(&marker).map_err(|e| bad(e.into()))?;
            root.sync().map_err(|e| bad(e.into()))?;
        }
        let place = Self { _marker: marker, there: existing(root, entries, pace)? };
        if Look::at(root, MARKER_UPPER).is_ok() {
            one_name(entries)?;
        }
        Ok(place)
    }

    /// What was there at a path before we began.
    pub(super) fn has(&self, key: &Key) -> Option<&Look> {
        self.there.get(key)
    }

    /// Something is there that was not when we began: another name of the tree that is the same
    /// to the file system, or somebody's who works there.
    pub(super) fn taken(&self, key: &Key, entries: &[(Key, Entry)]) -> WorktreeError {
        let folded = fold(key);
        let other = entries.iter().map(|(k, _)| k).find(|k| *k != key && fold(k) == folded);
        match other {
            Some(other) => one(other, key),
            None => WorktreeError::InTheWay { path: key.to_string() },
        }
    }

    /// All of the tree is there.
    pub(super) fn leave(self, root: &Root) -> WorktreeResult<()> {
        unlinkat(root, MARKER, AtFlags::empty())
            .and_then(|()| root.sync())
            .map_err(|e| WorktreeError::write(MARKER, e))
    }
}

/// What a checkout that was cut off left; whatever it did not make is in the way.
fn existing(
    root: &Root,
    entries: &[(Key, Entry)],
    pace: &Pace,
) -> WorktreeResult<HashMap<Key, Look>> {
    let mut out = HashMap::new();
    let mut buffer = Vec::with_capacity(64 << 10);
    let mut dirs = vec![Vec::new()];
    while let Some(path) = dirs.pop() {
        pace.go_on()?;
        let bad = |e: Errno| WorktreeError::read(&path, e);
        let dir = root.dir(&path).map_err(bad)?;
        for name in names(&dir, &mut buffer).map_err(bad)? {
            if path.is_empty() && name == MARKER {
                continue;
            }
            let in_the_way =
                || WorktreeError::InTheWay { path: shown(&[&path[..], &name].join(&b'/')) };
            let look = Look::at(&dir, &name).map_err(bad)?;
            let key = Key::from_parts(&path, &name).ok_or_else(in_the_way)?;
            let wanted = entries.binary_search_by(|(k, _)| k.cmp(&key)).map(|i| &entries[i].1);
            let ours = match wanted {
                Ok(Entry::Dir { .. }) => look.print.is == Is::Dir,
                Ok(Entry::File { .. }) => look.print.is == Is::File,
                Ok(Entry::Link { .. }) => look.print.is == Is::Link,
                Err(_) => false,
            };
            if !ours || root.is_elsewhere(&look) {
                return Err(in_the_way());
            }
            if look.print.is == Is::Dir {
                make_accessible(&dir, &name, &look, 0o700).map_err(bad)?;
                dirs.push(key.path());
            }
            out.insert(key, look);
        }
    }
    Ok(out)
}

/// Gives what was made, and has its mode already, back to its owner.
pub(super) fn make_accessible(
    dir: impl AsFd,
    name: &[u8],
    look: &Look,
    needed: u16,
) -> rustix::io::Result<()> {
    if look.print.mode & needed == needed {
        return Ok(());
    }
    let fd = openat(dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if Look::at(&fd, b"")?.print.is != look.print.is {
        return Err(Errno::LOOP);
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    chmodat(CWD, path, Mode::from_raw_mode(u32::from(needed)), AtFlags::empty())
}

/// A path as file systems have it that do not tell upper from lower case.
fn fold(key: &Key) -> Vec<u8> {
    let path = key.path();
    match std::str::from_utf8(&path) {
        Ok(path) => path.to_lowercase().into_bytes(),
        Err(_) => path.to_ascii_lowercase(),
    }
}

/// That no two paths are one.
fn one_name(entries: &[(Key, Entry)]) -> WorktreeResult<()> {
    let mut seen: HashMap<Vec<u8>, &Key> = HashMap::new();
    for (key, _) in entries {
        if let Some(other) = seen.insert(fold(key), key) {
            return Err(one(other, key));
        }
    }
    Ok(())
}

fn one(first: &Key, second: &Key) -> WorktreeError {
    WorktreeError::OneName { first: first.to_string(), second: second.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_alone_are_one() {
        let entry = Entry::Dir { mode: 0o755 };
        let of = |names: &[&str]| {
            let all: Vec<_> =
                names.iter().map(|n| (Key::new(n.as_bytes()).unwrap(), entry.clone())).collect();
            one_name(&all).map_err(|e| e.code())
        };
        assert_eq!(of(&["a", "b", "a/A", "b/A"]), Ok(()));
        assert_eq!(of(&["Makefile", "makefile"]), Err("CHECKOUT_NAMES"));
        assert_eq!(of(&["\u{c4}/x", "\u{e4}/X"]), Err("CHECKOUT_NAMES"));
    }
}

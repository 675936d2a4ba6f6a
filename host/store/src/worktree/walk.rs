//! What lies in a directory, without reading files.

use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use rustix::fs::{RawDir, readlinkat};
use rustix::io::Errno;

use super::progress::Pace;
use super::root::{Is, Look, Print, Root};
use super::rules::{GITS, Ignore, Rules};
use super::{WorktreeError, WorktreeResult};
use crate::tree::{Entry, Key, shown};

/// Something that a person should know of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Noticed {
    /// What belongs to git is left out; told once.
    Git(Key),
    /// A socket, a pipe or a device is left out.
    Special(Key),
    /// What is mounted there is left out.
    Mount(Key),
    /// It kept changing while it was read: what was read may be neither its old nor its new
    /// content.
    Changing(Key),
}

impl std::fmt::Display for Noticed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Git(key) => write!(f, "{key}: left out, it is git's"),
            Self::Special(key) => {
                write!(f, "{key}: left out, it is neither file, directory nor link")
            }
            Self::Mount(key) => write!(f, "{key}: left out, something else is mounted there"),
            Self::Changing(key) => write!(f, "{key}: it kept changing while it was read"),
        }
    }
}

/// Something that was found.
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) print: Print,
    /// Of a link.
    target: Vec<u8>,
}

impl Found {
    /// What it is in a tree; `None` of a file, whose content is not known yet.
    pub(super) fn entry(&self) -> Option<Entry> {
        match self.print.is {
            Is::Dir => Some(Entry::Dir { mode: self.print.mode }),
            Is::Link => Some(Entry::Link { target: self.target.clone() }),
            Is::File | Is::Special => None,
        }
    }
}

/// What was found, in the order of a tree.
pub(super) struct Walked {
    pub(super) found: Vec<Found>,
    pub(super) noticed: Vec<Noticed>,
    rules: Rules,
    left: HashSet<Key>,
}

impl Walked {
    /// Whether the walk says nothing of a path, the directory around it being one that it found.
    pub(super) fn left_out(&self, key: &Key, is_dir: bool) -> bool {
        key.name() == b".git" || self.left.contains(key) || self.rules.leave_out(key, is_dir)
    }
}

/// Walks.
pub(super) fn walk(root: &Root, ignore: Ignore, pace: &Pace) -> WorktreeResult<Walked> {
    let rules = Rules::of(root, ignore)?;
    let (found, noticed, left) = (Vec::new(), Vec::new(), HashSet::new());
    let mut walked = Walked { found, noticed, rules, left };
    let mut gone = HashSet::new();
    let mut dirs = vec![Vec::new()];
    let mut buffer = Vec::with_capacity(64 << 10);
    while let Some(path) = dirs.pop() {
        pace.go_on()?;
        match root.dir(&path) {
            Ok(fd) => directory(root, &fd, &path, &mut walked, &mut dirs, &mut buffer)?,
            // It was removed, or is none any more, since its name was read.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if !path.is_empty() => {
                gone.insert(path);
            }
            Err(e) => return Err(WorktreeError::read(&path, e)),
        }
    }
    if !gone.is_empty() {
        walked.found.retain(|f| f.print.is != Is::Dir || !gone.contains(&f.key.path()));
    }
    walked.found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(walked)
}

fn directory(
    root: &Root,
    fd: impl AsFd,
    path: &[u8],
    walked: &mut Walked,
    dirs: &mut Vec<Vec<u8>>,
    buffer: &mut Vec<u8>,
) -> WorktreeResult<()> {
    let names = names(&fd, buffer).map_err(|e| WorktreeError::read(path, e))?;
    if names.iter().any(|n| n == GITS) {
        walked.rules.enter(path, &fd);
    }
    for name in names {
        if name == b".brio" {
            continue;
        }
        let key = Key::from_parts(path, &name).ok_or_else(|| WorktreeError::Name {
            path: shown(&[path, &name].join(&b'/')),
            why: "its path is over 4096 bytes".into(),
        })?;
        if name == b".git" {
            if !walked.noticed.iter().any(|n| matches!(n, Noticed::Git(_))) {
                walked.noticed.push(Noticed::Git(key));
            }
            continue;
        }
        let look = match Look::at(&fd, &name) {
            Ok(look) => look,
            Err(Errno::NOENT) => continue,
            Err(e) => return Err(WorktreeError::read(&key.path(), e)),
        };
        let is = look.print.is;
        if walked.rules.leave_out(&key, is == Is::Dir) {
            continue;
        }
        if root.is_elsewhere(&look) {
            walked.left.insert(key.clone());
            walked.noticed.push(Noticed::Mount(key));
            continue;
        }
        let mut target = Vec::new();
        match is {
            Is::File => {}
            Is::Dir => dirs.push(key.path()),
            Is::Link => match readlinkat(&fd, name.as_slice(), Vec::new()) {
                Ok(found) => target = found.into_bytes(),
                // Replaced meanwhile.
                Err(Errno::NOENT | Errno::INVAL) => continue,
                Err(e) => return Err(WorktreeError::read(&key.path(), e)),
            },
            Is::Special => {
                walked.left.insert(key.clone());
                walked.noticed.push(Noticed::Special(key));
                continue;
            }
        }
        let found = Found { key, print: look.print, target };
        if let Some(entry) = found.entry()
            && !entry.is_valid()
        {
            let why = "its target is over 4095 bytes".into();
            return Err(WorktreeError::Name { path: found.key.to_string(), why });
        }
        walked.found.push(found);
    }
    Ok(())
}

/// The names in a directory.
pub(super) fn names(fd: impl AsFd, buffer: &mut Vec<u8>) -> rustix::io::Result<Vec<Vec<u8>>> {
    let spare: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
    let mut entries = RawDir::new(fd, spare);
    let mut out = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            out.push(name.to_vec());
        }
    }
    Ok(out)
}

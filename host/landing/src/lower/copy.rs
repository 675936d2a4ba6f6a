//! Copies a directory until nothing of it changed during a whole pass: then the copy is what
//! the directory was at one point in time.
//!
//! Every pass takes a marker time first, looks at everything, and copies anew what is not as
//! the pass before recorded it, or what had changed so shortly before its copy that a later
//! change could bear the same time. A pass that copies nothing proves that each path was, at
//! the marker, what the copy holds. A stat before and after a copy misses a file that is
//! being written; the kernel's read lease does not.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use brio_session::{Fingerprint, Kind, Op, RelPath, Time, copy_content};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::index::{Content, Entry, Index, file_name};
use super::walk::{Seen, Source, Walked};
use crate::BeginError;
use crate::busy::{Leased, leased};
use crate::errors::Doing;
use crate::look::Look;

pub(super) struct Copier<'a> {
    source: &'a Source<'a>,
    files: OwnedFd,
    reflink: bool,
    last: Option<Pass>,
    next: u64,
    copied: HashSet<u64>,
    pub(super) bytes_copied: u64,
    unleased: HashSet<u64>,
}

struct Pass {
    marker: Time,
    index: Index,
}

/// What one pass keeps in mind.
struct Round {
    /// By inode: the file of the copy, and what it was made from.
    links: HashMap<u64, (u64, Fingerprint)>,
    fresh: u64,
}

impl<'a> Copier<'a> {
    /// Copies into the directory `files`.
    pub(super) fn new(source: &'a Source<'a>, files: OwnedFd, reflink: bool) -> Self {
        Self {
            source,
            files,
            reflink,
            last: None,
            next: 0,
            copied: HashSet::new(),
            bytes_copied: 0,
            unleased: HashSet::new(),
        }
    }

    /// How many bytes a full copy takes.
    pub(super) fn estimate(source: &Source<'_>) -> Result<u64, BeginError> {
        let (mut bytes, mut seen) = (0u64, HashSet::new());
        source.walk(|_, _, look| {
            if look.kind() == Kind::File && (look.nlink() < 2 || seen.insert(look.ino())) {
                // Holes stay holes.
                bytes = bytes.saturating_add(look.size().min(look.bytes_on_disk()));
            }
            Ok(Seen::Is(Content::None))
        })?;
        Ok(bytes)
    }

    /// One pass, after `marker`. `None`: the copy is complete; else what has changed.
    pub(super) fn pass(&mut self, marker: Time) -> Result<Option<RelPath>, BeginError> {
        let last = self.last.take();
        let mut round = Round { links: HashMap::new(), fresh: 0 };
        let mut first_fresh = None;
        let source = self.source;
        let walked = source.walk(|dir, path, look| {
            let old = last.as_ref().and_then(|l| {
                let e = l.index.entry(path)?;
                // What changed after that pass began may have changed after its copy as well.
                (e.fingerprint.ctime < l.marker || look.kind() == Kind::Dir).then_some(e)
            });
            let before = round.fresh;
            let seen = self.entry(dir, path, look, old, &mut round);
            if round.fresh != before && first_fresh.is_none() {
                first_fresh = Some(path.clone());
            }
            seen
        })?;
        let Walked { index, changing } = walked;
        let changed = changing.or(first_fresh).or_else(|| match &last {
            Some(l) => difference(&l.index, &index),
            None => Some(RelPath::root()),
        });
        self.last = Some(Pass { marker, index });
        Ok(changed)
    }

    fn entry(
        &mut self,
        dir: &OwnedFd,
        path: &RelPath,
        look: &Look,
        old: Option<&Entry>,
        round: &mut Round,
    ) -> io::Result<Seen> {
        let now = look.fingerprint();
        let old = old.filter(|e| e.fingerprint.same_as(&now));
        let name = path.split().map_or(&b""[..], |(_, name)| name);
        match now.kind {
            Kind::Dir | Kind::Other => Ok(Seen::Is(Content::None)),
            Kind::Symlink => match rustix::fs::readlinkat(dir, name, Vec::new()) {
                Ok(target) => {
                    round.fresh += u64::from(old.is_none());
                    Ok(Seen::Is(Content::Link(target.into_bytes())))
                }
                Err(Errno::NOENT | Errno::INVAL) => Ok(Seen::Changing),
                Err(e) => Err(e.into()),
            },
            Kind::File => {
                if let Some((n, made_from)) = round.links.get(&now.ino) {
                    // Another name of what this pass has seen already.
                    let same = made_from.same_as(&now);
                    return Ok(if same { Seen::Is(Content::File(*n)) } else { Seen::Changing });
                }
                let content = match old.map(|e| &e.content) {
                    Some(content) => content.clone(),
                    None => match self.copy(dir, name, &now)? {
                        Some(content) => {
                            round.fresh += 1;
                            content
                        }
                        None => return Ok(Seen::Changing),
                    },
                };
                if let Content::File(n) = content
                    && now.nlink > 1
                {
                    round.links.insert(now.ino, (n, now));
                }
                Ok(Seen::Is(content))
            }
        }
    }

    /// Copies a file. `None`: somebody writes to it, or it is another one by now.
    fn copy(
        &mut self,
        dir: &OwnedFd,
        name: &[u8],
        seen: &Fingerprint,
    ) -> io::Result<Option<Content>> {
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let from = match openat(dir, name, how, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::ACCESS) => return Ok(Some(Content::Closed)),
            Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let n = self.next;
        self.next += 1;
        let disk = &self.source.state.disk;
        let to = disk.create(&self.files, file_name(n).as_bytes(), 0o600)?;
        let copied = leased(from.as_fd(), || -> io::Result<(u64, bool)> {
            let look = Look::of(&from)?;
            if !look.fingerprint().same_as(seen) {
                return Ok((0, false));
            }
            let bytes = disk.0.pass(Op::Clone, || copy_content(&from, &to, self.reflink), || 0)?;
            Ok((bytes, Look::of(&from)?.fingerprint().same_as(seen)))
        });
        let (bytes, same) = match copied {
            Leased::Busy => (0, false),
            Leased::Held(done) => done?,
            // Whoever opened it waits for us, but not for ever.
            Leased::Broken(done) => (done?.0, false),
            Leased::Without(done) => {
                self.unleased.insert(n);
                done?
            }
        };
        if !same {
            disk.unlink(&self.files, file_name(n).as_bytes())?;
            return Ok(None);
        }
        self.bytes_copied += bytes;
        self.copied.insert(n);
        Ok(Some(Content::File(n)))
    }

    /// The complete copy, and how many of its files were copied without a lease. Files that
    /// an earlier pass made and a later one did not keep are removed.
    pub(super) fn finish(&mut self) -> Result<(&Index, u64), BeginError> {
        let Some(last) = &self.last else {
            return Err(BeginError::Changing { path: RelPath::root() });
        };
        let mut kept = HashSet::new();
        for e in last.index.dirs.iter().flat_map(|d| &d.entries) {
            if let Content::File(n) = e.content {
                kept.insert(n);
            }
        }
        for n in self.copied.difference(&kept) {
            let name = file_name(*n);
            self.source.state.disk.unlink(&self.files, name.as_bytes()).doing(name)?;
        }
        self.copied.retain(|n| kept.contains(n));
        Ok((&last.index, self.unleased.intersection(&kept).count() as u64))
    }
}

/// A path that two passes saw differently. Times of directories move with what is excluded.
fn difference(a: &Index, b: &Index) -> Option<RelPath> {
    let (long, short) = if a.dirs.len() < b.dirs.len() { (b, a) } else { (a, b) };
    for (x, y) in a.dirs.iter().zip(&b.dirs) {
        if x.path != y.path {
            return Some(x.path.clone().min(y.path.clone()));
        }
        let same = |(e, f): (&Entry, &Entry)| {
            e.name == f.name && e.fingerprint.same_as(&f.fingerprint) && e.content == f.content
        };
        if x.closed != y.closed || x.entries.len() != y.entries.len() {
            return Some(x.path.clone());
        }
        let mut pairs = x.entries.iter().zip(&y.entries);
        if let Some((e, _)) = pairs.find(|pair| !same(*pair)) {
            return Some(x.path.join(&e.name));
        }
    }
    match long.dirs.get(short.dirs.len()) {
        Some(more) => Some(more.path.clone()),
        None => (!a.root.same_as(&b.root)).then(RelPath::root),
    }
}

//! From the path that a guest gave to a place in the layers.
//!
//! Links are followed here, inside the view; `..` and links never lead above the directory
//! that the look-up started from.

use std::collections::VecDeque;

use crate::sealed::Stack;
use crate::tree::{Body, Child, Ref};
use crate::{FsError, FsResult, Kind, Meta, STATE_DIR, check_name};

pub(crate) const PATH_MAX: usize = 4096;
pub(crate) const MAX_LINKS: usize = 40;

/// The name under which version control keeps what tools execute.
pub(crate) const VCS_DIR: &[u8] = b".git";

/// Where a path leads.
pub(crate) struct Place {
    /// The directory that holds the last component.
    pub dir: Ref,
    /// The last component; empty when the path leads to where it started, or through `..`.
    pub name: Vec<u8>,
    /// What is there.
    pub at: Option<(Ref, Meta)>,
    /// It is, or lies below, a `.git`.
    pub protected: bool,
    /// The path ended in `/` or `/.`: it means a directory.
    pub must_dir: bool,
}

impl Place {
    /// What is there, or `NotFound`.
    pub(crate) fn found(self) -> FsResult<(Ref, Meta)> {
        self.at.ok_or(FsError::NotFound)
    }

    /// Whether something may be made under this name.
    pub(crate) fn free_name(&self) -> FsResult<()> {
        if self.at.is_some() || self.name.is_empty() {
            return Err(FsError::Exists);
        }
        if self.name == STATE_DIR.as_bytes() {
            return Err(FsError::NotPermitted);
        }
        check_name(&self.name)
    }
}

#[derive(Clone)]
struct Spot {
    at: Ref,
    protected: bool,
}

pub(crate) fn resolve(
    stack: &Stack,
    start: &Ref,
    protected: bool,
    path: &[u8],
    follow: bool,
) -> FsResult<Place> {
    if path.is_empty() {
        return Err(FsError::NotFound);
    }
    if path[0] == b'/' {
        return Err(FsError::NotPermitted);
    }
    if path.len() > PATH_MAX {
        return Err(FsError::NameTooLong);
    }
    if path.contains(&0) {
        return Err(FsError::Invalid);
    }
    let mut must_dir = path.ends_with(b"/") || path.ends_with(b"/.") || path == b".";
    let path = bare(path);
    if let Some(place) = plain(stack, start, protected, path, follow)? {
        return Ok(place);
    }
    let mut todo: VecDeque<Vec<u8>> = VecDeque::new();
    push_front(&mut todo, path)?;
    let start = stack.tree.canonical(start.clone());
    let mut trail = vec![Spot { at: start, protected }];
    let mut links = 0;

    loop {
        let Some(here) = trail.last().cloned() else { return Err(FsError::NotPermitted) };
        let Some(name) = todo.pop_front() else {
            let meta = stack.meta(&here.at)?;
            if must_dir && meta.kind != Kind::Dir {
                return Err(FsError::NotDirectory);
            }
            return Ok(Place {
                dir: here.at.clone(),
                name: Vec::new(),
                at: Some((here.at, meta)),
                protected: here.protected,
                must_dir,
            });
        };
        if name == b"." {
            continue;
        }
        if name == b".." {
            if trail.len() == 1 {
                return Err(FsError::NotPermitted);
            }
            trail.pop();
            continue;
        }
        let last = todo.is_empty();
        let protected = here.protected || name == VCS_DIR;
        if name == STATE_DIR.as_bytes() {
            let place = Place { dir: here.at, name, at: None, protected, must_dir };
            return if last { Ok(place) } else { Err(FsError::NotFound) };
        }
        // What no layer touched is asked for in one go.
        if let (Ref::Lower(p), false) = (&here.at, last)
            && !todo.iter().any(|n| n == b".." || n == b"." || n == STATE_DIR.as_bytes())
        {
            let mut parent = p.join(&name);
            let (mut protected, end) = (protected, todo.len() - 1);
            for n in todo.iter().take(end) {
                protected |= n == VCS_DIR;
                parent = parent.join(n);
            }
            let tail = todo[end].clone();
            let whole = parent.join(&tail);
            protected |= tail == VCS_DIR;
            match stack.below.stat(&whole) {
                Ok(m) if m.kind != Kind::Symlink || (!follow && !must_dir) => {
                    if must_dir && m.kind != Kind::Dir {
                        return Err(FsError::NotDirectory);
                    }
                    let at = Some((Ref::Lower(whole), m));
                    return Ok(Place {
                        dir: Ref::Lower(parent),
                        name: tail,
                        at,
                        protected,
                        must_dir,
                    });
                }
                Err(FsError::NotFound) => {
                    let dir = stack.below.stat(&parent)?;
                    if dir.kind == Kind::Dir {
                        let dir = Ref::Lower(parent);
                        return Ok(Place { dir, name: tail, at: None, protected, must_dir });
                    }
                }
                Ok(_) | Err(FsError::NotDirectory) => {}
                Err(e) => return Err(e),
            }
        }
        let found = match stack.tree.step(&here.at, &name) {
            None => None,
            Some(r) => match stack.meta(&r) {
                Ok(m) => Some((r, m)),
                Err(FsError::NotFound) => None,
                Err(e) => return Err(e),
            },
        };
        let Some((r, m)) = found else {
            if matches!(stack.meta(&here.at)?.kind, Kind::Dir) && last {
                return Ok(Place { dir: here.at, name, at: None, protected, must_dir });
            }
            return Err(FsError::NotFound);
        };
        match m.kind {
            Kind::Symlink if !last || follow || must_dir => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(FsError::Loop);
                }
                let target = stack.read_link_ref(&r)?;
                if target.first() == Some(&b'/') {
                    return Err(FsError::NotPermitted);
                }
                if last && (target.ends_with(b"/") || target.ends_with(b"/.")) {
                    must_dir = true;
                }
                push_front(&mut todo, &target)?;
            }
            Kind::Dir if !last => trail.push(Spot { at: r, protected }),
            _ if !last => return Err(FsError::NotDirectory),
            kind => {
                if must_dir && kind != Kind::Dir {
                    return Err(FsError::NotDirectory);
                }
                return Ok(Place { dir: here.at, name, at: Some((r, m)), protected, must_dir });
            }
        }
    }
}

/// The path without a `./` that it begins with, as a walk of `.` makes them.
fn bare(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"./") {
        match rest.iter().position(|b| *b != b'/') {
            Some(i) => path = &rest[i..],
            None => break,
        }
    }
    path
}

/// The common case without the bookkeeping: a plain path to something that is there, through
/// real directories. `None`: not that case.
fn plain(
    stack: &Stack,
    start: &Ref,
    mut protected: bool,
    path: &[u8],
    follow: bool,
) -> FsResult<Option<Place>> {
    for name in path.split(|b| *b == b'/') {
        if matches!(name, b"" | b"." | b"..") || name == STATE_DIR.as_bytes() || name.len() > 255 {
            return Ok(None);
        }
        protected |= name == VCS_DIR;
    }
    let cut = path.iter().rposition(|b| *b == b'/');
    let name = &path[cut.map_or(0, |i| i + 1)..];
    let mut at = stack.tree.canonical(start.clone());
    let mut rest = path;
    let (dir, at) = loop {
        let lower = match &at {
            Ref::Lower(p) => Some(p.join(rest)),
            Ref::Node(id) => {
                let Some(node) = stack.tree.nodes.get(id) else { return Ok(None) };
                let end = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
                match (node.children.get(&rest[..end]), &node.body) {
                    (Some(Child::Node(next)), _) => {
                        let next = Ref::Node(*next);
                        if end == rest.len() {
                            break (at, next);
                        }
                        at = next;
                        rest = &rest[end + 1..];
                        continue;
                    }
                    (None, Body::Dir { lower: Some(p) }) => Some(p.join(rest)),
                    _ => None,
                }
            }
        };
        let Some(whole) = lower else { return Ok(None) };
        let dir = match (whole.split(), rest.contains(&b'/')) {
            (Some((parent, _)), true) => Ref::Lower(parent),
            _ => at,
        };
        break (dir, Ref::Lower(whole));
    };
    match stack.meta(&at) {
        Ok(m) if m.kind != Kind::Symlink || !follow => {
            let at = Some((at, m));
            Ok(Some(Place { dir, name: name.to_vec(), at, protected, must_dir: false }))
        }
        Ok(_) | Err(FsError::NotFound | FsError::NotDirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

pub(crate) fn push_front(todo: &mut VecDeque<Vec<u8>>, path: &[u8]) -> FsResult<()> {
    // A last `.` stays: what stands before it must be a directory, and has no name here.
    let mut last = todo.is_empty();
    for name in path.split(|b| *b == b'/').rev() {
        if name.is_empty() || (name == b"." && !last) {
            continue;
        }
        last = false;
        if name != b".." && name != b"." {
            check_name(name)?;
        }
        todo.push_front(name.to_vec());
    }
    Ok(())
}

//! From the path that a guest gave to a directory of the host and a name in it.
//!
//! As a view resolves its paths: `..` and links never lead above the directory that the walk
//! began at. A step goes down by a descriptor and back up by the one it came from, so a directory
//! that somebody moves away meanwhile takes nobody out with it.

use std::collections::VecDeque;
use std::sync::Arc;

use cap_std::fs::Dir;

use super::{DirectDir, look};
use crate::hostdir::{open_dir, read_link};
use crate::resolve::{MAX_LINKS, PATH_MAX, VCS_DIR, push_front};
use crate::{FsError, FsResult, Kind, Meta, STATE_DIR, check_name};

/// Where a path leads.
pub(super) struct Place {
    /// The directory that holds the last component.
    pub(super) dir: Arc<Dir>,
    /// The last component; empty when the path leads to `dir` itself.
    pub(super) name: Vec<u8>,
    /// What is there, links not followed.
    pub(super) at: Option<Meta>,
    /// It is, or lies below, a `.git`.
    pub(super) protected: bool,
    /// The path ended in `/` or `/.`: it means a directory.
    pub(super) must_dir: bool,
}

impl Place {
    /// What is there, or `NotFound`.
    pub(super) fn found(&self) -> FsResult<Meta> {
        self.at.ok_or(FsError::NotFound)
    }

    /// Whether something may be made under this name.
    pub(super) fn free_name(&self) -> FsResult<()> {
        if self.at.is_some() || self.name.is_empty() {
            return Err(FsError::Exists);
        }
        if self.name == STATE_DIR.as_bytes() {
            return Err(FsError::NotPermitted);
        }
        check_name(&self.name)
    }
}

impl DirectDir {
    /// The name that a change is about: a link is never followed, nor when a slash stands after it.
    pub(super) fn walk_name(&self, path: &[u8]) -> FsResult<Place> {
        let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
        if end == 0 || end == path.len() {
            return self.walk(path, false);
        }
        Ok(Place { must_dir: true, ..self.walk(&path[..end], false)? })
    }

    pub(super) fn walk(&self, path: &[u8], follow: bool) -> FsResult<Place> {
        match path {
            [] => return Err(FsError::NotFound),
            [b'/', ..] => return Err(FsError::NotPermitted),
            _ if path.len() > PATH_MAX => return Err(FsError::NameTooLong),
            _ if path.contains(&0) => return Err(FsError::Invalid),
            _ => {}
        }
        let mut must_dir = path.ends_with(b"/") || path.ends_with(b"/.") || path == b".";
        let mut todo: VecDeque<Vec<u8>> = VecDeque::new();
        push_front(&mut todo, path)?;
        let mut trail = vec![(self.dir.clone(), self.protected)];
        let mut links = 0;
        loop {
            let Some((dir, protected)) = trail.last().cloned() else {
                return Err(FsError::NotPermitted);
            };
            let Some(name) = todo.pop_front() else {
                let at = look(&self.tree, &dir, b".")?;
                return Ok(Place { dir, name: Vec::new(), at, protected, must_dir });
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
            let protected = protected || name == VCS_DIR;
            let at = match name == STATE_DIR.as_bytes() {
                true => None,
                false => look(&self.tree, &dir, &name)?,
            };
            let Some(meta) = at else {
                return match last {
                    true => Ok(Place { dir, name, at, protected, must_dir }),
                    false => Err(FsError::NotFound),
                };
            };
            match meta.kind {
                Kind::Symlink if !last || follow || must_dir => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(FsError::Loop);
                    }
                    let target = read_link(&dir, &name)?;
                    if target.first() == Some(&b'/') {
                        return Err(FsError::NotPermitted);
                    }
                    if last && (target.ends_with(b"/") || target.ends_with(b"/.")) {
                        must_dir = true;
                    }
                    push_front(&mut todo, &target)?;
                }
                Kind::Dir if !last => trail.push((Arc::new(open_dir(&dir, &name)?), protected)),
                _ if !last => return Err(FsError::NotDirectory),
                kind if must_dir && kind != Kind::Dir => return Err(FsError::NotDirectory),
                _ => return Ok(Place { dir, name, at, protected, must_dir }),
            }
        }
    }
}

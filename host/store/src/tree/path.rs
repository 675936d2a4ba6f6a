//! A path as a key.

use std::fmt;

use crate::{Error, Result};

const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4096;
/// Reserved at every depth: a state directory of ours.
const RESERVED: &[u8] = b".brio";

/// A path: its parent directory and its name, so that what lies in one directory is together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    dir: Vec<u8>,
    name: Vec<u8>,
}

impl Key {
    /// From a path: components joined by `/`, relative, without `.`, `..` and `.brio`.
    ///
    /// # Errors
    /// [`Error::Input`] when it is not such a path, or too long.
    pub fn new(path: &[u8]) -> Result<Self> {
        let (dir, name) = match path.iter().rposition(|b| *b == b'/') {
            Some(i) => (&path[..i], &path[i + 1..]),
            None => (&path[..0], path),
        };
        // `/a` has an empty directory too, and is no such path.
        let rooted = path.first() == Some(&b'/');
        Self::from_parts(dir, name).filter(|_| !rooted).ok_or_else(|| Error::Input {
            path: shown(path),
            why: "not a path that a tree can hold: relative, without empty, `.`, `..` and `.brio` components, names of at most 255 bytes, 4096 in all".into(),
        })
    }

    /// From its parts; `None` if they make no path.
    pub(crate) fn from_parts(dir: &[u8], name: &[u8]) -> Option<Self> {
        let fits = dir.len() + 1 + name.len() <= PATH_MAX + usize::from(dir.is_empty());
        let good =
            fits && is_name(name) && (dir.is_empty() || dir.split(|b| *b == b'/').all(is_name));
        good.then(|| Self { dir: dir.to_vec(), name: name.to_vec() })
    }

    /// The parent directory's path; empty for the root.
    pub fn dir(&self) -> &[u8] {
        &self.dir
    }

    /// The last component.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The path.
    pub fn path(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.dir.len() + 1 + self.name.len());
        if !self.dir.is_empty() {
            out.extend_from_slice(&self.dir);
            out.push(b'/');
        }
        out.extend_from_slice(&self.name);
        out
    }

    /// Of the parent directory; `None`: that is the root.
    pub fn parent(&self) -> Option<Self> {
        (!self.dir.is_empty()).then(|| Self::new(&self.dir).ok()).flatten()
    }

    /// How it stands in a node.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.dir.len() as u16).to_le_bytes());
        out.extend_from_slice(&self.dir);
        out.push(self.name.len() as u8);
        out.extend_from_slice(&self.name);
    }
}

fn is_name(name: &[u8]) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && !matches!(name, b"." | b"..")
        && name != RESERVED
        && !name.iter().any(|b| matches!(b, 0 | b'/'))
}

/// For people: bytes that are no UTF-8 are escaped.
pub(crate) fn shown(path: &[u8]) -> String {
    let mut out = String::new();
    for chunk in path.utf8_chunks() {
        out.push_str(chunk.valid());
        for b in chunk.invalid() {
            out.push_str(&format!("\\x{b:02x}"));
        }
    }
    out
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.path()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", shown(&self.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_inside() {
        for good in ["a", "a/b", "a/b/c.d", ".git/config", "..a", "\u{fc}"] {
            assert_eq!(Key::new(good.as_bytes()).unwrap().path(), good.as_bytes());
        }
        let long = "a".repeat(256);
        let deep = "abc/".repeat(1025);
        for bad in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", ".brio", "a/.brio",
            ".brio/a", "a\0b", &long, &deep,
        ] {
            assert!(Key::new(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn neighbours_are_the_entries_of_one_directory() {
        let mut keys: Vec<Key> = ["a/b", "a.b", "a", "a/c", "a-b", "a/b/c", "b"]
            .map(|p| Key::new(p.as_bytes()).unwrap())
            .into();
        keys.sort();
        let shown: Vec<String> = keys.iter().map(Key::to_string).collect();
        assert_eq!(shown, ["a", "a-b", "a.b", "b", "a/b", "a/c", "a/b/c"]);
    }
}

//! Edits from outside between the kill and the recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use brio_tests::rng::Rng;
use brio_tests::tree::{Node, Tree};

/// What outside did: each path, and what it put there (`None`: it deleted it).
pub(crate) struct Edits(BTreeMap<String, Option<String>>);

impl Edits {
    pub(crate) fn none() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Edits a few paths, most of them ones that the landing changes.
    pub(crate) fn make(base: &Path, old: &Tree, new: &Tree, rng: &mut Rng) -> Self {
        let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let changed: Vec<&String> =
            all.iter().filter(|p| old.get(**p) != new.get(**p)).copied().collect();
        let all: Vec<&String> = all.into_iter().collect();
        let mut out = BTreeMap::new();
        for i in 0..1 + rng.below(3) {
            let path = if rng.one_in(4) || changed.is_empty() {
                (*rng.pick(&all)).clone()
            } else {
                (*rng.pick(&changed)).clone()
            };
            // One edit of a path, and none below another.
            let near = |p: &String| p.starts_with(&path) || path.starts_with(p.as_str());
            if out.keys().any(near) {
                continue;
            }
            let at = base.join(&path);
            let Ok(parent) = at.parent().unwrap().symlink_metadata() else { continue };
            if !parent.is_dir() {
                continue;
            }
            let text = format!("edited outside {i} {}", rng.next_u64());
            match at.symlink_metadata() {
                Ok(m) if m.is_file() => match rng.below(3) {
                    0 => {
                        fs::remove_file(&at).unwrap();
                        out.insert(path, None);
                    }
                    1 => {
                        fs::write(&at, &text).unwrap();
                        out.insert(path, Some(text));
                    }
                    _ => {
                        let beside = base.join("beside");
                        fs::write(&beside, &text).unwrap();
                        fs::rename(&beside, &at).unwrap();
                        out.insert(path, Some(text));
                    }
                },
                Ok(m) if m.is_dir() => {
                    // Something new in a directory that may be about to go.
                    fs::write(at.join("outside"), &text).unwrap();
                    out.insert(format!("{path}/outside"), Some(text));
                }
                Ok(_) => {}
                Err(_) => {
                    fs::write(&at, &text).unwrap();
                    out.insert(path, Some(text));
                }
            }
        }
        Self(out)
    }

    /// Whether no edit is lost or buried, and all else is what it must be.
    pub(crate) fn check(&self, now: &Tree, expected: &Tree, kept: &[String], label: &str) {
        let label = format!("{label}; edited: {:?}", self.0);
        for (path, text) in &self.0 {
            match (text, now.get(path)) {
                (Some(text), Some(Node::File(t))) => {
                    assert_eq!(t, text, "{label}: {path} is buried")
                }
                (Some(text), other) => {
                    assert!(kept.contains(text), "{label}: the edit of {path} is lost: {other:?}")
                }
                // What was deleted stays so, unless the landing adds it: nobody can tell then.
                (None, None) => {}
                (None, Some(_)) => {
                    assert_eq!(now.get(path), expected.get(path), "{label}: {path}")
                }
            }
        }
        let there = |text: &String| {
            kept.contains(text) || now.values().any(|n| matches!(n, Node::File(t) if t == text))
        };
        for path in now.keys().chain(expected.keys()) {
            if self.concerns(path, expected) {
                // Where outside put a file in the way of our directory, ours is kept.
                let below = self.0.keys().any(|e| path.starts_with(&format!("{e}/")));
                if let (Some(Node::File(ours)), true) = (expected.get(path), below) {
                    assert!(there(ours), "{label}: ours for {path} is lost");
                }
                continue;
            }
            assert_eq!(now.get(path), expected.get(path), "{label}: {path}");
        }
    }

    /// Whether a path may differ because of an edit: the path itself, ours beside it, the
    /// directories that stay because of it, and what could not go where a directory stays.
    fn concerns(&self, path: &str, expected: &Tree) -> bool {
        self.0.keys().any(|edited| {
            let beside =
                path.strip_prefix(edited.as_str()).is_some_and(|s| s.starts_with(".brio-"));
            let above = edited.starts_with(&format!("{path}/")) && !expected.contains_key(path);
            let replaced =
                edited.starts_with(&format!("{path}/")) && expected.get(path) != Some(&Node::Dir);
            let beside_above = path
                .rsplit_once(".brio-")
                .is_some_and(|(p, _)| edited.starts_with(&format!("{p}/")));
            let below = path.starts_with(&format!("{edited}/"));
            path == edited || below || beside || above || replaced || beside_above
        })
    }
}

/// The texts of all files in a directory, at any depth.
pub(crate) fn texts(dir: &Path, out: &mut Vec<String>) {
    for e in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = e.path();
        if path.is_dir() {
            texts(&path, out);
        } else if let Ok(t) = fs::read_to_string(&path) {
            out.push(t);
        }
    }
}

/// Removes what was kept beside and what outside left in the way; what is left is the base.
pub(crate) fn tidy(base: &Path) {
    let mut open = vec![base.to_path_buf()];
    while let Some(dir) = open.pop() {
        for e in fs::read_dir(dir).unwrap().flatten() {
            let (path, name) = (e.path(), e.file_name());
            if name == ".brio" {
                continue;
            }
            let is_dir = path.symlink_metadata().unwrap().is_dir();
            if name.as_bytes().windows(6).any(|w| w == b".brio-") || name == "outside" {
                if is_dir {
                    fs::remove_dir_all(&path).unwrap()
                } else {
                    fs::remove_file(&path).unwrap()
                }
            } else if is_dir {
                open.push(path);
            }
        }
    }
}

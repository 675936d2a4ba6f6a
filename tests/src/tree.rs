//! A directory tree in memory, apart from the engine: random programs, what they make of it,
//! and what a disk or a view holds.
#![allow(clippy::unwrap_used, reason = "for tests: what is unexpected ends them")]

use std::collections::BTreeMap;
use std::path::Path;

use brio_session::{FsError, Handle, Kind, OpenOptions, View};
use serde::{Deserialize, Serialize};

use crate::rng::Rng;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    /// A directory.
    Dir,
    /// A file with its text.
    File(String),
    /// A symbolic link with its target.
    Link(String),
    /// A view answers `SNAPSHOT_GONE`.
    Gone,
}

/// Paths without the root.
pub type Tree = BTreeMap<String, Node>;

/// One change of a program.
#[derive(Debug, Clone)]
pub enum Change {
    /// Path, text.
    Write(String, String),
    /// Target, path.
    Link(String, String),
    /// A directory.
    Mkdir(String),
    /// A file or link goes.
    Unlink(String),
    /// A directory goes.
    Rmdir(String),
    /// From, to.
    Rename(String, String),
}

/// The paths below a directory.
pub fn below(tree: &Tree, dir: &str) -> Vec<String> {
    let dir = format!("{dir}/");
    tree.keys().filter(|p| p.starts_with(&dir)).cloned().collect()
}

/// Makes so many changes of a tree, of every kind; at least 20 are worth trying.
pub fn changes(tree: &mut Tree, rng: &mut Rng, count: usize) -> Vec<Change> {
    let mut out = Vec::new();
    let mark = rng.next_u64();
    for i in 0..count {
        let mut dirs: Vec<String> =
            tree.iter().filter(|(_, n)| **n == Node::Dir).map(|(p, _)| p.clone()).collect();
        dirs.push(String::new());
        let leaves: Vec<String> =
            tree.iter().filter(|(_, n)| **n != Node::Dir).map(|(p, _)| p.clone()).collect();
        let free = |rng: &mut Rng, kind: &str| {
            let dir = rng.pick(&dirs).clone();
            let name = format!("{kind}{}", rng.below(40));
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            (path.matches('/').count() < 4 && !tree.contains_key(&path)).then_some(path)
        };
        let text = format!("{mark}-{i}\n{}", "x".repeat(rng.below(3000)));
        match rng.below(12) {
            0..=3 if !leaves.is_empty() => {
                let path = rng.pick(&leaves).clone();
                if matches!(tree.get(&path), Some(Node::File(_))) {
                    out.push(Change::Write(path.clone(), text.clone()));
                    tree.insert(path, Node::File(text));
                }
            }
            4..=6 => {
                let Some(path) = free(rng, "f") else { continue };
                out.push(Change::Write(path.clone(), text.clone()));
                tree.insert(path, Node::File(text));
            }
            7 => {
                let Some(path) = free(rng, "d") else { continue };
                out.push(Change::Mkdir(path.clone()));
                tree.insert(path, Node::Dir);
            }
            8 => {
                let Some(path) = free(rng, "l") else { continue };
                out.push(Change::Link("f1".into(), path.clone()));
                tree.insert(path, Node::Link("f1".into()));
            }
            9 if leaves.len() > 25 => {
                let path = rng.pick(&leaves).clone();
                out.push(Change::Unlink(path.clone()));
                tree.remove(&path);
            }
            10 if leaves.len() > 40 && dirs.len() > 4 => {
                // A directory with all that is in it; sometimes a file takes its place.
                let dir = rng.pick(&dirs[..dirs.len() - 1]).clone();
                for path in below(tree, &dir).into_iter().rev().chain([dir.clone()]) {
                    out.push(match tree.remove(&path) {
                        Some(Node::Dir) => Change::Rmdir(path),
                        _ => Change::Unlink(path),
                    });
                }
                if rng.one_in(2) {
                    out.push(Change::Write(dir.clone(), text.clone()));
                    tree.insert(dir, Node::File(text));
                }
            }
            11 if !dirs.is_empty() => {
                let from = rng.pick(&dirs).clone();
                let Some(to) = free(rng, "r") else { continue };
                if from.is_empty() || to.starts_with(&format!("{from}/")) {
                    continue;
                }
                out.push(Change::Rename(from.clone(), to.clone()));
                for path in below(tree, &from).into_iter().chain([from.clone()]) {
                    let node = tree.remove(&path).unwrap();
                    tree.insert(format!("{to}{}", &path[from.len()..]), node);
                }
            }
            _ => {}
        }
    }
    out
}

/// What a directory holds, read without Brio.
pub fn on_disk(base: &Path) -> Tree {
    let mut out = Tree::new();
    let mut open = vec![base.to_path_buf()];
    while let Some(dir) = open.pop() {
        for e in std::fs::read_dir(dir).unwrap() {
            let path = e.unwrap().path();
            if path.file_name().unwrap() == ".brio" {
                continue;
            }
            let rel = path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
            let m = path.symlink_metadata().unwrap();
            let node = if m.is_symlink() {
                Node::Link(std::fs::read_link(&path).unwrap().to_str().unwrap().to_owned())
            } else if m.is_dir() {
                open.push(path);
                Node::Dir
            } else {
                Node::File(std::fs::read_to_string(&path).unwrap())
            };
            out.insert(rel, node);
        }
    }
    out
}

/// Panics where two trees differ, and says where.
#[track_caller]
pub fn same(now: &Tree, expected: &Tree, label: &str) {
    let wrong = difference(now, expected);
    assert!(wrong.is_empty(), "{label}:\n{}", wrong.join("\n"));
}

/// Where two trees differ: what is there, and what is expected.
pub fn difference(now: &Tree, expected: &Tree) -> Vec<String> {
    let all: std::collections::BTreeSet<_> = now.keys().chain(expected.keys()).collect();
    let short = |n: Option<&Node>| format!("{n:?}").chars().take(60).collect::<String>();
    all.into_iter()
        .filter(|p| now.get(*p) != expected.get(*p))
        .map(|p| format!("{p}: {}, not {}", short(now.get(p)), short(expected.get(p))))
        .collect()
}

/// Makes a change in a view.
pub fn change(v: &View, c: &Change) {
    let root = v.root();
    match c {
        Change::Write(path, text) => {
            let how =
                OpenOptions { write: true, create: true, truncate: true, ..OpenOptions::default() };
            let Handle::File(f) = v.open_at(&root, path.as_bytes(), &how).unwrap() else {
                panic!("{path} is a directory")
            };
            let mut done = 0;
            while done < text.len() {
                done += f.write_at(&text.as_bytes()[done..], done as u64).unwrap();
            }
        }
        Change::Link(target, path) => {
            v.symlink_at(target.as_bytes(), &root, path.as_bytes()).unwrap();
        }
        Change::Mkdir(path) => v.mkdir_at(&root, path.as_bytes()).unwrap(),
        Change::Unlink(path) => v.unlink_at(&root, path.as_bytes()).unwrap(),
        Change::Rmdir(path) => v.rmdir_at(&root, path.as_bytes()).unwrap(),
        Change::Rename(a, b) => {
            v.rename_at(&root, a.as_bytes(), &root, b.as_bytes()).unwrap();
        }
    }
}

/// What a view shows.
pub fn seen(v: &View) -> Tree {
    let mut out = Tree::new();
    let mut open = vec![String::new()];
    while let Some(dir) = open.pop() {
        let at = if dir.is_empty() { "." } else { &dir };
        let how = OpenOptions { read: true, directory: true, ..OpenOptions::default() };
        let Handle::Dir(d) = v.open_at(&v.root(), at.as_bytes(), &how).unwrap() else {
            panic!("{dir} is no directory")
        };
        for e in d.list().unwrap() {
            let name = String::from_utf8(e.name).unwrap();
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            let node = match e.kind {
                Kind::Dir => {
                    open.push(path.clone());
                    Node::Dir
                }
                Kind::Symlink => {
                    let t = v.read_link_at(&v.root(), path.as_bytes()).unwrap();
                    Node::Link(String::from_utf8(t).unwrap())
                }
                _ => {
                    let how = OpenOptions { read: true, ..OpenOptions::default() };
                    let f = v.open_at(&v.root(), path.as_bytes(), &how);
                    let f = match f {
                        Ok(Handle::File(f)) => f,
                        Ok(Handle::Dir(_)) => panic!("{path} is a directory"),
                        // An edit from outside may have cost the pre-image.
                        Err(FsError::SnapshotGone) => {
                            out.insert(path, Node::Gone);
                            continue;
                        }
                        Err(e) => panic!("{path}: {e}"),
                    };
                    let (mut text, mut buf) = (Vec::new(), [0; 4096]);
                    loop {
                        match f.read_at(&mut buf, text.len() as u64).unwrap() {
                            0 => break,
                            n => text.extend_from_slice(&buf[..n]),
                        }
                    }
                    Node::File(String::from_utf8(text).unwrap())
                }
            };
            out.insert(path, node);
        }
    }
    out
}

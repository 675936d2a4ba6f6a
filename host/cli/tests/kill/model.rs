//! A directory tree in memory, apart from the engine.

use std::collections::BTreeMap;
use std::path::Path;

use brio_tests::rng::Rng;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Dir,
    File(String),
    Link(String),
    /// A view answers `SNAPSHOT_GONE`.
    Gone,
}

pub(crate) type Tree = BTreeMap<String, Node>;

/// One change of a program.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Write(String, String),
    Link(String, String),
    Mkdir(String),
    Unlink(String),
    Rmdir(String),
    Rename(String, String),
}

pub(crate) fn below(tree: &Tree, dir: &str) -> Vec<String> {
    let dir = format!("{dir}/");
    tree.keys().filter(|p| p.starts_with(&dir)).cloned().collect()
}

/// Makes 20 to 50 changes of a tree, of every kind.
pub(crate) fn changes(tree: &mut Tree, rng: &mut Rng) -> Vec<Change> {
    let mut out = Vec::new();
    let mark = rng.next_u64();
    for i in 0..20 + rng.below(31) {
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
pub(crate) fn on_disk(base: &Path) -> Tree {
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

pub(crate) fn same(now: &Tree, expected: &Tree, label: &str) {
    let all: std::collections::BTreeSet<_> = now.keys().chain(expected.keys()).collect();
    let wrong: Vec<_> = all
        .into_iter()
        .filter(|p| now.get(*p) != expected.get(*p))
        .map(|p| format!("{p}: {:.40?}, not {:.40?}", now.get(p), expected.get(p)))
        .collect();
    assert!(wrong.is_empty(), "{label}:\n{}", wrong.join("\n"));
}

//! A directory tree in memory, and what the operations of a program do to it. It shares no code
//! with the engine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Node {
    Dir { mode: u32 },
    File { mode: u32, text: String },
}

/// Paths without the root.
pub(crate) type Tree = BTreeMap<String, Node>;

/// One operation of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Op {
    Read { path: String },
    Stat { path: String },
    List { path: String },
    Write { path: String, text: String },
    Append { path: String, text: String },
    Mkdir { path: String },
    Rmdir { path: String },
    Unlink { path: String },
    Rename { from: String, to: String },
    Chmod { path: String, mode: u32 },
}

/// What an operation answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Failed,
    Text(String),
    Names(Vec<String>),
    /// Is it a directory, its size if it is a file, its mode.
    Stat(bool, u64, u32),
}

pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(p, _)| p)
}

pub(crate) fn below<'a>(tree: &'a Tree, dir: &str) -> impl Iterator<Item = &'a String> + use<'a> {
    let dir = format!("{dir}/");
    tree.keys().filter(move |p| dir == "/" || p.starts_with(&dir))
}

fn is_dir(tree: &Tree, path: &str) -> bool {
    path.is_empty() || matches!(tree.get(path), Some(Node::Dir { .. }))
}

fn names(tree: &Tree, dir: &str) -> Vec<String> {
    let skip = if dir.is_empty() { 0 } else { dir.len() + 1 };
    below(tree, dir).map(|p| p[skip..].to_owned()).filter(|n| !n.contains('/')).collect()
}

/// Does one operation as POSIX would.
pub(crate) fn apply(tree: &mut Tree, op: &Op) -> Answer {
    match attempt(tree, op) {
        Some(answer) => answer,
        None => Answer::Failed,
    }
}

fn attempt(tree: &mut Tree, op: &Op) -> Option<Answer> {
    match op {
        Op::Read { path } => match tree.get(path)? {
            Node::File { text, .. } => Some(Answer::Text(text.clone())),
            Node::Dir { .. } => None,
        },
        Op::Stat { path } => Some(match tree.get(path)? {
            Node::File { mode, text } => Answer::Stat(false, text.len() as u64, *mode),
            Node::Dir { mode } => Answer::Stat(true, 0, *mode),
        }),
        Op::List { path } => is_dir(tree, path).then(|| Answer::Names(names(tree, path))),
        Op::Write { path, text } => {
            if !is_dir(tree, parent(path)) {
                return None;
            }
            let mode = match tree.get(path) {
                Some(Node::Dir { .. }) => return None,
                Some(Node::File { mode, .. }) => *mode,
                None => 0o644,
            };
            tree.insert(path.clone(), Node::File { mode, text: text.clone() });
            Some(Answer::Done)
        }
        Op::Append { path, text: more } => match tree.get_mut(path)? {
            Node::File { text, .. } => {
                text.push_str(more);
                Some(Answer::Done)
            }
            Node::Dir { .. } => None,
        },
        Op::Mkdir { path } => {
            if tree.contains_key(path) || !is_dir(tree, parent(path)) {
                return None;
            }
            tree.insert(path.clone(), Node::Dir { mode: 0o755 });
            Some(Answer::Done)
        }
        Op::Rmdir { path } => {
            let empty = matches!(tree.get(path)?, Node::Dir { .. }) && names(tree, path).is_empty();
            empty.then(|| tree.remove(path)).map(|_| Answer::Done)
        }
        Op::Unlink { path } => match tree.get(path)? {
            Node::File { .. } => tree.remove(path).map(|_| Answer::Done),
            Node::Dir { .. } => None,
        },
        Op::Rename { from, to } => rename(tree, from, to),
        Op::Chmod { path, mode: to } => {
            match tree.get_mut(path)? {
                Node::File { mode, .. } | Node::Dir { mode } => *mode = *to,
            }
            Some(Answer::Done)
        }
    }
}

fn rename(tree: &mut Tree, from: &str, to: &str) -> Option<Answer> {
    let node = tree.get(from)?.clone();
    if from == to {
        return Some(Answer::Done);
    }
    if !is_dir(tree, parent(to)) || to.starts_with(&format!("{from}/")) {
        return None;
    }
    match (&node, tree.get(to)) {
        (_, None) | (Node::File { .. }, Some(Node::File { .. })) => {}
        (Node::Dir { .. }, Some(Node::Dir { .. })) if names(tree, to).is_empty() => {}
        _ => return None,
    }
    let moved: Vec<String> = below(tree, from).cloned().collect();
    tree.remove(from);
    tree.insert(to.to_owned(), node);
    for path in moved {
        let node = tree.remove(&path)?;
        tree.insert(format!("{to}{}", &path[from.len()..]), node);
    }
    Some(Answer::Done)
}

/// What a session did: each path that differs, and what is there afterwards.
pub(crate) fn changes(before: &Tree, after: &Tree) -> BTreeMap<String, Option<Node>> {
    let all = before.keys().chain(after.keys());
    all.filter(|p| before.get(*p) != after.get(*p))
        .map(|p| (p.clone(), after.get(p).cloned()))
        .collect()
}

//! The operations of a program on a session's view, and a view as a whole tree.

use brio_session::{FsError, Handle, Kind, OpenOptions, View};

use crate::model::{Answer, Node, Op, Tree};

/// An error that is an answer; anything else is a defect of the engine.
fn answer(op: &Op, r: Result<Answer, FsError>) -> Answer {
    use FsError::*;
    match r {
        Ok(a) => a,
        Err(NotFound | Exists | NotDirectory | IsDirectory | NotEmpty | Invalid) => Answer::Failed,
        Err(e) => panic!("{op:?}: {e}"),
    }
}

fn file(v: &View, path: &str, how: OpenOptions) -> Result<brio_session::FileHandle, FsError> {
    match v.open_at(&v.root(), path.as_bytes(), &how)? {
        Handle::File(f) => Ok(f),
        Handle::Dir(_) => Err(FsError::IsDirectory),
    }
}

pub(crate) fn read_all(f: &brio_session::FileHandle) -> Result<String, FsError> {
    let (mut out, mut buf) = (Vec::new(), [0; 512]);
    loop {
        match f.read_at(&mut buf, out.len() as u64)? {
            0 => return Ok(String::from_utf8(out).unwrap()),
            n => out.extend_from_slice(&buf[..n]),
        }
    }
}

fn put(f: &brio_session::FileHandle, bytes: &[u8]) -> Result<Answer, FsError> {
    let mut done = 0;
    while done < bytes.len() {
        done += f.write_at(&bytes[done..], done as u64)?;
    }
    Ok(Answer::Done)
}

pub(crate) fn run(v: &View, op: &Op) -> Answer {
    let root = v.root();
    let how = OpenOptions::default();
    let r = match op {
        Op::Read { path } => file(v, path, OpenOptions { read: true, ..how })
            .and_then(|f| read_all(&f))
            .map(Answer::Text),
        Op::Stat { path } => v.stat_at(&root, path.as_bytes(), false).map(|m| {
            let dir = m.kind == Kind::Dir;
            Answer::Stat(dir, if dir { 0 } else { m.size }, m.mode)
        }),
        Op::List { path } => list(v, path).map(Answer::Names),
        Op::Write { path, text } => {
            file(v, path, OpenOptions { write: true, create: true, truncate: true, ..how })
                .and_then(|f| put(&f, text.as_bytes()))
        }
        Op::Append { path, text } => file(v, path, OpenOptions { write: true, ..how })
            .and_then(|f| f.append(text.as_bytes()))
            .map(|n| {
                assert_eq!(n, text.len());
                Answer::Done
            }),
        Op::Mkdir { path } => v.mkdir_at(&root, path.as_bytes()).map(|()| Answer::Done),
        Op::Rmdir { path } => v.rmdir_at(&root, path.as_bytes()).map(|()| Answer::Done),
        Op::Unlink { path } => v.unlink_at(&root, path.as_bytes()).map(|()| Answer::Done),
        Op::Rename { from, to } => {
            v.rename_at(&root, from.as_bytes(), &root, to.as_bytes()).map(|()| Answer::Done)
        }
        Op::Chmod { path, mode } => {
            v.set_mode_at(&root, path.as_bytes(), true, *mode).map(|()| Answer::Done)
        }
    };
    answer(op, r)
}

fn list(v: &View, path: &str) -> Result<Vec<String>, FsError> {
    let path = if path.is_empty() { "." } else { path };
    let how = OpenOptions { read: true, directory: true, ..OpenOptions::default() };
    match v.open_at(&v.root(), path.as_bytes(), &how)? {
        Handle::Dir(d) => {
            let mut names: Vec<_> =
                d.list()?.into_iter().map(|e| String::from_utf8(e.name).unwrap()).collect();
            names.sort();
            Ok(names)
        }
        Handle::File(_) => Err(FsError::NotDirectory),
    }
}

/// All that a view shows, through listings, stats and reads.
pub(crate) fn copy(v: &View) -> Tree {
    let mut out = Tree::new();
    let mut open = vec![String::new()];
    while let Some(dir) = open.pop() {
        for name in list(v, &dir).unwrap_or_else(|e| panic!("listing {dir:?}: {e}")) {
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            let m = v.stat_at(&v.root(), path.as_bytes(), false);
            let m = m.unwrap_or_else(|e| panic!("{path}: {e}"));
            let node = match m.kind {
                Kind::Dir => {
                    open.push(path.clone());
                    Node::Dir { mode: m.mode }
                }
                Kind::File => {
                    let Answer::Text(text) = run(v, &Op::Read { path: path.clone() }) else {
                        panic!("{path} is listed and cannot be read")
                    };
                    assert_eq!(text.len() as u64, m.size, "{path}");
                    Node::File { mode: m.mode, text }
                }
                k => panic!("{path} is a {k:?}"),
            };
            out.insert(path, node);
        }
    }
    out
}

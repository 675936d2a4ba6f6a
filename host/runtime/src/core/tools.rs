//! `session-tools`: files for guests without file calls of their own.

use brio_session::{FsResult, Kind};

use super::CoreCtx;
use super::edit::{Lines, NoEdit, replace};
use super::files::{FileToolError, write};
use super::tree::{Item, Tree};
use crate::bindings::brio::core::session_tools::{
    AmbiguousMatch, DirectoryEntry, EntryKind, Host, ToolError, ToolFailure,
};
use crate::fs::{Located, Mount, wasi};
use crate::limits::LimitHit;

/// What one answer may hold.
const MAX_BYTES: usize = 64 << 20;
const MAX_ENTRIES: usize = 100_000;

type Answer<T> = wasmtime::Result<Result<T, ToolError>>;

/// A path in the tree it leads to, or the directory of child sessions.
enum Target {
    Tree(Box<dyn Tree>, String),
    Sessions,
}

impl CoreCtx<'_> {
    fn target(&self, path: &str) -> Result<Target, ToolError> {
        let invalid = || ToolError::InvalidPath(path.into());
        if path.is_empty() || path.contains('\0') {
            return Err(invalid());
        }
        match (&self.fs, &self.core.plain) {
            (Some(fs), _) => match fs.mounts.locate(path) {
                Located::In(mount, path) => Ok(Target::Tree(Box::new(mount), path)),
                Located::Sessions => Ok(Target::Sessions),
                Located::Nowhere => Err(ToolError::NotFound(path.into())),
                Located::Outside => Err(invalid()),
            },
            (None, Some((at, dir))) => {
                let bound = self.core.plain_binds.iter().filter(|_| path.starts_with('/'));
                let bound = bound.filter_map(|(at, f)| Some((at, f, crate::fs::below(path, at)?)));
                if let Some((_, files, inner)) = bound.max_by_key(|(at, ..)| at.len()) {
                    let mount = Mount { number: 1, files: files.clone() };
                    let inner = if inner.is_empty() { "." } else { inner };
                    return Ok(Target::Tree(Box::new(mount), inner.into()));
                }
                let inner = if path.starts_with('/') {
                    crate::fs::below(path, at).ok_or_else(invalid)?
                } else {
                    path
                };
                let inner = if inner.is_empty() { "." } else { inner };
                let dir = dir.try_clone().map_err(|e| failed(path, &e))?;
                Ok(Target::Tree(Box::new(dir), inner.into()))
            }
            (None, None) => Err(invalid()),
        }
    }

    /// The tree of a path that names a file, or should.
    fn tree(&self, path: &str) -> Result<(Box<dyn Tree>, String), ToolError> {
        match self.target(path)? {
            Target::Tree(tree, path) => Ok((tree, path)),
            Target::Sessions => Err(ToolError::IsDirectory(path.into())),
        }
    }

    fn read_whole(&self, path: &str) -> Answer<Vec<u8>> {
        let (tree, inner) = attempt!(self.tree(path));
        let mut content = Vec::new();
        let read = tree.read(&inner, &mut |piece| {
            content.extend_from_slice(piece);
            content.len() <= MAX_BYTES
        });
        attempt!(told(read, path)?);
        Ok(if content.len() > MAX_BYTES {
            Err(ToolError::TooLarge(path.into()))
        } else {
            Ok(content)
        })
    }

    fn write_whole(&mut self, path: &str, content: &[u8]) -> Answer<()> {
        let (tree, inner) = attempt!(self.tree(path));
        if let Some(fs) = &mut self.fs {
            fs.forget();
        }
        told(write(&*tree, &inner, content), path)
    }
}

impl Host for CoreCtx<'_> {
    fn read_file(&mut self, path: String) -> Answer<Vec<u8>> {
        self.read_whole(&path)
    }

    fn read_file_range(&mut self, path: String, first: u32, last: u32) -> Answer<String> {
        if first == 0 || first > last {
            return Ok(Err(ToolError::InvalidRange(path)));
        }
        let (tree, inner) = attempt!(self.tree(&path));
        let mut lines = Lines::new(first, last, MAX_BYTES);
        let mut over = Ok(());
        let more = &mut |piece: &[u8]| {
            // A line may be as long as a disk is large.
            over = self.core.watch.check();
            over.is_ok() && lines.feed(piece)
        };
        let read = tree.read(&inner, more);
        over?;
        attempt!(told(read, &path)?);
        if lines.too_large {
            return Ok(Err(ToolError::TooLarge(path)));
        }
        Ok(String::from_utf8(lines.taken).map_err(|_| ToolError::NotText(path)))
    }

    fn write_file(&mut self, path: String, content: Vec<u8>) -> Answer<()> {
        self.write_whole(&path, &content)
    }

    fn list_directory(&mut self, path: String) -> Answer<Vec<DirectoryEntry>> {
        let items = match attempt!(self.target(&path)) {
            Target::Tree(tree, inner) => attempt!(told(tree.list(&inner), &path)?),
            Target::Sessions => {
                let fs = self.fs.as_ref();
                let ids = fs.into_iter().flat_map(|fs| fs.mounts.children());
                ids.map(|(id, _)| Item { name: id.into(), kind: Kind::Dir, size: 0 }).collect()
            }
        };
        if items.len() > MAX_ENTRIES {
            return Ok(Err(ToolError::TooLarge(path)));
        }
        Ok(Ok(items.into_iter().map(entry).collect()))
    }

    fn edit(&mut self, path: String, old: String, new: String, all: bool) -> Answer<u32> {
        let content = attempt!(self.read_whole(&path)?);
        let Ok(text) = String::from_utf8(content) else { return Ok(Err(ToolError::NotText(path))) };
        let (text, count) = match replace(&text, &old, &new, all, MAX_BYTES) {
            Ok(done) => done,
            Err(NoEdit::TooLarge) => return Ok(Err(ToolError::TooLarge(path))),
            Err(NoEdit::NoMatch) => return Ok(Err(ToolError::NoMatch(path))),
            Err(NoEdit::Ambiguous(matches)) => {
                return Ok(Err(ToolError::Ambiguous(AmbiguousMatch { path, matches })));
            }
        };
        Ok(self.write_whole(&path, text.as_bytes())?.map(|()| count))
    }

    fn remove(&mut self, path: String) -> Answer<()> {
        match attempt!(self.target(&path)) {
            // A root itself: the view would refuse it too, in other words.
            Target::Tree(_, inner) if inner == "." => Ok(Err(ToolError::InvalidPath(path))),
            Target::Tree(tree, inner) => {
                if let Some(fs) = &mut self.fs {
                    fs.forget();
                }
                told(tree.remove(&inner), &path)
            }
            Target::Sessions => Ok(Err(ToolError::NotPermitted(path))),
        }
    }
}

fn entry(item: Item) -> DirectoryEntry {
    let kind = match item.kind {
        Kind::File => EntryKind::File,
        Kind::Dir => EntryKind::Directory,
        Kind::Symlink => EntryKind::Symlink,
        Kind::Other => EntryKind::Other,
    };
    DirectoryEntry { name: String::from_utf8_lossy(&item.name).into_owned(), kind, size: item.size }
}

fn failed(path: &str, e: &dyn std::fmt::Display) -> ToolError {
    ToolError::Failed(ToolFailure { path: path.into(), message: e.to_string() })
}

/// What the guest is told of an error of a view, or the limit that ends its run.
fn told<T>(result: FsResult<T>, path: &str) -> Answer<T> {
    let e = match result {
        Ok(v) => return Ok(Ok(v)),
        Err(e) => e,
    };
    if let Err(limit) = wasi(e) {
        return Err(LimitHit(limit).into());
    }
    Ok(Err(match FileToolError::of(e, path) {
        FileToolError::NotFound(path) => ToolError::NotFound(path),
        FileToolError::IsDirectory(path) => ToolError::IsDirectory(path),
        FileToolError::NotDirectory(path) => ToolError::NotDirectory(path),
        FileToolError::NotEmpty(path) => ToolError::NotEmpty(path),
        FileToolError::InvalidPath(path) => ToolError::InvalidPath(path),
        FileToolError::NotPermitted(path) => ToolError::NotPermitted(path),
        FileToolError::TooLarge(path) => ToolError::TooLarge(path),
        FileToolError::NoSpace(path) => ToolError::NoSpace(path),
        _ => failed(path, &e),
    }))
}

//! The operations of `session-tools` on a view, for whoever has no guest: the same code, the same
//! answers.

use brio_session::{FsError, FsResult, Kind, View};

use super::edit::{Lines, NoEdit, replace};
use super::tree::{Item, Tree};
use crate::fs::Mount;

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// The name, without a slash. What is not UTF-8 is shown as U+FFFD.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Of a file, and of the target of a link, in bytes; otherwise 0.
    pub size: u64,
}

/// Why an operation failed. A string is the path as it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileToolError {
    /// Nothing has this name, or a directory on the way to it is missing.
    #[error("NOT_FOUND: {0}: there is no such file or directory")]
    NotFound(String),
    /// A file was asked for.
    #[error("IS_DIRECTORY: {0} is a directory")]
    IsDirectory(String),
    /// A directory was asked for, or a component of the path is none.
    #[error("NOT_DIRECTORY: {0}: what is there, or on the way, is no directory")]
    NotDirectory(String),
    /// The directory still has entries.
    #[error("NOT_EMPTY: {0} still has entries")]
    NotEmpty(String),
    /// It is empty, contains a NUL, is absolute, leads out of the session or through too many links.
    #[error("INVALID_PATH: {0:?} is no path of the session")]
    InvalidPath(String),
    /// The file's mode, the view or a rule of the host forbids it.
    #[error("NOT_PERMITTED: {0} cannot be changed, or not read")]
    NotPermitted(String),
    /// Text was asked for, and it is not UTF-8.
    #[error("NOT_TEXT: {0} is not UTF-8")]
    NotText(String),
    /// The first line is 0 or lies after the last one.
    #[error("INVALID_RANGE: {0}: lines count from 1, and the first is not after the last")]
    InvalidRange(String),
    /// It does not fit into one answer.
    #[error("TOO_LARGE: {0} does not fit into one answer")]
    TooLarge(String),
    /// The old text does not occur in the file, or is empty.
    #[error("NO_MATCH: the old text does not occur in {0}, or is empty")]
    NoMatch(String),
    /// The old text occurs more than once, and one place was meant.
    #[error("AMBIGUOUS: the old text occurs {matches} times in {path}")]
    Ambiguous {
        /// The path.
        path: String,
        /// How often, counted without overlap.
        matches: u32,
    },
    /// A limit, or the host's disk, has no room for it.
    #[error("NO_SPACE: {0}: there is no room for it")]
    NoSpace(String),
    /// Anything else.
    #[error("FAILED: {path}: {source}")]
    Failed {
        /// The path.
        path: String,
        /// What happened.
        source: FsError,
    },
}

impl FileToolError {
    pub(super) fn of(e: FsError, path: &str) -> Self {
        let p = path.to_owned();
        match e {
            FsError::NotFound => Self::NotFound(p),
            FsError::IsDirectory => Self::IsDirectory(p),
            FsError::NotDirectory => Self::NotDirectory(p),
            FsError::NotEmpty => Self::NotEmpty(p),
            FsError::Invalid | FsError::Loop | FsError::NameTooLong | FsError::NotPermitted => {
                Self::InvalidPath(p)
            }
            FsError::Access | FsError::ReadOnly => Self::NotPermitted(p),
            FsError::TooLarge => Self::TooLarge(p),
            FsError::NoSpace | FsError::DiskLimit | FsError::FileLimit => Self::NoSpace(p),
            source => Self::Failed { path: p, source },
        }
    }

    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "NOT_FOUND",
            Self::IsDirectory(_) => "IS_DIRECTORY",
            Self::NotDirectory(_) => "NOT_DIRECTORY",
            Self::NotEmpty(_) => "NOT_EMPTY",
            Self::InvalidPath(_) => "INVALID_PATH",
            Self::NotPermitted(_) => "NOT_PERMITTED",
            Self::NotText(_) => "NOT_TEXT",
            Self::InvalidRange(_) => "INVALID_RANGE",
            Self::TooLarge(_) => "TOO_LARGE",
            Self::NoMatch(_) => "NO_MATCH",
            Self::Ambiguous { .. } => "AMBIGUOUS",
            Self::NoSpace(_) => "NO_SPACE",
            Self::Failed { .. } => "FAILED",
        }
    }

    /// The path that it is about, as it was given.
    pub fn path(&self) -> &str {
        match self {
            Self::NotFound(path)
            | Self::IsDirectory(path)
            | Self::NotDirectory(path)
            | Self::NotEmpty(path)
            | Self::InvalidPath(path)
            | Self::NotPermitted(path)
            | Self::NotText(path)
            | Self::InvalidRange(path)
            | Self::TooLarge(path)
            | Self::NoMatch(path)
            | Self::NoSpace(path)
            | Self::Ambiguous { path, .. }
            | Self::Failed { path, .. } => path,
        }
    }
}

type Answer<T> = Result<T, FileToolError>;

/// The files of a view, by paths relative to its root that never lead out of it. Links are
/// followed, also in the last component, but never out. What is changed is durable as the view is.
pub struct FileTools {
    tree: Mount,
    most: usize,
}

impl FileTools {
    /// Of a view; `most`: bytes that one answer may hold, or one file that is edited.
    pub fn new(view: &View, most: usize) -> Self {
        Self { tree: Mount { number: 0, files: view.clone().into() }, most }
    }

    /// The whole content of a file.
    ///
    /// # Errors
    /// `NotFound`, `IsDirectory`, `NotDirectory`, `NotPermitted`, `InvalidPath`, `TooLarge`.
    pub fn read(&self, path: &str) -> Answer<Vec<u8>> {
        check(path)?;
        let mut content = Vec::new();
        let read = self.tree.read(path, &mut |piece| {
            content.extend_from_slice(piece);
            content.len() <= self.most
        });
        told(read, path)?;
        match content.len() > self.most {
            true => Err(FileToolError::TooLarge(path.to_owned())),
            false => Ok(content),
        }
    }

    /// The lines `first` to `last` of a text file, both counted from 1 and both included.
    ///
    /// # Errors
    /// As [`read`](Self::read); `InvalidRange`, and `NotText` when those lines are not UTF-8.
    pub fn read_range(&self, path: &str, first: u32, last: u32) -> Answer<String> {
        check(path)?;
        if first == 0 || first > last {
            return Err(FileToolError::InvalidRange(path.to_owned()));
        }
        let mut lines = Lines::new(first, last, self.most);
        told(self.tree.read(path, &mut |piece| lines.feed(piece)), path)?;
        if lines.too_large {
            return Err(FileToolError::TooLarge(path.to_owned()));
        }
        String::from_utf8(lines.taken).map_err(|_| FileToolError::NotText(path.to_owned()))
    }

    /// Makes `content` the whole content of a file, which is created if it is missing, with the
    /// directories on the way to it.
    ///
    /// # Errors
    /// As [`read`](Self::read), and `NoSpace`; the file is then as it was.
    pub fn write(&self, path: &str, content: &[u8]) -> Answer<()> {
        check(path)?;
        told(write(&self.tree, path, content), path)
    }

    /// Replaces `old` by `new` in a text file: once if it occurs once, everywhere if `all`. How
    /// many places that were.
    ///
    /// # Errors
    /// As [`read`](Self::read) and [`write`](Self::write); `NotText`, `NoMatch`, `Ambiguous`. The
    /// file is then as it was.
    pub fn edit(&self, path: &str, old: &str, new: &str, all: bool) -> Answer<u32> {
        let content = self.read(path)?;
        let text =
            String::from_utf8(content).map_err(|_| FileToolError::NotText(path.to_owned()))?;
        let (text, count) = replace(&text, old, new, all, self.most).map_err(|e| match e {
            NoEdit::TooLarge => FileToolError::TooLarge(path.to_owned()),
            NoEdit::NoMatch => FileToolError::NoMatch(path.to_owned()),
            NoEdit::Ambiguous(matches) => {
                FileToolError::Ambiguous { path: path.to_owned(), matches }
            }
        })?;
        self.write(path, text.as_bytes())?;
        Ok(count)
    }

    /// The entries of a directory, by name; `.` is the root.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `NotPermitted`, `InvalidPath`.
    pub fn list(&self, path: &str) -> Answer<Vec<FileEntry>> {
        check(path)?;
        Ok(told(self.tree.list(path), path)?.into_iter().map(FileEntry::from).collect())
    }

    /// Removes a file, a link (not what it leads to) or an empty directory.
    ///
    /// # Errors
    /// `NotFound`, `NotDirectory`, `NotEmpty`, `NotPermitted`, `InvalidPath`.
    pub fn remove(&self, path: &str) -> Answer<()> {
        check(path)?;
        if path == "." {
            return Err(FileToolError::InvalidPath(path.to_owned()));
        }
        told(self.tree.remove(path), path)
    }
}

impl From<Item> for FileEntry {
    fn from(item: Item) -> Self {
        let name = String::from_utf8_lossy(&item.name).into_owned();
        Self { name, kind: item.kind, size: item.size }
    }
}

fn check(path: &str) -> Answer<()> {
    match path.is_empty() || path.starts_with('/') || path.contains('\0') {
        true => Err(FileToolError::InvalidPath(path.to_owned())),
        false => Ok(()),
    }
}

fn told<T>(result: FsResult<T>, path: &str) -> Answer<T> {
    result.map_err(|e| FileToolError::of(e, path))
}

/// Writes a file whole; the directories on the way are made where they are missing.
pub(super) fn write(tree: &dyn Tree, path: &str, content: &[u8]) -> FsResult<()> {
    match tree.write(path, content) {
        Err(FsError::NotFound) => {
            make_dirs(tree, path)?;
            tree.write(path, content)
        }
        written => written,
    }
}

fn make_dirs(tree: &dyn Tree, path: &str) -> FsResult<()> {
    for (i, _) in path.match_indices('/').filter(|(i, _)| *i > 0) {
        match tree.make_dir(&path[..i]) {
            Ok(()) | Err(FsError::Exists) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

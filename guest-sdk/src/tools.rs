//! The host's file tools: whole files and line ranges, each call one operation.
//!
//! Rust has `std::fs`, and that is the usual way. These are for what it lacks (an exact, single
//! edit) and for agents that expose the same tools to a language model. Paths are resolved as
//! `std::fs` resolves them, from `/workspace`.

use crate::AgentError;
use crate::bindings::common::brio::core::session_tools as wire;

/// Reads a whole file.
///
/// ```no_run
/// let bytes = brio_agent::tools::read_file("logo.png")?;
/// # Ok::<(), brio_agent::tools::ToolError>(())
/// ```
pub fn read_file(path: &str) -> Result<Vec<u8>, ToolError> {
    wire::read_file(path).map_err(Into::into)
}

/// Reads the lines `first` to `last` of a text file, counted from 1, both included. Lines past the
/// end are left out.
///
/// ```no_run
/// let head = brio_agent::tools::read_file_range("src/main.rs", 1, 20)?;
/// # Ok::<(), brio_agent::tools::ToolError>(())
/// ```
pub fn read_file_range(path: &str, first: u32, last: u32) -> Result<String, ToolError> {
    wire::read_file_range(path, first, last).map_err(Into::into)
}

/// Makes `content` the whole content of a file; missing directories are created.
///
/// ```no_run
/// brio_agent::tools::write_file("docs/index.md", "# Docs\n")?;
/// # Ok::<(), brio_agent::tools::ToolError>(())
/// ```
pub fn write_file(path: &str, content: impl AsRef<[u8]>) -> Result<(), ToolError> {
    wire::write_file(path, content.as_ref()).map_err(Into::into)
}

/// Lists a directory, sorted by name.
///
/// ```no_run
/// for entry in brio_agent::tools::list_directory(".")? {
///     println!("{} {}", entry.size, entry.name);
/// }
/// # Ok::<(), brio_agent::tools::ToolError>(())
/// ```
pub fn list_directory(path: &str) -> Result<Vec<Entry>, ToolError> {
    let entries = wire::list_directory(path)?;
    Ok(entries.into_iter().map(Into::into).collect())
}

/// Replaces the one occurrence of `old` by `new`. Fails when there is none, or more than one.
///
/// ```no_run
/// brio_agent::tools::edit("Cargo.toml", "version = \"0.1.0\"", "version = \"0.2.0\"")?;
/// # Ok::<(), brio_agent::tools::ToolError>(())
/// ```
pub fn edit(path: &str, old: &str, new: &str) -> Result<(), ToolError> {
    wire::edit(path, old, new, false)?;
    Ok(())
}

/// Replaces every occurrence of `old` by `new` and returns how many there were. Fails when there is
/// none.
///
/// ```no_run
/// let places = brio_agent::tools::edit_all("README.md", "foo", "bar")?;
/// # Ok::<(), brio_agent::tools::ToolError>(())
/// ```
pub fn edit_all(path: &str, old: &str, new: &str) -> Result<u32, ToolError> {
    wire::edit(path, old, new, true).map_err(Into::into)
}

/// Removes a file, a symlink or an empty directory.
///
/// ```no_run
/// brio_agent::tools::remove("old.txt")?;
/// # Ok::<(), brio_agent::tools::ToolError>(())
/// ```
pub fn remove(path: &str) -> Result<(), ToolError> {
    wire::remove(path).map_err(Into::into)
}

/// One name in a directory.
///
/// ```no_run
/// use brio_agent::tools::{EntryKind, list_directory};
///
/// let bytes: u64 = list_directory("src")?.iter()
///     .filter(|entry| entry.kind == EntryKind::File)
///     .map(|entry| entry.size)
///     .sum();
/// # Ok::<(), brio_agent::tools::ToolError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without a slash.
    pub name: String,
    /// What it is; symlinks are not followed.
    pub kind: EntryKind,
    /// Bytes of a file or of a symlink's target, otherwise 0.
    pub size: u64,
}

/// What a directory entry is.
///
/// ```
/// use brio_agent::tools::EntryKind;
/// assert_ne!(EntryKind::File, EntryKind::Symlink);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Anything else.
    Other,
}

/// Why a tool failed; the string is the path as it was given.
///
/// ```
/// use brio_agent::{AgentError, tools::ToolError};
///
/// let error = ToolError::Ambiguous { path: "a.txt".into(), matches: 3 };
/// assert_eq!(error.to_string(), "a.txt: the text occurs 3 times; give more of its surroundings");
/// let error: AgentError = error.into(); // so `?` works in an agent
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolError {
    /// Nothing has this name.
    NotFound(String),
    /// A file was asked for.
    IsDirectory(String),
    /// A directory was asked for, or a component of the path is none.
    NotDirectory(String),
    /// The directory still has entries.
    NotEmpty(String),
    /// The path is empty, malformed or leads out of the view.
    InvalidPath(String),
    /// A mode, the view or a rule of the host forbids it.
    NotPermitted(String),
    /// The file is not UTF-8.
    NotText(String),
    /// The first line is 0 or lies after the last.
    InvalidRange(String),
    /// The result does not fit into one answer.
    TooLarge(String),
    /// The text to replace does not occur.
    NoMatch(String),
    /// The text to replace occurs more than once.
    Ambiguous {
        /// The path.
        path: String,
        /// How often it occurs.
        matches: u32,
    },
    /// A limit of the run, or the disk, has no room for it.
    NoSpace(String),
    /// Anything else.
    Failed {
        /// The path.
        path: String,
        /// What happened.
        message: String,
    },
}

impl std::fmt::Display for ToolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound(path) => write!(f, "{path}: no such file or directory"),
            Self::IsDirectory(path) => write!(f, "{path}: is a directory"),
            Self::NotDirectory(path) => write!(f, "{path}: not a directory"),
            Self::NotEmpty(path) => write!(f, "{path}: the directory is not empty"),
            Self::InvalidPath(path) => write!(f, "{path}: not a path inside of the view"),
            Self::NotPermitted(path) => write!(f, "{path}: not permitted"),
            Self::NotText(path) => write!(f, "{path}: not UTF-8 text"),
            Self::InvalidRange(path) => {
                write!(f, "{path}: lines are counted from 1, and the first comes before the last")
            }
            Self::TooLarge(path) => {
                write!(f, "{path}: too large for one answer; read it in ranges")
            }
            Self::NoMatch(path) => write!(f, "{path}: the text to replace does not occur"),
            Self::Ambiguous { path, matches } => {
                write!(f, "{path}: the text occurs {matches} times; give more of its surroundings")
            }
            Self::NoSpace(path) => write!(f, "{path}: no space left, or over a limit of the run"),
            Self::Failed { path, message } => write!(f, "{path}: {message}"),
        }
    }
}

impl std::error::Error for ToolError {}

impl From<ToolError> for AgentError {
    fn from(error: ToolError) -> Self {
        Self::Failed(error.to_string())
    }
}

//! Task files: TOML or JSON, read into a [`Task`], or into everything that is wrong with them.
//!
//! | module | what |
//! |---|---|
//! | `wire`, `schema` | what a file may say, and the published schema of it |
//! | `parse`, `tree`, `key` | text into keys and values that know where they stand |
//! | `shape` | whether keys and values are those of the schema |
//! | `judge` | whether they make sense; what is left is a task |
//! | `load` | the file, and those that it names |
//! | `error`, `problem` | what is wrong |
mod error;
mod judge;
mod key;
mod load;
mod parse;
mod problem;
mod schema;
mod shape;
mod tree;
mod wire;

use std::path::Path;

pub use error::{TaskFileError, TaskFileErrors};
pub use schema::schema;

use crate::Task;

/// What a task file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

impl Format {
    /// The format of a file by its name: `.json` is JSON, all else TOML.
    pub fn of(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("json") => Self::Json,
            _ => Self::Toml,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Toml => "TOML",
            Self::Json => "JSON",
        }
    }
}

/// Reads a task file and the files that it names as children. Paths in it are relative to the
/// directory that it lies in, and absolute in the task.
///
/// A file that says no base is a task without one, and whoever runs it says where.
///
/// # Errors
///
/// Everything that is wrong, in all of the files, as far as it can be told at once.
pub fn read(path: &Path) -> Result<Task, TaskFileErrors> {
    load::file(path)
}

/// Reads a task from a text, as [`read`] does; paths in it are relative to `dir`.
///
/// # Errors
///
/// As [`read`]; the errors name no file.
pub fn parse(text: &str, format: Format, dir: &Path) -> Result<Task, TaskFileErrors> {
    load::text(text, format, dir)
}

//! What is wrong with a task file, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::key::Key;
use super::problem::{Problem, on_one_line};

/// Everything that is wrong with a task file and the files that it names; at least one thing. In
/// the order of the files, then of their lines.
#[derive(Debug, Clone, PartialEq, Error)]
pub struct TaskFileErrors {
    pub(super) errors: Vec<TaskFileError>,
}

/// One thing that is wrong with a task file. Its text says where, what, and what to do next.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskFileError {
    pub(super) file: Option<PathBuf>,
    pub(super) place: Option<(usize, usize)>,
    pub(super) key: Key,
    pub(super) problem: Problem,
}

impl TaskFileErrors {
    /// A stable code: `TASK_UNREADABLE` when the file itself could not be read, else
    /// `TASK_INVALID`.
    pub fn code(&self) -> &'static str {
        match self.errors.as_slice() {
            [only] if only.code() == "TASK_UNREADABLE" => "TASK_UNREADABLE",
            _ => "TASK_INVALID",
        }
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, TaskFileError> {
        self.errors.iter()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.errors.len()
    }
}

impl<'a> IntoIterator for &'a TaskFileErrors {
    type Item = &'a TaskFileError;
    type IntoIter = std::slice::Iter<'a, TaskFileError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for TaskFileErrors {
    /// The code, then each on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.code())?;
        let apart = if self.errors.len() == 1 { " " } else { "\n" };
        for error in &self.errors {
            write!(f, "{apart}{error}")?;
        }
        Ok(())
    }
}

impl TaskFileError {
    /// A stable code for the kind of mistake.
    pub fn code(&self) -> &'static str {
        self.problem.code()
    }

    /// The file; `None` for a text that came from none.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line, from 1; `None` when it is about the whole file.
    pub fn line(&self) -> Option<usize> {
        self.place.map(|(line, _)| line)
    }

    /// The column, from 1, in characters.
    pub fn column(&self) -> Option<usize> {
        self.place.map(|(_, column)| column)
    }

    /// The key, such as `steps[1].agent`; `None` when it is about the whole file.
    pub fn key(&self) -> Option<String> {
        (!self.key.is_root()).then(|| self.key.to_string())
    }

    /// What is wrong, without the place and what to do next.
    pub fn what(&self) -> String {
        self.split().0
    }

    /// What to do next.
    pub fn next(&self) -> String {
        self.split().1
    }

    fn split(&self) -> (String, String) {
        let text = self.problem.to_string();
        match text.rsplit_once("; ") {
            Some((what, next)) => (what.to_owned(), next.to_owned()),
            None => (text, String::new()),
        }
    }

    /// `task.toml:3:1: steps[1].agent`, or as much of it as there is.
    pub fn place(&self) -> String {
        let file = self.file.as_ref().map(|file| on_one_line(&file.display().to_string()));
        let line = self.place.map(|(line, column)| format!("{line}:{column}"));
        let place: Vec<_> = [file, line].into_iter().flatten().collect();
        let key = self.key().map(|key| format!(": {key}")).unwrap_or_default();
        format!("{}{key}", place.join(":"))
    }
}

impl fmt::Display for TaskFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        let colon = if place.is_empty() { "" } else { ": " };
        write!(f, "{place}{colon}{}", self.problem)
    }
}

impl std::error::Error for TaskFileError {}

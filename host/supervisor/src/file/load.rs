//! The file, and those that it names.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::{TaskFileError, TaskFileErrors};
use super::judge::{self, Place};
use super::key::Key;
use super::problem::{Problem, on_one_line};
use super::tree::{Node, line_and_column};
use super::{Format, parse, shape, wire};
use crate::Task;

/// How large a file may be, and all of them together, in bytes.
const MAX_FILE: u64 = 4 << 20;
const MAX_FILES: u64 = 16 << 20;
/// How many tasks there may be in one submission.
const MAX_TASKS: usize = 10_000;
/// How deep children may be nested.
pub(super) const MAX_DEPTH: usize = 16;
/// How many mistakes are told at once.
const MAX_ERRORS: usize = 100;

/// Reads a file.
pub(super) fn file(path: &Path) -> Result<Task, TaskFileErrors> {
    let mut loader = Loader::default();
    let task = loader.file(path, Place::root(), None);
    loader.finish(task)
}

/// Reads a text.
pub(super) fn text(text: &str, format: Format, dir: &Path) -> Result<Task, TaskFileErrors> {
    let mut loader = Loader::default();
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let task = loader.text(Source { shown: None, text, format, dir, number: 0 }, Place::root());
    loader.finish(task)
}

/// Reads files, and keeps what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Loader {
    /// With the number of the file, in the order in which they were opened.
    errors: Vec<(usize, TaskFileError)>,
    /// The files that are being read, from the first: as they are, and as they are shown.
    open: Vec<(PathBuf, PathBuf)>,
    files: usize,
    bytes: u64,
    tasks: usize,
}

/// Where the reading of a text happens to stand.
struct Source<'a> {
    shown: Option<PathBuf>,
    text: &'a str,
    format: Format,
    dir: PathBuf,
    number: usize,
}

/// One text that is being read.
pub(super) struct Reading<'a> {
    loader: &'a mut Loader,
    source: Source<'a>,
    tree: &'a Node,
    /// What was left out, and the tables and lists that lack something for it.
    broken: HashSet<Key>,
    damaged: HashSet<Key>,
}

/// Who names a file.
struct Includer {
    number: usize,
    error: TaskFileError,
}

impl Loader {
    fn finish(mut self, task: Option<Task>) -> Result<Task, TaskFileErrors> {
        match task {
            Some(task) if self.errors.is_empty() => Ok(task),
            _ => {
                self.errors.sort_by_key(|(number, error)| (*number, error.place));
                let errors = self.errors.into_iter().map(|(_, error)| error).collect();
                Err(TaskFileErrors { errors })
            }
        }
    }

    fn push(&mut self, number: usize, error: TaskFileError) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push((number, error));
        }
    }

    /// Whether there is no sense in going on.
    fn exhausted(&self) -> bool {
        self.errors.len() >= MAX_ERRORS || self.tasks > MAX_TASKS
    }

    /// Reads a file. What keeps it from being read is told where it is named.
    fn file(&mut self, path: &Path, place: Place, by: Option<Includer>) -> Option<Task> {
        let number = self.files;
        self.files += 1;
        let fail = |loader: &mut Self, problem| {
            let whole = TaskFileError {
                file: Some(path.to_owned()),
                place: None,
                key: Key::default(),
                problem: Problem::NotUtf8,
            };
            let (number, error) = match &by {
                Some(by) => (by.number, by.error.clone()),
                None => (number, whole),
            };
            loader.push(number, TaskFileError { problem, ..error });
        };
        let (text, canonical) = match self.content(path) {
            Ok(found) => found,
            Err(problem) => {
                fail(self, problem);
                return None;
            }
        };
        if let Some(at) = self.open.iter().position(|(open, _)| *open == canonical) {
            let chain = self.open[at..].iter().map(|(_, shown)| shown.clone());
            let chain = chain.chain([path.to_owned()]).collect();
            fail(self, Problem::Cycle(chain));
            return None;
        }
        let dir = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let source = Source {
            shown: Some(path.to_owned()),
            text: &text,
            format: Format::of(path),
            dir: std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()),
            number,
        };
        self.open.push((canonical, path.to_owned()));
        let task = self.text(source, place);
        self.open.pop();
        task
    }

    fn content(&mut self, path: &Path) -> Result<(String, PathBuf), Problem> {
        let unreadable = |e: std::io::Error| Problem::Unreadable { why: e.to_string() };
        // Asked before it is opened: opening a pipe waits for a writer.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(Problem::NotAFile);
        }
        let limit = MAX_FILE.min(MAX_FILES.saturating_sub(self.bytes));
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(unreadable)?;
        file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > limit {
            return Err(Problem::TooLarge { limit: MAX_FILE });
        }
        self.bytes += bytes.len() as u64;
        let canonical = fs::canonicalize(path).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|_| Problem::NotUtf8)?;
        Ok((text, canonical))
    }

    fn text(&mut self, source: Source<'_>, place: Place) -> Option<Task> {
        let tree = match parse::parse(source.text, source.format) {
            Ok(tree) => tree,
            Err(errors) => {
                for error in errors {
                    let place = Some(line_and_column(source.text, error.at));
                    let problem = Problem::Syntax {
                        what: on_one_line(&error.what),
                        format: source.format.name(),
                    };
                    let (file, key) = (source.shown.clone(), Key::default());
                    self.push(source.number, TaskFileError { file, place, key, problem });
                }
                return None;
            }
        };
        let mut reading = Reading {
            loader: self,
            source,
            tree: &tree,
            broken: HashSet::new(),
            damaged: HashSet::new(),
        };
        let json = shape::check(&mut reading, &tree)?;
        match serde_json::from_value::<wire::Root>(json) {
            Ok(root) => Some(judge::task(&mut reading, root.0, &Key::default(), place)),
            Err(e) => {
                let next = "see `brio task schema` for what may be there".to_owned();
                reading.error(&Key::default(), Problem::Value { why: e.to_string(), next });
                None
            }
        }
    }
}

impl Reading<'_> {
    /// Reports what is wrong with a key. What may only follow from another mistake is left to the
    /// next time.
    pub(super) fn error(&mut self, key: &Key, problem: Problem) {
        let follows = match &problem {
            Problem::Missing { .. } | Problem::NoChoice { .. } => self.damaged.contains(key),
            Problem::Nothing | Problem::Quote { .. } | Problem::NoMetric { .. } => {
                !self.damaged.is_empty()
            }
            _ => false,
        };
        if follows || self.broken.contains(key) {
            return;
        }
        if matches!(problem, Problem::Misplaced { .. }) {
            self.broken.insert(key.clone());
        }
        self.report(key, self.tree.place(key), problem);
    }

    /// Reports what is wrong with a key, which is then left out. Nothing else is told of it.
    pub(super) fn broken(&mut self, key: &Key, problem: Problem) {
        self.broken_at(key, self.tree.place(key), problem);
    }

    /// The same, at this byte.
    pub(super) fn broken_at(&mut self, key: &Key, byte: usize, problem: Problem) {
        self.report(key, byte, problem);
        self.broken.insert(key.clone());
        self.damage(key);
    }

    /// Something in it was left out.
    pub(super) fn damage(&mut self, key: &Key) {
        self.damaged.insert(key.clone());
    }

    fn report(&mut self, key: &Key, byte: usize, problem: Problem) {
        if self.loader.exhausted() && !matches!(problem, Problem::TooMany { .. }) {
            return;
        }
        let error = self.problem(key, byte, problem);
        self.loader.push(self.source.number, error);
    }

    fn problem(&self, key: &Key, byte: usize, problem: Problem) -> TaskFileError {
        TaskFileError {
            file: self.source.shown.clone(),
            place: Some(line_and_column(self.source.text, byte)),
            key: key.clone(),
            problem,
        }
    }

    /// The keys that a table has in the file.
    pub(super) fn keys(&self, key: &Key) -> Vec<String> {
        self.tree.keys(key)
    }

    /// A path of the file, absolute.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        // Without the `.` that a person writes.
        self.source.dir.join(path).components().collect()
    }

    /// Counts a task; `false` when there are too many.
    pub(super) fn count(&mut self, key: &Key) -> bool {
        self.loader.tasks += 1;
        if self.loader.tasks == MAX_TASKS + 1 {
            self.report(key, self.tree.place(key), Problem::TooMany { limit: MAX_TASKS });
        }
        self.loader.tasks <= MAX_TASKS
    }

    /// Reads the file that a key names.
    pub(super) fn include(&mut self, file: &str, key: &Key, place: Place) -> Option<Task> {
        if self.loader.exhausted() {
            return None;
        }
        let path = match &self.source.shown {
            Some(shown) => shown.parent().unwrap_or(Path::new("")).join(file),
            None => self.source.dir.join(file),
        };
        let error = self.problem(key, self.tree.place(key), Problem::NotUtf8);
        let by = Includer { number: self.source.number, error };
        self.loader.file(&path, place, Some(by))
    }
}

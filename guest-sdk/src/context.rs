//! What an agent is asked to do.

use std::path::{Path, PathBuf};

use crate::{AgentError, AtPath};

/// The task of one run: its words, its files, its session.
///
/// ```
/// # use brio_agent::TaskContext;
/// let task = TaskContext::new("task-1", "tidy up").with_input("notes.txt");
/// assert_eq!(task.description(), "tidy up");
/// assert_eq!(task.input_files(), [std::path::Path::new("notes.txt")]);
/// assert_eq!(task.session_id(), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskContext {
    pub(crate) task_id: String,
    pub(crate) description: String,
    pub(crate) input_files: Vec<PathBuf>,
    pub(crate) session_id: Option<String>,
}

impl TaskContext {
    /// A task made by hand, for tests of an agent on the native host.
    ///
    /// ```
    /// let task = brio_agent::TaskContext::new("task-1", "say hello");
    /// assert_eq!(task.task_id(), "task-1");
    /// ```
    pub fn new(task_id: impl Into<String>, description: impl Into<String>) -> Self {
        Self { task_id: task_id.into(), description: description.into(), ..Self::default() }
    }

    /// The same task with one more input file.
    ///
    /// ```
    /// let task = brio_agent::TaskContext::new("t", "").with_input("fix.diff");
    /// assert_eq!(task.input_files().len(), 1);
    /// ```
    #[must_use]
    pub fn with_input(mut self, path: impl Into<PathBuf>) -> Self {
        self.input_files.push(path.into());
        self
    }

    /// The name of this unit of work in logs and in the journal.
    ///
    /// ```
    /// # let task = brio_agent::TaskContext::new("task-7", "");
    /// assert_eq!(task.task_id(), "task-7");
    /// ```
    pub fn task_id(&self) -> &str {
        &self.task_id
    }

    /// The task in words; may be empty.
    ///
    /// ```
    /// # let task = brio_agent::TaskContext::new("t", "rename foo to bar");
    /// assert_eq!(task.description(), "rename foo to bar");
    /// ```
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The files that belong to the task, as paths that `std::fs` opens.
    ///
    /// ```
    /// # let task = brio_agent::TaskContext::new("t", "").with_input("a").with_input("b");
    /// assert_eq!(task.input_files().len(), 2);
    /// ```
    pub fn input_files(&self) -> &[PathBuf] {
        &self.input_files
    }

    /// The session the agent works in, for [`crate::session`]; `None` on a plain directory.
    ///
    /// ```no_run
    /// # use brio_agent::{AgentError, TaskContext};
    /// # fn run(task: TaskContext) -> Result<(), AgentError> {
    /// if let Some(id) = task.session_id() {
    ///     println!("{:?}", brio_agent::session::status(id)?.state);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// The arguments after `--` on the command line, without the agent's name.
    ///
    /// ```
    /// # let task = brio_agent::TaskContext::new("t", "");
    /// let verbose = task.args().iter().any(|arg| arg == "--verbose");
    /// # assert!(!verbose);
    /// ```
    pub fn args(&self) -> Vec<String> {
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    /// What the task says: the description or, if that is blank, the input files one after the
    /// other.
    ///
    /// Fails when an input file cannot be read, and as an invalid task when there is nothing.
    ///
    /// ```
    /// let task = brio_agent::TaskContext::new("t", "s/a/b/");
    /// assert_eq!(task.text()?, "s/a/b/");
    /// assert!(brio_agent::TaskContext::new("t", " ").text().is_err());
    /// # Ok::<(), brio_agent::AgentError>(())
    /// ```
    pub fn text(&self) -> Result<String, AgentError> {
        if !self.description.trim().is_empty() {
            return Ok(self.description.clone());
        }
        let mut text = String::new();
        for path in &self.input_files {
            text.push_str(&read_text(path)?);
        }
        if text.trim().is_empty() {
            return Err(AgentError::invalid(
                "the task is empty: give it with --task TEXT or --input FILE",
            ));
        }
        Ok(text)
    }
}

fn read_text(path: &Path) -> Result<String, AgentError> {
    std::fs::read_to_string(path).at(path)
}

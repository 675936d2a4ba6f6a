//! Why an agent did not do its task, and how other errors become that.

use std::path::{Path, PathBuf};

/// The error of an agent. `?` makes one of I/O errors, of text, and of this crate's other errors.
///
/// ```
/// use brio_agent::AgentError;
///
/// fn parse(task: &str) -> Result<u32, AgentError> {
///     task.parse().map_err(|_| AgentError::invalid(format!("`{task}` is not a number")))
/// }
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid task: `x` is not a number");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentError {
    /// The task cannot be understood; trying again without changing it is useless.
    InvalidTask(String),
    /// The work was tried and did not succeed.
    Failed(String),
    /// The work was done, but its own check (tests, a linter) rejected it.
    CheckFailed(String),
    /// A file operation failed.
    Io {
        /// The path, where it is known.
        path: Option<PathBuf>,
        /// What the system said.
        message: String,
    },
    /// A session of the agent's own could not be landed; the text begins with `CONFLICT: `.
    Conflict(String),
}

impl AgentError {
    /// The task cannot be understood.
    ///
    /// ```
    /// # use brio_agent::AgentError;
    /// assert!(matches!(AgentError::invalid("empty"), AgentError::InvalidTask(_)));
    /// ```
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidTask(message.into())
    }

    /// The work did not succeed.
    ///
    /// ```
    /// # use brio_agent::AgentError;
    /// assert_eq!(AgentError::failed("no luck").to_string(), "no luck");
    /// ```
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}

impl std::fmt::Display for AgentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InvalidTask(text) => write!(f, "invalid task: {text}"),
            Self::CheckFailed(text) => write!(f, "check failed: {text}"),
            Self::Failed(text) | Self::Conflict(text) => f.write_str(text),
            Self::Io { path: Some(path), message } => write!(f, "{}: {message}", path.display()),
            Self::Io { path: None, message } => f.write_str(message),
        }
    }
}

impl std::error::Error for AgentError {}

impl From<std::io::Error> for AgentError {
    fn from(error: std::io::Error) -> Self {
        Self::Io { path: None, message: error.to_string() }
    }
}

/// Text that begins with the code `CONFLICT` is a conflict, any other a failure.
impl From<String> for AgentError {
    fn from(text: String) -> Self {
        if text.starts_with("CONFLICT:") { Self::Conflict(text) } else { Self::Failed(text) }
    }
}

impl From<&str> for AgentError {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<std::fmt::Error> for AgentError {
    fn from(error: std::fmt::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Says which path an I/O error is about; the standard library's errors do not.
///
/// ```
/// use brio_agent::{AgentError, AtPath};
///
/// let error = std::fs::read("no/such/file").at("no/such/file").unwrap_err();
/// assert!(error.to_string().starts_with("no/such/file: "));
/// ```
pub trait AtPath<T> {
    /// The same result, with the path in its error.
    ///
    /// ```
    /// # use brio_agent::{AgentError, AtPath};
    /// fn size(path: &str) -> Result<u64, AgentError> {
    ///     Ok(std::fs::metadata(path).at(path)?.len())
    /// }
    /// # assert!(size("no/such/file").is_err());
    /// ```
    fn at(self, path: impl AsRef<Path>) -> Result<T, AgentError>;
}

impl<T> AtPath<T> for std::io::Result<T> {
    fn at(self, path: impl AsRef<Path>) -> Result<T, AgentError> {
        self.map_err(|error| AgentError::Io {
            path: Some(path.as_ref().to_owned()),
            message: error.to_string(),
        })
    }
}

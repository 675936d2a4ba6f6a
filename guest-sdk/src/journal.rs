//! What the agent says and decides while it works, kept in the journal of the base.
//!
//! It stays there when the session is rolled back, and the landing of the session leads to its
//! decisions: `brio journal --session ID`. The id of the agent's own session is
//! [`crate::TaskContext::session_id`].
//!
//! ```no_run
//! use brio_agent::{AgentError, TaskContext, journal};
//!
//! fn explained(task: &TaskContext) -> Result<(), AgentError> {
//!     let Some(id) = task.session_id() else { return Ok(()) };
//!     journal::say(id, "two files use the old name")?;
//!     let decision = journal::Decision::new("rename both", "one name for one thing")
//!         .instead_of("an alias")
//!         .instead_of("leave it");
//!     journal::decide(id, decision)?;
//!     Ok(())
//! }
//! ```

use crate::AgentError;
use crate::bindings::common::brio::core::session_journal as wire;

/// Writes something that the agent has to say: at most 64 KiB, and not empty.
///
/// ```no_run
/// # let id = "sess-0";
/// brio_agent::journal::say(id, "the tests take longer than the change")?;
/// # Ok::<(), brio_agent::journal::JournalError>(())
/// ```
pub fn say(id: &str, text: &str) -> Result<(), JournalError> {
    Ok(wire::say(id, text)?)
}

/// Writes a decision.
///
/// ```no_run
/// # let id = "sess-0";
/// use brio_agent::journal::{Decision, decide};
///
/// decide(id, Decision::new("keep the old format", "others read it"))?;
/// # Ok::<(), brio_agent::journal::JournalError>(())
/// ```
pub fn decide(id: &str, decision: Decision) -> Result<(), JournalError> {
    let Decision { title, why, alternatives } = decision;
    Ok(wire::decide(id, &wire::Decision { title, why, alternatives })?)
}

/// Something that was decided.
///
/// ```
/// use brio_agent::journal::Decision;
///
/// let decision = Decision::new("rename", "one name for one thing").instead_of("an alias");
/// assert_eq!(decision.alternatives, ["an alias"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What, in a few words.
    pub title: String,
    /// Why.
    pub why: String,
    /// What else could have been done.
    pub alternatives: Vec<String>,
}

impl Decision {
    /// A decision, and why.
    ///
    /// ```
    /// let decision = brio_agent::journal::Decision::new("stop", "nothing to do");
    /// assert_eq!(decision.title, "stop");
    /// ```
    pub fn new(title: impl Into<String>, why: impl Into<String>) -> Self {
        Self { title: title.into(), why: why.into(), alternatives: Vec::new() }
    }

    /// Names something else that could have been done.
    ///
    /// ```
    /// # use brio_agent::journal::Decision;
    /// let decision = Decision::new("a", "it is first").instead_of("b").instead_of("c");
    /// assert_eq!(decision.alternatives.len(), 2);
    /// ```
    #[must_use]
    pub fn instead_of(mut self, alternative: impl Into<String>) -> Self {
        self.alternatives.push(alternative.into());
        self
    }
}

/// Why nothing was written.
///
/// ```
/// use brio_agent::journal::JournalError;
/// let error = JournalError::Ended("sess-0".into());
/// assert_eq!(error.to_string(), "sess-0: the session has ended");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalError {
    /// No session has this id, or it is none of the agent's.
    Unknown(String),
    /// It has ended.
    Ended(String),
    /// The text or the title is empty.
    Empty(String),
    /// A text, or all that the run said, is too long.
    Limit(String),
    /// There is no journal, or the host could not write it.
    Failed(String),
}

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(id) => write!(f, "{id}: no such session, or not one of this agent"),
            Self::Ended(id) => write!(f, "{id}: the session has ended"),
            Self::Empty(text) | Self::Limit(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for JournalError {}

impl From<JournalError> for AgentError {
    fn from(error: JournalError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<wire::JournalError> for JournalError {
    fn from(error: wire::JournalError) -> Self {
        use wire::JournalError as E;
        match error {
            E::Unknown(id) => Self::Unknown(id),
            E::Ended(id) => Self::Ended(id),
            E::Empty(text) => Self::Empty(text),
            E::Limit(text) => Self::Limit(text),
            E::Failed(text) => Self::Failed(text),
        }
    }
}

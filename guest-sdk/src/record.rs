//! The project's record, and what its agents knew last (feature `project-record`).
//!
//! The run must be granted it: `brio run AGENT --grant project-record`. What is written here and
//! in [`notes`](crate::notes) is the session's: others see it when the session lands, and nobody
//! when it is rolled back.
//!
//! ```no_run
//! use brio_agent::{AgentError, record};
//!
//! fn go_on() -> Result<(), AgentError> {
//!     let known = record::load_context("planner")?.unwrap_or_default();
//!     let now = record::get()?;
//!     println!("{:?}, at {:?}; known: {known}", now.mode, now.task);
//!     record::Update::new().mode(record::Mode::Coding).task("parser").apply()?;
//!     record::save_context("planner", "{\"next\": \"lexer\"}")?;
//!     Ok(())
//! }
//! ```

use crate::AgentError;
use crate::bindings::project::brio::core::project_record as wire;

/// The record; one is made where there is none.
///
/// ```no_run
/// if brio_agent::record::get()?.mode == brio_agent::record::Mode::Disabled {
///     println!("nothing is to be done");
/// }
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
pub fn get() -> Result<Record, RecordError> {
    Ok(wire::get_record()?.into())
}

/// Stores what an agent knows, in place of what it knew before: any JSON, at most 1 MiB.
///
/// An agent's name is 1 to 64 lower-case letters, digits and inner hyphens.
///
/// ```no_run
/// brio_agent::record::save_context("planner", "{\"step\": 3}")?;
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
pub fn save_context(agent: &str, json: &str) -> Result<(), RecordError> {
    Ok(wire::save_agent_context(agent, json)?)
}

/// What an agent knew last, as JSON; `None` when nothing is stored. White space and the order of
/// members may be others than when it was saved.
///
/// ```no_run
/// let known = brio_agent::record::load_context("planner")?;
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
pub fn load_context(agent: &str) -> Result<Option<String>, RecordError> {
    Ok(wire::load_agent_context(agent)?)
}

/// What a project is at.
///
/// ```
/// assert_ne!(brio_agent::record::Mode::Planning, brio_agent::record::Mode::Coding);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Reading, understanding. A new record is in it.
    Analysis,
    /// Designing.
    Planning,
    /// Changing code.
    Coding,
    /// No mode is in force.
    Disabled,
}

/// One change of the mode.
///
/// ```no_run
/// for change in brio_agent::record::get()?.mode_history {
///     println!("{:?} since {} ms", change.mode, change.changed_at_ms);
/// }
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeChange {
    /// The mode that began.
    pub mode: Mode,
    /// When, in milliseconds since the Unix epoch.
    pub changed_at_ms: u64,
}

/// What survives every session: one per project.
///
/// ```no_run
/// let record = brio_agent::record::get()?;
/// println!("version {}, {:?}", record.version, record.mode);
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The mode that it is in.
    pub mode: Mode,
    /// What is being worked on.
    pub task: Option<String>,
    /// The feature that this belongs to.
    pub feature: Option<String>,
    /// Every change of the mode, oldest first.
    pub mode_history: Vec<ModeChange>,
    /// Rises with every update.
    pub version: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When it was last updated, likewise.
    pub updated_at_ms: u64,
}

/// What to change in the record. What is not named stays.
///
/// ```no_run
/// use brio_agent::record::{Mode, Update};
///
/// let record = Update::new().mode(Mode::Planning).task("").apply()?; // no task any more
/// assert_eq!(record.task, None);
/// # Ok::<(), brio_agent::record::RecordError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "an update is nothing until it is applied"]
pub struct Update {
    mode: Option<Mode>,
    task: Option<String>,
    feature: Option<String>,
}

impl Update {
    /// One that changes nothing.
    ///
    /// ```
    /// assert_eq!(brio_agent::record::Update::new(), brio_agent::record::Update::default());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the mode.
    ///
    /// ```
    /// # use brio_agent::record::{Mode, Update};
    /// let _ = Update::new().mode(Mode::Coding);
    /// ```
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sets the task, at most 64 KiB; an empty text clears it.
    ///
    /// ```
    /// # use brio_agent::record::Update;
    /// let _ = Update::new().task("parser");
    /// ```
    pub fn task(mut self, task: impl Into<String>) -> Self {
        self.task = Some(task.into());
        self
    }

    /// Sets the feature, at most 64 KiB; an empty text clears it.
    ///
    /// ```
    /// # use brio_agent::record::Update;
    /// let _ = Update::new().feature("notes");
    /// ```
    pub fn feature(mut self, feature: impl Into<String>) -> Self {
        self.feature = Some(feature.into());
        self
    }

    /// Applies it to the record as it is now, and returns the new one.
    ///
    /// ```no_run
    /// # use brio_agent::record::Update;
    /// let record = Update::new().task("parser").apply()?;
    /// # Ok::<(), brio_agent::record::RecordError>(())
    /// ```
    pub fn apply(self) -> Result<Record, RecordError> {
        let Self { mode, task, feature } = self;
        let update = wire::RecordUpdate { mode: mode.map(Into::into), task, feature };
        Ok(wire::set_record(&update)?.into())
    }
}

/// Why nothing is known of the record or the notes, or nothing was done.
///
/// ```
/// use brio_agent::record::RecordError;
/// let error = RecordError::Changed(3);
/// assert_eq!(error.to_string(), "the note has version 3 by now; read it again");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// The notes cannot be reached now; whether there is such a note is not known.
    Unavailable(String),
    /// The note has this version, and not the expected one; 0: there is none.
    Changed(u64),
    /// This names no note, or is no pattern.
    InvalidPath(String),
    /// This names no agent.
    InvalidAgent(String),
    /// The context is no JSON.
    InvalidJson(String),
    /// A content is over its bound.
    TooLarge(String),
    /// A limit forbids it; the text says which.
    Limit(String),
    /// What is stored cannot be understood; earlier versions are in its history.
    Corrupt(String),
    /// The agent is a reviewer, which changes nothing.
    ReadOnly(String),
    /// The host could not do it.
    Failed(String),
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changed(0) => f.write_str("there is no such note any more; read it again"),
            Self::Changed(version) => {
                write!(f, "the note has version {version} by now; read it again")
            }
            Self::Unavailable(text)
            | Self::InvalidPath(text)
            | Self::InvalidAgent(text)
            | Self::InvalidJson(text)
            | Self::TooLarge(text)
            | Self::Limit(text)
            | Self::Corrupt(text)
            | Self::ReadOnly(text)
            | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for RecordError {}

impl From<RecordError> for AgentError {
    fn from(error: RecordError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<wire::RecordError> for RecordError {
    fn from(error: wire::RecordError) -> Self {
        use wire::RecordError as E;
        match error {
            E::Unavailable(text) => Self::Unavailable(text),
            E::Changed(version) => Self::Changed(version),
            E::InvalidPath(text) => Self::InvalidPath(text),
            E::InvalidAgent(text) => Self::InvalidAgent(text),
            E::InvalidJson(text) => Self::InvalidJson(text),
            E::TooLarge(text) => Self::TooLarge(text),
            E::Limit(text) => Self::Limit(text),
            E::Corrupt(text) => Self::Corrupt(text),
            E::ReadOnly(text) => Self::ReadOnly(text),
            E::Failed(text) => Self::Failed(text),
        }
    }
}

impl From<wire::Mode> for Mode {
    fn from(mode: wire::Mode) -> Self {
        match mode {
            wire::Mode::Analysis => Self::Analysis,
            wire::Mode::Planning => Self::Planning,
            wire::Mode::Coding => Self::Coding,
            wire::Mode::Disabled => Self::Disabled,
        }
    }
}

impl From<Mode> for wire::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Analysis => Self::Analysis,
            Mode::Planning => Self::Planning,
            Mode::Coding => Self::Coding,
            Mode::Disabled => Self::Disabled,
        }
    }
}

impl From<wire::ProjectState> for Record {
    fn from(state: wire::ProjectState) -> Self {
        let change = |change: wire::ModeChange| ModeChange {
            mode: change.mode.into(),
            changed_at_ms: change.changed_at,
        };
        Self {
            mode: state.current_mode.into(),
            task: state.active_task,
            feature: state.active_feature,
            mode_history: state.mode_history.into_iter().map(change).collect(),
            version: state.version,
            created_at_ms: state.created_at,
            updated_at_ms: state.updated_at,
        }
    }
}

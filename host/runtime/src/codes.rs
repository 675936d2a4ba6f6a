//! The stable codes of [`AgentErrorInfo`](crate::AgentErrorInfo), beside those of
//! [`Limit::code`](crate::Limit::code).

/// The agent does not understand the task.
pub const INVALID_TASK: &str = "INVALID_TASK";
/// The agent tried and failed.
pub const AGENT_FAILED: &str = "AGENT_FAILED";
/// The agent's own check rejected its work.
pub const CHECK_FAILED: &str = "CHECK_FAILED";
/// A file operation of the agent failed.
pub const AGENT_IO: &str = "AGENT_IO";
/// A session that the agent began could not land in its parent.
pub const CONFLICT: &str = "CONFLICT";
/// A command exited with another status than 0.
pub const EXIT_STATUS: &str = "EXIT_STATUS";
/// The guest trapped.
pub const TRAPPED: &str = "TRAPPED";
/// The run was ended from outside.
pub const KILLED: &str = "KILLED";
/// The reviewer did not approve.
pub const REJECTED: &str = "REJECTED";
/// The component imports a capability that the run was not granted.
pub const NOT_GRANTED: &str = "NOT_GRANTED";
/// The run was asked for something that cannot be: a name for the session that is taken,
/// a directory that cannot be opened, an agent of another engine.
pub const RUN_INVALID: &str = "RUN_INVALID";
/// The process that ran the agent was not there to the end, or said what cannot be.
pub const WORKER: &str = "WORKER";
/// The host has no room for one more instance.
pub const HOST_BUSY: &str = "HOST_BUSY";

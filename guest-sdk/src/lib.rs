//! Agents for Brio, in Rust.
//!
//! An agent is a WebAssembly component that does one task in a copy-on-write branch of a
//! directory. It reads and writes `/workspace`, its current directory, by ordinary `std::fs` calls
//! and reports; whoever started it lands the branch, or throws it away when the agent failed.
//!
//! ```
//! use brio_agent::{Agent, AgentError, AtPath, TaskContext, TaskOutput};
//!
//! struct Hello;
//!
//! impl Agent for Hello {
//!     fn run(task: TaskContext) -> Result<TaskOutput, AgentError> {
//!         let text = format!("Hello, {}!\n", task.description());
//!         std::fs::write("HELLO.md", text).at("HELLO.md")?;
//!         Ok(TaskOutput::new("wrote HELLO.md"))
//!     }
//! }
//!
//! brio_agent::export_agent!(Hello);
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` with `cargo build --release --target wasm32-wasip2`, run it with
//! `brio run target/wasm32-wasip2/release/hello.wasm --task world`.
//!
//! # Map
//!
//! | module | what |
//! |---|---|
//! | the root | [`Agent`], [`Reviewer`], what they are given and what they return |
//! | [`files`] | walking a tree, choosing files by globs |
//! | [`tools`] | whole files and line ranges by the host's tools, instead of `std::fs` |
//! | [`session`] | the session's status, its changes so far, its metadata |
//! | [`journal`] | what the agent says and decides, kept when the session is gone |
//! | `branch` (feature `session-fs`) | sessions of the agent's own, inside its session |
//! | `checkpoint` (feature `session-fs`) | states that a session can be put back to |
//! | `record`, `notes` (feature `project-record`) | the project's record, agents' contexts and notes |
//!
//! # Tests
//!
//! The crate also builds natively, so that an agent's own logic can be tested with `cargo test`.
//! There `std::fs` works; [`tools`], [`session`], [`journal`], `branch`, `checkpoint`, `record` and
//! `notes` panic, because no host is behind them:
//! their examples are compiled, not run.

#[doc(hidden)]
pub mod bindings;
#[cfg(feature = "session-fs")]
pub mod branch;
#[cfg(feature = "session-fs")]
pub mod checkpoint;
mod context;
mod convert;
mod error;
mod export;
pub mod files;
pub mod journal;
#[cfg(feature = "project-record")]
pub mod notes;
mod output;
#[cfg(feature = "project-record")]
pub mod record;
pub mod session;
pub mod tools;
mod verdict;

#[cfg(feature = "session-fs")]
pub use branch::Session;
pub use context::TaskContext;
pub use error::{AgentError, AtPath};
pub use export::{Agent, Reviewer};
pub use output::TaskOutput;
pub use verdict::{Finding, Severity, Verdict};

/// What the export macros expand to. Not part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings;
    pub use crate::export::{review, run};
}

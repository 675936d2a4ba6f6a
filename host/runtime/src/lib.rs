//! Runs WebAssembly agents in a session: the only crate that names wasmtime.
//!
//! An agent is a component that exports `brio:core/run` or `brio:core/review`, any
//! `wasi:cli/run` command, or any preview-1 core module. It reaches files only through
//! `wasi:filesystem`, and that is answered from a [`brio_session::View`].
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let view: brio_session::View = todo!();
//! use brio_runtime::{Engine, EngineOptions, Outcome, RunSpec};
//!
//! let engine = Engine::new(EngineOptions::default())?;
//! let agent = engine.load("hello.wasm")?;
//! let report = engine.run(&agent, RunSpec::new(view));
//! assert_eq!(report.outcome, Outcome::Succeeded);
//! # Ok(())
//! # }
//! ```
//!
//! | module | |
//! |---|---|
//! | `engine`, `ticker`, `timers` | the shared engine, its epochs, who wakes guests that wait |
//! | `load`, `adapt`, `imports`, `proposals` | from bytes to an [`Agent`], or to a [`LoadError`] that names the reason |
//! | `inspect` | what a file of WebAssembly imports and exports, also when it cannot be loaded |
//! | `spec`, `run`, `judge`, `outcome` | what a run is given, the run, what became of it |
//! | `limits`, `stop`, `watch`, `output` | what ends or bounds a run |
//! | `link`, `state` | what a guest may import, what a store holds |
//! | `fs` | `wasi:filesystem` over views; `plain` is the stock one |
//! | `http` | `wasi:http`, by what [`brio_net`] is granted |
//! | `worker` | a run in another process |
//! | `core`, `sessions`, `records` | `brio:core`, and what a host offers for it |
#![deny(missing_docs)]

mod adapt;
mod bindings;
mod clock;
pub mod codes;
mod core;
mod engine;
mod fs;
mod go;
mod http;
mod imports;
mod inspect;
mod judge;
mod limits;
mod link;
mod load;
mod load_error;
mod outcome;
mod output;
mod plain;
mod proposals;
mod records;
mod run;
mod sessions;
mod spec;
mod state;
mod stop;
mod ticker;
mod timers;
#[cfg(feature = "wasi-0-3")]
mod wasi3;
mod watch;
#[cfg(target_os = "linux")]
mod worker;

pub use crate::core::{FileEntry, FileToolError, FileTools};
pub use brio_net as net;
pub use engine::{Engine, EngineError, EngineOptions};
pub use fs::Files;
pub use http::Net;
pub use inspect::{ExportInfo, ImportInfo, Inspected, WasmFormat};
pub use limits::{Limit, MemoryGauge, RunLimits};
pub use load::{Agent, AgentKind};
pub use load_error::LoadError;
pub use outcome::{
    AgentErrorInfo, Finding, Metric, Outcome, RunReport, Severity, TaskOutput, Usage, Verdict,
};
pub use output::{Captured, Output};
pub use records::{
    MAX_CONTEXT, MAX_FIELD, MAX_HISTORY, MAX_LISTED, MAX_NOTE, NoteEntry, NoteVersion, ProjectMode,
    ProjectNote, ProjectState, RecordError, Records, StateUpdate,
};
pub use sessions::{
    SessionCheckpoint, SessionDecision, SessionMetadata, SessionState, SessionStatus, Sessions,
    SessionsCode, SessionsError,
};
pub use spec::{Plain, RunSpec, TaskContext, Workspace};
pub use stop::StopToken;
#[cfg(target_os = "linux")]
pub use worker::{RemoteFiles, Worker, enter_worker};

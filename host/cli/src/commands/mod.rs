//! One command per file. Each turns its arguments into one call of `brio-host`, and shows
//! what came of it.
pub(crate) mod agent;
pub(crate) mod blame;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod gc;
pub(crate) mod journal;
pub(crate) mod log;
pub(crate) mod man;
pub(crate) mod mcp;
pub(crate) mod note;
pub(crate) mod project;
pub(crate) mod recover;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod task;
pub(crate) mod undo;

//! What agents and commands did in a session.

use serde::Serialize;

use super::{Changes, Error};
use crate::lower::Lower;

/// `brio session exec --json`
#[derive(Debug, Serialize)]
pub(crate) struct Executed {
    pub(crate) schema: u32,
    pub(crate) session: String,
    /// `exited`, `signalled`, `timed-out` or `stopped`; null: nothing ran.
    pub(crate) end: Option<&'static str>,
    /// The status of `brio` itself.
    pub(crate) status: u8,
    /// What kept it in; `none` with `--unconfined`.
    pub(crate) confinement: Option<String>,
    /// `mount` or `export`.
    pub(crate) shown: Option<&'static str>,
    /// What was left out of the room, and why.
    pub(crate) left_out: Vec<String>,
    pub(crate) stdout: Option<String>,
    pub(crate) stderr: Option<String>,
    pub(crate) changes: Option<Changes>,
    pub(crate) error: Option<Error>,
}

/// `brio run --json`; `brio session commit --json` has the same without `outcome` and `agent`.
#[derive(Debug, Serialize)]
pub(crate) struct Ran {
    pub(crate) schema: u32,
    pub(crate) session: Option<String>,
    /// `succeeded`, `failed`, `trapped`, `limited`, `killed`, `rejected`; null: it never ran.
    pub(crate) outcome: Option<&'static str>,
    /// `landed`, `unchanged`, `kept`, `rolled-back`, `conflicted`; null: there was no session.
    pub(crate) result: Option<&'static str>,
    pub(crate) landing: Option<u64>,
    /// What the session saw of its base.
    pub(crate) lower: Option<Lower>,
    pub(crate) changes: Changes,
    pub(crate) agent: Option<Agent>,
    pub(crate) error: Option<Error>,
}

/// What the agent said.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Agent {
    pub(crate) output: Option<String>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: Option<i32>,
}

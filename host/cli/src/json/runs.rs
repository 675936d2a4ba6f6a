//! What agents and commands did in a session.

use std::collections::BTreeMap;

use brio_host::net::RequestRecord;
use brio_host::{RoomReport, Sandbox};
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
    /// What kept its code from everything else; null: it never ran.
    pub(crate) sandbox: Option<Enforced>,
    pub(crate) changes: Changes,
    /// Notes that landed, by path.
    pub(crate) notes: Vec<String>,
    pub(crate) agent: Option<Agent>,
    /// What it asked of the network, in order.
    pub(crate) network: Vec<NetRequest>,
    pub(crate) error: Option<Error>,
}

/// What kept an agent's code from everything else.
#[derive(Debug, Serialize)]
pub(crate) struct Enforced {
    /// `wasm`, `process`.
    pub(crate) kind: Sandbox,
    /// What confined the process.
    pub(crate) confinement: Option<RoomReport>,
    /// Why there was no process, where one was wanted.
    pub(crate) instead: Option<String>,
}

impl From<&brio_host::Enforced> for Enforced {
    fn from(enforced: &brio_host::Enforced) -> Self {
        use brio_host::Enforced::{Process, Wasm};
        let (confinement, instead) = match enforced {
            Wasm { instead } => (None, instead.clone()),
            Process { confinement, .. } => (Some(confinement.clone()), None),
        };
        Self { kind: enforced.sandbox(), confinement, instead }
    }
}

/// A request of the agent's: no header, no query, no body.
#[derive(Debug, Serialize)]
pub(crate) struct NetRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    /// null: no response came.
    pub(crate) status: Option<u16>,
    /// What went wrong, `NET_…`.
    pub(crate) code: Option<&'static str>,
    /// The same for a person.
    pub(crate) message: Option<String>,
    /// What `--allow-host` must be given for it.
    pub(crate) grant: Option<String>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) ms: u64,
}

impl From<&RequestRecord> for NetRequest {
    fn from(r: &RequestRecord) -> Self {
        Self {
            method: r.method.clone(),
            url: r.url(),
            status: r.status,
            code: r.error.as_ref().map(|e| e.code()),
            message: r.error.as_ref().map(ToString::to_string),
            grant: r.error.as_ref().and_then(|e| e.grant()).map(ToString::to_string),
            sent: r.sent,
            received: r.received,
            ms: u64::try_from(r.duration.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// What the agent said.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Agent {
    pub(crate) output: Option<String>,
    /// What it measured, by name; null: not measured.
    pub(crate) metrics: BTreeMap<String, f64>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: Option<i32>,
}

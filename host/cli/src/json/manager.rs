//! Runs, kills and purges of sessions.

use brio_host::{Figures, KillEnding, Killed, Operation, Purgeable, Purged, RunInfo};
use serde::Serialize;

use super::SCHEMA;

/// A run that holds a session, or the last one that did and died.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) pid: u32,
    /// `run`, `exec`, `mount`, or an embedder's word.
    pub(crate) purpose: String,
    pub(crate) program: Option<String>,
    pub(crate) began_at: String,
    pub(crate) heartbeat_at: String,
    pub(crate) limits: Figures,
    pub(crate) used: Figures,
    /// The process that the agent's code runs in, if that is another one.
    pub(crate) worker: Option<u32>,
    /// What keeps that code from everything else.
    pub(crate) sandbox: Option<String>,
}

impl From<&RunInfo> for Run {
    fn from(run: &RunInfo) -> Self {
        Self {
            id: run.id.to_string(),
            pid: run.pid,
            purpose: run.purpose.clone(),
            program: run.program.clone(),
            began_at: crate::time::of(run.began),
            heartbeat_at: crate::time::of(run.heartbeat),
            limits: run.limits.clone(),
            used: run.used.clone(),
            worker: run.worker,
            sandbox: run.sandbox.clone(),
        }
    }
}

/// A line of a session's log of operations.
#[derive(Debug, Serialize)]
pub(crate) struct Operated {
    pub(crate) time: String,
    pub(crate) what: String,
    pub(crate) run: Option<Run>,
    pub(crate) detail: Option<serde_json::Value>,
}

impl From<&Operation> for Operated {
    fn from(operation: &Operation) -> Self {
        Self {
            time: crate::time::of(operation.time),
            what: operation.what.clone(),
            run: operation.run.as_ref().map(Run::from),
            detail: operation.detail.clone(),
        }
    }
}

/// `brio session kill --json`
#[derive(Debug, Serialize)]
pub(crate) struct KilledSession {
    pub(crate) schema: u32,
    #[serde(flatten)]
    pub(crate) killed: KilledOne,
}

/// One session that was killed.
#[derive(Debug, Serialize)]
pub(crate) struct KilledOne {
    pub(crate) session: String,
    /// The run that was ended; null: none was alive.
    pub(crate) run: Option<Run>,
    /// Its process had to be killed.
    pub(crate) killed: bool,
    pub(crate) took_ms: u64,
    /// `rolled-back`, `kept`, or how it had ended before.
    pub(crate) ending: &'static str,
    pub(crate) bytes_freed: u64,
    pub(crate) children: Vec<KilledOne>,
}

impl From<&Killed> for KilledOne {
    fn from(killed: &Killed) -> Self {
        let (ending, bytes_freed) = match killed.ending {
            KillEnding::RolledBack(bytes) => ("rolled-back", bytes),
            KillEnding::Kept => ("kept", 0),
            KillEnding::Ended(state) => (state.as_str(), 0),
        };
        Self {
            session: killed.session.to_string(),
            run: killed.run.as_ref().map(|stopped| Run::from(&stopped.run)),
            killed: killed.run.as_ref().is_some_and(|stopped| stopped.killed),
            took_ms: u64::try_from(killed.took.as_millis()).unwrap_or(u64::MAX),
            ending,
            bytes_freed,
            children: killed.children.iter().map(Self::from).collect(),
        }
    }
}

/// `brio session purge --json`
#[derive(Debug, Serialize)]
pub(crate) struct PurgeReport {
    pub(crate) schema: u32,
    /// Nothing was changed.
    pub(crate) dry_run: bool,
    /// Bytes on disk; with `dry_run`, what would be.
    pub(crate) bytes_freed: u64,
    pub(crate) sessions: Vec<PurgedOne>,
}

/// One session that a purge met.
#[derive(Debug, Serialize)]
pub(crate) struct PurgedOne {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) base: String,
    pub(crate) goal: Option<String>,
    pub(crate) bytes: u64,
    /// It is gone; with `dry_run`, it would be.
    pub(crate) purged: bool,
    /// Why it is spared.
    pub(crate) why: Option<String>,
}

impl PurgedOne {
    fn new(row: &brio_host::SessionRow, bytes: u64, why: Option<String>) -> Self {
        Self {
            id: row.id.clone(),
            state: row.state.clone(),
            base: row.base.display().to_string(),
            goal: row.goal.clone(),
            bytes,
            purged: why.is_none(),
            why,
        }
    }
}

impl PurgeReport {
    /// Of what was done.
    pub(crate) fn of(purged: &[Purged]) -> Self {
        let one = |one: &Purged| match &one.freed {
            Ok(bytes) => PurgedOne::new(&one.row, *bytes, None),
            Err(why) => PurgedOne::new(&one.row, 0, Some(why.to_string())),
        };
        Self::new(purged.iter().map(one).collect(), false)
    }

    /// Of what would be done.
    pub(crate) fn planned(found: &[Purgeable], dry_run: bool) -> Self {
        let one = |one: &Purgeable| {
            PurgedOne::new(&one.row, one.bytes, one.spared.as_ref().map(ToString::to_string))
        };
        Self::new(found.iter().map(one).collect(), dry_run)
    }

    fn new(sessions: Vec<PurgedOne>, dry_run: bool) -> Self {
        let bytes_freed = sessions.iter().filter(|one| one.purged).map(|one| one.bytes).sum();
        Self { schema: SCHEMA, dry_run, bytes_freed, sessions }
    }
}

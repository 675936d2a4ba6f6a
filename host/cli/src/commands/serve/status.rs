//! `brio serve --status`

use brio_host::{Health, Supervisor};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::time::rfc3339;
use crate::ui::Ui;

#[derive(Serialize)]
struct Json {
    schema: u32,
    served: bool,
    pid: Option<u32>,
    version: Option<String>,
    since: Option<String>,
    jobs: Jobs,
    /// Those that have not ended.
    sessions: u64,
    /// Where they are exported by NFS.
    nfs: Option<String>,
}

#[derive(Serialize)]
struct Jobs {
    queued: u64,
    running: u64,
    waiting: u64,
}

/// Says how the server is; without one, how the queue is.
pub(super) fn status(ui: &Ui, supervisor: &Supervisor, json: bool) -> Result<Exit, Failure> {
    let health = supervisor.health()?;
    let (jobs, sessions) = match &health {
        Some(health) => (health.jobs, health.sessions),
        None => {
            let sessions = supervisor.session_counts()?;
            (supervisor.job_counts()?, sessions.iter().map(|(_, n)| n).sum())
        }
    };
    let exit = if health.is_some() { Exit::Ok } else { Exit::Failed };
    if json {
        let of = health.as_ref();
        ui.json(&Json {
            schema: SCHEMA,
            served: of.is_some(),
            pid: of.map(|h| h.pid),
            version: of.map(|h| h.version.clone()),
            since: of.map(|h| rfc3339(h.since)),
            jobs: Jobs { queued: jobs.queued, running: jobs.running, waiting: jobs.waiting },
            sessions,
            nfs: of.and_then(|h| h.nfs).map(|at| at.to_string()),
        })?;
        return Ok(exit);
    }
    match &health {
        Some(Health { pid, version, since, .. }) => ui.line(format_args!(
            "served by process {pid}, brio {version}, since {}",
            rfc3339(*since)
        ))?,
        None => ui.line("nobody serves this home")?,
    }
    ui.line(format_args!(
        "tasks: {} run, {} queued, {} wait for a person",
        jobs.running, jobs.queued, jobs.waiting
    ))?;
    ui.line(format_args!("sessions: {sessions} open"))?;
    if let Some(at) = health.as_ref().and_then(|health| health.nfs) {
        ui.line(format_args!("NFS: {at}"))?;
    }
    Ok(exit)
}

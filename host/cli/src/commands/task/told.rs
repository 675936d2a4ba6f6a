//! A task as it is shown, and how its end becomes a status.

use brio_host::tasks::{Event, Job, JobState, Kind, Outcome};
use brio_host::{Supervisor, outcome_of};

use crate::exit::Exit;
use crate::failure::{Failure, one_line};
use crate::json::{SCHEMA, TaskPart, TaskShown};
use crate::time::rfc3339;
use crate::ui::Ui;

/// The status of a task that ended so: that of the first part that failed and may not.
pub(super) fn exit(outcome: &Outcome) -> Exit {
    match outcome.first_failure() {
        None => Exit::Ok,
        Some(Kind::Conflict) => Exit::Conflict,
        Some(Kind::Stopped) => Exit::Stopped,
        Some(Kind::Refused) => Exit::Refused,
        Some(Kind::Rejected) => Exit::Rejected,
        Some(Kind::Unusable) => Exit::Usage,
        Some(Kind::Cancelled) => Exit::Interrupted,
        Some(_) => Exit::Failed,
    }
}

/// Its state in a word: what its end is called, when it has ended.
pub(super) fn standing(job: &Job) -> String {
    match outcome_of(job) {
        Some(outcome) => outcome.name,
        None if job.cancelled && job.state != JobState::Done => "cancelling".into(),
        None => job.state.as_str().into(),
    }
}

/// Says so when nobody is there who would begin a job that somebody waits for.
pub(super) fn unattended(ui: &Ui, supervisor: &Supervisor, job: &Job) {
    if job.state == JobState::Queued && supervisor.server().is_none() {
        ui.say("nobody works on the queue now: `brio serve` does");
    }
}

/// How a part ended, in a word.
pub(super) fn mark(failed: Option<Kind>) -> &'static str {
    match failed {
        None => "ok",
        Some(Kind::NotChosen) => "not chosen",
        Some(Kind::Rejected) => "no",
        Some(Kind::Stopped) => "stopped",
        Some(_) => "failed",
    }
}

/// One line of a part, and the beginning of what it says.
fn part_line(name: &str, failed: Option<Kind>, message: &str) -> String {
    let says: String = message.lines().next().unwrap_or("").chars().take(100).collect();
    format!("{name}: {}  {says}", mark(failed)).trim_end().to_owned()
}

/// What jobs are called in what is told of them.
#[derive(Clone)]
pub(crate) struct Called {
    pub(crate) supervisor: Supervisor,
    /// The only one that was asked for: its parts are told without its name.
    pub(crate) only: Option<String>,
    /// By name, not by id.
    pub(crate) by_name: bool,
}

impl Called {
    pub(super) fn job(&self, id: &str) -> String {
        if self.by_name { self.name(id) } else { id.to_owned() }
    }

    /// The way to a job's parts, with a slash at its end.
    fn way(&self, id: &str) -> String {
        if self.only.as_deref() == Some(id) { String::new() } else { format!("{}/", self.name(id)) }
    }

    fn name(&self, id: &str) -> String {
        self.supervisor.job(id).map_or_else(|_| id.to_owned(), |job| job.name)
    }
}

/// What happens, as it happens, in plain lines.
pub(crate) fn event(ui: &Ui, event: &Event, called: &Called) {
    lines(event, called).iter().for_each(|line| ui.say(line));
}

/// The lines of an event. That a part begins is for whoever draws what runs.
pub(crate) fn lines(event: &Event, called: &Called) -> Vec<String> {
    match event {
        Event::Began { job, attempt: 1, session } => {
            vec![format!("{} in {session}", called.job(job))]
        }
        Event::Began { job, attempt, session } => {
            vec![format!("{} in {session}, attempt {attempt}", called.job(job))]
        }
        Event::Part { job, part, failed, message } => {
            let name = format!("{}{part}", called.way(job));
            vec![format!("  {}", part_line(&name, *failed, message))]
        }
        Event::Waits { job, session, .. } => vec![
            format!("{} waits for a decision about {session}:", called.job(job)),
            format!("  brio session diff {session}"),
            format!("  brio session approve {session}     or: reject"),
        ],
        Event::Again { job, why, .. } => {
            vec![format!("{} is tried again: {}", called.job(job), one_line(why))]
        }
        Event::Ended { job, outcome } => vec![format!("{}: {}", called.job(job), outcome.name)],
        _ => Vec::new(),
    }
}

/// The end of a task as a command's end.
pub(super) fn ended(ui: &Ui, job: &Job, as_json: bool, parts: bool) -> Result<Exit, Failure> {
    let outcome = outcome_of(job);
    if as_json {
        ui.json(&document(job))?;
    } else if let Some(outcome) = &outcome {
        if parts {
            for part in &outcome.parts {
                ui.line(format_args!("  {}", part_line(&part.name, part.failed, &part.message)))?;
            }
        }
        let landed = match outcome.landing {
            Some(k) => format!(", landing {k}"),
            None if outcome.kind == Kind::Unchanged => ", nothing to land".into(),
            None => String::new(),
        };
        ui.line(format_args!("{}: {}{landed}", job.name, outcome.name))?;
    }
    let Some(outcome) = outcome else {
        return match job.state {
            JobState::Done => {
                let what = format!("how {} ended was written by another version of Brio", job.id);
                Err(Failure::new("FORMAT_UNKNOWN", what))
            }
            _ => Ok(Exit::Ok),
        };
    };
    let exit = exit(&outcome);
    let failed = outcome.parts.iter().find(|p| p.failed.is_some() && !p.may_fail);
    let code = outcome.code.as_deref().or(failed.and_then(|p| p.code.as_deref()));
    if exit == Exit::Ok || as_json {
        return if exit == Exit::Ok { Ok(exit) } else { Err(Failure::said(exit)) };
    }
    let message = match failed {
        Some(part) if outcome.kind.is_success() => format!("{}: {}", part.name, part.message),
        _ => outcome.message.clone(),
    };
    let failure = Failure::new(code.unwrap_or("TASK_FAILED"), message).exit(exit);
    Err(match &outcome.kept {
        Some(session) => {
            failure.hint(format!("its session is open: `brio session show {session}`"))
        }
        None => failure.hint(format!("`brio task logs {}` has what was printed", job.id)),
    })
}

pub(super) fn document(job: &Job) -> TaskShown {
    let outcome = outcome_of(job);
    let of = outcome.as_ref();
    TaskShown {
        schema: SCHEMA,
        id: job.id.clone(),
        name: job.name.clone(),
        parent: job.parent.clone(),
        state: job.state.as_str(),
        attempt: job.attempt,
        session: job.session.clone().filter(|_| of.is_none_or(|o| o.kept.is_some())),
        cancelled: job.cancelled,
        submitted_at: rfc3339(job.submitted_at),
        started_at: job.started_at.map(rfc3339),
        ended_at: job.ended_at.map(rfc3339),
        outcome: of.map(|o| o.name.clone()),
        kind: of.map(|o| serde_json::to_value(o.kind).unwrap_or_default()),
        code: of.and_then(|o| o.code.clone()),
        message: of.map(|o| o.message.clone()),
        landing: of.and_then(|o| o.landing),
        parts: of.map_or_else(Vec::new, |o| {
            let part = |p: &brio_host::tasks::PartOutcome| TaskPart {
                name: p.name.clone(),
                failed: p.failed.map(|kind| serde_json::to_value(kind).unwrap_or_default()),
                may_fail: p.may_fail,
                code: p.code.clone(),
                message: p.message.clone(),
                metrics: p.metrics.iter().cloned().collect(),
                millis: p.millis,
            };
            o.parts.iter().map(part).collect()
        }),
    }
}

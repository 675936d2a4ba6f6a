//! `brio session kill`

use std::time::Duration;

use brio_host::tasks::JobState;
use brio_host::{KillEnding, KillOptions, Killed};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{KilledSession, SCHEMA};
use crate::open;
use crate::ui::Ui;
use crate::units::{parse_duration, show_size};

/// End what runs in a session, and throw the session away.
///
/// The run ends at once, in a loop that calls nothing as well; the command that ran it exits with
/// status 4. Open children go with the session. The base is untouched.
#[derive(Debug, clap::Args)]
pub(crate) struct Kill {
    /// The session; a unique prefix is enough. The current one when left out.
    #[arg(default_value = brio_host::CURRENT, hide_default_value = true)]
    id: String,
    /// Only end the run: the session stays open, with what it has changed so far.
    #[arg(long)]
    keep: bool,
    /// Kill the process of a run that has not ended in time. That of `brio serve` is spared: it
    /// works for others as well.
    #[arg(long)]
    force: bool,
    /// How long a run may take to end [default: 5s].
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    patience: Option<Duration>,
    /// Print `{schema, session, run, killed, took_ms, ending, bytes_freed, children}`.
    #[arg(long)]
    json: bool,
}

impl Kill {
    /// Of a session, with everything else at its default.
    pub(crate) fn of(id: String) -> Self {
        Self { id, keep: false, force: false, patience: None, json: false }
    }

    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let of_task = open::asked_about(&session);
        let task = session.record().ok().and_then(|record| record.task_id);
        let default = KillOptions::default();
        let options = KillOptions {
            keep: self.keep,
            force: self.force,
            patience: self.patience.unwrap_or(default.patience),
        };
        let killed = session.kill(&options)?;
        if !self.keep {
            open::ended_by_hand(session.id().as_str(), of_task);
        }
        if self.json {
            ui.json(&KilledSession { schema: SCHEMA, killed: (&killed).into() })?;
            return Ok(Exit::Ok);
        }
        say(ui, &killed);
        if let Some(task) = task.as_deref().and_then(goes_on) {
            ui.say(format_args!(
                "it was an attempt of {task}, which goes on as it says; `brio task cancel {task}` ends it"
            ));
        }
        Ok(Exit::Ok)
    }
}

/// The task of a session with such a label, if it has not ended.
fn goes_on(label: &str) -> Option<String> {
    let (task, _) = label.split_once('#')?;
    let job = open::supervisor().ok()?.job(task).ok()?;
    (job.state != JobState::Done).then_some(job.id)
}

/// Children before what they branch, as they were ended.
fn say(ui: &Ui, killed: &Killed) {
    killed.children.iter().for_each(|child| say(ui, child));
    let id = &killed.session;
    if let Some(stopped) = &killed.run {
        let how = if stopped.killed { "killed" } else { "ended" };
        let run = &stopped.run;
        let program = run.program.as_deref().unwrap_or(&run.purpose);
        let took = killed.took.as_millis();
        ui.say(format_args!("{how}: {program}, process {}, in {took} ms", run.pid));
    }
    match killed.ending {
        // Its run did that.
        KillEnding::RolledBack(0) => ui.say(format_args!("rolled back: {id}")),
        KillEnding::RolledBack(bytes) => {
            ui.say(format_args!("rolled back: {id} ({} freed)", show_size(bytes)));
        }
        KillEnding::Kept => {
            ui.say(format_args!("kept: {id}; `brio session show {id}` says how it stands"));
        }
        KillEnding::Ended(state) => {
            ui.say(format_args!("{id} had ended before ({})", state.as_str()));
        }
    }
}

//! `brio task run`

use std::path::PathBuf;
use std::sync::Arc;

use brio_host::tasks::{Event, JobState, Kind};
use brio_host::{StopToken, WorkOptions, outcome_of};

use super::live::Live;
use super::submit::read;
use super::told::{self, Called};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::open;
use crate::ui::Ui;

/// Do a task now, and say what happens.
///
/// It is in the queue like every other: when this command is killed, whoever works on the queue
/// next goes on with it, and it lands at most once. Ctrl-C cancels it; nothing of it is left then.
/// The status is that of the first gate, child or step that failed.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The task: TOML, or JSON when it is called so.
    file: PathBuf,
    /// The directory, for a task that names none.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Children of a group that run at once.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    jobs: Option<u16>,
    /// Print what `task show --json` does when it has ended.
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let task = read(&self.file, self.base.as_deref())?;
        let supervisor = open::supervisor()?;
        let interrupt = Interrupt::watch()?;
        let id = supervisor.submit(&task)?;
        let called = Called {
            supervisor: supervisor.clone(),
            only: Some(id.clone()),
            by_name: ui.live && !self.json,
        };
        let live = called.by_name.then(|| Arc::new(Live::begin(ui, called.clone())));
        let mut options = WorkOptions {
            only: Some(id.clone()),
            events: teller(ui, id.clone(), live.clone(), called),
            ..WorkOptions::default()
        };
        if let Some(jobs) = self.jobs {
            options.jobs = jobs.into();
        }
        let engine = supervisor.work(options.clone())?;
        let stop: StopToken = interrupt.token();
        let ended = supervisor.wait(&id, &stop)?;
        if ended.is_none() && interrupt.happened() {
            ui.say("cancelling: what runs is stopped, and nothing of it is left");
            supervisor.cancel(&id)?;
            // The other one may have ended by itself, where all that was left waited for a person.
            let second = supervisor.work(options)?;
            supervisor.wait(&id, &StopToken::default())?;
            second.stop();
        }
        engine.stop();
        if let Some(live) = live {
            live.end();
        }
        let job = supervisor.job(&id)?;
        let cancelled = outcome_of(&job).is_none_or(|outcome| outcome.kind == Kind::Cancelled);
        if interrupt.happened() && cancelled {
            let text = format!("{}: cancelled, nothing of it is left", job.name);
            return Err(Failure::new("INTERRUPTED", text));
        }
        if job.state != JobState::Done && !self.json {
            ui.line(format_args!("{id} waits"))?;
        }
        told::ended(ui, &job, self.json, false)
    }
}

/// Tells what happens, but not how the task ended that was asked for: that the command says last.
fn teller(
    ui: &Ui,
    asked: String,
    live: Option<Arc<Live>>,
    called: Called,
) -> Arc<dyn Fn(Event) + Send + Sync> {
    let ui = *ui;
    Arc::new(move |event| match (&event, &live) {
        (Event::Ended { job, .. }, _) if *job == asked => {}
        (event, Some(live)) => live.event(event),
        (event, None) => told::event(&ui, event, &called),
    })
}

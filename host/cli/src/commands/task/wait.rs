//! `brio task wait`

use std::time::Duration;

use brio_host::tasks::JobState;

use super::told;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::open;
use crate::ui::Ui;
use crate::units::parse_duration;

/// Wait until a task has ended, or waits for a person; the status is the task's.
#[derive(Debug, clap::Args)]
pub(crate) struct Wait {
    /// The task; a unique prefix is enough.
    id: String,
    /// Wait so long at most: then the status is 4, and the task goes on.
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Print what `task show --json` does.
    #[arg(long)]
    json: bool,
}

impl Wait {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let supervisor = open::supervisor()?;
        let interrupt = Interrupt::watch()?;
        let job = open::task(&supervisor, &self.id)?;
        told::unattended(ui, &supervisor, &job);
        let id = job.id;
        if let Some(timeout) = self.timeout {
            let stop = interrupt.token();
            std::thread::spawn(move || {
                std::thread::sleep(timeout);
                stop.stop();
            });
        }
        supervisor.wait(&id, &interrupt.token())?;
        let job = supervisor.job(&id)?;
        match job.state {
            JobState::Done => told::ended(ui, &job, self.json, false),
            _ if interrupt.happened() => Err(Failure::new("INTERRUPTED", format!("{id} goes on"))),
            JobState::Waiting if self.json => {
                ui.json(&told::document(&job))?;
                Ok(Exit::Ok)
            }
            JobState::Waiting => {
                let session = job.session.unwrap_or_default();
                ui.line(format_args!("{id} waits for a decision about {session}"))?;
                Ok(Exit::Ok)
            }
            _ => {
                let failure = Failure::new("LIMIT_TIME", format!("{id} has not ended yet"));
                Err(failure.exit(Exit::Stopped))
            }
        }
    }
}

//! `brio task list`

use brio_host::tasks::JobState;
use console::{Term, truncate_str};
use serde::Serialize;

use super::told;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{SCHEMA, TaskShown};
use crate::open;
use crate::ui::Ui;

/// List the tasks that have not ended.
///
/// A line each: the id, where it is or how it ended, the name, and in a pipe the session.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Also those that have ended.
    #[arg(long)]
    all: bool,
    /// Print `{schema, tasks: [as task show --json]}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    tasks: Vec<TaskShown>,
}

impl List {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let supervisor = open::supervisor()?;
        let jobs = supervisor.jobs(self.all)?;
        if self.json {
            let tasks = jobs.iter().map(told::document).collect();
            ui.json(&Json { schema: SCHEMA, tasks })?;
            return Ok(Exit::Ok);
        }
        if jobs.is_empty() {
            ui.say("no tasks");
        }
        for job in &jobs {
            let session = job.session.as_deref().filter(|_| job.state != JobState::Done);
            let line = format!("{}  {:<10}  {}", job.id, told::standing(job), job.name);
            match session {
                _ if ui.terminal => {
                    let columns = usize::from(Term::stdout().size().1);
                    ui.line(truncate_str(&line, columns, "…"))?;
                    if let (JobState::Waiting, Some(session)) = (job.state, session) {
                        ui.line(format_args!("  asks about {session}"))?;
                    }
                }
                Some(session) => ui.line(format_args!("{line}  {session}"))?,
                None => ui.line(line)?,
            }
        }
        if let Some(job) = jobs.iter().find(|job| job.state == JobState::Queued) {
            told::unattended(ui, &supervisor, job);
        }
        Ok(Exit::Ok)
    }
}

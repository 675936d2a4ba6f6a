//! `brio task list`

use brio_host::tasks::{Job, JobState};
use serde::Serialize;

use super::told;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{SCHEMA, TaskShown};
use crate::open;
use crate::ui::Ui;

/// List the tasks that have not ended.
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
        let shown = |job: &Job| self.all || job.state != JobState::Done;
        let jobs: Vec<_> = supervisor.jobs()?.into_iter().filter(shown).collect();
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
            let (standing, session) = (told::standing(job), session.unwrap_or(""));
            let line = format!("{}  {standing:<12}  {}  {session}", job.id, job.name);
            ui.line(line.trim_end())?;
        }
        if supervisor.server().is_none() && jobs.iter().any(|j| j.state == JobState::Queued) {
            ui.say("nobody works on the queue now: `brio serve` does");
        }
        Ok(Exit::Ok)
    }
}

//! `brio task show`

use brio_host::tasks::JobState;

use super::told;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// Show a task: where it is, or how it ended and what its parts did.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The task; a unique prefix is enough.
    id: String,
    /// Print `{schema, id, name, parent, state, attempt, session, cancelled, submitted_at,
    /// started_at, ended_at, outcome, kind, code, message, landing, parts: [{name, failed,
    /// may_fail, code, message, metrics, millis}]}`.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let job = open::task(&open::supervisor()?, &self.id)?;
        if self.json {
            ui.json(&told::document(&job))?;
            return Ok(Exit::Ok);
        }
        let mut lines = vec![
            ("task", job.id.clone()),
            ("name", job.name.clone()),
            ("state", told::standing(&job)),
            ("submitted", crate::time::rfc3339(job.submitted_at)),
        ];
        lines.extend(job.ended_at.map(|at| ("ended", crate::time::rfc3339(at))));
        if job.attempt > 1 {
            lines.push(("attempts", job.attempt.to_string()));
        }
        if job.state != JobState::Done {
            lines.extend(job.session.clone().map(|session| ("session", session)));
        }
        for (key, value) in lines {
            ui.line(format_args!("{key:<9} {value}"))?;
        }
        if job.state == JobState::Done {
            // To show how it ended is no failure of this command.
            let _ = told::ended(ui, &job, false, true);
        }
        Ok(Exit::Ok)
    }
}

//! `brio session list`

use brio_host::ListFilter;

use crate::config::Places;
use crate::exit::Exit;
use crate::failure::{Failure, one_line};
use crate::json::{SCHEMA, Session, SessionList};
use crate::open;
use crate::ui::Ui;

/// List the open sessions of every base.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Also those that have ended.
    #[arg(long)]
    all: bool,
    /// Print `{schema, sessions: [{id, state, base, goal, agent, task_id, parent, created_at}]}`.
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        brio.look_at(std::path::Path::new("."));
        let rows = brio.sessions(&ListFilter { ended: self.all, base: None })?;
        if self.json {
            let sessions = rows.iter().map(Session::from).collect();
            ui.json(&SessionList { schema: SCHEMA, sessions })?;
            return Ok(Exit::Ok);
        }
        if rows.is_empty() {
            ui.say("no sessions");
        }
        for row in rows {
            let goal = one_line(row.goal.as_deref().or(row.agent.as_deref()).unwrap_or(""));
            let line = format!("{}  {:<11}  {}  {goal}", row.id, row.state, row.base.display());
            ui.line(line.trim_end())?;
        }
        Ok(Exit::Ok)
    }
}

//! `brio project`

use std::path::PathBuf;

use brio_host::project::{MigrateOptions, Mode, Project, Record, Update};
use serde::Serialize;

use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::open;
use crate::ui::Ui;

/// Makes the project's record where there is none, and says how it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// The project's directory; the current one when left out.
    dir: Option<PathBuf>,
}

/// Show or change the project's record: what mode it is in, and what is being worked on.
///
/// There is one of a project, without an id, and it survives every session. The last write wins;
/// one that overrides another says so. A record of an older program is migrated at the first look.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct State {
    #[command(subcommand)]
    command: Option<StateCommand>,
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, clap::Subcommand)]
enum StateCommand {
    /// Show it.
    Get(Of),
    /// Change it, and show what it is then.
    Set(Set),
}

#[derive(Debug, clap::Args)]
struct Of {
    /// The project's directory; the current one when left out.
    #[arg(long, value_name = "DIR", conflicts_with = "session")]
    base: Option<PathBuf>,
    /// As this session has it: a change is seen by others when it lands.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Print the record: `{schema, currentMode, activeTask, activeFeature, modeHistory, version,
    /// createdAt, updatedAt}`, and currentSession if there is one.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true, args = ["mode", "task", "feature"])]
struct Set {
    /// The mode: analysis, planning, coding or disabled.
    #[arg(long, value_name = "MODE")]
    mode: Option<Mode>,
    /// What is being worked on; empty for nothing.
    #[arg(long, value_name = "TEXT")]
    task: Option<String>,
    /// The feature that this belongs to; empty for none.
    #[arg(long, value_name = "TEXT")]
    feature: Option<String>,
    #[command(flatten)]
    of: Of,
}

/// Make one record of the sessions with ids that an older program left in the notes.
///
/// It is done by itself at the first look at a record. Again, it changes nothing; one that was
/// interrupted goes on.
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// The project's directory; the current one when left out.
    dir: Option<PathBuf>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// The record, as `--json` prints it.
#[derive(Serialize)]
struct Json<'a> {
    schema: u32,
    #[serde(flatten)]
    record: &'a Record,
    /// The session that is current; left out where there is none.
    #[serde(rename = "currentSession", skip_serializing_if = "Option::is_none")]
    current: Option<String>,
}

fn project(dir: Option<PathBuf>) -> Result<Project, Failure> {
    let brio = open::brio(&Places::from_env()?)?;
    Ok(brio.project(&base_or_here(dir))?)
}

/// The session that is current, by its id.
fn current(dir: Option<PathBuf>) -> Result<Option<String>, Failure> {
    let brio = open::brio(&Places::from_env()?)?;
    let current = brio.current_session(&base_or_here(dir))?;
    Ok(current.map(|session| session.id().to_string()))
}

impl Of {
    fn project(&self) -> Result<Project, Failure> {
        match &self.session {
            Some(id) => Ok(open::session(id)?.project()?),
            None => project(self.base.clone()),
        }
    }

    fn current(&self) -> Result<Option<String>, Failure> {
        match &self.session {
            Some(id) => current(Some(open::session(id)?.base()?)),
            None => current(self.base.clone()),
        }
    }
}

impl Init {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let record = project(self.dir.clone())?.get_session()?;
        show(ui, &record, current(self.dir)?, false)
    }
}

impl State {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        match self.command {
            None => get(ui, self.of),
            Some(StateCommand::Get(of)) => get(ui, of),
            Some(StateCommand::Set(Set { mode, task, feature, of })) => {
                let update = Update { mode, task, feature };
                show(ui, &of.project()?.set_session(&update)?, of.current()?, of.json)
            }
        }
    }
}

fn get(ui: &Ui, of: Of) -> Result<Exit, Failure> {
    show(ui, &of.project()?.get_session()?, of.current()?, of.json)
}

fn show(ui: &Ui, record: &Record, current: Option<String>, json: bool) -> Result<Exit, Failure> {
    if json {
        ui.json(&Json { schema: SCHEMA, record, current })?;
        return Ok(Exit::Ok);
    }
    let nothing = || "-".to_owned();
    let lines = [
        ("mode", record.current_mode.to_string()),
        ("task", record.active_task.clone().unwrap_or_else(nothing)),
        ("feature", record.active_feature.clone().unwrap_or_else(nothing)),
        ("version", record.version.to_string()),
        ("updated", record.updated_at.to_string()),
    ];
    let current = current.map(|id| ("current", id));
    for (key, value) in lines.into_iter().chain(current) {
        ui.line(format_args!("{key:<8} {value}"))?;
    }
    Ok(Exit::Ok)
}

impl Migrate {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let done = project(self.dir)?.migrate(&MigrateOptions { dry_run: self.dry_run })?;
        for step in &done.steps {
            ui.line(step)?;
        }
        Ok(Exit::Ok)
    }
}

//! `brio project state`

use std::path::{Path, PathBuf};

use brio_host::Brio;
use brio_host::project::{Mode, NotesAt, NotesServer, Project, Record, Update};
use serde::Serialize;

use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::open;
use crate::ui::Ui;

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
    /// createdAt, updatedAt}`, currentSession if there is one, and `notes: {mcp, project}` where it
    /// is on a server.
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

/// The record, as `--json` prints it.
#[derive(Serialize)]
struct Json<'a> {
    schema: u32,
    #[serde(flatten)]
    record: &'a Record,
    /// The session that is current; left out where there is none.
    #[serde(rename = "currentSession", skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    /// Left out where they are in the directory's .brio.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<Elsewhere<'a>>,
}

/// Where the record and the notes are.
#[derive(Serialize)]
struct Elsewhere<'a> {
    mcp: &'a str,
    project: Option<&'a str>,
}

/// What is told of a project beside its record.
pub(super) struct Around {
    /// The session that is current, by its id.
    current: Option<String>,
    at: NotesAt,
}

impl Around {
    pub(super) fn of(brio: &Brio, base: &Path) -> Result<Self, Failure> {
        let current = brio.current_session(base)?.map(|session| session.id().to_string());
        Ok(Self { current, at: brio.notes_at(base)? })
    }
}

impl Of {
    fn project(&self) -> Result<(Project, Around), Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        let (project, base) = match &self.session {
            Some(id) => {
                let session = open::session(id)?;
                (session.project()?, session.base()?)
            }
            None => {
                let base = base_or_here(self.base.clone());
                (brio.project(&base)?, base)
            }
        };
        Ok((project, Around::of(&brio, &base)?))
    }
}

impl State {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        match self.command {
            None => get(ui, self.of),
            Some(StateCommand::Get(of)) => get(ui, of),
            Some(StateCommand::Set(Set { mode, task, feature, of })) => {
                let update = Update { mode, task, feature };
                let (project, around) = of.project()?;
                show(ui, &project.set_session(&update)?, around, of.json)
            }
        }
    }
}

fn get(ui: &Ui, of: Of) -> Result<Exit, Failure> {
    let (project, around) = of.project()?;
    show(ui, &project.get_session()?, around, of.json)
}

pub(super) fn show(ui: &Ui, record: &Record, around: Around, json: bool) -> Result<Exit, Failure> {
    let Around { current, at } = around;
    if json {
        let notes = match &at {
            NotesAt::Mcp(NotesServer { url, project, .. }) => {
                Some(Elsewhere { mcp: url, project: project.as_deref() })
            }
            _ => None,
        };
        ui.json(&Json { schema: SCHEMA, record, current, notes })?;
        return Ok(Exit::Ok);
    }
    let nothing = || "-".to_owned();
    let lines = [
        ("mode", record.current_mode.to_string()),
        ("task", record.active_task.clone().unwrap_or_else(nothing)),
        ("feature", record.active_feature.clone().unwrap_or_else(nothing)),
        ("version", record.version.to_string()),
        ("updated", record.updated_at.to_string()),
        ("notes", told(&at)),
    ];
    let current = current.map(|id| ("current", id));
    for (key, value) in lines.into_iter().chain(current) {
        ui.line(format_args!("{key:<8} {value}"))?;
    }
    Ok(Exit::Ok)
}

/// Where the notes are, for people.
fn told(at: &NotesAt) -> String {
    match at {
        NotesAt::Mcp(NotesServer { url, project: None, .. }) => url.clone(),
        NotesAt::Mcp(NotesServer { url, project: Some(project), .. }) => {
            format!("{url}, project {project}")
        }
        NotesAt::Store => "the project's store".to_owned(),
        _ => "local".to_owned(),
    }
}

//! `brio project`

pub(crate) mod checkout;
pub(crate) mod fsck;
pub(crate) mod import;
pub(crate) mod status;

use std::path::{Path, PathBuf};

use brio_host::Brio;
use brio_host::project::{
    MigrateOptions, Migration, Mode, NotesAt, NotesServer, Project, Record, Step, Update,
};
use brio_host::stores::{InitStore, Updated};
use serde::Serialize;

use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::open;
use crate::ui::Ui;

/// Makes the project's record where there is none, and says how it is, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// The project's directory; the current one when left out.
    dir: Option<PathBuf>,
    /// Keep the record and the notes from now on at this server of the Model Context Protocol
    /// (streamable HTTP), which has the tools read_note, write_note and list_notes; `local`: in
    /// the directory's .brio; `store`: in the store of the project that the directory belongs to
    /// (--store). A server is asked first. What is where they were stays there.
    #[arg(long, value_name = "URL|local|store", conflicts_with = "store")]
    notes: Option<String>,
    /// The name of the project there, for a server that keeps several.
    #[arg(long, value_name = "NAME", requires = "notes")]
    notes_project: Option<String>,
    /// The file with the token that the server wants to see (`Authorization: Bearer`). It is read
    /// when it is shown, by TLS or to this machine only.
    #[arg(long, value_name = "FILE", requires = "notes")]
    notes_token_file: Option<PathBuf>,
    /// http:// to another machine is meant, where everybody on the way can read along.
    #[arg(long, requires = "notes")]
    notes_insecure: bool,
    /// Have the directory belong to a project in a store that many machines can share: a
    /// directory, `file:///DIR`, `s3://BUCKET/PREFIX` (keys and server from the usual AWS
    /// variables and files), or `local`, in the home, which is also the one without a URL. Made
    /// where it is not there; a server is tried out first. From then on sessions begin on the project's head, and land there.
    #[arg(long, value_name = "URL", num_args = 0..=1)]
    store: Option<Option<String>>,
    /// The project's name there, as org/project [default: local/ and the directory's name]
    #[arg(long, value_name = "ORG/PROJECT", requires = "store")]
    name: Option<String>,
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

/// Make one record of the sessions with ids that an older program left in the notes.
///
/// It is done by itself at the first look at a record. Again, it changes nothing; one that was
/// interrupted goes on.
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// The project's directory; the current one when left out.
    dir: Option<PathBuf>,
    /// Take them from the notes of another directory's project, from a directory of notes as
    /// .brio/notes is one, or from a server of the Model Context Protocol. The tombstones go there.
    #[arg(long, value_name = "DIR|URL")]
    from: Option<String>,
    /// The name of the project there, for a server that keeps several.
    #[arg(long, value_name = "NAME", requires = "from")]
    from_project: Option<String>,
    /// The file with the token that the server wants to see.
    #[arg(long, value_name = "FILE", requires = "from")]
    from_token_file: Option<PathBuf>,
    /// http:// to another machine is meant, where everybody on the way can read along.
    #[arg(long, requires = "from")]
    from_insecure: bool,
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
struct Around {
    /// The session that is current, by its id.
    current: Option<String>,
    at: NotesAt,
}

impl Around {
    fn of(brio: &Brio, base: &Path) -> Result<Self, Failure> {
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

/// A server, as flags name it.
fn server(
    url: String,
    project: Option<String>,
    token_file: Option<PathBuf>,
    insecure: bool,
) -> Result<NotesServer, Failure> {
    let absolute = |file: PathBuf| {
        let file = std::path::absolute(&file).ok().filter(|file| file.to_str().is_some());
        file.ok_or_else(|| {
            Failure::new("NOTES_SERVER", "the token's file has no name that can be written down")
                .hint("give one of which the path is UTF-8")
        })
    };
    Ok(NotesServer { url, project, token_file: token_file.map(absolute).transpose()?, insecure })
}

fn is_url(text: &str) -> bool {
    text.contains("://")
}

/// Where the flags of `init` say that the notes are to be.
fn place(init: &Init) -> Result<Option<NotesAt>, Failure> {
    let Some(notes) = init.notes.clone() else { return Ok(None) };
    match notes.as_str() {
        "local" => return Ok(Some(NotesAt::Here)),
        "store" => return Ok(Some(NotesAt::Store)),
        _ => {}
    }
    if !is_url(&notes) {
        let what = format!("`{notes}` is neither a URL nor `local` nor `store`");
        let failure = Failure::new("NOTES_SERVER", what);
        return Err(failure.hint("give one as https://notes.example.com/mcp"));
    }
    let (project, token_file) = (init.notes_project.clone(), init.notes_token_file.clone());
    Ok(Some(NotesAt::Mcp(server(notes, project, token_file, init.notes_insecure)?)))
}

impl Init {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let at = place(&self)?;
        let brio = open::brio(&Places::from_env()?)?;
        let base = base_or_here(self.dir);
        if let Some(store) = self.store {
            return bind(ui, &brio, &base, &InitStore { store, project: self.name });
        }
        let project = match at {
            None => brio.project(&base)?,
            Some(at) => {
                let before = brio.notes_at(&base);
                let project = brio.place_notes(&base, &at)?;
                if before.is_ok_and(|before| before != at) {
                    ui.say("the notes that were written until now stay where they are");
                }
                project
            }
        };
        show(ui, &project.get_session()?, Around::of(&brio, &base)?, false)
    }
}

/// Has a directory belong to a project in a store.
fn bind(ui: &Ui, brio: &Brio, base: &Path, to: &InitStore) -> Result<Exit, Failure> {
    let bound = brio.init_store(base, to)?;
    let here = &bound.here;
    let made = if bound.created { "made" } else { "found" };
    ui.say(format_args!("{made}: project {} in {}", here.name(), here.store()));
    ui.say(format_args!("{} belongs to it", here.base().display()));
    if here.synced()?.is_none() {
        ui.say("`brio project import` stores what the directory holds");
    }
    ui.line(here.name())?;
    Ok(Exit::Ok)
}

/// Says what an update of a directory did.
fn told_of_update(ui: &Ui, done: &Updated) {
    if let Some(landing) = done.landing {
        ui.say(format_args!("followed: what others landed, by landing {landing} here"));
    }
    for path in &done.kept {
        ui.warn(format_args!(
            "{path} was changed here and on the head too; it stays as it is here, and \
             `brio project import` would land that"
        ));
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

fn show(ui: &Ui, record: &Record, around: Around, json: bool) -> Result<Exit, Failure> {
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

impl Migrate {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        let project = brio.project(&base_or_here(self.dir))?;
        let options = MigrateOptions { dry_run: self.dry_run };
        let done = match self.from {
            None => project.migrate(&options)?,
            Some(url) if is_url(&url) => {
                let from =
                    server(url, self.from_project, self.from_token_file, self.from_insecure)?;
                project.migrate_from(&*brio.notes_on(&from)?, &options)?
            }
            Some(dir) => project.migrate_from(&*brio.notes_of(Path::new(&dir))?, &options)?,
        };
        for step in &done.steps {
            ui.line(step)?;
        }
        if done.steps != [Step::Nothing] {
            let Migration { candidates, skipped, contexts, archived, .. } = done;
            let would = if done.dry_run { "Would be: " } else { "Done: " };
            ui.line(format_args!(
                "{would}sessions found: {candidates}, contexts migrated: {contexts}, notes \
                 archived: {archived}, skipped: {skipped}"
            ))?;
        }
        Ok(Exit::Ok)
    }
}

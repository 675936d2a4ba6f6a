//! `brio session start`

use std::path::Path;

use brio_host::{BeginOptions, Isolation, LowerInfo, Metadata};
use serde::Serialize;

use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::nfs::Export;
use crate::open;
use crate::ui::Ui;

/// Begin a session on the head of a project in a store, without or with a directory here.
///
/// Prints its id and the tree that it stands on. Nothing is copied and nothing fetched; files are
/// as they are read. While `brio serve --nfs` exports sessions, it also prints how this one is
/// mounted. `brio session exec ID -- COMMAND`, `brio session path ID` and
/// `brio run --session ID` work in it, `brio session push ID` brings it to other machines, and
/// `brio session land ID` lands it on the head.
#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// A short name for people.
    title: String,
    /// The project, as org/name; that of the current directory when left out.
    #[arg(long, value_name = "ORG/NAME")]
    project: Option<String>,
    /// The store that has it: a directory, `file:///DIR` or `s3://BUCKET/PREFIX` [default: that
    /// which this machine knows the project in, or local]
    #[arg(long, value_name = "URL", requires = "project")]
    store: Option<String>,
    /// What the session is to achieve; shown to others in conflicts, and in the history. The
    /// title, when left out.
    #[arg(long, value_name = "TEXT")]
    goal: Option<String>,
    /// The goal at length.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// What its commit validates besides what it writes: nothing, or all that it reads.
    #[arg(long, value_name = "snapshot|serializable", default_value = "snapshot")]
    isolation: Isolation,
    /// Make it the current session of the project.
    #[arg(long)]
    current: bool,
    /// Print `{schema, session, title, goal, project, store, base_tree, position, nfs_export,
    /// nfs_mount}`; nfs_mount is null while nobody serves it.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    session: String,
    title: String,
    goal: String,
    project: String,
    store: String,
    base_tree: String,
    position: u64,
    nfs_export: String,
    nfs_mount: Option<String>,
}

impl Start {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        let project = match &self.project {
            Some(name) => brio.project_named(name, self.store.as_deref(), Some(Path::new(".")))?,
            None => brio.project_here(Path::new("."))?,
        };
        let goal = self.goal.unwrap_or_else(|| self.title.clone());
        let metadata = Metadata {
            goal: Some(goal.clone()),
            title: Some(self.title.clone()),
            description: self.description,
            ..Metadata::default()
        };
        let isolation = self.isolation;
        let session =
            project.begin(BeginOptions { metadata, isolation, ..BeginOptions::default() })?;
        let told = session.info().map_err(Failure::from).and_then(|info| {
            if self.current {
                session.make_current()?;
            }
            let LowerInfo::Tree(tree) = info.lower else {
                return Err(Failure::new("NOT_SHARED", "it stands on no tree of a store"));
            };
            let export = Export::of(session.id());
            if self.json {
                return ui.json(&Json {
                    schema: SCHEMA,
                    session: session.id().to_string(),
                    title: self.title,
                    goal,
                    project: tree.project,
                    store: tree.store,
                    base_tree: tree.tree,
                    position: tree.position,
                    nfs_mount: export.mount_command(),
                    nfs_export: export.path,
                });
            }
            ui.line(format_args!("Session ID: {}", session.id()))?;
            match export.mount_command() {
                Some(command) => {
                    ui.line(format_args!("NFS Export: {}", export.path))?;
                    ui.line(format_args!("Mount: {command}"))?;
                }
                None => ui.line(format_args!(
                    "NFS Export: {} (while `brio serve --nfs` runs)",
                    export.path
                ))?,
            }
            ui.line(format_args!(
                "Base Tree: {} (position {} of {} in {})",
                tree.tree, tree.position, tree.project, tree.store
            ))
        });
        if let Err(e) = told {
            // Nobody knows the id: nobody could end it.
            let _ = session.rollback(false);
            return Err(e);
        }
        Ok(Exit::Ok)
    }
}

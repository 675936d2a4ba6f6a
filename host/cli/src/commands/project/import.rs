//! `brio project import`

use std::path::PathBuf;

use brio_host::stores::ImportOptions;
use serde::Serialize;

use crate::args::base_or_here;
use crate::commands::project::told_of_update;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::json::SCHEMA;
use crate::open;
use crate::progress::Shown;
use crate::ui::Ui;
use crate::units::show_size;

/// Land what a directory holds on the head of its project, beside what others landed.
///
/// Only what changed since the last time is read and sent. What `.brioignore` and `.gitignore`
/// name, `.git` and `.brio` are left out. Afterwards the directory is brought to where the head
/// is. An import that is interrupted landed nothing, and goes on when it is made again.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// The directory; the current one when left out.
    dir: Option<PathBuf>,
    /// Why, for the project's history.
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Print `{schema, project, position, tree, added, modified, removed, files_read, objects,
    /// bytes, kept, noticed}`; position is null where there was nothing to land.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    project: String,
    position: Option<u64>,
    tree: String,
    added: u64,
    modified: u64,
    removed: u64,
    files_read: u64,
    objects: u64,
    bytes: u64,
    kept: Vec<String>,
    noticed: Vec<String>,
}

impl Import {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let interrupt = Interrupt::watch()?;
        let project = open::project(None, None, &base_or_here(self.dir))?;
        let done = {
            let (_shown, watch) = Shown::files(ui, &interrupt, "import");
            project.import(&ImportOptions { message: self.message, watch })?
        };
        if self.json {
            ui.json(&Json {
                schema: SCHEMA,
                project: project.name().to_owned(),
                position: done.position,
                tree: done.tree.to_string(),
                added: done.counts.added,
                modified: done.counts.modified,
                removed: done.counts.removed,
                files_read: done.files_read,
                objects: done.objects,
                bytes: done.bytes,
                kept: done.updated.kept.iter().map(ToString::to_string).collect(),
                noticed: done.noticed.iter().map(ToString::to_string).collect(),
            })?;
            return Ok(Exit::Ok);
        }
        done.noticed.iter().for_each(|noticed| ui.say(noticed));
        match done.position {
            None => ui.say(format_args!("unchanged: {} has all of it", project.name())),
            Some(position) => {
                let counts = done.counts;
                ui.say(format_args!(
                    "imported: position {position} of {} ({} added, {} modified, {} removed; {} sent)",
                    project.name(),
                    counts.added,
                    counts.modified,
                    counts.removed,
                    show_size(done.bytes)
                ));
            }
        }
        told_of_update(ui, &done.updated);
        ui.line(done.tree)?;
        Ok(Exit::Ok)
    }
}

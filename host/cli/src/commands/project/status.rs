//! `brio project status` and `brio project update`

use std::path::PathBuf;

use brio_host::stores::{Change, Drifted};
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

/// Paths that are shown, without --json.
const SHOWN: usize = 20;

/// Show where a directory is beside its project in the store: the head, how far the directory is
/// behind it, and what was changed in the directory and not imported.
///
/// Nothing is changed. Files that are as they were the last time are not read.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// The directory; the current one when left out.
    dir: Option<PathBuf>,
    /// Print `{schema, project, store, directory, head: {position, tree}, synced, behind, drift:
    /// [{path, change}], noticed}`; synced is `{position, tree}`, or null.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct At {
    position: u64,
    tree: String,
}

#[derive(Serialize)]
struct Path {
    path: String,
    change: &'static str,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    project: String,
    store: String,
    directory: String,
    head: At,
    synced: Option<At>,
    behind: u64,
    drift: Vec<Path>,
    noticed: Vec<String>,
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Modified => "modified",
        Change::Removed => "removed",
        Change::Mode => "mode",
    }
}

impl Status {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let interrupt = Interrupt::watch()?;
        let project = open::project(None, None, &base_or_here(self.dir))?;
        let status = {
            let (_shown, watch) = Shown::files(ui, &interrupt, "compare");
            project.status(&watch)?
        };
        let synced = status.synced.as_ref();
        let head = &status.head;
        let behind = head.position.saturating_sub(synced.map_or(0, |s| s.position));
        let drift = &status.drift.paths;
        if self.json {
            ui.json(&Json {
                schema: SCHEMA,
                project: project.name().to_owned(),
                store: project.store().to_owned(),
                directory: project.base().display().to_string(),
                head: At { position: head.position, tree: head.tree.to_string() },
                synced: synced.map(|s| At { position: s.position, tree: s.tree.clone() }),
                behind,
                drift: drift
                    .iter()
                    .map(|d| Path { path: d.key.to_string(), change: word(d.change) })
                    .collect(),
                noticed: status.drift.noticed.iter().map(ToString::to_string).collect(),
            })?;
            return Ok(Exit::Ok);
        }
        ui.line(format_args!("project   {}", project.name()))?;
        ui.line(format_args!("store     {}", project.store()))?;
        ui.line(format_args!("head      position {}, {}", head.position, head.tree))?;
        let at = match synced {
            None => "no state of the project yet; `brio project import` stores it".to_owned(),
            Some(_) if behind == 0 => "at the head".to_owned(),
            Some(s) => format!(
                "at position {}, {behind} behind; `brio project update` follows",
                s.position
            ),
        };
        ui.line(format_args!("directory {at}"))?;
        if synced.is_none() {
            return Ok(Exit::Ok);
        }
        match drift.len() {
            0 => ui.line("changed   nothing")?,
            n => ui.line(format_args!("changed   {n}, not imported:"))?,
        }
        for Drifted { key, change } in drift.iter().take(SHOWN) {
            ui.line(format_args!("  {} {key}", letter(*change)))?;
        }
        if drift.len() > SHOWN {
            ui.line(format_args!("  … and {} more", drift.len() - SHOWN))?;
        }
        status.drift.noticed.iter().for_each(|noticed| ui.say(noticed));
        Ok(Exit::Ok)
    }
}

fn letter(change: Change) -> char {
    match change {
        Change::Added => 'A',
        Change::Modified => 'M',
        Change::Removed => 'D',
        Change::Mode => 'm',
    }
}

/// Bring a directory to where the head of its project is, by a landing in it.
///
/// What was changed in the directory and not imported stays as it is, and is told. Every landing
/// from this directory does this by itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// The directory; the current one when left out.
    dir: Option<PathBuf>,
    /// Print `{schema, project, position, landing, kept}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Updated {
    schema: u32,
    project: String,
    position: u64,
    landing: Option<u64>,
    kept: Vec<String>,
}

impl Update {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let project = open::project(None, None, &base_or_here(self.dir))?;
        let done = project.update()?;
        if self.json {
            ui.json(&Updated {
                schema: SCHEMA,
                project: project.name().to_owned(),
                position: done.position,
                landing: done.landing,
                kept: done.kept.iter().map(ToString::to_string).collect(),
            })?;
            return Ok(Exit::Ok);
        }
        told_of_update(ui, &done);
        ui.say(format_args!("at position {} of {}", done.position, project.name()));
        Ok(Exit::Ok)
    }
}

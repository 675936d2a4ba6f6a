//! `brio log`

use std::path::PathBuf;

use brio_host::{LandedNotes, LogEntry};

use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::{Failure, one_line};
use crate::json::{self, SCHEMA};
use crate::open;
use crate::time;
use crate::ui::Ui;

/// List what landed in a base, newest first.
///
/// Each line has the landing's number, when it was, how many paths it added, modified and
/// removed, and its goal. The list is kept for good; whether a landing can still be undone
/// depends on what is kept of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    /// The base; the current directory when left out.
    dir: Option<PathBuf>,
    /// At most this many.
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Only those that changed this path, or something below it, as far back as their paths
    /// are kept.
    #[arg(long, value_name = "PATH")]
    path: Option<PathBuf>,
    /// Print `{schema, landings: [{landing, time, session, goal, agent, task_id, message, who, added,
    /// modified, removed, notes, decisions: [{session, time, title}], undo_of, undone_by, undoable}]}`.
    #[arg(long)]
    json: bool,
}

impl Log {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        let base = base_or_here(self.dir);
        let log = brio.log(&base, self.limit, self.path.as_deref())?;
        if self.json {
            let landings = log.landings.iter().map(json::Landing::from).collect();
            ui.json(&json::Log { schema: SCHEMA, landings })?;
            return Ok(Exit::Ok);
        }
        if log.landings.is_empty() {
            ui.say("no landings");
        }
        let pending = brio.pending_notes(&base)?;
        for landing in &log.landings {
            let pending = pending.iter().any(|p| p.by == LandedNotes::Landing(landing.landing));
            ui.line(line(landing, pending))?;
        }
        if let (Some(_), Some(since)) = (self.path, log.kept_since.filter(|k| *k > 1)) {
            ui.say(format_args!("the paths of landings before {since} are no longer kept"));
        }
        Ok(Exit::Ok)
    }
}

/// `pending`: its notes are not yet where the project's are.
fn line(l: &LogEntry, pending: bool) -> String {
    let counts = format!("+{} ~{} -{}", l.added, l.modified, l.removed);
    let mut line = format!("{:>5}  {}  {counts:<12}", l.landing, time::of(l.time));
    let what = [&l.goal, &l.message].into_iter().flatten().map(|t| one_line(t));
    let what = what.collect::<Vec<_>>().join(": ");
    let session = l.session.as_ref().map(ToString::to_string);
    let what = if what.is_empty() { session.unwrap_or_default() } else { what };
    line.push_str(&format!("  {what}"));
    if let Some(agent) = &l.agent {
        line.push_str(&format!("  by {}", one_line(agent)));
    }
    if let Some(who) = &l.who {
        line.push_str(&format!("  ({})", one_line(who)));
    }
    match l.notes.len() {
        0 => {}
        1 => line.push_str("  (1 note"),
        n => line.push_str(&format!("  ({n} notes")),
    }
    if !l.notes.is_empty() {
        line.push_str(if pending { ", pending)" } else { ")" });
    }
    match l.decisions.len() {
        0 => {}
        1 => line.push_str("  (1 decision)"),
        n => line.push_str(&format!("  ({n} decisions)")),
    }
    if let Some(k) = l.undo_of {
        line.push_str(&format!("  (undo of {k})"));
    }
    match l.undone_by {
        Some(k) => line.push_str(&format!("  (undone by {k})")),
        None if !l.undoable => line.push_str("  (cannot be undone any more)"),
        None => {}
    }
    line
}

//! `brio session diff`

use brio_host::{Change, ChangeSet, Meta, PatchCounts, Patches};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{SCHEMA, change_word, kind_word};
use crate::open;
use crate::patch::painted;
use crate::summary::{letter, notes, one_line_stat};
use crate::ui::Ui;

/// Show what a session changed, as a unified diff.
///
/// Binary files, modes, symbolic links, empty directories and broken hard links are said in
/// words. The price is what changed, whatever the size of the base.
#[derive(Debug, clap::Args)]
pub(crate) struct Diff {
    /// The session; a unique prefix is enough. The current one when left out.
    #[arg(default_value = brio_host::CURRENT, hide_default_value = true)]
    id: String,
    /// Compare with the base as it is now instead: what others changed since at these paths
    /// shows on the other side.
    #[arg(long, value_name = "base")]
    against: Option<Against>,
    /// Only how many lines were added and removed.
    #[arg(long, group = "form")]
    stat: bool,
    /// Only the paths, with A(dded), M(odified), D(eleted), T(ype) or m(ode, times).
    #[arg(long, group = "form")]
    name_status: bool,
    /// Print `{schema, session, changes: [{path, change, before, after, link_broken, hard_link_of}],
    /// notes: [{path, change}]}`.
    #[arg(long, group = "form")]
    json: bool,
}

/// What a session is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Against {
    /// The base as it is now.
    Base,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    session: String,
    changes: Vec<JsonChange>,
    notes: Vec<JsonNote>,
}

#[derive(Serialize)]
struct JsonNote {
    path: String,
    /// `written`, `removed`.
    change: &'static str,
}

#[derive(Serialize)]
pub(super) struct JsonChange {
    path: String,
    /// `added`, `modified`, `removed`, `replaced`, `metadata`.
    change: &'static str,
    before: Option<JsonMeta>,
    after: Option<JsonMeta>,
    link_broken: bool,
    hard_link_of: Option<String>,
}

#[derive(Serialize)]
struct JsonMeta {
    kind: &'static str,
    size: u64,
    mode: String,
}

impl Diff {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let set = match self.against {
            None => session.changes()?,
            Some(Against::Base) => session.changes_against_base()?,
        };
        let written = session.note_changes()?;
        if self.json {
            let changes = set.changes.iter().map(json).collect();
            let notes = written.iter().map(|n| JsonNote {
                path: n.path.to_string(),
                change: if n.content.is_some() { "written" } else { "removed" },
            });
            let (session, notes) = (session.id().to_string(), notes.collect());
            ui.json(&Json { schema: SCHEMA, session, changes, notes })?;
            return Ok(Exit::Ok);
        }
        if self.name_status {
            for change in &set.changes {
                ui.line(format_args!("{}\t{}", letter(change.kind), change.path))?;
            }
        } else {
            let sides = match self.against {
                None => Patches::open(&session)?,
                Some(Against::Base) => Patches::against_base(&session)?,
            };
            if self.stat {
                stat(ui, &sides, &set)?;
            } else {
                for change in &set.changes {
                    ui.data(painted(&sides.patch(change)?, ui))?;
                }
            }
        }
        // Beside the patch: that is for programs.
        for note in written {
            let what = if note.content.is_some() { "written" } else { "removed" };
            ui.say(format_args!("note {} is {what}", note.path));
        }
        Ok(Exit::Ok)
    }
}

/// A line for each change, and how many there are.
pub(super) fn stat(ui: &Ui, sides: &Patches, set: &ChangeSet) -> Result<(), Failure> {
    let width = set.changes.iter().map(|c| c.path.to_string().len()).max().unwrap_or(0).min(60);
    for change in &set.changes {
        let counts = match sides.counts(change)? {
            PatchCounts::Lines { added, removed } => format!("+{added} -{removed}"),
            PatchCounts::Bytes { before, after } => format!("binary {before} -> {after} bytes"),
            PatchCounts::None => letter(change.kind).to_string(),
        };
        let line = format!("{:<width$} | {counts}{}", change.path.to_string(), notes(change));
        ui.line(line)?;
    }
    ui.line(one_line_stat(set))
}

pub(super) fn json(change: &Change) -> JsonChange {
    JsonChange {
        path: change.path.to_string(),
        change: change_word(change.kind),
        before: change.before.map(meta),
        after: change.after.map(meta),
        link_broken: change.link_broken,
        hard_link_of: change.hard_link_of.as_ref().map(ToString::to_string),
    }
}

fn meta(meta: Meta) -> JsonMeta {
    JsonMeta { kind: kind_word(meta.kind), size: meta.size, mode: format!("{:04o}", meta.mode) }
}

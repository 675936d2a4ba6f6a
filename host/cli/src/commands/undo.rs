//! `brio undo`

use std::path::PathBuf;

use brio_host::{Policy, UndoOptions};

use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{Changes, Error, SCHEMA, Undone};
use crate::open;
use crate::summary::{landed_stat, names};
use crate::ui::Ui;

/// Undo a landing: put back what it replaced and removed, and take away what it added.
///
/// The undo is a landing of its own, all of it or nothing, and can be undone in turn. If
/// something has changed the same paths since, that is a conflict, and nothing happens.
#[derive(Debug, clap::Args)]
pub(crate) struct Undo {
    /// The number of the landing; `brio log` lists them.
    landing: u64,
    /// The base; the current directory when left out.
    dir: Option<PathBuf>,
    /// Why, for the journal.
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// What becomes of paths that were changed since: `reject`, `merge` (take back what touches
    /// no later change of a text), `last-write-wins` (put back what was there before).
    #[arg(long, value_name = "POLICY", default_value = "reject")]
    policy: Policy,
    /// Print `{schema, undo_of, result, landing, changes, notes, error}`.
    #[arg(long)]
    json: bool,
}

impl Undo {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        let options = UndoOptions { message: self.message, agent: None, policy: self.policy };
        let undo_of = self.landing;
        let done = brio.undo(&base_or_here(self.dir), undo_of, &options);
        let failure = done.as_ref().err().map(Failure::from);
        if self.json {
            let landed = done.as_ref().ok();
            let word = |n: Option<u64>| if n.is_some() { "landed" } else { "unchanged" };
            ui.json(&Undone {
                schema: SCHEMA,
                undo_of,
                result: landed.map(|l| word(l.landing)),
                landing: landed.and_then(|l| l.landing),
                changes: landed.map(|l| Changes::from(&l.changes)).unwrap_or_default(),
                notes: landed.map(|l| names(&l.notes)).unwrap_or_default(),
                error: failure.as_ref().map(Error::from),
            })?;
        }
        match (done, failure) {
            (_, Some(failure)) => Err(failure),
            (Err(e), None) => Err(Failure::from(&e)),
            (Ok(landed), None) => {
                for warning in &landed.warnings {
                    ui.warn(warning);
                }
                let stat = landed_stat(&landed.changes, &landed.notes);
                match landed.landing {
                    Some(n) => {
                        ui.say(format_args!("undone: landing {undo_of}, by landing {n} ({stat})"))
                    }
                    None => ui.say(format_args!(
                        "unchanged: nothing of landing {undo_of} is left to undo"
                    )),
                }
                Ok(Exit::Ok)
            }
        }
    }
}

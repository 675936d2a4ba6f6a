//! `brio recover`

use std::path::PathBuf;

use brio_host::{Recovered, Tended};

use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;
use crate::units::show_size;

/// Finish what a crash left in a base, or take over a copied one.
///
/// An interrupted landing is completed or undone; later edits always stay. Every command that
/// opens a base does this by itself: this one also says what it did, and retries what a
/// damaged base needs.
#[derive(Debug, clap::Args)]
pub(crate) struct Recover {
    /// The base; the current directory when left out.
    dir: Option<PathBuf>,
    /// Every base that is known, and what killed processes left in the home: what `brio serve`
    /// does by itself every minute.
    #[arg(long, conflicts_with_all = ["dir", "adopt"])]
    all: bool,
    /// The base was copied, restored, or lost its `.brio`: give it a state of its own. Old
    /// sessions can then be looked at, not landed.
    #[arg(long)]
    adopt: bool,
}

impl Recover {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        if self.all {
            return tend(ui, &brio.tend());
        }
        let base = base_or_here(self.dir);
        if self.adopt {
            let adopted = brio.adopt(&base)?;
            ui.say(format_args!("adopted: {} has the claim {}", base.display(), adopted.claim));
            for id in &adopted.sessions {
                ui.say(format_args!("  {id} can be looked at, not landed"));
            }
            for id in &adopted.lost {
                ui.say(format_args!("  {id} is gone"));
            }
            return Ok(Exit::Ok);
        }
        let done = brio.recover(&base)?;
        say(ui, &done);
        let arrived = brio.deliver_notes(&base)?;
        if arrived > 0 {
            ui.say(format_args!("the notes of {arrived} landings arrived where the project's are"));
        }
        if arrived == 0 && done == Default::default() {
            ui.say("nothing to recover");
        }
        Ok(Exit::Ok)
    }
}

/// What was done in all bases. Ends with 7 when one needs somebody.
fn tend(ui: &Ui, done: &Tended) -> Result<Exit, Failure> {
    for base in &done.bases {
        ui.say(base.path.display());
        say(ui, &base.recovered);
        for (session, run) in &base.dead {
            let program = run.as_ref().and_then(|run| run.program.as_deref()).unwrap_or("a run");
            ui.say(format_args!(
                "{session}: {program} died; its work is kept: `brio session show {session}`"
            ));
        }
        if let Some(error) = &base.error {
            ui.warn(error);
        }
    }
    for one in &done.reaped {
        match &one.freed {
            Ok(bytes) => {
                ui.say(format_args!("rolled back: {} ({} freed)", one.row.id, show_size(*bytes)));
            }
            Err(why) => ui.say(format_args!("{} stays: {why}", one.row.id)),
        }
    }
    for (n, one, more) in
        [(done.mounts, "mount", "mounts"), (done.scratch, "directory", "directories")]
    {
        if n > 0 {
            let what = if n == 1 { one } else { more };
            ui.say(format_args!("removed what killed processes left: {n} {what}"));
        }
    }
    if done.is_quiet() {
        ui.say("nothing to recover");
    }
    let troubled = done.bases.iter().any(|base| base.error.is_some());
    Ok(if troubled { Exit::Damaged } else { Exit::Ok })
}

/// What was done in one.
fn say(ui: &Ui, done: &Recovered) {
    for landing in &done.completed {
        ui.say(format_args!("landing {landing} was completed"));
    }
    for landing in &done.aborted {
        ui.say(format_args!("landing {landing} was undone"));
    }
    for path in &done.repaired {
        ui.say(format_args!("{path} was repaired"));
    }
    for kept in &done.kept {
        ui.warn(format_args!("{} is kept as {}: {}", kept.path, kept.at, kept.why));
    }
}

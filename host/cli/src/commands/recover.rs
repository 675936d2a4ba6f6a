//! `brio recover`

use std::path::PathBuf;

use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// Finish what a crash left in a base, or take over a copied one.
///
/// An interrupted landing is completed or undone; later edits always stay. Every command that
/// opens a base does this by itself: this one also says what it did, and retries what a
/// damaged base needs.
#[derive(Debug, clap::Args)]
pub(crate) struct Recover {
    /// The base; the current directory when left out.
    dir: Option<PathBuf>,
    /// The base was copied, restored, or lost its `.brio`: give it a state of its own. Old
    /// sessions can then be looked at, not landed.
    #[arg(long)]
    adopt: bool,
}

impl Recover {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
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
        if done == Default::default() {
            ui.say("nothing to recover");
        }
        Ok(Exit::Ok)
    }
}

//! `brio session decide`

use brio_host::Decision;

use super::say::person;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// Write to the journal what was decided in an open session, and why.
///
/// The landing of the session leads to it: `brio log` counts the decisions behind a landing, and
/// `brio journal --session ID --kind decision` shows them.
#[derive(Debug, clap::Args)]
pub(crate) struct Decide {
    /// The session; a unique prefix is enough, and `current` is the current one.
    id: String,
    /// What was decided, in a few words.
    title: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    why: String,
    /// What else could have been done. Can be given several times.
    #[arg(long = "alternative", value_name = "TEXT")]
    alternatives: Vec<String>,
}

impl Decide {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let Self { title, why, alternatives, .. } = self;
        session.decide(&person(), &Decision { title, why, alternatives })?;
        ui.say(format_args!("written to the journal of {}", session.id()));
        Ok(Exit::Ok)
    }
}

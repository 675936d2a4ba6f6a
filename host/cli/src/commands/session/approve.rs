//! `brio session approve` and `reject`

use super::say::person;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// Let a session land that a task asks about, as it is now.
#[derive(Debug, clap::Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    decision: Decision,
}

/// Keep a session from landing that a task asks about: it is rolled back.
#[derive(Debug, clap::Args)]
pub(crate) struct Reject {
    #[command(flatten)]
    decision: Decision,
}

#[derive(Debug, clap::Args)]
struct Decision {
    /// The session; a unique prefix is enough. The current one when left out.
    #[arg(default_value = brio_host::CURRENT, hide_default_value = true)]
    id: String,
    /// Why.
    #[arg(long, short = 'm', value_name = "TEXT", default_value = "", hide_default_value = true)]
    comment: String,
}

impl Approve {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        self.decision.say(ui, true)
    }
}

impl Reject {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        self.decision.say(ui, false)
    }
}

impl Decision {
    fn say(self, ui: &Ui, approved: bool) -> Result<Exit, Failure> {
        let supervisor = open::supervisor()?;
        open::named(&self.id)?;
        supervisor.decide(&self.id, approved, &self.comment, &person())?;
        let word = if approved { "approved" } else { "rejected" };
        if supervisor.wake().is_none() {
            ui.say(format_args!("{word}; whoever works on the queue next goes on: `brio serve`"));
        } else {
            ui.say(word);
        }
        Ok(Exit::Ok)
    }
}

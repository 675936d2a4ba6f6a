//! `brio session pause` and `resume`

use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// Let no session be the current one any more. It stays open, and a run in it goes on.
#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    /// The session; a unique prefix is enough. The current one when left out.
    #[arg(default_value = brio_host::CURRENT, hide_default_value = true)]
    id: String,
}

/// Make a session the current one of its project: commands that are given none mean it, and
/// `brio run` works in it. There is at most one.
#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    /// The session; a unique prefix is enough.
    id: String,
}

impl Pause {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let id = session.id();
        match session.pause()? {
            true => {
                ui.say(format_args!("paused: {id} is open; `brio session resume {id}` goes on"))
            }
            false => ui.say(format_args!("paused: {id} is open, and was not the current one")),
        }
        Ok(Exit::Ok)
    }
}

impl Resume {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        session.make_current()?;
        ui.say(format_args!("current: {}", session.id()));
        Ok(Exit::Ok)
    }
}

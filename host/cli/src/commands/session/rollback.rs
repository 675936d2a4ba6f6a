//! `brio session rollback`

use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;
use crate::units::show_size;

/// Throw a session away. The base is untouched; only a line in the journal stays.
#[derive(Debug, clap::Args)]
pub(crate) struct Rollback {
    /// The session; a unique prefix is enough. The current one when left out.
    #[arg(default_value = brio_host::CURRENT, hide_default_value = true)]
    id: String,
    /// Throw its open children away first, the leaves before what they branch.
    #[arg(long)]
    cascade: bool,
}

impl Rollback {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let of_task = open::asked_about(&session);
        let done = if self.cascade {
            let (done, children) = session.rollback_cascade(false)?;
            for child in children {
                ui.say(format_args!("rolled back: {child}"));
            }
            done
        } else {
            session.rollback(false)?
        };
        open::ended_by_hand(session.id().as_str(), of_task);
        ui.say(format_args!(
            "rolled back: {} ({} freed)",
            session.id(),
            show_size(done.bytes_freed)
        ));
        Ok(Exit::Ok)
    }
}

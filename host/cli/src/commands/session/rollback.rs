//! `brio session rollback`

use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;
use crate::units::show_size;

/// Throw a session away. The base is untouched; only a line in the journal stays.
#[derive(Debug, clap::Args)]
pub(crate) struct Rollback {
    /// The session; a unique prefix is enough.
    id: String,
}

impl Rollback {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let done = session.rollback(false)?;
        ui.say(format_args!(
            "rolled back: {} ({} freed)",
            session.id(),
            show_size(done.bytes_freed)
        ));
        Ok(Exit::Ok)
    }
}

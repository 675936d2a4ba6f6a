//! `brio session restore`

use brio_host::BEFORE_RESTORE;

use super::checkpoint::tell;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// Put a session back to a checkpoint.
///
/// The state that it leaves becomes the checkpoint `before-restore`, in place of an earlier one
/// of that name: `brio session restore ID before-restore` takes a restore back.
#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// The session; a unique prefix is enough, and `current` is the current one.
    id: String,
    /// The checkpoint, as `session show` lists it.
    name: String,
    /// Print `{schema, session, checkpoint, checkpoints}`.
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let restored = session.restore(&self.name)?;
        if self.json {
            return tell(ui, &session, Some(&restored));
        }
        ui.say(format_args!(
            "restored: {} to {}; what it was is its checkpoint {BEFORE_RESTORE}",
            session.id(),
            self.name
        ));
        Ok(Exit::Ok)
    }
}

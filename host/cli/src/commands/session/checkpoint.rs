//! `brio session checkpoint`

use brio_host::{CheckpointInfo, SessionHandle};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{self, Checkpointed, SCHEMA};
use crate::open;
use crate::ui::Ui;

/// Remember a session's state under a name, to come back to it with `restore`.
///
/// Nothing is copied: what the session wrote so far is sealed, and later writes go above it.
/// `session show` lists a session's checkpoints; they end with it.
#[derive(Debug, clap::Args)]
pub(crate) struct Checkpoint {
    /// The session; a unique prefix is enough, and `current` is the current one.
    id: String,
    /// The checkpoint's name, new in this session: letters, digits, `.`, `_` and `-`.
    name: String,
    /// Delete the checkpoint of that name instead, and what only it kept.
    #[arg(long)]
    delete: bool,
    /// Print `{schema, session, checkpoint, checkpoints}`.
    #[arg(long)]
    json: bool,
}

impl Checkpoint {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let made = if self.delete {
            session.delete_checkpoint(&self.name)?;
            None
        } else {
            Some(session.checkpoint(&self.name)?)
        };
        if self.json {
            return tell(ui, &session, made.as_ref());
        }
        let what = if self.delete { "deleted" } else { "made" };
        ui.say(format_args!("{what}: checkpoint {} of {}", self.name, session.id()));
        Ok(Exit::Ok)
    }
}

/// What `--json` prints of a checkpoint that was made, restored or deleted.
pub(super) fn tell(
    ui: &Ui,
    session: &SessionHandle,
    checkpoint: Option<&CheckpointInfo>,
) -> Result<Exit, Failure> {
    let checkpoints = session.info()?.checkpoints;
    ui.json(&Checkpointed {
        schema: SCHEMA,
        session: session.id().to_string(),
        checkpoint: checkpoint.map(json::Checkpoint::from),
        checkpoints: checkpoints.iter().map(json::Checkpoint::from).collect(),
    })?;
    Ok(Exit::Ok)
}

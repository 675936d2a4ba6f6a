//! `brio session begin`

use std::path::{Path, PathBuf};

use brio_host::{BeginOptions, Isolation, Metadata};

use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// Begin a session on a directory and print its id.
///
/// Nothing is copied and nothing scanned. The session sees the directory as it is now, until
/// it lands or is rolled back.
#[derive(Debug, clap::Args)]
pub(crate) struct Begin {
    /// The directory; the current one when left out.
    #[arg(conflicts_with = "parent")]
    dir: Option<PathBuf>,
    /// What the session is to achieve; shown to others in conflicts.
    #[arg(long, value_name = "TEXT")]
    goal: Option<String>,
    /// Branch this session instead of a directory; it lands there.
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// What its commit validates besides what it writes: nothing, or all that it reads, which
    /// is noted from here on [default: snapshot, or the parent's].
    #[arg(long, value_name = "snapshot|serializable")]
    isolation: Option<Isolation>,
}

impl Begin {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        let metadata = Metadata { goal: self.goal, ..Metadata::default() };
        let isolation = self.isolation.unwrap_or_default();
        let options = BeginOptions { metadata, isolation, ..BeginOptions::default() };
        let session = match self.parent {
            Some(id) => brio.find(&id, Some(Path::new(".")))?.begin_child_with(options)?,
            None => brio.begin_with(&base_or_here(self.dir), options)?,
        };
        if let Err(e) = ui.line(session.id()) {
            // Nobody knows the id: nobody could end it.
            let _ = session.rollback(false);
            return Err(e);
        }
        Ok(Exit::Ok)
    }
}

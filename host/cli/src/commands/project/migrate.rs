//! `brio project migrate`

use std::path::{Path, PathBuf};

use brio_host::project::{MigrateOptions, Migration, Step};

use super::{is_url, server};
use crate::args::base_or_here;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// Make one record of the sessions with ids that an older program left in the notes.
///
/// It is done by itself at the first look at a record. Again, it changes nothing; one that was
/// interrupted goes on.
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// The project's directory; the current one when left out.
    dir: Option<PathBuf>,
    /// Take them from the notes of another directory's project, from a directory of notes as
    /// .brio/notes is one, or from a server of the Model Context Protocol. The tombstones go there.
    #[arg(long, value_name = "DIR|URL")]
    from: Option<String>,
    /// The name of the project there, for a server that keeps several.
    #[arg(long, value_name = "NAME", requires = "from")]
    from_project: Option<String>,
    /// The file with the token that the server wants to see.
    #[arg(long, value_name = "FILE", requires = "from")]
    from_token_file: Option<PathBuf>,
    /// http:// to another machine is meant, where everybody on the way can read along.
    #[arg(long, requires = "from")]
    from_insecure: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

impl Migrate {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        let project = brio.project(&base_or_here(self.dir))?;
        let options = MigrateOptions { dry_run: self.dry_run };
        let done = match self.from {
            None => project.migrate(&options)?,
            Some(url) if is_url(&url) => {
                let from =
                    server(url, self.from_project, self.from_token_file, self.from_insecure)?;
                project.migrate_from(&*brio.notes_on(&from)?, &options)?
            }
            Some(dir) => project.migrate_from(&*brio.notes_of(Path::new(&dir))?, &options)?,
        };
        for step in &done.steps {
            ui.line(step)?;
        }
        if done.steps != [Step::Nothing] {
            let Migration { candidates, skipped, contexts, archived, .. } = done;
            let would = if done.dry_run { "Would be: " } else { "Done: " };
            ui.line(format_args!(
                "{would}sessions found: {candidates}, contexts migrated: {contexts}, notes \
                 archived: {archived}, skipped: {skipped}"
            ))?;
        }
        Ok(Exit::Ok)
    }
}

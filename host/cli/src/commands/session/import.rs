//! `brio session import`

use std::path::PathBuf;

use brio_host::{Import as Prepared, ImportOptions, Patches};
use serde::Serialize;

use super::diff::{JsonChange, json, stat};
use crate::args::Grant;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::json::SCHEMA;
use crate::open;
use crate::progress::Shown;
use crate::ui::Ui;

/// Make a session what a directory is.
///
/// Additions, changes, deletions, modes, times, symbolic and hard links; only what differs is
/// touched, and prints as `session diff --stat` does. The session takes all of it at once, or
/// is what it was. What the session excludes is left alone, and so is `.git`, unless it is
/// granted. The other way: `session export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// The session; a unique prefix is enough, and `current` is the current one.
    id: String,
    /// The directory.
    dir: PathBuf,
    /// Take `.git` too.
    #[arg(long, value_name = "vcs")]
    grant: Option<Grant>,
    /// Hold a file of the same size, mode and modification time for the same, without reading it.
    #[arg(long)]
    quick: bool,
    /// Only print what would change.
    #[arg(long)]
    dry_run: bool,
    /// Print `{schema, session, dry_run, changes, vcs_differs, excluded}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    session: String,
    dry_run: bool,
    changes: Vec<JsonChange>,
    /// `.git` differs, and was left as it is.
    vcs_differs: bool,
    /// Entries of the directory that the session excludes.
    excluded: u64,
}

impl Import {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let interrupt = Interrupt::watch()?;
        let session = open::session(&self.id)?;
        let (shown, watch) = Shown::begin(ui, &interrupt, "import");
        let vcs = self.grant == Some(Grant::Vcs);
        let options = ImportOptions { vcs, quick: self.quick, watch };
        let prepared = session.prepare_import(&self.dir, &options);
        drop(shown);
        let mut import = prepared?;
        if interrupt.happened() {
            return Err(Failure::new("INTERRUPTED", "the session is what it was"));
        }
        if !self.dry_run {
            import.accept()?;
        }
        self.tell(ui, session.id().as_str(), &import)?;
        Ok(Exit::Ok)
    }

    fn tell(&self, ui: &Ui, session: &str, import: &Prepared) -> Result<(), Failure> {
        if let Some(path) = import.vcs_differs() {
            ui.say(format_args!(
                "left alone: {path} differs, and .git is not imported (--grant vcs)"
            ));
        }
        if import.excluded() > 0 {
            ui.say(format_args!("left alone: {} that the session excludes", import.excluded()));
        }
        if self.json {
            return ui.json(&Json {
                schema: SCHEMA,
                session: session.to_owned(),
                dry_run: self.dry_run,
                changes: import.changes().changes.iter().map(json).collect(),
                vcs_differs: import.vcs_differs().is_some(),
                excluded: import.excluded(),
            });
        }
        let sides = Patches::between(import.before().clone(), import.after().clone());
        stat(ui, &sides, import.changes())
    }
}

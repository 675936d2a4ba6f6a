//! `brio session export`

use std::path::PathBuf;

use brio_host::ExportOptions;
use serde::Serialize;

use crate::config::{Config, Places};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::json::SCHEMA;
use crate::open;
use crate::progress::Shown;
use crate::ui::Ui;
use crate::units::show_size;

/// Write a session out as a directory.
///
/// All that the session shows, with modes, times, symbolic and hard links; the files share
/// blocks with the session where the file system can. Devices, FIFOs and sockets are left out
/// and said. The directory is there as a whole, or as it was before. Nobody can write in the
/// session meanwhile.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The session; a unique prefix is enough, and `current` is the current one.
    id: String,
    /// The directory: not there yet, or empty.
    dir: PathBuf,
    /// Print `{schema, session, dir, files, dirs, symlinks, bytes, bytes_copied, left_out}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    session: String,
    dir: String,
    files: u64,
    dirs: u64,
    symlinks: u64,
    bytes: u64,
    bytes_copied: u64,
    left_out: Vec<String>,
}

impl Export {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let interrupt = Interrupt::watch()?;
        let session = open::session(&self.id)?;
        let config = Config::load(&Places::from_env()?, Some(&session.base()?), &[])?;
        let (shown, watch) = Shown::begin(ui, &interrupt, "export");
        let exported = session.export(&self.dir, &ExportOptions { space: config.space(), watch });
        drop(shown);
        let exported = exported?;
        for path in &exported.left_out {
            ui.say(format_args!("left out: {path} (a device, FIFO or socket)"));
        }
        if self.json {
            ui.json(&Json {
                schema: SCHEMA,
                session: session.id().to_string(),
                dir: exported.dir.display().to_string(),
                files: exported.files,
                dirs: exported.dirs,
                symlinks: exported.symlinks,
                bytes: exported.bytes,
                bytes_copied: exported.bytes_copied,
                left_out: exported.left_out.iter().map(ToString::to_string).collect(),
            })?;
            return Ok(Exit::Ok);
        }
        let shared = if exported.bytes > 0 && exported.bytes_copied == 0 {
            "shared with the session".into()
        } else {
            format!("{} copied", show_size(exported.bytes_copied))
        };
        ui.say(format_args!(
            "exported: {} files, {} directories, {} ({shared}) to {}",
            exported.files + exported.symlinks,
            exported.dirs,
            show_size(exported.bytes),
            exported.dir.display()
        ));
        Ok(Exit::Ok)
    }
}

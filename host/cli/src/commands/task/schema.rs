//! `brio task schema`

use brio_host::tasks::file;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::Ui;

/// Print the JSON Schema (2020-12) of a task file, for editors and generators.
#[derive(Debug, clap::Args)]
pub(crate) struct Schema {}

impl Schema {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let text = serde_json::to_string_pretty(&file::schema());
        ui.line(text.map_err(|e| Failure::output(e.into()))?)?;
        Ok(Exit::Ok)
    }
}

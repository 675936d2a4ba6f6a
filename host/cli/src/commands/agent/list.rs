//! `brio agent list`

use brio_host::bundled;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::Ui;

/// List the agents that come with this binary, and what each does.
#[derive(Debug, clap::Args)]
pub(crate) struct List {}

impl List {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let width = bundled().map(|b| b.name.len()).max().unwrap_or(0);
        for agent in bundled() {
            ui.line(format_args!("{:width$}  {}", agent.name, agent.about).to_string().trim_end())?;
        }
        Ok(Exit::Ok)
    }
}

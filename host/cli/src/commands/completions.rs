//! `brio completions`

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::Ui;

/// Print the completion script of a shell.
///
/// For bash: `brio completions bash > ~/.local/share/bash-completion/completions/brio`
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell to print for.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Args::command(), "brio", &mut script);
        ui.data(script)?;
        Ok(Exit::Ok)
    }
}

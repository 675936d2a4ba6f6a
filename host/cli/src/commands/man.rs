//! `brio man`

use clap::{Command, CommandFactory};

use crate::args::Args;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::Ui;

/// Print the manual as a man page: the command and all of its subcommands.
///
/// To read it: `brio man | man -l -`
#[derive(Debug, clap::Args)]
pub(crate) struct Man {}

impl Man {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let mut command = Args::command();
        command.build();
        let mut page = Vec::new();
        write(&command, true, &mut page).map_err(Failure::output)?;
        ui.data(page)?;
        Ok(Exit::Ok)
    }
}

/// One page for all: the first command with its title, the others as sections of it.
fn write(command: &Command, first: bool, page: &mut Vec<u8>) -> std::io::Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    if first {
        man.render(page)?;
    } else {
        let name = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
        page.extend_from_slice(format!(".SH \"{name}\"\n").as_bytes());
        let mut section = Vec::new();
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        page.extend_from_slice(
            String::from_utf8_lossy(&section).replace(".SH ", ".SS ").as_bytes(),
        );
    }
    command
        .get_subcommands()
        .filter(|c| !c.is_hide_set() && c.get_name() != "help")
        .try_for_each(|c| write(c, false, page))
}

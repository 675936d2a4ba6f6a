//! `brio config show`

use std::path::PathBuf;

use crate::config::{Config, Places, Setting};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::Ui;

/// Show every setting and where its value came from.
///
/// Flags win over the environment (BRIO_…), over `brio.toml` in the base (here: the current
/// directory), over the user's file, over the defaults.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {}

impl Show {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let places = Places::from_env()?;
        let config = Config::load(&places, Some(&PathBuf::from(".")), &[])?;
        let home = Setting {
            key: "home",
            value: places.home.display().to_string(),
            source: places.home_source.clone(),
        };
        let all: Vec<_> = std::iter::once(&home).chain(config.settings()).collect();
        let key = all.iter().map(|s| s.key.len()).max().unwrap_or(0);
        let value = all.iter().map(|s| s.value.len()).max().unwrap_or(0);
        for s in all {
            ui.line(format_args!("{:key$} = {:value$}  # {}", s.key, s.value, s.source))?;
        }
        Ok(Exit::Ok)
    }
}

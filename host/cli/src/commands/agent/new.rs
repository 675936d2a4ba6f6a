//! `brio agent new`

use std::path::PathBuf;

use brio_host::{AgentProject, Language};
use clap::builder::PossibleValue;

use super::listing::quoted;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::NewAgent;
use crate::ui::{Ui, tell};

/// Write a project for an agent of your own: it builds with the language's own tool, anywhere.
///
/// The project is small and whole: an agent that works, a test, a README, and what the build
/// needs of Brio. What to do next is printed, as commands of a shell.
#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// The directory to make; its last component is the agent's name, of lower-case words:
    /// `tidy-up`.
    #[arg(value_name = "NAME")]
    name: PathBuf,
    /// What it is written in.
    #[arg(long, value_name = "LANGUAGE")]
    lang: Lang,
    /// Print `{schema, name, lang, directory, files, next}`.
    #[arg(long)]
    json: bool,
}

/// A language as an argument.
#[derive(Debug, Clone, Copy)]
struct Lang(Language);

impl clap::ValueEnum for Lang {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: [Lang; Language::ALL.len()] = {
            let mut all = [Lang(Language::Rust); Language::ALL.len()];
            let mut i = 0;
            while i < all.len() {
                all[i] = Lang(Language::ALL[i]);
                i += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}

impl New {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let project = AgentProject::write(&self.name, self.lang.0)?;
        let directory = self.name.display().to_string();
        let mut next = vec![format!("cd {}", quoted(&directory))];
        next.extend(project.commands.iter().cloned());
        if self.json {
            ui.json(&NewAgent::new(&project, next))?;
            return Ok(Exit::Ok);
        }
        if !ui.quiet {
            let count = project.files.len();
            tell(&format!("{directory}: {count} files; README.md says more. Next:"));
        }
        for command in next {
            ui.line(command)?;
        }
        Ok(Exit::Ok)
    }
}

//! `brio agent check`

use std::path::PathBuf;

use brio_host::{AgentCheck, AgentSource};

use super::listing::listing;
use crate::config::Places;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{CheckedAgent, Error};
use crate::open;
use crate::ui::Ui;

/// Say what an agent imports and exports, what it must be granted, and why it would not run.
///
/// It is loaded as `brio run` loads it; nothing of it is run. Ends as `brio run` would, given
/// the grants that are listed: with 0, or with its error for what cannot be loaded.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// A component or a preview-1 module, or the name of a bundled agent.
    #[arg(value_name = "FILE|NAME")]
    agent: PathBuf,
    /// Print `{schema, file, kind, imports, exports, grants, runs, error}`, with `{interface,
    /// version, served, grant, nearest, needs}` for each import.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let checked = self.check();
        let (check, failure) = match checked {
            Ok(mut check) => {
                let failure = check.refusal.take().map(Failure::from);
                (Some(check), failure)
            }
            Err(failure) => (None, Some(failure)),
        };
        if self.json {
            let file = self.agent.display().to_string();
            ui.json(&CheckedAgent::new(file, check.as_ref(), failure.as_ref().map(Error::from)))?;
        } else if let Some(check) = &check {
            let command = failure.is_none().then_some(self.agent.as_path());
            for line in listing(check, command) {
                ui.line(line)?;
            }
        }
        failure.map_or(Ok(Exit::Ok), Err)
    }

    fn check(&self) -> Result<AgentCheck, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        Ok(brio.check_agent(&AgentSource::Named(self.agent.clone()))?)
    }
}

//! `brio task check`

use std::path::PathBuf;

use brio_host::tasks::file::{self, TaskFileErrors};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{CheckedTask, SCHEMA, TaskMistake};
use crate::ui::Ui;

/// Look for mistakes in a task file, and in the files that it names as children. Nothing is run.
///
/// All mistakes are told at once, each with its line, its key and what to do about it. Whether
/// agents and directories are there is found when the task is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The task: TOML, or JSON when it is called so.
    file: PathBuf,
    /// Print `{schema, file, task, errors}`, with `{code, file, line, column, key, message, hint}`
    /// for each mistake.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let read = file::read(&self.file);
        if self.json {
            ui.json(&CheckedTask {
                schema: SCHEMA,
                file: self.file.display().to_string(),
                task: read.as_ref().ok().map(|task| task.name.clone()),
                errors: read.as_ref().err().map(mistakes).unwrap_or_default(),
            })?;
        }
        let task = read?;
        if !self.json {
            ui.say(format_args!("{}: {} has no mistakes", self.file.display(), task.name));
        }
        Ok(Exit::Ok)
    }
}

fn mistakes(errors: &TaskFileErrors) -> Vec<TaskMistake> {
    errors
        .iter()
        .map(|error| TaskMistake {
            code: error.code(),
            file: error.file().map(|file| file.display().to_string()),
            line: error.line(),
            column: error.column(),
            key: error.key(),
            message: error.what(),
            hint: error.next(),
        })
        .collect()
}

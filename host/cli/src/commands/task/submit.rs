//! `brio task submit`

use std::path::{Path, PathBuf};

use brio_host::tasks::{Base, Task, file};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::open;
use crate::ui::Ui;

/// Put a task into the queue, for `brio serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Submit {
    /// The task: TOML, or JSON when it is called so.
    file: PathBuf,
    /// The directory, for a task that names none.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// What it is called in the queue, task-…: submitted twice, it is done once.
    #[arg(long, value_name = "ID", value_parser = id)]
    id: Option<String>,
    /// Print `{schema, id, submitted}`; submitted is false when that id was there before.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    schema: u32,
    id: &'a str,
    submitted: bool,
}

fn id(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("task-").ok_or("it begins with task-")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if rest.is_empty() || rest.len() > 64 || !rest.chars().all(plain) {
        return Err("after task- it has 1 to 64 letters, digits, - and _".into());
    }
    Ok(text.to_owned())
}

impl Submit {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let task = read(&self.file, self.base.as_deref())?;
        let supervisor = open::supervisor()?;
        let (id, submitted) = match self.id {
            Some(id) => {
                let submitted = supervisor.submit_as(&id, &task)?;
                (id, submitted)
            }
            None => (supervisor.submit(&task)?, true),
        };
        let woken = supervisor.wake();
        if self.json {
            ui.json(&Json { schema: SCHEMA, id: &id, submitted })?;
            return Ok(Exit::Ok);
        }
        ui.line(&id)?;
        if !submitted {
            ui.say("it was submitted before");
        } else if woken.is_none() {
            ui.say("nobody works on the queue now: `brio serve` does");
        }
        Ok(Exit::Ok)
    }
}

/// The task that a file says; one that says no base gets `base`, or the current directory.
pub(super) fn read(path: &Path, base: Option<&Path>) -> Result<Task, Failure> {
    let mut task = file::read(path)?;
    match (&task.base, base) {
        (Some(_), Some(_)) => {
            let what = format!("{} says what its base is", path.display());
            return Err(Failure::new("USAGE", what).hint("leave out --base"));
        }
        (Some(_), None) => {}
        (None, base) => {
            let base = std::path::absolute(base.unwrap_or(Path::new(".")));
            let base = base.map_err(|e| Failure::new("BASE_UNUSABLE", e.to_string()))?;
            task.base = Some(Base::Directory(base));
        }
    }
    Ok(task)
}

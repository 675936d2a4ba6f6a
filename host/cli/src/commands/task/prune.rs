//! `brio task prune`

use std::time::Duration;

use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::open;
use crate::ui::Ui;
use crate::units::{parse_duration, show_size};

/// Remove what is left of tasks that ended long ago: their logs, their samples, what was decided
/// about them, and they themselves.
///
/// A group goes when all of it has ended, and nothing goes of which a session is still open. What
/// landed is in the base and its journal; `brio gc` deletes what is kept to undo it. An id that
/// was given with `task submit --id` is new again when its task is removed.
#[derive(Debug, clap::Args)]
pub(crate) struct Prune {
    /// Keep those that ended within this time (30d, 12h); 0 keeps none.
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = parse_duration)]
    older_than: Duration,
    /// Remove nothing; say what would go.
    #[arg(long)]
    dry_run: bool,
    /// Print `{schema, dry_run, bytes_freed, tasks, kept: [{id, why}]}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    schema: u32,
    dry_run: bool,
    /// Bytes that are free again.
    bytes_freed: u64,
    /// The tasks that were removed.
    tasks: Vec<String>,
    /// Those that are as old and stay.
    kept: Vec<Kept>,
}

#[derive(Serialize)]
struct Kept {
    id: String,
    why: String,
}

impl Prune {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let supervisor = open::supervisor()?;
        let pruned = supervisor
            .prune(self.older_than, self.dry_run)
            .map_err(|e| Failure::from(brio_host::SuperviseError::from(e)))?;
        if self.json {
            let kept = pruned.kept.into_iter().map(|(id, why)| Kept { id, why }).collect();
            let (dry_run, bytes_freed) = (self.dry_run, pruned.bytes);
            ui.json(&Json { schema: SCHEMA, dry_run, bytes_freed, tasks: pruned.tasks, kept })?;
            return Ok(Exit::Ok);
        }
        for (id, why) in &pruned.kept {
            ui.warn(format_args!("{id} is kept: {why}"));
        }
        let count = match pruned.tasks.len() {
            1 => "1 task".to_owned(),
            n => format!("{n} tasks"),
        };
        let removed = if self.dry_run { "would be removed" } else { "removed" };
        ui.say(format_args!("{count} {removed}, {}", show_size(pruned.bytes)));
        Ok(Exit::Ok)
    }
}

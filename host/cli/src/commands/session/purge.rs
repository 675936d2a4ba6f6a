//! `brio session purge`

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use brio_host::{PurgeFilter, Purgeable, Purged};

use crate::config::Places;
use crate::exit::Exit;
use crate::failure::{Failure, one_line};
use crate::json::PurgeReport;
use crate::open;
use crate::ui::Ui;
use crate::units::{parse_duration, show_size};

/// Throw away the sessions in which nobody works.
///
/// Bases are untouched. What a process works in, and what a task needs that has not ended, is
/// spared; so is what a spared session branches. Asks first, on a terminal.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Purge {
    /// Only those in this state: open, conflicted, dead, lost, committing. May be repeated.
    #[arg(long, value_name = "STATE", value_parser = STATES)]
    state: Vec<String>,
    /// Only those that nobody has worked in for so long, as 12h or 7d.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Only those on this base.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
    /// Say what would go, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Spare nothing: runs are ended first.
    #[arg(long)]
    force: bool,
    /// Print `{schema, dry_run, bytes_freed, sessions: [{id, state, base, goal, bytes, purged,
    /// why}]}`.
    #[arg(long)]
    json: bool,
}

const STATES: [&str; 5] = ["open", "conflicted", "dead", "lost", "committing"];

impl Purge {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let brio = open::brio(&Places::from_env()?)?;
        brio.look_at(self.base.as_deref().unwrap_or(std::path::Path::new(".")));
        let filter = PurgeFilter {
            states: self.state.clone(),
            older_than: self.older_than,
            base: self.base.clone(),
            force: self.force,
        };
        let found = brio.purgeable(&filter)?;
        let going = found.iter().filter(|one| one.spared.is_none()).count();
        if self.dry_run || going == 0 {
            return self.only_say(ui, &found, going);
        }
        if !self.yes && !self.json {
            found.iter().for_each(|one| say_found(ui, one));
        }
        if !self.yes && !agreed(&found, going)? {
            ui.say("nothing was thrown away");
            return Ok(Exit::Ok);
        }
        let mut purged = Vec::new();
        brio.purge(found, self.force, |one| {
            if !self.json {
                say_purged(ui, one);
            }
            if one.freed.is_ok() {
                open::ended_by_hand(&one.row.id, one.row.task_id.is_some());
            }
            purged.push(one.clone());
        });
        let failed =
            purged.iter().any(|one| matches!(one.freed, Err(brio_host::Spared::Failed(_))));
        let report = PurgeReport::of(&purged);
        if self.json {
            ui.json(&report)?;
        } else {
            let count = purged.iter().filter(|one| one.freed.is_ok()).count();
            ui.say(format_args!(
                "{}, {} freed",
                counted(count, "thrown away"),
                show_size(report.bytes_freed)
            ));
        }
        Ok(if failed { Exit::Refused } else { Exit::Ok })
    }

    fn only_say(&self, ui: &Ui, found: &[Purgeable], going: usize) -> Result<Exit, Failure> {
        if self.json {
            ui.json(&PurgeReport::planned(found, self.dry_run))?;
            return Ok(Exit::Ok);
        }
        found.iter().for_each(|one| say_found(ui, one));
        let bytes = going_bytes(found);
        match (self.dry_run, going) {
            (_, 0) => ui.say("nothing to throw away"),
            _ => ui.say(format_args!(
                "{}, {}; nothing was changed",
                counted(going, "would be thrown away"),
                show_size(bytes)
            )),
        }
        Ok(Exit::Ok)
    }
}

fn going_bytes(found: &[Purgeable]) -> u64 {
    found.iter().filter(|one| one.spared.is_none()).map(|one| one.bytes).sum()
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} session{} {what}", if n == 1 { "" } else { "s" })
}

/// Asks a person. Who cannot be asked must have said so before.
fn agreed(found: &[Purgeable], going: usize) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let failure = Failure::new("USAGE", "nobody is there to ask");
        return Err(failure.hint("give --yes, or --dry-run to see what would go"));
    }
    let sum = show_size(going_bytes(found));
    let _ = write!(
        io::stderr().lock(),
        "throw away {going} session{}, {sum}? Nothing of their work is kept. [y/N] ",
        if going == 1 { "" } else { "s" }
    );
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Failure::output)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn name(row: &brio_host::SessionRow) -> String {
    let goal = one_line(row.goal.as_deref().or(row.agent.as_deref()).unwrap_or(""));
    format!("{}  {:<10}  {}  {goal}", row.id, row.state, row.base.display()).trim_end().to_owned()
}

fn say_found(ui: &Ui, one: &Purgeable) {
    match &one.spared {
        None => ui.say(format_args!("{}  ({})", name(&one.row), show_size(one.bytes))),
        Some(why) => ui.say(format_args!("{}  spared: {why}", name(&one.row))),
    }
}

fn say_purged(ui: &Ui, one: &Purged) {
    match &one.freed {
        Ok(bytes) => ui.say(format_args!("thrown away: {} ({})", one.row.id, show_size(*bytes))),
        Err(why) => ui.say(format_args!("spared: {}: {why}", one.row.id)),
    }
}

//! `brio gc`

use std::path::PathBuf;

use brio_host::{GcOptions, Quota};

use crate::args::base_or_here;
use crate::config::{Config, Places};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{Collected, SCHEMA};
use crate::open;
use crate::ui::Ui;
use crate::units::{parse_duration, parse_quota, show_size};

/// Delete what nobody needs any more: what landings replaced, past the undo window or over the
/// quota, and what crashes left.
///
/// Every landing does this by itself, as far as it costs little. What an open session needs is
/// kept, unless that alone is over the quota: then the sessions that began first become stale,
/// which says that they can no longer see all of the base as it was when they began. Their own
/// work stays.
///
/// What tasks leave in the home when they have ended goes with `brio task prune`.
#[derive(Debug, clap::Args)]
pub(crate) struct Gc {
    /// The base; the current directory when left out.
    #[arg(conflicts_with = "forget_lost")]
    dir: Option<PathBuf>,
    /// Keep what can be undone for so long (30d, 12h); 0 keeps nothing.
    #[arg(long, value_name = "DURATION", conflicts_with = "forget_lost")]
    window: Option<String>,
    /// Keep at most so much (2G, or 10% of the file system).
    #[arg(long, value_name = "SIZE", conflicts_with = "forget_lost")]
    quota: Option<String>,
    /// Delete nothing; say what would go.
    #[arg(long)]
    dry_run: bool,
    /// Instead: forget the sessions of bases that are gone, which are listed as `lost`.
    #[arg(long)]
    forget_lost: bool,
    /// Print `{schema, dry_run, bytes_freed, landings, stale, forgotten}`.
    #[arg(long)]
    json: bool,
}

impl Gc {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let places = Places::from_env()?;
        let brio = open::brio(&places)?;
        let mut out = Collected {
            schema: SCHEMA,
            dry_run: self.dry_run,
            bytes_freed: 0,
            landings: Vec::new(),
            stale: Vec::new(),
            forgotten: Vec::new(),
        };
        if self.forget_lost {
            let lost = brio.forget_lost(self.dry_run)?;
            for row in &lost {
                let goal = row.goal.as_deref().unwrap_or("");
                let line = format!("forgotten: {} of {}  {goal}", row.id, row.base.display());
                ui.say(line.trim_end());
            }
            if lost.is_empty() {
                ui.say("nothing is lost");
            }
            out.forgotten = lost.into_iter().map(|r| r.id).collect();
        } else {
            #[cfg(target_os = "linux")]
            if !self.dry_run && brio.sweep_mounts()? > 0 {
                ui.say("unmounted what a killed process had mounted");
            }
            let base = base_or_here(self.dir);
            let flags =
                [("undo_window", self.window.as_deref()), ("undo_quota", self.quota.as_deref())];
            // A flag that makes no sense is said as every other setting's is.
            Config::load(&places, Some(&base), &flags)?;
            let options = GcOptions {
                window: self.window.as_deref().and_then(|w| parse_duration(w).ok()),
                quota: self.quota.as_deref().and_then(|q| -> Option<Quota> { parse_quota(q).ok() }),
                dry_run: self.dry_run,
            };
            let done = brio.gc(&base, &options)?;
            let freed = if self.dry_run { "would be freed" } else { "freed" };
            ui.say(format_args!("{} {freed}", show_size(done.bytes_freed)));
            if !done.landings.is_empty() {
                let numbers: Vec<_> = done.landings.iter().map(ToString::to_string).collect();
                ui.say(format_args!("no longer undoable: landing {}", numbers.join(", ")));
            }
            for id in &done.stale {
                ui.warn(format_args!(
                    "{id} is stale: what the base held when it began is no longer kept"
                ));
            }
            out.bytes_freed = done.bytes_freed;
            out.landings = done.landings;
            out.stale = done.stale.iter().map(ToString::to_string).collect();
        }
        if self.json {
            ui.json(&out)?;
        }
        Ok(Exit::Ok)
    }
}

//! `brio gc`

use std::path::PathBuf;

use brio_host::{GcOptions, Quota, stores};
use serde::Serialize;

use crate::args::base_or_here;
use crate::config::{Config, Places};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{Collected, SCHEMA};
use crate::open;
use crate::progress::Shown;
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
    /// Instead: remove from the store of the directory's project what no landing, session or note
    /// of it names any more. Others may go on working in it meanwhile.
    #[arg(long, conflicts_with_all = ["forget_lost", "window", "quota"])]
    store: bool,
    /// With --store: leave alone what is younger, at least an hour.
    #[arg(long, value_name = "DURATION", requires = "store", default_value = "14d")]
    grace: String,
    /// With --store: keep the trees of so many landings, and of what sessions stand on [default:
    /// of all]. A new number is announced by one collection and acted on by a later one.
    #[arg(long, value_name = "COUNT", requires = "store")]
    keep_landings: Option<u64>,
    /// Print `{schema, dry_run, bytes_freed, landings, stale, forgotten}`; with --store `{schema,
    /// dry_run, project, live: {nodes, blobs}, found: {count, bytes}, removed: {count, bytes},
    /// kept_from}`.
    #[arg(long)]
    json: bool,
}

impl Gc {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        if self.store {
            return self.collect(ui);
        }
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

    /// What `--store` does.
    fn collect(self, ui: &Ui) -> Result<Exit, Failure> {
        let grace = parse_duration(&self.grace).map_err(|e| Failure::new("USAGE", e))?;
        let least = stores::GRACE_MIN;
        if grace < least {
            let what =
                format!("--grace {} is shorter than {}h", self.grace, least.as_secs() / 3600);
            return Err(Failure::new("USAGE", what).hint("writers that are slow need it"));
        }
        let brio = open::brio(&Places::from_env()?)?;
        let project = brio.project_here(&base_or_here(self.dir))?;
        let done = {
            let (_shown, far) = Shown::counting(ui, "collect", "objects");
            let options = stores::GcOptions {
                grace,
                keep_landings: self.keep_landings,
                dry_run: self.dry_run,
            };
            project.collect(options, move |p| match p {
                stores::GcProgress::Marked { nodes, blobs } => far.set(nodes + blobs, 0),
                stores::GcProgress::Found(tally) => far.set(0, tally.count),
                stores::GcProgress::Removed(tally) => far.set(tally.count, tally.count),
            })?
        };
        let (found, removed) = (done.found.total(), done.removed.total());
        if self.json {
            ui.json(&StoreCollected {
                schema: SCHEMA,
                dry_run: self.dry_run,
                project: project.name().to_owned(),
                live: Live { nodes: done.live_nodes, blobs: done.live_blobs },
                found: found.into(),
                removed: removed.into(),
                kept_from: done.kept_from,
            })?;
            return Ok(Exit::Ok);
        }
        let (tally, word) =
            if self.dry_run { (found, "would be removed") } else { (removed, "removed") };
        ui.say(format_args!(
            "{} objects, {} {word} from {}; {} nodes and {} files' contents are needed",
            tally.count,
            show_size(tally.bytes),
            project.store(),
            done.live_nodes,
            done.live_blobs
        ));
        if done.busy_until.is_some() {
            ui.warn("the store did not answer in between; collect again for the rest");
        }
        Ok(Exit::Ok)
    }
}

/// `brio gc --store --json`
#[derive(Serialize)]
struct StoreCollected {
    schema: u32,
    dry_run: bool,
    project: String,
    live: Live,
    found: Tally,
    removed: Tally,
    kept_from: u64,
}

#[derive(Serialize)]
struct Live {
    nodes: u64,
    blobs: u64,
}

#[derive(Serialize)]
struct Tally {
    count: u64,
    bytes: u64,
}

impl From<stores::Tally> for Tally {
    fn from(tally: stores::Tally) -> Self {
        Self { count: tally.count, bytes: tally.bytes }
    }
}

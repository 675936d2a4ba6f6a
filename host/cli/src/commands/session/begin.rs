//! `brio session begin`

use std::path::{Path, PathBuf};

use brio_host::{BeginOptions, Isolation, LowerInfo, Metadata};
use serde::Serialize;

use crate::args::base_or_here;
use crate::config::{Config, Places};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::SCHEMA;
use crate::lower::{Lower, LowerArgs, describe, warn_of_access, warn_of_drift, warn_of_others};
use crate::open;
use crate::ui::Ui;

/// Begin a session on a directory and print its id.
///
/// Nothing is copied and nothing scanned, but with --lower frozen. The session sees the
/// directory as it is now, until it lands or is rolled back.
#[derive(Debug, clap::Args)]
pub(crate) struct Begin {
    /// The directory; the current one when left out.
    #[arg(conflicts_with = "parent")]
    dir: Option<PathBuf>,
    /// What the session is to achieve; shown to others in conflicts.
    #[arg(long, value_name = "TEXT")]
    goal: Option<String>,
    /// Branch this session instead of a directory; it lands there.
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// What its commit validates besides what it writes: nothing, or all that it reads, which
    /// is noted from here on [default: snapshot, or the parent's].
    #[arg(long, value_name = "snapshot|serializable")]
    isolation: Option<Isolation>,
    #[command(flatten)]
    lower: LowerArgs,
    /// The session that you have open on this directory, if there is one that sees of it what a
    /// new one would; the youngest. Somebody may be working in it.
    #[arg(long, conflicts_with_all = ["parent", "goal"])]
    reuse: bool,
    /// Make it the current session of the project: commands that are given none mean it, and
    /// `brio run` works in it.
    #[arg(long)]
    current: bool,
    /// Print `{schema, session, reused, lower, excludes, frozen_only}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Begun {
    schema: u32,
    session: String,
    reused: bool,
    lower: Lower,
    excludes: Vec<String>,
    frozen_only: Option<String>,
}

impl Begin {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let places = Places::from_env()?;
        let brio = open::brio(&places)?;
        let metadata = Metadata { goal: self.goal, ..Metadata::default() };
        let isolation = self.isolation.unwrap_or_default();
        let options = BeginOptions { metadata, isolation, ..BeginOptions::default() };
        let mut reused = false;
        let session = match self.parent {
            Some(id) => {
                if let Some(flag) = self.lower.given() {
                    let what = format!("{flag}: a child sees what its parent sees");
                    return Err(Failure::new("USAGE", what).hint("leave it out"));
                }
                brio.find(&id, Some(Path::new(".")))?.begin_child_with(options)?
            }
            None => {
                let base = base_or_here(self.dir);
                let config = Config::load(&places, Some(&base), &self.lower.flags())?;
                warn_of_access(ui, &base);
                warn_of_others(ui, &brio, &base);
                warn_of_drift(ui, &brio, &base);
                let options = BeginOptions { lower: self.lower.options(&config), ..options };
                if self.reuse {
                    let begun = brio.begin_or_reuse(&base, options)?;
                    reused = begun.reused;
                    begun.session
                } else {
                    brio.begin_with(&base, options)?
                }
            }
        };
        let told = session.info().map_err(Failure::from).and_then(|info| {
            if self.current {
                session.make_current()?;
            }
            if self.json {
                return ui.json(&Begun {
                    schema: SCHEMA,
                    session: session.id().to_string(),
                    reused,
                    lower: Lower::from(&info.lower),
                    excludes: info.excludes,
                    frozen_only: info.frozen_only,
                });
            }
            if info.parent.is_none() && info.lower != LowerInfo::Live {
                describe(&info.lower).iter().for_each(|line| ui.say(line));
                if let Some(why) = &info.frozen_only {
                    ui.say(format_args!("kept in the home: nothing lands in the base ({why})"));
                    ui.say("to take its work out: `brio session export ID DIR`");
                }
            }
            ui.line(session.id())
        });
        if let Err(e) = told {
            // Nobody knows the id: nobody could end it.
            if !reused {
                let _ = session.rollback(false);
            }
            return Err(e);
        }
        Ok(Exit::Ok)
    }
}

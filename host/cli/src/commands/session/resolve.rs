//! `brio session resolve`

use brio_host::{FsError, LowerInfo, RelPath, ResolveOptions, Take};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{Error, Resolved, SCHEMA, Taken};
use crate::open;
use crate::ui::Ui;

/// Bring a session onto its base as it is now, and keep it open.
///
/// What others changed and what it changed itself are merged. Texts in which both changed the
/// same lines get conflict markers: edit them in the session, then commit. What has no text form
/// (binary files, a removal against an edit, kinds) must be chosen with --take; until all of it
/// is, nothing changes. A frozen session sees the base live from then on; what is excluded is
/// not carried over.
#[derive(Debug, clap::Args)]
pub(crate) struct Resolve {
    /// The session; a unique prefix is enough. The current one when left out.
    #[arg(default_value = brio_host::CURRENT, hide_default_value = true)]
    id: String,
    /// Take one side of a path: ours (the session's), theirs (the base's), base (before either
    /// change). A directory means all below it; the longest path counts.
    #[arg(long, num_args = 2, value_names = ["SIDE", "PATH"], action = clap::ArgAction::Append)]
    take: Vec<String>,
    /// Stop a run that is live in it first, instead of refusing.
    #[arg(long)]
    stop: bool,
    /// Print `{schema, session, landing, merged, marked, taken: [{path, side}], error}`.
    #[arg(long)]
    json: bool,
}

impl Resolve {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let id = session.id().to_string();
        let takes = self.take.chunks(2).map(take).collect::<Result<_, _>>()?;
        let all = |paths: &[RelPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
        match session.resolve(ResolveOptions { takes, stop: self.stop }) {
            Ok(done) => {
                if self.json {
                    let taken =
                        |(p, t): &(RelPath, Take)| Taken { path: p.to_string(), side: t.as_str() };
                    ui.json(&Resolved {
                        schema: SCHEMA,
                        session: id,
                        landing: Some(done.landing),
                        merged: all(&done.merged),
                        marked: all(&done.marked),
                        taken: done.taken.iter().map(taken).collect(),
                        error: None,
                    })?;
                    return Ok(Exit::Ok);
                }
                for (word, paths) in [("merged", &done.merged), ("markers", &done.marked)] {
                    for path in paths {
                        ui.say(format_args!("{word:<8} {path}"));
                    }
                }
                for (path, side) in &done.taken {
                    ui.say(format_args!("{:<8} {path}", side.as_str()));
                }
                match session.record()?.lower {
                    LowerInfo::Tree(tree) => ui.say(format_args!(
                        "resolved: {id} stands on position {} of {} now",
                        tree.position, tree.project
                    )),
                    _ => ui.say(format_args!(
                        "resolved: {id} sees the base as of landing {}",
                        done.landing
                    )),
                }
                ui.say(if done.marked.is_empty() {
                    format!(
                        "`brio session diff {id}` shows it, `brio session commit {id}` lands it"
                    )
                } else {
                    format!(
                        "edit what the markers name in the session, then `brio session commit {id}`"
                    )
                });
                Ok(Exit::Ok)
            }
            Err(e) => {
                let failure = Failure::from(e);
                if self.json {
                    ui.json(&Resolved {
                        schema: SCHEMA,
                        session: id,
                        landing: None,
                        merged: Vec::new(),
                        marked: Vec::new(),
                        taken: Vec::new(),
                        error: Some(Error::from(&failure)),
                    })?;
                }
                Err(failure)
            }
        }
    }
}

fn take(pair: &[String]) -> Result<(RelPath, Take), Failure> {
    let usage = |what: String| Failure::new("USAGE", what).hint("--take ours|theirs|base PATH");
    let [side, path] = pair else { return Err(usage("--take needs a side and a path".into())) };
    let side = side.parse::<Take>().map_err(|e| usage(e.to_string()))?;
    let path = path.trim_start_matches("./").trim_end_matches('/');
    let path = if path == "." { "" } else { path };
    let bad = |e: FsError| usage(format!("{path} is no path in a session: {e}"));
    Ok((RelPath::new(path).map_err(bad)?, side))
}

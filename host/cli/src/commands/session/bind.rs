//! `brio session bind`, `brio session unbind`

use std::path::PathBuf;

use brio_host::{BindAccess, SessionHandle};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::json::{self, Bound, SCHEMA};
use crate::open;
use crate::ui::Ui;

/// Show a directory of this machine to a session's runs, read-only unless told otherwise.
///
/// Agents and commands (`session exec`) find it at DST from the next run on, until it is unbound or
/// the session ends. It is no part of the session: with --rw, what they write is in the directory
/// at once, is in no diff, and is neither landed nor rolled back. `.brio` is not shown, and .git
/// can be changed with --grant vcs only.
#[derive(Debug, clap::Args)]
pub(crate) struct Bind {
    /// The session; a unique prefix is enough, and `current` is the current one.
    id: String,
    /// The directory. The session's base, what holds it, and Brio's home are refused.
    #[arg(value_name = "SRC")]
    source: PathBuf,
    /// Where it is found: an absolute path such as /data, not in /workspace, /input or /sessions,
    /// nor where a command finds the system.
    #[arg(value_name = "DST")]
    target: String,
    /// Let it be read only: the default.
    #[arg(long, conflicts_with = "rw")]
    ro: bool,
    /// Let it be changed.
    #[arg(long)]
    rw: bool,
    /// Print `{schema, session, bind, binds}`.
    #[arg(long)]
    json: bool,
}

/// Take away a directory that `session bind` shows, from the next run on.
#[derive(Debug, clap::Args)]
pub(crate) struct Unbind {
    /// The session; a unique prefix is enough, and `current` is the current one.
    id: String,
    /// Where it is found.
    #[arg(value_name = "DST")]
    target: String,
    /// Print `{schema, session, bind, binds}`; `bind` is what was taken away.
    #[arg(long)]
    json: bool,
}

impl Bind {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let access = if self.rw { BindAccess::ReadWrite } else { BindAccess::ReadOnly };
        let bind = session.bind(&self.source, &self.target, access)?;
        tell(ui, &session, &bind, "bound", self.json)
    }
}

impl Unbind {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let bind = session.unbind(&self.target)?;
        tell(ui, &session, &bind, "unbound", self.json)
    }
}

/// What is said of a bind or mount that was made or taken away.
pub(super) fn tell(
    ui: &Ui,
    session: &SessionHandle,
    bind: &brio_host::Bind,
    done: &str,
    as_json: bool,
) -> Result<Exit, Failure> {
    if as_json {
        ui.json(&Bound {
            schema: SCHEMA,
            session: session.id().to_string(),
            bind: json::Bind::from(bind),
            binds: session.binds()?.iter().map(json::Bind::from).collect(),
        })?;
    } else {
        let brio_host::Bind { target, source, access } = bind;
        ui.say(format_args!("{done}: {target} is {source} ({access}) of {}", session.id()));
    }
    Ok(Exit::Ok)
}

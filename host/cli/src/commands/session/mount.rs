//! `brio session mount`, `brio session unmount`

use super::bind::tell;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::open;
use crate::ui::Ui;

/// Show another session, or an earlier landing, to a session's runs, read-only.
///
/// Agents and commands (`session exec`) find it at DST from the next run on, until it is unmounted
/// or the session ends. A session is shown as it is when the run begins, without its own binds and
/// mounts; when it has ended, runs are refused until it is unmounted. A landing is the base as of
/// then, with what was edited from outside since, for as long as the undo history keeps it.
#[derive(Debug, clap::Args)]
pub(crate) struct Mount {
    /// The session; a unique prefix is enough, and `current` is the current one.
    id: String,
    /// What is shown: a session of any base, or `landing:N` of this session's base.
    #[arg(value_name = "OTHER")]
    source: String,
    /// Where it is found: an absolute path such as /before, not in /workspace, /input or
    /// /sessions, nor where a command finds the system.
    #[arg(value_name = "DST")]
    target: String,
    /// Print `{schema, session, bind, binds}`.
    #[arg(long)]
    json: bool,
}

/// Take away what `session mount` shows, from the next run on. A landing stays while a run lives.
#[derive(Debug, clap::Args)]
pub(crate) struct Unmount {
    /// The session; a unique prefix is enough, and `current` is the current one.
    id: String,
    /// Where it is found.
    #[arg(value_name = "DST")]
    target: String,
    /// Print `{schema, session, bind, binds}`; `bind` is what was taken away.
    #[arg(long)]
    json: bool,
}

impl Mount {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let mounted = match self.source.strip_prefix("landing:") {
            Some(number) => {
                let number = number.parse().map_err(|_| {
                    Failure::new("USAGE", format!("{}: {number} is no number", self.source))
                        .hint("`brio log` shows the landings")
                })?;
                session.mount_landing(number, &self.target)?
            }
            None => session.mount(&open::session(&self.source)?, &self.target)?,
        };
        tell(ui, &session, &mounted, "mounted", self.json)
    }
}

impl Unmount {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id)?;
        let gone = session.unmount_at(&self.target)?;
        tell(ui, &session, &gone, "unmounted", self.json)
    }
}

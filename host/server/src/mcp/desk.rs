//! What every connection works with: the home, the bases that clients may use, the calls that go on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use brio_host::project::Project;
use brio_host::{
    AgentSource, Brio, DomainError, FileToolError, FileTools, SessionHandle, StopToken,
    ViewOptions, Writer,
};
use tokio::sync::Semaphore;

use super::failure::Failure;
use super::tools::AgentTool;
use super::watch::{News, Watch};
use super::{Options, SetupError};
use crate::bases::{BaseError, Bases};
use crate::calls::{Calls, GoingOn};

/// Bytes that one answer, one file that is written or one that is edited may hold.
pub(super) const MOST_BYTES: usize = 4 << 20;
/// Calls that are worked on at once; others wait.
const CALLS: usize = 8;
/// Agents that run at once; others wait.
const RUNS: usize = 4;
/// How long a call waits for another one that writes in the same session.
const PATIENCE: Duration = Duration::from_secs(2);
pub(super) struct Desk {
    pub(super) brio: Brio,
    pub(super) options: Options,
    pub(super) agents: Vec<AgentTool>,
    pub(super) calls: Semaphore,
    pub(super) runs: Semaphore,
    pub(super) watch: Watch,
    bases: Bases,
    live: Calls,
}

/// Whose notes.
pub(super) enum Owner {
    /// Those of the project that a base belongs to.
    Base(PathBuf),
    /// What an open session makes of those.
    Session(SessionHandle),
}

/// Who calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    /// What the client calls itself.
    pub(super) client: Option<String>,
    /// Ends the call.
    pub(super) stop: StopToken,
}

impl Desk {
    pub(super) fn new(brio: Brio, mut options: Options) -> Result<Self, SetupError> {
        let bases = std::mem::take(&mut options.bases);
        let bases =
            Bases::new(bases).map_err(|(path, source)| SetupError::Base { path, source })?;
        let agents = options.agents.iter().map(|file| AgentTool::load(&brio, file));
        let agents = agents.collect::<Result<Vec<_>, _>>()?;
        for (i, agent) in agents.iter().enumerate() {
            if agents[..i].iter().any(|other| other.tool == agent.tool) {
                return Err(SetupError::Twice { name: agent.tool.clone() });
            }
        }
        let (calls, runs) = (Semaphore::new(CALLS), Semaphore::new(RUNS));
        let (watch, live) = (Watch::default(), Calls::default());
        Ok(Self { brio, options, agents, calls, runs, watch, bases, live })
    }

    /// The directory that a client names, as it is: below one of the bases that clients may use.
    pub(super) fn base<P: AsRef<Path> + ?Sized>(
        &self,
        asked: Option<&P>,
    ) -> Result<PathBuf, Failure> {
        Ok(self.bases.find(asked.map(AsRef::as_ref))?)
    }

    pub(super) fn may_use(&self, path: &Path) -> bool {
        self.bases.have(path)
    }

    fn refused(&self, what: &str) -> Failure {
        self.bases.refused(what).into()
    }

    /// The root of the domain that a base lies in, where all of that may be used; `None` where
    /// there is no domain yet.
    pub(super) fn root(&self, base: &Path) -> Result<Option<PathBuf>, Failure> {
        match self.brio.root_of(base) {
            Ok(root) if self.may_use(&root) => Ok(Some(root)),
            Ok(root) => {
                let (base, root) = (base.display(), root.display());
                Err(self.refused(&format!("{base} belongs to {root}, which")))
            }
            Err(DomainError::NoDomain { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// The project of a base, or as a session sees it. Its notes are a whole domain's.
    pub(super) fn project(&self, owner: &Owner) -> Result<Project, Failure> {
        match owner {
            Owner::Base(base) => {
                self.root(base)?;
                Ok(self.brio.project(base)?)
            }
            Owner::Session(session) => {
                match self.root(&session.base()?) {
                    Err(refused) if refused.code == "BASE_REFUSED" => Err(refused),
                    // A frozen session's base need not be there.
                    _ => Ok(session.project()?),
                }
            }
        }
    }

    /// The roots of the domains that there are at the bases, where all of those may be used.
    pub(super) fn roots(&self) -> BTreeSet<PathBuf> {
        self.bases.iter().filter_map(|base| self.root(base).ok().flatten()).collect()
    }

    /// An open session, by its id or a unique beginning of that.
    pub(super) fn session(&self, id: &str) -> Result<SessionHandle, Failure> {
        if id.is_empty() {
            let e = brio_host::SessionError::Unknown { id: "\"\"".into() };
            return Err(e.into());
        }
        let session = self.brio.find(id, self.bases.first())?;
        let base = session.base()?;
        let base = base.canonicalize().unwrap_or(base);
        match self.may_use(&base) {
            true => Ok(session),
            false => Err(self.refused(&format!("the base of session {id}"))),
        }
    }

    /// The files of a session as they are now.
    pub(super) fn files(&self, session: &SessionHandle) -> Result<FileTools, Failure> {
        Ok(FileTools::new(&session.view()?, MOST_BYTES))
    }

    /// Changes files of a session, durably; the right to write is held for that long only.
    pub(super) fn change<T>(
        &self,
        session: &SessionHandle,
        change: impl FnOnce(&FileTools) -> Result<T, FileToolError>,
    ) -> Result<T, Failure> {
        let writer = self.writer(session)?;
        let done = change(&FileTools::new(writer.view(), MOST_BYTES))?;
        writer.finish().map_err(|e| {
            let what = format!("{}: it was written and may not survive a crash: {e}", session.id());
            Failure::new("IO", what).hint("make room if the disk is full, and write it again")
        })?;
        self.tell(News::Session(session.id().to_string()));
        Ok(done)
    }

    fn writer(&self, session: &SessionHandle) -> Result<Writer, Failure> {
        Self::patiently(|| session.writer("mcp", ViewOptions::default()))
    }

    /// Tries what needs the right to write in a session, which nothing of it has changed when that
    /// is not to be had. A client may send calls together: one waits a little for the other.
    pub(super) fn patiently<T, E: Into<Failure>>(
        mut call: impl FnMut() -> Result<T, E>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        loop {
            match call().map_err(Into::into) {
                Err(busy) if busy.code == "SESSION_BUSY" && begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                done => return done,
            }
        }
    }

    /// Has a call end with the server.
    pub(super) fn begins(&self, stop: &StopToken) -> Result<GoingOn<'_>, Failure> {
        let ended = || Failure::new("STOPPED", "the server ends").hint("call it again later");
        self.live.begins(stop).ok_or_else(ended)
    }

    /// Ends every call that goes on, and begins no other.
    pub(super) fn end(&self) {
        self.live.end();
    }

    /// Waits until no call goes on.
    pub(super) fn wait(&self) {
        self.live.wait("MCP");
    }

    /// The agent that a client names: a bundled one, one of this server's own, or a file below one
    /// of the bases.
    pub(super) fn agent(&self, name: &str) -> Result<AgentSource, Failure> {
        if let Some(own) = self.agents.iter().find(|agent| agent.name == name) {
            return Ok(own.source.clone());
        }
        if brio_host::bundled_agent(name).is_some() {
            return Ok(AgentSource::Named(name.into()));
        }
        match self.bases.file(name) {
            Some(file) => Ok(AgentSource::Named(file)),
            None => Err(brio_host::RunError::UnknownAgent { name: name.into() }.into()),
        }
    }
}

impl From<BaseError> for Failure {
    fn from(e: BaseError) -> Self {
        match e {
            BaseError::None => Self::new("BASE_REFUSED", "this server has no base"),
            BaseError::Refused { what, bases } => {
                let what = format!("{what} is not below a base of this server");
                Self::new("BASE_REFUSED", what).hint(format!(
                    "work in one of {bases}; whoever starts the server names others with --base"
                ))
            }
            BaseError::Missing(e) => e.into(),
        }
    }
}

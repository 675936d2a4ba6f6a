//! What every connection works with: the home, the bases that clients may use, the calls that go on.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
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
    live: Mutex<Live>,
}

/// Calls that go on.
#[derive(Default)]
struct Live {
    /// No other begins.
    ended: bool,
    next: u64,
    stops: HashMap<u64, StopToken>,
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
        for base in &mut options.bases {
            let fail = |source| SetupError::Base { path: base.clone(), source };
            let real = base.canonicalize().map_err(fail)?;
            if !real.is_dir() {
                return Err(fail(std::io::ErrorKind::NotADirectory.into()));
            }
            *base = real;
        }
        let agents = options.agents.iter().map(|file| AgentTool::load(&brio, file));
        let agents = agents.collect::<Result<Vec<_>, _>>()?;
        for (i, agent) in agents.iter().enumerate() {
            if agents[..i].iter().any(|other| other.tool == agent.tool) {
                return Err(SetupError::Twice { name: agent.tool.clone() });
            }
        }
        let (calls, runs) = (Semaphore::new(CALLS), Semaphore::new(RUNS));
        let (watch, live) = (Watch::default(), Mutex::default());
        Ok(Self { brio, options, agents, calls, runs, watch, live })
    }

    /// The directory that a client names, as it is: below one of the bases that clients may use.
    pub(super) fn base<P: AsRef<Path> + ?Sized>(
        &self,
        asked: Option<&P>,
    ) -> Result<PathBuf, Failure> {
        let first = self.options.bases.first();
        let Some(first) = first else {
            return Err(Failure::new("BASE_REFUSED", "this server has no base"));
        };
        let Some(asked) = asked.map(AsRef::as_ref) else { return Ok(first.clone()) };
        let refused = || self.refused(&asked.display().to_string());
        if asked.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(refused());
        }
        let path = first.join(asked);
        let up = |c| matches!(c, Component::ParentDir);
        match path.canonicalize() {
            Ok(real) if self.may_use(&real) => Ok(real),
            Err(_) if self.may_use(&path) && !asked.components().any(up) => {
                Err(DomainError::Missing { path }.into())
            }
            _ => Err(refused()),
        }
    }

    pub(super) fn may_use(&self, path: &Path) -> bool {
        self.options.bases.iter().any(|base| path.starts_with(base))
    }

    fn refused(&self, what: &str) -> Failure {
        let bases: Vec<_> = self.options.bases.iter().map(|b| b.display().to_string()).collect();
        let what = format!("{what} is not below a base of this server");
        Failure::new("BASE_REFUSED", what).hint(format!(
            "work in one of {}; whoever starts the server names others with --base",
            bases.join(", ")
        ))
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
        self.options.bases.iter().filter_map(|base| self.root(base).ok().flatten()).collect()
    }

    /// An open session, by its id or a unique beginning of that.
    pub(super) fn session(&self, id: &str) -> Result<SessionHandle, Failure> {
        if id.is_empty() {
            let e = brio_host::SessionError::Unknown { id: "\"\"".into() };
            return Err(e.into());
        }
        let near = self.options.bases.first().map(PathBuf::as_path);
        let session = self.brio.find(id, near)?;
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

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a call end with the server.
    pub(super) fn begins(&self, stop: &StopToken) -> Result<Ending<'_>, Failure> {
        let mut live = self.live();
        if live.ended {
            return Err(Failure::new("STOPPED", "the server ends").hint("call it again later"));
        }
        live.next += 1;
        let key = live.next;
        live.stops.insert(key, stop.clone());
        Ok(Ending { desk: self, key })
    }

    /// Ends every call that goes on, and begins no other.
    pub(super) fn end(&self) {
        let mut live = self.live();
        live.ended = true;
        live.stops.values().for_each(StopToken::stop);
    }

    /// Whether a call goes on.
    pub(super) fn works(&self) -> bool {
        !self.live().stops.is_empty()
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
        let first = self.options.bases.first().map(PathBuf::as_path).unwrap_or(Path::new("."));
        let file = (!name.contains('\0')).then(|| first.join(name).canonicalize().ok()).flatten();
        match file {
            Some(file) if self.may_use(&file) && file.is_file() => Ok(AgentSource::Named(file)),
            _ => Err(brio_host::RunError::UnknownAgent { name: name.into() }.into()),
        }
    }
}

/// A call that goes on.
pub(super) struct Ending<'a> {
    desk: &'a Desk,
    key: u64,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.desk.live().stops.remove(&self.key);
    }
}

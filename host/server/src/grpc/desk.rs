//! What every call works with: the home, what clients may use, the calls that go on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use brio_host::{AgentSource, Brio, SessionHandle, SessionRow, StopToken};
use tokio::sync::Semaphore;

use super::events::Watch;
use super::fault::Fault;
use super::{Counts, Options, SetupError, convert, proto};
use crate::bases::Bases;
use crate::calls::{Calls, GoingOn};

/// Calls that are worked on at once; others wait.
const CALLS: usize = 8;
/// Agents that run at once, and changes that are told, to clients which may read slowly; others
/// wait.
const RUNS: usize = 4;
const DIFFS: usize = 4;

pub(super) struct Desk {
    pub(super) brio: Brio,
    pub(super) options: Options,
    pub(super) bases: Bases,
    /// Where projects lie that have no directory here, as it is called and as it is.
    places: [PathBuf; 2],
    pub(super) calls: Arc<Semaphore>,
    pub(super) runs: Arc<Semaphore>,
    pub(super) diffs: Arc<Semaphore>,
    pub(super) live: Calls,
    pub(super) counts: Counts,
    pub(super) watch: Watch,
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
        let bases = Bases::new(std::mem::take(&mut options.bases))
            .map_err(|(path, source)| SetupError::Base { path, source })?;
        let home = brio.home().canonicalize()?;
        let projects = brio.projects_dir();
        let below = projects.strip_prefix(brio.home()).unwrap_or(&projects).to_owned();
        let places = [projects, home.join(below)];
        let [calls, runs, diffs] = [CALLS, RUNS, DIFFS].map(|n| Arc::new(Semaphore::new(n)));
        let (live, counts, watch) = (Calls::default(), Counts::default(), Watch::default());
        Ok(Self { brio, options, bases, places, calls, runs, diffs, live, counts, watch })
    }

    /// The directory of a project, as a client names that.
    pub(super) fn base(&self, project_id: &str) -> Result<PathBuf, Fault> {
        if project_id.is_empty() {
            return Err(Fault::usage(
                "project_id is empty; give a project's name, org/project, or a directory",
            ));
        }
        let dir = ["/", "./", "../"].iter().any(|begin| project_id.starts_with(begin));
        if dir || project_id == "." || project_id == ".." {
            return Ok(self.bases.find(Some(Path::new(project_id)))?);
        }
        for base in self.bases.iter() {
            let bound = self.brio.store_binding(base)?;
            if bound.is_some_and(|bound| bound.project == project_id) {
                return Ok(base.to_owned());
            }
        }
        Ok(self.brio.project_named(project_id, None, None)?.base().to_owned())
    }

    /// What a project is called, of which this is the directory, as [`base`](Self::base) takes it.
    pub(super) fn project_id(&self, base: &Path) -> String {
        let place = self.places.iter().find_map(|place| base.strip_prefix(place).ok());
        if let Some(name) = place {
            return name.display().to_string();
        }
        let bound = || self.brio.store_binding(base).ok().flatten();
        match self.bases.iter().any(|own| own == base).then(bound).flatten() {
            Some(bound) => bound.project,
            None => base.display().to_string(),
        }
    }

    /// Whether clients may see and use the sessions of a directory.
    pub(super) fn may_use(&self, base: &Path) -> bool {
        self.bases.have(base) || self.places.iter().any(|place| base.starts_with(place))
    }

    /// An open session, by its id or a unique beginning of that.
    pub(super) fn session(&self, id: &str) -> Result<SessionHandle, Fault> {
        if id.is_empty() {
            return Err(Fault::usage(
                "session_id is empty; ListSessions tells those that are open",
            ));
        }
        let session = self.brio.find(id, self.bases.first())?;
        let base = session.base()?;
        let base = base.canonicalize().unwrap_or(base);
        match self.may_use(&base) {
            true => Ok(session),
            false => Err(self.bases.refused(&format!("the directory of session {id}")).into()),
        }
    }

    /// A session, as it is told.
    pub(super) fn told(&self, row: &SessionRow) -> proto::Session {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        proto::Session {
            session_id: row.id.clone(),
            project_id: self.project_id(&row.base),
            state: convert::state(&row.state).into(),
            goal: text(&row.goal),
            agent: text(&row.agent),
            task_id: text(&row.task_id),
            parent_session_id: text(&row.parent),
            created_at_ms: row.created_at,
        }
    }

    /// Where a session's files are exported.
    pub(super) fn export(&self, session: &SessionHandle) -> String {
        match self.options.nfs {
            true => format!("/exports/sessions/{}", session.id()),
            false => String::new(),
        }
    }

    /// The agent that a client names: a bundled one, or a file below one of the directories.
    pub(super) fn agent(&self, name: &str) -> Result<AgentSource, Fault> {
        if brio_host::bundled_agent(name).is_some() {
            return Ok(AgentSource::Named(name.into()));
        }
        match self.bases.file(name) {
            Some(file) => Ok(AgentSource::Named(file)),
            None => Err(brio_host::RunError::UnknownAgent { name: name.into() }.into()),
        }
    }

    /// Has a call end with the server.
    pub(super) fn begins(&self, stop: &StopToken) -> Result<GoingOn<'_>, Fault> {
        self.live.begins(stop).ok_or_else(stopped)
    }

    /// Ends every call that goes on, and begins no other.
    pub(super) fn end(&self) {
        self.live.end();
        self.watch.end();
    }
}

/// The server ends.
pub(super) fn stopped() -> Fault {
    Fault::new("STOPPED", "the server ends; call it again later")
}

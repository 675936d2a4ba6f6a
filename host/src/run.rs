//! An agent in a session: begin, take the writer lease, run, land or roll back.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use brio_landing::{
    BeginOptions, CommitError, CommitOptions, Isolation, Landed, LeaseError, LowerInfo,
    LowerOptions, Metadata, Policy, RollbackError, RolledBack, RunTag, SessionId, Writer,
};
use brio_runtime::{
    Agent, AgentKind, MemoryGauge, Output, Plain as Preopened, RunLimits, RunReport, RunSpec,
    Sessions, StopToken, TaskContext, Workspace,
};
use brio_session::{ChangeSet, FsResult, Limits, RelPath, View, ViewOptions};

use crate::guest::{GuestRecords, GuestSessions};
use crate::inputs::Inputs;
use crate::observe::WatchedRun;
use crate::plain::{Plain, PlainError};
use crate::sandbox::{Enforced, Ground, Sandbox};
use crate::source::Found;
use crate::{AgentSource, Brio, NetGrants, RunError, SessionHandle, usage};

/// Which session an agent works in.
#[derive(Debug, Clone)]
pub enum Place {
    /// A new one on this directory. It ends with the run, unless it is kept.
    Begin {
        /// The directory.
        base: PathBuf,
        /// What the session is for.
        metadata: Metadata,
    },
    /// One that is open. It stays open, whatever the agent says.
    Session(SessionHandle),
}

/// What a guest may do beyond working on its files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Grants {
    /// Begin sessions of its own.
    pub session_fs: bool,
    /// Change `.git`.
    pub vcs: bool,
    /// Read and write the project's record and notes, as the session has them.
    pub project_record: bool,
}

impl Grants {
    /// One of these, which an agent needs, that is not among them.
    fn missing(self, needs: &[&'static str]) -> Option<&'static str> {
        needs.iter().copied().find(|need| match *need {
            "session-fs" => !self.session_fs,
            "project-record" => !self.project_record,
            _ => true,
        })
    }
}

/// What an agent is run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It works on files.
    Worker,
    /// It judges them, and gives a verdict.
    Reviewer,
}

/// Is told of a session.
pub type TellSession = Box<dyn FnOnce(&SessionId) + Send>;

/// One run.
pub struct RunRequest {
    /// The agent.
    pub agent: AgentSource,
    /// Where it works.
    pub place: Place,
    /// What it must be; `None`: what it is.
    pub role: Option<Role>,
    /// What it is to do.
    pub description: String,
    /// Names the task; made up when it is `None`.
    pub task_id: Option<String>,
    /// Files of the host that belong to the task. One below the base is the session's own
    /// file; another is shown read-only below `/input`.
    pub input_files: Vec<PathBuf>,
    /// The guest's arguments, without its own name.
    pub args: Vec<String>,
    /// The guest's environment: nothing of ours.
    pub env: Vec<(String, String)>,
    /// What the session is called in the guest.
    pub at: String,
    /// What it may use.
    pub limits: RunLimits,
    /// Bytes it may write.
    pub disk: Option<u64>,
    /// Files it may create.
    pub files: Option<u64>,
    /// What else it may do.
    pub grants: Grants,
    /// What it reaches of the network.
    pub net: NetGrants,
    /// What a new session sees of its base.
    pub lower: LowerOptions,
    /// What the commit of a new session validates.
    pub isolation: Isolation,
    /// Leave a new session open, for review.
    pub keep: bool,
    /// What becomes of paths that others changed as well, when the session lands.
    pub policy: Policy,
    /// The plain form: a directory of its own, preopened.
    pub plain: bool,
    /// Where the guest's standard output is shown.
    pub stdout: Output,
    /// Where the guest's standard error is shown.
    pub stderr: Output,
    /// Where its code runs; `None`: as this home has it.
    pub sandbox: Option<Sandbox>,
    /// It runs in a process of its own from which nothing is lacking, or not at all.
    pub require_sandbox: bool,
    /// Ends the run from outside.
    pub stop: StopToken,
    /// Is told, once, which session it is, when that is there and before the agent runs.
    pub begun: Option<TellSession>,
}

impl RunRequest {
    /// A run with everything at its default: no grants, no arguments, default limits.
    pub fn new(agent: AgentSource, place: Place) -> Self {
        Self {
            agent,
            place,
            role: None,
            description: String::new(),
            task_id: None,
            input_files: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            at: "/workspace".into(),
            limits: RunLimits::default(),
            disk: None,
            files: None,
            grants: Grants::default(),
            net: NetGrants::default(),
            lower: LowerOptions::default(),
            isolation: Isolation::default(),
            keep: false,
            policy: Policy::default(),
            plain: false,
            stdout: Output::default(),
            stderr: Output::default(),
            sandbox: None,
            require_sandbox: false,
            stop: StopToken::default(),
            begun: None,
        }
    }
}

/// What became of the session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ending {
    /// Its changes are in the base.
    Landed(Landed),
    /// It had changed nothing; it is gone.
    Unchanged,
    /// It is open.
    Kept,
    /// It is gone, and the base is untouched.
    RolledBack(RolledBack),
    /// It did not land: a conflict, or a refusal. It is open, and the base unchanged.
    NotLanded(CommitError),
    /// It was to be rolled back and could not be. The base is unchanged.
    NotRolledBack(RollbackError),
}

/// A run that took place.
#[derive(Debug)]
pub struct Ran {
    /// The session.
    pub session: SessionId,
    /// What it saw of its base.
    pub lower: LowerInfo,
    /// What kept its code from everything else.
    pub enforced: Enforced,
    /// How the run ended.
    pub report: RunReport,
    /// Why the plain directory was not taken back, if it was not.
    pub plain: Option<PlainError>,
    /// What the session had changed when the run ended, with paths relative to its base.
    pub changes: ChangeSet,
    /// What became of it.
    pub ending: Ending,
}

impl Brio {
    /// Runs an agent. A new session lands when the agent succeeds and is rolled back when it
    /// does not; nothing is begun before the agent is known to be one.
    ///
    /// # Errors
    /// When nothing ran. A new session is rolled back then.
    pub fn run(&self, mut request: RunRequest) -> Result<Ran, RunError> {
        refuse(&request)?;
        let (name, agent) = self.load(&request.agent)?;
        let judges = agent.kind() == AgentKind::Reviewer;
        match request.role {
            Some(Role::Worker) if judges => return Err(RunError::Reviewer { name: name.into() }),
            Some(Role::Reviewer) if !judges => {
                return Err(RunError::NoReviewer { name: name.into() });
            }
            _ => {}
        }
        if let Some(grant) = request.grants.missing(agent.needs()) {
            return Err(RunError::NotGranted { name: name.into(), grant });
        }
        let base = match &request.place {
            Place::Begin { base, .. } => base.clone(),
            Place::Session(session) => session.base().map_err(LeaseError::from)?,
        };
        let ground = self.ground(&request)?;
        let enforced = ground.enforced();
        let inputs = Inputs::prepare(&self.scratch(), &base, &request)?;
        let task_id = request.task_id.get_or_insert_with(new_task_id).clone();
        let (session, fresh) = match &mut request.place {
            Place::Begin { base, metadata } => {
                let mut metadata = std::mem::take(metadata);
                metadata.agent.get_or_insert_with(|| name.clone());
                metadata.task_id.get_or_insert_with(|| task_id.clone());
                let (lower, isolation) = (std::mem::take(&mut request.lower), request.isolation);
                let options =
                    BeginOptions { metadata, lower, isolation, ..BeginOptions::default() };
                (self.begin_with(base, options)?, true)
            }
            Place::Session(session) => (session.clone(), false),
        };
        if let Some(begun) = request.begun.take() {
            begun(session.id());
        }
        let lower = session.record().map(|r| r.lower).unwrap_or_default();
        let ends = fresh && !request.keep;
        let watched = WatchedRun::agent(&session, Some(&task_id), &name);
        let worked = self.work((&name, &agent), &session, ends, &mut request, &inputs, ground);
        let (report, changes, plain, asked_to_keep) = match worked {
            Ok(worked) => worked,
            Err(error) => {
                drop(watched);
                if fresh && let Err(error) = session.rollback(false) {
                    tracing::warn!(session = %session.id(), %error, "not rolled back");
                }
                return Err(error);
            }
        };
        watched.agent_ended(&report);
        let good = report.succeeded() && plain.is_none();
        let ending = end(&session, ends && !asked_to_keep, good, request.policy);
        Ok(Ran { session: session.id().clone(), lower, enforced, report, plain, changes, ending })
    }

    fn load(&self, source: &AgentSource) -> Result<(String, Arc<Agent>), RunError> {
        let found = source.find()?;
        let engine = self.engine()?;
        let agent = match &found {
            Found::Bundled(b) => self.agents().bundled(&engine, b.name, b.wasm),
            Found::Bytes { wasm, .. } => self.agents().of_bytes(&engine, wasm),
        };
        let name = found.name().to_owned();
        let agent = agent.map_err(|source| RunError::Load { name: (&name).into(), source })?;
        Ok((name, agent))
    }

    fn work(
        &self,
        (name, agent): (&str, &Agent),
        session: &SessionHandle,
        ends: bool,
        request: &mut RunRequest,
        inputs: &Inputs,
        ground: Ground,
    ) -> Result<(RunReport, ChangeSet, Option<PlainError>, bool), RunError> {
        let options = ViewOptions {
            vcs: request.grants.vcs,
            // What a reviewer writes never lands.
            read_only: agent.kind() == AgentKind::Reviewer,
            limits: Limits { disk: request.disk, files: request.files },
            ..ViewOptions::default()
        };
        let enforced = ground.enforced();
        let tag = RunTag {
            worker: enforced.pid(),
            sandbox: Some(enforced.to_string()),
            ..self.run_tag("run", name, usage::limits(request))
        };
        let writer = Arc::new(session.writer_of(tag, options)?);
        let _told = self.telling(session.id());
        let fault = |source| LeaseError::View { id: session.id().clone(), source };
        let view = writer.view().clone();
        let shown = session.shown(&view, request.grants.vcs)?;
        let shown = shown.files(&request.at, request.plain)?;
        let memory = MemoryGauge::default();
        writer.measure(usage::used(&view, Some(memory.clone())));
        let plain = if request.plain {
            Some(Plain::make(&self.scratch(), session.id().as_str(), &view, &view.root())?)
        } else {
            None
        };
        let task_id = request.task_id.clone().unwrap_or_default();
        let guests = Arc::new(GuestSessions::new(
            session.clone(),
            writer.clone(),
            task_id.clone(),
            name,
            request.grants,
        ));
        let workspace = match &plain {
            Some(plain) => {
                Workspace::Plain(Preopened { dir: plain.open()?, block_current_thread: true })
            }
            None => view.clone().into(),
        };
        let mut spec = spec(name, session, request, workspace, &guests, inputs);
        if request.grants.project_record {
            spec.records = Some(Arc::new(GuestRecords::new(session.clone(), writer.clone())));
        }
        spec.binds.extend(shown);
        spec.net = session.egress(name, &request.net)?.into();
        spec.memory = memory;
        let report = stoppable(&writer, &request.stop, || match ground {
            Ground::Here { .. } => self.engine().map(|e| e.run(agent, spec)),
            Ground::Worker(idle) => self.engine().map(|e| idle.run(&e, agent, spec)),
        })?;
        guests.end();
        drop(guests);
        let not_taken = match &plain {
            Some(plain) if report.succeeded() => plain.take_back(&view, &view.root(), false).err(),
            _ => None,
        };
        let mut changes = writer.view().changes().map_err(fault)?;
        if let Some(parent) = session.parent().map_err(LeaseError::from)? {
            let theirs = parent.view()?.changes().map_err(fault)?;
            changes = crate::nested::against(changes, theirs);
        }
        drop(plain);
        let asked_to_keep = writer.is_to_keep();
        let ends = ends && !asked_to_keep;
        let thrown_away = ends && !(report.succeeded() && not_taken.is_none());
        // Synced before the lease is free: what lands next is what was written here.
        if !thrown_away
            && let Some(writer) = Arc::into_inner(writer)
            && let Err(error) = writer.finish()
        {
            tracing::warn!(session = %session.id(), %error, "the session could not be synced");
        }
        Ok((report, changes, not_taken, asked_to_keep))
    }
}

/// As unique as a session's id.
pub(crate) fn new_task_id() -> String {
    SessionId::random().map_or_else(|_| "task".into(), |id| id.as_str().replacen("sess", "task", 1))
}

fn refuse(request: &RunRequest) -> Result<(), PlainError> {
    if !request.plain {
        return Ok(());
    }
    let flags = [
        (request.disk.is_some(), "--disk"),
        (request.files.is_some(), "--files"),
        (request.grants.session_fs, "--grant session-fs"),
    ];
    match flags.into_iter().find(|(given, _)| *given) {
        Some((_, flag)) => Err(PlainError::Flag { flag }),
        None => Ok(()),
    }
}

fn spec(
    name: &str,
    session: &SessionHandle,
    request: &mut RunRequest,
    workspace: Workspace,
    guests: &Arc<GuestSessions>,
    inputs: &Inputs,
) -> RunSpec {
    let guests: Arc<dyn Sessions> = guests.clone();
    let info = (!request.plain).then(|| guests.clone());
    RunSpec {
        at: request.at.clone(),
        task: TaskContext {
            task_id: request.task_id.clone().unwrap_or_default(),
            description: request.description.clone(),
            input_files: inputs.names().to_vec(),
            session_id: (!request.plain).then(|| session.id().to_string()),
        },
        args: std::iter::once(name.to_owned()).chain(request.args.drain(..)).collect(),
        sessions: request.grants.session_fs.then_some(guests),
        session_info: info,
        binds: inputs.binds(),
        env: request.env.clone(),
        limits: request.limits,
        stdout: std::mem::take(&mut request.stdout),
        stderr: std::mem::take(&mut request.stderr),
        stop: request.stop.clone(),
        ..RunSpec::new(workspace)
    }
}

/// Runs `f`; meanwhile another process's wish that this run ends is its end.
fn stoppable<T>(writer: &Writer, stop: &StopToken, f: impl FnOnce() -> T) -> T {
    let running = Arc::new(Mutex::new(true));
    let (asked, stop) = (running.clone(), stop.clone());
    writer.on_stop(move || {
        // What is asked for afterwards ends nothing: the token is the caller's.
        if *asked.lock().unwrap_or_else(PoisonError::into_inner) {
            stop.stop();
        }
    });
    let done = f();
    *running.lock().unwrap_or_else(PoisonError::into_inner) = false;
    done
}

fn end(session: &SessionHandle, mine: bool, good: bool, policy: Policy) -> Ending {
    if !mine {
        return Ending::Kept;
    }
    if !good {
        return match session.rollback(false) {
            Ok(done) => Ending::RolledBack(done),
            // Whoever stopped it did that.
            Err(e) if e.code() == "SESSION_ENDED" => {
                Ending::RolledBack(RolledBack { bytes_freed: 0 })
            }
            Err(e) => Ending::NotRolledBack(e),
        };
    }
    match session.commit(CommitOptions { policy, ..CommitOptions::default() }) {
        Ok(landed) if landed.landing.is_none() && landed.parent.is_none() => Ending::Unchanged,
        Ok(landed) => Ending::Landed(landed),
        Err(e) => Ending::NotLanded(e),
    }
}

/// The view of a directory of a session.
pub(crate) fn rooted(view: &View, at: &RelPath) -> FsResult<View> {
    view.rooted(at)
}

/// What changed below a directory, with paths relative to it.
pub(crate) fn below(mut set: ChangeSet, subdir: &RelPath) -> ChangeSet {
    if subdir.is_root() {
        return set;
    }
    set.changes.retain_mut(|c| match c.path.strip_prefix(subdir) {
        Some(path) => {
            c.path = path;
            c.hard_link_of = c.hard_link_of.take().and_then(|p| p.strip_prefix(subdir));
            true
        }
        None => false,
    });
    set
}

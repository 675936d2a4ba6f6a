//! A world of bases and sessions in memory, whose process can die at any call.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use brio_registry::queue::{JobState, Queue};
use brio_supervisor::*;

pub(crate) type Files = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Landed(Option<u64>),
    RolledBack,
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) label: String,
    pub(crate) parent: Option<String>,
    pub(crate) base: PathBuf,
    /// What it stands on: the base's landing, or how often its parent changed.
    pub(crate) stands: u64,
    pub(crate) before: Files,
    pub(crate) now: Files,
    pub(crate) changed: u64,
    pub(crate) state: State,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct OfBase {
    pub(crate) landing: u64,
    pub(crate) files: Files,
    /// Who landed, in order; the empty label is somebody else.
    pub(crate) log: Vec<String>,
}

#[derive(Debug, Default)]
struct Inner {
    bases: BTreeMap<PathBuf, OfBase>,
    sessions: BTreeMap<String, Session>,
    next: u64,
    /// Calls until the process dies.
    until_death: Option<usize>,
    calls: usize,
    dead: bool,
    said: Vec<String>,
}

/// What outlives a process: the disk.
#[derive(Debug, Default, Clone)]
pub(crate) struct World(Arc<Mutex<Inner>>);

impl World {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new process: it dies at its n-th call.
    pub(crate) fn boot(&self, until_death: Option<usize>) {
        let mut inner = self.lock();
        (inner.until_death, inner.calls, inner.dead) = (until_death, 0, false);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// Whether no thread of an engine has it any more.
    pub(crate) fn is_free(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    pub(crate) fn calls(&self) -> usize {
        self.lock().calls
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.lock().said.clone()
    }

    pub(crate) fn base(&self, path: &str) -> OfBase {
        self.lock().bases.get(Path::new(path)).cloned().unwrap_or_default()
    }

    pub(crate) fn open_sessions(&self) -> Vec<String> {
        let inner = self.lock();
        let open = inner.sessions.iter().filter(|(_, s)| s.state == State::Open);
        open.map(|(id, s)| format!("{id} of {}", s.label)).collect()
    }

    /// A landing by somebody else.
    pub(crate) fn outside(&self, base: &str, file: &str, text: &str) {
        let mut inner = self.lock();
        land_outside(&mut inner, Path::new(base), file, text);
    }

    /// One call: the process may die before what it does, or after.
    fn call<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        inner.calls += 1;
        let (calls, until) = (inner.calls, inner.until_death.unwrap_or(usize::MAX));
        if inner.dead || calls > until {
            inner.dead = true;
            drop(inner);
            std::panic::panic_any("the process is dead");
        }
        if calls == until {
            inner.dead = true;
            // Half of them die when it is done, and nobody has heard of it.
            if calls % 2 == 0 {
                act(&mut inner);
            }
            drop(inner);
            std::panic::panic_any("the process died");
        }
        act(&mut inner)
    }
}

fn land_outside(inner: &mut Inner, base: &Path, file: &str, text: &str) {
    let of_base = inner.bases.entry(base.to_owned()).or_default();
    of_base.landing += 1;
    of_base.log.push(String::new());
    of_base.files.insert(file.to_owned(), text.to_owned());
}

fn problem(kind: ProblemKind, code: &str) -> Problem {
    Problem { kind, code: code.into(), message: code.to_lowercase() }
}

/// What a session would change where it stands, and what is there.
fn ground(inner: &Inner, session: &Session) -> (Files, u64) {
    match &session.parent {
        Some(parent) => (inner.sessions[parent].now.clone(), inner.sessions[parent].changed),
        None => {
            let base = inner.bases.get(&session.base).cloned().unwrap_or_default();
            (base.files, base.landing)
        }
    }
}

fn changes(session: &Session) -> Vec<(String, Option<String>)> {
    let names = session.before.keys().chain(session.now.keys());
    let mut all: Vec<_> = names
        .filter(|name| session.before.get(*name) != session.now.get(*name))
        .map(|name| (name.clone(), session.now.get(name).cloned()))
        .collect();
    all.sort();
    all.dedup();
    all
}

/// The session's changes on what is there now.
fn moved(inner: &Inner, id: &str) -> Result<(Files, u64), Problem> {
    let session = &inner.sessions[id];
    let (mut ground, stands) = ground(inner, session);
    for (name, text) in changes(session) {
        if ground.get(&name) != session.before.get(&name) && ground.get(&name) != text.as_ref() {
            return Err(problem(ProblemKind::Conflict, "CONFLICT"));
        }
        match text {
            Some(text) => ground.insert(name, text),
            None => ground.remove(&name),
        };
    }
    Ok((ground, stands))
}

fn begin(inner: &mut Inner, on: On<'_>, label: &str) -> Result<String, Problem> {
    inner.next += 1;
    let id = format!("sess-{}", inner.next);
    let (parent, base) = match on {
        On::Base(base) => (None, base.to_owned()),
        On::Session(parent) => {
            let of_parent = inner.sessions.get(parent).filter(|s| s.state == State::Open);
            let of_parent =
                of_parent.ok_or_else(|| problem(ProblemKind::Refused, "SESSION_ENDED"))?;
            (Some(parent.to_owned()), of_parent.base.clone())
        }
    };
    let mut session = Session {
        label: label.to_owned(),
        parent,
        base,
        stands: 0,
        before: Files::new(),
        now: Files::new(),
        changed: 0,
        state: State::Open,
    };
    let (ground, stands) = ground(inner, &session);
    (session.before, session.now, session.stands) = (ground.clone(), ground, stands);
    inner.sessions.insert(id.clone(), session);
    Ok(id)
}

fn roll_back(inner: &mut Inner, id: &str) {
    let of: Vec<_> = inner
        .sessions
        .iter()
        .filter(|(_, s)| s.parent.as_deref() == Some(id) && s.state == State::Open)
        .map(|(id, _)| id.clone())
        .collect();
    of.iter().for_each(|id| roll_back(inner, id));
    if let Some(session) = inner.sessions.get_mut(id)
        && session.state == State::Open
    {
        session.state = State::RolledBack;
    }
}

fn not(kind: Kind, code: &str) -> Report {
    let (code, message) = (Some(code.to_owned()), code.to_lowercase());
    Report { failed: Some(kind), code, message, metrics: Vec::new() }
}

impl World {
    /// Does what a text says, word by word; the session's files are `files`.
    fn script(&self, text: &str, session: &str, stop: &Stop) -> Report {
        let mut report = Report { message: "done".into(), ..Report::default() };
        for word in text.split_whitespace() {
            let (verb, rest) = word.split_once(':').unwrap_or((word, ""));
            let pair = rest.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()));
            match (verb, pair) {
                ("write", Some((file, text))) => self.call(|inner| {
                    let of = inner.sessions.get_mut(session).unwrap();
                    of.now.insert(file, text);
                    of.changed += 1;
                }),
                ("outside", Some((file, text))) => self.call(|inner| {
                    let base = inner.sessions[session].base.clone();
                    land_outside(inner, &base, &file, &text);
                }),
                ("has", Some((file, text))) => {
                    let has = self.call(|i| i.sessions[session].now.get(&file) == Some(&text));
                    if !has {
                        return not(Kind::Failed, "HAS_NOT");
                    }
                }
                ("metric", Some((name, value))) => {
                    report.metrics.push((name, value.parse().unwrap()));
                }
                ("say", _) => report.message = rest.to_owned(),
                ("log", _) => self.call(|inner| inner.said.push(rest.to_owned())),
                ("hang", _) => {
                    let begun = Instant::now();
                    while stop.why().is_none() && begun.elapsed() < Duration::from_secs(20) {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
                ("fail", _) => return not(Kind::Failed, "AGENT_FAILED"),
                ("trap", _) => return not(Kind::Stopped, "AGENT_TRAPPED"),
                ("panic", _) => panic!("a defect of the runner"),
                _ => panic!("`{word}` is no word"),
            }
        }
        report
    }
}

impl Runner for World {
    fn place(&self, job: &str, base: &Base) -> Result<PathBuf, Problem> {
        self.call(|_| match base {
            Base::Directory(dir) if dir.starts_with("/gone") => {
                Err(problem(ProblemKind::Unusable, "BASE_UNUSABLE"))
            }
            Base::Directory(dir) => Ok(dir.clone()),
            Base::Sample(_) => Ok(Path::new("/samples").join(job)),
        })
    }

    fn begin(&self, what: &Begin<'_>) -> Result<String, Problem> {
        self.call(|inner| begin(inner, what.on, what.label))
    }

    fn run(&self, run: &Run<'_>, stop: &Stop) -> Report {
        let session = match run.on {
            On::Session(session) if !run.branch => session.to_owned(),
            on => self.call(|inner| begin(inner, on, "a branch")).unwrap(),
        };
        let (text, review) = match run.what {
            StepKind::Agent(agent) => (agent.task.clone(), false),
            StepKind::Reviewer(reviewer) => (reviewer.task.clone(), true),
            StepKind::Command(command) => (command.argv.join(" "), false),
        };
        let env = |name: &str| run.env.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let text = text.replace("$OUTCOME", env("BRIO_OUTCOME").unwrap_or(""));
        let time = run.limits.time.map_or(0, |time| time.as_secs());
        let text = text.replace("$TIME", &time.to_string());
        let mut report = self.script(&text, &session, stop);
        if review && report.failed == Some(Kind::Failed) {
            report.failed = Some(Kind::Rejected);
        }
        if run.branch {
            self.call(|inner| roll_back(inner, &session));
        }
        report
    }

    fn seal(&self, session: &str) -> Result<String, Problem> {
        self.call(|inner| {
            let of = &inner.sessions[session];
            let (_, stands) = ground(inner, of);
            if stands != of.stands {
                return Err(problem(ProblemKind::SealBroken, "SEAL_BROKEN"));
            }
            Ok(format!("{stands}:{:?}", changes(of)))
        })
    }

    fn rebase(&self, session: &str, _: &Landing) -> Result<(), Problem> {
        self.call(|inner| {
            let (now, stands) = moved(inner, session)?;
            let before = ground(inner, &inner.sessions[session]).0;
            let of = inner.sessions.get_mut(session).unwrap();
            (of.before, of.now, of.stands) = (before, now, stands);
            of.changed += 1;
            Ok(())
        })
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<Option<u64>, Problem> {
        self.call(|inner| {
            let of = inner.sessions[commit.session].clone();
            let stands = ground(inner, &of).1;
            let seal = format!("{stands}:{:?}", changes(&of));
            if commit.seal.is_some_and(|s| s != seal || of.stands != stands) {
                return Err(problem(ProblemKind::SealBroken, "SEAL_BROKEN"));
            }
            assert_eq!(of.state, State::Open, "an ended session is committed");
            let branches = inner
                .sessions
                .values()
                .any(|s| s.parent.as_deref() == Some(commit.session) && s.state == State::Open);
            assert!(!branches, "a session with open branches is committed");
            let (files, _) = moved(inner, commit.session)?;
            let changed = !changes(&of).is_empty();
            let mut landing = None;
            match &of.parent {
                Some(parent) => {
                    let parent = inner.sessions.get_mut(parent).unwrap();
                    parent.now = files;
                    parent.changed += 1;
                }
                None if changed => {
                    let base = inner.bases.entry(of.base.clone()).or_default();
                    base.landing += 1;
                    base.files = files;
                    base.log.push(of.label.clone());
                    landing = Some(base.landing);
                }
                None => {}
            }
            inner.sessions.get_mut(commit.session).unwrap().state = State::Landed(landing);
            Ok(landing)
        })
    }

    fn rollback(&self, session: &str) -> Result<(), Problem> {
        self.call(|inner| roll_back(inner, session));
        Ok(())
    }

    fn prune(&self, session: &str) -> Result<(), Problem> {
        self.call(|inner| {
            let of = inner.sessions.iter().filter(|(_, s)| s.parent.as_deref() == Some(session));
            let of: Vec<_> = of.map(|(id, _)| id.clone()).collect();
            of.iter().for_each(|id| roll_back(inner, id));
        });
        Ok(())
    }

    fn sweep(&self, base: &Path, _: &str) -> Result<(), Problem> {
        self.call(|inner| {
            let stray = inner
                .sessions
                .iter()
                .filter(|(_, s)| s.label == "a branch" && s.parent.is_none() && s.base == base);
            let stray: Vec<_> = stray.map(|(id, _)| id.clone()).collect();
            stray.iter().for_each(|id| roll_back(inner, id));
        });
        Ok(())
    }

    fn standing(&self, base: &Path, label: &str) -> Result<Standing, Problem> {
        self.call(|inner| {
            let mine = inner
                .sessions
                .iter()
                .filter(|(_, s)| s.label == label && s.parent.is_none() && s.base == base);
            let mut standing = Standing::None;
            for (id, session) in mine {
                match session.state {
                    State::Landed(landing) => return Ok(Standing::Landed(landing)),
                    State::Open => standing = Standing::Open(id.clone()),
                    State::RolledBack => {}
                }
            }
            Ok(standing)
        })
    }
}

/// A queue and a world, and processes that work on them one after another.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) world: World,
    pub(crate) queue: Arc<Queue>,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let queue = Arc::new(Queue::open(&dir.path().join("queue.db")).unwrap());
        Self { dir, world: World::default(), queue, events: Arc::default() }
    }

    pub(crate) fn engine(&self, jobs: usize) -> Engine {
        let events = self.events.clone();
        let (clock, teller) = (self.world.clone(), self.world.clone());
        let options = Options {
            jobs,
            only: None,
            // A process that is dead tells nobody, and changes nothing in the queue.
            now: Arc::new(move || {
                assert!(!clock.is_dead(), "the process is dead");
                now()
            }),
            events: Arc::new(move |event| {
                assert!(!teller.is_dead(), "the process is dead");
                events.lock().unwrap().push(event);
            }),
        };
        let owners = self.dir.path().join("owners");
        Engine::start(self.queue.clone(), Arc::new(self.world.clone()), &owners, options).unwrap()
    }

    pub(crate) fn submit(&self, id: &str, task: &Task) {
        assert!(submit(&self.queue, &self.world, id, task, now()).unwrap());
    }

    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "in vain: {what}: {:#?}",
                self.queue.jobs(true)
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn state(&self, id: &str) -> JobState {
        self.queue.job(id).unwrap().unwrap().state
    }

    pub(crate) fn outcome(&self, id: &str) -> Outcome {
        let job = self.queue.job(id).unwrap().unwrap();
        serde_json::from_str(&job.outcome.unwrap_or_else(|| panic!("{id} is {:?}", job.state)))
            .unwrap()
    }

    /// Has one engine work until the job is done.
    pub(crate) fn done(&self, id: &str) -> Outcome {
        let engine = self.engine(4);
        self.until(id, || self.state(id) == JobState::Done);
        engine.stop();
        assert_eq!(self.world.open_sessions(), Vec::<String>::new(), "no session is left");
        self.outcome(id)
    }

    pub(crate) fn run(&self, task: &Task) -> Outcome {
        let id = format!("task-{}", self.queue.jobs(true).unwrap().len());
        self.submit(&id, task);
        self.done(&id)
    }
}

pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_millis()).unwrap()
}

pub(crate) fn task(name: &str) -> Task {
    let retry = Retry { back_off: Duration::from_millis(1), ..Retry::default() };
    Task::new(name).base("/base").retry(retry)
}

pub(crate) fn agent(name: &str, text: &str) -> Step {
    Step::new(name, Agent::new(name, text))
}

pub(crate) fn command(text: &str) -> Command {
    Command::new(text.split(' '))
}

pub(crate) fn check(name: &str, text: &str) -> Gate {
    Gate::new(name, command(text))
}

pub(crate) fn review(name: &str, text: &str) -> Gate {
    Gate::new(name, Reviewer::new(name).task(text))
}

pub(crate) fn hook(name: &str, text: &str) -> Hook {
    Hook::new(name, command(text))
}

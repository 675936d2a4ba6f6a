//! Opening Brio as the environment says.

use std::path::Path;

use brio_host::net::Trust;
use brio_host::stores::ProjectHere;
use brio_host::tasks::Job;
use brio_host::{
    Brio, BrioBuilder, Retention, Sandbox, SessionHandle, SessionLimits, Supervisor, probe_sandbox,
};

use crate::commands::serve::systemd::OURS;
use crate::config::{Config, Places};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::ui::Ui;

/// Opens the home for a command that does one thing: whoever must end its run may kill it.
pub(crate) fn brio(places: &Places) -> Result<Brio, Failure> {
    Ok(builder(places)?.expendable(true).open()?)
}

/// Opens the home for a command that does many things, for others: whoever must end one of its
/// runs does not kill it.
pub(crate) fn lasting(places: &Places) -> Result<Brio, Failure> {
    Ok(builder(places)?.open()?)
}

fn builder(places: &Places) -> Result<BrioBuilder, Failure> {
    let mut builder = Brio::builder(&places.home);
    // How many there may be, and where agents run, is the person's to say, not a base's.
    builder = match Config::load(places, None, &[]) {
        Ok(config) => builder
            .session_limits(config.session_limits())
            .sandbox(config.sandbox())
            .stores(config.stores(places)),
        Err(e) => {
            tracing::warn!("{}: {}; sessions are not limited", e.code, e.message);
            builder.session_limits(SessionLimits::default())
        }
    };
    if let Some(dir) = &places.user_home {
        builder = builder.user_home(dir);
    }
    if let Some(file) = places.env("BRIO_CA_FILE")? {
        let trust = Trust::with_file(Path::new(&file));
        builder = builder.trust(trust.map_err(|e| Failure::typed(e.code(), &e).exit(Exit::Usage))?);
    }
    let places = places.clone();
    let retention = move |base: &Path| match Config::load(&places, Some(base), &[]) {
        Ok(config) => config.retention(),
        // A file that cannot be read shortens nobody's undo history.
        Err(e) => {
            tracing::warn!("{}: {}; 30 days and 10 % are kept", e.code, e.message);
            Retention::default()
        }
    };
    Ok(builder.retention(retention))
}

/// Opens the home and finds a session: in the domain of the current directory, then in the
/// index.
pub(crate) fn session(id: &str) -> Result<SessionHandle, Failure> {
    let brio = brio(&Places::from_env()?)?;
    named(id)?;
    Ok(brio.find(id, Some(Path::new(".")))?)
}

/// The project in a store that flags name; else that which the directory belongs to.
pub(crate) fn project(
    name: Option<&str>,
    store: Option<&str>,
    dir: &Path,
) -> Result<ProjectHere, Failure> {
    let brio = brio(&Places::from_env()?)?;
    Ok(match name {
        Some(name) => brio.project_named(name, store, Some(Path::new(".")))?,
        None => brio.project_here(dir)?,
    })
}

/// A session's id that is not there at all begins that of every session.
pub(crate) fn named(id: &str) -> Result<(), Failure> {
    if !id.is_empty() {
        return Ok(());
    }
    let failure = Failure::new("SESSION_UNKNOWN", "the id is empty");
    Err(failure.hint("`brio session list` shows the open ones"))
}

/// A task, by its id or the beginning of that.
pub(crate) fn task(supervisor: &Supervisor, id: &str) -> Result<Job, Failure> {
    if id.is_empty() {
        let failure = Failure::new("TASK_UNKNOWN", "the id is empty");
        return Err(failure.hint("`brio task list` shows them"));
    }
    Ok(supervisor.job(id)?)
}

/// Opens the home, and its tasks.
pub(crate) fn supervisor() -> Result<Supervisor, Failure> {
    let places = Places::from_env()?;
    supervise(builder(&places)?)
}

/// So many processes wait for an agent: what one run takes is made while the one before it works.
const WORKERS: usize = 2;

/// Opens the home for who works on all of its tasks: agents in processes of their own, unless
/// something else is asked for.
pub(crate) fn server(ui: &Ui, sandbox: Option<&str>, require: bool) -> Result<Supervisor, Failure> {
    let places = Places::from_env()?;
    let config = Config::load(&places, None, &[("sandbox", sandbox)])?;
    let asked = config.asked("sandbox").then(|| config.sandbox());
    let sandbox = asked.unwrap_or(Sandbox::Process);
    let builder = builder(&places)?.sandbox(sandbox).require_sandbox(require);
    if sandbox == Sandbox::Wasm && !require {
        return supervise(builder);
    }
    let refused = |why: &str| Err(Failure::new("SANDBOX", why).exit(Exit::Usage));
    if asked == Some(Sandbox::Wasm) {
        return refused("agents are to run in this process (wasm), and in one of their own");
    }
    let missing = match probe_sandbox() {
        Ok(report) => (!report.lacking.is_empty()).then(|| report.lacking.join("; ")),
        Err(e) => Some(e.to_string()),
    };
    match missing {
        Some(why) if require => return refused(&why),
        Some(why) => {
            ui.warn(format_args!("less than a process of their own keeps agents in here: {why}"));
        }
        None => {}
    }
    supervise(builder.workers(WORKERS))
}

fn supervise(builder: BrioBuilder) -> Result<Supervisor, Failure> {
    let brio = builder.open()?;
    // What the service manager said to this process is not for its commands.
    let env = std::env::vars_os().filter(|(name, _)| !OURS.iter().any(|ours| name == ours));
    Ok(brio.supervisor(env.collect())?)
}

/// Whether a task may ask about a session.
pub(crate) fn asked_about(session: &SessionHandle) -> bool {
    let record = session.record();
    record.is_ok_and(|record| record.task_id.is_some_and(|label| label.starts_with("task-")))
}

/// Has a task go on that asks about a session, which was landed or rolled back by hand.
pub(crate) fn ended_by_hand(session: &str, of_task: bool) {
    if !of_task {
        return;
    }
    let told = supervisor().and_then(|s| Ok((s.look_again(session)?, s)));
    match told {
        Ok((true, supervisor)) => drop(supervisor.wake()),
        Ok((false, _)) => {}
        Err(e) => tracing::warn!(session, "its task is not told: {}: {}", e.code, e.message),
    }
}

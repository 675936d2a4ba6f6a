//! `brio run`

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use brio_host::net::{AllowHost, SecretSpec};
use brio_host::{
    AgentSource, Brio, Ending, Enforced, Grants, Isolation, Limit, LowerInfo, Metadata, NetGrants,
    Outcome, Output, Place, Ran, RunLimits, RunReport, RunRequest, SessionHandle, missing_hosts,
};

use crate::args::base_or_here;
use crate::commands::session::commit::say_landed;
use crate::config::{Config, Places};
use crate::exit::Exit;
use crate::failure::{Failure, one_line};
use crate::interrupt::Interrupt;
use crate::json::{self, Changes, SCHEMA};
use crate::lower::{Lower, LowerArgs, describe, warn_of_access, warn_of_drift, warn_of_others};
use crate::open;
use crate::summary::{diffstat, names};
use crate::terminal::Harmless;
use crate::ui::Ui;

/// Run an agent in a session of its own, and land what it did, or roll it back.
///
/// The agent sees a copy-on-write branch of the base as /workspace, and nothing else. When it
/// succeeds its changes land in the base, all of them or none; when it fails, traps or meets a
/// limit the base is untouched.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// A .wasm file (a component of the agent or reviewer world, a WASI command, a preview-1
    /// module), or the name of a bundled agent.
    agent: PathBuf,
    /// The directory to branch; the current one when left out.
    #[arg(long, value_name = "DIR", conflicts_with = "session")]
    base: Option<PathBuf>,
    /// What the agent is to do.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    task: String,
    /// A file that belongs to the task. One outside of the base is shown read-only in /input.
    #[arg(long, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Run in this open session, and leave it open. The current one of the project when left out,
    /// if there is one.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Run in a session of its own, whichever is current.
    #[arg(long, conflicts_with = "session")]
    new: bool,
    #[command(flatten)]
    lower: LowerArgs,
    /// Leave the session open for review, whatever the agent says.
    #[arg(long)]
    keep: bool,
    /// What the session is to achieve; shown to others in conflicts. The task when left out.
    #[arg(long, value_name = "TEXT")]
    goal: Option<String>,
    /// What the session is called in the agent's view [default: /workspace].
    #[arg(long, value_name = "PATH")]
    at: Option<String>,
    /// The plain form: a copy of the session as a directory, opened by stock wasmtime. Enforces
    /// no --disk and --files, knows no session-fs, and shows no mounts.
    #[arg(long)]
    preopen: bool,
    /// Where the agent's code runs: in this process, kept by WebAssembly (wasm), or also in a
    /// process of its own, without files, network and rights (process). Where the system has no
    /// such process, that is said, and it runs in this one [default: wasm].
    #[arg(long, value_name = "wasm|process")]
    sandbox: Option<String>,
    /// Run it in a process of its own from which nothing is lacking, or not at all.
    #[arg(long)]
    require_sandbox: bool,
    /// What becomes of paths that others changed as well: reject, merge, last-write-wins
    /// [default: reject].
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// What the landing validates besides what the agent wrote: nothing, or all that it read
    /// [default: snapshot].
    #[arg(long, value_name = "snapshot|serializable", conflicts_with = "session")]
    isolation: Option<Isolation>,
    /// What else the agent may do: begin sessions (session-fs), read and write the project's record
    /// and notes (project-record), change .git (vcs).
    #[arg(long, value_name = "CAPABILITY")]
    grant: Vec<Grant>,
    /// A host that the agent may make HTTP requests to; it reaches nothing else. HOST is a name,
    /// *.DOMAIN for the names below it, or an address (IPv6 in brackets), with TLS and port 443
    /// unless :PORT says another; with http:// before it, without TLS. Addresses that are not
    /// public (private, loopback, cloud metadata, …) must be named themselves.
    #[arg(long, value_name = "HOST[:PORT]")]
    allow_host: Vec<AllowHost>,
    /// A secret that Brio itself puts into the agent's requests to one host, so that the agent
    /// never holds it: the variable of your environment (or file=PATH), as a bearer token, or in
    /// the header that is named.
    #[arg(long, value_name = "env=VAR,host=HOST[,header=NAME]", value_parser = secret)]
    secret: Vec<SecretSpec>,
    /// A variable of the agent's environment, which is else empty.
    #[arg(long, value_name = "K=V", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Memory, such as 512M [default: 1GiB].
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Wall time, such as 30s [default: 10m].
    #[arg(long, value_name = "DUR")]
    timeout: Option<String>,
    /// CPU time [default: 10m].
    #[arg(long, value_name = "DUR")]
    cpu: Option<String>,
    /// Bytes written, copy-up included [default: 4GiB].
    #[arg(long, value_name = "SIZE")]
    disk: Option<String>,
    /// Files created [default: 100000].
    #[arg(long, value_name = "N")]
    files: Option<String>,
    /// Print `{schema, session, outcome, result, landing, lower, sandbox, changes, notes,
    /// agent, network, error}`.
    #[arg(long)]
    json: bool,
    /// Arguments for the agent.
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

/// So many requests are shown.
const MOST_REQUESTS: usize = 10;

/// A capability that a flag grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Grant {
    /// Begin, land and roll back sessions on its own one.
    SessionFs,
    /// Read and write the project's record and notes, as the session has them.
    ProjectRecord,
    /// Change `.git`.
    Vcs,
}

fn secret(text: &str) -> Result<SecretSpec, String> {
    // The code is clap's to say, in its way.
    text.parse::<SecretSpec>().map_err(|e| e.to_string().replacen("SECRET: ", "", 1))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give NAME=VALUE".into()),
    }
}

impl Run {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let as_json = self.json;
        self.go(ui).or_else(|failure| {
            // Nothing ran; a script still gets its document.
            if as_json && !failure.silent {
                ui.json(&json::Ran {
                    schema: SCHEMA,
                    session: None,
                    outcome: None,
                    result: None,
                    landing: None,
                    lower: None,
                    sandbox: None,
                    changes: Changes::default(),
                    notes: Vec::new(),
                    agent: None,
                    network: Vec::new(),
                    error: Some(json::Error::from(&failure)),
                })?;
            }
            Err(failure)
        })
    }

    fn go(self, ui: &Ui) -> Result<Exit, Failure> {
        let places = Places::from_env()?;
        let brio = open::brio(&places)?;
        let session = match &self.session {
            Some(id) => Some(brio.find(id, Some(Path::new(".")))?),
            None => self.current(ui, &brio)?,
        };
        let base = match &session {
            Some(session) => session.base()?,
            None => base_or_here(self.base.clone()),
        };
        if session.is_some()
            && let Some(flag) = self.lower.given()
        {
            let what = format!("{flag}: the session sees what it was begun on");
            return Err(Failure::new("USAGE", what).hint("leave it out, or begin a new session"));
        }
        let config = Config::load(&places, Some(&base), &self.flags())?;
        if session.is_none() {
            warn_of_access(ui, &base);
            warn_of_others(ui, &brio, &base);
            warn_of_drift(ui, &brio, &base);
        }
        let interrupt = Interrupt::watch()?;
        let net = self.net(&places)?;
        let request = RunRequest { net, ..self.request(&config, session, base, &interrupt) };
        let ran = brio.run(request)?;
        let failure = failure(&ran, interrupt.happened(), &self.agent);
        if self.json {
            ui.json(&document(&ran, failure.as_ref()))?;
        } else {
            tell(ui, &ran, &self.agent);
        }
        match failure {
            None => Ok(Exit::Ok),
            Some(failure) => {
                failure.print();
                Err(Failure::said(failure.exit))
            }
        }
    }

    /// The session that is current, unless what is asked for can only be had in a new one.
    fn current(&self, ui: &Ui, brio: &Brio) -> Result<Option<SessionHandle>, Failure> {
        if self.new || self.isolation.is_some() || self.lower.given().is_some() {
            return Ok(None);
        }
        let current = brio.current_session(&base_or_here(self.base.clone()))?;
        if let Some(session) = &current {
            let id = session.id();
            ui.say(format_args!("in the current session {id} (--new begins another one)"));
        }
        Ok(current)
    }

    fn net(&self, places: &Places) -> Result<NetGrants, Failure> {
        let usage = |e: brio_host::net::SecretError| Failure::typed(e.code(), &e).exit(Exit::Usage);
        let env = |name: &str| places.env(name).ok().flatten();
        let secrets = self.secret.iter().map(|spec| spec.resolve(env)).collect::<Result<_, _>>();
        Ok(NetGrants {
            allow_hosts: self.allow_host.clone(),
            secrets: secrets.map_err(usage)?,
            ..NetGrants::default()
        })
    }

    fn flags(&self) -> Vec<(&'static str, Option<&str>)> {
        let own = [
            ("at", self.at.as_deref()),
            ("policy", self.policy.as_deref()),
            ("sandbox", self.sandbox.as_deref()),
            ("memory", self.memory.as_deref()),
            ("timeout", self.timeout.as_deref()),
            ("cpu", self.cpu.as_deref()),
            ("disk", self.disk.as_deref()),
            ("files", self.files.as_deref()),
        ];
        own.into_iter().chain(self.lower.flags()).collect()
    }

    fn request(
        &self,
        config: &Config,
        session: Option<SessionHandle>,
        base: PathBuf,
        interrupt: &Interrupt,
    ) -> RunRequest {
        let goal = self.goal.clone().or_else(|| first_line(&self.task));
        let place = match session {
            Some(session) => Place::Session(session),
            None => Place::Begin { base, metadata: Metadata { goal, ..Metadata::default() } },
        };
        // What nobody asked for is not refused with --preopen, which cannot enforce it.
        let wanted = |key: &str| !self.preopen || config.asked(key);
        let shown = |sink: Box<dyn Write + Send>| Output {
            sink: (!self.json).then_some(sink),
            ..Output::default()
        };
        RunRequest {
            description: self.task.clone(),
            input_files: self.input.clone(),
            args: self.args.clone(),
            env: self.env.clone(),
            at: config.text("at").to_owned(),
            limits: RunLimits {
                memory: config.size("memory"),
                wall: config.duration("timeout"),
                cpu: config.duration("cpu"),
                ..RunLimits::default()
            },
            disk: wanted("disk").then(|| config.size("disk")),
            files: wanted("files").then(|| config.number("files")),
            grants: Grants {
                session_fs: self.grant.contains(&Grant::SessionFs),
                vcs: self.grant.contains(&Grant::Vcs),
                project_record: self.grant.contains(&Grant::ProjectRecord),
            },
            isolation: self.isolation.unwrap_or_default(),
            keep: self.keep,
            policy: config.policy(),
            lower: self.lower.options(config),
            plain: self.preopen,
            sandbox: self.sandbox.is_some().then(|| config.sandbox()),
            require_sandbox: self.require_sandbox,
            stdout: shown(harmless(std::io::stdout())),
            stderr: shown(harmless(std::io::stderr())),
            stop: interrupt.token(),
            ..RunRequest::new(AgentSource::Named(self.agent.clone()), place)
        }
    }
}

/// What an agent prints goes on as it is, and to a terminal so that it cannot steer that.
fn harmless<W: Write + IsTerminal + Send + 'static>(out: W) -> Box<dyn Write + Send> {
    if out.is_terminal() { Box::new(Harmless::new(out)) } else { Box::new(out) }
}

/// The first line of a task, at most 80 characters of it, as the session's goal.
fn first_line(task: &str) -> Option<String> {
    let line: String = task.lines().next()?.trim().chars().take(80).collect();
    (!line.is_empty()).then_some(line)
}

/// Why the status is not 0; `None` when it is.
pub(crate) fn failure(ran: &Ran, interrupted: bool, agent: &Path) -> Option<Failure> {
    if let Some(e) = &ran.report.error {
        let mut failure =
            Failure::new(&e.code, format!("{}: {}", agent.display(), one_line(&e.message)));
        failure.paths.clone_from(&e.paths);
        failure.exit = match ran.report.outcome {
            Outcome::Killed if interrupted => Exit::Interrupted,
            Outcome::Trapped | Outcome::Limited(_) | Outcome::Killed => Exit::Stopped,
            Outcome::Rejected => Exit::Rejected,
            _ if matches!(e.code.as_str(), "RUN_INVALID" | "NOT_GRANTED") => Exit::Usage,
            _ => Exit::Failed,
        };
        if let Outcome::Limited(limit) = ran.report.outcome
            && let Some(flag) = raise(limit)
        {
            failure = failure.hint(format!("{flag} gives it more"));
        }
        let missing = missing_hosts(&ran.report.network);
        if !missing.is_empty() && failure.exit == Exit::Failed {
            failure = failure.hint(allow(&missing));
        }
        if failure.exit == Exit::Interrupted {
            failure.code = "INTERRUPTED".into();
        }
        return Some(failure);
    }
    if let Some(e) = &ran.plain {
        return Some(Failure::typed(e.code(), e).exit(Exit::Refused));
    }
    match &ran.ending {
        Ending::NotLanded(e) => Some(Failure::from(e)),
        Ending::NotRolledBack(e) => Some(Failure::typed(e.code(), e)),
        _ => None,
    }
}

/// What would have opened the hosts that were refused.
fn allow(missing: &[String]) -> String {
    let flags: Vec<_> = missing.iter().map(|grant| format!("--allow-host {grant}")).collect();
    format!("it was refused the network; to allow what it asked for: {}", flags.join(" "))
}

/// The flag that raises a limit. Handles and output are an embedder's to set.
fn raise(limit: Limit) -> Option<&'static str> {
    match limit {
        Limit::Memory => Some("--memory"),
        Limit::Time => Some("--timeout"),
        Limit::Cpu => Some("--cpu"),
        Limit::Disk => Some("--disk"),
        Limit::Files => Some("--files"),
        Limit::Handles | Limit::Output => None,
    }
}

fn result(ran: &Ran) -> &'static str {
    match &ran.ending {
        Ending::Landed(_) => "landed",
        Ending::Unchanged => "unchanged",
        Ending::RolledBack(_) => "rolled-back",
        Ending::NotLanded(e) if !e.conflicts().is_empty() => "conflicted",
        _ => "kept",
    }
}

fn document(ran: &Ran, failure: Option<&Failure>) -> json::Ran {
    let report = &ran.report;
    let said = report.output.as_ref().map(|o| o.summary.clone());
    json::Ran {
        schema: SCHEMA,
        session: Some(ran.session.to_string()),
        outcome: Some(report.outcome.as_str()),
        result: Some(result(ran)),
        landing: match &ran.ending {
            Ending::Landed(landed) => landed.landing,
            _ => None,
        },
        lower: Some(Lower::from(&ran.lower)),
        sandbox: Some(json::Enforced::from(&ran.enforced)),
        changes: Changes::from(&ran.changes),
        notes: match &ran.ending {
            Ending::Landed(landed) => names(&landed.notes),
            _ => Vec::new(),
        },
        agent: Some(json::Agent {
            output: said.or_else(|| report.verdict.as_ref().map(|v| v.comments.clone())),
            metrics: metrics(report),
            stdout: report.stdout.text().into_owned(),
            stderr: report.stderr.text().into_owned(),
            exit: report.exit,
        }),
        network: report.network.iter().map(json::NetRequest::from).collect(),
        error: failure.map(json::Error::from),
    }
}

fn metrics(report: &RunReport) -> BTreeMap<String, f64> {
    let measured = report.output.iter().flat_map(|output| &output.metrics);
    measured.map(|m| (m.name.clone(), m.value)).collect()
}

/// Tells a person how the run ended and what became of the session.
pub(crate) fn tell(ui: &Ui, ran: &Ran, agent: &Path) {
    let report = &ran.report;
    let seconds = report.usage.wall.as_secs_f64();
    let said = report.output.as_ref().map(|o| o.summary.as_str());
    let said = said.or(report.verdict.as_ref().map(|v| v.comments.as_str()));
    let said = said.and_then(|s| s.lines().next()).filter(|s| !s.is_empty());
    let outcome = report.outcome.as_str();
    match said {
        Some(said) => {
            ui.say(format_args!("{}: {outcome} in {seconds:.2} s: {said}", agent.display()))
        }
        None => ui.say(format_args!("{}: {outcome} in {seconds:.2} s", agent.display())),
    }
    match &ran.enforced {
        Enforced::Wasm { instead: None } => {}
        Enforced::Wasm { instead: Some(why) } => {
            ui.warn(format_args!("it ran in this process, kept by WebAssembly alone: {why}"));
        }
        Enforced::Process { confinement, .. } => {
            ui.say(format_args!("  in a process of its own: {confinement}"))
        }
    }
    if ran.lower != LowerInfo::Live {
        describe(&ran.lower).iter().for_each(|line| ui.say(line));
    }
    for finding in report.verdict.iter().flat_map(|v| &v.findings) {
        let place = match (&finding.path, finding.line) {
            (Some(path), Some(line)) => format!("{path}:{line}: "),
            (Some(path), None) => format!("{path}: "),
            _ => String::new(),
        };
        ui.say(format_args!("  {place}{} ({})", one_line(&finding.message), finding.rule));
    }
    for request in report.network.iter().take(MOST_REQUESTS) {
        ui.say(format_args!("  {}", one_line(&request.to_string())));
    }
    if let more @ 1.. = report.network.len().saturating_sub(MOST_REQUESTS) {
        ui.say(format_args!("  … and {more} requests more: `brio journal` has them"));
    }
    let missing = missing_hosts(&report.network);
    // Of a run that failed, its error says so.
    if !missing.is_empty() && report.succeeded() {
        ui.warn(allow(&missing));
    }
    let stat = diffstat(&ran.changes, 20);
    if !stat.is_empty() {
        ui.say(stat.trim_end());
    }
    let id = ran.session.as_str();
    match &ran.ending {
        Ending::Landed(landed) => {
            say_landed(ui, id, landed, &ran.changes);
            for warning in &landed.warnings {
                ui.warn(warning);
            }
        }
        Ending::Unchanged => ui.say("unchanged: there was nothing to land"),
        Ending::Kept => ui.say(format_args!(
            "kept: {id} is open; `brio session diff {id}` shows it, commit or rollback ends it"
        )),
        Ending::RolledBack(_) => ui.say("rolled back: the base is untouched"),
        _ => ui.say(format_args!("kept: {id} is open; the base is untouched")),
    }
}

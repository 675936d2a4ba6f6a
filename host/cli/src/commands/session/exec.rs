//! `brio session exec`

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use brio_host::{
    Confinement, ExecEnd, ExecError, ExecReport, ExecRequest, Grants, Output, SessionHandle,
    ShownAs,
};

use crate::args::Grant;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::json::{self, Changes, SCHEMA};
use crate::open;
use crate::ui::Ui;
use crate::units::{parse_duration, parse_size};

/// Run a native command in a session: a build, a test, a tool of your own.
///
/// The command sees the session as a directory at its base's own path and works there, in a room
/// of its own: the system and your toolchains read-only, a private home and /tmp, no network, no
/// other process; and what is shown beside the session (`session bind`, `session mount`). What it
/// changes in the session is the session's, which stays open.
///
/// The status is the command's own; 128+N when signal N ended it, 127 or 126 when it cannot be
/// started, 125 when Brio failed or its time was over.
#[derive(Debug, clap::Args)]
pub(crate) struct Exec {
    /// The session; a unique prefix is enough. The current one when left out.
    #[arg(default_value = brio_host::CURRENT, hide_default_value = true)]
    id: String,
    /// Let it use this machine's network, loopback included.
    #[arg(long)]
    allow_net: bool,
    /// End it after this long, such as 90s or 10m.
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    timeout: Option<std::time::Duration>,
    /// One more variable of its environment: K takes your value, K=V another.
    #[arg(long, value_name = "K[=V]")]
    env: Vec<String>,
    /// A file or directory of this machine that it may read.
    #[arg(long, value_name = "PATH")]
    read: Vec<PathBuf>,
    /// A directory of this machine that it may write: a build cache.
    #[arg(long, value_name = "DIR")]
    write: Vec<PathBuf>,
    /// Bytes that it may write in the session, such as 2G.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    disk: Option<u64>,
    /// Files that it may create in the session.
    #[arg(long, value_name = "N")]
    files: Option<u64>,
    /// What else it may do: change .git (vcs).
    #[arg(long, value_name = "CAPABILITY")]
    grant: Vec<Grant>,
    /// Run it with all your rights: it can read your files, use the network, and change anything
    /// that you can, also outside of the session. The journal says so.
    #[arg(long, conflicts_with_all = ["allow_net", "read", "write"])]
    unconfined: bool,
    /// Print `{schema, session, end, status, confinement, shown, left_out, stdout, stderr,
    /// changes, error}` when it has ended.
    #[arg(long)]
    json: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    argv: Vec<OsString>,
}

impl Exec {
    pub(crate) fn run(self, ui: &Ui) -> Result<Exit, Failure> {
        let session = open::session(&self.id).map_err(own)?;
        let (as_json, program) = (self.json, self.argv[0].clone());
        let interrupt = Interrupt::watch().map_err(own)?;
        let request = self.request(&interrupt).map_err(own)?;
        match session.exec(request) {
            Ok(report) => {
                let (exit, failure) = ended(&report, interrupt.happened(), &program);
                if as_json {
                    ui.json(&document(&session, Some(&report), exit, failure.as_ref()))?;
                } else {
                    tell(ui, &report);
                }
                match failure {
                    None => Ok(exit),
                    Some(failure) => {
                        failure.print();
                        Err(Failure::said(exit))
                    }
                }
            }
            Err(e) => {
                let failure = failed(&e);
                if as_json {
                    ui.json(&document(&session, None, failure.exit, Some(&failure)))?;
                }
                Err(failure)
            }
        }
    }

    fn request(self, interrupt: &Interrupt) -> Result<ExecRequest, Failure> {
        let talks = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let shown = |sink: Box<dyn std::io::Write + Send>| Output {
            sink: (!self.json).then_some(sink),
            ..Output::default()
        };
        Ok(ExecRequest {
            caller_env: std::env::vars_os().collect(),
            env: self.env.iter().map(|text| variable(text)).collect::<Result<_, _>>()?,
            network: self.allow_net,
            read: self.read.iter().map(|p| there(p)).collect::<Result<_, _>>()?,
            write: self.write.iter().map(|p| there(p)).collect::<Result<_, _>>()?,
            timeout: self.timeout,
            disk: self.disk,
            files: self.files,
            grants: Grants { vcs: self.grant.contains(&Grant::Vcs), ..Grants::default() },
            unconfined: self.unconfined,
            interactive: talks && !self.json,
            stdin: true,
            stdout: shown(Box::new(std::io::stdout())),
            stderr: shown(Box::new(std::io::stderr())),
            stop: interrupt.token(),
            argv: self.argv,
        })
    }
}

/// Brio's own failure, told apart from the command's.
fn own(failure: Failure) -> Failure {
    failure.exit(Exit::Own)
}

fn variable(text: &str) -> Result<(OsString, OsString), Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        None if !text.is_empty() => match std::env::var_os(text) {
            Some(value) => Ok((text.into(), value)),
            None => Err(Failure::new("USAGE", format!("--env {text}: it is not set here"))
                .hint(format!("give it a value: --env {text}=VALUE"))),
        },
        _ => {
            Err(Failure::new("USAGE", format!("--env {text}: there is no name"))
                .hint("give K or K=V"))
        }
    }
}

/// The real path of something that is there.
fn there(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|e| Failure::new("USAGE", format!("{}: {e}", path.display())))
}

fn failed(e: &ExecError) -> Failure {
    let failure = Failure::typed(e.code(), e);
    match e.shell_status().and_then(|s| u8::try_from(s).ok()) {
        Some(status) => failure.exit(Exit::Status(status)),
        None => failure.exit(Exit::Own),
    }
}

/// The status, and what Brio has to say about it.
fn ended(report: &ExecReport, interrupted: bool, program: &OsString) -> (Exit, Option<Failure>) {
    let program = program.to_string_lossy();
    let ours = |code: &str, what: &str| Failure::new(code, format!("{program}: {what}"));
    match report.end {
        ExecEnd::Exited(status) => (Exit::Status(u8::try_from(status).unwrap_or(u8::MAX)), None),
        ExecEnd::Signalled(signal) => {
            (Exit::Status(u8::try_from(128 + signal).unwrap_or(u8::MAX)), None)
        }
        ExecEnd::TimedOut => {
            let failure = ours("LIMIT_TIME", "its time was over").hint("--timeout gives it more");
            (Exit::Own, Some(failure.exit(Exit::Own)))
        }
        ExecEnd::Stopped if interrupted => {
            let failure = ours("INTERRUPTED", "interrupted; what it wrote is in the session");
            (Exit::Interrupted, Some(failure.exit(Exit::Interrupted)))
        }
        ExecEnd::Stopped => {
            (Exit::Own, Some(ours("STOPPED", "somebody asked it to stop").exit(Exit::Own)))
        }
    }
}

fn tell(ui: &Ui, report: &ExecReport) {
    for line in &report.left_out {
        ui.warn(format_args!("not in the room: {line}"));
    }
    if let Some(limit) = report.limit {
        ui.warn(format_args!("the session refused a write: {limit}"));
    }
    let seconds = report.took.as_secs_f64();
    let how = match &report.confinement {
        Confinement::Room(room) => format!("confined: {room}"),
        Confinement::None => "unconfined".to_owned(),
    };
    let shown = match report.shown {
        ShownAs::Mount => "",
        ShownAs::Export => "; on a copy, without FUSE",
    };
    let changes = report.changes.changes.len();
    ui.say(format_args!("exec: {seconds:.2} s, {changes} changed in the session ({how}{shown})"));
}

fn document(
    session: &SessionHandle,
    report: Option<&ExecReport>,
    exit: Exit,
    failure: Option<&Failure>,
) -> json::Executed {
    json::Executed {
        schema: SCHEMA,
        session: session.id().to_string(),
        end: report.map(|r| match r.end {
            ExecEnd::Exited(_) => "exited",
            ExecEnd::Signalled(_) => "signalled",
            ExecEnd::TimedOut => "timed-out",
            ExecEnd::Stopped => "stopped",
        }),
        status: exit.code(),
        confinement: report.map(|r| match &r.confinement {
            Confinement::Room(room) => room.to_string(),
            Confinement::None => "none".to_owned(),
        }),
        shown: report.map(|r| match r.shown {
            ShownAs::Mount => "mount",
            ShownAs::Export => "export",
        }),
        left_out: report.map(|r| r.left_out.clone()).unwrap_or_default(),
        stdout: report.map(|r| r.stdout.text().into_owned()),
        stderr: report.map(|r| r.stderr.text().into_owned()),
        changes: report.map(|r| Changes::from(&r.changes)),
        error: failure.map(json::Error::from),
    }
}

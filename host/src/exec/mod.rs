//! Native commands in a session: `brio session exec`, the steps and gates of tasks.
//!
//! The view is shown as a directory at its base's own path and the command runs there in a room
//! of its own (see `brio-confine`). It is a run: it holds the writer lease, it can be asked to
//! stop, and what it changed is the session's.
mod beside;
mod environment;
mod place;
mod process;
mod streams;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use brio_confine::{Report, RoomError};
use brio_landing::{BindError, JournalEntry, LeaseError, Writer};
use brio_runtime::{Captured, Output, StopToken};
use brio_session::{ChangeSet, Limits, View, ViewOptions};

use crate::binds::Shown;
use crate::observe::WatchedRun;
use crate::plain::PlainError;
use crate::{Grants, SessionHandle};

use process::Process;

/// How often a command is looked after.
const POLL: Duration = Duration::from_millis(50);
/// What a command that was asked to end has to do so.
const GRACE: Duration = Duration::from_secs(2);

/// One native command in a session.
#[derive(Debug, Default)]
pub struct ExecRequest {
    /// The program, looked up by `PATH`, and its arguments.
    pub argv: Vec<OsString>,
    /// The caller's environment: toolchains are found by it, and of it the command gets what it
    /// needs to find them and to speak the caller's language. This crate reads none by itself.
    pub caller_env: Vec<(OsString, OsString)>,
    /// More variables, by name with a value.
    pub env: Vec<(OsString, OsString)>,
    /// Grants the host's network, loopback included. Without, there is only a loopback of its own.
    pub network: bool,
    /// Directories and files of the host that it may read, at their own paths.
    pub read: Vec<PathBuf>,
    /// Directories of the host that it may write.
    pub write: Vec<PathBuf>,
    /// Ends it after this long.
    pub timeout: Option<Duration>,
    /// Bytes it may write in the session.
    pub disk: Option<u64>,
    /// Files it may create in the session.
    pub files: Option<u64>,
    /// What else it may do; of these only `vcs` means something here.
    pub grants: Grants,
    /// Runs it with all the rights of the caller, and says so in the journal.
    pub unconfined: bool,
    /// Standard streams as they are, for a program that talks to a person; nothing is captured.
    pub interactive: bool,
    /// Lets it read the caller's standard input; else it is empty. One that may not, and is not
    /// interactive, has no part in the caller's terminal: Ctrl-C reaches the caller alone, which
    /// ends the command by `stop`.
    pub stdin: bool,
    /// Where its standard output is shown, and how much of it is kept.
    pub stdout: Output,
    /// Where its standard error is shown, and how much of it is kept.
    pub stderr: Output,
    /// Ends it from outside.
    pub stop: StopToken,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecEnd {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// Its time was over.
    TimedOut,
    /// Somebody asked it to stop: the caller, or who wants the session.
    Stopped,
}

/// How the command was kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confinement {
    /// In a room.
    Room(Report),
    /// Not at all.
    None,
}

/// How the session was shown to the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownAs {
    /// The view itself, mounted by FUSE.
    Mount,
    /// A copy, whose differences were taken back.
    Export,
}

/// A command that ran.
#[derive(Debug)]
pub struct ExecReport {
    /// How it ended.
    pub end: ExecEnd,
    /// How it was kept in.
    pub confinement: Confinement,
    /// How it saw the session.
    pub shown: ShownAs,
    /// Toolchains and files that were left out, a line each.
    pub left_out: Vec<String>,
    /// The beginning of its standard output.
    pub stdout: Captured,
    /// The beginning of its standard error.
    pub stderr: Captured,
    /// What the session has changed, with paths relative to its base.
    pub changes: ChangeSet,
    /// Which limit of the session it met.
    pub limit: Option<brio_session::FsError>,
    /// Wall time.
    pub took: Duration,
}

/// A command did not run, or what it did could not be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// Nothing was to be run.
    #[error("USAGE: there is no command to run")]
    Nothing,
    /// The session cannot be written in.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// There is no room for it, or the command cannot be started in it. Nothing ran.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// What the session shows beside itself cannot be shown.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The session could not be mounted.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Mount(#[from] brio_mount::MountError),
    /// The session could not be copied out or taken back.
    #[error(transparent)]
    Plain(#[from] PlainError),
    /// What the command did in its copy could not be taken back.
    #[error("{source}; the copy that it worked in is kept: {}", at.display())]
    NotTakenBack {
        /// The copy.
        at: PathBuf,
        /// Why.
        source: PlainError,
    },
    /// The host failed.
    #[error("EXEC: {what}: {source}")]
    Host {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl ExecError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Nothing => "USAGE",
            Self::Lease(e) => e.code(),
            Self::Room(e) => e.code(),
            Self::Bind(e) => e.code(),
            #[cfg(target_os = "linux")]
            Self::Mount(_) => "MOUNT",
            Self::Plain(e) => e.code(),
            Self::NotTakenBack { source, .. } => source.code(),
            Self::Host { .. } => "EXEC",
        }
    }

    /// The command itself could not be started: the status that a shell has for it.
    pub fn shell_status(&self) -> Option<i32> {
        let source = match self {
            Self::Room(RoomError::Command { source, .. }) => source,
            Self::Host { what, source } if what.starts_with("starting ") => source,
            _ => return None,
        };
        Some(if source.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
    }

    fn host(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Host { what, source }
    }
}

impl ExecRequest {
    /// A terminal that the caller runs on is none of its business.
    fn detached(&self) -> bool {
        !self.interactive && !self.stdin
    }
}

impl SessionHandle {
    /// Runs a native command in the session, and waits for its end. The session stays open,
    /// whatever the command says; what it wrote is durable when this returns.
    ///
    /// The process that calls this must have called [`enter_room_if_asked`] first thing in
    /// `main`: the room's helper is this program again.
    ///
    /// # Errors
    /// See [`ExecError`]. A command that fails is none.
    ///
    /// [`enter_room_if_asked`]: crate::enter_room_if_asked
    pub fn exec(&self, mut request: ExecRequest) -> Result<ExecReport, ExecError> {
        let program = request.argv.first().ok_or(ExecError::Nothing)?.clone();
        let base = self.base().map_err(LeaseError::from)?;
        let options = ViewOptions {
            vcs: request.grants.vcs,
            limits: Limits { disk: request.disk, files: request.files },
            ..ViewOptions::default()
        };
        let limits = [
            ("wall_ms", request.timeout.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX))),
            ("disk_bytes", request.disk),
            ("files", request.files),
        ];
        let limits = limits.into_iter().filter_map(|(name, n)| Some((name.to_owned(), n?)));
        let tag = self.brio().run_tag("exec", &program.to_string_lossy(), limits.collect());
        let writer = self.writer_of(tag, options)?;
        let _told = self.brio().telling(self.id());
        let watched = WatchedRun::command(self, &program);
        let view = writer.view().clone();
        let shown = self.shown(&view, request.grants.vcs)?;
        writer.measure(crate::usage::used(&view, None));
        let begun = Instant::now();
        let mut streams = streams::Streams::new(&mut request).map_err(ExecError::host("pipes"))?;
        let mut place = place::Place::default();
        let seen = place::Seen { view: &view, base: &base, beside: &shown };
        let ran = place.start(self, &seen, &request, &streams).and_then(|process| {
            streams.given();
            self.journal_command(&request, &process, &shown);
            attend(process, &writer, &request)
        });
        let (stdout, stderr) = streams.finish();
        // Whatever it is shown by goes before the lease, and a copy is taken back.
        let put_back = place.end(&view, request.grants.vcs);
        let (end, confinement, mut left_out) = ran?;
        left_out.extend(put_back?);
        let shown = place.shown;
        let changes = self.changed(&view)?;
        let report = ExecReport {
            end,
            confinement,
            shown,
            left_out,
            stdout,
            stderr,
            changes,
            limit: view.limit_hit(),
            took: begun.elapsed(),
        };
        watched.command_ended(&report, &view);
        self.record_end(&program, &report);
        writer.finish().map_err(ExecError::host("syncing the session"))?;
        Ok(report)
    }

    fn changed(&self, view: &View) -> Result<ChangeSet, LeaseError> {
        let fault = |source| LeaseError::View { id: self.id().clone(), source };
        let changes = view.changes().map_err(fault)?;
        match self.parent()? {
            Some(parent) => {
                Ok(crate::nested::against(changes, parent.view()?.changes().map_err(fault)?))
            }
            None => Ok(changes),
        }
    }

    fn journal_command(&self, request: &ExecRequest, process: &Process, shown: &Shown) {
        let argv: Vec<_> = request.argv.iter().map(|a| a.to_string_lossy()).collect();
        self.journal(
            serde_json::json!({
                "argv": argv,
                "confinement": process.confinement(),
                "network": request.network || request.unconfined,
                "read": request.read,
                "write": request.write,
                "binds": shown.targets().collect::<Vec<_>>(),
            }),
            "exec",
        );
    }

    fn record_end(&self, program: &OsString, report: &ExecReport) {
        let end = match report.end {
            ExecEnd::Exited(status) => serde_json::json!({ "status": status }),
            ExecEnd::Signalled(signal) => serde_json::json!({ "signal": signal }),
            ExecEnd::TimedOut => serde_json::json!({ "stopped": "timeout" }),
            ExecEnd::Stopped => serde_json::json!({ "stopped": "asked" }),
        };
        self.journal(
            serde_json::json!({ "program": program.to_string_lossy(), "end": end }),
            "exec-ended",
        );
    }

    fn journal(&self, detail: serde_json::Value, what: &str) {
        let entry = JournalEntry {
            session: Some(self.id().clone()),
            detail: Some(detail),
            ..JournalEntry::new(self.brio().now(), what)
        };
        if let Err(error) = self.domain().journal(&entry) {
            tracing::warn!(session = %self.id(), %error, "the journal was not written");
        }
    }
}

type Attended = (ExecEnd, Confinement, Vec<String>);

/// Waits for the end, and brings it about where somebody wants it.
fn attend(
    mut process: Process,
    writer: &Writer,
    request: &ExecRequest,
) -> Result<Attended, ExecError> {
    let deadline = request.timeout.map(|t| Instant::now() + t);
    let mut ending: Option<(ExecEnd, Instant)> = None;
    loop {
        if let Some(end) = process.wait_timeout(POLL)? {
            let end = ending.map_or(end, |(why, _)| why);
            return Ok((end, process.confinement_report(), process.left_out()));
        }
        match ending {
            Some((_, since)) if since.elapsed() > GRACE => process.kill(),
            Some(_) => {}
            None => {
                let late = deadline.is_some_and(|d| Instant::now() >= d);
                let asked = request.stop.is_stopped() || writer.stop_requested();
                let why = match (late, asked) {
                    (true, _) => ExecEnd::TimedOut,
                    (_, true) => ExecEnd::Stopped,
                    _ => continue,
                };
                process.terminate();
                ending = Some((why, Instant::now()));
            }
        }
    }
}

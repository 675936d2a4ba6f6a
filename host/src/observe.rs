//! Runs and landings as those see them who watch: a span each, and figures. Neither holds what
//! files hold, nor arguments or variables, in which secrets may be.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use brio_landing::{CommitError, Landed, SessionId, UndoError};
use brio_runtime::{Limit, Outcome, RunReport};
use brio_session::{ChangeKind, FsError, Kind, View};
use brio_supervisor::{Event, Tell};
use tracing::field::{Empty, display};
use tracing::span::EnteredSpan;

use crate::metrics::Meter;
use crate::{Brio, ExecEnd, ExecReport, SessionHandle};

/// A run under way. Dropped before its end is known, it could not be run.
pub(crate) struct WatchedRun {
    brio: Brio,
    span: EnteredSpan,
    begun: Instant,
    outcome: &'static str,
    limit: Option<&'static str>,
    written: u64,
}

impl WatchedRun {
    /// A run of an agent begins.
    pub(crate) fn agent(session: &SessionHandle, task: Option<&str>, agent: &str) -> Self {
        let span = tracing::info_span!(
            "run", session = %session.id(), task, agent, outcome = Empty, limit = Empty,
            duration_ms = Empty,
        );
        Self::begin(session, span)
    }

    /// A run of a native command begins.
    pub(crate) fn command(session: &SessionHandle, program: &OsStr) -> Self {
        let task = session.record().ok().and_then(|record| record.task_id);
        let program = Path::new(program).file_name().unwrap_or(program);
        let span = tracing::info_span!(
            "run", session = %session.id(), task, command = %program.display(), outcome = Empty,
            limit = Empty, duration_ms = Empty,
        );
        Self::begin(session, span)
    }

    fn begin(session: &SessionHandle, span: tracing::Span) -> Self {
        let (brio, span) = (session.brio().clone(), span.entered());
        Self { brio, span, begun: Instant::now(), outcome: "refused", limit: None, written: 0 }
    }

    /// An agent's run is over.
    pub(crate) fn agent_ended(mut self, report: &RunReport) {
        self.outcome = report.outcome.as_str();
        self.limit = match report.outcome {
            Outcome::Limited(limit) => Some(limit_name(limit)),
            _ => None,
        };
        self.written = report.usage.written;
    }

    /// A command's run is over, which worked in this view of its own.
    pub(crate) fn command_ended(mut self, report: &ExecReport, view: &View) {
        self.outcome = match report.end {
            ExecEnd::Exited(0) => "succeeded",
            ExecEnd::Exited(_) => "failed",
            ExecEnd::Signalled(_) => "trapped",
            ExecEnd::TimedOut => "limited",
            ExecEnd::Stopped => "killed",
        };
        self.limit = match (report.end, &report.limit) {
            (ExecEnd::TimedOut, _) => Some(limit_name(Limit::Time)),
            (_, Some(FsError::DiskLimit)) => Some(limit_name(Limit::Disk)),
            (_, Some(FsError::FileLimit)) => Some(limit_name(Limit::Files)),
            _ => None,
        };
        self.written = view.written().0;
    }
}

impl Drop for WatchedRun {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        self.span.record("outcome", self.outcome);
        if let Some(limit) = self.limit {
            self.span.record("limit", limit);
        }
        self.span.record("duration_ms", took.as_secs_f64() * 1000.0);
        self.brio.meter().count(|m| {
            *m.runs.entry(self.outcome).or_default() += 1;
            m.run_time.count(took);
            m.bytes_written += self.written;
            if let Some(limit) = self.limit {
                *m.limits.entry(limit).or_default() += 1;
            }
        });
    }
}

fn limit_name(limit: Limit) -> &'static str {
    match limit {
        Limit::Memory => "memory",
        Limit::Time => "time",
        Limit::Cpu => "cpu",
        Limit::Handles => "handles",
        Limit::Disk => "disk",
        Limit::Files => "files",
        Limit::Output => "output",
    }
}

/// A landing under way.
pub(crate) struct WatchedLanding {
    brio: Brio,
    span: EnteredSpan,
    begun: Instant,
}

impl WatchedLanding {
    /// A commit of a session of this directory begins.
    pub(crate) fn commit(session: &SessionHandle, base: &Path) -> Self {
        Self::begin(session.brio(), Some(session.id()), base, None)
    }

    /// An undo of a landing begins.
    pub(crate) fn undo(brio: &Brio, base: &Path, landing: u64) -> Self {
        Self::begin(brio, None, base, Some(landing))
    }

    fn begin(brio: &Brio, session: Option<&SessionId>, base: &Path, undo_of: Option<u64>) -> Self {
        let span = tracing::info_span!(
            "landing", session = session.map(display), base = %base.display(), undo_of,
            landing = Empty, parent = Empty, code = Empty, duration_ms = Empty,
        );
        Self { brio: brio.clone(), span: span.entered(), begun: Instant::now() }
    }

    /// An undo is over.
    pub(crate) fn undone(self, done: &Result<Landed, UndoError>) {
        match done {
            Ok(landed) => self.landed(landed),
            Err(e) if e.conflicts().is_empty() => self.refused(e.code(), false),
            Err(e) => self.refused(e.code(), true),
        }
    }

    /// A commit is over.
    pub(crate) fn ended(self, done: &Result<Landed, CommitError>) {
        match done {
            Ok(landed) => self.landed(landed),
            Err(e) => self.refused(e.code(), matches!(e, CommitError::Conflict { .. })),
        }
    }

    fn landed(self, landed: &Landed) {
        let took = self.begun.elapsed();
        self.span.record("duration_ms", took.as_secs_f64() * 1000.0);
        if let Some(parent) = &landed.parent {
            self.span.record("parent", display(parent));
            self.brio.meter().count(|m| *m.landings.entry("session").or_default() += 1);
        }
        let Some(landing) = landed.landing else { return };
        self.span.record("landing", landing);
        let brought =
            landed.changes.changes.iter().filter(|change| {
                change.kind != ChangeKind::MetaOnly && change.hard_link_of.is_none()
            });
        let files = brought.filter_map(|change| change.after).filter(|m| m.kind == Kind::File);
        let bytes: u64 = files.map(|meta| meta.size).sum();
        self.brio.meter().count(|m| {
            *m.landings.entry("base").or_default() += 1;
            m.landing_time.count(took);
            m.bytes_landed += bytes;
        });
    }

    fn refused(self, code: &'static str, conflict: bool) {
        self.span.record("code", code);
        self.span.record("duration_ms", self.begun.elapsed().as_secs_f64() * 1000.0);
        self.brio.meter().count(|m| match code {
            _ if conflict => m.conflicts += 1,
            // It is tried again, and again, while somebody holds the session.
            "SESSION_BUSY" => {}
            _ => *m.refusals.entry(code).or_default() += 1,
        });
    }
}

/// Counts what happens to jobs, and tells it on.
pub(crate) fn counting(brio: Brio, events: Tell) -> Tell {
    Arc::new(move |event| {
        let meter: &Meter = brio.meter();
        match &event {
            Event::Ended { outcome, .. } => {
                let kind = outcome.kind.as_str();
                meter.count(|m| *m.jobs.entry(kind).or_default() += 1);
            }
            Event::Again { .. } => meter.count(|m| m.retries += 1),
            _ => {}
        }
        events(event);
    })
}

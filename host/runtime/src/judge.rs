//! From how a guest's call ended to the report.

use brio_session::FsError;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::{I32Exit, ResourceTableError};

use crate::limits::LimitHit;
use crate::load::Entry;
use crate::{
    AgentErrorInfo, Finding, Limit, Metric, Outcome, RunReport, TaskOutput, Verdict, codes,
};

/// The error that unwinds a guest that somebody stopped.
#[derive(Debug, thiserror::Error)]
#[error("the run was stopped")]
pub(crate) struct Killed;

/// What a guest returned.
pub(crate) enum Returned {
    Agent(Result<TaskOutput, AgentErrorInfo>),
    Reviewer(Result<Verdict, AgentErrorInfo>),
    Command(Result<(), ()>),
}

impl Returned {
    /// The bytes that it takes to keep it.
    pub(crate) fn size(&self) -> usize {
        let error =
            |e: &AgentErrorInfo| e.message.len() + e.paths.iter().map(String::len).sum::<usize>();
        let finding = |f: &Finding| {
            size_of::<Finding>()
                + f.rule.len()
                + f.message.len()
                + f.path.as_ref().map_or(0, String::len)
        };
        match self {
            Self::Agent(Ok(o)) => {
                let metrics = o.metrics.iter().map(|m| size_of::<Metric>() + m.name.len());
                o.summary.len() + metrics.sum::<usize>()
            }
            Self::Reviewer(Ok(v)) => {
                v.comments.len() + v.findings.iter().map(finding).sum::<usize>()
            }
            Self::Agent(Err(e)) | Self::Reviewer(Err(e)) => error(e),
            Self::Command(_) => 0,
        }
    }
}

impl RunReport {
    pub(crate) fn of(outcome: Outcome, error: Option<AgentErrorInfo>) -> Self {
        Self {
            outcome,
            output: None,
            verdict: None,
            error,
            exit: None,
            stdout: Default::default(),
            stderr: Default::default(),
            network: Vec::new(),
            usage: Default::default(),
        }
    }

    /// Nothing ran.
    pub(crate) fn refused(code: &str, message: String) -> Self {
        Self::failed(Outcome::Failed, code, message)
    }

    fn failed(outcome: Outcome, code: &str, message: impl Into<String>) -> Self {
        Self::of(outcome, Some(AgentErrorInfo::new(code, message)))
    }
}

/// A typed guest that left by `wasi:cli/exit` with success returned nothing: for an agent that
/// is an empty summary, for a reviewer no approval.
pub(crate) fn without_return(entry: &Entry, report: &mut RunReport) {
    match entry {
        Entry::Agent(_) if report.succeeded() && report.output.is_none() => {
            report.output = Some(TaskOutput::default());
        }
        Entry::Reviewer(_) if report.succeeded() && report.verdict.is_none() => {
            report.outcome = Outcome::Rejected;
            report.error = Some(AgentErrorInfo::new(codes::REJECTED, "it left without a verdict"));
        }
        _ => {}
    }
}

/// `cause` is what the meters recorded: an exhausted memory shows as `unreachable`. `view` is
/// the limit that the view refused something for.
pub(crate) fn judge(
    ended: wasmtime::Result<Returned>,
    cause: Option<Limit>,
    view: Option<FsError>,
) -> RunReport {
    let error = match ended {
        Ok(returned) if cause.is_none() && view.is_none() => return self::returned(returned),
        Ok(_) => None,
        Err(e) => Some(e),
    };
    if error.as_ref().is_some_and(|e| e.is::<Killed>()) {
        return RunReport::failed(Outcome::Killed, codes::KILLED, Killed.to_string());
    }
    let limit = cause.or(error.as_ref().and_then(limit)).or(match view {
        Some(FsError::DiskLimit) => Some(Limit::Disk),
        Some(FsError::FileLimit) => Some(Limit::Files),
        _ => None,
    });
    if let Some(limit) = limit {
        return RunReport::failed(
            Outcome::Limited(limit),
            limit.code(),
            format!("the agent reached its {}", limit.what()),
        );
    }
    let Some(error) = error else { return RunReport::of(Outcome::Succeeded, None) };
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return exited(*status);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return RunReport::failed(
            Outcome::Failed,
            codes::HOST_BUSY,
            "too many agents run at once; try again later",
        );
    }
    RunReport::failed(Outcome::Trapped, codes::TRAPPED, trap(&error))
}

fn returned(returned: Returned) -> RunReport {
    match returned {
        Returned::Agent(Ok(output)) => {
            RunReport { output: Some(output), ..RunReport::of(Outcome::Succeeded, None) }
        }
        Returned::Agent(Err(e)) => RunReport::of(Outcome::Failed, Some(e)),
        Returned::Reviewer(Ok(verdict)) if verdict.approved => {
            RunReport { verdict: Some(verdict), ..RunReport::of(Outcome::Succeeded, None) }
        }
        Returned::Reviewer(Ok(verdict)) => {
            let report =
                RunReport::failed(Outcome::Rejected, codes::REJECTED, verdict.comments.clone());
            RunReport { verdict: Some(verdict), ..report }
        }
        // No judgement is no approval.
        Returned::Reviewer(Err(e)) => RunReport::of(Outcome::Rejected, Some(e)),
        Returned::Command(Ok(())) => exited(0),
        Returned::Command(Err(())) => exited(1),
    }
}

fn exited(status: i32) -> RunReport {
    let report = match status {
        0 => RunReport::of(Outcome::Succeeded, None),
        n => RunReport::failed(Outcome::Failed, codes::EXIT_STATUS, format!("exit status {n}")),
    };
    RunReport { exit: Some(status), ..report }
}

fn limit(e: &wasmtime::Error) -> Option<Limit> {
    if let Some(LimitHit(limit)) = e.downcast_ref() {
        return Some(*limit);
    }
    // What the machine does not give was more than it has: a limit, if not the one that was set.
    if e.chain().any(is_out_of_memory) {
        return Some(Limit::Memory);
    }
    // The engine has no type for its own tables being full.
    let full = matches!(e.downcast_ref(), Some(ResourceTableError::Full))
        || e.root_cause().to_string().ends_with(": store handle limit exceeded");
    full.then_some(Limit::Handles)
}

fn is_out_of_memory(e: &(dyn std::error::Error + 'static)) -> bool {
    #[cfg(unix)]
    if e.downcast_ref() == Some(&rustix::io::Errno::NOMEM) {
        return true;
    }
    let kind = e.downcast_ref().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::OutOfMemory)
}

/// One line, without backtraces and without how the host came to see it.
fn trap(e: &wasmtime::Error) -> String {
    let text = match e.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => e.root_cause().to_string(),
    };
    text.lines().next().unwrap_or("trap").to_owned()
}

//! Runs of agents, reviewers and commands, and what the engine is told of them.

use std::ffi::OsString;

use brio_runtime::{Captured, Outcome, Output, RunLimits, StopToken};
use brio_supervisor::{Kind, Limits, Report, Run, StepKind, Stop};

use super::logs::Log;
use crate::{
    AgentSource, Brio, ExecEnd, ExecError, ExecReport, ExecRequest, Grants, Place, Ran, Role,
    RunError, RunRequest, SessionHandle,
};

/// How much of a command's output a report quotes: its end.
const QUOTED: usize = 4 << 10;

/// Runs what there is to be run in a session, which stays open.
pub(super) fn run(
    brio: &Brio,
    session: &SessionHandle,
    run: &Run<'_>,
    caller_env: &[(OsString, OsString)],
    log: &Log,
    stop: &Stop,
) -> Report {
    let token = StopToken::default();
    let when = token.clone();
    stop.when_stopped(move || when.stop());
    let output = || Output { sink: Some(log.stream()), ..Output::default() };
    // A bare name is a bundled agent's: it is looked for in no directory of whoever works here.
    let source = match run.what {
        StepKind::Agent(agent) => Some(&agent.agent),
        StepKind::Reviewer(reviewer) => Some(&reviewer.agent),
        StepKind::Command(_) => None,
    };
    if let Some(name) = source
        && name.components().count() == 1
        && name.to_str().and_then(crate::bundled_agent).is_none()
    {
        let unknown = RunError::UnknownAgent { name: name.clone() };
        return Report::failed(Kind::Unusable, unknown.code(), &unknown);
    }
    let agent = |source: &std::path::Path| {
        let place = Place::Session(session.clone());
        let mut request = RunRequest::new(AgentSource::Named(source.to_owned()), place);
        request.task_id = Some(run.job.to_owned());
        request.limits = limits(run.limits);
        (request.disk, request.files) = (run.limits.disk, run.limits.files);
        (request.stdout, request.stderr) = (output(), output());
        request.stop = token.clone();
        request
    };
    match run.what {
        StepKind::Agent(worker) => {
            let mut request = agent(&worker.agent);
            request.role = Some(Role::Worker);
            request.description.clone_from(&worker.task);
            request.input_files.clone_from(&worker.input_files);
            request.args.clone_from(&worker.args);
            request.env.clone_from(&worker.env);
            let granted = worker.grants;
            request.grants = Grants { session_fs: granted.session_fs, vcs: granted.vcs };
            of_run(brio.run(request))
        }
        StepKind::Reviewer(reviewer) => {
            let mut request = agent(&reviewer.agent);
            request.role = Some(Role::Reviewer);
            request.description.clone_from(&reviewer.task);
            request.args.clone_from(&reviewer.args);
            of_run(brio.run(request))
        }
        StepKind::Command(command) => {
            let env = command.env.iter().chain(run.env);
            let request = ExecRequest {
                argv: command.argv.iter().map(OsString::from).collect(),
                caller_env: caller_env.to_vec(),
                env: env.map(|(k, v)| (k.into(), v.into())).collect(),
                network: command.network,
                timeout: Some(run.limits.time.unwrap_or(RunLimits::default().wall)),
                disk: run.limits.disk,
                files: run.limits.files,
                grants: Grants { vcs: command.vcs, ..Grants::default() },
                unconfined: command.unconfined,
                stdout: output(),
                stderr: output(),
                stop: token,
                ..ExecRequest::default()
            };
            of_exec(session.exec(request))
        }
    }
}

fn limits(asked: Limits) -> RunLimits {
    let default = RunLimits::default();
    RunLimits {
        memory: asked.memory.unwrap_or(default.memory),
        wall: asked.time.unwrap_or(default.wall),
        cpu: asked.cpu.unwrap_or(default.cpu),
        output: asked.output.unwrap_or(default.output),
        ..default
    }
}

fn of_run(ran: Result<Ran, RunError>) -> Report {
    let ran = match ran {
        Ok(ran) => ran,
        Err(e) => {
            let kind = match &e {
                RunError::Lease(_) => Kind::Refused,
                _ => Kind::Unusable,
            };
            return Report::failed(kind, e.code(), e);
        }
    };
    let mut report = Report::default();
    if let Some(output) = &ran.report.output {
        report.message.clone_from(&output.summary);
        report.metrics = output.metrics.iter().map(|m| (m.name.clone(), m.value)).collect();
    }
    if let Some(verdict) = &ran.report.verdict {
        report.message = verdict.comments.clone();
        for finding in &verdict.findings {
            let path = finding.path.as_deref().unwrap_or("-");
            let line = finding.line.map_or(String::new(), |n| format!(":{n}"));
            report
                .message
                .push_str(&format!("\n{path}{line}: {}: {}", finding.rule, finding.message));
        }
    }
    if let Some(e) = &ran.report.error {
        report.failed = Some(match ran.report.outcome {
            Outcome::Trapped | Outcome::Limited(_) | Outcome::Killed => Kind::Stopped,
            Outcome::Rejected => Kind::Rejected,
            _ if e.code == "RUN_INVALID" => Kind::Unusable,
            _ => Kind::Failed,
        });
        report.code = Some(e.code.clone());
        if report.message.is_empty() {
            report.message.clone_from(&e.message);
        }
    }
    report
}

fn of_exec(ran: Result<ExecReport, ExecError>) -> Report {
    let ran = match ran {
        Ok(ran) => ran,
        Err(e) => {
            let kind = match e.shell_status() {
                // It was looked for in the session: the work lacks it.
                Some(_) => Kind::Failed,
                None if matches!(e, ExecError::Lease(_)) => Kind::Refused,
                None => Kind::Unusable,
            };
            return Report::failed(kind, e.code(), e);
        }
    };
    let said = [quoted(&ran.stdout), quoted(&ran.stderr)];
    let said: Vec<_> = said.iter().map(|s| s.trim_end()).filter(|s| !s.is_empty()).collect();
    let mut report = Report { message: said.join("\n"), ..Report::default() };
    let (kind, code, what) = match ran.end {
        ExecEnd::Exited(0) => return report,
        ExecEnd::Exited(status) => (Kind::Failed, "COMMAND_FAILED", format!("status {status}")),
        ExecEnd::Signalled(n) => (Kind::Stopped, "COMMAND_KILLED", format!("signal {n}")),
        ExecEnd::TimedOut => (Kind::Stopped, "LIMIT_TIME", "its time was over".into()),
        ExecEnd::Stopped => (Kind::Stopped, "STOPPED", "it was asked to stop".into()),
    };
    report.failed = Some(kind);
    report.code = Some(code.to_owned());
    report.message =
        if report.message.is_empty() { what } else { format!("{what}\n{}", report.message) };
    report
}

fn quoted(captured: &Captured) -> String {
    let bytes = &captured.bytes[captured.bytes.len().saturating_sub(QUOTED)..];
    String::from_utf8_lossy(bytes).into_owned()
}

//! Runs of agents, reviewers and commands, and what the engine is told of them.

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use brio_runtime::{Metric, Outcome, Output, RunLimits, StopToken, Verdict};
use brio_supervisor::{Kind, Limits, Report, Run, StepKind, Stop};

use super::logs::Log;
use super::network;
use crate::{
    AgentSource, Brio, Enforced, ExecEnd, ExecError, ExecReport, ExecRequest, Grants, NetGrants,
    Place, Ran, Role, RunError, RunRequest, SessionHandle, missing_hosts,
};

/// How much of a command's output a report quotes: its end.
const QUOTED: usize = 4 << 10;
/// No report says more: the queue keeps them all.
const MESSAGE: usize = 16 << 10;
/// So many findings a report quotes, and so many metrics it has.
const MOST: usize = 100;
/// A metric's name, or a code, is no longer than this many characters: what a task file can name.
const NAME: usize = 64;

/// Runs what there is to be run in a session, which stays open. What is told of it is bounded,
/// whatever it says.
pub(super) fn run(
    brio: &Brio,
    session: &SessionHandle,
    run: &Run<'_>,
    caller_env: &[(OsString, OsString)],
    log: &Log,
    stop: &Stop,
) -> Report {
    bounded(whole(brio, session, run, caller_env, log, stop))
}

fn whole(
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
    let granted = match run.what {
        StepKind::Agent(agent) => network::grants(&agent.network, caller_env),
        StepKind::Reviewer(reviewer) => network::grants(&reviewer.network, caller_env),
        StepKind::Command(_) => Ok(NetGrants::default()),
    };
    let granted = match granted {
        Ok(granted) => granted,
        // A variable or a file that is not there now may be there later.
        Err(why) => return Report::failed(Kind::Refused, "SECRET", why),
    };
    match run.what {
        StepKind::Agent(worker) => {
            let mut request = agent(&worker.agent);
            request.role = Some(Role::Worker);
            request.description.clone_from(&worker.task);
            request.input_files.clone_from(&worker.input_files);
            request.args.clone_from(&worker.args);
            request.env.clone_from(&worker.env);
            let grants = worker.grants;
            request.grants = Grants {
                session_fs: grants.session_fs,
                vcs: grants.vcs,
                project_record: grants.project_record,
            };
            request.net = granted;
            of_run(brio.run(request), log)
        }
        StepKind::Reviewer(reviewer) => {
            let mut request = agent(&reviewer.agent);
            request.role = Some(Role::Reviewer);
            request.description.clone_from(&reviewer.task);
            request.args.clone_from(&reviewer.args);
            request.net = granted;
            of_run(brio.run(request), log)
        }
        StepKind::Command(command) => {
            let env = command.env.iter().chain(run.env);
            let last = [LastBytes::default(), LastBytes::default()];
            let output = |last: &LastBytes| Output {
                sink: Some(Box::new(Quoting { log: log.stream(), last: last.clone() })),
                capture: 0,
            };
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
                stdout: output(&last[0]),
                stderr: output(&last[1]),
                stop: token,
                ..ExecRequest::default()
            };
            of_exec(session.exec(request), &last)
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

fn of_run(ran: Result<Ran, RunError>, log: &Log) -> Report {
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
    log.say(&format!("sandbox: {}", ran.enforced));
    if let Enforced::Wasm { instead: Some(why) } = &ran.enforced {
        tracing::warn!(session = %ran.session, "an agent ran in this process, kept by WebAssembly alone: {why}");
    }
    for request in &ran.report.network {
        log.say(&format!("network: {request}"));
    }
    let mut report = Report::default();
    if let Some(output) = &ran.report.output {
        report.message.clone_from(&output.summary);
        report.metrics = metrics(&output.metrics, log);
    }
    if let Some(verdict) = &ran.report.verdict {
        report.message = comments(verdict);
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
        let missing = missing_hosts(&ran.report.network);
        if !missing.is_empty() {
            let hosts = missing.join("\", \"");
            let said =
                format!("\nit was refused the network; allow-hosts = [\"{hosts}\"] allows it");
            report.message.push_str(&said);
        }
    }
    report
}

/// What a reviewer says: its comments, and its findings a line each.
fn comments(verdict: &Verdict) -> String {
    let mut said = verdict.comments.clone();
    for finding in verdict.findings.iter().take(MOST) {
        let path = finding.path.as_deref().unwrap_or("-");
        let line = finding.line.map_or(String::new(), |n| format!(":{n}"));
        said.push_str(&format!("\n{path}{line}: {}: {}", finding.rule, finding.message));
    }
    if let more @ 1.. = verdict.findings.len().saturating_sub(MOST) {
        said.push_str(&format!("\n… and {more} findings more"));
    }
    said
}

/// What can be kept of an agent's figures. What cannot is said in the log.
fn metrics(metrics: &[Metric], log: &Log) -> Vec<(String, f64)> {
    let mut kept: Vec<(String, f64)> = Vec::new();
    for Metric { name, value } in metrics.iter().take(MOST) {
        let name = cut(name, NAME);
        if value.is_finite() {
            kept.push((name, *value));
        } else {
            // No number in JSON.
            tracing::warn!(metric = name, value, "a metric that is not finite is left out");
            log.say(&format!("the metric `{name}` is {value}: it is left out"));
        }
    }
    if let more @ 1.. = metrics.len().saturating_sub(MOST) {
        tracing::warn!(more, "metrics beyond the first {MOST} are left out");
        log.say(&format!("{more} metrics beyond the first {MOST} are left out"));
    }
    kept
}

/// The first characters.
fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// A report that the queue can keep.
fn bounded(mut report: Report) -> Report {
    if report.message.len() > MESSAGE {
        let all = report.message.len();
        // Room for what is said of the rest.
        report.message.truncate(report.message.floor_char_boundary(MESSAGE - 64));
        let more = all - report.message.len();
        report.message.push_str(&format!("\n… and {more} bytes more"));
    }
    report.code = report.code.map(|code| cut(&code, NAME));
    report
}

fn of_exec(ran: Result<ExecReport, ExecError>, last: &[LastBytes]) -> Report {
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
    let said: Vec<_> = last.iter().map(LastBytes::text).collect();
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

/// The last that a stream said.
#[derive(Clone, Default)]
struct LastBytes(Arc<Mutex<Vec<u8>>>);

impl LastBytes {
    fn push(&self, bytes: &[u8]) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = &bytes[bytes.len().saturating_sub(QUOTED)..];
        let over = (last.len() + bytes.len()).saturating_sub(QUOTED);
        last.drain(..over);
        last.extend_from_slice(bytes);
    }

    fn text(&self) -> String {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What it begins with may be the rest of a character.
        let split = last.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        String::from_utf8_lossy(&last[split..]).into_owned()
    }
}

/// A stream that is written to the log, and of which a report quotes the end.
struct Quoting {
    log: Box<dyn Write + Send>,
    last: LastBytes,
}

impl Write for Quoting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.log.write(bytes)?;
        self.last.push(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.log.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use brio_runtime::{Finding, Severity};

    use super::*;
    use crate::supervise::logs::Logs;

    #[test]
    fn a_metric_that_is_no_number_is_left_out_and_said() {
        let dir = tempfile::tempdir().unwrap();
        let log = Logs(dir.path().to_owned()).open("task-a", "coder");
        let metric = |name: &str, value| Metric { name: name.to_owned(), value };
        let mut said = vec![
            metric("rate", f64::INFINITY),
            metric("mean", f64::NAN),
            metric("score", 0.5),
            metric(&"é".repeat(1000), -1.0),
        ];
        let kept = metrics(&said, &log);
        assert_eq!(kept, [("score".to_owned(), 0.5), ("é".repeat(NAME), -1.0)]);
        let json = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Vec<(String, f64)>>(&json).unwrap(), kept);
        let text = std::fs::read_to_string(dir.path().join("task-a.log")).unwrap();
        assert!(text.contains("[coder] the metric `rate` is inf: it is left out\n"), "{text}");
        assert!(text.contains("`mean` is NaN"), "{text}");

        said.extend((0..200).map(|n| metric(&format!("m{n}"), 1.0)));
        assert_eq!(metrics(&said, &log).len(), MOST - 2);
        let text = std::fs::read_to_string(dir.path().join("task-a.log")).unwrap();
        assert!(text.contains("104 metrics beyond the first 100 are left out"), "{text}");
    }

    #[test]
    fn so_many_findings_are_quoted() {
        let finding = |n| Finding {
            severity: Severity::Error,
            rule: "rule".to_owned(),
            message: "what".to_owned(),
            path: Some("a".to_owned()),
            line: Some(n),
        };
        let verdict = |n| Verdict {
            approved: false,
            comments: "no".to_owned(),
            findings: (1..=n).map(finding).collect(),
        };
        assert_eq!(comments(&verdict(2)), "no\na:1: rule: what\na:2: rule: what");
        let said = comments(&verdict(150));
        assert!(said.ends_with("\na:100: rule: what\n… and 50 findings more"), "{said}");
    }

    #[test]
    fn a_message_is_cut_between_characters_and_says_so() {
        for before in 0..4 {
            let message = "x".repeat(before) + &"語".repeat(100_000);
            let said = Report { message: message.clone(), ..Report::default() };
            let report = bounded(said);
            assert!(report.message.len() <= MESSAGE, "{}", report.message.len());
            let (kept, says) = report.message.rsplit_once('\n').unwrap();
            assert!(message.starts_with(kept) && kept.len() > MESSAGE - 100);
            assert_eq!(says, format!("… and {} bytes more", message.len() - kept.len()));
        }
        let said = Report { message: "x".repeat(MESSAGE), ..Report::default() };
        assert_eq!(bounded(said.clone()), said);
    }

    #[test]
    fn of_a_stream_the_end_is_quoted() {
        let last = LastBytes::default();
        for n in 0..10_000 {
            last.push(format!("line {n}\n").as_bytes());
        }
        let text = last.text();
        assert!(text.len() <= QUOTED && text.ends_with("line 9998\nline 9999\n"), "{text}");
        last.push("語".repeat(QUOTED).as_bytes());
        assert_eq!(last.text(), "語".repeat(QUOTED / 3));
    }
}

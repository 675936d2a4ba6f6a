//! Between the records of `brio:core/types` and ours.

use crate::bindings::brio::core::types as wit;
use crate::outcome::{AgentErrorInfo, Finding, Metric, Severity, TaskOutput, Verdict};
use crate::{TaskContext, codes};

pub(crate) fn context(task: &TaskContext) -> wit::TaskContext {
    wit::TaskContext {
        task_id: task.task_id.clone(),
        description: task.description.clone(),
        input_files: task.input_files.clone(),
        session_id: task.session_id.clone(),
    }
}

pub(crate) fn output(o: wit::TaskOutput) -> TaskOutput {
    let metrics = o.metrics.into_iter().map(|m| Metric { name: m.name, value: m.value }).collect();
    TaskOutput { summary: o.summary, metrics }
}

pub(crate) fn verdict(v: wit::Verdict) -> Verdict {
    let findings = v.findings.into_iter().map(|f| Finding {
        severity: match f.severity {
            wit::Severity::Note => Severity::Note,
            wit::Severity::Warning => Severity::Warning,
            wit::Severity::Error => Severity::Error,
        },
        rule: f.rule,
        message: f.message,
        path: f.path,
        line: f.line,
    });
    Verdict { approved: v.approved, comments: v.comments, findings: findings.collect() }
}

pub(crate) fn agent_error(e: wit::AgentError) -> AgentErrorInfo {
    use wit::AgentError as E;
    let (code, message, paths) = match e {
        E::InvalidTask(m) => (codes::INVALID_TASK, m, vec![]),
        E::Failed(m) => (codes::AGENT_FAILED, m, vec![]),
        E::CheckFailed(m) => (codes::CHECK_FAILED, m, vec![]),
        E::Io(f) if f.path.is_empty() => (codes::AGENT_IO, f.message, vec![]),
        E::Io(f) => (codes::AGENT_IO, format!("{}: {}", f.path, f.message), vec![f.path]),
        E::Conflict(m) => (codes::CONFLICT, m, vec![]),
    };
    AgentErrorInfo { code: code.into(), message, paths }
}

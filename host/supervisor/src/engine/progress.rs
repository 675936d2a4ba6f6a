//! How far an attempt came: what is remembered of it, and how it ended.

use std::time::Instant;

use brio_registry::queue::QueueError;
use serde::{Deserialize, Serialize};

use crate::template::{Output, Outputs};
use crate::{Kind, Outcome, PartOutcome, Problem, Report};

/// What the parts of a task reported so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) outputs: Outputs,
    /// The steps that reported something, in order.
    pub(super) reported: Vec<String>,
    pub(super) parts: Vec<PartOutcome>,
    /// Gates whose fix was run.
    pub(super) fixed: Vec<String>,
}

impl Progress {
    pub(super) fn part(&mut self, name: &str, report: &Report, begun: Instant) {
        self.parts.push(PartOutcome {
            name: name.to_owned(),
            failed: report.failed,
            may_fail: false,
            code: report.code.clone(),
            message: report.message.clone(),
            metrics: report.metrics.clone(),
            millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }

    pub(super) fn output(&mut self, name: &str, report: &Report) {
        let output = Output { summary: report.message.clone(), metrics: report.metrics.clone() };
        self.outputs.insert(name.to_owned(), output);
        self.reported.retain(|n| n != name);
        self.reported.push(name.to_owned());
    }

    /// What the last step that reported something says.
    pub(super) fn summary(&self) -> Option<&str> {
        self.reported.last().and_then(|step| self.outputs.get(step)).map(|o| o.summary.as_str())
    }

    /// The metric of the last step that has one by this name.
    pub(super) fn metric(&self, name: &str) -> Option<f64> {
        let outputs = self.reported.iter().rev().filter_map(|step| self.outputs.get(step));
        let mut metrics = outputs.flat_map(|o| o.metrics.iter().rev());
        metrics.find(|(n, value)| n == name && !value.is_nan()).map(|(_, value)| *value)
    }
}

/// Kept in the queue with a running or waiting job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Memo {
    /// The work is done: what is left is to ask the gates, and to land.
    Gates(Progress),
    /// It has ended: what is left is what it does then, from this hook on.
    After(Outcome, usize),
}

/// Why a task does not go on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stumble {
    pub(super) kind: Kind,
    /// What the task calls it, if the part that stumbled says.
    pub(super) name: Option<String>,
    pub(super) code: Option<String>,
    pub(super) message: String,
}

impl Stumble {
    pub(super) fn new(kind: Kind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, name: None, code: Some(code.to_owned()), message: message.into() }
    }

    pub(super) fn called(self, name: Option<&String>) -> Self {
        Self { name: name.cloned().or(self.name), ..self }
    }
}

impl From<Problem> for Stumble {
    fn from(p: Problem) -> Self {
        Self { kind: p.kind.end(), name: None, code: Some(p.code), message: p.message }
    }
}

/// Why the engine stops working on a job, which is not the job's end.
#[derive(Debug)]
pub(super) enum Halt {
    /// The queue cannot be used.
    Queue(QueueError),
    /// The job has another owner by now.
    Lost,
}

impl From<QueueError> for Halt {
    fn from(e: QueueError) -> Self {
        Self::Queue(e)
    }
}

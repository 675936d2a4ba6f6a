//! The common shapes of work, a call each: what comes of it is a [`Task`] like any other, which
//! still wants a [`base`](Task::base) and may be refined. Whatever fails, no session is left.
//!
//! `example-agents/recipes` has each of them as a task file, and nothing else: what a call makes
//! is what its file says.

use crate::{
    Agent, Child, Command, Gate, GateKind, Hook, Land, Mendable, Names, Order, Retry, Reviewer,
    Step, Task,
};

/// One agent in one session: it lands when the agent succeeds.
pub fn single(name: &str, agent: Step) -> Task {
    Task::new(name).step(agent)
}

/// Several tasks on one base at once, each with a session of its own and landed by its own result.
pub fn parallel(name: &str, tasks: impl IntoIterator<Item = Task>) -> Task {
    tasks.into_iter().fold(Task::group(name), Task::child)
}

/// A session with experiments in branches of it, one after another: those that succeed land in it,
/// the others are rolled back, and then it lands.
pub fn nested(name: &str, prepare: Step, experiments: impl IntoIterator<Item = Child>) -> Task {
    let mut task = Task::new(name).step(prepare).order(Order::Sequence);
    task.children.tasks = experiments.into_iter().collect();
    task
}

/// Several ways of doing the same in branches of one session: the one that scores highest lands.
pub fn pick_best(name: &str, metric: &str, ways: impl IntoIterator<Item = Task>) -> Task {
    let best = Task::new(name).land(Land::Best(metric.to_owned()));
    ways.into_iter().fold(best, Task::child)
}

/// A feature that a reviewer approves of, who sees exactly what would land: `Success`, `Failed`,
/// `Rejected` or `CommitFailed`.
pub fn feature_branch(name: &str, coder: Step, reviewer: Reviewer) -> Task {
    Task::new(name).step(coder).gate(Gate::new("review", reviewer))
}

/// An experiment that lands when its tests pass: `Success`, `ImplementationError` or
/// `FailedTests`.
pub fn experiment(name: &str, implement: Step, tests: Command) -> Task {
    let tests = Gate::new("tests", tests).rejected_as("FailedTests");
    Task::new(name).step(implement.failed_as("ImplementationError")).gate(tests)
}

/// An experiment that lands when a metric that its step reports is above a threshold: `Kept`,
/// `Discarded` or `Failed`.
pub fn experiment_above(name: &str, improve: Step, metric: &str, above: f64) -> Task {
    let worth = GateKind::Metric { metric: metric.to_owned(), above };
    let names = Names { landed: "Kept".into(), rejected: "Discarded".into(), ..Names::default() };
    Task::new(name).step(improve).gate(Gate::new("worth-it", worth)).names(names)
}

/// Work that several look at, at once, each in a branch of its own: it lands when all of them
/// agree. `Approved` or `Rejected`; one that breaks has not agreed.
pub fn parallel_review(name: &str, coder: Step, reviewers: impl IntoIterator<Item = Gate>) -> Task {
    let names = Names { landed: "Approved".into(), ..Names::default() };
    reviewers.into_iter().fold(Task::new(name).step(coder).names(names), Task::gate)
}

/// The smallest fix, first in the queue, with the one test that matters: it lands and is deployed
/// (`Deployed`), or is rolled back and somebody is called (`Escalated`).
pub fn hotfix(name: &str, fix: Step, test: Gate, deploy: Command, escalate: Command) -> Task {
    Task::new(name)
        .priority(100)
        .step(fix)
        .gate(test)
        .after_landed(Hook::new("deploy", deploy).done_as("Deployed"))
        .after_failed(Hook::new("escalate", escalate).done_as("Escalated"))
}

/// Several in one session, one after another, each of whom sees what those before did: it lands
/// when all of them succeed.
pub fn shared_session(name: &str, steps: impl IntoIterator<Item = Step>) -> Task {
    steps.into_iter().fold(Task::new(name), Task::step)
}

/// Each step is told what the ones before it found, by `{planner.summary}` in its text; the
/// reviewer decides.
pub fn pipeline(name: &str, planner: Agent, coder: Agent, reviewer: Reviewer) -> Task {
    Task::new(name)
        .step(Step::new("planner", planner))
        .step(Step::new("coder", coder))
        .gate(Gate::new("reviewer", reviewer))
}

/// A feature with tests, a lint that may mend what it finds, and a review if there is to be one;
/// tried again where others changed the same. `Success`, `Failed`, `TestsFailed`, `LintFailed`,
/// `Rejected` or `CommitFailed`.
pub fn feature(
    name: &str,
    implement: Step,
    tests: Gate,
    lint: (Command, Option<Command>),
    review: Option<Reviewer>,
) -> Task {
    let (command, fix) = lint;
    let lint = Gate::new("lint", GateKind::Command { command, fix });
    let task = Task::new(name)
        .step(implement)
        .gate(tests.rejected_as("TestsFailed"))
        .gate(lint.rejected_as("LintFailed"))
        .retry(Retry { attempts: 3, on: vec![Mendable::Conflict], ..Retry::default() });
    match review {
        Some(reviewer) => task.gate(Gate::new("review", reviewer)),
        None => task,
    }
}

//! From work that is done to a landing: seal, ask the gates, commit what they saw.

use std::time::Instant;

use brio_registry::queue::Decision;

use super::progress::{Progress, Stumble};
use super::work::{Worker, filled};
use crate::{
    Commit, Gate, GateKind, Kind, Limits, On, Policy, Problem, ProblemKind, Report, Run, StepKind,
    Task,
};

/// How often the gates are asked again because what they saw is not there any more.
const ROUNDS: u32 = 20;

/// What became of work that was done.
pub(super) enum Settled {
    /// It landed; on the base, as this landing, unless there was nothing to land.
    Landed(Option<u64>),
    /// A person has to decide about this seal, and has not among so many decisions.
    Waits(String),
}

/// What persons said.
pub(super) type Said<'a> = &'a dyn Fn() -> Result<Vec<Decision>, Stumble>;

impl Worker<'_> {
    /// Asks the gates about exactly what lands, and lands exactly that. `said` is what persons
    /// said of the session; without it none is asked.
    pub(super) fn settle(
        &self,
        task: &Task,
        session: &str,
        at: &str,
        progress: &mut Progress,
        said: Option<Said<'_>>,
    ) -> Result<Settled, Stumble> {
        if task.gates.is_empty() {
            self.go_on()?;
            return Ok(Settled::Landed(self.commit(task, session, None)?));
        }
        let before = progress.parts.len();
        for _ in 0..ROUNDS {
            self.go_on()?;
            let seal = match self.runner.seal(session) {
                Err(Problem { kind: ProblemKind::SealBroken, .. }) => {
                    self.runner.rebase(session, &task.landing)?;
                    continue;
                }
                // The base was edited where the session changed it: the policy may settle that.
                Err(Problem { kind: ProblemKind::Conflict, .. })
                    if task.landing.policy != Policy::Reject =>
                {
                    self.runner.rebase(session, &task.landing)?;
                    continue;
                }
                seal => seal?,
            };
            // Only what the last round said counts.
            progress.parts.truncate(before);
            match self.ask(task, session, &seal, at, progress, said)? {
                Asked::Passed => {}
                Asked::Fixed => continue,
                Asked::Waits => return Ok(Settled::Waits(seal)),
            }
            self.go_on()?;
            match self.commit(task, session, Some(&seal)) {
                Ok(landing) => return Ok(Settled::Landed(landing)),
                Err(Problem { kind: ProblemKind::SealBroken, .. }) => {}
                Err(problem) => return Err(problem.into()),
            }
        }
        let what = format!("the base changed {ROUNDS} times while the gates looked");
        Err(Stumble::new(Kind::Refused, "SEAL_BROKEN", what))
    }

    fn commit(
        &self,
        task: &Task,
        session: &str,
        seal: Option<&str>,
    ) -> Result<Option<u64>, Problem> {
        let (landing, goal) = (&task.landing, task.goal.as_deref());
        self.runner.commit(&Commit { session, landing, goal, seal })
    }

    fn ask(
        &self,
        task: &Task,
        session: &str,
        seal: &str,
        at: &str,
        progress: &mut Progress,
        said: Option<Said<'_>>,
    ) -> Result<Asked, Stumble> {
        let begun = Instant::now();
        // Whoever does not wait for a person is asked at once; all are, for what they say.
        let reports: Vec<Option<Report>> = std::thread::scope(|scope| {
            let quoted = &*progress;
            let asked = task.gates.iter().map(|gate| match what(gate) {
                None => Ok(None),
                Some(what) => std::thread::Builder::new()
                    .spawn_scoped(scope, move || match filled(&what, quoted) {
                        Ok(what) => {
                            self.look(gate, &what, gate.limits.or(task.limits), session, at)
                        }
                        Err(e) => Report::failed(Kind::Unusable, "TASK", e),
                    })
                    .map(Some),
            });
            let asked: Vec<_> = asked.collect();
            let reports = asked.into_iter().map(|asked| match asked {
                Ok(None) => None,
                Ok(Some(thread)) => Some(thread.join().unwrap_or_else(|_| {
                    Report::failed(Kind::Rejected, "PANIC", "the supervisor panicked")
                })),
                Err(e) => Some(Report::failed(Kind::Refused, "IO", e)),
            });
            reports.collect()
        });
        self.go_on()?;
        let mut no = None;
        for (gate, report) in task.gates.iter().zip(reports) {
            let report = match (&gate.kind, report) {
                (GateKind::Metric { metric, above }, _) => measured(progress, metric, *above),
                (_, Some(report)) => report,
                (_, None) => continue,
            };
            // What it saw was not good: that may be mended. Whatever else keeps a gate from saying
            // yes is a no as well.
            let mendable = report.failed == Some(Kind::Failed);
            let report = Report { failed: report.failed.map(|_| Kind::Rejected), ..report };
            self.part(progress, at, &gate.name, &report, begun);
            let Some(kind) = report.failed else { continue };
            if let GateKind::Command { fix: Some(fix), .. } = &gate.kind
                && mendable
                && !progress.fixed.contains(&gate.name)
            {
                progress.fixed.push(gate.name.clone());
                let begun = Instant::now();
                let name = format!("{}: fix", gate.name);
                let report = self.run(&Run {
                    job: self.job,
                    part: &format!("{at}{name}"),
                    on: On::Session(session),
                    branch: false,
                    what: &StepKind::Command(fix.clone()),
                    env: &[],
                    limits: gate.limits.or(task.limits),
                });
                self.part(progress, at, &name, &report, begun);
                return match self.judged(report, &name) {
                    Ok(()) => Ok(Asked::Fixed),
                    Err(s) => Err(rejected(s, gate)),
                };
            }
            no = no.or_else(|| {
                let message = format!("{}: {}", gate.name, report.message);
                Some(rejected(Stumble { kind, name: None, code: report.code, message }, gate))
            });
        }
        if let Some(no) = no {
            return Err(no);
        }
        for gate in &task.gates {
            let GateKind::Person(question) = &gate.kind else { continue };
            let Some(said) = said else {
                let what = "a person is asked for a whole task, not for a child of one";
                return Err(Stumble::new(Kind::Unusable, "TASK", what));
            };
            let said = said()?;
            let Some(decision) = said.iter().rev().find(|d| d.seal == seal) else {
                tracing::info!(session, question, "waits for a person");
                return Ok(Asked::Waits);
            };
            let message = format!("{}: {}", decision.author, decision.comment);
            let failed = (!decision.approved).then_some(Kind::Rejected);
            let code = failed.map(|_| "REJECTED".to_owned());
            let report = Report { failed, code, message, metrics: Vec::new() };
            self.part(progress, at, &gate.name, &report, begun);
            self.judged(report, &gate.name).map_err(|s| rejected(s, gate))?;
        }
        Ok(Asked::Passed)
    }

    /// Has a gate look, from a branch that is thrown away.
    fn look(
        &self,
        gate: &Gate,
        what: &StepKind,
        limits: Limits,
        session: &str,
        at: &str,
    ) -> Report {
        self.run(&Run {
            job: self.job,
            part: &format!("{at}{}", gate.name),
            on: On::Session(session),
            branch: true,
            what,
            env: &[],
            limits,
        })
    }
}

enum Asked {
    Passed,
    /// The session is another now.
    Fixed,
    Waits,
}

/// What a gate runs, if it runs something.
fn what(gate: &Gate) -> Option<StepKind> {
    match &gate.kind {
        GateKind::Reviewer(reviewer) => Some(StepKind::Reviewer(reviewer.clone())),
        GateKind::Command { command, .. } => Some(StepKind::Command(command.clone())),
        GateKind::Person(_) | GateKind::Metric { .. } => None,
    }
}

fn measured(progress: &Progress, metric: &str, above: f64) -> Report {
    match progress.metric(metric) {
        Some(value) if value > above => {
            Report { message: format!("{metric} is {value}, above {above}"), ..Report::default() }
        }
        Some(value) => {
            let what = format!("{metric} is {value}, not above {above}");
            Report::failed(Kind::Rejected, "THRESHOLD", what)
        }
        None => Report::failed(Kind::Rejected, "NO_METRIC", format!("no step reported `{metric}`")),
    }
}

fn rejected(stumble: Stumble, gate: &Gate) -> Stumble {
    stumble.called(gate.rejected_as.as_ref())
}

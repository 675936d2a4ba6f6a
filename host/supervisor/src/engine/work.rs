//! The work of a task: its steps, and its children.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::progress::{Progress, Stumble};
use crate::{
    Begin, Child, Event, Kind, Land, Limits, On, Order, PartOutcome, Report, Run, Runner, Step,
    StepKind, Stop, Task, template,
};

/// A job's tasks, carried out.
#[derive(Clone, Copy)]
pub(super) struct Worker<'a> {
    pub(super) runner: &'a dyn Runner,
    pub(super) job: &'a str,
    pub(super) label: &'a str,
    pub(super) stop: &'a Stop,
    pub(super) tell: &'a (dyn Fn(Event) + Sync),
}

/// A child that has done its work in its branch, or has failed and has none any more.
struct Worked {
    ended: Result<String, Stumble>,
    progress: Progress,
}

impl Worker<'_> {
    /// The steps and the children of a task, in its session. `at` is the way to the task, with a
    /// slash at its end, empty for the job's own.
    pub(super) fn work(
        &self,
        task: &Task,
        session: &str,
        at: &str,
        progress: &mut Progress,
    ) -> Result<(), Stumble> {
        for step in &task.steps {
            self.step(step, step.limits.or(task.limits), session, at, progress)?;
        }
        if task.children.tasks.is_empty() {
            Ok(())
        } else {
            self.children(task, session, at, progress)
        }
    }

    fn step(
        &self,
        step: &Step,
        limits: Limits,
        session: &str,
        at: &str,
        progress: &mut Progress,
    ) -> Result<(), Stumble> {
        let begun = Instant::now();
        let report = match filled(&step.kind, progress) {
            Ok(what) => self.run(&Run {
                job: self.job,
                part: &format!("{at}{}", step.name),
                on: On::Session(session),
                branch: false,
                what: &what,
                env: &[],
                limits,
            }),
            Err(e) => Report::failed(Kind::Unusable, "TASK", e),
        };
        self.part(progress, at, &step.name, &report, begun);
        progress.output(&step.name, &report);
        self.judged(report, &step.name).map_err(|s| s.called(step.failed_as.as_ref()))
    }

    /// Notes and tells how a part ended.
    pub(super) fn part(
        &self,
        progress: &mut Progress,
        at: &str,
        name: &str,
        report: &Report,
        begun: Instant,
    ) {
        progress.part(name, report, begun);
        (self.tell)(Event::Part {
            job: self.job.to_owned(),
            part: format!("{at}{name}"),
            failed: report.failed,
            message: report.message.clone(),
        });
    }

    /// Runs something. A defect of the runner is a failure of what it ran.
    pub(super) fn run(&self, run: &Run<'_>) -> Report {
        let (job, part) = (self.job.to_owned(), run.part.to_owned());
        (self.tell)(Event::PartBegan { job, part });
        let ran = catch_unwind(AssertUnwindSafe(|| self.runner.run(run, self.stop)));
        let mut report =
            ran.unwrap_or_else(|_| Report::failed(Kind::Stopped, "PANIC", "the run panicked"));
        // What is no number cannot be kept, or compared.
        report.metrics.retain(|(_, value)| value.is_finite());
        report
    }

    pub(super) fn judged(&self, report: Report, name: &str) -> Result<(), Stumble> {
        self.go_on()?;
        match report.failed {
            None => Ok(()),
            Some(kind) => Err(Stumble {
                kind,
                name: None,
                code: report.code,
                message: format!("{name}: {}", report.message),
            }),
        }
    }

    /// Whether nobody wants it to end.
    pub(super) fn go_on(&self) -> Result<(), Stumble> {
        match self.stop.why() {
            None => Ok(()),
            Some(_) => Err(Stumble::new(Kind::Cancelled, "CANCELLED", "it was cancelled")),
        }
    }

    fn children(
        &self,
        task: &Task,
        session: &str,
        at: &str,
        progress: &mut Progress,
    ) -> Result<(), Stumble> {
        let children = &task.children;
        let one_by_one = !matches!(children.land, Land::Best(_));
        if children.order == Order::Sequence && one_by_one {
            for child in &children.tasks {
                let done = self.child(child, session, at);
                let landed = self.land(child, done, at, progress);
                if children.land == Land::All && !child.may_fail {
                    landed?;
                }
                self.go_on()?;
            }
            return Ok(());
        }
        let worked = self.all_children(task, session, at);
        if let Err(stopped) = self.go_on() {
            for session in worked.iter().filter_map(|w| w.ended.as_ref().ok()) {
                self.give_up(session);
            }
            return Err(stopped);
        }
        let mut worked: Vec<_> = children.tasks.iter().zip(worked).collect();
        if let Land::Best(metric) = &children.land {
            return self.best(worked, metric, at, progress);
        }
        let all = children.land == Land::All;
        let bad = worked.iter().any(|(child, worked)| !child.may_fail && worked.ended.is_err());
        let mut why = None;
        for (child, worked) in worked.drain(..) {
            let landed = if all && (bad || why.is_some()) {
                self.not_chosen(child, worked, at, progress)
            } else {
                self.land(child, worked, at, progress)
            };
            if all && !child.may_fail {
                why = why.or(landed.err());
            }
        }
        why.map_or(Ok(()), Err)
    }

    /// Has all children work, at once or one after another.
    fn all_children(&self, task: &Task, session: &str, at: &str) -> Vec<Worked> {
        let children = &task.children;
        if children.order == Order::Sequence {
            return children.tasks.iter().map(|child| self.child(child, session, at)).collect();
        }
        std::thread::scope(|scope| {
            let working = children.tasks.iter().map(|child| {
                let work = move || self.child(child, session, at);
                std::thread::Builder::new().spawn_scoped(scope, work)
            });
            let working: Vec<_> = working.collect();
            let joined = working.into_iter().map(|thread| {
                let thread = thread.map_err(|e| e.to_string())?;
                thread.join().map_err(|_| "it panicked".to_owned())
            });
            let worked = joined.map(|joined| {
                joined.unwrap_or_else(|why| Worked {
                    ended: Err(Stumble::new(Kind::Stopped, "PANIC", why)),
                    progress: Progress::default(),
                })
            });
            worked.collect()
        })
    }

    /// Has a child work in a branch of its own, which is gone when it fails.
    fn child(&self, child: &Child, session: &str, at: &str) -> Worked {
        let task = &child.task;
        let begun = self.runner.begin(&Begin {
            on: On::Session(session),
            label: self.label,
            goal: task.goal.as_deref(),
            name: &task.name,
            landing: &task.landing,
        });
        let mut progress = Progress::default();
        let session = match begun {
            Ok(session) => session,
            Err(problem) => return Worked { ended: Err(problem.into()), progress },
        };
        let below = format!("{at}{}/", task.name);
        let work = AssertUnwindSafe(|| self.work(task, &session, &below, &mut progress));
        let panicked = |_| Err(Stumble::new(Kind::Stopped, "PANIC", "the supervisor panicked"));
        match catch_unwind(work).unwrap_or_else(panicked) {
            Ok(()) => Worked { ended: Ok(session), progress },
            Err(stumble) => {
                self.give_up(&session);
                Worked { ended: Err(stumble), progress }
            }
        }
    }

    /// Asks a child's gates, and lands it in its parent. What becomes of it is among the parts.
    fn land(
        &self,
        child: &Child,
        mut worked: Worked,
        at: &str,
        progress: &mut Progress,
    ) -> Result<(), Stumble> {
        let begun = Instant::now();
        let ended = worked.ended.and_then(|session| {
            let below = format!("{at}{}/", child.task.name);
            let settled = self.settle(&child.task, &session, &below, &mut worked.progress, None);
            // Without what persons said, nobody waits.
            let ended = settled.map(|_| ());
            if ended.is_err() {
                self.give_up(&session);
            }
            ended
        });
        tell(child, worked.progress, ended.as_ref().err(), begun, progress);
        ended.map_err(|s| of(child, s))
    }

    /// Lands the best of those that can land.
    fn best(
        &self,
        children: Vec<(&Child, Worked)>,
        metric: &str,
        at: &str,
        progress: &mut Progress,
    ) -> Result<(), Stumble> {
        let mut good = Vec::new();
        let mut why = None;
        for (child, mut worked) in children {
            let score = worked.progress.metric(metric);
            if let (Ok(session), None) = (&worked.ended, score) {
                self.give_up(session);
                let text = format!("it reported no `{metric}`");
                worked.ended = Err(Stumble::new(Kind::Failed, "NO_METRIC", text));
            }
            match (score, &worked.ended) {
                (Some(score), Ok(_)) => good.push((score, child, worked)),
                _ => why = why.or(self.land(child, worked, at, progress).err()),
            }
        }
        // Stable: of equals the first one stays first.
        good.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut landed = false;
        for (_, child, worked) in good {
            let ended = if landed {
                self.not_chosen(child, worked, at, progress)
            } else {
                self.land(child, worked, at, progress).inspect(|()| landed = true)
            };
            why = why.or(ended.err());
        }
        if landed {
            // One of several was wanted, and one there is.
            progress.parts.iter_mut().for_each(|part| part.may_fail = true);
            return Ok(());
        }
        let nobody = || Stumble::new(Kind::Failed, "NO_METRIC", "there was none to choose");
        Err(why.unwrap_or_else(nobody))
    }

    /// Rolls a child back that is not wanted; one that failed by itself says how.
    fn not_chosen(
        &self,
        child: &Child,
        worked: Worked,
        at: &str,
        progress: &mut Progress,
    ) -> Result<(), Stumble> {
        let Ok(session) = &worked.ended else { return self.land(child, worked, at, progress) };
        self.give_up(session);
        let message = "it was good, and is not wanted".to_owned();
        let stumble = Stumble { kind: Kind::NotChosen, name: None, code: None, message };
        tell(child, worked.progress, Some(&stumble), Instant::now(), progress);
        if let Some(part) = progress.parts.last_mut() {
            part.may_fail = true;
        }
        Ok(())
    }

    /// Rolls a session back. False: it cannot be; a branch goes with the session that it is of.
    pub(super) fn give_up(&self, session: &str) -> bool {
        let done = self.runner.rollback(session);
        if let Err(error) = &done {
            tracing::warn!(job = self.job, session, %error, "not rolled back");
        }
        done.is_ok()
    }
}

/// Puts what a child did among the parts of its parent.
fn tell(
    child: &Child,
    mut of_child: Progress,
    stumble: Option<&Stumble>,
    begun: Instant,
    progress: &mut Progress,
) {
    let name = &child.task.name;
    for mut part in of_child.parts.drain(..) {
        part.name = format!("{name}/{}", part.name);
        // It counts through its child.
        part.may_fail = true;
        progress.parts.push(part);
    }
    let metrics = of_child.reported.last().and_then(|step| of_child.outputs.get(step));
    progress.parts.push(PartOutcome {
        name: name.clone(),
        failed: stumble.map(|s| s.kind),
        may_fail: child.may_fail,
        code: stumble.and_then(|s| s.code.clone()),
        message: stumble.map_or_else(|| metrics.map_or("", |o| &o.summary), |s| &s.message).into(),
        metrics: metrics.map(|o| o.metrics.clone()).unwrap_or_default(),
        millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
}

fn of(child: &Child, stumble: Stumble) -> Stumble {
    Stumble { message: format!("{}: {}", child.task.name, stumble.message), ..stumble }
}

/// A step with what its text quotes.
pub(super) fn filled(
    kind: &StepKind,
    progress: &Progress,
) -> Result<StepKind, template::TemplateError> {
    let mut kind = kind.clone();
    match &mut kind {
        StepKind::Agent(agent) => agent.task = template::fill(&agent.task, &progress.outputs)?,
        StepKind::Reviewer(reviewer) => {
            reviewer.task = template::fill(&reviewer.task, &progress.outputs)?;
        }
        // A command is what it is: a text of an agent is no part of it.
        StepKind::Command(_) => {}
    }
    Ok(kind)
}

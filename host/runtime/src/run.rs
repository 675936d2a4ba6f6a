//! One run: set up, called, judged, cleaned up.

use std::time::Duration;

use brio_session::FsError;
use wasmtime::{Store, UpdateDeadline};

use crate::core::{agent_error, context, output, verdict};
use crate::judge::{Killed, Returned, judge, without_return};
use crate::limits::Cause;
use crate::load::Entry;
use crate::output::Outputs;
use crate::state::State;
use crate::watch::Watch;
use crate::{Agent, Engine, Limit, RunReport, RunSpec, TaskContext, Usage, Workspace, codes};

impl Engine {
    /// Runs an agent to its end, on the calling thread (inside of a tokio runtime on a thread
    /// of its own), and reports how it ended. Whatever the guest does, this returns.
    ///
    /// Child sessions that are still open at the end are rolled back.
    pub fn run(&self, agent: &Agent, spec: RunSpec) -> RunReport {
        self.on_own_thread(|| self.run_here(agent, spec, outputs))
    }

    /// As [`run`](Self::run), on this thread, with what is put out going on at once.
    #[cfg(target_os = "linux")]
    pub(crate) fn run_to(
        &self,
        agent: &Agent,
        spec: RunSpec,
        sinks: [Box<dyn std::io::Write + Send>; 2],
    ) -> RunReport {
        self.run_here(agent, spec, |spec, cause| Outputs::direct(sinks, spec.limits.output, cause))
    }

    /// Blocks the calling thread, or, inside of a tokio runtime, another one.
    pub(crate) fn on_own_thread(&self, run: impl FnOnce() -> RunReport + Send) -> RunReport {
        if tokio::runtime::Handle::try_current().is_err() {
            return run();
        }
        let refused = || {
            let message = "the host has no thread for one more run";
            RunReport::refused(codes::HOST_BUSY, message.into())
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("brio-run".into());
            let run = thread.spawn_scoped(scope, run);
            match run.map(|run| run.join()) {
                Ok(Ok(report)) => report,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                Err(_) => refused(),
            }
        })
    }

    /// The report of a run that cannot be.
    pub(crate) fn refusal(&self, agent: &Agent, spec: &RunSpec) -> Option<RunReport> {
        let invalid = |message| Some(RunReport::refused(codes::RUN_INVALID, message));
        if let Err(message) = spec.check() {
            return invalid(message);
        }
        if !agent.is_of(self) {
            return invalid("the agent was loaded by another engine".into());
        }
        let granted = |grant: &str| match grant {
            "session-fs" => spec.sessions.is_some(),
            "project-record" => spec.records.is_some(),
            _ => false,
        };
        let missing = agent.needs().iter().find(|grant| !granted(grant))?;
        let message = format!(
            "the agent imports brio:core/{missing}, which this run was not granted; \
             run it with --grant {missing}"
        );
        Some(RunReport::refused(codes::NOT_GRANTED, message))
    }

    fn run_here(
        &self,
        agent: &Agent,
        mut spec: RunSpec,
        outputs: impl FnOnce(&mut RunSpec, &Cause) -> Outputs,
    ) -> RunReport {
        if let Some(report) = self.refusal(agent, &spec) {
            return report;
        }
        let entry = match &spec.view {
            Workspace::Session(_) => agent.session(),
            Workspace::Plain(_) => match agent.plain(self) {
                Ok(entry) => entry,
                Err(e) => return RunReport::refused(e.code(), e.to_string()),
            },
        };
        let cause = Cause::default();
        let outputs = outputs(&mut spec, &cause);
        let watch = Watch::new(&spec, &cause);
        let state = match State::new(&spec, &outputs, &watch) {
            Ok(state) => state,
            Err(e) => {
                return RunReport::refused(codes::RUN_INVALID, format!("{}: {e}", spec.at));
            }
        };
        let run = Run { engine: self, spec: &spec, cause, watch };
        run.go(entry, state, outputs)
    }
}

/// What is shown beside the run, and kept for its report.
pub(crate) fn outputs(spec: &mut RunSpec, cause: &Cause) -> Outputs {
    let streams = (std::mem::take(&mut spec.stdout), std::mem::take(&mut spec.stderr));
    Outputs::new(streams.0, streams.1, spec.limits.output, cause)
}

impl Engine {
    /// Waits until all that was put out is shown, and hands what was kept of it to the report.
    pub(crate) fn drain(&self, spec: &RunSpec, outputs: &mut Outputs, report: &mut RunReport) {
        self.0.timers.block_on(async {
            // A sink that does not take what is left must not hold the report for ever.
            tokio::select! {
                () = outputs.drained() => {}
                () = spec.stop.stopped() => {}
                () = tokio::time::sleep(spec.limits.wall.max(Duration::from_secs(5))) => {}
            }
        });
        report.stdout = outputs.stdout.captured();
        report.stderr = outputs.stderr.captured();
    }
}

struct Run<'a> {
    engine: &'a Engine,
    spec: &'a RunSpec,
    cause: Cause,
    watch: Watch,
}

impl Run<'_> {
    fn go(self, entry: &Entry, state: State, mut outputs: Outputs) -> RunReport {
        let inner = &self.engine.0;
        let (before, hit_before) = (self.written(), self.limit_hit().is_some());
        let mut store = Store::new(&inner.wasm, state);
        store.limiter(|s| &mut s.meter);
        store.set_epoch_deadline(1);
        #[cfg(feature = "wasi-0-3")]
        crate::wasi3::limit(&mut store, self.spec.limits.handles);
        self.watch(&mut store, self.watch.clone());
        let ended = {
            let _ticking = inner.ticker.running();
            inner.timers.block_on(async {
                tokio::select! {
                    biased;
                    ended = call(entry, &mut store, &self.spec.task) => {
                        ended.and_then(|r| self.bounded(r))
                    }
                    () = self.spec.stop.stopped() => Err(Killed.into()),
                    () = tokio::time::sleep(self.spec.limits.wall) => Err(self.cause.hit(Limit::Time).into()),
                }
            })
        };
        let mut state = store.into_data();
        state.core_end();
        let network = state.http.close();
        // A limit that an earlier run on this view met is not this run's.
        let hit = if hit_before { None } else { self.limit_hit() };
        let mut report = judge(ended, self.cause.get(), hit);
        without_return(entry, &mut report);
        report.network = network;
        report.usage = Usage {
            wall: self.watch.wall(),
            cpu: self.watch.cpu(),
            memory: state.meter.peak(),
            output: self.cause.output(),
            written: self.written().0.saturating_sub(before.0),
            files: self.written().1.saturating_sub(before.1),
        };
        drop(state);
        self.engine.drain(self.spec, &mut outputs, &mut report);
        report
    }

    /// What a guest returns counts beside what it has put out.
    fn bounded(&self, returned: Returned) -> wasmtime::Result<Returned> {
        let all = self.cause.output().saturating_add(returned.size() as u64);
        match all <= self.spec.limits.output {
            true => Ok(returned),
            false => Err(self.cause.hit(Limit::Output).into()),
        }
    }

    fn limit_hit(&self) -> Option<FsError> {
        match &self.spec.view {
            Workspace::Session(files) => files.limit_hit(),
            Workspace::Plain(_) => None,
        }
    }

    fn written(&self) -> (u64, u64) {
        match &self.spec.view {
            Workspace::Session(files) => files.written(),
            Workspace::Plain(_) => (0, 0),
        }
    }

    /// At every epoch: has somebody stopped the run, is its time over?
    fn watch(&self, store: &mut Store<State>, watch: Watch) {
        store.epoch_deadline_callback(move |_| {
            watch.tick();
            watch.check().map(|()| UpdateDeadline::Continue(1))
        });
    }
}

async fn call(
    entry: &Entry,
    store: &mut Store<State>,
    task: &TaskContext,
) -> wasmtime::Result<Returned> {
    Ok(match entry {
        Entry::Agent(pre) => {
            let agent = pre.instantiate_async(&mut *store).await?;
            let result = agent.brio_core_run().call_run(store, &context(task)).await?;
            Returned::Agent(result.map(output).map_err(agent_error))
        }
        Entry::Reviewer(pre) => {
            let reviewer = pre.instantiate_async(&mut *store).await?;
            let result = reviewer.brio_core_review().call_review(store, &context(task)).await?;
            Returned::Reviewer(result.map(verdict).map_err(agent_error))
        }
        Entry::Command(pre) => {
            let command = pre.instantiate_async(&mut *store).await?;
            Returned::Command(command.wasi_cli_run().call_run(store).await?)
        }
        #[cfg(feature = "wasi-0-3")]
        Entry::Command3(pre) => Returned::Command(crate::wasi3::call(pre, store).await?),
    })
}

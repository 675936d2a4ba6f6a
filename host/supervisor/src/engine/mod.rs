//! The engine: takes jobs from the queue and carries each to its end, on a thread of its own.

mod gates;
mod job;
mod progress;
mod work;

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use brio_registry::queue::{Job, Owner, Queue, QueueError, is_alive};

use crate::{Event, Runner, Stop, Tell, Why};
use job::Carrier;
use progress::Halt;

/// How often is looked for a job that another process cancelled, while some run.
const CANCEL_POLL: Duration = Duration::from_millis(50);
/// How often is looked for what another process submitted, when nobody says so.
const SUBMIT_POLL: Duration = Duration::from_millis(500);
/// How often is looked whether an owner has died.
const OWNERS_POLL: Duration = Duration::from_secs(2);

/// How the engine works.
#[derive(Clone)]
pub struct Options {
    /// Jobs that run at once, at least 1.
    pub jobs: usize,
    /// Only the jobs of this submission; the engine ends when they have, or wait for a person. `None`: all, until it is
    /// stopped.
    pub only: Option<String>,
    /// The wall clock, in milliseconds since the Unix epoch.
    pub now: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Told of what happens, by the thread that it happens on; dropped when the engine has ended.
    pub events: Tell,
}

/// The engine at work. Dropping it stops it.
pub struct Engine {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Arc<Queue>,
    runner: Arc<dyn Runner>,
    owner: Owner,
    owners: PathBuf,
    jobs: usize,
    only: Option<String>,
    now: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// None when the engine has ended.
    events: Mutex<Option<Tell>>,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    running: HashMap<String, Stop>,
    /// Jobs that this owner has and nobody works on, with when that is to change.
    orphans: Vec<(Instant, String)>,
    woken: bool,
    stopping: bool,
}

impl Engine {
    /// Starts to work on the queue. `owners` is the directory in which the processes that do so
    /// know each other.
    ///
    /// # Errors
    /// When this process cannot become an owner, or a thread cannot be made.
    pub fn start(
        queue: Arc<Queue>,
        runner: Arc<dyn Runner>,
        owners: &Path,
        options: Options,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue,
            runner,
            owner: Owner::new(owners)?,
            owners: owners.to_owned(),
            jobs: options.jobs.max(1),
            only: options.only,
            now: options.now,
            events: Mutex::new(Some(options.events)),
            state: Mutex::default(),
            wake: Condvar::new(),
        });
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("brio-engine".into())
            .spawn(move || of_thread.work())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Has it look at the queue now.
    pub fn wake(&self) {
        self.shared.lock().woken = true;
        self.shared.wake.notify_all();
    }

    /// Takes no more jobs, and has those that run put back: they are made again by whoever works
    /// on the queue next. Returns when none runs.
    pub fn stop(mut self) {
        self.end();
    }

    /// Waits until the engine has ended by itself: see [`Options::only`].
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn end(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(self: &Arc<Self>) {
        self.carry_all();
        // Whoever listens need not wait for more.
        self.events.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn carry_all(self: &Arc<Self>) {
        let mut looked: Option<Instant> = None;
        loop {
            if self.lock().stopping {
                break;
            }
            if looked.is_none_or(|at| at.elapsed() >= OWNERS_POLL) {
                looked = Some(Instant::now());
                self.warn(self.take_over());
            }
            let more = self.warn(self.fill()).unwrap_or(true);
            self.warn(self.cancel());
            if !more && self.only.is_some() && self.lock().running.is_empty() {
                return;
            }
            self.rest();
        }
        self.lock().running.values().for_each(|stop| stop.stop(Why::Shutdown));
        let mut state = self.lock();
        while !state.running.is_empty() {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn warn<T>(&self, done: Result<T, QueueError>) -> Option<T> {
        done.inspect_err(|error| {
            tracing::warn!(%error, "the queue is tried again");
            self.tell_error(None, error.code(), error.to_string());
        })
        .ok()
    }

    fn tell_error(&self, job: Option<&str>, code: &str, message: String) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let event = Event::Error { job: job.map(str::to_owned), code: code.to_owned(), message };
        // Whoever is told may be what panicked.
        let told = catch_unwind(AssertUnwindSafe(|| events.iter().for_each(|t| t(event.clone()))));
        if told.is_err() {
            tracing::error!("who is told of events panicked");
        }
    }

    /// Makes the jobs of owners that died ours.
    fn take_over(&self) -> Result<(), QueueError> {
        for owner in self.queue.owners()? {
            if owner == self.owner.name() {
                continue;
            }
            match is_alive(&self.owners, &owner) {
                Ok(false) => {}
                Ok(true) => continue,
                Err(error) => {
                    tracing::warn!(owner, %error, "whether it is alive cannot be told");
                    continue;
                }
            }
            let taken = self.queue.take_over(&owner, self.owner.name(), self.only.as_deref())?;
            let now = Instant::now();
            self.lock().orphans.extend(taken.into_iter().map(|id| (now, id)));
        }
        Ok(())
    }

    /// Starts as many jobs as may run. Whether there is anything left that will be due.
    fn fill(self: &Arc<Self>) -> Result<bool, QueueError> {
        loop {
            let orphan = {
                let mut state = self.lock();
                if state.stopping || state.running.len() >= self.jobs {
                    return Ok(true);
                }
                let now = Instant::now();
                let due = state.orphans.iter().position(|(at, _)| *at <= now);
                due.map(|n| state.orphans.swap_remove(n).1)
            };
            let is_orphan = orphan.is_some();
            let job = match orphan {
                // As it is now: much may have happened since it was claimed.
                Some(id) => match self.queue.job(&id) {
                    Ok(Some(job)) if job.is_run_by(self.owner.name()) => job,
                    Ok(_) => continue,
                    Err(error) => {
                        self.lock().orphans.push((Instant::now() + OWNERS_POLL, id));
                        return Err(error);
                    }
                },
                None => {
                    let only = self.only.as_deref();
                    match self.queue.claim(self.owner.name(), (self.now)(), only)? {
                        Some(job) => job,
                        None => return self.is_open(),
                    }
                }
            };
            self.begin(job, is_orphan);
        }
    }

    /// Whether a job of those that this engine works on is not done.
    fn is_open(&self) -> Result<bool, QueueError> {
        let Some(only) = &self.only else { return Ok(true) };
        self.queue.is_open(only)
    }

    fn begin(self: &Arc<Self>, job: Job, orphan: bool) {
        let stop = Stop::default();
        self.lock().running.insert(job.id.clone(), stop.clone());
        let (shared, id) = (self.clone(), job.id.clone());
        let spawned = std::thread::Builder::new().name(job.id.clone()).spawn({
            let job = job.clone();
            move || {
                let carried = shared.carry(&job, orphan, stop);
                let mut state = shared.lock();
                state.running.remove(&job.id);
                state.woken = true;
                if !carried {
                    state.orphans.push((Instant::now() + OWNERS_POLL, job.id));
                }
                drop(state);
                shared.wake.notify_all();
            }
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread for a job; it is tried again");
            let mut state = self.lock();
            state.running.remove(&id);
            state.orphans.push((Instant::now() + OWNERS_POLL, id));
        }
    }

    /// Carries a job on. False: nobody works on it then, and it is not done.
    fn carry(&self, job: &Job, orphan: bool, stop: Stop) -> bool {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tell = move |event| events.iter().for_each(|tell| tell(Event::clone(&event)));
        let carrier = Carrier {
            queue: &self.queue,
            runner: &*self.runner,
            owner: self.owner.name(),
            now: &*self.now,
            tell: &tell,
            stop,
        };
        match catch_unwind(AssertUnwindSafe(|| carrier.carry(job, orphan))) {
            Ok(Ok(()) | Err(Halt::Lost)) => return true,
            Ok(Err(Halt::Queue(error))) => {
                tracing::warn!(job = job.id, %error, "tried again");
                self.tell_error(Some(&job.id), error.code(), error.to_string());
            }
            Err(_) => {
                let what = "the engine panicked; the job is tried again";
                tracing::error!(job = job.id, "{what}");
                self.tell_error(Some(&job.id), "ENGINE", what.to_owned());
            }
        }
        false
    }

    fn cancel(&self) -> Result<(), QueueError> {
        if self.lock().running.is_empty() {
            return Ok(());
        }
        for id in self.queue.cancelled(self.owner.name())? {
            let stop = self.lock().running.get(&id).cloned();
            if let Some(stop) = stop {
                stop.stop(Why::Cancelled);
            }
        }
        Ok(())
    }

    /// Waits until something is to be done.
    fn rest(&self) {
        let full = self.lock().running.len() >= self.jobs;
        let now = (self.now)();
        // What is due is nobody's matter as long as there is no room for it.
        let due = if full { None } else { self.warn(self.queue.next_due(now)).flatten() };
        let due = due.map(|at| Duration::from_millis(u64::try_from(at - now).unwrap_or(0)));
        let mut state = self.lock();
        let poll = if state.running.is_empty() { SUBMIT_POLL } else { CANCEL_POLL };
        let poll = due.map_or(poll, |due| due.min(poll));
        if !state.woken && !state.stopping {
            let woken = self.wake.wait_timeout(state, poll);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.woken = false;
    }
}

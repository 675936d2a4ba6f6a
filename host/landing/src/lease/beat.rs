//! What a lease does while it is held: its heartbeat, and an ear for requests.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use brio_session::Time;

use super::channel::{self, Bell};
use super::holder::Holder;
use super::wish::{self, Wish};
use crate::{Figures, RunInfo};

const BEAT: Duration = Duration::from_secs(2);
/// How often is looked for a request that nobody rang for.
const POLL: Duration = Duration::from_millis(150);

/// The thread that beats. Dropping it ends it.
pub(super) struct Beat {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    bell: Bell,
    now: fn() -> Time,
    state: Mutex<Told>,
}

struct Told {
    over: bool,
    holder: Holder,
    wish: Option<Wish>,
    on_stop: Option<Box<dyn FnOnce() + Send>>,
    measure: Option<Box<dyn Fn() -> Figures + Send>>,
}

impl Shared {
    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn measured(&mut self, now: Time) {
        self.holder.heartbeat = now;
        if let (Some(measure), Some(run)) = (&self.measure, &mut self.holder.run) {
            run.used = measure();
        }
    }
}

impl Beat {
    pub(super) fn start(
        now: fn() -> Time,
        dir: OwnedFd,
        file: Arc<File>,
        holder: Holder,
    ) -> io::Result<Self> {
        let state = Told { over: false, holder, wish: None, on_stop: None, measure: None };
        let bell = Bell::hang(&dir)?;
        let shared = Arc::new(Shared { bell, now, state: Mutex::new(state) });
        let own = shared.clone();
        let run = move || beat(&own, &dir, &file);
        let thread = std::thread::Builder::new().name("brio-lease".to_owned()).spawn(run)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn wish(&self) -> Option<Wish> {
        self.shared.told().wish
    }

    /// Calls `f` when somebody asks the holder to stop; at once when somebody has.
    pub(super) fn on_stop(&self, f: Box<dyn FnOnce() + Send>) {
        let mut told = self.shared.told();
        if told.wish.is_none() {
            told.on_stop = Some(f);
            return;
        }
        drop(told);
        f();
    }

    /// Asks `f` at each heartbeat what is used.
    pub(super) fn measure(&self, f: Box<dyn Fn() -> Figures + Send>) {
        self.shared.told().measure = Some(f);
    }

    /// The run as it is now.
    pub(super) fn info(&self) -> Option<RunInfo> {
        let mut told = self.shared.told();
        told.measured((self.shared.now)());
        told.holder.info()
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.shared.told().over = true;
        self.shared.bell.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn beat(shared: &Shared, dir: &OwnedFd, file: &File) {
    let mut last = Instant::now();
    loop {
        let mut told = shared.told();
        if told.over {
            channel::take_down(dir);
            return;
        }
        if told.wish.is_none() {
            told.wish = wish::read(dir);
            if told.wish.is_some()
                && let Some(f) = told.on_stop.take()
            {
                drop(told);
                f();
                continue;
            }
        }
        if last.elapsed() >= BEAT {
            last = Instant::now();
            told.measured((shared.now)());
            let _ = told.holder.write(file);
        }
        drop(told);
        shared.bell.wait(POLL);
    }
}

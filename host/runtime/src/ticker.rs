//! The epoch: advanced every 10 ms while a guest runs, and only then.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One epoch.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// The thread that ticks. It ends with the last reference.
pub(crate) struct Ticker(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticker {
    pub(crate) fn start(engine: &wasmtime::Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (mine, engine) = (shared.clone(), engine.weak());
        std::thread::Builder::new().name("brio-epochs".into()).spawn(move || {
            let mut state = mine.lock();
            while !state.ended {
                if state.running == 0 {
                    state = mine.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                drop(state);
                std::thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
                state = mine.lock();
            }
        })?;
        Ok(Self(shared))
    }

    /// Keeps the epoch advancing until the guard is dropped.
    pub(crate) fn running(&self) -> Running {
        self.0.lock().running += 1;
        self.0.changed.notify_one();
        Running(self.0.clone())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_one();
    }
}

pub(crate) struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}

//! The thread that wakes guests which wait.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

/// A tokio runtime that can be dropped anywhere, also inside of another one.
pub(crate) struct Timers(Option<Runtime>);

impl Timers {
    pub(crate) fn start() -> std::io::Result<Self> {
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(1).thread_name("brio-timers").enable_all();
        Ok(Self(Some(runtime.build()?)))
    }

    /// Runs a future on the calling thread.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        match &self.0 {
            Some(runtime) => runtime.block_on(future),
            None => unreachable!("it is there until it is dropped"),
        }
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

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

/// Goes on beside its run, and ends with this.
#[cfg(target_os = "linux")]
pub(crate) struct Beside(tokio::task::JoinHandle<()>);

#[cfg(target_os = "linux")]
impl Beside {
    /// Gives it up, and waits until it is.
    pub(crate) async fn end(mut self) {
        self.0.abort();
        // That it was given up is no news.
        let _ = (&mut self.0).await;
    }
}

#[cfg(target_os = "linux")]
impl Drop for Beside {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(target_os = "linux")]
impl Timers {
    /// Runs a future on the thread of the timers.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Beside {
        match &self.0 {
            Some(runtime) => Beside(runtime.spawn(future)),
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

//! Asynchronous work, waited for from any thread.

use std::future::Future;
use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};

/// An executor on threads of its own, for callers that block.
pub struct Runner(Option<Runtime>);

/// The work is waiting for answers.
const THREADS: usize = 2;

impl Runner {
    /// Starts its threads.
    ///
    /// # Errors
    /// The host's.
    pub fn new() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(THREADS).thread_name("brio-store").enable_all();
        Ok(Self(Some(runtime.build()?)))
    }

    /// Carries it out, and waits: also on a thread of another executor, which is blocked as by a
    /// file. Not to be called from its own threads.
    ///
    /// # Panics
    /// When `work` does, with its panic.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (send, receive) = mpsc::sync_channel(1);
        let task = async move { tokio::spawn(work).await };
        self.spawn(async move {
            let _ = send.send(task.await);
        });
        match receive.recv() {
            Ok(Ok(done)) => done,
            Ok(Err(e)) => match e.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(e) => unreachable!("nobody ends work that is waited for: {e}"),
            },
            Err(e) => unreachable!("the executor lives as long as this call: {e}"),
        }
    }

    /// Carries it out, and does not wait.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            drop(runtime.spawn(work));
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // May be dropped on a thread of another executor, which must not wait for this one.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_waited_for_from_any_thread() {
        let runner = std::sync::Arc::new(Runner::new().unwrap());
        assert_eq!(runner.run(async { 1 }), 1);
        let executor = Builder::new_current_thread().enable_all().build().unwrap();
        let its = runner.clone();
        assert_eq!(executor.block_on(async move { its.run(async { 2 }) }), 2);
        executor.block_on(async move { drop(runner) });
    }

    #[test]
    fn a_panic_is_the_callers() {
        let runner = Runner::new().unwrap();
        let run = || runner.run(async { panic!("its own words") });
        let panic: Box<dyn std::any::Any + Send> =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"its own words"));
        assert_eq!(runner.run(async { 3 }), 3, "and others go on");
    }
}

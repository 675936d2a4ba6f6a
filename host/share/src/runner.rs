//! Asynchronous work, waited for from any thread.

use std::future::Future;
use std::io;
use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};

/// An executor on threads of its own.
pub struct Runner(Option<Runtime>);

/// The store's work is waiting for answers; hashing and compressing have threads of their own.
const THREADS: usize = 2;

impl Runner {
    /// Starts its threads.
    ///
    /// # Errors
    /// The host's.
    pub fn new() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        Ok(Self(Some(
            builder.worker_threads(THREADS).thread_name("brio-store").enable_all().build()?,
        )))
    }

    /// Carries it out, and waits. Not to be called from its own threads.
    ///
    /// # Panics
    /// When `work` does.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (send, receive) = mpsc::sync_channel(1);
        self.spawn(async move {
            let _ = send.send(work.await);
        });
        match receive.recv() {
            Ok(done) => done,
            // Its sender is gone unsent.
            Err(_) => panic!("work on a store panicked; its message is above"),
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

//! A thread on which the waiting is done, so that whoever asks may be on any.

use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// A runtime on a thread of its own.
pub(crate) struct Worker {
    handle: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Begins it. `last` is done when it ends, with nobody waiting for anything else.
    pub(crate) fn begin<F: Future<Output = ()> + Send + 'static>(last: F) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread =
            std::thread::Builder::new().name("brio-mcp-notes".into()).spawn(move || {
                runtime.block_on(async {
                    let _ = ended.await;
                    last.await;
                });
                // A resolver that hangs is left behind.
                runtime.shutdown_background();
            })?;
        Ok(Self { handle, end: Some(end), thread: Some(thread) })
    }

    /// Waits for what the thread does; `None` if it is not there any more. The caller's thread
    /// may be a runtime's too: it is blocked as by a file.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, answer) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Somebody waits: `answer` is there until this is.
            let _ = done.send(work.await);
        });
        answer.recv().ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

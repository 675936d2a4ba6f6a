//! A guest's stdout and stderr: shown as they come, captured up to a bound, counted.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::Limit;
use crate::limits::Cause;

/// Bytes that may wait for a slow sink before the guest has to.
const QUEUE: usize = 256 * 1024;

/// Who is shown what is put out.
type Sink = Box<dyn Write + Send>;

/// Where one of the two streams goes.
pub struct Output {
    /// Is shown the bytes as they come, on a thread of its own; `None` shows nothing.
    /// An error of the sink ends the showing, not the run.
    pub sink: Option<Box<dyn Write + Send>>,
    /// How many bytes are kept for the report.
    pub capture: usize,
}

impl Default for Output {
    /// Not shown; the first MiB is kept.
    fn default() -> Self {
        Self { sink: None, capture: 1 << 20 }
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("shown", &self.sink.is_some())
            .field("capture", &self.capture)
            .finish()
    }
}

/// What was kept of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes.
    pub bytes: Vec<u8>,
    /// Whether there were more.
    pub truncated: bool,
}

impl Captured {
    /// As text; what is not UTF-8 is replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

/// Both streams of one run.
pub(crate) struct Outputs {
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
    pump: Option<oneshot::Receiver<()>>,
}

impl Outputs {
    pub(crate) fn new(stdout: Output, stderr: Output, max: u64, cause: &Cause) -> Self {
        let shown = stdout.sink.is_some() || stderr.sink.is_some();
        let (queue, done) = if shown { pump([stdout.sink, stderr.sink]) } else { (None, None) };
        let stream = |which, capture| {
            Stream(Arc::new(Shared {
                which,
                capture,
                max,
                cause: cause.clone(),
                kept: Mutex::default(),
                queue: Mutex::new(queue.clone()),
                direct: None,
            }))
        };
        Self { stdout: stream(0, stdout.capture), stderr: stream(1, stderr.capture), pump: done }
    }

    /// Nothing is kept, and what is put out goes on at once: the guest waits for its sink.
    #[cfg(target_os = "linux")]
    pub(crate) fn direct(sinks: [Sink; 2], max: u64, cause: &Cause) -> Self {
        let mut which = 0..;
        let [stdout, stderr] = sinks.map(|sink| {
            Stream(Arc::new(Shared {
                which: which.next().unwrap_or_default(),
                capture: 0,
                max,
                cause: cause.clone(),
                kept: Mutex::default(),
                queue: Mutex::default(),
                direct: Some(Mutex::new(sink)),
            }))
        });
        Self { stdout, stderr, pump: None }
    }

    /// Waits until all that was written has been shown.
    pub(crate) async fn drained(&mut self) {
        for s in [&self.stdout, &self.stderr] {
            s.0.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        if let Some(done) = self.pump.take() {
            let _ = done.await;
        }
    }
}

/// A bounded queue to the thread that shows. One thread for both, so that their order is kept.
#[derive(Clone)]
struct Queue {
    send: mpsc::UnboundedSender<(usize, Bytes)>,
    level: Arc<Level>,
}

#[derive(Default)]
struct Level {
    queued: AtomicUsize,
    lower: Notify,
    gone: AtomicBool,
}

fn pump(mut sinks: [Option<Sink>; 2]) -> (Option<Queue>, Option<oneshot::Receiver<()>>) {
    let (send, mut receive) = mpsc::unbounded_channel::<(usize, Bytes)>();
    let (done, finished) = oneshot::channel();
    let level = Arc::new(Level::default());
    let shared = level.clone();
    let thread = std::thread::Builder::new().name("brio-output".into()).spawn(move || {
        while let Some((which, bytes)) = receive.blocking_recv() {
            if let Some(sink) = &mut sinks[which]
                && sink.write_all(&bytes).and_then(|()| sink.flush()).is_err()
            {
                sinks[which] = None;
            }
            shared.queued.fetch_sub(bytes.len(), Ordering::Relaxed);
            shared.lower.notify_waiters();
        }
        shared.gone.store(true, Ordering::Relaxed);
        let _ = done.send(());
    });
    match thread {
        Ok(_) => (Some(Queue { send, level }), Some(finished)),
        // Without a thread nothing is shown; it is still captured.
        Err(_) => (None, None),
    }
}

struct Shared {
    which: usize,
    capture: usize,
    max: u64,
    cause: Cause,
    kept: Mutex<Captured>,
    queue: Mutex<Option<Queue>>,
    direct: Option<Mutex<Sink>>,
}

/// One stream; clones are the same one.
#[derive(Clone)]
pub(crate) struct Stream(Arc<Shared>);

impl Stream {
    pub(crate) fn captured(&self) -> Captured {
        std::mem::take(&mut self.0.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn queue(&self) -> Option<Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// As the WIT has it: who writes more than was allowed is ended.
pub(crate) fn too_much() -> StreamError {
    StreamError::trap("wrote more to a stream than `check-write` allows")
}

impl Stream {
    /// Waits until the sink has room for more.
    pub(crate) async fn room(&self) {
        let Some(Queue { level, send }) = self.queue() else { return };
        drop(send);
        loop {
            let lower = level.lower.notified();
            tokio::pin!(lower);
            lower.as_mut().enable();
            if level.queued.load(Ordering::Relaxed) < QUEUE || level.gone.load(Ordering::Relaxed) {
                return;
            }
            lower.await;
        }
    }

    /// How many bytes the sink has room for.
    pub(crate) fn free(&self) -> usize {
        match self.queue() {
            Some(q) => QUEUE.saturating_sub(q.level.queued.load(Ordering::Relaxed)),
            None => QUEUE,
        }
    }

    /// Shows and keeps as much as the limit lets through; false: it has been hit.
    pub(crate) fn put(&self, bytes: Bytes) -> bool {
        let s = &*self.0;
        let fits = s.cause.take_output(bytes.len() as u64, s.max) as usize;
        let shown = bytes.slice(..fits);
        {
            let mut kept = s.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let room = s.capture.saturating_sub(kept.bytes.len()).min(shown.len());
            kept.bytes.extend_from_slice(&shown[..room]);
            kept.truncated |= room < bytes.len();
        }
        if let Some(direct) = &s.direct {
            let mut sink = direct.lock().unwrap_or_else(PoisonError::into_inner);
            // Who is not there any more has no use for it.
            let _ = sink.write_all(&shown);
        }
        if let Some(q) = self.queue()
            && !shown.is_empty()
        {
            q.level.queued.fetch_add(shown.len(), Ordering::Relaxed);
            let _ = q.send.send((s.which, shown));
        }
        let all = fits == bytes.len();
        if !all {
            s.cause.hit(Limit::Output);
        }
        all
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {
        self.room().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Stream {
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(self.free())
    }

    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > self.free() {
            return Err(too_much());
        }
        match self.put(bytes) {
            true => Ok(()),
            false => Err(StreamError::Trap(self.0.cause.hit(Limit::Output).into())),
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    #[cfg(feature = "wasi-0-3")]
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(crate::wasi3::Output::new(self.clone()))
    }

    #[cfg(not(feature = "wasi-0-3"))]
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for it, which is not linked.
        Box::new(tokio::io::sink())
    }
}

//! What is left of each request: no header, no query, no body.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::{Host, NetError, Scheme};

/// A path is cut there.
const LONGEST_PATH: usize = 256;

/// One request, as a journal keeps it.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// When it was made.
    pub time: SystemTime,
    /// `GET`, `POST`; cut, for a guest may make words up.
    pub method: String,
    /// How.
    pub scheme: Scheme,
    /// To whom; `None` when it named nobody that can be.
    pub host: Option<Host>,
    /// The port there.
    pub port: u16,
    /// The path, without its query; cut when it is long, and without the secrets of the run.
    pub path: String,
    /// The status of the response, if one came.
    pub status: Option<u16>,
    /// What went wrong, if something did: also after the status came.
    pub error: Option<NetError>,
    /// Bytes of the request's body.
    pub sent: u64,
    /// Bytes of the response's body.
    pub received: u64,
    /// From the request to the end of the response.
    pub duration: Duration,
}

impl RequestRecord {
    /// To whom, as a URL has it.
    pub fn url(&self) -> String {
        let Some(host) = &self.host else { return "(no host)".to_owned() };
        match self.port == self.scheme.default_port() {
            true => format!("{}://{host}{}", self.scheme, self.path),
            false => format!("{}://{host}:{}{}", self.scheme, self.port, self.path),
        }
    }
}

impl std::fmt::Display for RequestRecord {
    /// One line: `POST https://api.example.com/v1: 200, 12 bytes sent, 345 received, 0.3 s`, or
    /// what went wrong.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: ", self.method, self.url())?;
        if let Some(status) = self.status {
            let Self { sent, received, .. } = self;
            let seconds = self.duration.as_secs_f64();
            write!(f, "{status}, {sent} bytes sent, {received} received, {seconds:.1} s")?;
        }
        match (&self.error, self.status) {
            (Some(e), Some(_)) => write!(f, "; {e}"),
            (Some(e), None) => write!(f, "{e}"),
            (None, _) => Ok(()),
        }
    }
}

/// Is told of each request when it has ended, on a thread that others need: it must not wait.
pub type Observer = Arc<dyn Fn(&RequestRecord) + Send + Sync>;

/// A request under way, and what is known of it.
pub(crate) struct Track {
    state: Mutex<State>,
    begun: Instant,
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    observer: Option<Observer>,
}

struct State {
    record: RequestRecord,
    ended: bool,
}

impl Track {
    pub(crate) fn status(&self, status: u16) {
        self.lock().record.status = Some(status);
    }

    /// The first end counts.
    pub(crate) fn end(&self, error: Option<&NetError>) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.ended = true;
        state.record.error = error.cloned();
        state.record.duration = self.begun.elapsed();
        // Relaxed: who counted these handed the request over to who ends it.
        state.record.sent = self.sent.load(Ordering::Relaxed);
        state.record.received = self.received.load(Ordering::Relaxed);
        if let Some(observer) = &self.observer {
            observer(&state.record);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All requests of a run, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Log {
    tracks: Mutex<Vec<Arc<Track>>>,
    observer: Option<Observer>,
}

impl Log {
    pub(crate) fn new(observer: Option<Observer>) -> Self {
        Self { tracks: Mutex::default(), observer }
    }

    pub(crate) fn begin(&self, mut record: RequestRecord) -> Arc<Track> {
        record.path.truncate(record.path.floor_char_boundary(LONGEST_PATH));
        record.method.truncate(record.method.floor_char_boundary(16));
        let track = Arc::new(Track {
            state: Mutex::new(State { record, ended: false }),
            begun: Instant::now(),
            sent: AtomicU64::default(),
            received: AtomicU64::default(),
            observer: self.observer.clone(),
        });
        self.lock().push(track.clone());
        track
    }

    /// Ends what has not ended, and takes all.
    pub(crate) fn close(&self) -> Vec<RequestRecord> {
        let tracks = std::mem::take(&mut *self.lock());
        let ended = tracks.iter().map(|track| {
            track.end(Some(&NetError::Cancelled));
            track.lock().record.clone()
        });
        ended.collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Track>>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The server of a home.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use brio_runtime::StopToken;
use brio_supervisor::Engine;

use super::desk::{Answer, Desk};
use super::hub::Hub;
use super::{Health, SOCKET, Update, host, socket};
use crate::supervise::{SuperviseError, Supervisor, WorkOptions};

/// How often is looked whether it is to stop. A request is heard at once.
const POLL: Duration = Duration::from_millis(50);
/// How often is looked after everything that the home knows.
const TEND: Duration = Duration::from_secs(60);
/// How long a server that ends waits for subscribers to take what is kept for them.
const FAREWELL: Duration = Duration::from_millis(500);

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerState {
    /// Others reach it, and it works.
    Ready,
    /// It is to end: what runs is put back now.
    Stopping,
}

impl Supervisor {
    /// Works on the queue as the one server of this home, until `stop` or a request says so. What
    /// runs then is put back. `told` hears how far it is, each state once.
    ///
    /// # Errors
    /// `Served` when another process serves this home.
    pub fn serve(
        &self,
        options: WorkOptions,
        stop: &StopToken,
        mut told: impl FnMut(ServerState),
    ) -> Result<(), SuperviseError> {
        let home = self.brio.home();
        let _lock = lock(&home.join("serve.lock"))?;
        let path = home.join(SOCKET);
        // Whoever left it is dead: it is us who hold the lock.
        let _ = std::fs::remove_file(&path);
        let (socket, _dir) = socket(home).map_err(host("the control socket"))?;
        let listener = UnixListener::bind(&socket).map_err(host("the control socket"))?;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).map_err(host("the control socket"))?;
        let hub = Arc::new(Hub::new().map_err(host("the control socket"))?);
        let mut desk = Desk::new(listener, &hub).map_err(host("the control socket"))?;
        let engine = self.work(telling(options, hub.clone()))?;
        let _tending = self.brio.tend_every(TEND).map_err(host("a thread that tends"))?;
        told(ServerState::Ready);
        let since = self.now();
        let answer = |request: &str| self.answer(request, since, &engine, stop);
        while !stop.is_stopped() {
            if let Err(error) = desk.attend(POLL, &answer) {
                tracing::warn!(%error, "the control socket is not heard");
                hub.tell(&Update::error("IO", &format!("the control socket: {error}")));
                std::thread::sleep(POLL);
            }
        }
        let _ = std::fs::remove_file(&path);
        told(ServerState::Stopping);
        engine.stop();
        desk.close(FAREWELL);
        Ok(())
    }

    fn answer(&self, request: &str, since: i64, engine: &Engine, stop: &StopToken) -> Answer {
        let pid = std::process::id();
        match request {
            "wake" => engine.wake(),
            "stop" => stop.stop(),
            "ping" => {}
            "health" => {
                let text = self.measure(since).and_then(|health| {
                    serde_json::to_string(&health).map_err(|e| host("health")(e.into()))
                });
                return Answer::Line(match text {
                    Ok(text) => text + "\n",
                    Err(e) => Update::error(e.code(), &e.to_string()).line().unwrap_or_default(),
                });
            }
            "events" => {
                let first = Update::Serving { pid, version: version() };
                return Answer::Events(first.line().unwrap_or_default());
            }
            other => {
                let what = format!("`{}` is no request", other.escape_debug());
                let error = Update::error("REQUEST_UNKNOWN", &what);
                return Answer::Line(error.line().unwrap_or_default());
            }
        }
        Answer::Line(format!("ok {pid}\n"))
    }

    fn measure(&self, since: i64) -> Result<Health, SuperviseError> {
        let states = self.session_counts()?;
        Ok(Health {
            pid: std::process::id(),
            version: version(),
            since,
            jobs: self.job_counts()?,
            sessions: states.iter().map(|(_, n)| n).sum(),
            nfs: self.nfs.get().copied(),
        })
    }
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// These options, and subscribers hear of what happens as well.
fn telling(options: WorkOptions, hub: Arc<Hub>) -> WorkOptions {
    let events = options.events;
    let events = Arc::new(move |event| {
        let update = Update::Event(event);
        hub.tell(&update);
        if let Update::Event(event) = update {
            events(event);
        }
    });
    WorkOptions { events, ..options }
}

/// Holds the lock that says who serves.
fn lock(path: &Path) -> Result<File, SuperviseError> {
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = how.open(path).map_err(host("serve.lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            return Err(SuperviseError::Served { pid: pid.trim().to_owned() });
        }
        Err(TryLockError::Error(e)) => return Err(host("serve.lock")(e)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(host("serve.lock"))?;
    Ok(file)
}

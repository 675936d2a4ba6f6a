//! What a service manager is told: the protocol of sd_notify(3). Small enough to be here, as the
//! crates for it reach no abstract socket.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use brio_host::{StopToken, Supervisor};

/// The variables by which a service manager speaks to this process, and to no other.
pub(crate) const OURS: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A manager that does not take what it is told is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the queue is looked at for what is shown of it.
const STATUS: Duration = Duration::from_secs(5);
/// How often is looked whether there is anything to do.
const TICK: Duration = Duration::from_millis(100);

/// The manager that started this process; none, if nobody wants to be told.
#[derive(Clone)]
pub(super) struct Manager(Arc<Inner>);

struct Inner {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
    /// What was said last of how it is; `None` when nothing more is to be said.
    said: Mutex<Option<String>>,
}

impl Manager {
    /// As the environment says. A manager that cannot be told is no reason not to serve.
    pub(super) fn from_env() -> Self {
        Self::of(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn of(var: impl Fn(&str) -> Option<OsString>) -> Self {
        let socket = var("NOTIFY_SOCKET").and_then(|at| {
            let socket = connect(&at);
            socket
                .inspect_err(|error| {
                    tracing::warn!(socket = %at.display(), %error, "the service manager is not told");
                })
                .ok()
        });
        let number = |name: &str| var(name)?.to_str()?.parse::<u64>().ok();
        let mine = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| mine && *usec > 0);
        Self(Arc::new(Inner {
            socket,
            watchdog: watchdog.map(Duration::from_micros),
            said: Mutex::new(Some(String::new())),
        }))
    }

    /// It serves.
    pub(super) fn ready(&self, supervisor: &Supervisor, stop: &StopToken) {
        if self.0.socket.is_none() {
            return;
        }
        let status = standing(supervisor);
        self.tell(|said| {
            let line = format!("READY=1\nSTATUS={status}");
            *said = status;
            line
        });
        let (this, supervisor, stop) = (self.clone(), supervisor.clone(), stop.clone());
        let attends = move || this.attend(&supervisor, &stop);
        if let Err(error) = std::thread::Builder::new().name("brio-notify".into()).spawn(attends) {
            tracing::warn!(%error, "the service manager is told no more");
        }
    }

    /// It is to end. Nothing is said after this.
    pub(super) fn stopping(&self) {
        self.tell(|_| "STOPPING=1\nSTATUS=putting back what runs".to_owned());
        *self.said() = None;
    }

    /// Says how it is, and that it is alive: as anybody finds it who asks by its socket.
    fn attend(&self, supervisor: &Supervisor, stop: &StopToken) {
        let every = self.0.watchdog.map(|watchdog| watchdog / 2);
        let tick = every.map_or(TICK, |every| every.min(TICK));
        let (mut alive, mut looked) = (None::<Instant>, Instant::now());
        while !stop.is_stopped() {
            if every.is_some_and(|every| alive.is_none_or(|at| at.elapsed() >= every)) {
                alive = Some(Instant::now());
                if supervisor.server() == Some(std::process::id()) {
                    self.tell(|_| "WATCHDOG=1".to_owned());
                }
            }
            if looked.elapsed() >= STATUS {
                looked = Instant::now();
                let status = standing(supervisor);
                self.tell(|said| {
                    let line =
                        if *said == status { String::new() } else { format!("STATUS={status}") };
                    *said = status;
                    line
                });
            }
            std::thread::sleep(tick);
        }
    }

    fn tell(&self, what: impl FnOnce(&mut String) -> String) {
        // Held while it is sent: what follows the last word would be out of order.
        let mut said = self.said();
        let (Some(socket), Some(last)) = (&self.0.socket, &mut *said) else { return };
        let text = what(last);
        if text.is_empty() {
            return;
        }
        if let Err(error) = socket.send(format!("{text}\n").as_bytes()) {
            tracing::warn!(%error, "the service manager was not told");
        }
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(at: &OsStr) -> io::Result<UnixDatagram> {
    let address = match at.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)?
        }
        [b'/', ..] => SocketAddr::from_pathname(at)?,
        _ => return Err(io::Error::other("NOTIFY_SOCKET is neither a path nor an abstract name")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// One line of how the queue is.
fn standing(supervisor: &Supervisor) -> String {
    match supervisor.job_counts() {
        Ok(jobs) => format!(
            "{} tasks run, {} queued, {} wait for a person",
            jobs.running, jobs.queued, jobs.waiting
        ),
        Err(error) => format!("the queue cannot be read: {error}").replace('\n', " "),
    }
}

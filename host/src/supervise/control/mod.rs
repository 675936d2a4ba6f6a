//! `brio serve`: one process a home, and the socket by which others wake, watch and stop it.
//!
//! A request is a line. `wake`, `stop` and `ping` are answered by the line `ok PID`, `health` by
//! [`Health`] as JSON on a line, and `events` by an [`Update`] as JSON on a line for each thing
//! that happens, `serving` the first, until one side hangs up. Whatever else is said is answered
//! by `{"event":"error",…}`. The queue is the truth: a request that is lost delays something, and
//! nothing else.

mod client;
mod desk;
mod follow;
mod hub;
mod serve;
mod subscription;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use brio_registry::queue::JobCounts;
use brio_supervisor::Event;
use serde::{Deserialize, Serialize};

use super::SuperviseError;

pub use serve::ServerState;
pub use subscription::Subscription;

/// How long a peer may take for all of its line, and a server for its answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// A request is no longer than this.
const LONGEST: usize = 64;

const SOCKET: &str = "control.sock";

/// How the server of a home is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Since when it serves, in milliseconds since the Unix epoch.
    pub since: i64,
    /// The jobs of the home, whoever works on them.
    pub jobs: JobCounts,
    /// The sessions of the home that have not ended, as the index knows them.
    pub sessions: u64,
    /// Where it exports sessions by NFS.
    #[serde(default)]
    pub nfs: Option<SocketAddr>,
}

/// What a subscriber is told: see [`Supervisor::subscribe`](crate::Supervisor::subscribe).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Update {
    /// A server is there, and tells what happens from now on.
    Serving {
        /// The process.
        pid: u32,
        /// Its version.
        version: String,
    },
    /// Nobody serves the home, or not any more. Until somebody does, what becomes of jobs is read
    /// from the queue: that they began, wait and ended, and not of their parts.
    Unserved {
        /// Why it is not served, as far as that is known.
        message: String,
    },
    /// So many events were dropped, because this subscriber took them too slowly.
    Missed {
        /// How many.
        count: u64,
    },
    /// Something happened, or went wrong.
    #[serde(untagged)]
    Event(Event),
}

impl Update {
    /// As it is sent. No event holds what JSON has no form for.
    fn line(&self) -> Option<String> {
        match serde_json::to_string(self) {
            Ok(text) => Some(text + "\n"),
            Err(error) => {
                tracing::warn!(%error, "an event cannot be told");
                None
            }
        }
    }

    fn error(code: &str, message: &str) -> Self {
        let (code, message) = (code.to_owned(), message.to_owned());
        Self::Event(Event::Error { job: None, code, message })
    }
}

/// The socket's path, by way of an open directory: one of more than 100 bytes or so is no address.
#[cfg(target_os = "linux")]
fn socket(home: &Path) -> io::Result<(PathBuf, std::fs::File)> {
    use std::os::fd::AsRawFd;
    let dir = std::fs::File::open(home)?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd())), dir))
}

#[cfg(not(target_os = "linux"))]
fn socket(home: &Path) -> io::Result<(PathBuf, ())> {
    Ok((home.join(SOCKET), ()))
}

fn host(what: &'static str) -> impl FnOnce(io::Error) -> SuperviseError {
    move |source| SuperviseError::Host { what, source }
}

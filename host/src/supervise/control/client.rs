//! Asking the server of a home. Nothing depends on an answer: without one, the queue is there.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Health, PATIENCE, Update, host, socket};
use crate::supervise::{SuperviseError, Supervisor};

/// An answer is no longer than this.
const LONGEST_ANSWER: u64 = 4096;
/// How long is waited before a server that hung up is asked again: it may be ending, and another
/// one beginning.
const AGAIN: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];

/// Why there is no answer.
pub(super) enum NoAnswer {
    /// Nobody serves the home.
    Unserved(io::Error),
    /// Somebody was reached, and did not answer.
    Unheard(io::Error),
}

pub(super) fn connect(home: &Path) -> Result<UnixStream, NoAnswer> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    let (socket, _dir) = socket(home).map_err(NoAnswer::Unserved)?;
    let peer = UnixStream::connect(socket).map_err(|e| match e.kind() {
        // It was killed, when the socket is there.
        NotFound | ConnectionRefused => NoAnswer::Unserved(e),
        _ => NoAnswer::Unheard(e),
    })?;
    peer.set_read_timeout(Some(PATIENCE)).map_err(NoAnswer::Unheard)?;
    peer.set_write_timeout(Some(PATIENCE)).map_err(NoAnswer::Unheard)?;
    Ok(peer)
}

fn ask(home: &Path, what: &str) -> Result<String, NoAnswer> {
    let mut peer = connect(home)?;
    let mut answer = String::new();
    let read = peer
        .write_all(format!("{what}\n").as_bytes())
        .and_then(|()| BufReader::new(peer.take(LONGEST_ANSWER)).read_line(&mut answer));
    match read {
        Ok(0) => Err(NoAnswer::Unheard(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => Ok(answer.trim_end().to_owned()),
        Err(e) => Err(NoAnswer::Unheard(e)),
    }
}

/// Asks what may be asked twice, and again while a server hangs up.
fn ask_again(home: &Path, what: &str) -> Result<String, NoAnswer> {
    let mut pauses = AGAIN.into_iter();
    loop {
        let error = match ask(home, what) {
            Err(NoAnswer::Unheard(error)) => error,
            done => return done,
        };
        // Whoever is silent for so long is not about to end.
        let silent = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        let Some(pause) = pauses.next().filter(|_| !silent) else {
            return Err(NoAnswer::Unheard(error));
        };
        tracing::debug!(%error, what, "the server is asked again");
        std::thread::sleep(pause);
    }
}

impl Supervisor {
    /// Has the server of this home look at the queue now. The process; `None`: there is none.
    pub fn wake(&self) -> Option<u32> {
        self.reach("wake", ask_again)
    }

    /// The process that serves this home.
    pub fn server(&self) -> Option<u32> {
        self.reach("ping", ask_again)
    }

    /// Has the server of this home put back what runs, and end.
    pub fn stop_server(&self) -> Option<u32> {
        // Not again: that might end the next one.
        self.reach("stop", ask)
    }

    /// How the server of this home is. `None`: there is none; [`job_counts`](Self::job_counts)
    /// says how the queue is all the same.
    ///
    /// # Errors
    /// `Unheard` when there is one that does not answer.
    pub fn health(&self) -> Result<Option<Health>, SuperviseError> {
        let answer = match ask_again(self.brio.home(), "health") {
            Ok(answer) => answer,
            Err(NoAnswer::Unserved(_)) => return Ok(None),
            Err(NoAnswer::Unheard(source)) => return Err(SuperviseError::Unheard { source }),
        };
        serde_json::from_str(&answer).map(Some).map_err(|e| {
            let said = match serde_json::from_str(&answer) {
                Ok(Update::Event(brio_supervisor::Event::Error { message, .. })) => {
                    io::Error::other(message)
                }
                _ => e.into(),
            };
            host("the server's health")(said)
        })
    }

    fn reach(&self, what: &str, ask: fn(&Path, &str) -> Result<String, NoAnswer>) -> Option<u32> {
        match ask(self.brio.home(), what) {
            Ok(answer) => answer.strip_prefix("ok ")?.parse().ok(),
            Err(NoAnswer::Unserved(_)) => None,
            Err(NoAnswer::Unheard(error)) => {
                tracing::warn!(%error, what, "the server of this home does not answer");
                None
            }
        }
    }
}

//! What happens in a home, for as long as somebody listens.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use brio_registry::queue::QueueError;
use brio_runtime::StopToken;
use brio_supervisor::Event;
use futures_core::Stream;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::client::{NoAnswer, connect};
use super::follow::Follow;
use super::{Update, host};
use crate::supervise::{SuperviseError, Supervisor};

/// So many updates are kept here; then the server keeps some, and then it counts.
const KEPT: usize = 256;
/// How often is looked whether anybody still listens.
const TICK: Duration = Duration::from_millis(100);
/// How often the queue is looked at where nobody serves.
const LOOK: Duration = Duration::from_millis(500);
/// How long is waited before a server is looked for again: twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// No line of a server is longer: what is, is no line.
const LONGEST_LINE: usize = 16 << 20;

/// What happens in a home, in order: an iterator that waits for the next update, and a stream for
/// async code, in which the iterator must not be used. Dropping it ends the subscription.
#[derive(Debug)]
#[must_use = "dropping it ends the subscription"]
pub struct Subscription(Receiver<Update>);

impl Iterator for Subscription {
    type Item = Update;

    fn next(&mut self) -> Option<Update> {
        self.0.blocking_recv()
    }
}

impl Stream for Subscription {
    type Item = Update;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        self.0.poll_recv(cx)
    }
}

impl Supervisor {
    /// What happens from now on, until `stop`: as the server of this home tells it, and where
    /// there is none as far as the queue does. When the server ends, is killed or restarted, that
    /// is told ([`Update::Unserved`], [`Update::Serving`]) and it is looked for again; what became
    /// of jobs meanwhile is read from the queue.
    ///
    /// Who takes updates slowly holds up nobody, and misses some ([`Update::Missed`]).
    ///
    /// # Errors
    /// The queue's, and the host's when a thread cannot be made.
    pub fn subscribe(&self, stop: &StopToken) -> Result<Subscription, SuperviseError> {
        let (updates, subscription) = channel(KEPT);
        let follow = Follow::new(self.clone())?;
        let reader = Reader { supervisor: self.clone(), follow, updates, stop: stop.clone() };
        std::thread::Builder::new()
            .name("brio-events".into())
            .spawn(move || reader.work())
            .map_err(host("a thread for events"))?;
        Ok(Subscription(subscription))
    }
}

/// Nobody listens any more.
struct Over;

struct Reader {
    supervisor: Supervisor,
    follow: Follow,
    updates: Sender<Update>,
    stop: StopToken,
}

impl Reader {
    fn work(mut self) {
        let mut served = true;
        let mut wait = FIRST_WAIT;
        loop {
            let (greeted, why) = match self.served() {
                Ok(ended) => ended,
                Err(Over) => return,
            };
            if greeted {
                (served, wait) = (true, FIRST_WAIT);
            }
            let why = why.map_or_else(|| "the server hung up".to_owned(), |e| e.to_string());
            if std::mem::take(&mut served) && self.tell(Update::Unserved { message: why }).is_err()
            {
                return;
            }
            if self.unserved(wait).is_err() {
                return;
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Passes on what a server tells. Whether there was one, and why there is none.
    fn served(&mut self) -> Result<(bool, Option<io::Error>), Over> {
        let mut peer = match connect(self.supervisor.brio.home()) {
            Ok(peer) => peer,
            Err(NoAnswer::Unserved(e) | NoAnswer::Unheard(e)) => return Ok((false, Some(e))),
        };
        let asked = peer.write_all(b"events\n").and_then(|()| peer.set_read_timeout(Some(TICK)));
        if let Err(e) = asked {
            return Ok((false, Some(e)));
        }
        let mut lines = Lines { peer, read: Vec::new(), at: 0 };
        let mut greeted = false;
        loop {
            self.goes_on()?;
            let line = match lines.line() {
                Ok(Some(line)) => line,
                Ok(None) => continue,
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok((greeted, None)),
                Err(e) => return Ok((greeted, Some(e))),
            };
            match serde_json::from_slice(line) {
                Ok(update @ Update::Serving { .. }) => {
                    greeted = true;
                    self.tell(update)?;
                    // What happened until it began to tell.
                    self.look()?;
                }
                Ok(update) => {
                    let news = match &update {
                        Update::Event(event) => self.follow.is_news(event),
                        _ => true,
                    };
                    if news {
                        self.tell(update)?;
                    }
                }
                // A newer server has more to tell than this version knows.
                Err(error) => tracing::debug!(%error, "an update is not known"),
            }
        }
    }

    /// Tells what the queue does, for a while.
    fn unserved(&mut self, wait: Duration) -> Result<(), Over> {
        let until = Instant::now() + wait;
        loop {
            self.look()?;
            let looked = Instant::now();
            while looked.elapsed() < LOOK {
                self.goes_on()?;
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(());
                }
                std::thread::sleep(left.min(TICK));
            }
        }
    }

    fn look(&mut self) -> Result<(), Over> {
        let events = self.follow.look().unwrap_or_else(|error: QueueError| {
            let (code, message) = (error.code().to_owned(), error.to_string());
            vec![Event::Error { job: None, code, message }]
        });
        events.into_iter().try_for_each(|event| self.tell(Update::Event(event)))
    }

    fn tell(&self, update: Update) -> Result<(), Over> {
        self.updates.blocking_send(update).map_err(|_| Over)
    }

    fn goes_on(&self) -> Result<(), Over> {
        if self.updates.is_closed() || self.stop.is_stopped() { Err(Over) } else { Ok(()) }
    }
}

/// Lines of a peer that may pause in the middle of one.
struct Lines {
    peer: UnixStream,
    read: Vec<u8>,
    /// How much of it was a line that has been taken.
    at: usize,
}

impl Lines {
    /// The next; `None`: not now.
    fn line(&mut self) -> io::Result<Option<&[u8]>> {
        self.read.drain(..self.at);
        self.at = 0;
        let mut looked = 0;
        loop {
            if let Some(end) = self.read[looked..].iter().position(|byte| *byte == b'\n') {
                let end = looked + end;
                self.at = end + 1;
                return Ok(Some(&self.read[..end]));
            }
            looked = self.read.len();
            if looked > LONGEST_LINE {
                return Err(io::Error::other("the server says no lines"));
            }
            let mut some = [0; 16 << 10];
            match self.peer.read(&mut some) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.read.extend_from_slice(&some[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e)
                    if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
                {
                    return Ok(None);
                }
                Err(e) => return Err(e),
            }
        }
    }
}

//! Streams of messages: told from threads that may block, read by a client that may go or be slow.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use brio_host::StopToken;
use futures_core::Stream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tonic::{Code, Status};

use super::counts::Counting;
use super::desk::stopped;
use super::fault::Fault;

/// Messages that may wait for the client.
const WAITING: usize = 8;
/// How long a client may take for one, and how often it is looked whether it took it.
const PATIENCE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(2);
const LONGEST_TICK: Duration = Duration::from_millis(50);

/// What a client reads. Dropping it, as happens when that goes away, ends what tells.
#[derive(Debug)]
pub(super) struct Answers<T> {
    from: Receiver<Result<T, Status>>,
    counting: Counting,
    _ends: StopAtEnd,
}

/// Who tells.
#[derive(Debug)]
pub(super) struct Teller<T> {
    to: Sender<Result<T, Status>>,
    stop: StopToken,
}

impl<T> Clone for Teller<T> {
    fn clone(&self) -> Self {
        Self { to: self.to.clone(), stop: self.stop.clone() }
    }
}

/// A stream, and who tells it until it ends.
pub(super) fn stream<T>(counting: Counting, ends: StopAtEnd) -> (Teller<T>, Answers<T>) {
    let (to, from) = channel(WAITING);
    let teller = Teller { to, stop: ends.0.clone() };
    (teller, Answers { from, counting, _ends: ends })
}

impl<T> Teller<T> {
    /// Waits until the client has room for it; an error when it is gone, too slow, or all ends.
    pub(super) fn tell(&self, message: T) -> Result<(), Fault> {
        self.send(message, true)
    }

    /// As [`tell`](Self::tell), of what is told although all ends.
    pub(super) fn tell_last(&self, message: T) -> Result<(), Fault> {
        self.send(message, false)
    }

    fn send(&self, message: T, heeds: bool) -> Result<(), Fault> {
        let (begun, mut tick, mut message) = (Instant::now(), TICK, Ok(message));
        loop {
            if heeds && self.stop.is_stopped() {
                return Err(stopped());
            }
            message = match self.to.try_send(message) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Closed(_)) => return Err(stopped()),
                Err(TrySendError::Full(message)) => message,
            };
            if begun.elapsed() > PATIENCE {
                self.stop.stop();
                return Err(Fault::new("STOPPED", "the client does not read what it asked for"));
            }
            std::thread::sleep(tick);
            tick = (tick * 2).min(LONGEST_TICK);
        }
    }

    /// Tells why there is no more.
    pub(super) async fn fail(&self, fault: Fault) {
        // Who does not read is told nothing.
        let _ = tokio::time::timeout(PATIENCE, self.to.send(Err(fault.into()))).await;
    }

    /// As [`tell`](Self::tell), where waiting blocks nobody; `false`: the client is gone.
    pub(super) async fn say(&self, message: T) -> bool {
        self.to.send(Ok(message)).await.is_ok()
    }

    /// Until the client is gone.
    pub(super) async fn closed(&self) {
        self.to.closed().await;
    }
}

impl<T> Stream for Answers<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.from.poll_recv(cx);
        match &next {
            Poll::Ready(None) => self.counting.ended(Code::Ok),
            Poll::Ready(Some(Err(status))) => {
                let code = status.code();
                self.counting.ended(code);
                // Nothing comes after an error.
                self.from.close();
            }
            _ => {}
        }
        next
    }
}

/// Ends something when it is dropped.
#[derive(Debug)]
pub(super) struct StopAtEnd(pub(super) StopToken);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.stop();
    }
}

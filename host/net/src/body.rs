//! Bodies that are counted, and timed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use crate::error::{NetError, NetLimit, Phase};
use crate::record::Track;

/// Bytes that a run may still send or receive.
#[derive(Debug)]
pub(crate) struct Budget(AtomicU64);

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    /// Takes all of them, or none.
    fn take(&self, bytes: u64) -> bool {
        // Relaxed: the number carries nothing but itself.
        let less = |left: u64| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request. Nothing of what is over the limit is sent.
pub(crate) struct RequestBody<B> {
    pub(crate) body: Pin<Box<B>>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) track: Arc<Track>,
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Fault>,
{
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let frame = std::task::ready!(self.body.as_mut().poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(Into::into)?;
            let bytes = frame.data_ref().map_or(0, |d| d.len() as u64);
            if !self.budget.take(bytes) {
                return Err(NetError::Limit(NetLimit::Sent).into());
            }
            self.track.sent.fetch_add(bytes, Ordering::Relaxed);
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A task that ends with who waits for it.
pub(crate) struct Driver(pub(crate) JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of a response. The connection goes with it, and its end is the request's.
pub struct ResponseBody {
    pub(crate) body: Incoming,
    pub(crate) budget: Arc<Budget>,
    pub(crate) track: Arc<Track>,
    pub(crate) between: Duration,
    pub(crate) timer: Pin<Box<Sleep>>,
    /// Whether it is waited for; who does not read is not late.
    pub(crate) waiting: bool,
    pub(crate) ended: bool,
    pub(crate) driver: Option<Driver>,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

impl ResponseBody {
    fn end(&mut self, error: Option<&NetError>) {
        self.ended = true;
        self.track.end(error);
        self.driver = None;
        self.permit = None;
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = NetError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NetError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if !self.waiting {
            let until = Instant::now() + self.between;
            self.timer.as_mut().reset(until);
        }
        let error = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => {
                self.waiting = true;
                std::task::ready!(self.timer.as_mut().poll(cx));
                NetError::Timeout { phase: Phase::BetweenBytes, after: self.between }
            }
            Poll::Ready(None) => {
                self.end(None);
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting = false;
                let bytes = frame.data_ref().map_or(0, |d| d.len() as u64);
                if self.budget.take(bytes) {
                    self.track.received.fetch_add(bytes, Ordering::Relaxed);
                    if self.body.is_end_stream() {
                        // A reader that knows the length does not come for the end.
                        self.end(None);
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                NetError::Limit(NetLimit::Received)
            }
            Poll::Ready(Some(Err(e))) => NetError::Protocol(crate::egress::said(&e)),
        };
        self.end(Some(&error));
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // Without a body there is nothing to wait for.
        let all = self.body.is_end_stream();
        self.track.end((!all).then_some(&NetError::Cancelled));
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

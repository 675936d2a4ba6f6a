//! Bodies on their way: each of them is complete, or an error says that it is not.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;

use super::wire;
use crate::NetErrorKind;

/// Sends a body to its end, no faster than it is taken. An error of its own goes as trailers:
/// only those come after all that was sent before.
///
/// # Errors
/// Nobody takes it any more.
pub(super) async fn pump<B: Body<Data = Bytes>>(
    body: B,
    to: &mut SendStream<Bytes>,
    kind: impl FnMut(B::Error) -> NetErrorKind,
) -> Result<(), h2::Error> {
    let mut body = pin!(body.map_err(kind));
    loop {
        let next = poll_fn(|cx| match to.poll_reset(cx) {
            Poll::Ready(reset) => Poll::Ready(Err(reset.map_or_else(|e| e, Into::into))),
            Poll::Pending => body.as_mut().poll_frame(cx).map(Ok),
        });
        let data = match next.await?.map(|frame| frame.map(Frame::into_data)) {
            None => return to.send_data(Bytes::new(), true),
            Some(Err(kind)) => return to.send_trailers(wire::error(kind)),
            Some(Ok(Err(frame))) => {
                let Ok(trailers) = frame.into_trailers() else { continue };
                // Nothing comes after them; that it is the end, a body knows who is asked.
                return to.send_trailers(match body.frame().await {
                    Some(Err(kind)) => wire::error(kind),
                    _ => wire::trailers(&trailers),
                });
            }
            Some(Ok(Ok(data))) => data,
        };
        match body.is_end_stream() {
            true => return send(data, true, to).await,
            false => send(data, false, to).await?,
        }
    }
}

async fn send(mut data: Bytes, last: bool, to: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    if data.is_empty() {
        // Frames of nothing are told from an attack by their number alone: none is sent.
        return if last { to.send_data(data, true) } else { Ok(()) };
    }
    while !data.is_empty() {
        to.reserve_capacity(data.len());
        if to.capacity() == 0 {
            let more = poll_fn(|cx| to.poll_capacity(cx)).await;
            more.unwrap_or(Err(Reason::CANCEL.into()))?;
        }
        let piece = data.split_to(to.capacity().min(data.len()));
        to.send_data(piece, last && data.is_empty())?;
    }
    Ok(())
}

/// A body as it was before it was carried.
pub(super) struct Received {
    from: RecvStream,
    left: Option<u64>,
    ended: bool,
}

impl Received {
    pub(super) fn new(from: RecvStream, length: Option<u64>) -> Self {
        Self { from, left: length, ended: false }
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NetErrorKind>>> {
        match ready!(self.from.poll_data(cx)) {
            Some(Ok(data)) => {
                let length = data.len();
                // Only a stream that is gone has no window.
                let _ = self.from.flow_control().release_capacity(length);
                self.left = self.left.map(|left| left.saturating_sub(length as u64));
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            Some(Err(_)) => return Poll::Ready(Some(Err(NetErrorKind::Cancelled))),
            None => {}
        }
        Poll::Ready(match ready!(self.from.poll_trailers(cx)) {
            Ok(Some(trailers)) => Some(wire::read_trailers(&trailers).map(Frame::trailers)),
            Ok(None) if self.from.is_end_stream() => None,
            Ok(None) | Err(_) => Some(Err(NetErrorKind::Cancelled)),
        })
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = NetErrorKind;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NetErrorKind>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(self.poll_next(cx));
        self.ended = !matches!(&frame, Some(Ok(frame)) if frame.is_data());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.from.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The body of a response that came by a [`Relay`](super::Relay). Dropped, the request is given
/// up.
pub struct RelayBody {
    body: Received,
    /// While it is there, the request's body is sent.
    wanted: Option<oneshot::Sender<Infallible>>,
}

impl RelayBody {
    pub(super) fn new(body: Received, wanted: oneshot::Sender<Infallible>) -> Self {
        Self { body, wanted: Some(wanted) }
    }
}

impl Body for RelayBody {
    type Data = Bytes;
    type Error = NetErrorKind;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NetErrorKind>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if self.body.is_end_stream() {
            self.wanted = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl std::fmt::Debug for RelayBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayBody").finish_non_exhaustive()
    }
}

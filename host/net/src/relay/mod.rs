//! Requests of a process that has no network, but for a socket to one that has.
//!
//! [`Relay`] is the end of the one that has none; [`serve`] is the other, with the [`Egress`],
//! and believes nothing that it is sent. Between them is HTTP/2.
//!
//! [`Egress`]: crate::Egress

mod body;
mod serve;
mod wire;

use std::convert::Infallible;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use h2::Reason;
use h2::client::{Builder, SendRequest};
use http::{Request, Response};
use http_body::Body;
use tokio::sync::{SetOnce, oneshot};

pub use body::RelayBody;
use body::{Received, pump};
pub use serve::serve;

use crate::{NetErrorKind, Timeouts};

/// What one body may have on its way before somebody reads it. A process that does not read is
/// sent no more, and one that sends is read no further.
const WINDOW: u32 = 32 << 10;
/// Requests that are on their way at one time, at most.
const STREAMS: u32 = 1024;
/// All bodies together: no body waits for another to be read. It also says how many small pieces
/// may lie there unread.
const WINDOWS: u32 = STREAMS * WINDOW;

/// Sends requests by way of another process, as [`Egress::send`](crate::Egress::send) does.
/// Clones are one.
///
/// All that it does in the system is to read, write and wait: it opens nothing. Its work is done
/// in the runtime in which the first request is sent.
#[derive(Clone)]
pub struct Relay(Arc<Inner>);

struct Inner {
    /// Until the first request.
    stream: Mutex<Option<UnixStream>>,
    /// `None`: there is nobody.
    sender: SetOnce<Option<SendRequest<Bytes>>>,
}

impl Relay {
    /// To whoever [`serve`]s the other end of `stream`. Nothing is done with it before the first
    /// request.
    pub fn new(stream: UnixStream) -> Self {
        Self(Arc::new(Inner { stream: Mutex::new(Some(stream)), sender: SetOnce::new() }))
    }

    /// Sends a request, and answers when the head of the response is there. Dropped, it is given
    /// up, and so it is when the body of its response is dropped.
    ///
    /// Needs a tokio runtime with I/O.
    ///
    /// # Errors
    /// What [`Egress::send`](crate::Egress::send) answered; [`NetErrorKind::Cancelled`] when the
    /// other end is gone; [`NetErrorKind::Request`] for a head that is too long to be sent.
    pub async fn send<B>(
        &self,
        request: Request<B>,
        times: Timeouts,
    ) -> Result<Response<RelayBody>, NetErrorKind>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let head = wire::request(&parts, times, body.size_hint().exact());
        let head = head.ok_or(NetErrorKind::Request)?;
        let sender = self.sender().await.ok_or(NetErrorKind::Cancelled)?;
        let gone = |_| NetErrorKind::Cancelled;
        let mut sender = sender.ready().await.map_err(gone)?;
        let whole = body.is_end_stream();
        let (answered, mut to) = sender.send_request(head, whole).map_err(gone)?;
        // Dropped with this future, or with the response's body.
        let (wanted, unwanted) = oneshot::channel::<Infallible>();
        if !whole {
            tokio::spawn(async move {
                tokio::select! {
                    biased;
                    _ = unwanted => to.send_reset(Reason::CANCEL),
                    // An end that comes early is the answer's to tell.
                    _ = pump(body, &mut to, |_| NetErrorKind::Protocol) => {}
                }
            });
        }
        let (outer, body) = answered.await.map_err(gone)?.into_parts();
        let (parts, length) = wire::read_response(&outer.headers)?;
        Ok(Response::from_parts(parts, RelayBody::new(Received::new(body, length), wanted)))
    }

    async fn sender(&self) -> Option<SendRequest<Bytes>> {
        let stream = self.0.stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stream) = stream {
            let ready = stream.set_nonblocking(true);
            match ready.and_then(|()| tokio::net::UnixStream::from_std(stream)) {
                // On its own: whoever asked first may not wait to the end.
                Ok(stream) => drop(tokio::spawn(connect(stream, self.0.clone()))),
                Err(error) => {
                    tracing::debug!(%error, "a relay has no socket");
                    let _ = self.0.sender.set(None);
                }
            }
        }
        self.0.sender.wait().await.clone()
    }
}

/// Connects, and then moves what is sent and received for as long as there is anybody.
async fn connect(stream: tokio::net::UnixStream, relay: Arc<Inner>) {
    let ended = |error: h2::Error| tracing::debug!(%error, "a relay ended");
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOWS)
        .max_send_buffer_size(WINDOW as usize)
        .max_header_list_size(wire::LIST as u32);
    let (sender, connection) = builder.handshake(stream).await.map_err(ended).ok().unzip();
    // Set here alone, and once.
    let _ = relay.sender.set(sender);
    drop(relay);
    if let Some(connection) = connection {
        connection.await.unwrap_or_else(ended);
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

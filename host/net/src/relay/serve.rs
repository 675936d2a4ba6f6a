//! The end that has the network. Its peer may send whatever it likes.

use std::future::poll_fn;
use std::io;
use std::os::unix::net::UnixStream;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, Handshake, SendResponse};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::task::JoinSet;

use super::body::{Received, pump};
use super::{STREAMS, WINDOW, WINDOWS, wire};
use crate::{Egress, NetError, NetErrorKind, ResponseBody};

/// Requests that are on their way beside those that have a connection: they wait for one, and
/// more than these wait where they come from.
const WAITING: u32 = 112;

/// Sends what the process at the other end of `stream` asks a [`Relay`](super::Relay) to send,
/// until its end is closed. That process is not trusted: it reaches what `egress` allows, and what
/// it sends takes a bounded amount of memory. Dropped, everything under way is given up.
///
/// Needs a tokio runtime with I/O and time.
///
/// # Errors
/// The socket's; of what came, if it is not what a relay sends.
pub async fn serve(egress: Egress, stream: UnixStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let stream = tokio::net::UnixStream::from_std(stream)?;
    let streams = egress.concurrent().saturating_add(WAITING).min(STREAMS);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(streams)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOWS)
        .max_send_buffer_size(WINDOW as usize)
        .max_header_list_size(wire::LIST as u32);
    match all(egress, builder.handshake(stream)).await {
        Err(e) if !is_end(&e) => Err(io::Error::other(e)),
        _ => Ok(()),
    }
}

async fn all(
    egress: Egress,
    handshake: Handshake<tokio::net::UnixStream, Bytes>,
) -> Result<(), h2::Error> {
    let mut connection = handshake.await?;
    // One for each request; they end with it.
    let mut tasks = JoinSet::new();
    while let Some(asked) = connection.accept().await {
        let (request, respond) = asked?;
        while tasks.try_join_next().is_some() {}
        tasks.spawn(answer(egress.clone(), request, respond));
    }
    Ok(())
}

/// A process ends when it ends, perhaps in the middle of a word.
fn is_end(e: &h2::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    let kind = e.get_io().map(io::Error::kind);
    matches!(kind, Some(BrokenPipe | ConnectionReset | UnexpectedEof))
}

/// The guest's body ended before its end. Why is not told: that is the guest's.
#[derive(Debug, thiserror::Error)]
#[error("the request's body broke off")]
struct BrokeOff;

async fn answer(egress: Egress, request: Request<RecvStream>, mut to: SendResponse<Bytes>) {
    let answered = {
        let gone = poll_fn(|cx| to.poll_reset(cx));
        tokio::select! {
            biased;
            _ = gone => return,
            answered = exchange(&egress, request) => answered,
        }
    };
    let (head, body) = answered.unwrap_or_else(|kind| (wire::error(kind), None));
    let mut response = Response::new(());
    *response.headers_mut() = head;
    let sent = match (to.send_response(response, body.is_none()), body) {
        (Ok(mut to), Some(body)) => pump(body, &mut to, |e: NetError| e.kind()).await,
        (sent, _) => sent.map(drop),
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "a response was not taken");
    }
}

/// The head of the answer, and its body where it has one.
async fn exchange(
    egress: &Egress,
    request: Request<RecvStream>,
) -> Result<(HeaderMap, Option<ResponseBody>), NetErrorKind> {
    let (parts, body) = request.into_parts();
    let asked = wire::read_request(parts).ok_or(NetErrorKind::Protocol)?;
    let (parts, times, length) = asked;
    let body = Received::new(body, length).map_err(|_| BrokeOff);
    let response = egress.send(Request::from_parts(parts, body), times).await;
    let (parts, body) = response.map_err(|e| e.kind())?.into_parts();
    let head = wire::response(&parts, body.size_hint().exact()).ok_or(NetErrorKind::Protocol)?;
    // One without a body has ended, before anybody hears of it.
    Ok((head, Some(body).filter(|body| !body.is_end_stream())))
}

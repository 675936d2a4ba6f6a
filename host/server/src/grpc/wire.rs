//! Connections: so many at one time, and each says soon what it is.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::server::Connected;
use tower_service::Service;

use crate::bind;

/// So many connections are open at one time; others wait until one of those is done.
const CONNECTIONS: usize = 64;
/// What a connection of HTTP/2 begins with takes no longer to arrive.
const ASKING: Duration = Duration::from_secs(10);
const PREFACE: usize = 24;

/// Where connections come from.
pub(super) enum Listener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Listener {
    /// The next of the owner's; a socket's are no others'.
    async fn accept(&self) -> io::Result<Box<dyn Io>> {
        Ok(match self {
            Self::Tcp(listener) => loop {
                let (stream, client) = listener.accept().await?;
                if bind::is_owner(&stream, client).await {
                    stream.set_nodelay(true)?;
                    break Box::new(stream);
                }
            },
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// One connection, with its place among those that there may be.
pub(super) struct Connection {
    io: Box<dyn Io>,
    /// Bytes of what it begins with that have come, and until when all of those must have.
    hello: Option<(usize, Pin<Box<Sleep>>)>,
    _place: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        let Some((come, until)) = &mut self.hello else { return read };
        *come += buf.filled().len() - before;
        if *come >= PREFACE {
            self.hello = None;
        } else if read.is_pending() && until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// Connections as they come, no more than there may be.
pub(super) struct Incoming(Receiver<Connection>);

impl Incoming {
    /// Takes them from here on, in the runtime that this is called in.
    pub(super) fn of(listener: Listener) -> Self {
        let (to, from) = channel(1);
        tokio::spawn(async move {
            let places = std::sync::Arc::new(Semaphore::new(CONNECTIONS));
            while let Ok(place) = places.clone().acquire_owned().await {
                let io = tokio::select! {
                    io = listener.accept() => io,
                    () = to.closed() => return,
                };
                let io = match io {
                    Ok(io) => io,
                    Err(error) => {
                        tracing::warn!(%error, "a gRPC client was not taken");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let hello = Some((0, Box::pin(tokio::time::sleep(ASKING))));
                if to.send(Connection { io, hello, _place: place }).await.is_err() {
                    return;
                }
            }
        });
        Self(from)
    }
}

impl Stream for Incoming {
    type Item = Result<Connection, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(ready!(self.0.poll_recv(cx)).map(Ok))
    }
}

type Reply = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// A service that is asked by the first part of a path.
trait Named: Send + Sync {
    fn ask(&self, request: Request<Body>) -> Reply;
}

impl<S> Named for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    fn ask(&self, request: Request<Body>) -> Reply {
        // Those that are generated are always ready.
        Box::pin(self.clone().call(request))
    }
}

/// Several services as one, each by its name: four need no router.
#[derive(Clone, Default)]
pub(super) struct Services(Vec<(&'static str, std::sync::Arc<dyn Named>)>);

impl Services {
    pub(super) fn with<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + NamedService,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.0.push((S::NAME, std::sync::Arc::new(service)));
        self
    }
}

impl Service<Request<Body>> for Services {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Reply {
        let name = request.uri().path().strip_prefix('/').and_then(|path| path.split_once('/'));
        let named = name.and_then(|(name, _)| self.0.iter().find(|(own, _)| *own == name));
        match named {
            Some((_, service)) => service.ask(request),
            None => {
                let unknown = tonic::Status::unimplemented("there is no such service here");
                Box::pin(std::future::ready(Ok(unknown.into_http())))
            }
        }
    }
}

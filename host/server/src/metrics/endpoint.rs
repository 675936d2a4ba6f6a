//! Where the figures can be had: `GET /metrics`, and nothing else.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use super::Exposition;
use crate::BindError;
use crate::bind::Service;

/// So many are answered at one time; others wait until one of those is done.
const CONNECTIONS: usize = 16;
/// A request may take this long to arrive.
const ASKING: Duration = Duration::from_secs(5);
/// All of a connection may take this long.
const PATIENCE: Duration = Duration::from_secs(15);
/// A request is no longer than this, and has no more headers than that.
const LONGEST: usize = 8 << 10;
const HEADERS: usize = 64;

const SERVICE: Service =
    Service { code: "METRICS", public: ("METRICS_PUBLIC", "say --metrics-public") };

/// An address at which the figures will be served.
#[derive(Debug)]
pub struct Endpoint {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

/// The endpoint at work. Dropping it ends it.
#[derive(Debug)]
#[must_use = "dropping it ends it"]
pub struct Serving {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Takes an address; port 0 is any that is free. `public`: it need not be a loopback address.
    /// Who can reach it can read the figures: nobody is asked who they are.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(address: SocketAddr, public: bool) -> Result<Self, BindError> {
        let (listener, address) = SERVICE.bind(address, public)?;
        Ok(Self { listener, address })
    }

    /// The address, with the port that was free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers, on a thread of its own.
    ///
    /// # Errors
    /// The host's, when there is no thread to be had.
    pub fn serve(self, exposition: Exposition) -> io::Result<Serving> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(self.listener)?
        };
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("brio-metrics".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, Arc::new(exposition)) => {}
                    _ = ended => {}
                }
            });
            // Nobody waits for who reads slowly.
            runtime.shutdown_background();
        })?;
        Ok(Serving { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, exposition: Arc<Exposition>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = places.clone().acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a request for metrics was not taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let exposition = exposition.clone();
        tokio::spawn(async move {
            if tokio::time::timeout(PATIENCE, converse(stream, exposition)).await.is_err() {
                tracing::debug!("a request for metrics took too long");
            }
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, exposition: Arc<Exposition>) {
    let service = service_fn(|request| respond(request, exposition.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASKING)
        .max_buf_size(LONGEST)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a request for metrics was not answered");
    }
}

async fn respond<B>(
    request: Request<B>,
    exposition: Arc<Exposition>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/metrics" {
        return Ok(plain(StatusCode::NOT_FOUND, "the figures are at /metrics\n"));
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "the figures can only be read\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refused);
    }
    // It reads databases.
    let written = tokio::task::spawn_blocking(move || exposition.write()).await;
    Ok(match written {
        Ok(Ok(text)) => answer(StatusCode::OK, Exposition::CONTENT_TYPE, text),
        Ok(Err(error)) => {
            tracing::warn!(%error, "there are no metrics");
            plain(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"))
        }
        Err(error) => {
            tracing::error!(%error, "there are no metrics");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "there are no metrics\n")
        }
    })
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", text)
}

fn answer(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

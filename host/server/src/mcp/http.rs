//! Many clients, by streamable HTTP: `POST`, `GET` and `DELETE` of `/mcp`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::Server;
use super::handler::Connection;
use crate::BindError;
use crate::bind;

/// So many connections are open at one time; others wait until one of those is done.
const CONNECTIONS: usize = 64;
/// The head of a request may take this long to arrive, and be so long.
const ASKING: Duration = Duration::from_secs(10);
const LONGEST_HEAD: usize = 16 << 10;
const HEADERS: usize = 64;
/// A body is no longer than this.
const LONGEST: usize = 32 << 20;
/// A client that is not heard of for so long, beyond what its longest call may take, is gone.
const PATIENCE: Duration = Duration::from_secs(300);
const MOST_PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// Bytes of a token.
const SHORTEST_TOKEN: usize = 16;
const LONGEST_TOKEN: usize = 4096;

type Body = BoxBody<Bytes, Infallible>;
type Service = StreamableHttpService<Connection, LocalSessionManager>;

const SERVICE: bind::Service =
    bind::Service { code: "MCP", public: ("MCP_TOKEN", "give --mcp-token-file") };

/// What a client must show, as `Authorization: Bearer …`.
#[derive(Clone)]
pub struct Token(Vec<u8>);

/// It is no token.
#[derive(Debug, thiserror::Error)]
#[error(
    "MCP_TOKEN: a token has {SHORTEST_TOKEN} to {LONGEST_TOKEN} visible ASCII characters and no spaces; make one with `openssl rand -hex 32`"
)]
pub struct TokenError;

impl TokenError {
    /// The stable code that the text begins with.
    pub fn code(&self) -> &'static str {
        "MCP_TOKEN"
    }
}

impl Token {
    /// Takes a token; white space around it does not count.
    ///
    /// # Errors
    /// When it is too short, or could not stand in a header.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let fits = (SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&text.len());
        match fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(Self(text.into())),
            false => Err(TokenError),
        }
    }

    /// Takes as long wherever the two differ.
    fn is(&self, shown: &[u8]) -> bool {
        let differ = self.0.iter().zip(shown).fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(differ) == 0 && self.0.len() == shown.len()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How clients are let in.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// What each must show; `None`: nothing, at a loopback address only, and programs of other
    /// users are turned away where the system (Linux) tells whose they are.
    pub token: Option<Token>,
    /// Names beside the address itself by which clients may ask for this machine.
    pub hosts: Vec<String>,
}

/// An address at which clients will be served.
#[derive(Debug)]
pub struct Endpoint {
    listener: std::net::TcpListener,
    address: SocketAddr,
    options: HttpOptions,
}

/// The endpoint at work. Dropping it ends it, and what runs for its clients.
#[must_use = "dropping it ends it"]
pub struct Serving {
    server: Server,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Takes an address; port 0 is any that is free. One that other machines reach needs a token.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(address: SocketAddr, options: HttpOptions) -> Result<Self, BindError> {
        let (listener, address) = SERVICE.bind(address, options.token.is_some())?;
        Ok(Self { listener, address, options })
    }

    /// The address, with the port that was free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves, on threads of its own.
    ///
    /// # Errors
    /// The host's, when there is no thread to be had.
    pub fn serve(self, server: Server) -> io::Result<Serving> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("brio-mcp-http")
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(self.listener)?
        };
        let ends = CancellationToken::new();
        let site = Arc::new(Site {
            service: service(&server, &self.options, self.address, ends.clone()),
            token: self.options.token,
        });
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("brio-mcp-http".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, site) => {}
                    _ = ended => {}
                }
            });
            ends.cancel();
            // Nobody waits for who reads slowly.
            runtime.shutdown_background();
        })?;
        Ok(Serving { server, end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.server.end();
    }
}

struct Site {
    service: Service,
    token: Option<Token>,
}

/// A page of another site that has its name lead to this address (DNS rebinding) names itself in
/// `Host`, and any page itself in `Origin`: only this machine's own names pass.
fn service(
    server: &Server,
    options: &HttpOptions,
    address: SocketAddr,
    ends: CancellationToken,
) -> Service {
    let ip = address.ip().to_canonical();
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    if !ip.is_unspecified() {
        hosts.push(ip.to_string());
    }
    hosts.extend(options.hosts.iter().cloned());
    let names = hosts.iter().map(|h| if h.contains(':') { format!("[{h}]") } else { h.clone() });
    let origins: Vec<_> =
        names.flat_map(|h| [format!("http://{h}:*"), format!("https://{h}:*")]).collect();
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        .with_allowed_origins(origins)
        .enforce_origin_validation()
        .with_max_request_body_bytes(LONGEST)
        .with_cancellation_token(ends);
    let mut clients = LocalSessionManager::default();
    // A call that takes its time is no sign that its client is gone.
    let longest = server.desk.options.limits.wall.min(MOST_PATIENCE);
    clients.session_config.keep_alive = Some(longest + PATIENCE);
    let server = server.clone();
    let connection = move || Ok(Connection::new(server.clone()));
    StreamableHttpService::new(connection, Arc::new(clients), config)
}

async fn accept(listener: TcpListener, site: Arc<Site>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = places.clone().acquire_owned().await {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an MCP client was not taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let site = site.clone();
        tokio::spawn(async move {
            // A token says who asks, and nothing else needs to.
            if site.token.is_some() || bind::is_owner(&stream, client).await {
                converse(stream, site).await;
            }
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, site: Arc<Site>) {
    let service = service_fn(|request| respond(request, site.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASKING)
        .max_buf_size(LONGEST_HEAD.max(8192))
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an MCP client's connection broke");
    }
}

async fn respond(
    request: Request<Incoming>,
    site: Arc<Site>,
) -> Result<Response<Body>, Infallible> {
    if request.uri().path() != "/mcp" {
        return Ok(plain(StatusCode::NOT_FOUND, "MCP is at /mcp\n"));
    }
    if let Some(token) = &site.token
        && !shows(&request, token)
    {
        let mut refused = plain(StatusCode::UNAUTHORIZED, "give the server's token\n");
        refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return Ok(refused);
    }
    Ok(site.service.handle(request).await)
}

fn shows(request: &Request<Incoming>, token: &Token) -> bool {
    let mut all = request.headers().get_all(AUTHORIZATION).iter();
    let (Some(shown), None) = (all.next(), all.next()) else { return false };
    let Some((scheme, shown)) = shown.as_bytes().split_at_checked(7) else { return false };
    scheme.eq_ignore_ascii_case(b"bearer ") && token.is(shown)
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *response.status_mut() = status;
    response
}

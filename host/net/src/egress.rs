//! One request: looked at, sent, counted, timed.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body::Body;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::body::{Budget, Driver, RequestBody, ResponseBody};
use crate::connect::Target;
use crate::error::{NetLimit, Phase};
use crate::record::{Log, Track};
use crate::{
    AllowHost, Host, NetError, NetLimits, Observer, RequestRecord, Resolve, Scheme, Secret,
    SecretError, SystemResolver, Trust,
};

/// What the requests of one run may do. Nothing, by default.
#[derive(Clone, Default)]
pub struct EgressOptions {
    /// The hosts that may be reached.
    pub allow: Vec<AllowHost>,
    /// What is put into requests to them.
    pub secrets: Vec<Secret>,
    /// How much.
    pub limits: NetLimits,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Who finds addresses; the system when `None`.
    pub resolver: Option<Arc<dyn Resolve>>,
    /// Who is told of each request.
    pub observer: Option<Observer>,
}

/// Why grants do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// Of a secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Two secrets would be in one header.
    #[error(
        "SECRET: {host}: two secrets are for one header; leave one out, or name another header"
    )]
    Twice {
        /// The host of both.
        host: AllowHost,
    },
}

impl EgressError {
    /// `SECRET`.
    pub fn code(&self) -> &'static str {
        "SECRET"
    }
}

/// Times that a guest asks for. They count where they are shorter than those of the run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeouts {
    /// See [`NetLimits::connect`].
    pub connect: Option<Duration>,
    /// See [`NetLimits::first_byte`].
    pub first_byte: Option<Duration>,
    /// See [`NetLimits::between_bytes`].
    pub between_bytes: Option<Duration>,
}

/// Sends the requests of one run. Clones are one.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    allow: Vec<AllowHost>,
    secrets: Vec<Secret>,
    limits: NetLimits,
    trust: Trust,
    resolver: Arc<dyn Resolve>,
    log: Log,
    made: AtomicU32,
    at_once: Arc<Semaphore>,
    sent: Arc<Budget>,
    received: Arc<Budget>,
}

impl Default for Egress {
    /// Sends nothing.
    fn default() -> Self {
        Self::of(EgressOptions::default())
    }
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Inner { allow, secrets, limits, .. } = &*self.0;
        let mut f = f.debug_struct("Egress");
        f.field("allow", allow).field("secrets", secrets).field("limits", limits);
        f.finish_non_exhaustive()
    }
}

/// Headers that are the connection's, or decide to whom a request goes.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    const OTHERS: [&str; 4] = ["keep-alive", "proxy-connection", "http2-settings", "trailer"];
    let known = [
        header::HOST,
        header::CONNECTION,
        header::TE,
        header::UPGRADE,
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
    ];
    known.contains(name) || OTHERS.contains(&name.as_str())
}

/// The head of a response is no longer: a guest may keep as many as it may make requests.
pub(crate) const HEAD: usize = 64 << 10;

/// What is checked before anything is asked of anybody.
struct Asked {
    scheme: Scheme,
    host: Host,
    port: u16,
}

impl Asked {
    fn of(method: &Method, uri: &Uri) -> Result<Self, NetError> {
        // TRACE echoes headers, the host's secrets among them; CONNECT leads to another host.
        if matches!(*method, Method::CONNECT | Method::TRACE) {
            return Err(NetError::Request("CONNECT and TRACE are not sent"));
        }
        let scheme = match uri.scheme_str() {
            Some("https") | None => Scheme::Https,
            Some("http") => Scheme::Http,
            Some(_) => return Err(NetError::Request("only http and https are spoken")),
        };
        let authority = uri.authority().ok_or(NetError::Request("it names no host"))?.as_str();
        if authority.contains('@') {
            return Err(NetError::Request("a user in the URL is not sent; use a header"));
        }
        let bad = |_| NetError::Request("its host is no DNS name, IPv4 or [IPv6] address");
        let (host, port) = crate::host::with_port(authority).map_err(bad)?;
        let port = port.unwrap_or(scheme.default_port());
        Ok(Self { scheme, host: host.parse().map_err(bad)?, port })
    }

    /// Without the usual port, which servers do not expect there.
    fn host_header(&self) -> Result<HeaderValue, NetError> {
        let text = match self.port == self.scheme.default_port() {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        };
        HeaderValue::from_str(&text).map_err(|_| NetError::Request("its host is no header"))
    }
}

impl Egress {
    /// With these grants.
    ///
    /// # Errors
    /// [`EgressError`]: a secret for a host that is not granted, or two for one header.
    pub fn new(options: EgressOptions) -> Result<Self, EgressError> {
        for (i, secret) in options.secrets.iter().enumerate() {
            let spec = secret.spec();
            spec.check_among(&options.allow)?;
            if options.secrets[..i].iter().any(|other| other.is_beside(secret)) {
                return Err(EgressError::Twice { host: spec.host.clone() });
            }
        }
        Ok(Self::of(options))
    }

    fn of(options: EgressOptions) -> Self {
        let EgressOptions { allow, secrets, limits, trust, resolver, observer } = options;
        Self(Arc::new(Inner {
            allow,
            secrets,
            limits,
            trust,
            resolver: resolver.unwrap_or_else(|| Arc::new(SystemResolver::default())),
            log: Log::new(observer),
            made: AtomicU32::default(),
            at_once: Arc::new(Semaphore::new(limits.concurrent as usize)),
            sent: Arc::new(Budget::new(limits.sent)),
            received: Arc::new(Budget::new(limits.received)),
        }))
    }

    /// Sends a request, and answers when the head of the response is there. No redirect is
    /// followed: it is the response. Dropped, it is given up.
    ///
    /// Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`NetError`].
    pub async fn send<B>(
        &self,
        request: Request<B>,
        times: Timeouts,
    ) -> Result<Response<ResponseBody>, NetError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let limits = &self.0.limits;
        // Relaxed: the number carries nothing but itself.
        let made = self.0.made.fetch_add(1, Ordering::Relaxed);
        let over = NetError::Limit(NetLimit::Requests);
        // Of those that are too many one is recorded: there is no bound to them.
        if made > limits.requests {
            self.0.made.fetch_sub(1, Ordering::Relaxed);
            return Err(over);
        }
        let asked = Asked::of(request.method(), request.uri());
        let track = self.0.log.begin(self.record(&request, asked.as_ref().ok()));
        let pending = Pending { track, ended: false };
        let done = match asked {
            _ if made == limits.requests => Err(over),
            Ok(asked) => self.exchange(request, &asked, times, &pending.track).await,
            Err(e) => Err(e),
        };
        pending.end(&done);
        done
    }

    /// Ends what is under way and says what was done, in order. To be called once, at the end
    /// of the run: what comes later is given up at once.
    pub fn close(&self) -> Vec<RequestRecord> {
        self.0.at_once.close();
        self.0.log.close()
    }

    #[cfg(unix)]
    pub(crate) fn concurrent(&self) -> u32 {
        self.0.limits.concurrent
    }

    fn record<B>(&self, request: &Request<B>, asked: Option<&Asked>) -> RequestRecord {
        let path = request.uri().path().to_owned();
        RequestRecord {
            time: SystemTime::now(),
            method: request.method().as_str().to_owned(),
            scheme: asked.map_or(Scheme::Https, |a| a.scheme),
            host: asked.map(|a| a.host.clone()),
            port: asked.map_or(0, |a| a.port),
            path: self.redact(path),
            status: None,
            error: None,
            sent: 0,
            received: 0,
            duration: Duration::ZERO,
        }
    }

    /// A response may have told the guest a secret, who may put it into a path.
    fn redact(&self, text: String) -> String {
        self.0.secrets.iter().fold(text, |text, secret| secret.redact(text))
    }

    async fn exchange<B>(
        &self,
        request: Request<B>,
        asked: &Asked,
        times: Timeouts,
        track: &Arc<Track>,
    ) -> Result<Response<ResponseBody>, NetError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let inner = &*self.0;
        let Asked { scheme, host, port } = asked;
        let grant = AllowHost::exact(*scheme, host.clone(), *port);
        if !inner.allow.iter().any(|allowed| allowed.opens(&grant)) {
            return Err(NetError::Denied { grant });
        }
        let shorter = |asked: Option<Duration>, most: Duration| asked.map_or(most, |t| t.min(most));
        let limit = shorter(times.connect, inner.limits.connect);
        let deadline = Instant::now() + limit;
        let free = timeout_at(deadline, inner.at_once.clone().acquire_owned()).await;
        let permit = free.map_err(|_| NetError::Limit(NetLimit::Concurrent))?;
        let permit = permit.map_err(|_| NetError::Cancelled)?;
        let target = Target { scheme: *scheme, host, port: *port, allow: &inner.allow };
        let late = |phase, after| move |_| NetError::Timeout { phase, after };
        let connecting = target.connect(&*inner.resolver, &inner.trust);
        let stream = timeout_at(deadline, connecting).await;
        let stream = stream.map_err(late(Phase::Connect, limit))??;
        let broken = |e: hyper::Error| NetError::Protocol(said(&e));
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let driver = Driver(tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = said(&error), "a connection ended");
            }
        }));
        let request = self.made_ready(request, asked, track)?;
        let limit = shorter(times.first_byte, inner.limits.first_byte);
        let answered = tokio::time::timeout(limit, sender.send_request(request)).await;
        let answered = answered.map_err(late(Phase::FirstByte, limit))?;
        let answered = answered.map_err(|e| own(&e).unwrap_or_else(|| broken(e)))?;
        let between = shorter(times.between_bytes, inner.limits.between_bytes);
        Ok(answered.map(|body| ResponseBody {
            body,
            budget: inner.received.clone(),
            track: track.clone(),
            between,
            timer: Box::pin(tokio::time::sleep(between)),
            waiting: false,
            ended: false,
            driver: Some(driver),
            permit: Some(permit),
        }))
    }

    /// As it goes out: to a path, with the host's headers in place of the guest's.
    fn made_ready<B>(
        &self,
        request: Request<B>,
        asked: &Asked,
        track: &Arc<Track>,
    ) -> Result<Request<RequestBody<B>>, NetError> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        parts.uri = path.parse().map_err(|_| NetError::Request("its path is none"))?;
        parts.version = http::Version::HTTP_11;
        let length = parts.headers.remove(header::CONTENT_LENGTH);
        let mut headers = HeaderMap::with_capacity(parts.headers.len() + 3);
        headers.insert(header::HOST, asked.host_header()?);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.extend(length.map(|length| (header::CONTENT_LENGTH, length)));
        for (name, value) in &parts.headers {
            if !is_ours(name) {
                headers.append(name, value.clone());
            }
        }
        for secret in &self.0.secrets {
            secret.put(&mut headers, asked.scheme, &asked.host, asked.port);
        }
        parts.headers = headers;
        parts.extensions.clear();
        let body =
            RequestBody { body: Box::pin(body), budget: self.0.sent.clone(), track: track.clone() };
        Ok(Request::from_parts(parts, body))
    }
}

/// A request without an end yet: given up, unless somebody says otherwise.
struct Pending {
    track: Arc<Track>,
    ended: bool,
}

impl Pending {
    fn end(mut self, done: &Result<Response<ResponseBody>, NetError>) {
        self.ended = true;
        match done {
            // The response's body ends it.
            Ok(response) => self.track.status(response.status().as_u16()),
            Err(e) => self.track.end(Some(e)),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.ended {
            self.track.end(Some(&NetError::Cancelled));
        }
    }
}

/// What an error says, with what is behind it: hyper's own words say little.
pub(crate) fn said(e: &hyper::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        text.push_str(&format!(": {e}"));
        source = e.source();
    }
    text
}

/// An error that is ours, and that came by way of hyper.
fn own(e: &hyper::Error) -> Option<NetError> {
    let mut source = e.source();
    while let Some(e) = source {
        if let Some(e) = e.downcast_ref::<NetError>() {
            return Some(e.clone());
        }
        source = e.source();
    }
    None
}

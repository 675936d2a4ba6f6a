//! The SDK's way to the server: one request a connection, bounded in size and time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use brio_net::{
    AllowHost, Egress, EgressError, EgressOptions, Host, NetError, NetLimits, Resolve, Resolved,
    ResponseBody, SecretError, SystemResolver, Timeouts, Trust,
};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ErrorData, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};

use crate::count::{CountError, Counted, MOST_BYTES};
use crate::server::{Server, Target};
use crate::text::short;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
/// The largest request: the largest note, with what JSON escapes in it.
const MOST_SENT: u64 = 128 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{0}")]
    Net(#[from] NetError),
    #[error("{0}")]
    Count(#[from] CountError),
    #[error("the token cannot be shown: {0}")]
    Token(#[from] SecretError),
    #[error("the token cannot be shown: {0}")]
    Grant(#[from] EgressError),
    #[error("it answered with HTTP {status}{}{said}", if said.is_empty() { "" } else { ": " })]
    Status { status: u16, said: String },
    #[error("a request cannot be made of it: {0}")]
    Request(#[from] http::Error),
    #[error("a request cannot be made of it: {0}")]
    Json(#[from] serde_json::Error),
    #[error("its host has no address: {0}")]
    Resolve(std::io::Error),
}

impl From<HttpError> for StreamableHttpError<HttpError> {
    fn from(e: HttpError) -> Self {
        Self::Client(e)
    }
}

type Failed = StreamableHttpError<HttpError>;
type Body = Counted<ResponseBody>;
type Events = Pin<Box<dyn futures_core::Stream<Item = Result<Sse, SseError>> + Send>>;

/// Asks one server. Clones are one.
#[derive(Clone)]
pub(crate) struct Http(Arc<Inner>);

struct Inner {
    target: Target,
    token_file: Option<PathBuf>,
    trust: Trust,
    timeout: Duration,
    resolver: SystemResolver,
}

impl Http {
    pub(crate) fn new(target: Target, server: &Server, trust: Trust, timeout: Duration) -> Self {
        let token_file = server.token_file.clone();
        let resolver = SystemResolver::default();
        Self(Arc::new(Inner { target, token_file, trust, timeout, resolver }))
    }

    /// What sends one request: to that server, wherever the person who named it has it.
    async fn egress(&self) -> Result<Egress, HttpError> {
        let Inner { target, token_file, trust, timeout, resolver } = &*self.0;
        let found = match &target.host {
            Host::Name(name) if name != "localhost" => {
                resolver.resolve(name).await.map_err(HttpError::Resolve)?
            }
            _ => Vec::new(),
        };
        let mut allow = vec![target.grant()];
        allow.extend(found.iter().map(|address| {
            AllowHost::exact(target.scheme, Host::Address(address.to_canonical()), target.port)
        }));
        let secrets = match token_file {
            Some(file) => vec![target.secret(file.clone()).resolve(|_| None)?],
            None => Vec::new(),
        };
        let limits = NetLimits {
            connect: *timeout,
            first_byte: *timeout,
            between_bytes: *timeout,
            requests: 1,
            concurrent: 1,
            sent: MOST_SENT,
            received: MOST_BYTES,
        };
        let resolver: Arc<dyn Resolve> = Arc::new(Found(found));
        let (trust, resolver) = (trust.clone(), Some(resolver));
        let options = EgressOptions { allow, secrets, limits, trust, resolver, observer: None };
        Ok(Egress::new(options)?)
    }

    async fn send(
        &self,
        method: Method,
        uri: &str,
        session: Option<&str>,
        headers: HashMap<HeaderName, HeaderValue>,
        body: Vec<u8>,
    ) -> Result<Response<Body>, HttpError> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(session) = session {
            request = request.header(SESSION, session);
        }
        let request = request
            .header(CONTENT_TYPE, JSON)
            .header(ACCEPT, format!("{JSON}, {EVENTS}"))
            .body(Full::new(Bytes::from(body)))?;
        let response = self.egress().await?.send(request, Timeouts::default()).await?;
        Ok(response.map(Counted::new))
    }
}

/// The addresses that were found, and no others.
struct Found(Vec<IpAddr>);

impl Resolve for Found {
    fn resolve(&self, _: &str) -> Resolved {
        let found = self.0.clone();
        Box::pin(async move { Ok(found) })
    }
}

impl StreamableHttpClient for Http {
    type Error = HttpError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let body = serde_json::to_vec(&message).map_err(HttpError::from)?;
        let session = session_id.as_deref();
        let response = self.send(Method::POST, &uri, session, headers, body).await?;
        let status = response.status();
        let header = |name: &HeaderName| response.headers().get(name)?.to_str().ok();
        let begun = header(&SESSION).map(str::to_owned);
        let kind = header(&CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
        let asks = matches!(message, ClientJsonRpcMessage::Request(_));
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) && session.is_some() {
            // It does not know the session; older servers say so by 400.
            return Err(StreamableHttpError::SessionExpired);
        }
        if !status.is_success() {
            let said = said(response.into_body()).await;
            return match before_discovery(&message, status, &said) {
                Some(answer) if session.is_none() => Ok(answer),
                _ => Err(HttpError::Status { status: status.as_u16(), said: short(&said) }.into()),
            };
        }
        if !asks {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if kind.starts_with(EVENTS) {
            let events: Events = Box::pin(SseStream::new(response.into_body()));
            return Ok(StreamableHttpPostResponse::Sse(events, begun));
        }
        if !kind.starts_with(JSON) {
            return Err(StreamableHttpError::UnexpectedContentType(Some(short(&kind))));
        }
        let body = response.into_body().collect().await.map_err(HttpError::from)?.to_bytes();
        let answer = serde_json::from_slice(&body).map_err(HttpError::from)?;
        Ok(StreamableHttpPostResponse::Json(answer, begun))
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failed> {
        // A server need not know how; it forgets by itself.
        self.send(Method::DELETE, &uri, Some(&session_id), headers, Vec::new()).await?;
        Ok(())
    }

    /// What a server says unasked is not wanted.
    async fn get_stream(
        &self,
        _: Arc<str>,
        _: Option<Arc<str>>,
        _: Option<String>,
        _: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Events, Failed> {
        Err(StreamableHttpError::ServerDoesNotSupportSse)
    }
}

/// The beginning of a body, for people.
async fn said(body: Body) -> String {
    const ENOUGH: usize = 4096;
    let mut said = Vec::new();
    let mut body = body;
    while let Some(Ok(frame)) = body.frame().await {
        said.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if said.len() > ENOUGH {
            said.truncate(ENOUGH);
            break;
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Servers from before discovery refuse the question as they refuse any that they do not know;
/// the SDK then asks as they expect it, if it is told by an answer.
fn before_discovery(
    message: &ClientJsonRpcMessage,
    status: StatusCode,
    said: &str,
) -> Option<StreamableHttpPostResponse> {
    let ClientJsonRpcMessage::Request(request) = message else { return None };
    let discovers = matches!(request.request, ClientRequest::DiscoverRequest(_));
    let unasked = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if !discovers || !status.is_client_error() || unasked {
        return None;
    }
    let error = match serde_json::from_str(said) {
        Ok(ServerJsonRpcMessage::Error(error)) => error.error,
        _ => ErrorData::invalid_request(format!("HTTP {status}"), None),
    };
    let answer = ServerJsonRpcMessage::error(error, Some(request.id.clone()));
    Some(StreamableHttpPostResponse::Json(answer, None))
}

//! `wasi:http`: requests of a guest, sent by an [`Egress`].
//!
//! It can always be imported, as interpreters do without using it: what is not granted is
//! refused at each request, as `HTTP-request-denied`.

use std::future::Future;

#[cfg(unix)]
use brio_net::Relay;
use brio_net::{Egress, NetErrorKind, RequestRecord, Timeouts};
use http::{Request, Response};
use http_body_util::BodyExt;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
};

use crate::state::State;

/// What one list of headers may take in the host's memory: a guest may hold as many as it may
/// hold handles.
const FIELDS: usize = 64 << 10;
/// And of a body that nobody has sent yet.
const CHUNK: usize = 64 << 10;

type Exchange = Box<
    dyn Future<Output = Result<(Response<WasiBody>, Box<dyn Future<Output = Ended> + Send>), Error>>
        + Send,
>;
type Ended = Result<(), Error>;

/// What a guest reaches of the network: nothing, by default.
#[derive(Debug, Clone)]
pub enum Net {
    /// What this process grants.
    Here(Egress),
    /// In a worker: what its supervisor grants.
    #[cfg(unix)]
    Relayed(Relay),
}

impl Default for Net {
    fn default() -> Self {
        Self::Here(Egress::default())
    }
}

impl From<Egress> for Net {
    fn from(egress: Egress) -> Self {
        Self::Here(egress)
    }
}

impl Net {
    /// Ends what is under way and says what was done, in order.
    pub(crate) fn close(&self) -> Vec<RequestRecord> {
        match self {
            Self::Here(egress) => egress.close(),
            #[cfg(unix)]
            Self::Relayed(_) => Vec::new(),
        }
    }
}

/// The part of a store that answers `wasi:http`.
pub(crate) struct HttpState {
    ctx: WasiHttpCtx,
    hooks: Hooks,
}

struct Hooks(Net);

impl HttpState {
    pub(crate) fn new(net: Net) -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(FIELDS);
        Self { ctx, hooks: Hooks(net) }
    }

    /// Gives up what is under way; what was asked for, in order.
    pub(crate) fn close(&self) -> Vec<RequestRecord> {
        self.hooks.0.close()
    }
}

impl State {
    pub(crate) fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.http.hooks,
            table: &mut self.table,
            ctx: &mut self.http.ctx,
        }
    }
}

impl WasiHttpHooks for Hooks {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _fut: Box<dyn Future<Output = Ended> + Send>,
    ) -> Exchange {
        let net = self.0.clone();
        let asked = options.unwrap_or_default();
        let times = Timeouts {
            connect: asked.connect_timeout,
            first_byte: asked.first_byte_timeout,
            between_bytes: asked.between_bytes_timeout,
        };
        Box::new(async move {
            let request = request.map(|body| body.map_err(Fault).boxed_unsync());
            let response = match net {
                Net::Here(egress) => {
                    let response = egress.send(request, times).await.map_err(|e| told(e.kind()))?;
                    response.map(|body| body.map_err(|e| told(e.kind())).boxed_unsync())
                }
                #[cfg(unix)]
                Net::Relayed(relay) => {
                    let response = relay.send(request, times).await.map_err(told)?;
                    response.map(|body| body.map_err(told).boxed_unsync())
                }
            };
            // The connection goes with the body, so there is nothing to drive.
            let done: Box<dyn Future<Output = Ended> + Send> = Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }
}

/// Why a guest's own body broke.
#[derive(Debug)]
struct Fault(Error);

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the request's body: {:?}", self.0)
    }
}

impl std::error::Error for Fault {}

/// The guest's word for it. The reasons are the person's: they stand in the run's report.
fn told(e: NetErrorKind) -> Error {
    match e {
        NetErrorKind::Denied => Error::HttpRequestDenied,
        NetErrorKind::Address => Error::DestinationIpProhibited,
        NetErrorKind::Request => Error::HttpRequestUriInvalid,
        NetErrorKind::Dns => Error::DnsError { rcode: Some("no address".into()), info_code: None },
        NetErrorKind::ConnectRefused => Error::ConnectionRefused,
        NetErrorKind::Connect => Error::DestinationUnavailable,
        NetErrorKind::TlsCertificate => Error::TlsCertificateError,
        NetErrorKind::Tls => Error::TlsProtocolError,
        NetErrorKind::TimeoutConnect => Error::ConnectionTimeout,
        NetErrorKind::TimeoutFirstByte => Error::HttpResponseTimeout,
        NetErrorKind::TimeoutBetweenBytes => Error::ConnectionReadTimeout,
        NetErrorKind::LimitRequests => Error::HttpRequestDenied,
        NetErrorKind::LimitConcurrent => Error::ConnectionLimitReached,
        NetErrorKind::LimitSent => Error::HttpRequestBodySize(None),
        NetErrorKind::LimitReceived => Error::HttpResponseBodySize(None),
        NetErrorKind::Cancelled => Error::ConnectionTerminated,
        _ => Error::HttpProtocolError,
    }
}

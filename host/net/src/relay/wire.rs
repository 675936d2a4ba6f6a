//! How a request, a response and an error are written in HTTP/2.
//!
//! HTTP/2 has rules for its messages that a guest's need not keep, so it carries them inside its
//! own: each of the outer ones is `POST /` or `200`. A header of the inner message has
//! [`INNER`] before its name, and what has not is the relay's: neither can be taken for the other.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version, request, response};

use crate::{NetErrorKind, Timeouts};

const INNER: &str = "m-";
const METHOD: &str = "method";
const SCHEME: &str = "scheme";
const AUTHORITY: &str = "authority";
const PATH: &str = "path";
const STATUS: &str = "status";
/// Of the body, where it is known: its own `content-length` is a header as others.
const LENGTH: &str = "length";
/// In place of a response, or in the trailers of a body that broke off.
const ERROR: &str = "error";
const CONNECT: &str = "connect-timeout";
const FIRST_BYTE: &str = "first-byte-timeout";
const BETWEEN_BYTES: &str = "between-bytes-timeout";

/// What a list of headers takes that HTTP/2 carries: the head of a message is no longer than one
/// `HEAD`, a URI neither.
pub(super) const LIST: usize = 2 * crate::egress::HEAD + 4096;

/// `None`: they cannot be carried.
pub(super) fn request(
    parts: &request::Parts,
    times: Timeouts,
    length: Option<u64>,
) -> Option<Request<()>> {
    let mut outer = Request::post("http://relay/").version(Version::HTTP_2).body(()).ok()?;
    let headers = outer.headers_mut();
    let uri = parts.uri.clone().into_parts();
    // The parts, not the whole: a path need not begin with `/`, and would lengthen the host.
    let texts = [
        (METHOD, Some(parts.method.as_str())),
        (SCHEME, uri.scheme.as_ref().map(Scheme::as_str)),
        (AUTHORITY, uri.authority.as_ref().map(Authority::as_str)),
        (PATH, uri.path_and_query.as_ref().map(PathAndQuery::as_str)),
    ];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        headers.insert(name, HeaderValue::from_bytes(text.as_bytes()).ok()?);
    }
    let nanos = |t: Duration| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX);
    let numbers = [
        (LENGTH, length),
        (CONNECT, times.connect.map(nanos)),
        (FIRST_BYTE, times.first_byte.map(nanos)),
        (BETWEEN_BYTES, times.between_bytes.map(nanos)),
    ];
    for (name, number) in numbers.into_iter().filter_map(|(name, n)| Some((name, n?))) {
        headers.insert(name, number.into());
    }
    wrap(&parts.headers, headers).then_some(outer)
}

/// Of an untrusted peer.
pub(super) fn read_request(
    outer: request::Parts,
) -> Option<(request::Parts, Timeouts, Option<u64>)> {
    let bytes = |name| outer.headers.get(name).map(HeaderValue::as_bytes);
    let mut uri = http::uri::Parts::default();
    uri.scheme = bytes(SCHEME).map(Scheme::try_from).transpose().ok()?;
    uri.authority = bytes(AUTHORITY).map(Authority::try_from).transpose().ok()?;
    uri.path_and_query = bytes(PATH).map(PathAndQuery::try_from).transpose().ok()?;
    let time = |name| Some(number(&outer.headers, name)?.map(Duration::from_nanos));
    let times = Timeouts {
        connect: time(CONNECT)?,
        first_byte: time(FIRST_BYTE)?,
        between_bytes: time(BETWEEN_BYTES)?,
    };
    let length = number(&outer.headers, LENGTH)?;
    let mut inner = Request::new(());
    *inner.method_mut() = Method::from_bytes(bytes(METHOD)?).ok()?;
    *inner.uri_mut() = Uri::from_parts(uri).ok()?;
    *inner.headers_mut() = unwrap(&outer.headers)?;
    Some((inner.into_parts().0, times, length))
}

/// `None`: it cannot be carried.
pub(super) fn response(parts: &response::Parts, length: Option<u64>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(STATUS, parts.status.as_u16().into());
    headers.extend(length.map(|length| (HeaderName::from_static(LENGTH), length.into())));
    wrap(&parts.headers, &mut headers).then_some(headers)
}

/// The head, and the length of its body.
pub(super) fn read_response(
    outer: &HeaderMap,
) -> Result<(response::Parts, Option<u64>), NetErrorKind> {
    if let Some(kind) = read_error(outer) {
        return Err(kind);
    }
    let read = || {
        let mut inner = Response::new(());
        *inner.status_mut() = StatusCode::from_bytes(outer.get(STATUS)?.as_bytes()).ok()?;
        *inner.headers_mut() = unwrap(outer)?;
        Some((inner.into_parts().0, number(outer, LENGTH)?))
    };
    read().ok_or(NetErrorKind::Protocol)
}

/// Those that cannot be carried are an error.
pub(super) fn trailers(inner: &HeaderMap) -> HeaderMap {
    let mut outer = HeaderMap::new();
    match wrap(inner, &mut outer) {
        true => outer,
        false => error(NetErrorKind::Protocol),
    }
}

pub(super) fn read_trailers(outer: &HeaderMap) -> Result<HeaderMap, NetErrorKind> {
    match read_error(outer) {
        Some(kind) => Err(kind),
        None => unwrap(outer).ok_or(NetErrorKind::Protocol),
    }
}

/// As a head, or as trailers.
pub(super) fn error(kind: NetErrorKind) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(ERROR), HeaderValue::from_static(name(kind)))])
}

fn read_error(outer: &HeaderMap) -> Option<NetErrorKind> {
    let value = outer.get(ERROR)?;
    let known = KINDS.into_iter().find(|kind| value == name(*kind));
    Some(known.unwrap_or(NetErrorKind::Protocol))
}

/// Whether there is room for them.
fn wrap(inner: &HeaderMap, outer: &mut HeaderMap) -> bool {
    let wrapped = inner.iter().all(|(name, value)| {
        let name = HeaderName::try_from(format!("{INNER}{name}"));
        name.is_ok_and(|name| outer.try_append(name, value.clone()).is_ok())
    });
    // As HTTP/2 counts. A peer that got more would end the connection, and all that is on it.
    let size: usize =
        outer.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    wrapped && size <= LIST - 256
}

fn unwrap(outer: &HeaderMap) -> Option<HeaderMap> {
    let mut inner = HeaderMap::new();
    for (name, value) in outer {
        if let Some(name) = name.as_str().strip_prefix(INNER) {
            inner.try_append(HeaderName::try_from(name).ok()?, value.clone()).ok()?;
        }
    }
    Some(inner)
}

/// `Some(None)`: there is none.
fn number(headers: &HeaderMap, name: &str) -> Option<Option<u64>> {
    let Some(value) = headers.get(name) else { return Some(None) };
    value.to_str().ok()?.parse().ok().map(Some)
}

const KINDS: [NetErrorKind; 17] = [
    NetErrorKind::Denied,
    NetErrorKind::Address,
    NetErrorKind::Request,
    NetErrorKind::Dns,
    NetErrorKind::ConnectRefused,
    NetErrorKind::Connect,
    NetErrorKind::TlsCertificate,
    NetErrorKind::Tls,
    NetErrorKind::TimeoutConnect,
    NetErrorKind::TimeoutFirstByte,
    NetErrorKind::TimeoutBetweenBytes,
    NetErrorKind::LimitRequests,
    NetErrorKind::LimitConcurrent,
    NetErrorKind::LimitSent,
    NetErrorKind::LimitReceived,
    NetErrorKind::Protocol,
    NetErrorKind::Cancelled,
];

fn name(kind: NetErrorKind) -> &'static str {
    match kind {
        NetErrorKind::Denied => "denied",
        NetErrorKind::Address => "address",
        NetErrorKind::Request => "request",
        NetErrorKind::Dns => "dns",
        NetErrorKind::ConnectRefused => "connect-refused",
        NetErrorKind::Connect => "connect",
        NetErrorKind::TlsCertificate => "tls-certificate",
        NetErrorKind::Tls => "tls",
        NetErrorKind::TimeoutConnect => "timeout-connect",
        NetErrorKind::TimeoutFirstByte => "timeout-first-byte",
        NetErrorKind::TimeoutBetweenBytes => "timeout-between-bytes",
        NetErrorKind::LimitRequests => "limit-requests",
        NetErrorKind::LimitConcurrent => "limit-concurrent",
        NetErrorKind::LimitSent => "limit-sent",
        NetErrorKind::LimitReceived => "limit-received",
        NetErrorKind::Protocol => "protocol",
        NetErrorKind::Cancelled => "cancelled",
    }
}

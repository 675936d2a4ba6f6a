//! The endpoint, over `wasi:http`.

use std::time::Duration;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme,
};
use wasip2::io::streams::{InputStream, StreamError};

use crate::error::CoderError;
use crate::options::Options;

/// An answer has no more bytes.
const MOST: usize = 8 << 20;
/// So much of what a server says of an error is told.
const SAID: usize = 300;
/// The longest pause before a request is made again.
const PAUSE: u64 = 30;

/// Where completions are asked for.
pub(crate) struct Endpoint {
    secure: bool,
    authority: String,
    path: String,
    retries: u32,
    timeout: Duration,
}

/// A response, read.
struct Reply {
    status: u16,
    location: Option<String>,
    retry_after: Option<u64>,
    body: Vec<u8>,
}

impl Endpoint {
    pub(crate) fn new(options: &Options) -> Result<Self, CoderError> {
        let url = options.url.as_str();
        let bad = || CoderError::Network(format!("`{url}` is no URL of http or https"));
        let (secure, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(bad()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.is_empty() || authority.contains('@') {
            return Err(bad());
        }
        let path = format!("{}/chat/completions", path.trim_end_matches('/'));
        let (authority, retries, timeout) = (authority.into(), options.retries, options.timeout);
        Ok(Self { secure, authority, path, retries, timeout })
    }

    /// Asks; again, when told to wait, or when the server failed.
    pub(crate) fn ask(&self, body: &[u8]) -> Result<Vec<u8>, CoderError> {
        let mut tries = 0;
        loop {
            let reply = self.post(body)?;
            let error = match reply.status {
                200..=299 => return Ok(reply.body),
                status @ 300..=399 => {
                    let to = reply.location.unwrap_or_else(|| "nowhere".into());
                    return Err(CoderError::Redirect(status, to));
                }
                status @ (401 | 403) => {
                    return Err(CoderError::Unauthorized(status, said(&reply.body)));
                }
                429 => CoderError::RateLimited(said(&reply.body)),
                status @ 500.. => CoderError::Status(status, said(&reply.body)),
                status => return Err(CoderError::Status(status, said(&reply.body))),
            };
            if tries >= self.retries {
                return Err(error);
            }
            let pause = reply.retry_after.unwrap_or(1 << tries).min(PAUSE);
            std::thread::sleep(Duration::from_secs(pause));
            tries += 1;
        }
    }

    fn post(&self, body: &[u8]) -> Result<Reply, CoderError> {
        let (request, options) = self.request(body.len()).map_err(|()| {
            CoderError::Network(format!("`{}` is no host that can be asked", self.authority))
        })?;
        let internal = || CoderError::Network("the request could not be made".into());
        let sink = request.body().map_err(|()| internal())?;
        let fail = |code| self.failed(code);
        let response = outgoing_handler::handle(request, Some(options)).map_err(fail)?;
        if let Ok(stream) = sink.write() {
            for piece in body.chunks(4096) {
                if stream.blocking_write_and_flush(piece).is_err() {
                    // Why, the response says.
                    break;
                }
            }
        }
        let _ = OutgoingBody::finish(sink, None);
        response.subscribe().block();
        match response.get() {
            Some(Ok(Ok(response))) => self.read(response),
            Some(Ok(Err(code))) => Err(self.failed(code)),
            _ => Err(internal()),
        }
    }

    fn request(&self, length: usize) -> Result<(OutgoingRequest, RequestOptions), ()> {
        let fields = Fields::new();
        let length = length.to_string();
        for (name, value) in
            [("content-type", "application/json"), ("accept", "application/json"), ("content-length", &length)]
        {
            fields.append(name, value.as_bytes()).map_err(|_| ())?;
        }
        let request = OutgoingRequest::new(fields);
        let scheme = if self.secure { Scheme::Https } else { Scheme::Http };
        request.set_method(&Method::Post)?;
        request.set_scheme(Some(&scheme))?;
        request.set_authority(Some(&self.authority))?;
        request.set_path_with_query(Some(&self.path))?;
        let options = RequestOptions::new();
        let timeout = u64::try_from(self.timeout.as_nanos()).unwrap_or(u64::MAX);
        options.set_first_byte_timeout(Some(timeout))?;
        options.set_between_bytes_timeout(Some(timeout))?;
        Ok((request, options))
    }

    fn read(&self, response: IncomingResponse) -> Result<Reply, CoderError> {
        let headers = response.headers();
        let header = |name: &str| {
            headers.get(name).pop().map(|v| String::from_utf8_lossy(&v).trim().to_owned())
        };
        let (status, location) = (response.status(), header("location"));
        let retry_after = header("retry-after").and_then(|v| v.parse().ok());
        let internal = |()| CoderError::Network("the response has no body".into());
        let body = response.consume().map_err(internal)?;
        let body = self.read_all(&body.stream().map_err(internal)?)?;
        Ok(Reply { status, location, retry_after, body })
    }

    fn read_all(&self, stream: &InputStream) -> Result<Vec<u8>, CoderError> {
        let mut all = Vec::new();
        loop {
            match stream.blocking_read(1 << 16) {
                Ok(piece) if all.len() + piece.len() > MOST => {
                    return Err(CoderError::TooLarge("the endpoint's answer has over 8 MiB"));
                }
                Ok(piece) => all.extend(piece),
                Err(StreamError::Closed) => return Ok(all),
                Err(StreamError::LastOperationFailed(e)) => {
                    let code = wasip2::http::types::http_error_code(&e);
                    return Err(self.failed(code.unwrap_or(ErrorCode::HttpResponseIncomplete)));
                }
            }
        }
    }

    fn failed(&self, code: ErrorCode) -> CoderError {
        let scheme = if self.secure { "" } else { "http://" };
        match code {
            ErrorCode::HttpRequestDenied => {
                CoderError::Denied(format!("{scheme}{}", self.authority))
            }
            ErrorCode::ConnectionTimeout
            | ErrorCode::HttpResponseTimeout
            | ErrorCode::ConnectionReadTimeout
            | ErrorCode::DnsTimeout => {
                CoderError::Timeout(format!("{}: no answer in time", self.authority))
            }
            code => CoderError::Network(format!("{}: {code:?}", self.authority)),
        }
    }
}

/// The beginning of what a server said, on one line.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SAID)]);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

//! `http [--follow] [--body BYTES] METHOD URL [NAME:VALUE]...`: makes a request through `wasi:http` and prints
//! `status N`, `location URL` if there is one, and the body; or `error CODE`. With `--follow` the
//! redirect is a new request, as a client library makes it.
//!
//! Exit status 1 when no whole response came.

use std::process::ExitCode;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    Scheme,
};
use wasip2::io::streams::StreamError;

struct Asked {
    method: String,
    headers: Vec<(String, String)>,
    body: usize,
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    let follow = args.next_if_eq("--follow").is_some();
    let body = match args.next_if_eq("--body") {
        Some(_) => args.next().and_then(|n| n.parse().ok()).unwrap_or(0),
        None => 0,
    };
    let (Some(method), Some(mut url)) = (args.next(), args.next()) else {
        eprintln!("http: give METHOD URL");
        return ExitCode::FAILURE;
    };
    let pair = |h: String| h.split_once(':').map(|(n, v)| (n.to_owned(), v.to_owned()));
    let asked = Asked { method, headers: args.filter_map(pair).collect(), body };
    for _ in 0..5 {
        match request(&asked, &url) {
            Ok(Some(location)) if follow => url = location,
            Ok(_) => return ExitCode::SUCCESS,
            Err(code) => {
                println!("error {code:?}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("error too many redirects");
    ExitCode::FAILURE
}

/// The place that it redirects to, if it does.
fn request(asked: &Asked, url: &str) -> Result<Option<String>, ErrorCode> {
    let response = send(asked, url)?;
    println!("status {}", response.status());
    let location = response.headers().get("location").pop();
    let location = location.map(|l| String::from_utf8_lossy(&l).into_owned());
    if let Some(location) = &location {
        println!("location {location}");
    }
    read(response)?;
    Ok(location)
}

fn send(asked: &Asked, url: &str) -> Result<IncomingResponse, ErrorCode> {
    let bad = |()| ErrorCode::HttpRequestUriInvalid;
    let fields = Fields::new();
    for (name, value) in &asked.headers {
        if let Err(e) = fields.append(name, value.trim().as_bytes()) {
            println!("header {name}: {e:?}");
        }
    }
    let request = OutgoingRequest::new(fields);
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.into()),
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let method = match asked.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.into()),
    };
    request.set_method(&method).map_err(bad)?;
    request.set_scheme(Some(&scheme)).map_err(bad)?;
    request.set_authority(Some(authority)).map_err(bad)?;
    request.set_path_with_query(Some(path)).map_err(bad)?;
    let body = request.body().map_err(bad)?;
    let response = outgoing_handler::handle(request, None)?;
    write(body, asked.body)?;
    response.subscribe().block();
    match response.get() {
        Some(Ok(answer)) => answer,
        _ => Err(ErrorCode::InternalError(None)),
    }
}

fn write(body: OutgoingBody, bytes: usize) -> Result<(), ErrorCode> {
    if bytes > 0 {
        let stream = body.write().map_err(|()| ErrorCode::InternalError(None))?;
        let mut left = bytes;
        while left > 0 {
            let piece = vec![b'x'; left.min(4096)];
            if stream.blocking_write_and_flush(&piece).is_err() {
                // Why, the response says.
                break;
            }
            left -= piece.len();
        }
    }
    let _ = OutgoingBody::finish(body, None);
    Ok(())
}

fn read(response: IncomingResponse) -> Result<(), ErrorCode> {
    let internal = |()| ErrorCode::InternalError(None);
    let body: IncomingBody = response.consume().map_err(internal)?;
    let stream = body.stream().map_err(internal)?;
    let (mut total, mut first) = (0, Vec::new());
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(piece) => {
                total += piece.len();
                first.extend(piece.iter().take(500 - first.len().min(500)));
            }
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(e)) => {
                println!("read {total} bytes");
                let code = wasip2::http::types::http_error_code(&e);
                return Err(code.unwrap_or(ErrorCode::InternalError(None)));
            }
        }
    }
    println!("body {total} {}", String::from_utf8_lossy(&first));
    Ok(())
}

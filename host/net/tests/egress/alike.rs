//! By a relay nothing is other than in process, whatever is sent.

use std::io::{self, Write};
use std::time::Duration;

use brio_net::{RequestRecord, Timeouts};
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request, Uri};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

use crate::relay::{Pieces, data};
use crate::server::{Server, reply};
use crate::{egress, runtime, way};

type AnyBody = UnsyncBoxBody<Bytes, io::Error>;

fn pieces(pieces: Vec<io::Result<Frame<Bytes>>>) -> AnyBody {
    Pieces(pieces.into(), false).boxed_unsync()
}

fn full(text: &'static str) -> AnyBody {
    Full::from(text).map_err(|e| match e {}).boxed_unsync()
}

/// Requests as they should not be, among others.
fn odd(base: &str) -> Vec<Request<AnyBody>> {
    let get = |uri: &str| Request::get(uri).body(full("")).unwrap();
    let mut all: Vec<_> = ["CONNECT", "TRACE", "OPTIONS", "PURGE", "M-SEARCH", "get"]
        .map(|m| Request::builder().method(m).uri(format!("{base}/")).body(full("")).unwrap())
        .into();
    for uri in ["/no/host", "*", "a.example:1", "ftp://a.example/", "http://u:p@a.example/"] {
        all.push(get(uri));
    }
    all.push(get(&format!("{base}?only=query")));
    all.push(get(&format!("{base}/%00/ü/..//x?a=ü&b=%ff#cut")));
    // A path that would lengthen the host, if somebody wrote both in one.
    let mut parts = base.parse::<Uri>().unwrap().into_parts();
    parts.path_and_query = Some("?.evil.example/".parse().unwrap());
    all.push(Request::get(Uri::from_parts(parts).unwrap()).body(full("")).unwrap());
    let mut headers = get(&format!("{base}/headers"));
    for (name, value) in [
        ("host", "evil.example"),
        ("connection", "x-own, keep-alive"),
        ("te", "gzip"),
        ("upgrade", "h2c"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "1"),
        ("proxy-connection", "x"),
        ("x-own", "ü\t "),
        ("x-own", ""),
        ("x-own", "third"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("error", "denied"),
        ("status", "500"),
        ("method", "DELETE"),
        ("path", "/elsewhere"),
        ("length", "77"),
        ("connect-timeout", "1"),
        ("m-method", "DELETE"),
        ("m-m-x", "1"),
        ("content-type", "a/b"),
    ] {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.headers_mut().append(HeaderName::from_static(name), value);
    }
    all.push(headers);
    let post = || Request::post(format!("{base}/body"));
    let broken = || Request::post(format!("{base}/broken"));
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("error"), "x".parse().unwrap())]);
    all.extend([
        post().body(full("known")).unwrap(),
        post().body(pieces(vec![data("unknown"), data(""), data(" length")])).unwrap(),
        post().body(pieces(vec![])).unwrap(),
        post().body(pieces(vec![data("and"), Ok(Frame::trailers(trailers))])).unwrap(),
        post().header("content-length", "5").body(pieces(vec![data("right")])).unwrap(),
        post().header("content-length", "3").body(full("longer")).unwrap(),
        post().header("content-length", "9").body(full("short")).unwrap(),
        broken().body(pieces(vec![data("begun"), Err(io::Error::other("broken"))])).unwrap(),
        broken().body(pieces(vec![Err(io::Error::other("broken"))])).unwrap(),
        Request::head(format!("{base}/head")).body(full("")).unwrap(),
        get(&format!("{base}/headers-of-a-response")),
        get(&format!("{base}/trailers")),
        get(&format!("{base}/status")),
        get(&format!("{base}/empty")),
        get(&format!("{base}/cut")),
    ]);
    all
}

fn answer(request: &str, to: &mut dyn Write) {
    let path = request.split(' ').nth(1).unwrap();
    let _ = match path {
        "/headers-of-a-response" => {
            let own = "x: 1\r\nX: ü\r\nerror: denied\r\nstatus: 404\r\nlength: 1\r\nm-x: 2\r\n";
            reply(to, "200 Fine", &format!("{own}connection: close, x\r\nkeep-alive: 3\r\n"), "b");
            Ok(())
        }
        "/trailers" => to.write_all(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: error\r\n\r\n\
              3\r\nabc\r\n0\r\nerror: denied\r\nm-x: 1\r\nx: 2\r\n\r\n",
        ),
        "/status" => to.write_all(b"HTTP/1.1 599 Odd\r\ncontent-length: 0\r\n\r\n"),
        "/empty" => to.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"),
        "/head" => to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"),
        "/cut" => to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
        _ => {
            reply(to, "200 OK", "", "answer");
            Ok(())
        }
    };
}

/// All that can be seen of it from either side, but for times.
async fn outcome(net: &way::Net, request: Request<AnyBody>) -> String {
    let response = match net.send(request, Timeouts::default()).await {
        Ok(response) => response,
        Err(e) => return e.to_string(),
    };
    let (head, mut body) = response.into_parts();
    let (hint, whole) = (body.size_hint().exact(), body.is_end_stream());
    let mut said = format!("{} {:?} {hint:?} {whole} ", head.status, head.headers);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => bytes.extend(data),
            Ok(Err(frame)) => said += &format!("{:?} ", frame.into_trailers().unwrap()),
            Err(e) => said += &format!("{e} "),
        }
    }
    said + &String::from_utf8(bytes).unwrap()
}

/// What the guest and the person see of all of them.
fn told(server: &Server, by_relay: bool) -> Vec<String> {
    let net = way::go(by_relay, || {
        egress(&[&server.url("")], |o| o.limits.first_byte = Duration::from_secs(2))
    });
    let mut said = Vec::new();
    for request in odd(&server.url("")) {
        let asked = format!("{} {}", request.method(), request.uri());
        said.push(format!("{asked}: {}", runtime().block_on(outcome(&net, request))));
    }
    said.extend(net.close().into_iter().map(|record| {
        let RequestRecord { method, path, status, error, sent, received, .. } = record;
        let code = error.map(|e| e.code());
        format!("{method} {path} {status:?} {code:?} {sent} {received}")
    }));
    let address = server.address.to_string();
    said.into_iter().map(|line| line.replace(&address, "server")).collect()
}

/// What a server saw, in an order of its own: one hears later than another that a body is cut off.
/// How much of a broken body came is a matter of time, and that it is not whole none.
fn seen(server: &Server) -> Vec<String> {
    let address = server.address.to_string();
    let (broken, mut seen): (Vec<_>, Vec<_>) =
        server.seen().into_iter().partition(|request| request.contains(" /broken "));
    assert!(broken.iter().all(|request| !request.ends_with("0\r\n\r\n")), "{broken:?}");
    seen.iter_mut().for_each(|request| *request = request.replace(&address, "server"));
    seen.sort();
    seen
}

#[test]
fn whatever_a_guest_asks_for_it_is_the_same_as_in_process() {
    let (near, far) = (Server::plain(answer), Server::plain(answer));
    let (here, relayed) = (told(&near, false), told(&far, true));
    // It is not all the same because nothing came through.
    assert!(here.iter().any(|line| line.contains("\"x\": \"2\"")), "{here:#?}");
    let broken = here.iter().filter(|line| line.ends_with("Body stream: broken")).count();
    assert_eq!((broken, here.len()), (2, relayed.len()), "{here:#?}");
    for (here, relayed) in here.iter().zip(&relayed) {
        // Why a guest's body broke stays with the guest.
        assert_eq!(*here, relayed.replace("the request's body broke off", "broken"));
    }
    for _ in 0..1000 {
        if seen(&near) == seen(&far) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(seen(&near), seen(&far));
    assert!(seen(&near).iter().any(|request| request.contains("x-own: third")));
}

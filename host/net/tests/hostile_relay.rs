//! Whoever serves a relay believes nothing that comes: it ends, or goes on in bounded memory.
//!
//! A binary of its own, for its memory is measured.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use brio_net::{Egress, EgressOptions, NetErrorKind, Relay, Resolve, Resolved, Timeouts, serve};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;

/// All tests together, with the program itself: each of them would take a multiple.
const MOST: usize = 128 << 20;

fn memory_is_bounded() {
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kib << 10 < MOST, "{kib} KiB");
    }
}

struct Never;

impl Resolve for Never {
    fn resolve(&self, _: &str) -> Resolved {
        Box::pin(std::future::pending())
    }
}

/// One host is granted and never answers.
fn egress(more: impl FnOnce(&mut EgressOptions)) -> Egress {
    let mut options = EgressOptions {
        allow: vec!["never.example".parse().unwrap()],
        resolver: Some(Arc::new(Never)),
        ..EgressOptions::default()
    };
    options.limits.connect = Duration::from_secs(600);
    more(&mut options);
    Egress::new(options).unwrap()
}

type Served = Receiver<io::Result<()>>;

/// The peer's end, and what becomes of the other.
fn served(egress: &Egress) -> (UnixStream, Served) {
    let (peer, there) = UnixStream::pair().unwrap();
    let (ended, served) = channel();
    let egress = egress.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = ended.send(runtime.block_on(serve(egress, there)));
    });
    (peer, served)
}

fn end(served: &Served) -> io::Result<()> {
    served.recv_timeout(Duration::from_secs(120)).expect("it ends")
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A block of headers, each of them literal.
fn headers(all: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in all {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|n| *n < 127).unwrap());
            block.extend(text.bytes());
        }
    }
    block
}

const OUTER: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "relay")];
const INNER: [(&str, &str); 4] =
    [("method", "POST"), ("scheme", "https"), ("authority", "never.example"), ("path", "/")];

fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &headers(&[OUTER, INNER].concat()))
}

fn begin() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// Until nobody takes it, or so often.
fn flood(peer: &mut UnixStream, times: usize, bytes: &[u8]) {
    for _ in 0..times {
        if peer.write_all(bytes).is_err() {
            return;
        }
    }
}

/// Reads, and forgets.
fn reading(peer: &UnixStream) {
    let mut peer = peer.try_clone().unwrap();
    std::thread::spawn(move || io::copy(&mut peer, &mut io::sink()));
}

#[test]
fn what_is_no_http2_is_an_error() {
    let begin = begin();
    let noise: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec(),
        noise.clone(),
        [begin.clone(), noise].concat(),
        [begin.clone(), frame(DATA, 0, 1, b"of no request")].concat(),
        [begin.clone(), frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff")].concat(),
        [begin.clone(), frame(HEADERS, 0, 1, b""), frame(DATA, 0, 1, b"")].concat(),
        [begin.clone(), frame(SETTINGS, 0, 0, b"odd")].concat(),
        [begin.clone(), frame(WINDOW_UPDATE, 0, 0, &[0; 4])].concat(),
        [begin.clone(), frame(RESET, 0, 1, &[0; 4])].concat(),
        [begin, request(2)].concat(),
    ] {
        let (mut peer, served) = served(&egress(|_| {}));
        reading(&peer);
        flood(&mut peer, 1, &bytes);
        assert!(end(&served).is_err(), "{:?}", &bytes[..bytes.len().min(80)]);
    }
    memory_is_bounded();
}

#[test]
fn a_peer_may_end_in_the_middle_of_anything() {
    let whole = [begin(), request(1), frame(DATA, END_STREAM, 1, b"a body")].concat();
    for length in 0..=whole.len() {
        let egress = egress(|_| {});
        let (mut peer, served) = served(&egress);
        peer.write_all(&whole[..length]).unwrap();
        drop(peer);
        let _ = end(&served);
        let records = egress.close();
        assert!(records.len() <= 1);
        let all = records.iter().all(|r| r.error.as_ref().unwrap().code() == "NET_CANCELLED");
        assert!(all, "{records:?}");
    }
}

#[test]
fn streams_that_are_opened_and_reset_end_the_connection() {
    let egress = egress(|_| {});
    let (mut peer, served) = served(&egress);
    reading(&peer);
    peer.write_all(&begin()).unwrap();
    let mut all = Vec::new();
    for n in 0..10_000 {
        all.extend(request(2 * n + 1));
        all.extend(frame(RESET, 0, 2 * n + 1, &8_u32.to_be_bytes()));
    }
    flood(&mut peer, 1, &all);
    assert!(end(&served).is_err());
    assert!(egress.close().len() <= 1001);
    memory_is_bounded();
}

#[test]
fn requests_that_are_begun_and_given_up_are_as_limited_as_in_process() {
    let egress = egress(|_| {});
    let (peer, _served) = served(&egress);
    let relay = Relay::new(peer);
    let get = || Request::get("https://never.example/").body(Full::<Bytes>::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..10_000 {
            let moment = Duration::from_micros(200);
            let _ = tokio::time::timeout(moment, relay.send(get(), Timeouts::default())).await;
        }
        let last = relay.send(get(), Timeouts::default()).await.unwrap_err();
        assert!(matches!(last, NetErrorKind::LimitRequests | NetErrorKind::Cancelled), "{last}");
    });
    assert!(egress.close().len() <= 1001);
    memory_is_bounded();
}

#[test]
fn headers_have_an_end() {
    let more = frame(CONTINUATION, 0, 1, &headers(&[("m-x", "y".repeat(120).as_str()); 120]));
    let nothing = frame(CONTINUATION, 0, 1, &[]);
    for (times, bytes) in [(1 << 16, more), (1 << 22, nothing)] {
        let (mut peer, served) = served(&egress(|_| {}));
        reading(&peer);
        peer.write_all(&begin()).unwrap();
        peer.write_all(&frame(HEADERS, 0, 1, &headers(&OUTER))).unwrap();
        flood(&mut peer, times, &bytes);
        assert!(end(&served).is_err());
    }
    // One byte that stands for four thousand, sixteen thousand times; a hundred times over.
    let egress = egress(|_| {});
    let (mut peer, served) = served(&egress);
    reading(&peer);
    peer.write_all(&begin()).unwrap();
    let mut block = headers(&[OUTER, INNER].concat());
    block.extend([0x40, 3]);
    block.extend(b"m-x");
    // 3,900, as HPACK writes it.
    block.extend([127, 0xbd, 0x1d]);
    block.extend([b'y'; 3900]);
    block.extend([0xbe; 12_000]);
    for n in 0..100 {
        flood(&mut peer, 1, &frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &block));
    }
    drop(peer);
    let _ = end(&served);
    memory_is_bounded();
}

#[test]
fn small_pieces_that_nobody_reads_end_the_connection() {
    let (mut peer, served) = served(&egress(|_| {}));
    reading(&peer);
    peer.write_all(&begin()).unwrap();
    for stream in (1..225).step_by(2) {
        flood(&mut peer, 1, &request(stream));
        // Within its window.
        flood(&mut peer, 1, &frame(DATA, 0, stream, b"x").repeat(32 << 10));
    }
    assert!(end(&served).is_err());
    memory_is_bounded();
}

#[test]
fn who_sends_more_than_it_may_is_cut_off() {
    let (mut peer, served) = served(&egress(|_| {}));
    reading(&peer);
    peer.write_all(&begin()).unwrap();
    for stream in (1..20_001).step_by(2) {
        let piece = frame(DATA, 0, stream, &[b'x'; 16 << 10]);
        flood(&mut peer, 1, &[request(stream), piece.repeat(8)].concat());
    }
    drop(peer);
    let _ = end(&served);
    memory_is_bounded();
}

#[test]
fn who_reads_nothing_is_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut to in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let _ = to.read(&mut [0; 1024]);
                let _ = to.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                flood_tcp(&mut to);
            });
        }
    });
    let egress = egress(|o| {
        o.allow.push(format!("http://{authority}").parse().unwrap());
        o.limits.concurrent = 100;
    });
    let (mut peer, served) = served(&egress);
    peer.write_all(&begin()).unwrap();
    // As many bytes as there are: of each stream, and of all.
    peer.write_all(&frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff])).unwrap();
    peer.write_all(&frame(WINDOW_UPDATE, 0, 0, &(0x7fff_0000_u32).to_be_bytes())).unwrap();
    let inner = [("method", "GET"), ("scheme", "http"), ("authority", &*authority), ("path", "/")];
    let block = headers(&[OUTER, inner].concat());
    for n in 0..100 {
        let open = frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &block);
        peer.write_all(&open).unwrap();
    }
    // Until nothing goes on any more.
    let mut before = 0;
    while before == 0 || before != SENT.load(Ordering::Relaxed) {
        before = SENT.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(500));
        memory_is_bounded();
    }
    drop(peer);
    let _ = end(&served);
    let records = egress.close();
    assert!(records.iter().filter(|r| r.status == Some(200)).count() > 50, "{records:?}");
}

/// By servers, of bytes that nobody reads.
static SENT: AtomicUsize = AtomicUsize::new(0);

fn flood_tcp(to: &mut impl Write) {
    while let Ok(sent) = to.write(&[b'x'; 64 << 10]) {
        SENT.fetch_add(sent, Ordering::Relaxed);
    }
}

#[test]
fn a_message_that_is_none_is_refused_and_reaches_nobody() {
    let egress = egress(|_| {});
    let (peer, _served) = served(&egress);
    peer.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::UnixStream::from_std(peer).unwrap();
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut ask = async |method: Method, changed: &[(&str, &[u8])]| {
            let mut all: Vec<(&str, &[u8])> = INNER.map(|(n, v)| (n, v.as_bytes())).into();
            for (name, value) in changed {
                all.retain(|(n, _)| n != name);
                if !value.is_empty() {
                    all.push((name, value));
                }
            }
            let mut request = Request::builder().method(method).uri("http://relay/");
            for (name, value) in all {
                request = request.header(name, value);
            }
            let (response, _) = sender.send_request(request.body(()).unwrap(), true).unwrap();
            let response = response.await.unwrap();
            response.headers().get("error").unwrap().to_str().unwrap().to_owned()
        };
        let changes: &[&[(&str, &[u8])]] = &[
            &[("method", b"")],
            &[("method", b"A B")],
            &[("scheme", b"")],
            &[("scheme", b"1:/")],
            &[("authority", b"")],
            &[("authority", b"a b")],
            &[("authority", b"\xff\xfe")],
            &[("path", b"")],
            &[("path", b"/\xff\xfe")],
            &[("length", b"-1")],
            &[("length", b"18446744073709551616")],
            &[("connect-timeout", b"soon")],
            &[("first-byte-timeout", b"\xff")],
            &[("m-", b"of no name")],
        ];
        for changed in changes {
            assert_eq!(ask(Method::POST, changed).await, "protocol", "{changed:?}");
        }
        // What is one is looked at as any other, however it is wrapped.
        for method in [Method::GET, Method::OPTIONS, Method::from_bytes(b"ODD").unwrap()] {
            assert_eq!(ask(method, &[("authority", b"other.example")]).await, "denied");
        }
        for host in [&b"never.example@other.example"[..], b"127.1", b"never.example:0x50"] {
            assert_eq!(ask(Method::POST, &[("authority", host)]).await, "request");
        }
        let at_once: &[(&str, &[u8])] = &[("connect-timeout", b"1"), ("length", b"99")];
        assert_eq!(ask(Method::POST, at_once).await, "timeout-connect");
    });
}

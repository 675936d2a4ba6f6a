//! A relay: what goes through it at a time, and that each end outlives the other.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll};
use std::time::Duration;

use brio_net::{Egress, EgressOptions, NetErrorKind, Relay, RequestRecord, Timeouts, serve};
use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::task::JoinHandle;

use crate::server::{Server, reply};
use crate::{egress, get, runtime, way};

/// A relay to this egress, and who serves it.
pub(crate) fn relay(egress: &Egress) -> (Relay, JoinHandle<io::Result<()>>) {
    let (here, there) = UnixStream::pair().unwrap();
    (Relay::new(here), tokio::spawn(serve(egress.clone(), there)))
}

/// Of no known length, and with no end if so it is said.
pub(crate) struct Pieces(pub(crate) VecDeque<io::Result<Frame<Bytes>>>, pub(crate) bool);

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.0.pop_front() {
            None if self.1 => Poll::Pending,
            piece => Poll::Ready(piece),
        }
    }
}

pub(crate) fn data(text: &'static str) -> io::Result<Frame<Bytes>> {
    Ok(Frame::data(Bytes::from(text)))
}

const LONG: usize = 20 << 20;

/// Text of some length that is nowhere the same.
fn long() -> String {
    let mut text = String::with_capacity(LONG + 8);
    (0..).take_while(|n| *n < LONG / 8).for_each(|n| text += &format!("{n:08}"));
    text
}

#[test]
fn long_bodies_come_through_whole_both_ways() {
    let text = long();
    let sent = text.clone();
    let server = Server::plain(move |request, to| {
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(body == sent, "{} bytes", body.len());
        reply(to, "200 OK", "", body);
    });
    let net = way::go(true, || egress(&[&server.url("")], |_| {}));
    runtime().block_on(async {
        let request = Request::post(server.url("/")).body(Full::from(text.clone())).unwrap();
        let response = net.send(request, Timeouts::default()).await.unwrap();
        assert_eq!(response.body().size_hint().exact(), Some(text.len() as u64));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body == text, "{} bytes", body.len());
    });
    let records = net.close();
    assert_eq!((records[0].sent, records[0].received), (text.len() as u64, text.len() as u64));
}

/// A server that does not wait for the request's body.
fn hasty(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = std::sync::Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            std::thread::spawn(move || answer(stream));
        }
    });
    url
}

/// Begins a response of which there is always more, and tells when nobody takes it.
fn endless(mut to: TcpStream) {
    let mut head = [0; 1 << 10];
    let _ = to.read(&mut head);
    let _ = to.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    while to.write_all(&[b'x'; 4096]).is_ok() {}
}

/// An egress that tells of each request that ends.
fn telling(grants: &[&str], more: impl FnOnce(&mut EgressOptions)) -> (Egress, Receiver<String>) {
    let (told, ends) = channel();
    let mut options = EgressOptions {
        allow: grants.iter().map(|g| g.parse().unwrap()).collect(),
        observer: Some(std::sync::Arc::new(move |r: &RequestRecord| {
            let _ = told.send(r.error.as_ref().map_or("complete", |e| e.code()).to_owned());
        })),
        ..EgressOptions::default()
    };
    more(&mut options);
    (Egress::new(options).unwrap(), ends)
}

/// While everything else goes on.
async fn next(ends: &Receiver<String>) -> String {
    for _ in 0..3000 {
        match ends.try_recv() {
            Ok(end) => return end,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("no request ended");
}

#[test]
fn what_is_dropped_is_given_up() {
    let silent = hasty(|to| {
        let _ = (&to).read_to_end(&mut Vec::new());
    });
    let (gone, closed) = channel();
    let gone = std::sync::Mutex::new(gone);
    let endless = hasty(move |to| {
        endless(to);
        let _ = gone.lock().unwrap().send("closed".to_owned());
    });
    // With a body that nobody reads, and with none.
    let request = |url: &str, body: usize| {
        Request::post(url).body(Full::from(Bytes::from(vec![b'y'; body]))).unwrap()
    };
    let (egress, ends) = telling(&[&silent, &endless], |_| {});
    runtime().block_on(async {
        let (relay, _served) = relay(&egress);
        for body in [0, 8 << 20] {
            let sent = relay.send(request(&silent, body), Timeouts::default());
            assert!(tokio::time::timeout(Duration::from_millis(100), sent).await.is_err());
            assert_eq!(next(&ends).await, "NET_CANCELLED");
            let sent = relay.send(request(&endless, body), Timeouts::default()).await.unwrap();
            let mut response = sent.into_body();
            assert!(response.frame().await.unwrap().unwrap().is_data());
            drop(response);
            assert_eq!(next(&ends).await, "NET_CANCELLED");
            assert_eq!(next(&closed).await, "closed");
        }
        // It is of use to others still.
        let denied = relay.send(get("https://a.example/"), Timeouts::default()).await;
        assert_eq!(denied.unwrap_err(), NetErrorKind::Denied);
    });
}

#[test]
fn a_process_that_ends_takes_its_requests_with_it() {
    let (seen, bodies) = channel();
    let seen = std::sync::Mutex::new(seen);
    let server = hasty(move |to| {
        let mut all = Vec::new();
        let _ = (&to).read_to_end(&mut all);
        let _ = seen.lock().unwrap().send(String::from_utf8(all).unwrap());
    });
    let (egress, ends) = telling(&[&server], |_| {});
    let supervisor = runtime();
    let (here, there) = UnixStream::pair().unwrap();
    let served = supervisor.spawn(serve(egress.clone(), there));
    // The other process.
    std::thread::spawn(move || {
        runtime().block_on(async {
            let body = Pieces([data("begun")].into(), true);
            let request = Request::post(server).body(body).unwrap();
            let relay = Relay::new(here);
            let sent = relay.send(request, Timeouts::default());
            assert!(tokio::time::timeout(Duration::from_millis(300), sent).await.is_err());
            // It ends here, without a word.
        });
    });
    supervisor.block_on(async {
        assert_eq!(next(&ends).await, "NET_CANCELLED");
        let _ = tokio::time::timeout(Duration::from_secs(30), served).await.expect("it ends");
        let seen = next(&bodies).await;
        assert!(seen.contains("begun") && !seen.ends_with("0\r\n\r\n"), "{seen}");
    });
}

#[test]
fn a_relay_that_is_not_used_any_more_ends_its_other_end_and_the_other_way_round() {
    let endless = hasty(endless);
    let (egress, ends) = telling(&[&endless], |_| {});
    runtime().block_on(async {
        // Never used; used.
        for n in [0, 1] {
            let (relay, served) = relay(&egress);
            for _ in 0..n {
                let denied = relay.send(get("https://a.example/"), Timeouts::default()).await;
                assert_eq!(denied.unwrap_err(), NetErrorKind::Denied);
                assert_eq!(next(&ends).await, "NET_DENIED");
            }
            drop(relay);
            let ended = tokio::time::timeout(Duration::from_secs(30), served).await;
            ended.expect("it ends").unwrap().unwrap();
        }
        let (relay, served) = relay(&egress);
        let response = relay.send(get(&endless), Timeouts::default()).await.unwrap();
        served.abort();
        assert_eq!(next(&ends).await, "NET_CANCELLED");
        // What has come is told, and that it is not all.
        let mut body = response.into_body();
        let last = loop {
            match body.frame().await.expect("an error") {
                Ok(frame) => assert!(frame.is_data()),
                Err(e) => break e,
            }
        };
        assert_eq!(last, NetErrorKind::Cancelled);
        assert!(body.frame().await.is_none());
        let late = relay.send(get(&endless), Timeouts::default()).await;
        assert_eq!(late.unwrap_err(), NetErrorKind::Cancelled);
    });
}

#[test]
fn many_at_a_time_do_not_wait_for_those_that_nobody_reads() {
    let endless = hasty(endless);
    let server = Server::plain(|request, to| {
        let path = request.split(' ').nth(1).unwrap();
        reply(to, "200 OK", "", &path.repeat(10_000));
    });
    let (egress, _ends) = telling(&[&endless, &server.url("")], |_| {});
    runtime().block_on(async {
        let (relay, _served) = relay(&egress);
        let mut unread = Vec::new();
        for _ in 0..12 {
            unread.push(relay.send(get(&endless), Timeouts::default()).await.unwrap());
        }
        let mut all = tokio::task::JoinSet::new();
        for n in 0..300 {
            let (relay, url) = (relay.clone(), server.url(&format!("/{n}")));
            all.spawn(async move {
                let response = relay.send(get(&url), Timeouts::default()).await.unwrap();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                assert!(body == format!("/{n}").repeat(10_000), "{n}");
            });
        }
        while let Some(one) = all.join_next().await {
            one.unwrap();
        }
    });
}

#[test]
fn a_head_that_cannot_be_carried_ends_its_request_alone() {
    let (egress, ends) = telling(&[], |_| {});
    runtime().block_on(async {
        let (relay, _served) = relay(&egress);
        let with = |bytes: usize| {
            let mut request = get("https://a.example/");
            request.headers_mut().insert("x", "x".repeat(bytes).parse().unwrap());
            relay.send(request, Timeouts::default())
        };
        assert_eq!(with(1 << 20).await.unwrap_err(), NetErrorKind::Request);
        // As long as a guest may make one.
        assert_eq!(with(64 << 10).await.unwrap_err(), NetErrorKind::Denied);
        assert_eq!(next(&ends).await, "NET_DENIED");
    });
}

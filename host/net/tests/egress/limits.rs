//! Nothing goes on for ever, and nothing is without bounds.

use std::time::{Duration, Instant};

use brio_net::{NetLimits, Resolve, Resolved, Timeouts};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::server::{Server, reply};
use crate::way::both_ways;
use crate::{egress, get, runtime, send};

both_ways! {
    each_wait_has_its_end,
    a_guest_may_wait_for_less_and_not_for_more,
    bytes_are_counted_over_all_requests,
    requests_are_counted_refused_ones_too,
    of_requests_at_one_time_those_that_are_too_many_wait_for_a_free_place,
    what_is_under_way_at_the_end_is_recorded_as_given_up,
    what_is_no_http_is_said,
    the_head_of_a_response_has_an_end,
}

fn short(limits: &mut NetLimits) {
    let moment = Duration::from_millis(100);
    (limits.connect, limits.first_byte, limits.between_bytes) = (moment, moment, moment);
}

/// Holds the connection.
fn hang() {
    std::thread::sleep(Duration::from_secs(60));
}

struct Never;

impl Resolve for Never {
    fn resolve(&self, _: &str) -> Resolved {
        Box::pin(std::future::pending())
    }
}

fn each_wait_has_its_end() {
    let silent = Server::plain(|_, _| hang());
    let slow = Server::plain(|_, to| {
        let _ = write!(to, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun");
        let _ = to.flush();
        hang();
    });
    let begun = Instant::now();
    let egress = egress(&[&silent.url(""), &slow.url(""), "never.example"], |o| {
        short(&mut o.limits);
        o.resolver = Some(std::sync::Arc::new(Never));
    });
    let said = |url: &str| send(&egress, get(url)).1;
    assert_eq!(said("https://never.example/"), "NET_TIMEOUT: no connection: nothing within 0.1 s");
    assert_eq!(said(&silent.url("/")), "NET_TIMEOUT: no response: nothing within 0.1 s");
    assert_eq!(said(&slow.url("/")), "NET_TIMEOUT: no more of the response: nothing within 0.1 s");
    assert!(begun.elapsed() < Duration::from_secs(30));
    let records = egress.close();
    assert_eq!((records[2].status, records[2].received), (Some(200), 5));
}

fn a_guest_may_wait_for_less_and_not_for_more() {
    let silent = Server::plain(|_, _| hang());
    let ask = |most: u64, asked: u64| {
        let egress = egress(&[&silent.url("")], |o| {
            o.limits.first_byte = Duration::from_millis(most);
        });
        let times =
            Timeouts { first_byte: Some(Duration::from_millis(asked)), ..Timeouts::default() };
        let done = runtime().block_on(egress.send(get(&silent.url("/")), times));
        done.unwrap_err().to_string()
    };
    assert!(ask(60_000, 50).ends_with("within 0.05 s"));
    assert!(ask(50, 60_000).ends_with("within 0.05 s"));
}

fn bytes_are_counted_over_all_requests() {
    let server = Server::plain(|_, to| reply(to, "200 OK", "", &"x".repeat(600)));
    let egress = egress(&[&server.url("")], |o| (o.limits.sent, o.limits.received) = (100, 1000));
    assert_eq!(send(&egress, get(&server.url("/"))), (Some(200), "x".repeat(600)));
    let (status, said) = send(&egress, get(&server.url("/")));
    assert_eq!(status, Some(200));
    assert!(said.starts_with("NET_LIMIT") && said.contains("received"), "{said}");
    let post =
        |bytes: usize| Request::post(server.url("/")).body(Full::from(vec![b'y'; bytes])).unwrap();
    let said = send(&egress, post(101)).1;
    assert!(said.starts_with("NET_LIMIT") && said.contains("sent"), "{said}");
    let records = egress.close();
    assert_eq!((records[1].status, records[2].sent), (Some(200), 0));
}

fn requests_are_counted_refused_ones_too() {
    let egress = egress(&[], |o| o.limits.requests = 3);
    for n in 0..10 {
        let said = send(&egress, get("https://a.example/")).1;
        let code = if n < 3 { "NET_DENIED" } else { "NET_LIMIT" };
        assert!(said.starts_with(code), "{n}: {said}");
    }
    assert_eq!(egress.close().len(), 4);
}

fn of_requests_at_one_time_those_that_are_too_many_wait_for_a_free_place() {
    // Longer than what a relay has on its way.
    let body = "body".repeat(1 << 18);
    let expected = body.clone();
    let server = Server::plain(move |_, to| reply(to, "200 OK", "", &body));
    let egress = egress(&[&server.url("")], |o| {
        o.limits.concurrent = 1;
        o.limits.connect = Duration::from_millis(300);
    });
    let url = server.url("/");
    runtime().block_on(async {
        let first = egress.send(get(&url), Timeouts::default()).await.unwrap();
        let second = egress.send(get(&url), Timeouts::default()).await;
        assert!(second.unwrap_err().to_string().starts_with("NET_LIMIT"));
        let body = first.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, Bytes::from(expected));
        egress.send(get(&url), Timeouts::default()).await.unwrap();
    });
}

fn what_is_under_way_at_the_end_is_recorded_as_given_up() {
    let silent = Server::plain(|_, _| hang());
    let egress = egress(&[&silent.url("")], |_| {});
    let runtime = runtime();
    let (waiting, url) = (egress.clone(), silent.url("/"));
    runtime.block_on(async {
        let request = waiting.send(get(&url), Timeouts::default());
        assert!(tokio::time::timeout(Duration::from_millis(200), request).await.is_err());
    });
    let records = egress.close();
    assert_eq!(records[0].error.as_ref().map(|e| e.code()), Some("NET_CANCELLED"));
}

fn what_is_no_http_is_said() {
    let broken = Server::plain(|_, to| drop(to.write_all(b"SSH-2.0-OpenSSH\r\n\r\n")));
    let cut =
        Server::plain(|_, to| drop(write!(to, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")));
    let egress = egress(&[&broken.url(""), &cut.url("")], |_| {});
    let (status, said) = send(&egress, get(&broken.url("/")));
    assert_eq!(status, None);
    assert!(said.starts_with("NET_PROTOCOL"), "{said}");
    let (status, said) = send(&egress, get(&cut.url("/")));
    assert_eq!(status, Some(200));
    assert!(said.starts_with("NET_PROTOCOL"), "{said}");
}

fn the_head_of_a_response_has_an_end() {
    let endless = Server::plain(|_, to| {
        let _ = to.write_all(b"HTTP/1.1 200 OK\r\n");
        while to.write_all(b"x-more: 0123456789012345678901234567890123456789\r\n").is_ok() {}
    });
    let egress = egress(&[&endless.url("")], |_| {});
    let (status, said) = send(&egress, get(&endless.url("/")));
    assert_eq!(status, None);
    assert!(said.starts_with("NET_PROTOCOL"), "{said}");
}

//! Requests to servers of our own: what is refused, what is sent, what is left of it.

#![allow(clippy::unwrap_used, reason = "tests")]

#[cfg(unix)]
mod alike;
mod limits;
#[cfg(unix)]
mod relay;
mod secrets;
mod server;
mod way;

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use brio_net::{Egress, EgressOptions, RequestRecord, Resolve, Resolved, Timeouts, Trust};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use server::{Server, reply};
use way::{Net, both_ways};

both_ways! {
    nothing_is_reachable_by_default,
    a_host_that_is_named_is_reached_and_the_request_is_recorded,
    a_name_that_leads_inside_is_refused_unless_its_address_is_named,
    localhost_is_this_machine_whatever_a_resolver_says,
    a_name_is_resolved_once_and_that_answer_is_connected_to,
    no_redirect_is_followed_and_who_follows_is_checked_again,
    what_is_no_request_is_refused,
    a_certificate_is_for_the_name_that_was_asked_and_from_who_is_trusted,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn egress(grants: &[&str], more: impl FnOnce(&mut EgressOptions)) -> Net {
    let allow = grants.iter().map(|g| g.parse().unwrap()).collect();
    let mut options = EgressOptions { allow, ..EgressOptions::default() };
    more(&mut options);
    Net::new(options)
}

fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

fn send(egress: &Net, request: Request<Full<Bytes>>) -> (Option<u16>, String) {
    runtime().block_on(async {
        let response = match egress.send(request, Timeouts::default()).await {
            Ok(response) => response,
            Err(e) => return (None, e.to_string()),
        };
        let status = response.status().as_u16();
        match response.into_body().collect().await {
            Ok(body) => (Some(status), String::from_utf8(body.to_bytes().to_vec()).unwrap()),
            Err(e) => (Some(status), e.to_string()),
        }
    })
}

/// Answers the next of its answers each time it is asked, the last one again.
struct Scripted(Vec<Vec<IpAddr>>, AtomicUsize, Mutex<Vec<String>>);

fn scripted(answers: &[&[&str]]) -> Arc<Scripted> {
    let parse = |a: &&[&str]| a.iter().map(|a| a.parse().unwrap()).collect();
    Arc::new(Scripted(answers.iter().map(parse).collect(), AtomicUsize::new(0), Mutex::default()))
}

impl Resolve for Scripted {
    fn resolve(&self, name: &str) -> Resolved {
        self.2.lock().unwrap().push(name.to_owned());
        let n = self.1.fetch_add(1, Ordering::SeqCst).min(self.0.len() - 1);
        let answer = self.0[n].clone();
        Box::pin(async move { Ok(answer) })
    }
}

fn hello() -> Server {
    Server::plain(|_, to| reply(to, "200 OK", "", "hello"))
}

// Nothing without a grant.
fn nothing_is_reachable_by_default() {
    let server = hello();
    let default = Egress::default();
    let sent = runtime().block_on(default.send(get(&server.url("/")), Timeouts::default()));
    assert!(sent.is_err_and(|e| e.code() == "NET_DENIED"));
    let egress = egress(&[], |_| {});
    let port = server.address.port();
    for (url, grant) in [
        (server.url("/"), format!("http://127.0.0.1:{port}")),
        ("https://api.example.com/v1?key=k".into(), "api.example.com".into()),
        ("https://api.example.com:8443/".into(), "api.example.com:8443".into()),
        ("http://api.example.com/".into(), "http://api.example.com".into()),
        ("https://[::1]/".into(), "[::1]".into()),
    ] {
        let (status, said) = send(&egress, get(&url));
        assert_eq!(status, None);
        assert!(said.starts_with("NET_DENIED: "), "{said}");
        assert!(said.ends_with(&format!("--allow-host {grant}")), "{said}");
    }
    assert!(server.seen().is_empty());
    let records = egress.close();
    assert_eq!(records.len(), 5);
    assert_eq!(records[1].path, "/v1", "no query is recorded");
    assert!(records.iter().all(|r| r.error.as_ref().is_some_and(|e| e.code() == "NET_DENIED")));
}

fn a_host_that_is_named_is_reached_and_the_request_is_recorded() {
    let server = hello();
    let egress = egress(&[&server.url("")], |_| {});
    let request = Request::post(server.url("/a/b?key=secret"))
        .header("x-own", "1")
        .header("host", "evil.example")
        .header("connection", "keep-alive")
        .body(Full::from("12345"))
        .unwrap();
    assert_eq!(send(&egress, request), (Some(200), "hello".into()));
    let seen = server.seen().remove(0);
    assert!(seen.starts_with("POST /a/b?key=secret HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {}\r\n", server.address)), "{seen}");
    assert!(seen.contains("x-own: 1\r\n") && !seen.contains("evil"), "{seen}");
    assert!(seen.contains("connection: close") && !seen.contains("keep-alive"), "{seen}");
    let RequestRecord { method, path, status, sent, received, error, .. } = &egress.close()[0];
    assert_eq!((method.as_str(), path.as_str(), *status), ("POST", "/a/b", Some(200)));
    assert_eq!((*sent, *received), (5, 5));
    assert!(error.is_none(), "{error:?}");
}

fn a_name_that_leads_inside_is_refused_unless_its_address_is_named() {
    let server = hello();
    let port = server.address.port();
    let url = format!("http://inside.example:{port}/");
    let grant = format!("http://inside.example:{port}");
    for (address, what) in [
        ("127.0.0.1", "loopback"),
        ("10.1.2.3", "private"),
        ("169.254.169.254", "cloud metadata"),
        ("fd00::1", "unique-local"),
        ("::ffff:192.168.0.1", "private"),
        ("64:ff9b::127.0.0.1", "loopback"),
    ] {
        let egress = egress(&[&grant], |o| o.resolver = Some(scripted(&[&[address]])));
        let (status, said) = send(&egress, get(&url));
        assert_eq!(status, None);
        assert!(said.starts_with("NET_ADDRESS: inside.example is "), "{said}");
        assert!(said.contains(what) && said.contains("--allow-host http://"), "{said}");
    }
    assert!(server.seen().is_empty());
    // The flag that the message says opens it, with the other one.
    let named = format!("http://127.0.0.1:{port}");
    let resolver = || Some(scripted(&[&["10.1.2.3", "127.0.0.1"]]) as Arc<dyn Resolve>);
    let both = egress(&[&grant, &named], |o| o.resolver = resolver());
    assert_eq!(send(&both, get(&url)).0, Some(200));
    // The address alone opens no name.
    let alone = egress(&[&named], |o| o.resolver = resolver());
    assert!(send(&alone, get(&url)).1.starts_with("NET_DENIED"));
    // Another port of it is not opened.
    let other = egress(&[&grant, "http://127.0.0.1:1"], |o| o.resolver = resolver());
    assert!(send(&other, get(&url)).1.starts_with("NET_ADDRESS"));
}

fn localhost_is_this_machine_whatever_a_resolver_says() {
    let server = hello();
    let grant = format!("http://localhost:{}", server.address.port());
    let resolver = scripted(&[&["8.8.8.8"]]);
    let egress = egress(&[&grant], |o| o.resolver = Some(resolver.clone()));
    assert_eq!(send(&egress, get(&format!("{grant}/"))).0, Some(200));
    assert!(resolver.2.lock().unwrap().is_empty());
    // By its address it is another host.
    assert!(send(&egress, get(&server.url("/"))).1.starts_with("NET_DENIED"));
}

/// DNS rebinding: the answer that is checked is the one that is connected to.
fn a_name_is_resolved_once_and_that_answer_is_connected_to() {
    let server = hello();
    let port = server.address.port();
    let grant = format!("http://rebound.example:{port}");
    // What a second look would find is not what was granted.
    let resolver = scripted(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let asked = || resolver.2.lock().unwrap().len();
    let egress = egress(&[&grant, &server.url("")], |o| o.resolver = Some(resolver.clone()));
    let url = format!("{grant}/");
    assert_eq!(send(&egress, get(&url)), (Some(200), "hello".into()));
    assert_eq!(asked(), 1);
    let (status, said) = send(&egress, get(&url));
    assert_eq!((status, asked()), (None, 2));
    assert!(said.starts_with("NET_ADDRESS: rebound.example is 127.0.0.2"), "{said}");
    assert_eq!(server.seen().len(), 1);
}

fn no_redirect_is_followed_and_who_follows_is_checked_again() {
    let inner = hello();
    let target = inner.url("/latest/meta-data");
    let server = Server::plain(move |head, to| {
        let location = match head.starts_with("GET /out") {
            true => "https://elsewhere.example/",
            false => target.as_str(),
        };
        reply(to, "302 Found", &format!("location: {location}\r\n"), "");
    });
    let egress = egress(&[&server.url("")], |_| {});
    for path in ["/out", "/in"] {
        let sent = egress.send(get(&server.url(path)), Timeouts::default());
        let response = runtime().block_on(sent).unwrap();
        assert_eq!(response.status(), 302);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let (status, said) = send(&egress, get(&location));
        assert_eq!(status, None);
        assert!(said.starts_with("NET_DENIED"), "{said}");
    }
    assert!(inner.seen().is_empty());
    assert_eq!(server.seen().len(), 2);
}

fn what_is_no_request_is_refused() {
    let server = hello();
    let egress = egress(&[&server.url("")], |_| {});
    let with_user = format!("http://user:pw@{}/", server.address);
    for (method, url) in [
        ("CONNECT", server.url("/")),
        ("TRACE", server.url("/")),
        ("GET", with_user),
        ("GET", "/no/host".into()),
        ("GET", "ftp://a.example/".into()),
        ("GET", "http://127.1/".into()),
        ("GET", "http://0x7f000001/".into()),
    ] {
        let request = Request::builder().method(method).uri(&url).body(Full::default()).unwrap();
        let (status, said) = send(&egress, request);
        assert_eq!(status, None);
        assert!(said.starts_with("NET_REQUEST: "), "{url}: {said}");
    }
    assert!(server.seen().is_empty());
    let printed = format!("{:?}", egress.close());
    assert!(!printed.contains("pw"), "{printed}");
}

fn a_certificate_is_for_the_name_that_was_asked_and_from_who_is_trusted() {
    let server = Server::tls(&["api.example"], |_, to| reply(to, "200 OK", "", "safe"));
    let port = server.address.port();
    let grants = [
        format!("api.example:{port}"),
        format!("other.example:{port}"),
        format!("127.0.0.1:{port}"),
    ];
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let trusting = |trust: Trust| {
        egress(&grants, |o| {
            o.resolver = Some(scripted(&[&["127.0.0.1"]]));
            o.trust = trust;
        })
    };
    let ours = trusting(Trust::only([server.ca.clone()]));
    let url = |name: &str| format!("https://{name}:{port}/");
    assert_eq!(send(&ours, get(&url("api.example"))), (Some(200), "safe".into()));
    for name in ["other.example", "127.0.0.1"] {
        let said = send(&ours, get(&url(name))).1;
        assert!(said.starts_with("NET_TLS") && said.contains("certificate"), "{said}");
    }
    let said = send(&trusting(Trust::default()), get(&url("api.example"))).1;
    assert!(said.starts_with("NET_TLS") && said.contains("certificate"), "{said}");
    // In the clear to a server that wants TLS, and TLS to one that does not: neither is tried.
    assert!(send(&ours, get(&format!("http://api.example:{port}/"))).1.starts_with("NET_DENIED"));
    // By a file, as a company's authority is added.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, &server.ca_pem).unwrap();
    let by_file = trusting(Trust::with_file(&file).unwrap());
    assert_eq!(send(&by_file, get(&url("api.example"))).0, Some(200));
    for bad in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n",
    ] {
        std::fs::write(&file, bad).unwrap();
        let error = Trust::with_file(&file).unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}

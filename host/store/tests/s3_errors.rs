//! Each way in which a server or the way to it fails has its own error, and what is repeated is
//! repeated as often as it should.

#![allow(clippy::unwrap_used, reason = "tests")]

mod places;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use brio_store::backend::{Backend, Credentials, Patience, S3, S3Options, prove};
use brio_store::{Error, Put, Swap};
use bytes::Bytes;
use places::http::Response;
use places::proxy::{Fault, Rates};
use places::server::{Rules, Server};
use places::{options, proxied, quick};

const HEAD: &str = "projects/o/n/head";

fn value() -> Bytes {
    Bytes::from_static(b"{\"attempt\":\"00000000000000000000000000000000\"}")
}

fn answering(response: Response) -> Server {
    Server::start(Rules { always: Some(response), ..Rules::default() })
}

/// The errors of each kind of call, and how many requests they took.
async fn errors(server: &Server, options: S3Options) -> (Vec<Error>, usize) {
    let store = S3::open(options).unwrap();
    let errors = vec![
        store.get("a").await.unwrap_err(),
        store.create("a", value()).await.unwrap_err(),
        store.overwrite("a", value()).await.unwrap_err(),
        store.delete("a").await.unwrap_err(),
        store.list("", None).await.unwrap_err(),
        store.read_ref(HEAD).await.unwrap_err(),
        store.swap_ref(HEAD, None, value()).await.unwrap_err(),
        prove(&store).await.unwrap_err(),
    ];
    (errors, server.requests())
}

#[tokio::test]
async fn what_the_server_refuses_is_told_apart() {
    for (status, code, expected, words) in [
        (404, "NoSuchBucket", "STORE_BUCKET", "no such bucket"),
        (403, "AccessDenied", "STORE_DENIED", "AccessDenied"),
        (403, "InvalidAccessKeyId", "STORE_DENIED", "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch", "STORE_DENIED", "SignatureDoesNotMatch"),
        (401, "Unauthorized", "STORE_DENIED", "401"),
        (400, "ExpiredToken", "STORE_DENIED", "ExpiredToken"),
        (301, "PermanentRedirect", "STORE_DENIED", "the bucket's region is eu-west-7"),
        (501, "NotImplemented", "STORE_CONDITIONS", "501"),
    ] {
        let answer = Response::error(status, code).with("x-amz-bucket-region", "eu-west-7");
        let server = answering(answer);
        let (errors, requests) = errors(&server, options(&server.url())).await;
        for e in &errors {
            assert_eq!(e.code(), expected, "{code}: {e}");
            assert!(e.to_string().starts_with(expected) && e.to_string().contains(words), "{e}");
        }
        // None was repeated; a proof ends with its first call, and removes what it may have made.
        assert!(requests <= errors.len() + 1, "{code}: {requests} requests");
    }
}

#[tokio::test]
async fn a_wrong_clock_is_told() {
    for (ahead, words) in [(1200, "s behind the server's"), (-1200, "s ahead of the server's")] {
        let always = Some(Response::error(403, "RequestTimeTooSkewed"));
        let server = Server::start(Rules { always, ahead, ..Rules::default() });
        for e in errors(&server, options(&server.url())).await.0 {
            let text = e.to_string();
            assert!(text.contains("RequestTimeTooSkewed") && text.contains(words), "{text}");
        }
    }
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_again_and_then_unreachable() {
    for status in [500, 503, 429] {
        let server = answering(Response::error(status, "SlowDown"));
        let mut options = options(&server.url());
        options.patience.retries = 3;
        let store = S3::open(options).unwrap();
        let e = store.get("a").await.unwrap_err();
        assert_eq!(e.code(), "STORE_UNREACHABLE", "{e}");
        assert!(e.to_string().contains("4 attempts"), "{e}");
        assert_eq!(server.requests(), 4);
        // Nobody knows what became of it, and it was asked once.
        assert_eq!(store.swap_ref(HEAD, Some(&version()), value()).await.unwrap(), Swap::Lost);
        assert!(server.requests() <= 6, "once for each way to write an ETag");
    }
}

fn version() -> brio_store::Version {
    brio_store::Version("0123".into())
}

#[tokio::test]
async fn what_is_no_s3_server_is_told() {
    let server = answering(Response::new(200, "<html>welcome</html>"));
    let mut options = options(&server.url());
    options.patience.retries = 1;
    let store = S3::open(options).unwrap();
    let e = store.list("", None).await.unwrap_err();
    assert_eq!(e.code(), "STORE_UNREACHABLE", "{e}");
    assert!(prove(&store).await.is_err());
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut options = options(&format!("http://{free}"));
    options.patience.retries = 2;
    let store = S3::open(options).unwrap();
    for e in [
        store.get("a").await.unwrap_err(),
        store.create("a", value()).await.unwrap_err(),
        store.stat("a").await.unwrap_err(),
        store.now().await.unwrap_err(),
    ] {
        assert_eq!(e.code(), "STORE_UNREACHABLE", "{e}");
    }
}

/// A swap is tried again only when it never left, and not for ever.
#[tokio::test]
async fn a_swap_that_never_left_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut options = options(&format!("http://{free}"));
    options.patience.total = Duration::from_millis(300);
    let store = S3::open(options).unwrap();
    let e = store.swap_ref(HEAD, None, value()).await.unwrap_err();
    assert_eq!(e.code(), "STORE_UNREACHABLE", "{e}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = silent.local_addr().unwrap();
    let mut options = options(&format!("http://{address}"));
    options.patience = Patience {
        attempt: Duration::from_millis(200),
        total: Duration::from_millis(900),
        retries: 100,
        ..quick()
    };
    let store = S3::open(options).unwrap();
    let begun = Instant::now();
    let e = store.get("a").await.unwrap_err();
    assert_eq!(e.code(), "STORE_UNREACHABLE", "{e}");
    assert!(e.to_string().contains("in time"), "{e}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(store.swap_ref(HEAD, None, value()).await.unwrap_or(Swap::Lost), Swap::Lost);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let server = Server::start(Rules::default());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (credentials, words) in [
        (Credentials::Missing("nobody has any".into()), "nobody has any"),
        (Credentials::Instance { endpoint: Some(format!("http://{silent}")) }, "metadata service"),
        (Credentials::Container { relative_uri: "/none".into() }, "container"),
        (
            Credentials::WebIdentity {
                token_file: "/no/such/file".into(),
                role_arn: "arn:aws:iam::1:role/r".into(),
                session_name: None,
            },
            "web identity",
        ),
    ] {
        let mut options = options(&server.url());
        options.credentials = credentials;
        let store = S3::open(options).unwrap();
        for e in [
            store.get("a").await.unwrap_err(),
            store.swap_ref(HEAD, None, value()).await.unwrap_err(),
        ] {
            assert_eq!(e.code(), "STORE_CREDENTIALS", "{e}");
            assert!(e.to_string().contains(words), "{e}");
        }
    }
    assert_eq!(server.requests(), 0);
}

/// The machine's own role: a token, the role's name, its keys.
#[tokio::test]
async fn the_role_of_a_machine_is_asked_for() {
    let server = Server::start(Rules::default());
    let metadata = answering(Response::new(
        200,
        "{\"AccessKeyId\":\"I\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Code\":\"Success\",\"Expiration\":\"2099-01-01T00:00:00Z\"}",
    ));
    let mut options = options(&server.url());
    options.credentials = Credentials::Instance { endpoint: Some(metadata.url()) };
    let store = S3::open(options).unwrap();
    assert_eq!(store.create("a", value()).await.unwrap(), Put::Created);
    assert_eq!(store.create("a", value()).await.unwrap(), Put::Exists);
    assert_eq!(metadata.requests(), 3, "they are kept until they expire");
}

#[tokio::test]
async fn a_server_that_ignores_conditions_is_refused() {
    let ignores_match = Rules { honours_if_match: false, ..Rules::default() };
    let ignores_none = Rules { honours_if_none_match: false, ..Rules::default() };
    let lies = Rules { lies: true, ..Rules::default() };
    for rules in [ignores_match, ignores_none, lies] {
        let server = Server::start(rules);
        let store = S3::open(options(&server.url())).unwrap();
        let e = prove(&store).await.unwrap_err();
        assert_eq!(e.code(), "STORE_CONDITIONS", "{e}");
        assert!(server.keys().is_empty(), "{:?}", server.keys());
    }
}

#[tokio::test]
async fn a_proof_stands_a_network_that_fails() {
    for quoted in [true, false] {
        let server = Server::start(Rules { quoted, ..Rules::default() });
        for _ in 0..20 {
            let place = proxied(server.address(), options(&server.url()), Rates::gentle());
            prove(&*place.backend).await.unwrap();
        }
        assert!(server.keys().is_empty(), "{:?}", server.keys());
    }
}

/// The answer is lost, whatever is done; the work is not done twice.
#[tokio::test]
async fn a_swap_is_never_repeated() {
    for fault in [Fault::Lost, Fault::After(500), Fault::After(412), Fault::Cut] {
        let server = Server::start(Rules::default());
        let place = proxied(server.address(), options(&server.url()), Rates::only(fault));
        let proxy = place.proxy.clone().unwrap();
        assert_eq!(place.backend.swap_ref(HEAD, None, value()).await.unwrap(), Swap::Lost);
        // A refusal is followed by a look at what is there; nothing else is sent.
        proxy.set(Rates::none());
        let puts = server.puts();
        assert_eq!(puts, 1, "{fault:?}");
        let (now, _) = place.backend.read_ref(HEAD).await.unwrap().unwrap();
        assert_eq!(now, value(), "who reads it back finds his own");
    }
}

/// A body that is cut is read again.
#[tokio::test]
async fn half_an_answer_is_none() {
    let server = Server::start(Rules::default());
    let mut options = options(&server.url());
    options.patience.retries = 4;
    let place = proxied(server.address(), options, Rates::none());
    let bytes: Bytes = vec![7; 100_000].into();
    place.backend.create("a", bytes.clone()).await.unwrap();
    let proxy = place.proxy.clone().unwrap();
    proxy.set(Rates::only(Fault::Cut));
    let e = place.backend.get("a").await.unwrap_err();
    assert_eq!(e.code(), "STORE_UNREACHABLE", "{e}");
    assert!(proxy.requests.load(Ordering::SeqCst) >= 5);
    proxy.set(Rates::none());
    assert_eq!(place.backend.get("a").await.unwrap(), Some(bytes));
}

#[tokio::test]
async fn options_that_contradict_themselves_are_refused() {
    for (endpoint, allow_http) in [
        ("http://127.0.0.1:1", false),
        ("127.0.0.1:1", true),
        ("ftp://host", true),
        ("https://", true),
        ("https://host/?a=b", true),
    ] {
        let options = S3Options { allow_http, ..options(endpoint) };
        let e = S3::open(options).err().unwrap();
        assert_eq!(e.code(), "STORE_URL", "{endpoint}: {e}");
    }
    let options = S3Options { prefix: "a//b".into(), ..options("https://host") };
    assert_eq!(S3::open(options).err().unwrap().code(), "STORE_URL");
}

//! The network by grant, through the binary: what is reached, what is refused and how that is
//! told, and that no secret is left anywhere.

mod common;
#[path = "../../net/tests/egress/server.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "shared with another crate's tests")]
mod server;

use std::path::Path;

use common::{TestEnvironment, guest};
use serde_json::Value;
use server::{Server, reply};

const VALUE: &str = "hunter2-0123456789";

fn hello() -> Server {
    Server::plain(|_, to| reply(to, "200 OK", "", "hello"))
}

/// Runs the test guest with these flags; the document.
fn request(env: &TestEnvironment, flags: &[&str], args: &[&str]) -> (i32, Value) {
    let guest = guest("http");
    let all = [&["run", &guest, "--json"], flags, &["--"], args].concat();
    env.json(&all)
}

fn stdout(doc: &Value) -> &str {
    doc["agent"]["stdout"].as_str().unwrap_or_else(|| panic!("no output: {doc}"))
}

// A guest reaches nothing that was not granted, and the person is told which flag to add.
#[test]
fn without_a_grant_a_request_is_refused_and_the_flag_is_named() {
    let env = TestEnvironment::new();
    let server = hello();
    let url = server.url("/path?token=query");
    let (status, doc) = request(&env, &[], &["GET", &url]);
    assert_eq!(status, 1, "{doc}");
    assert!(stdout(&doc).contains("error ErrorCode::HttpRequestDenied"), "{doc}");
    let refused = &doc["network"][0];
    let grant = server.url("");
    assert_eq!((&refused["code"], &refused["status"]), (&"NET_DENIED".into(), &Value::Null));
    assert_eq!(refused["grant"], grant);
    assert_eq!(refused["url"], server.url("/path"), "no query is recorded");
    assert!(server.seen().is_empty());
    let ran = env.brio(&["run", &guest("http"), "--", "GET", &url]);
    assert!(ran.stderr.contains(&format!("--allow-host {grant}")), "{}", ran.stderr);
    // The flag that it names opens it.
    let (status, doc) = request(&env, &["--allow-host", &grant], &["GET", &url]);
    assert_eq!(status, 0, "{doc}");
    assert!(stdout(&doc).starts_with("status 200\nbody 5 hello"), "{doc}");
    let done = &doc["network"][0];
    assert_eq!((&done["status"], &done["received"]), (&200.into(), &5.into()));
    let journal = env.ok(&["journal"]);
    assert!(journal.contains("audit") && journal.contains("NET_DENIED"), "{journal}");
    assert!(journal.contains(&format!("GET {}: 200", server.url("/path"))), "{journal}");
    assert!(!journal.contains("query"), "{journal}");
}

// Redirects are checked again: to elsewhere, to this machine, to the cloud's metadata.
#[test]
fn a_redirect_is_a_request_of_its_own() {
    let env = TestEnvironment::new();
    let inner = hello();
    let (secret, elsewhere) = (inner.url("/admin"), "https://elsewhere.example/".to_owned());
    let metadata = "http://169.254.169.254/latest/meta-data/".to_owned();
    for target in [secret, elsewhere, metadata] {
        let location = format!("location: {target}\r\n");
        let server = Server::plain(move |_, to| reply(to, "302 Found", &location, ""));
        let flags = ["--allow-host", &server.url("")];
        let (status, doc) = request(&env, &flags, &["--follow", "GET", &server.url("/")]);
        assert_eq!(status, 1, "{doc}");
        assert!(stdout(&doc).starts_with("status 302\n"), "{doc}");
        assert!(stdout(&doc).ends_with("error ErrorCode::HttpRequestDenied\n"), "{doc}");
        assert_eq!(doc["network"][1]["code"], "NET_DENIED", "{doc}");
        assert_eq!(server.seen().len(), 1, "the host follows nothing");
    }
    assert!(inner.seen().is_empty());
}

#[test]
fn a_name_that_is_this_machine_must_be_named_by_its_address() {
    let env = TestEnvironment::new();
    let server = hello();
    let port = server.address.port();
    // What resolvers take for 127.0.0.1 is no host at all.
    let (_, doc) = request(&env, &[], &["GET", &format!("http://127.1:{port}/")]);
    assert_eq!(doc["network"][0]["code"], "NET_REQUEST", "{doc}");
    let local = format!("http://localhost:{port}");
    let (status, doc) = request(&env, &["--allow-host", &local], &["GET", &local]);
    assert_eq!(status, 0, "{doc}");
    let error = env.error(&["run", &guest("http"), "--allow-host", "127.1"], 2, "USAGE");
    assert!(error.contains("127.1"), "{error}");
}

// By TLS, with an authority of one's own; the secret is in the header and nowhere else.
#[test]
fn a_secret_is_put_in_by_the_host_and_left_nowhere() {
    let env = TestEnvironment::new();
    let server = Server::tls(&["localhost"], |_, to| reply(to, "200 OK", "", "safe"));
    let host = format!("localhost:{}", server.address.port());
    let ca = env.path().join("ca.pem");
    std::fs::write(&ca, &server.ca_pem).expect("written");
    let url = format!("https://{host}/v1");
    let bearer = format!("env=API_KEY,host={host}");
    let named = format!("env=API_KEY,host={host},header=x-api-key");
    let run = |trusted: bool| {
        let guest = guest("http");
        let mut command = env.command(&[
            "run",
            &guest,
            "--json",
            "--keep",
            "--allow-host",
            &host,
            "--secret",
            &bearer,
            "--secret",
            &named,
            "--",
            "POST",
            &url,
            "Authorization: Bearer mine",
        ]);
        command.env("API_KEY", VALUE).env("RUST_LOG", "trace").env("BRIO_LOG", "trace");
        if trusted {
            command.env("BRIO_CA_FILE", &ca);
        }
        common::ran(command.output().expect("brio starts"))
    };
    let ran = run(false);
    assert!(ran.stdout.contains("NET_TLS"), "an unknown authority: {}", ran.stdout);
    assert!(server.seen().is_empty());
    let ran = run(true);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let seen = server.seen().remove(0);
    assert!(seen.contains(&format!("authorization: Bearer {VALUE}\r\n")), "{seen}");
    assert!(seen.contains(&format!("x-api-key: {VALUE}\r\n")), "{seen}");
    assert!(!seen.contains("Bearer mine"), "{seen}");
    for text in [&ran.stdout, &ran.stderr, &env.ok(&["journal", "--json"])] {
        assert!(!text.contains(VALUE), "{text}");
    }
    let mut files = 0;
    search(env.path(), &mut files);
    assert!(files > 5, "{files} files were searched");
}

/// No file below has the secret.
fn search(dir: &Path, files: &mut usize) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            search(&path, files);
        } else if path.is_file() {
            *files += 1;
            let content = std::fs::read(&path).expect("a file");
            let has = content.windows(VALUE.len()).any(|w| w == VALUE.as_bytes());
            assert!(!has, "{}", path.display());
        }
    }
}

#[test]
fn grants_that_cannot_be_are_refused_before_anything_runs() {
    let env = TestEnvironment::new();
    let guest = guest("http");
    for (flags, says) in [
        (&["--allow-host", "https://a.example/path"][..], "more than a host"),
        (&["--allow-host", "*"], "wildcard"),
        (&["--secret", "KEY"], "write env="),
        (&["--allow-host", "http://a.example", "--secret", "env=K,host=http://a.example"], "TLS"),
        (&["--allow-host", "a.example", "--secret", "env=K,host=a.example"], "no such variable"),
        (&["--secret", "file=/dev/null,host=a.example"], "empty"),
    ] {
        let ran = env.brio(&[&["run", guest.as_str()], flags].concat());
        assert_eq!(ran.status, 2, "{flags:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{flags:?}: {}", ran.stderr);
    }
    assert!(env.open_sessions().is_empty());
    let mut command = env.command(&["session", "list"]);
    let ran = common::ran(command.env("BRIO_CA_FILE", "/nowhere.pem").output().expect("brio"));
    assert!(ran.status == 2 && ran.stderr.contains("/nowhere.pem"), "{}", ran.stderr);
}

// A run that hangs in a request ends by its own limit, and the request is recorded.
#[test]
fn a_request_that_hangs_ends_with_the_run() {
    let env = TestEnvironment::new();
    let server = Server::plain(|_, to| {
        let _ = to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        let _ = to.flush();
        std::thread::sleep(std::time::Duration::from_secs(300));
    });
    let flags = ["--timeout", "2s", "--allow-host", &server.url("")];
    let (status, doc) = request(&env, &flags, &["GET", &server.url("/")]);
    assert_eq!((status, &doc["error"]["code"]), (4, &"LIMIT_TIME".into()), "{doc}");
    assert_eq!(doc["network"][0]["code"], "NET_CANCELLED", "{doc}");
}

#[test]
fn a_large_response_and_a_large_request_go_through() {
    let env = TestEnvironment::new();
    let server = Server::plain(|_, to| reply(to, "200 OK", "", &"y".repeat(3 << 20)));
    let flags = ["--allow-host", &server.url("")];
    let (status, doc) = request(&env, &flags, &["--body", "300000", "POST", &server.url("/")]);
    assert_eq!(status, 0, "{doc}");
    let done = &doc["network"][0];
    assert_eq!((&done["sent"], &done["received"]), (&300_000.into(), &(3 << 20).into()));
}

// In a task file, for each agent; what it asked for is in the task's log.
#[test]
fn a_task_file_grants_hosts_and_secrets() {
    let env = TestEnvironment::new();
    let server = hello();
    let file = |hosts: &str| {
        let (guest, url) = (guest("http"), server.url("/x"));
        let text = format!(
            "name = \"ask\"\nbase = \"base\"\n[[steps]]\nagent = \"{guest}\"\n\
             args = [\"GET\", \"{url}\"]\nallow-hosts = [{hosts}]\n"
        );
        std::fs::write(env.path().join("task.toml"), text).expect("written");
        let mut command = env.command(&["task", "run", "../task.toml"]);
        common::ran(command.env("API_KEY", VALUE).output().expect("brio"))
    };
    let refused = file("");
    assert_eq!(refused.status, 1, "{}", refused.stderr);
    let hint = format!("allow-hosts = [\"{}\"]", server.url(""));
    assert!(refused.stderr.contains(&hint), "{}{}", refused.stdout, refused.stderr);
    let hosts =
        format!("\"{0}\"]\nsecrets = [{{ env = \"API_KEY\", host = \"{0}\" }}", server.url(""));
    let done = file(&hosts);
    assert_eq!(done.status, 0, "{}{}", done.stdout, done.stderr);
    assert!(server.seen()[0].contains(VALUE));
    let mut files = 0;
    search(env.path(), &mut files);
    let logs = std::fs::read_dir(env.home().join("tasks")).expect("logs");
    let logs: String =
        logs.filter_map(|e| std::fs::read_to_string(e.expect("an entry").path()).ok()).collect();
    assert!(logs.contains(&format!("network: GET {}: 200", server.url("/x"))), "{logs}");
    let wrong = file("\"https://a.example/path\"");
    assert_eq!(wrong.status, 2, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("more than a host"), "{}", wrong.stderr);
}

#[test]
fn a_check_says_what_may_be_granted() {
    let env = TestEnvironment::new();
    let listing = env.ok(&["agent", "check", &guest("http")]);
    assert!(listing.contains("wasi:http@0.2") && listing.contains("--allow-host"), "{listing}");
    let (status, doc) = env.json(&["agent", "check", &guest("http"), "--json"]);
    assert_eq!((status, &doc["runs"]), (0, &true.into()), "{doc}");
}

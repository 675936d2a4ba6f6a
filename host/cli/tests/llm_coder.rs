//! `llm-coder` against an endpoint that answers as scripted: it works on the files of its branch,
//! and says what went wrong by a code.

mod common;
#[path = "../../net/tests/egress/server.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "shared with another crate's tests")]
mod server;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::TestEnvironment;
use serde_json::{Value, json};
use server::{Server, reply};

/// Answers the next of these each time: a status and a body. The last one again.
fn scripted(answers: Vec<(&'static str, &'static str, String)>) -> Server {
    let next = AtomicUsize::new(0);
    Server::plain(move |_, to| {
        let n = next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let (status, headers, body) = &answers[n];
        reply(to, status, headers, body);
    })
}

fn ok(message: Value) -> (&'static str, &'static str, String) {
    let body = json!({ "choices": [{ "message": message }], "usage": { "total_tokens": 10 } });
    ("200 OK", "", body.to_string())
}

fn call(name: &str, arguments: Value) -> (&'static str, &'static str, String) {
    ok(json!({ "role": "assistant", "content": null, "tool_calls": [{
        "id": format!("call-{name}"), "type": "function",
        "function": { "name": name, "arguments": arguments.to_string() },
    }]}))
}

fn done(said: &str) -> (&'static str, &'static str, String) {
    ok(json!({ "role": "assistant", "content": said }))
}

fn run(env: &TestEnvironment, server: &Server, args: &[&str]) -> (i32, Value) {
    let (host, url) = (server.url(""), server.url("/v1"));
    let secret = format!("env=OPENAI_API_KEY,host={host}");
    let mut all = vec!["run", "llm-coder", "--json", "--allow-host", &host, "--secret", &secret];
    all.extend(["--task", "Spell it color", "--", "--url", &url, "--model", "tiny"]);
    all.extend(args);
    let mut command = env.command(&all);
    let ran = common::ran(command.env("OPENAI_API_KEY", "sk-key").output().expect("brio"));
    let doc = serde_json::from_str(&ran.stdout);
    (ran.status, doc.unwrap_or_else(|e| panic!("{e}: {}{}", ran.stdout, ran.stderr)))
}

// An agent that speaks to a model, reads and edits its branch, and lands.
#[test]
fn it_lists_reads_replaces_writes_and_lands() {
    let env = TestEnvironment::new();
    let server = scripted(vec![
        call("list", json!({ "path": "." })),
        call("read", json!({ "path": "src/lib.rs" })),
        call("replace", json!({ "path": "src/lib.rs", "old": "colour", "new": "color" })),
        call("write", json!({ "path": "docs/why.md", "content": "because\n" })),
        done("spelled it color\n\nand said why"),
    ]);
    let (status, doc) = run(&env, &server, &[]);
    assert_eq!((status, &doc["result"]), (0, &"landed".into()), "{doc}");
    assert!(doc["agent"]["output"].as_str().is_some_and(|o| o.starts_with("spelled it color")));
    assert!(env.read("src/lib.rs").contains("pub fn color()"));
    assert_eq!(env.read("docs/why.md"), "because\n");
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen[0].starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(seen.iter().all(|s| s.contains("authorization: Bearer sk-key\r\n")));
    let sent = |n: usize| -> Value {
        serde_json::from_str(seen[n].split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    };
    assert_eq!(
        (&sent(0)["model"], &sent(0)["tools"][0]["type"]),
        (&"tiny".into(), &"function".into())
    );
    let last =
        |n: usize| sent(n)["messages"].as_array().and_then(|m| m.last().cloned()).expect("one");
    assert!(last(1)["content"].as_str().is_some_and(|c| c.contains("notes.txt")), "{}", last(1));
    assert!(last(2)["content"].as_str().is_some_and(|c| c.contains("pub fn colour")));
    assert_eq!(last(2)["tool_call_id"], "call-read");
}

#[test]
fn what_a_tool_cannot_do_is_told_to_the_model() {
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let server = scripted(vec![
        call("read", json!({ "path": "nowhere" })),
        call("replace", json!({ "path": "notes.txt", "old": "e\n", "new": "" })),
        call("write", json!({ "path": "../outside", "content": "x" })),
        call("format-disk", json!({})),
        call("read", json!(["no", "object"])),
        done("gave up"),
    ]);
    let (status, doc) = run(&env, &server, &[]);
    assert_eq!((status, &doc["result"]), (0, &"unchanged".into()), "{doc}");
    for request in &server.seen()[1..] {
        assert!(request.contains("error: "), "{request}");
    }
    assert_eq!(env.snapshot(), before);
}

#[test]
fn each_failure_has_its_code_and_leaves_no_trace() {
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let text = |status, headers, body: &str| scripted(vec![(status, headers, body.to_owned())]);
    let elsewhere = "location: https://elsewhere.example/v1\r\n";
    for (server, code) in [
        (text("401 Unauthorized", "", r#"{"error":{"message":"no key"}}"#), "LLM_UNAUTHORIZED"),
        (text("429 Too Many Requests", "", "slow down"), "LLM_RATE_LIMITED"),
        (text("500 Internal Server Error", "", "oops"), "LLM_STATUS: status 500"),
        (text("404 Not Found", "", "no such model"), "LLM_STATUS: status 404"),
        (text("307 Temporary Redirect", elsewhere, ""), "LLM_REDIRECT"),
        (text("200 OK", "", "{ not json"), "LLM_MALFORMED"),
        (text("200 OK", "", r#"{"choices":[]}"#), "LLM_MALFORMED"),
        (text("200 OK", "", &"x".repeat(9 << 20)), "LLM_TOO_LARGE"),
        (scripted(vec![call("list", json!({ "path": "." }))]), "LLM_TURNS"),
    ] {
        let (status, doc) = run(&env, &server, &["--retries", "0", "--turns", "3"]);
        assert_eq!((status, &doc["result"]), (1, &"rolled-back".into()), "{code}: {doc}");
        let message = doc["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(code), "{code}: {message}");
        assert!(!doc.to_string().contains("sk-key"), "{doc}");
    }
    assert_eq!(env.snapshot(), before);
}

#[test]
fn who_is_told_to_wait_waits_and_asks_again() {
    let env = TestEnvironment::new();
    let server = scripted(vec![
        ("429 Too Many Requests", "retry-after: 0\r\n", String::new()),
        ("503 Service Unavailable", "retry-after: 0\r\n", String::new()),
        done("at last"),
    ]);
    let (status, doc) = run(&env, &server, &[]);
    assert_eq!((status, server.seen().len()), (0, 3), "{doc}");
}

#[test]
fn an_endpoint_that_hangs_is_a_failure_in_time() {
    let env = TestEnvironment::new();
    let server = Server::plain(|_, to| {
        let _ = to.flush();
        std::thread::sleep(std::time::Duration::from_secs(300));
    });
    let (status, doc) = run(&env, &server, &["--timeout", "1"]);
    assert_eq!(status, 1, "{doc}");
    assert!(doc["error"]["message"].as_str().is_some_and(|m| m.contains("LLM_TIMEOUT")), "{doc}");
}

#[test]
fn what_it_lacks_is_named() {
    let env = TestEnvironment::new();
    let ran = env.brio(&["run", "llm-coder", "--task", "x", "--", "--model", "m"]);
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("LLM_DENIED: api.openai.com"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--allow-host api.openai.com"), "{}", ran.stderr);
    let ran = env.brio(&["run", "llm-coder", "--task", "x"]);
    assert!(ran.stderr.contains("--model"), "{}", ran.stderr);
    let ran = env.brio(&["run", "llm-coder", "--", "--model", "m"]);
    assert!(ran.stderr.contains("the task is empty"), "{}", ran.stderr);
}

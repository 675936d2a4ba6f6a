//! A project whose record and notes lie on a server: `brio serve --mcp` of somebody else.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use common::TestEnvironment;
use serde_json::{Value, json};

/// A server of somebody else's, over a directory and a home of its own.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(env: &TestEnvironment, address: &str, more: &[&str]) -> Self {
        let mut command = env.command(&[&["serve", "--mcp", address], more].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines.find_map(|line| Some(line.unwrap().strip_prefix("MCP: ")?.to_owned()));
        // What else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: url.expect("it says where") }
    }

    fn address(&self) -> String {
        self.url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap().to_owned()
    }

    /// As by `kill -9`.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LOCAL: [&str; 4] = ["project", "init", "--notes", "local"];

// each command is a process of its own.
#[test]
fn the_record_lies_on_the_server_and_survives_it() {
    let (env, there) = (TestEnvironment::new(), TestEnvironment::new());
    env.ok(&["note", "write", "old", "stays here"]);
    let server = Server::start(&there, "127.0.0.1:0", &[]);
    let said = env.ok(&["project", "init", "--notes", &server.url]);
    assert!(said.ends_with(&format!("notes    {}\n", server.url)), "{said}");
    let file = env.base().join(".brio/notes.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let stored: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(stored, json!({"format": 1, "mcp": {"url": server.url}}));

    env.ok(&["project", "state", "set", "--mode", "coding", "--task", "parser"]);
    env.ok(&["note", "write", "plans/next", "first"]);
    env.ok(&["note", "write", "plans/next", "second", "--expected-version", "1"]);
    let stale = ["note", "write", "plans/next", "third", "--expected-version", "1"];
    env.error(&stale, 3, "NOTE_CHANGED");
    env.ok(&["note", "write", "empty", ""]);
    assert_eq!(env.ok(&["note", "read", "empty"]), "");
    assert_eq!(env.ok(&["note", "list"]), "empty\nplans/next\nsessions/session\n");
    env.ok(&["note", "rm", "empty"]);
    env.error(&["note", "read", "empty"], 2, "NOTE_UNKNOWN");
    // It is there what it is here.
    let (_, record) = env.json(&["project", "state", "--json"]);
    assert_eq!(record["notes"], json!({"mcp": server.url, "project": null}));
    let (_, their) = there.json(&["project", "state", "--json"]);
    assert_eq!(
        (&record["activeTask"], &record["version"]),
        (&their["activeTask"], &their["version"])
    );
    for of in ["history", "read"] {
        let ask = ["note", of, "plans/next", "--json"];
        assert_eq!(env.json(&ask), there.json(&ask));
    }

    let (address, url) = (server.address(), server.url.clone());
    server.kill();
    for away in [
        &["project", "state"][..],
        &["project", "state", "set", "--task", "lost"],
        &["project", "init"],
        &["project", "migrate"],
        &["note", "read", "plans/next"],
        &["note", "read", "never"],
        &["note", "write", "plans/next", "lost"],
        &["note", "list"],
        &["note", "rm", "plans/next"],
        &["note", "history", "plans/next"],
    ] {
        let said = env.error(away, 5, "NOTES_UNAVAILABLE");
        assert!(said.contains("BrainUnavailableError") && said.contains(&url), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
    }
    // Sessions have nothing to do with it.
    env.ok(&["run", "hello", "--task", "Ada"]);
    let again = Server::start(&there, &address, &[]);
    assert_eq!(again.url, url);
    assert_eq!(env.json(&["project", "state", "--json"]).1, record);
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "second");

    let said = env.ok(&LOCAL);
    assert!(said.ends_with("notes    local\n") && !file.exists(), "{said}");
    assert_eq!(env.ok(&["note", "read", "old"]), "stays here");
    env.error(&["note", "read", "plans/next"], 2, "NOTE_UNKNOWN");
}

// What a session writes lands with it; where the server is away then, as soon as somebody asks.
#[test]
fn a_sessions_notes_land_on_the_server() {
    let (env, there) = (TestEnvironment::new(), TestEnvironment::new());
    let server = Server::start(&there, "127.0.0.1:0", &[]);
    env.ok(&["project", "init", "--notes", &server.url]);
    env.ok(&["note", "write", "plans/next", "before"]);
    let id = env.begin();
    env.ok(&["note", "write", "plans/next", "in the session", "--session", &id]);
    env.ok(&["project", "state", "set", "--task", "parser", "--session", &id]);
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "before");
    assert_eq!(env.ok(&["note", "read", "plans/next", "--session", &id]), "in the session");
    env.ok(&["session", "commit", &id]);
    assert_eq!(there.ok(&["note", "read", "plans/next"]), "in the session");
    assert!(there.ok(&["project", "state"]).contains("task     parser"));
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "in the session");

    let id = env.begin();
    env.ok(&["note", "write", "plans/next", "while it is away", "--session", &id]);
    let (address, url) = (server.address(), server.url.clone());
    server.kill();
    let landed = env.brio(&["session", "commit", &id]);
    assert_eq!(landed.status, 0, "{}", landed.stderr);
    assert!(landed.stderr.contains("BrainUnavailableError"), "{}", landed.stderr);
    let log = env.ok(&["log"]);
    assert!(log.contains("(1 note, pending)") && log.contains("(2 notes)"), "{log}");
    env.error(&["note", "read", "plans/next"], 5, "NOTES_UNAVAILABLE");
    assert_eq!(there.ok(&["note", "read", "plans/next"]), "in the session");
    let again = Server::start(&there, &address, &[]);
    assert_eq!(again.url, url);
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "while it is away");
    assert_eq!(there.ok(&["note", "read", "plans/next"]), "while it is away");
    let (_, history) = there.json(&["note", "history", "plans/next", "--json"]);
    assert_eq!(history["versions"].as_array().unwrap().len(), 3, "each once: {history}");
    assert!(!env.ok(&["log"]).contains("pending"));
}

#[test]
fn a_server_is_looked_at_before_it_is_taken() {
    let (env, there) = (TestEnvironment::new(), TestEnvironment::new());
    let token = "0123456789abcdef0123456789abcdef";
    let file = env.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    let file = file.to_str().unwrap();
    let server = Server::start(&there, "127.0.0.1:0", &["--mcp-token-file", file]);
    let init = |more: &[&'static str]| [&["project", "init", "--notes"], more].concat();
    env.error(&init(&["http://notes.example.com/mcp"]), 2, "NOTES_SERVER");
    env.error(&init(&["https://me:pass@notes.example.com/mcp"]), 2, "NOTES_SERVER");
    env.error(&init(&["elsewhere"]), 2, "NOTES_SERVER");
    let insecure =
        init(&["http://notes.example.com/mcp", "--notes-insecure", "--notes-token-file", "/t"]);
    env.error(&insecure, 2, "NOTES_SERVER");
    env.error(&["project", "init", "--notes-project", "p"], 2, "USAGE");
    env.error(&["project", "init", "--notes", &server.url], 5, "NOTES_UNAVAILABLE");
    assert!(!env.base().join(".brio/notes.json").exists(), "nothing is taken");
    let init = ["project", "init", "--notes", &server.url, "--notes-token-file", "../token"];
    env.ok(&init);
    let stored = fs::read_to_string(env.base().join(".brio/notes.json")).unwrap();
    assert!(stored.contains("/base/../token\"") && !stored.contains(token), "{stored}");
    // A project that the server does not have is none that is missing.
    let with = [&init[..], &["--notes-project", "/no/such/project"]].concat();
    env.error(&with, 5, "NOTES_UNAVAILABLE");
    env.ok(&["note", "write", "a", "still at the first"]);
    let base = there.base();
    let with = [&init[..], &["--notes-project", base.to_str().unwrap()]].concat();
    let said = env.ok(&with);
    assert!(said.ends_with(&format!(", project {}\n", base.display())), "{said}");
    assert_eq!(env.ok(&["note", "read", "a"]), "still at the first");

    // What cannot be understood is not guessed, and can be said anew.
    let at = env.base().join(".brio/notes.json");
    for bad in
        [stored.replace("\"format\":1", "\"format\":2"), stored.replace("url", "uri"), "{".into()]
    {
        fs::write(&at, bad).unwrap();
        env.error(&["note", "read", "a"], 2, "NOTES_AT");
        env.error(&["project", "state"], 2, "NOTES_AT");
    }
    env.ok(&init);
    env.ok(&LOCAL);
    env.ok(&["project", "state"]);
}

fn old(id: &str, mode: &str, updated: &str) -> String {
    json!({ "sessionId": id, "currentMode": mode, "modeHistory": [], "version": 3,
            "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": updated })
    .to_string()
}

/// Two sessions, and what an agent knew in each.
fn write_old_sessions(env: &TestEnvironment) {
    for (id, mode, day) in [("one", "planning", "02"), ("two", "coding", "03")] {
        let session = old(id, mode, &format!("2026-01-{day}T00:00:00.000Z"));
        env.ok(&["note", "write", &format!("sessions/session-{id}"), &session]);
        let context = format!("{{\"of\":\"{id}\"}}");
        env.ok(&["note", "write", &format!("session-{id}-agent-qa"), &context]);
    }
}

// from a directory's project, from a directory of notes, from a server.
#[test]
fn old_sessions_are_migrated_from_elsewhere() {
    for from in ["project", "notes", "server"] {
        let (env, there) = (TestEnvironment::new(), TestEnvironment::new());
        write_old_sessions(&there);
        let server = (from == "server").then(|| Server::start(&there, "127.0.0.1:0", &[]));
        let place = match (&server, from) {
            (Some(server), _) => server.url.clone(),
            (None, "notes") => there.base().join(".brio/notes").display().to_string(),
            _ => there.base().display().to_string(),
        };
        let migrate = ["project", "migrate", "--from", &place];
        let dry = env.ok(&[&migrate[..], &["--dry-run"]].concat());
        let counts = "sessions found: 2, contexts migrated: 1, notes archived: 4, skipped: 0\n";
        assert!(
            dry.contains("Selected two of 2") && dry.ends_with(&format!("Would be: {counts}")),
            "{dry}"
        );
        assert_eq!(env.ok(&["note", "list"]), "", "{from}");
        assert_eq!(there.ok(&["note", "list", "sessions/*"]).lines().count(), 2, "{from}");
        // An untouched record of the target yields.
        env.ok(&["project", "init"]);
        let done = env.ok(&migrate);
        assert!(done.ends_with(&format!("Done: {counts}")), "{from}: {done}");
        let (_, record) = env.json(&["project", "state", "--json"]);
        assert_eq!((&record["currentMode"], &record["version"]), (&json!("coding"), &json!(4)));
        assert!(record.get("sessionId").is_none(), "{record}");
        assert_eq!(env.ok(&["note", "read", "sessions/agent-qa"]), "{\"of\":\"two\"}");
        assert_eq!(there.ok(&["note", "list"]), "", "{from}: the old ones are tombstones");
        assert_eq!(env.ok(&migrate), "Nothing to migrate\n", "{from}");
        env.error(&["project", "migrate", "--from", "/no/such/place"], 2, "BASE_MISSING");
    }
}

// Into a server too: the first look does it by itself.
#[test]
fn old_sessions_on_a_server_become_its_record() {
    let (env, there) = (TestEnvironment::new(), TestEnvironment::new());
    write_old_sessions(&there);
    let server = Server::start(&there, "127.0.0.1:0", &[]);
    env.ok(&["project", "init", "--notes", &server.url]);
    let (_, record) = env.json(&["project", "state", "--json"]);
    assert_eq!((&record["currentMode"], &record["version"]), (&json!("coding"), &json!(4)));
    assert_eq!(there.ok(&["note", "list"]), "sessions/agent-qa\nsessions/session\n");
    assert_eq!(env.ok(&["project", "migrate"]), "Nothing to migrate\n");
}

//! The project's record and notes, from the command line.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{TestEnvironment, until};
use serde_json::{Value, json};

//
#[test]
fn the_record_is_one_and_survives_sessions() {
    let env = TestEnvironment::new();
    let said = env.ok(&["project", "init"]);
    assert!(said.starts_with("mode     analysis\ntask     -\n"), "{said}");
    let (_, first) = env.json(&["project", "state", "--json"]);
    let keys: Vec<_> = first.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["createdAt", "currentMode", "modeHistory", "schema", "updatedAt", "version"]);
    let id = env.begin();
    let set = ["project", "state", "set", "--mode", "coding", "--task", "parser", "--json"];
    let (_, second) = env.json(&set);
    assert_eq!(
        (&second["currentMode"], &second["activeTask"]),
        (&json!("coding"), &json!("parser"))
    );
    assert_eq!(second["version"].as_u64(), Some(first["version"].as_u64().unwrap() + 1));
    assert_eq!(second["modeHistory"].as_array().unwrap().len(), 1, "{second}");
    // The same mode is no change of it; an empty text clears.
    let (_, third) =
        env.json(&["project", "state", "set", "--mode", "coding", "--task", "", "--json"]);
    assert_eq!(
        (&third["activeTask"], third["modeHistory"].as_array().unwrap().len()),
        (&Value::Null, 1)
    );
    env.ok(&["session", "rollback", &id]);
    assert_eq!(env.json(&["project", "state", "get", "--json"]).1, third);
    let stored = env.ok(&["note", "read", "sessions/session"]);
    assert!(stored.starts_with("{\n  \"currentMode\": \"coding\","), "{stored}");
    env.error(&["project", "state", "set", "--mode", "sleeping"], 2, "USAGE");
    env.error(&["project", "state", "set"], 2, "USAGE");
}

//
#[test]
fn notes_are_written_read_listed_removed_and_remembered() {
    let env = TestEnvironment::new();
    env.ok(&["note", "write", "plans/next", "first"]);
    let (_, written) = env.json(&["note", "write", "plans/next", "second", "--json"]);
    assert_eq!(written, json!({ "schema": 1, "path": "plans/next", "version": 2 }));
    let mut piped = env.command(&["note", "write", "plans/piped", "-"]);
    let mut child = piped.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all("from a pipe\n".as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "second");
    assert_eq!(env.ok(&["note", "read", "plans/piped"]), "from a pipe\n");
    assert_eq!(env.ok(&["note", "list", "plans/*"]), "plans/next\nplans/piped\n");
    assert_eq!(env.ok(&["note", "list", "else/*"]), "");
    env.error(
        &["note", "write", "plans/next", "third", "--expected-version", "1"],
        3,
        "NOTE_CHANGED",
    );
    env.ok(&["note", "rm", "plans/next"]);
    env.error(&["note", "read", "plans/next"], 2, "NOTE_UNKNOWN");
    env.error(&["note", "rm", "plans/next"], 2, "NOTE_UNKNOWN");
    assert_eq!(env.ok(&["note", "list"]), "plans/piped\n");
    let (_, history) = env.json(&["note", "history", "plans/next", "--json"]);
    let contents: Vec<_> =
        history["versions"].as_array().unwrap().iter().map(|v| &v["content"]).collect();
    assert_eq!(contents, [&Value::Null, &json!("second"), &json!("first")], "{history}");
    for out in ["../up", "/absolute", "a//b", "a/./b"] {
        env.error(&["note", "write", out, "x"], 2, "USAGE");
    }
    // No other project sees them, and they are in no session, landing or diff.
    let other = env.path().join("other");
    std::fs::create_dir(&other).unwrap();
    assert_eq!(env.ok(&["note", "list", "--base", other.to_str().unwrap()]), "");
    env.ok(&["run", "hello", "--task", "Ada"]);
    assert!(!env.snapshot().keys().any(|path| path.to_string_lossy().contains("notes/")));
    env.ok(&["gc", "--window", "0"]);
    assert_eq!(env.ok(&["note", "read", "plans/piped"]), "from a pipe\n");
}

// B-041, R-030
#[test]
fn notes_of_a_session_land_with_it() {
    let env = TestEnvironment::new();
    env.ok(&["note", "write", "plans/next", "old"]);
    let id = env.ok(&["session", "begin", "."]).trim().to_owned();
    env.ok(&["note", "write", "plans/next", "new", "--session", &id]);
    env.ok(&["note", "write", "plans/more", "more", "--session", &id]);
    env.ok(&["project", "state", "set", "--mode", "coding", "--session", &id]);
    assert_eq!(env.ok(&["note", "read", "plans/next", "--session", &id]), "new");
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "old");
    assert_eq!(env.json(&["project", "state", "--json"]).1["currentMode"], "analysis");
    let all = json!(["plans/more", "plans/next", "sessions/session"]);
    assert_eq!(env.json(&["session", "show", &id, "--json"]).1["notes"], all);
    let (_, diff) = env.json(&["session", "diff", &id, "--json"]);
    assert_eq!(diff["notes"][0], json!({ "path": "plans/more", "change": "written" }));
    env.error(&["note", "list", "--session", "sess-unknown"], 2, "SESSION_UNKNOWN");

    // It lands though no file changed, and can be undone.
    let (_, landed) = env.json(&["session", "commit", &id, "--json"]);
    assert_eq!((&landed["result"], &landed["landing"]), (&json!("landed"), &json!(1)));
    assert_eq!(landed["notes"], all);
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "new");
    assert_eq!(env.json(&["project", "state", "--json"]).1["currentMode"], "coding");
    let (_, log) = env.json(&["log", "--json"]);
    assert_eq!(log["landings"][0]["notes"], all);
    let (_, undone) = env.json(&["undo", "1", "--json"]);
    assert_eq!(undone["notes"], all);
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "old");
    env.error(&["note", "read", "plans/more"], 2, "NOTE_UNKNOWN");
    let record = env.json(&["project", "state", "--json"]).1;
    assert_eq!(record["currentMode"], "analysis", "{record}");

    let id = env.ok(&["session", "begin", "."]).trim().to_owned();
    env.ok(&["note", "write", "plans/next", "thrown away", "--session", &id]);
    env.ok(&["session", "rollback", &id]);
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "old");
}

#[test]
fn commands_that_are_given_no_session_mean_the_current_one() {
    let env = TestEnvironment::new();
    env.error(&["session", "show"], 2, "NO_CURRENT");
    env.error(&["session", "commit", "current"], 2, "NO_CURRENT");
    assert!(env.json(&["project", "state", "--json"]).1.get("currentSession").is_none());
    let first = env.ok(&["session", "begin", "--current"]).trim().to_owned();
    let second = env.ok(&["session", "begin"]).trim().to_owned();
    let is = |id: &str| {
        assert_eq!(env.json(&["session", "show", "--json"]).1["id"], *id);
        assert_eq!(env.json(&["project", "state", "--json"]).1["currentSession"], *id);
    };
    is(&first);
    // A run works in it, and leaves it open.
    let (_, ran) = env.json(&["run", "hello", "--task", "Ada", "--json"]);
    assert_eq!((&ran["session"], &ran["result"]), (&json!(first), &json!("kept")));
    let (_, ran) = env.json(&["run", "hello", "--task", "Ada", "--new", "--json"]);
    assert_ne!(ran["session"], first);
    assert!(env.ok(&["session", "diff", "--name-status"]).starts_with("A\t"));
    env.ok(&["session", "checkpoint", "current", "here"]);
    // There is at most one.
    env.ok(&["session", "resume", &second]);
    is(&second);
    env.ok(&["session", "pause", &first]);
    is(&second);
    env.ok(&["session", "pause"]);
    env.error(&["session", "show"], 2, "NO_CURRENT");
    assert_eq!(env.json(&["session", "show", &second, "--json"]).1["state"], "open");
    // One that has ended is not current.
    env.ok(&["session", "resume", &second]);
    env.ok(&["session", "rollback"]);
    env.error(&["session", "rollback"], 2, "NO_CURRENT");
    env.error(&["session", "resume", &second], 2, "SESSION_ENDED");
    let (_, ran) = env.json(&["run", "hello", "--task", "Bob", "--json"]);
    assert_ne!(ran["result"], "kept");
    // Where nothing was ever begun, nothing is made by asking.
    let other = env.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let mut ask = env.command(&["session", "show"]);
    assert_eq!(ask.current_dir(&other).status().unwrap().code(), Some(2));
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 0);
}

//
#[test]
fn sessions_of_an_older_program_become_the_record() {
    let env = TestEnvironment::new();
    let old = |id: &str, mode: &str, updated: &str| {
        json!({ "sessionId": id, "currentMode": mode, "modeHistory": [], "version": 3,
                "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": updated })
        .to_string()
    };
    env.ok(&[
        "note",
        "write",
        "sessions/session-one",
        &old("one", "planning", "2026-01-02T00:00:00.000Z"),
    ]);
    env.ok(&[
        "note",
        "write",
        "sessions/session-two",
        &old("two", "coding", "2026-01-03T00:00:00.000Z"),
    ]);
    let dry = env.ok(&["project", "migrate", "--dry-run"]);
    assert!(dry.contains("Selected two of 2"), "{dry}");
    assert_eq!(env.ok(&["note", "list"]), "sessions/session-one\nsessions/session-two\n");
    env.ok(&["project", "migrate"]);
    let (_, record) = env.json(&["project", "state", "--json"]);
    assert_eq!(
        (&record["currentMode"], &record["version"]),
        (&json!("coding"), &json!(4)),
        "{record}"
    );
    assert!(record.get("sessionId").is_none(), "{record}");
    assert_eq!(env.ok(&["note", "list"]), "sessions/session\n");
    assert_eq!(env.ok(&["project", "migrate"]), "Nothing to migrate\n");
}

/// Many processes at once: none of their notes is lost.
#[test]
fn many_writers_lose_nothing() {
    let env = TestEnvironment::new();
    let mut writers: Vec<_> = (0..20)
        .map(|n| env.command(&["note", "write", &format!("log/{n}"), "x"]).spawn().unwrap())
        .collect();
    until("they have written", || {
        writers.iter_mut().all(|writer| writer.try_wait().unwrap().is_some())
    });
    assert_eq!(env.ok(&["note", "list", "log/*"]).lines().count(), 20);
}

/// The guest that calls every function of `project-record`.
fn guest() -> String {
    let prebuilt =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../example-agents/prebuilt/test/record.wasm");
    prebuilt.to_owned()
}

// B-012, R-002, R-010, R-011, R-014: an agent that is granted it works with the record and the
// notes as its session has them; they land with its files, and go with them.
#[test]
fn an_agent_works_with_the_record_when_it_is_granted() {
    let env = TestEnvironment::new();
    let guest = guest();
    let refused = env.error(&["run", &guest], 2, "NOT_GRANTED");
    assert!(refused.contains("--grant project-record"), "{refused}");
    env.error(&["run", &guest, "--grant", "session-fs"], 2, "NOT_GRANTED");
    assert!(env.open_sessions().is_empty());
    let granted = ["run", &guest, "--grant", "project-record"];
    fn joined<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        [args, more].concat()
    }
    let with = |more: &[&'static str]| joined(&granted, more);

    let (status, ran) = env.json(&with(&["--keep", "--json"]));
    assert_eq!(status, 0, "{ran}");
    let id = ran["session"].as_str().unwrap();
    assert_eq!(env.ok(&["note", "list"]), "", "nothing before it lands");
    env.ok(&["session", "commit", id]);
    let listed = "plans/next\nsessions/agent-planner\nsessions/session\n";
    assert_eq!(env.ok(&["note", "list"]), listed);
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "second, ü\n");
    let state = env.ok(&["project", "state"]);
    assert!(state.starts_with("mode     coding\ntask     -\nfeature  notes\n"), "{state}");

    env.ok(&with(&["--", "write", "plans/next", "third"]));
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "third");
    env.error(&with(&["--", "fail", "plans/next", "fourth"]), 1, "AGENT_FAILED");
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "third", "it was rolled back");
    // In a directory of its own it works with the same notes.
    env.ok(&with(&["--preopen", "--", "write", "plans/next", "fifth"]));
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "fifth");

    let check = env.ok(&["agent", "check", &guest]);
    assert!(check.contains("--grant project-record`\n"), "{check}");
    let (_, check) = env.json(&["agent", "check", &guest, "--json"]);
    assert_eq!(check["grants"], json!(["project-record"]));
    assert!(env.open_sessions().is_empty());
}

#[test]
fn a_task_grants_the_record_to_a_step() {
    let env = TestEnvironment::new();
    let task = |grants: &str| {
        let file = env.path().join("remember.toml");
        let text = format!(
            "name = \"remember\"\nbase = {:?}\n[[steps]]\nagent = {:?}\n\
             args = [\"write\", \"plans/next\", \"by a task\"]\n{grants}",
            env.base(),
            guest(),
        );
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let ran = env.brio(&["task", "run", &task("")]);
    assert_ne!(ran.status, 0);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("NOT_GRANTED"), "{}", ran.stderr);
    assert_eq!(env.ok(&["note", "list"]), "");
    env.ok(&["task", "run", &task("grants = [\"project-record\"]\n")]);
    assert_eq!(env.ok(&["note", "read", "plans/next"]), "by a task");
    assert!(env.ok(&["task", "schema"]).contains("project-record"));
    assert!(env.open_sessions().is_empty());
}

//! Conflicts as a person and a script meet them: reports, policies, resolve, `diff --against`.

mod common;

use common::TestEnvironment;
use serde_json::{Value, json};

/// Works in an open session through an agent.
fn replace(env: &TestEnvironment, id: &str, task: &str) {
    env.ok(&["run", "replace", "--task", task, "--session", id]);
}

/// Two sessions of which one has landed; the id of the other, and of the one that landed.
fn conflicted(env: &TestEnvironment, ours: &str, theirs: &str) -> (String, String) {
    let a = env.ok(&["session", "begin", "--goal", "make it German"]).trim().to_owned();
    let b = env.begin();
    replace(env, &a, theirs);
    replace(env, &b, ours);
    env.ok(&["session", "commit", &a]);
    (b, a)
}

fn hash(text: &str) -> Value {
    use std::io::Write;
    // The reference is not ours.
    let mut sum = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sha256sum");
    sum.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
    let out = sum.wait_with_output().expect("sha256sum").stdout;
    json!(String::from_utf8_lossy(&out).split(' ').next().expect("a sum"))
}

// B-080, B-082, T8: every path with its three versions and who the other was.
#[test]
fn a_conflict_is_reported_with_its_sides() {
    let env = TestEnvironment::new();
    let (b, a) = conflicted(&env, "s/two/deux/", "s/two/zwei/");
    let (status, doc) = env.json(&["session", "commit", &b, "--json"]);
    assert_eq!(status, 3);
    let version = |text: &str| json!({"kind": "file", "mode": "0644", "size": text.len(), "sha256": hash(text)});
    assert_eq!(
        doc["error"]["conflicts"],
        json!([{
            "path": "notes.txt",
            "base": version("one\ntwo\nthree\n"),
            "ours": { "change": "modified", "version": version("one\ndeux\nthree\n") },
            "theirs": {
                "by": "landing", "what": "modified", "landing": 1, "session": a,
                "goal": "make it German", "version": version("one\nzwei\nthree\n"),
            },
            "unmerged": null,
        }])
    );
    let text = env.error(&["session", "commit", &b, "--policy", "merge"], 3, "CONFLICT");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "error: CONFLICT: Concurrent modification detected in 1 path");
    assert!(lines[1].starts_with("  notes.txt (ours: modified; theirs: modified by landing 1 of "));
    assert!(lines[1].ends_with("not merged: both changed the same lines)"), "{text}");
    for next in ["session resolve", "--policy", "session rollback"] {
        assert!(lines[2].starts_with("hint: ") && lines[2].contains(next), "{text}");
    }
}

// B-081, B-082: by policy, at a commit and at the end of a run.
#[test]
fn a_policy_settles_a_conflict() {
    let env = TestEnvironment::new();
    env.write("notes.txt", "one\ntwo\nthree\nfour\n");
    let (b, _) = conflicted(&env, "s/four/vier/", "s/one/eins/");
    env.error(&["session", "commit", &b], 3, "CONFLICT");
    let (status, doc) = env.json(&["session", "commit", &b, "--policy", "merge", "--json"]);
    assert_eq!((status, &doc["result"], &doc["landing"]), (0, &json!("landed"), &json!(2)));
    assert_eq!(env.read("notes.txt"), "eins\ntwo\nthree\nvier\n");
    let (b, _) = conflicted(&env, "s/two/deux/", "s/two/zwei/");
    env.error(&["session", "commit", &b, "--policy", "merge"], 3, "CONFLICT");
    env.ok(&["session", "commit", &b, "--policy", "last-write-wins"]);
    assert_eq!(env.read("notes.txt"), "eins\ndeux\nthree\nvier\n");
    env.error(&["session", "commit", &b, "--policy", "sometimes"], 2, "USAGE");
    env.error(&["run", "hello", "--policy", "sometimes"], 2, "CONFIG");
    env.ok(&["run", "replace", "--task", "s/deux/2/", "--policy", "last-write-wins"]);
    assert_eq!(env.read("notes.txt"), "eins\n2\nthree\nvier\n");
}

// B-081, B-083: resolve by hand, and look at the base as it is now.
#[test]
fn a_session_is_resolved_and_lands() {
    let env = TestEnvironment::new();
    let (b, _) = conflicted(&env, "s/two/deux/", "s/two/zwei/");
    env.error(&["session", "commit", &b], 3, "CONFLICT");
    let diff = env.ok(&["session", "diff", &b, "--against", "base"]);
    assert!(diff.contains("\n-zwei\n+deux\n"), "{diff}");
    assert!(env.ok(&["session", "diff", &b]).contains("\n-two\n+deux\n"));
    let (_, doc) = env.json(&["session", "diff", &b, "--against", "base", "--json"]);
    assert_eq!(doc["changes"][0]["change"], "modified");
    let (status, doc) = env.json(&["session", "resolve", &b, "--json"]);
    assert_eq!(status, 0);
    assert_eq!(
        doc,
        json!({
            "schema": 1, "session": b, "landing": 1, "merged": [], "marked": ["notes.txt"],
            "taken": [], "error": null,
        })
    );
    let (_, shown) = env.json(&["session", "show", &b, "--json"]);
    assert_eq!((&shown["state"], &shown["unresolved"]), (&json!("open"), &json!(["notes.txt"])));
    assert!(env.ok(&["session", "show", &b]).contains("markers  notes.txt"));
    let (status, doc) = env.json(&["session", "commit", &b, "--json"]);
    assert_eq!((status, &doc["result"]), (3, &json!("kept")));
    assert_eq!(doc["error"]["code"], "UNRESOLVED");
    assert_eq!(doc["error"]["paths"], json!(["notes.txt"]));
    // An agent settles it.
    env.write("src/lib.rs", "changed outside\n");
    let text = env.ok(&["session", "diff", &b]);
    assert!(text.contains("\n+<<<<<<< ours (sess-"), "{text}");
    env.ok(&["session", "resolve", &b]);
    env.error(&["session", "resolve", &b, "--take", "ours", "notes.txt"], 2, "NO_CONFLICT");
    env.error(&["session", "resolve", &b, "--take", "mine", "notes.txt"], 2, "USAGE");
    env.error(&["session", "resolve", &b, "--take", "ours"], 2, "USAGE");
    env.write("notes.txt", "one\n2\nthree\n");
    let text = env.error(&["session", "resolve", &b], 3, "CONFLICT");
    assert!(
        text.contains("  notes.txt (") && text.contains("--take ours|theirs|base PATH"),
        "{text}"
    );
    env.ok(&["session", "resolve", &b, "--take", "theirs", "."]);
    let (_, doc) = env.json(&["session", "commit", &b, "--json"]);
    assert_eq!(doc["result"], "unchanged");
    assert_eq!(env.read("notes.txt"), "one\n2\nthree\n");
}

//! `brio mcp`: the notes and the record of a project, by tools.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;

use common::TestEnvironment;
use common::mcp::Client;
use serde_json::{Value, json};

/// What `read_note` shows, and its document.
fn read(client: &mut Client, arguments: Value) -> (String, Value) {
    let result = client.try_call("read_note", arguments);
    assert_eq!(result["isError"], false, "{result}");
    assert_eq!(result["content"].as_array().unwrap().len(), 1, "{result}");
    let text = result["content"][0]["text"].as_str().unwrap().to_owned();
    (text, result["structuredContent"].clone())
}

//
#[test]
fn notes_are_written_read_listed_removed_and_remembered() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let write = |content: &str| json!({ "path": "plans/next", "content": content });
    let written = client.call("write_note", write("first"));
    assert_eq!(written, json!({ "path": "plans/next", "version": 1 }));
    client.call("write_note", write("second\n\"as it is\"\n"));
    let (text, note) = read(&mut client, json!({ "path": "plans/next" }));
    assert_eq!(text, "second\n\"as it is\"\n");
    assert_eq!((&note["content"], &note["version"]), (&json!(text), &json!(2)));
    let (_, by_command) = env.json(&["note", "read", "plans/next", "--json"]);
    assert_eq!(note["time"], by_command["time"], "one note, however it is read");
    env.ok(&["note", "write", "other", "from the command line"]);

    let listed = client.call("list_notes", json!({}));
    let paths: Vec<_> = listed["notes"].as_array().unwrap().iter().map(|n| &n["path"]).collect();
    assert_eq!(paths, ["other", "plans/next"]);
    let fits = client.call("list_notes", json!({ "pattern": "plans/*" }));
    assert_eq!((&fits["notes"][0]["version"], &fits["more"]), (&json!(2), &json!(0)));
    assert_eq!(fits["notes"].as_array().unwrap().len(), 1);

    let error = client.refused(
        "write_note",
        json!({ "path": "plans/next", "content": "late", "expected_version": 1 }),
        "NOTE_CHANGED",
    );
    assert!(error["error"]["hint"].as_str().unwrap().contains("read_note"), "{error}");
    let first = json!({ "path": "other", "content": "x", "expected_version": 0 });
    client.refused("write_note", first, "NOTE_CHANGED");
    let early = json!({ "path": "plans/next", "expected_version": 1 });
    client.refused("remove_note", early, "NOTE_CHANGED");
    client.call("remove_note", json!({ "path": "plans/next", "expected_version": 2 }));
    for tool in ["read_note", "remove_note"] {
        let error = client.refused(tool, json!({ "path": "plans/next" }), "NOTE_UNKNOWN");
        assert_eq!(error["error"]["paths"], json!(["plans/next"]));
        assert!(error["error"]["hint"].as_str().unwrap().contains("list_notes"), "{error}");
    }
    client.refused("note_history", json!({ "path": "never" }), "NOTE_UNKNOWN");
    let history = client.call("note_history", json!({ "path": "plans/next" }));
    let contents: Vec<_> =
        history["versions"].as_array().unwrap().iter().map(|v| &v["content"]).collect();
    let all = [&Value::Null, &json!("second\n\"as it is\"\n"), &json!("first")];
    assert_eq!(contents, all, "{history}");
    let one = client.call("note_history", json!({ "path": "plans/next", "limit": 1 }));
    assert_eq!((one["versions"].as_array().unwrap().len(), &one["more"]), (1, &json!(2)));
    for limit in [0, 1001] {
        client.refused("note_history", json!({ "path": "other", "limit": limit }), "USAGE");
    }
    // They are in no session and no landing.
    let s = client.session();
    assert_eq!(client.call("diff", json!({ "session": s }))["diff"], "");
    client.refused("read_file", json!({ "session": s, "path": ".brio/notes" }), "NOT_FOUND");
}

#[test]
fn a_write_that_is_sent_again_is_made_once() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let write = |content: &str, origin: &str| json!({ "path": "log", "content": content, "origin": origin });
    assert_eq!(client.call("write_note", write("one", "event 1"))["version"], 1);
    assert_eq!(client.call("write_note", write("two", "event 2"))["version"], 2);
    client.call("write_note", write("one", "event 1"));
    assert_eq!(read(&mut client, json!({ "path": "log" })).0, "two");
    let history = client.call("note_history", json!({ "path": "log" }));
    assert_eq!(history["versions"][0]["origin"], "event 2");
    client.refused("write_note", write("three", &"x".repeat(256)), "NOTE_TOO_LARGE");
}

#[test]
fn what_cannot_be_a_note_is_refused_by_its_name_or_its_size() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    for path in ["", "../up", "/absolute", "a//b", "a/./b", ".brio/x", "a\nb", "a\0b"] {
        for (tool, more) in [
            ("read_note", json!({})),
            ("write_note", json!({ "content": "x" })),
            ("remove_note", json!({})),
            ("note_history", json!({})),
        ] {
            let mut input = json!({ "path": path });
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            client.refused(tool, input, "NOTE_PATH_INVALID");
        }
    }
    client.refused("list_notes", json!({ "pattern": "[" }), "NOTE_PATH_INVALID");
    for (tool, input) in [
        ("read_note", json!({})),
        ("read_note", json!({ "path": "a", "identifier": "b" })),
        ("read_note", json!({ "path": "a", "sessionId": "x" })),
        ("read_note", json!({ "path": "a", "base": 1 })),
        ("write_note", json!({ "path": "a" })),
    ] {
        client.refused(tool, input, "USAGE");
    }
    let large = "x".repeat((4 << 20) + 1);
    let write = |content: &str| json!({ "path": "large", "content": content });
    client.refused("write_note", write(&large), "NOTE_TOO_LARGE");
    client.call("write_note", write(&large[1..]));
    client.call("write_note", write(&large[2..]));
    assert_eq!(read(&mut client, json!({ "path": "large" })).0.len(), (4 << 20) - 1);
    let history = client.call("note_history", json!({ "path": "large" }));
    assert_eq!((history["versions"].as_array().unwrap().len(), &history["more"]), (1, &json!(1)));
    let mut child = env.command(&["note", "write", "large", "-"]);
    let mut child = child.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), large.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let error = client.refused("read_note", json!({ "path": "large" }), "NOTE_TOO_LARGE");
    assert!(error["error"]["hint"].as_str().unwrap().contains("brio note read"), "{error}");
}

//
#[test]
fn a_project_that_no_base_names_is_refused() {
    let env = TestEnvironment::new();
    let other = env.path().join("other");
    fs::create_dir(&other).unwrap();
    let other = other.display().to_string();
    env.ok(&["note", "write", "secret", "no", "--base", &other]);
    let mut client = Client::start(&env, &[]);
    for base in ["..", &other, "/", "a\0b"] {
        for name in ["base", "project"] {
            for (tool, mut input) in [
                ("read_note", json!({ "path": "secret" })),
                ("write_note", json!({ "path": "secret", "content": "x" })),
                ("list_notes", json!({})),
                ("remove_note", json!({ "path": "secret" })),
                ("note_history", json!({ "path": "secret" })),
                ("get_project_state", json!({})),
                ("set_project_state", json!({ "task": "x" })),
                ("save_agent_context", json!({ "agent": "qa", "context": {} })),
                ("load_agent_context", json!({ "agent": "qa" })),
            ] {
                input[name] = json!(base);
                client.refused(tool, input, "BASE_REFUSED");
            }
        }
    }
    assert_eq!(env.ok(&["note", "read", "secret", "--base", &other]), "no");
    client.refused("list_notes", json!({ "base": "nowhere" }), "BASE_MISSING");

    // Of a base that lands with one above it, the notes are that one's.
    env.ok(&["note", "write", "above", "no"]);
    let src = env.base().join("src").display().to_string();
    let mut below = Client::start(&env, &["--base", &src]);
    below.refused("read_note", json!({ "path": "above" }), "BASE_REFUSED");
    let mut both = Client::start(&env, &["--base", &src, "--base", "."]);
    assert_eq!(read(&mut both, json!({ "path": "above" })).0, "no");
}

//
#[test]
fn the_record_is_what_the_command_line_prints() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let first = client.call("get_project_state", json!({}));
    assert_eq!(first, env.json(&["project", "state", "--json"]).1);
    let set = json!({ "mode": "coding", "task": "parser", "feature": "notes" });
    let second = client.call("set_project_state", set);
    assert_eq!(second, env.json(&["project", "state", "--json"]).1);
    assert_eq!(
        (&second["currentMode"], &second["activeTask"], &second["activeFeature"]),
        (&json!("coding"), &json!("parser"), &json!("notes"))
    );
    assert_eq!(second["version"].as_u64(), Some(first["version"].as_u64().unwrap() + 1));
    let cleared = client.call("set_project_state", json!({ "task": "" }));
    assert!(cleared.get("activeTask").is_none() && cleared["activeFeature"] == "notes");
    // There is one of it: no id is taken.
    for (tool, input) in [
        ("get_project_state", json!({ "sessionId": "x" })),
        ("set_project_state", json!({ "task": "x", "sessionId": "x" })),
        ("set_project_state", json!({ "id": "x", "mode": "coding" })),
        ("set_project_state", json!({ "mode": "sleeping" })),
        ("set_project_state", json!({})),
    ] {
        client.refused(tool, input, "USAGE");
    }
    // What a newer program keeps in it is kept and shown.
    let newer = env.ok(&["note", "read", "sessions/session"]).replacen('{', "{\"later\": [1],", 1);
    client.call("write_note", json!({ "path": "sessions/session", "content": newer }));
    assert_eq!(client.call("set_project_state", json!({ "task": "x" }))["later"], json!([1]));
    client.call("write_note", json!({ "path": "sessions/session", "content": "{" }));
    let error = client.refused("get_project_state", json!({}), "RECORD_CORRUPT");
    assert!(error["error"]["hint"].as_str().unwrap().contains("note_history"), "{error}");
}

//
#[test]
fn what_agents_knew_last_is_stored_and_loaded() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let load = json!({ "agent": "planner" });
    assert_eq!(client.call("load_agent_context", load.clone())["context"], Value::Null);
    for context in [json!({ "step": 1 }), json!({ "step": 2, "open": ["a"] })] {
        client.call("save_agent_context", json!({ "agent": "planner", "context": context }));
        assert_eq!(client.call("load_agent_context", load.clone())["context"], context);
    }
    let stored = env.ok(&["note", "read", "sessions/agent-planner"]);
    assert_eq!(stored, "{\n  \"open\": [\n    \"a\"\n  ],\n  \"step\": 2\n}");
    for agent in ["", "../up", "A", "-a"] {
        client.refused("load_agent_context", json!({ "agent": agent }), "AGENT_NAME_INVALID");
    }
    client.refused("save_agent_context", json!({ "agent": "planner" }), "USAGE");
    client.call("write_note", json!({ "path": "sessions/agent-planner", "content": "no JSON" }));
    client.refused("load_agent_context", load, "CONTEXT_INVALID");
}

/// The calls that a service makes which kept its sessions in another server's notes.
#[test]
fn clients_of_other_note_servers_are_understood() {
    let env = TestEnvironment::new();
    let project = env.base().canonicalize().unwrap().display().to_string();
    let mut client = Client::start(&env, &[]);
    let record = client.call("get_project_state", json!({}));
    let content = serde_json::to_string_pretty(&record).unwrap();
    let note = "sessions/session";
    client.call("write_note", json!({ "path": note, "content": content, "project": project }));
    let (text, _) = read(&mut client, json!({ "identifier": note, "project": project }));
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), record);
    let listed = client.call("list_notes", json!({ "pattern": "sessions/*", "project": project }));
    assert_eq!(listed["notes"][0]["path"], note);
    let gone = json!({ "identifier": "sessions/agent-qa", "project": project });
    let text = client.try_call("read_note", gone)["content"][0]["text"].clone();
    assert!(serde_json::from_str::<Value>(text.as_str().unwrap()).is_err(), "{text}");
}

#[test]
fn what_a_session_writes_is_its_own_until_it_lands() {
    let env = TestEnvironment::new();
    env.ok(&["note", "write", "plan", "the project's"]);
    let mut client = Client::start(&env, &[]);
    let (s, gone) = (client.session(), client.session());
    let of = |s: &str, path: &str| json!({ "session": s, "path": path });
    let write = |s: &str, path: &str, content: &str| json!({ "session": s, "path": path, "content": content });
    assert_eq!(read(&mut client, of(&s, "plan")).0, "the project's");
    client.call("write_note", write(&s, "plan", "the session's"));
    client.call("write_note", write(&s, "new", "x"));
    client.call("set_project_state", json!({ "session": s, "mode": "coding" }));
    let save = json!({ "session": s, "agent": "qa", "context": { "a": 1 } });
    client.call("save_agent_context", save);
    assert_eq!(read(&mut client, of(&s, "plan")).0, "the session's");
    let listed = client.call("list_notes", json!({ "session": s, "pattern": "{new,plan}" }));
    assert_eq!(listed["notes"].as_array().unwrap().len(), 2, "{listed}");
    // Nobody else sees it.
    assert_eq!(read(&mut client, json!({ "path": "plan" })).0, "the project's");
    assert_eq!(read(&mut client, of(&gone, "plan")).0, "the project's");
    client.refused("read_note", json!({ "path": "new" }), "NOTE_UNKNOWN");
    let load = |s: Option<&str>| json!({ "session": s, "agent": "qa" });
    assert_eq!(client.call("load_agent_context", load(None))["context"], Value::Null);
    assert_eq!(client.call("load_agent_context", load(Some(&s)))["context"], json!({ "a": 1 }));
    assert_eq!(client.call("get_project_state", json!({}))["currentMode"], "analysis");

    client.call("write_note", write(&gone, "plan", "never"));
    client.call("remove_note", of(&gone, "plan"));
    client.refused("read_note", of(&gone, "plan"), "NOTE_UNKNOWN");
    let history = client.call("note_history", of(&gone, "plan"));
    assert_eq!(history["versions"].as_array().unwrap().len(), 3, "{history}");
    client.call("rollback", json!({ "session": gone }));
    assert_eq!(read(&mut client, json!({ "path": "plan" })).0, "the project's");
    let shown = client.call("diff", json!({ "session": s }));
    let changed: Vec<_> = shown["notes"].as_array().unwrap().iter().map(|n| &n["path"]).collect();
    let all = json!(["new", "plan", "sessions/agent-qa", "sessions/session"]);
    assert_eq!(json!(changed), all, "{shown}");
    let landed = client.call("commit", json!({ "session": s }));
    assert_eq!((&landed["result"], &landed["notes"]), (&json!("landed"), &all));
    assert_eq!(client.call("log", json!({}))["landings"][0]["notes"], all);
    assert_eq!(read(&mut client, json!({ "path": "plan" })).0, "the session's");
    assert_eq!(client.call("get_project_state", json!({}))["currentMode"], "coding");
    let undone = client.call("undo", json!({ "landing": 1 }));
    assert!(undone["notes"].as_array().unwrap().contains(&json!("plan")), "{undone}");
    assert_eq!(read(&mut client, json!({ "path": "plan" })).0, "the project's");
    client.refused("write_note", write(&s, "plan", "late"), "SESSION_ENDED");
    client.refused("read_note", of("sess-nope", "plan"), "SESSION_UNKNOWN");
    client.refused("read_note", json!({ "session": s, "base": ".", "path": "x" }), "USAGE");
}

#[test]
fn notes_that_are_written_together_are_all_written() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let s = client.session();
    let mut open: std::collections::BTreeSet<_> = (0..20)
        .map(|n| {
            let path = format!("log/{n}");
            let input = json!({ "session": s, "path": path, "content": "x" });
            client.begin("tools/call", json!({ "name": "write_note", "arguments": input }))
        })
        .collect();
    while !open.is_empty() {
        let message = client.message().unwrap();
        if let Some(id) = message["id"].as_u64() {
            assert_eq!(message["result"]["isError"], false, "{message}");
            open.remove(&id);
        }
    }
    let listed = client.call("list_notes", json!({ "session": s, "pattern": "log/*" }));
    assert_eq!(listed["notes"].as_array().unwrap().len(), 20);
}

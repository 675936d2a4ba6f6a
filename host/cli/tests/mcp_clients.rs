//! Clients of `brio mcp` as they are: those that watch, that vanish, that send anything, and that
//! do several things at once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::mcp::Client;
use common::{TestEnvironment, guest, until};
use serde_json::{Value, json};

#[test]
fn sessions_and_their_diffs_are_resources_that_tell_of_changes() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let list = "notifications/resources/list_changed";
    let updated = "notifications/resources/updated";
    let s = client.session();
    client.told(list, None);
    let listed = client.ask("resources/list", json!({}))["result"]["resources"].clone();
    let uris: Vec<_> = listed.as_array().unwrap().iter().map(|r| &r["uri"]).collect();
    let (session, diff) = (format!("brio://session/{s}"), format!("brio://session/{s}/diff"));
    assert_eq!(uris, [&json!(session), &json!(diff)]);
    let templates = client.ask("resources/templates/list", json!({}))["result"].clone();
    assert_eq!(templates["resourceTemplates"].as_array().unwrap().len(), 4);
    assert_eq!(templates["resourceTemplates"][1]["uriTemplate"], "brio://session/{id}/diff");

    assert!(client.ask("resources/subscribe", json!({ "uri": diff })).get("result").is_some());
    client.call("write_file", json!({ "session": s, "path": "new", "content": "hello\n" }));
    client.told(updated, Some(&diff));
    let contents =
        client.ask("resources/read", json!({ "uri": diff }))["result"]["contents"].clone();
    assert_eq!(contents[0]["mimeType"], "text/x-diff");
    assert_eq!(contents[0]["text"], json!(env.ok(&["session", "diff", &s])));
    let contents =
        client.ask("resources/read", json!({ "uri": session }))["result"]["contents"].clone();
    let shown: Value = serde_json::from_str(contents[0]["text"].as_str().unwrap()).unwrap();
    assert_eq!((&shown["id"], &shown["goal"]), (&json!(s), &json!("a test")));
    assert_eq!(shown["changes"]["added"], json!(["new"]));

    client.ask("resources/unsubscribe", json!({ "uri": diff }));
    client.call("write_file", json!({ "session": s, "path": "new", "content": "again\n" }));
    client.call("commit", json!({ "session": s }));
    client.told(list, None);
    assert!(!client.notes.iter().any(|n| n["method"] == updated), "{:?}", client.notes);
    assert_eq!(client.ask("resources/list", json!({}))["result"]["resources"], json!([]));

    for uri in [&session, &diff, "brio://session/", "brio://session/../x", "file:///etc/passwd", ""]
    {
        let read = client.ask("resources/read", json!({ "uri": uri }));
        assert_eq!(read["error"]["code"], -32002, "{uri}: {read}");
    }
    let odd = client.ask("resources/subscribe", json!({ "uri": "file:///etc/passwd" }));
    assert_eq!(odd["error"]["code"], -32002, "{odd}");
}

/// A note's name as a resource.
fn note_uri(env: &TestEnvironment, path: &str) -> String {
    let base = env.base().canonicalize().unwrap().display().to_string().replace('/', "%2F");
    format!("brio://project/{base}/notes/{path}")
}

#[test]
fn notes_are_resources_that_tell_of_changes() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let list = "notifications/resources/list_changed";
    let updated = "notifications/resources/updated";
    // Looking makes nothing.
    assert_eq!(client.ask("resources/list", json!({}))["result"]["resources"], json!([]));
    let note = note_uri(&env, "plans/a%20b");
    let read = client.ask("resources/read", json!({ "uri": note }));
    assert_eq!(read["error"]["code"], -32002, "{read}");
    assert!(!env.base().join(".brio").exists());

    assert!(client.ask("resources/subscribe", json!({ "uri": note })).get("result").is_some());
    client.call("write_note", json!({ "path": "plans/a b", "content": "first" }));
    client.told(updated, Some(&note));
    client.told(list, None);
    let listed = client.ask("resources/list", json!({}))["result"]["resources"].clone();
    assert_eq!((&listed[0]["uri"], &listed[0]["name"]), (&json!(note), &json!("plans/a b")));
    let contents =
        client.ask("resources/read", json!({ "uri": note }))["result"]["contents"].clone();
    assert_eq!(contents, json!([{ "uri": note, "mimeType": "text/plain", "text": "first" }]));

    // As a session sees it.
    let s = client.session();
    let of_session = format!("brio://session/{s}/notes/plans/a%20b");
    client.ask("resources/subscribe", json!({ "uri": of_session }));
    client.call("write_note", json!({ "session": s, "path": "plans/a b", "content": "mine" }));
    client.told(updated, Some(&of_session));
    let text = |client: &mut Client, uri: &str| {
        let read = client.ask("resources/read", json!({ "uri": uri }));
        read["result"]["contents"][0]["text"].clone()
    };
    assert_eq!(text(&mut client, &of_session), "mine");
    assert_eq!(text(&mut client, &note), "first");
    client.call("commit", json!({ "session": s }));
    client.told(updated, Some(&note));
    assert_eq!(text(&mut client, &note), "mine");

    client.notes.clear();
    client.call("remove_note", json!({ "path": "plans/a b" }));
    client.told(updated, Some(&note));
    client.told(list, None);
    let other = env.path().join("other");
    std::fs::create_dir(&other).unwrap();
    env.ok(&["note", "write", "secret", "no", "--base", other.to_str().unwrap()]);
    let outside = note_uri(&env, "secret").replace("%2Fbase/", "%2Fother/");
    for uri in [&note, &of_session, &outside, "brio://project/x/notes/y"] {
        let read = client.ask("resources/read", json!({ "uri": uri }));
        assert_eq!(read["error"]["code"], -32002, "{uri}: {read}");
    }
}

#[test]
fn what_other_processes_do_is_told_too() {
    let env = TestEnvironment::new();
    env.ok(&["note", "write", "plan", "first"]);
    let mut client = Client::start(&env, &[]);
    let list = "notifications/resources/list_changed";
    let updated = "notifications/resources/updated";
    let note = note_uri(&env, "plan");
    client.ask("resources/subscribe", json!({ "uri": note }));
    env.ok(&["note", "write", "plan", "second"]);
    client.told(updated, Some(&note));
    assert!(!client.notes.iter().any(|n| n["method"] == list), "{:?}", client.notes);
    env.ok(&["note", "write", "new", "x"]);
    client.told(list, None);
    env.ok(&["note", "rm", "plan"]);
    client.told(updated, Some(&note));
    client.told(list, None);

    let s = env.begin();
    client.told(list, None);
    let session = format!("brio://session/{s}");
    client.ask("resources/subscribe", json!({ "uri": session }));
    env.ok(&["run", "hello", "--task", "x", "--session", &s]);
    client.told(updated, Some(&session));
    env.ok(&["session", "rollback", &s]);
    client.told(updated, Some(&session));
    client.told(list, None);
    // What it does itself is told once, and what nobody subscribed to is not told at all.
    client.notes.clear();
    client.ask("resources/unsubscribe", json!({ "uri": session }));
    client.call("write_note", json!({ "path": "plan", "content": "own" }));
    env.ok(&["note", "write", "plan", "again"]);
    client.told(updated, Some(&note));
    client.told(updated, Some(&note));
    env.begin();
    client.told(list, None);
    client.told(list, None);
    client.notes.retain(|n| n["params"]["uri"] != session);
    assert_eq!(client.notes, Vec::<Value>::new());
}

#[test]
fn a_long_list_of_sessions_comes_in_pages() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let mut begun: Vec<_> = (0..101).map(|_| client.session()).collect();
    begun.sort();
    let first = client.ask("resources/list", json!({}))["result"].clone();
    assert_eq!(first["resources"].as_array().unwrap().len(), 200);
    let next = json!({ "cursor": first["nextCursor"] });
    let rest = client.ask("resources/list", next)["result"].clone();
    let last = format!("brio://session/{}", begun[100]);
    assert_eq!(rest["resources"][0]["uri"], json!(last));
    assert!(rest["resources"].as_array().unwrap().len() == 2 && rest.get("nextCursor").is_none());
    // Notes come after them.
    for n in 0..100 {
        client.call("write_note", json!({ "path": format!("n/{n:02}"), "content": "" }));
    }
    let next = json!({ "cursor": first["nextCursor"] });
    let rest = client.ask("resources/list", next)["result"].clone();
    assert_eq!(rest["resources"].as_array().unwrap().len(), 2 + 99);
    let next = json!({ "cursor": rest["nextCursor"] });
    let last = client.ask("resources/list", next)["result"].clone();
    assert_eq!(last["resources"][0]["name"], "n/99");
    assert!(last["resources"].as_array().unwrap().len() == 1 && last.get("nextCursor").is_none());
}

#[test]
fn a_client_that_vanishes_leaves_its_sessions_and_no_lease() {
    let env = TestEnvironment::new();
    let spin = guest("spin");
    let mut client = Client::start(&env, &["--agent", &spin]);
    let s = client.session();
    client.call("write_file", json!({ "session": s, "path": "kept", "content": "" }));
    let run = |s: &str| json!({ "name": "agent_spin", "arguments": { "session": s } });
    client.begin("tools/call", run(&s));
    let held = |env: &TestEnvironment, word: &str| {
        let (_, list) = env.json(&["session", "list", "--json"]);
        list["sessions"][0]["run"] == word
    };
    until("the agent runs", || held(&env, "live"));
    let (_, status) = client.leave();
    assert_eq!(status, 0);
    assert!(held(&env, "free"), "its lease is given back");
    assert_eq!(env.open_sessions(), std::slice::from_ref(&s));

    // Another one goes on with it; it is killed, not asked.
    let mut client = Client::start(&env, &["--agent", &spin]);
    assert_eq!(client.call("session_list", json!({}))["sessions"][0]["id"], json!(s));
    client.begin("tools/call", run(&s));
    until("the agent runs", || held(&env, "live"));
    drop(client);
    let mut client = Client::start(&env, &[]);
    let write = json!({ "session": s, "path": "kept", "content": "more" });
    client.call("write_file", write);
    assert_eq!(client.call("commit", json!({ "session": s }))["landing"], 1);
    assert_eq!(env.read("kept"), "more");
}

#[test]
fn a_session_in_which_somebody_works_is_read_and_not_written() {
    let env = TestEnvironment::new();
    let spin = guest("spin");
    let mut client = Client::start(&env, &["--agent", &spin]);
    let s = client.session();
    let params = json!({ "name": "agent_spin", "arguments": { "session": s } });
    let run = client.begin("tools/call", params);
    let live = |client: &mut Client| {
        client.call("session_list", json!({}))["sessions"][0]["run"] == "live"
    };
    until("the agent runs", || live(&mut client));
    client.call("read_file", json!({ "session": s, "path": "notes.txt" }));
    let write = json!({ "session": s, "path": "notes.txt", "content": "x" });
    let error = client.refused("write_file", write.clone(), "SESSION_BUSY");
    assert!(error["error"]["hint"].as_str().unwrap().contains("wait"), "{error}");
    client.refused("commit", json!({ "session": s }), "SESSION_BUSY");
    // The client does not want it any more: the run ends, and the session is free.
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": run, "reason": "enough" } }));
    until("the run ends", || !live(&mut client));
    client.call("write_file", write);
}

#[test]
fn calls_that_come_together_are_all_done() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let s = client.session();
    let ids: Vec<_> = (0..20)
        .map(|n| {
            let input = json!({ "session": s, "path": format!("f{n}"), "content": "x" });
            client.begin("tools/call", json!({ "name": "write_file", "arguments": input }))
        })
        .collect();
    let mut open: std::collections::BTreeSet<_> = ids.into_iter().collect();
    while !open.is_empty() {
        let message = client.message().unwrap();
        if let Some(id) = message["id"].as_u64() {
            assert_eq!(message["result"]["isError"], false, "{message}");
            open.remove(&id);
        }
    }
    let shown = client.call("diff", json!({ "session": s }));
    assert_eq!(shown["changes"]["added"].as_array().unwrap().len(), 20);
}

#[test]
fn what_is_no_request_ends_nothing() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let s = client.session();
    client.send_raw(b"\n{\n[]\nnull\n\"x\"\n\xff\xfe\n{\"jsonrpc\":\"2.0\"}\n");
    client.send_raw(b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"tools/list\"}\n");
    client.send(&json!({ "jsonrpc": "2.0", "id": 9001, "method": "no/such", "params": {} }));
    assert_eq!(client.answer(9001)["error"]["code"], -32601);
    let unknown = client.ask("tools/call", json!({ "name": "no_such", "arguments": {} }));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    for (tool, input) in [
        ("read_file", json!({})),
        ("read_file", json!({ "session": 1, "path": "x" })),
        ("read_file", json!({ "session": s, "path": "x", "more": 1 })),
        ("read_file", json!({ "session": s, "path": "x", "first_line": -1 })),
        ("search", json!({ "session": s, "pattern": "" })),
        ("search", json!({ "session": s, "pattern": "(", "regex": true })),
        ("search", json!({ "session": s, "pattern": "x{1000}{1000}{1000}", "regex": true })),
        ("search", json!({ "session": s, "pattern": "x", "limit": 1001 })),
        ("search", json!({ "session": s, "pattern": "x", "glob": "{" })),
        ("session_begin", json!({ "goal": "x".repeat(5000) })),
    ] {
        client.refused(tool, input, "USAGE");
    }
    let large = "x".repeat((4 << 20) + 1);
    let write = json!({ "session": s, "path": "large", "content": large });
    client.refused("write_file", write, "TOO_LARGE");
    let most = json!({ "session": s, "path": "large", "content": &large[1..] });
    client.call("write_file", most);
    let read = client.call("read_file", json!({ "session": s, "path": "large" }));
    assert_eq!(read["size"], 4 << 20);
    let grow = json!({ "session": s, "path": "large", "old_text": "x", "new_text": "xx",
        "replace_all": true });
    client.refused("edit", grow, "TOO_LARGE");
    // A line that is longer than any message may be.
    client.send_raw(&vec![b'x'; 33 << 20]);
    client.send_raw(b"\n");
    client.call("session_list", json!({}));
    let long = "x/".repeat(3000) + "x";
    let write = json!({ "session": s, "path": long, "content": "" });
    client.refused("write_file", write, "INVALID_PATH");
}

#[test]
fn a_search_knows_what_to_leave_out() {
    let env = TestEnvironment::new();
    std::fs::create_dir_all(env.base().join(".git")).unwrap();
    std::fs::create_dir_all(env.base().join("target/deep")).unwrap();
    env.write(".git/config", "needle\n");
    env.write(".gitignore", "/target\n*.log\n!kept.log\n");
    env.write("target/deep/out.txt", "needle\n");
    env.write("a.log", "needle\n");
    env.write("kept.log", "a Needle\r\n");
    env.write("bytes", "needle\0");
    env.write("long", &format!("{}needle{}\n", "a".repeat(4000), "b".repeat(4000)));
    let mut client = Client::start(&env, &[]);
    let s = client.session();
    let mut search = |more: Value| {
        let mut input = json!({ "session": s, "pattern": "needle" });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let found = client.call("search", input);
        let paths = found["matches"].as_array().unwrap().iter();
        let paths: Vec<_> = paths.map(|m| m["path"].as_str().unwrap().to_owned()).collect();
        (paths, found)
    };
    let (paths, found) = search(json!({}));
    assert_eq!(paths, ["long"]);
    let text = found["matches"][0]["text"].as_str().unwrap();
    assert!(text.len() == 500 && text.contains("needle"), "{text}");
    assert_eq!(found["skipped"], 1, "{found}");
    let (paths, found) = search(json!({ "ignore_case": true, "glob": "*.log" }));
    assert_eq!(
        (paths, &found["matches"][0]["text"]),
        (vec!["kept.log".into()], &json!("a Needle"))
    );
    let (paths, _) = search(json!({ "ignored": true }));
    assert_eq!(paths, ["a.log", "long", "target/deep/out.txt"]);
    let (paths, found) = search(json!({ "ignored": true, "limit": 2 }));
    assert_eq!((paths.len(), &found["truncated"]), (2, &json!("limit")));
    let (paths, _) = search(json!({ "path": "target/", "pattern": "^ne+dle$", "regex": true }));
    assert_eq!(paths, ["target/deep/out.txt"]);
    let (paths, _) = search(json!({ "path": "a.log" }));
    assert_eq!(paths, ["a.log"]);
}

#[test]
fn a_signal_ends_it_and_what_it_runs() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &["--agent", &guest("spin")]);
    client.begin("tools/call", json!({ "name": "agent_spin", "arguments": {} }));
    until("the agent runs", || !env.open_sessions().is_empty());
    let pid = rustix::process::Pid::from_child(&client.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = client.child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(env.open_sessions(), Vec::<String>::new(), "its own session is rolled back");
}

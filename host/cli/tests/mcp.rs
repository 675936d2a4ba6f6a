//! `brio mcp`: a client works in sessions by tools alone, and whatever it does wrong is an error
//! that it can act on.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use common::mcp::Client;
use common::{TestEnvironment, guest};
use serde_json::{Value, json};

#[test]
fn a_whole_task_by_tools_alone() {
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let mut client = Client::start(&env, &[]);
    let begun = client.call("session_begin", json!({ "goal": "spell it right" }));
    let s = begun["session"].as_str().unwrap();
    assert_eq!(Path::new(begun["base"].as_str().unwrap()), env.base().canonicalize().unwrap());

    let found = client.call("search", json!({ "session": s, "pattern": "colour" }));
    assert_eq!(found["matches"][0]["path"], "src/lib.rs");
    assert_eq!((&found["matches"][0]["line"], &found["truncated"]), (&json!(2), &Value::Null));

    let edit = json!({ "session": s, "path": "src/lib.rs", "old_text": "colour",
        "new_text": "color" });
    assert_eq!(client.call("edit", edit)["replaced"], 1);
    let edit = json!({ "session": s, "path": "notes.txt", "old_text": "e", "new_text": "E",
        "replace_all": true });
    assert_eq!(client.call("edit", edit)["replaced"], 3);
    let write = json!({ "session": s, "path": "docs/new/a.md", "content": "# A\n" });
    assert_eq!(client.call("write_file", write)["size"], 4);
    assert_eq!(env.snapshot(), before, "nothing of it is in the base");

    let shown = client.call("diff", json!({ "session": s }));
    assert_eq!(shown["changes"]["modified"], json!(["notes.txt", "src/lib.rs"]));
    let diff = shown["diff"].as_str().unwrap();
    assert!(diff.contains("-pub fn colour() {}\n+pub fn color() {}\n"), "{diff}");
    assert_eq!(diff, env.ok(&["session", "diff", s]), "as on the command line");

    let landed = client.call("commit", json!({ "session": s, "message": "by tools" }));
    assert_eq!((&landed["result"], &landed["landing"]), (&json!("landed"), &json!(1)));
    assert_eq!(env.read("src/lib.rs"), "// TODO: write it\npub fn color() {}\n");
    assert_eq!(env.read("docs/new/a.md"), "# A\n");
    client.refused("read_file", json!({ "session": s, "path": "notes.txt" }), "SESSION_ENDED");

    let log = client.call("log", json!({}));
    let first = &log["landings"][0];
    assert_eq!((&first["goal"], &first["message"]), (&json!("spell it right"), &json!("by tools")));
    assert_eq!(first["agent"], "test-client", "who it was is in the log");
    let undone = client.call("undo", json!({ "landing": 1, "message": "as it was" }));
    assert_eq!((&undone["undo_of"], &undone["landing"]), (&json!(1), &json!(2)));
    assert_eq!(env.snapshot(), before);
    assert_eq!(client.leave(), (String::new(), 0));
}

#[test]
fn every_tool_is_described() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let tools = client.ask("tools/list", json!({}))["result"]["tools"].clone();
    for tool in tools.as_array().unwrap() {
        assert!(tool["description"].as_str().unwrap().len() > 20, "{tool}");
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{tool}");
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
        for (name, property) in tool["inputSchema"]["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{}: {name}", tool["name"]);
        }
        let hints = &tool["annotations"];
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(hints[hint].is_boolean(), "{tool}");
        }
    }
    let shown = serde_json::to_string_pretty(&tools).unwrap() + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp/tools.json");
    let known = fs::read_to_string(&file).unwrap_or_default();
    if shown != known {
        let now = std::env::temp_dir().join("brio-mcp-tools.json");
        fs::write(&now, &shown).unwrap();
        panic!(
            "the tools are not those of {}: clients rely on names and schemas; if it is meant, \
             copy {} there",
            file.display(),
            now.display()
        );
    }
}

#[test]
fn files_are_what_session_tools_makes_of_them() {
    let env = TestEnvironment::new();
    fs::write(env.base().join("bytes"), [0xff, 0, 1, b'\n']).unwrap();
    let mut client = Client::start(&env, &[]);
    let s = client.session();
    let at = |path: &str| json!({ "session": s, "path": path });
    let with = |path: &str, more: Value| {
        let mut all = at(path);
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };

    let read = client.call("read_file", at("notes.txt"));
    assert_eq!(
        (&read["content"], &read["encoding"]),
        (&json!("one\ntwo\nthree\n"), &json!("utf-8"))
    );
    let lines = with("notes.txt", json!({ "first_line": 2, "last_line": 2 }));
    assert_eq!(client.call("read_file", lines)["content"], "two\n");
    let after = with("notes.txt", json!({ "first_line": 9 }));
    assert_eq!(client.call("read_file", after)["content"], "");
    let read = client.call("read_file", at("bytes"));
    assert_eq!((&read["content"], &read["encoding"]), (&json!("/wABCg=="), &json!("base64")));
    client.refused("read_file", with("bytes", json!({ "first_line": 1 })), "NOT_TEXT");
    client.refused("read_file", with("notes.txt", json!({ "first_line": 0 })), "INVALID_RANGE");
    let turned = with("notes.txt", json!({ "first_line": 3, "last_line": 2 }));
    client.refused("read_file", turned, "INVALID_RANGE");

    let bytes = with("made", json!({ "content": "/wABCg==", "encoding": "base64" }));
    assert_eq!(client.call("write_file", bytes)["size"], 4);
    assert_eq!(client.call("read_file", at("made"))["content"], "/wABCg==");
    let bad = with("made", json!({ "content": "?", "encoding": "base64" }));
    client.refused("write_file", bad, "USAGE");

    let edit = |old: &str| with("notes.txt", json!({ "old_text": old, "new_text": "x" }));
    client.refused("edit", edit("four"), "NO_MATCH");
    client.refused("edit", edit(""), "NO_MATCH");
    let error = client.refused("edit", edit("e"), "AMBIGUOUS");
    assert_eq!(error["error"]["paths"], json!(["notes.txt"]));
    let text = with("bytes", json!({ "old_text": "a", "new_text": "x" }));
    client.refused("edit", text, "NOT_TEXT");
    assert_eq!(client.call("read_file", at("notes.txt"))["content"], "one\ntwo\nthree\n");

    let listed = client.call("list_directory", json!({ "session": s }));
    let names: Vec<_> = listed["entries"].as_array().unwrap().iter().map(|e| &e["name"]).collect();
    assert_eq!(names, ["bytes", "made", "notes.txt", "src"]);
    assert_eq!(listed["entries"][3], json!({ "name": "src", "kind": "directory", "size": 0 }));
    client.refused("list_directory", at("notes.txt"), "NOT_DIRECTORY");
    client.refused("list_directory", at("nowhere"), "NOT_FOUND");
    client.refused("remove", at("src"), "NOT_EMPTY");
    client.refused("remove", at("."), "INVALID_PATH");
    client.call("remove", at("src/lib.rs"));
    client.call("remove", at("src"));
    client.refused("remove", at("src"), "NOT_FOUND");
    let shown = client.call("diff", json!({ "session": s }));
    assert_eq!(shown["changes"]["removed"], json!(["src", "src/lib.rs"]));
    let part = client.call("diff", at("made"));
    assert_eq!(part["changes"]["added"], json!(["made"]));
    assert!(part["diff"].as_str().unwrap().contains("Binary files differ (0 -> 4 bytes)"));
    client.refused("diff", at("../made"), "INVALID_PATH");
}

#[test]
fn no_path_leads_out_of_a_session() {
    let env = TestEnvironment::new();
    fs::write(env.path().join("secret"), "no").unwrap();
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(to, env.base().join(name)).unwrap();
    };
    link("../secret", "up");
    link(env.path().to_str().unwrap(), "out");
    let before = env.snapshot();
    let mut client = Client::start(&env, &[]);
    let s = client.session();
    let absolute = env.path().join("secret").display().to_string();
    let state = ".brio/domain".to_owned();
    for path in ["", "../secret", "src/../../secret", "up", "out/secret", "a\0b", &absolute, &state]
    {
        for (tool, more) in [
            ("read_file", json!({})),
            ("write_file", json!({ "content": "x" })),
            ("edit", json!({ "old_text": "no", "new_text": "x" })),
            ("list_directory", json!({})),
            ("search", json!({ "pattern": "no" })),
        ] {
            let mut input = json!({ "session": s, "path": path });
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let result = client.try_call(tool, input);
            assert_eq!(result["isError"], true, "{tool} {path:?}: {result}");
            let text = result["content"][0]["text"].as_str().unwrap();
            let known = ["INVALID_PATH: ", "NOT_FOUND: ", "NOT_DIRECTORY: "];
            assert!(known.iter().any(|code| text.starts_with(code)), "{tool} {path:?}: {text}");
        }
    }
    assert_eq!(fs::read_to_string(env.path().join("secret")).unwrap(), "no");
    assert_eq!(env.snapshot(), before);
    assert_eq!(client.call("diff", json!({ "session": s }))["diff"], "");
}

#[test]
fn only_the_bases_that_were_named_can_be_worked_on() {
    let env = TestEnvironment::new();
    let other = env.path().join("other");
    fs::create_dir_all(other.join("inside")).unwrap();
    let other = other.display().to_string();
    let outside = env.ok(&["session", "begin", &other]).trim_end().to_owned();
    std::os::unix::fs::symlink(&other, env.base().join("src/way")).unwrap();
    let mut client = Client::start(&env, &[]);
    for base in ["..", &other, "/", "src/way", "src/../..", "/nonexistent", "a\0b"] {
        let error = client.refused("session_begin", json!({ "base": base }), "BASE_REFUSED");
        assert!(error["error"]["hint"].as_str().unwrap().contains("--base"), "{error}");
        for (tool, more) in [("log", json!({})), ("undo", json!({ "landing": 1 }))] {
            let mut input = json!({ "base": base });
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            client.refused(tool, input, "BASE_REFUSED");
        }
    }
    client.refused("session_begin", json!({ "base": "nowhere" }), "BASE_MISSING");
    for tool in ["diff", "commit", "rollback", "list_directory"] {
        client.refused(tool, json!({ "session": outside }), "BASE_REFUSED");
    }
    assert_eq!(client.call("session_list", json!({}))["sessions"], json!([]));
    let uri = format!("brio://session/{outside}");
    let read = client.ask("resources/read", json!({ "uri": uri }));
    assert_eq!(read["error"]["code"], -32002, "{read}");
    assert!(env.open_sessions().contains(&outside));

    // A base that lands with one above it: what lies beside it is out of reach.
    env.ok(&["run", "hello", "--task", "x"]);
    let src = env.base().join("src").display().to_string();
    let mut below = Client::start(&env, &["--base", &src, "--base", &other]);
    assert_eq!(below.call("log", json!({}))["landings"], json!([]));
    below.refused("undo", json!({ "landing": 1 }), "BASE_REFUSED");
    let s = below.session();
    let entries = below.call("list_directory", json!({ "session": s }))["entries"].clone();
    let names: Vec<_> = entries.as_array().unwrap().iter().map(|e| &e["name"]).collect();
    assert_eq!(names, ["lib.rs", "way"]);
    below.refused("read_file", json!({ "session": s, "path": "../hello.txt" }), "INVALID_PATH");
    let write = json!({ "session": s, "path": "lib.rs", "content": "" });
    below.call("write_file", write);
    let changes = below.call("diff", json!({ "session": s }))["changes"].clone();
    assert_eq!(changes["modified"], json!(["lib.rs"]), "relative to its base");
    assert_eq!(below.call("commit", json!({ "session": s }))["landing"], 2);
    assert_eq!(below.call("log", json!({}))["landings"][0]["landing"], 2);
    let begun = below.call("session_begin", json!({ "base": format!("{other}/inside") }));
    below.call("rollback", json!({ "session": begun["session"] }));
}

#[test]
fn sessions_end_as_they_are_told_and_say_why_they_do_not() {
    let env = TestEnvironment::new();
    let mut client = Client::start(&env, &[]);
    let (a, b) = (client.session(), client.session());
    let write = |s: &str, text: &str| json!({ "session": s, "path": "notes.txt", "content": text });
    client.call("write_file", write(&a, "one\ntwo\nTHREE\n"));
    client.call("write_file", write(&b, "ONE\ntwo\nthree\n"));
    client.call("commit", json!({ "session": a }));
    let error = client.refused("commit", json!({ "session": b }), "CONFLICT");
    let conflict = &error["error"]["conflicts"][0];
    assert_eq!(
        (&conflict["path"], &conflict["theirs"]["landing"]),
        (&json!("notes.txt"), &json!(1))
    );
    assert!(error["error"]["hint"].as_str().unwrap().contains("`merge`"), "{error}");
    client.refused("commit", json!({ "session": b, "policy": "whatever" }), "USAGE");
    let landed = client.call("commit", json!({ "session": b, "policy": "merge" }));
    assert_eq!(landed["landing"], 2);
    assert_eq!(env.read("notes.txt"), "ONE\ntwo\nTHREE\n");

    let parent = client.session();
    let begun = client.call("session_begin", json!({ "parent": parent }));
    let child = begun["session"].as_str().unwrap().to_owned();
    assert_eq!(begun["parent"], json!(parent));
    client.refused("rollback", json!({ "session": parent }), "OPEN_CHILDREN");
    client.call("write_file", json!({ "session": child, "path": "of-child", "content": "" }));
    let landed = client.call("commit", json!({ "session": parent, "cascade": true }));
    assert_eq!(landed["children"], json!([child]));
    assert_eq!(env.read("of-child"), "");
    let both = json!({ "parent": parent, "base": "." });
    client.refused("session_begin", both, "USAGE");

    let empty = client.session();
    assert_eq!(client.call("commit", json!({ "session": empty }))["result"], "unchanged");
    let gone = client.session();
    client.call("write_file", write(&gone, "no"));
    client.call("rollback", json!({ "session": gone }));
    client.refused("commit", json!({ "session": gone }), "SESSION_ENDED");
    for id in ["", "sess-nope", "../..", "%"] {
        client.refused("diff", json!({ "session": id }), "SESSION_UNKNOWN");
    }
    assert_eq!(env.open_sessions(), Vec::<String>::new());
    client.refused("undo", json!({ "landing": 99 }), "LANDING_UNKNOWN");
    client.refused("undo", json!({ "landing": 1 }), "CONFLICT");
    client.refused("log", json!({ "limit": 0 }), "USAGE");
    client.refused("log", json!({ "path": "../x" }), "INVALID_PATH");
    let of_one = client.call("log", json!({ "path": "of-child" }));
    assert_eq!(of_one["landings"].as_array().unwrap().len(), 1);
}

#[test]
fn agents_run_in_sessions_of_their_own_or_in_open_ones() {
    let env = TestEnvironment::new();
    let (spin, fail) = (guest("spin"), guest("fail"));
    let mut client = Client::start(&env, &["--agent", &spin, "--agent", "replace"]);
    let tools = client.ask("tools/list", json!({}))["result"]["tools"].clone();
    let own: Vec<_> = tools.as_array().unwrap().iter().map(|t| &t["name"]).collect();
    assert_eq!(own[own.len() - 2..], ["agent_spin", "agent_replace"]);

    let ran = client.call("agent_replace", json!({ "task": "s/colour/color/" }));
    assert_eq!((&ran["outcome"], &ran["result"]), (&json!("succeeded"), &json!("landed")));
    assert_eq!(env.read("src/lib.rs"), "// TODO: write it\npub fn color() {}\n");
    let s = client.session();
    let ran = client.call("run_agent", json!({ "agent": "hello", "task": "x", "session": s }));
    assert_eq!((&ran["session"], &ran["result"]), (&json!(s), &json!("kept")));
    assert_eq!(ran["changes"]["added"], json!(["hello.txt"]));
    client.call("rollback", json!({ "session": s }));

    let before = env.snapshot();
    fs::copy(&fail, env.base().join("fail.wasm")).unwrap();
    let with_agent = env.snapshot();
    assert_ne!(before, with_agent);
    let result = client.try_call("run_agent", json!({ "agent": "fail.wasm", "task": "x" }));
    assert_eq!(result["isError"], true, "{result}");
    let document = result["content"][1]["text"].as_str().unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    assert_eq!(
        (&document["outcome"], &document["result"]),
        (&json!("failed"), &json!("rolled-back"))
    );
    assert_eq!(env.snapshot(), with_agent);
    let slow = client.refused("agent_spin", json!({ "timeout": 1 }), "LIMIT_TIME");
    assert_eq!(slow["outcome"], "limited", "{slow}");
    for agent in ["nope", &fail, "../x.wasm", "notes.txt\0", ""] {
        client.refused("run_agent", json!({ "agent": agent }), "AGENT_UNKNOWN");
    }
    client.refused("agent_replace", json!({ "agent": "hello" }), "USAGE");
    client.refused("run_agent", json!({ "agent": "hello", "base": "/" }), "BASE_REFUSED");
    assert_eq!(env.open_sessions(), Vec::<String>::new());

    env.error(&["mcp", "--agent", "nope"], 2, "AGENT_UNKNOWN");
    env.error(&["mcp", "--agent", &spin, "--agent", &spin], 2, "MCP_AGENT");
    env.error(&["mcp", "--base", "nowhere"], 2, "MCP_BASE");
    env.error(&["mcp", "--base", "notes.txt"], 2, "MCP_BASE");
}

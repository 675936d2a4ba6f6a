//! `brio agent check`: what an agent is, for people and for scripts.

mod common;

use std::fs;

use common::{TestEnvironment, guest};
use serde_json::{Value, json};

/// The beginning of every component.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// And of every core module.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A section: its number, its length, its content.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![id];
    leb(&mut bytes, content.len());
    bytes.extend(content);
    bytes
}

fn leb(bytes: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        bytes.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    leb(bytes, text.len());
    bytes.extend(text.as_bytes());
}

/// A component that imports empty instances and exports nothing.
fn importing(names: &[&str]) -> Vec<u8> {
    // One instance type without anything in it, and imports of that type.
    let mut imports = Vec::new();
    leb(&mut imports, names.len());
    for name in names {
        imports.push(0);
        text(&mut imports, name);
        imports.extend([0x05, 0]);
    }
    [COMPONENT, &section(7, &[1, 0x42, 0]), &section(10, &imports)].concat()
}

/// A module that imports functions and exports one of its own.
fn module(imports: &[(&str, &str)], export: &str) -> Vec<u8> {
    let mut imported = Vec::new();
    leb(&mut imported, imports.len());
    for (module, name) in imports {
        text(&mut imported, module);
        text(&mut imported, name);
        imported.extend([0, 0]);
    }
    let mut exported = vec![2];
    text(&mut exported, export);
    exported.push(0);
    leb(&mut exported, imports.len());
    text(&mut exported, "memory");
    exported.extend([2, 0]);
    [
        MODULE,
        &section(1, &[1, 0x60, 0, 0]),
        &section(2, &imported),
        &section(3, &[1, 0]),
        &section(5, &[1, 0, 1]),
        &section(7, &exported),
        &section(10, &[1, 2, 0, 0x0b]),
    ]
    .concat()
}

impl TestEnvironment {
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.path().join(name), bytes).expect("written");
        self.path().join(name).to_str().expect("a name").to_owned()
    }
}

fn names(document: &Value, of: &str) -> Vec<String> {
    let list = document[of].as_array().expect("a list").iter();
    list.map(|i| i["interface"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn an_agent_is_shown_to_a_person() {
    let env = TestEnvironment::new();
    let out = env.ok(&["agent", "check", "hello"]);
    assert!(out.starts_with("hello: an agent, a component of "), "{out}");
    assert!(out.contains("\nruns as `brio run hello`\n"), "{out}");
    assert!(out.contains("\n  wasi:filesystem@0.2.6  preopens, types\n"), "{out}");
    assert!(out.ends_with("exports\n  brio:core@0.1.0        run\n"), "{out}");
    let out = env.ok(&["agent", "check", "check-secrets"]);
    assert!(out.starts_with("check-secrets: a reviewer, a component of "), "{out}");
    let sessions = guest("sessions");
    let out = env.ok(&["agent", "check", &sessions]);
    assert!(out.contains("--grant session-fs`\n"), "{out}");
    assert!(out.contains("checkpoints, session-fs\n"), "{out}");
    for out in [out, env.ok(&["agent", "check", "replace"])] {
        let lines = out.lines().filter(|l| !l.starts_with("runs as"));
        lines.for_each(|l| assert!(l.chars().count() <= 80, "{l}"));
    }
    assert!(env.snapshot().len() == 3 && !env.base().join(".brio").exists(), "nothing ran");
}

#[test]
fn what_is_shown_as_a_command_runs_it() {
    let env = TestEnvironment::new();
    let sessions = guest("sessions");
    let out = env.ok(&["agent", "check", &sessions]);
    let line = out.lines().find_map(|l| l.strip_prefix("runs as `brio ")).expect("the command");
    let args: Vec<_> = line.trim_end_matches('`').split(' ').collect();
    let (status, ran) = env.json(&[&args[..], &["--json"]].concat());
    assert_eq!((status, &ran["outcome"]), (0, &json!("succeeded")), "{ran}");
    env.error(&["run", &sessions], 2, "NOT_GRANTED");
    // A shell takes it as it stands.
    fs::write(env.base().join("it's $mine.wasm"), module(&[], "_start")).expect("written");
    let out = env.ok(&["agent", "check", "it's $mine.wasm"]);
    let run = out.lines().find_map(|l| l.strip_prefix("runs as `brio ")).expect("the command");
    assert_eq!(run.trim_end_matches('`'), r"run 'it'\''s $mine.wasm'");
}

#[test]
fn scripts_get_a_document() {
    let env = TestEnvironment::new();
    let sessions = guest("sessions");
    let (status, found) = env.json(&["agent", "check", &sessions, "--json"]);
    assert_eq!(status, 0);
    let keys: Vec<_> = found.as_object().expect("an object").keys().collect();
    let all = ["error", "exports", "file", "grants", "imports", "kind", "runs", "schema"];
    assert_eq!(keys, all);
    assert_eq!(
        (&found["schema"], &found["file"], &found["kind"], &found["runs"], &found["error"]),
        (&json!(1), &json!(sessions), &json!("agent"), &json!(true), &Value::Null)
    );
    assert_eq!(found["grants"], json!(["session-fs"]));
    assert_eq!(found["exports"], json!([{"interface": "brio:core/run", "version": "0.1.0"}]));
    let import = |name: &str| {
        let list = found["imports"].as_array().expect("a list");
        list.iter().find(|i| i["interface"] == name).expect("the import").clone()
    };
    let served = json!({"interface": "wasi:cli/stdout", "version": "0.2.6", "served": true,
        "grant": null, "nearest": null, "needs": null});
    assert_eq!(import("wasi:cli/stdout"), served);
    assert_eq!(import("brio:core/session-fs")["grant"], "session-fs");
    for (name, kind) in [("hello", "agent"), ("check-secrets", "reviewer")] {
        let (status, found) = env.json(&["agent", "check", name, "--json"]);
        assert_eq!((status, &found["kind"], &found["grants"]), (0, &json!(kind), &json!([])));
    }
    let (_, found) = env.json(&["agent", "check", &guest("fs-probe"), "--json"]);
    assert_eq!((&found["kind"], &found["runs"]), (&json!("command"), &json!(true)));
}

#[test]
fn what_would_not_run_ends_as_the_run_would() {
    let env = TestEnvironment::new();
    let half = fs::read(guest("fs-probe")).expect("a component");
    let cases = [
        (env.put("empty.wasm", ""), "NOT_WASM"),
        (env.put("script.wasm", "#!/bin/sh\n"), "NOT_WASM"),
        (env.put("half.wasm", &half[..half.len() / 2]), "INVALID_WASM"),
        (env.put("library.wasm", COMPONENT), "NO_ENTRY_POINT"),
        (env.put("no-start.wasm", module(&[], "main")), "NO_ENTRY_POINT"),
        (env.put("env.wasm", module(&[("env", "notify")], "_start")), "UNKNOWN_IMPORT"),
        (env.path().to_str().expect("a name").to_owned(), "AGENT_UNREADABLE"),
        ("no-such-agent".into(), "AGENT_UNKNOWN"),
        ("no/such/agent.wasm".into(), "AGENT_UNKNOWN"),
    ];
    for (file, code) in cases {
        let said = env.error(&["agent", "check", &file], 2, code);
        assert_eq!(said, env.error(&["run", &file], 2, code), "{file}");
        let (status, found) = env.json(&["agent", "check", &file, "--json"]);
        assert_eq!((status, &found["runs"]), (2, &json!(false)), "{file}");
        assert_eq!((&found["file"], &found["error"]["code"]), (&json!(file), &json!(code)));
    }
    assert!(env.open_sessions().is_empty());
}

#[test]
fn an_endless_file_is_no_agent() {
    let env = TestEnvironment::new();
    let endless = env.put("endless.wasm", "");
    let file = fs::File::options().write(true).open(&endless).expect("the file");
    // Sparse: it takes no room.
    file.set_len((512 << 20) + 1).expect("made longer");
    let said = env.error(&["agent", "check", &endless], 2, "AGENT_UNREADABLE");
    assert!(said.contains("512 MiB"), "{said}");
}

#[test]
fn modules_and_their_imports() {
    let env = TestEnvironment::new();
    let yields = module(&[("wasi_snapshot_preview1", "proc_raise")], "other");
    let (_, found) = env.json(&["agent", "check", &env.put("a.wasm", yields), "--json"]);
    assert_eq!(
        (names(&found, "imports"), &found["kind"]),
        (vec!["wasi_snapshot_preview1".into()], &Value::Null)
    );
    assert_eq!(names(&found, "exports"), ["memory", "other"]);

    let start = env.put("b.wasm", module(&[], "_start"));
    let (status, found) = env.json(&["agent", "check", &start, "--json"]);
    assert_eq!((status, &found["kind"], &found["runs"]), (0, &json!("preview1"), &json!(true)));
    env.ok(&["run", &start]);
    let out = env.ok(&["agent", "check", &start]);
    assert!(out.starts_with("b: a WASI command (preview 1), a core module of "), "{out}");

    let foreign = env.put("c.wasm", module(&[("env", "notify"), ("env", "wait")], "_start"));
    let ran = env.brio(&["agent", "check", &foreign]);
    assert_eq!(ran.status, 2);
    assert!(ran.stdout.contains("not served here\n  env      notify, wait\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("- needs a build for WASI"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("runs as"), "{}", ran.stdout);
}

#[test]
fn imports_that_are_not_served_stand_first_with_the_nearest() {
    let env = TestEnvironment::new();
    let file = env.put(
        "d.wasm",
        importing(&["wasi:cli/stdout@0.2.0", "wasi:cli/stdin@0.3.0", "wasi:filesystem/type@0.2.0"]),
    );
    let ran = env.brio(&["agent", "check", &file]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    let lines: Vec<_> = ran.stdout.lines().map(str::trim).collect();
    assert_eq!(
        lines[..2],
        ["d: no agent, a component of 95 B", "imports that are not served here"]
    );
    for line in [
        "- stdin: the nearest here is wasi:cli/stdin@0.2",
        "- needs a build for WASI 0.2",
        "- type: the nearest here is wasi:filesystem/types@0.2",
    ] {
        assert!(lines.contains(&line), "{line}: {}", ran.stdout);
    }
    assert_eq!(lines.last(), Some(&"wasi:cli@0.2.0         stdout"));
}

/// Nobody validated the names in a file that is not valid.
#[test]
fn names_cannot_steer_the_terminal() {
    let env = TestEnvironment::new();
    let evil = "a:b/\u{1b}[2J\rruns as `rm`\nruns as `rm`\u{202e}@1.0.0";
    let long = "x".repeat(100_000);
    let many: Vec<_> = (0..500).map(|n| format!("a:c/i{n}@1.0.0")).collect();
    let all: Vec<_> = [evil, &long].into_iter().chain(many.iter().map(String::as_str)).collect();
    let file = env.put("evil.wasm", importing(&all));
    for bytes in [importing(&all), module(&[(evil, &long), ("env", evil)], evil)] {
        fs::write(&file, bytes).expect("written");
        let ran = env.brio(&["agent", "check", &file]);
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        let said = ran.stdout + &ran.stderr;
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!said.contains(steers), "{said}");
        assert!(!said.lines().any(|l| l.trim().starts_with("runs as")), "{said}");
        assert!(said.len() < 40_000, "{} bytes", said.len());
        // A script gets them as they are.
        let (_, found) = env.json(&["agent", "check", &file, "--json"]);
        assert!(names(&found, "imports").iter().any(|n| n.contains("\u{1b}[2J")), "{said}");
    }
}

//! Bad input: one line that names the thing, a next step, the right status, nothing lost and
//! no session leaked.

mod common;

use std::fs;

use common::{NOBODY, TestEnvironment, as_nobody, chmod, is_root};

#[test]
fn agents_that_are_none() {
    let env = TestEnvironment::new();
    let text = env.error(&["run", "no-such-agent"], 2, "AGENT_UNKNOWN");
    assert!(text.contains("no-such-agent") && text.contains("hint: "), "{text}");
    env.error(&["run", "./missing.wasm"], 2, "AGENT_UNKNOWN");
    env.write("text.wasm", "not wasm at all");
    let text = env.error(&["run", "./text.wasm"], 2, "NOT_WASM");
    assert!(text.contains("text"), "names it: {text}");
    fs::write(env.base().join("empty.wasm"), b"\0asm\x01\0\0\0").expect("written");
    env.error(&["run", "./empty.wasm"], 2, "NO_ENTRY_POINT");
    fs::write(env.base().join("broken.wasm"), b"\0asm\x01\0\0\0\xff\xff\xff").expect("written");
    env.error(&["run", "./broken.wasm"], 2, "INVALID_WASM");
    fs::write(env.base().join("import.wasm"), UNKNOWN_IMPORT).expect("written");
    let text = env.error(&["run", "./import.wasm"], 2, "UNKNOWN_IMPORT");
    assert!(text.contains("env"), "names the import: {text}");
    assert!(env.open_sessions().is_empty());
    assert!(!env.base().join(".brio").exists(), "nothing was begun");
}

/// `(module (import "env" "mystery" (func)) (func (export "_start")))`
const UNKNOWN_IMPORT: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x04\x01\x60\0\0\
    \x02\x0f\x01\x03env\x07mystery\0\0\
    \x03\x02\x01\0\
    \x07\x0a\x01\x06_start\0\x01\
    \x0a\x04\x01\x02\0\x0b";

#[test]
fn a_failed_run_still_prints_its_document() {
    let env = TestEnvironment::new();
    let (status, doc) = env.json(&["run", "no-such-agent", "--json"]);
    assert_eq!((status, &doc["error"]["code"]), (2, &"AGENT_UNKNOWN".into()));
    assert!(doc["session"].is_null() && doc["outcome"].is_null() && doc["result"].is_null());
}

#[test]
fn bases_that_are_none() {
    let env = TestEnvironment::new();
    env.error(&["session", "begin", "missing"], 2, "BASE_MISSING");
    env.error(&["run", "hello", "--base", "missing"], 2, "BASE_MISSING");
    env.error(&["session", "begin", "notes.txt"], 2, "BASE_NOT_A_DIRECTORY");
    let id = env.begin();
    env.error(&["session", "begin", ".brio/sessions"], 2, "BASE_INSIDE_STATE");
    env.ok(&["session", "rollback", &id]);
}

#[test]
fn bases_without_access() {
    // T18
    let env = TestEnvironment::new();
    let closed = env.path().join("closed");
    fs::create_dir(&closed).expect("made");
    if is_root() {
        std::os::unix::fs::chown(&closed, Some(NOBODY), Some(NOBODY)).expect("given");
    }
    let error = |code: &str| {
        let args = ["session", "begin", "../closed"];
        let ran = if is_root() { as_nobody(&env, &args) } else { env.brio(&args) };
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("error: {code}: ")), "{}", ran.stderr);
        ran.stderr
    };
    chmod(&closed, 0o000);
    error("BASE_UNREADABLE");
    chmod(&closed, 0o555);
    let text = error("BASE_READ_ONLY");
    assert!(text.contains("it is 0555") && !text.contains("UID mismatch"), "{text}");
    chmod(&closed, 0o755);
}

#[test]
fn an_unsupported_file_system_is_refused() {
    let env = TestEnvironment::new();
    let ran = env.brio(&["session", "begin", "/sys/kernel"]);
    assert_ne!(ran.status, 0);
    assert!(ran.stderr.starts_with("error: BASE_"), "{}", ran.stderr);
}

// T20: a base and a directory below it: one domain, and no domain inside another.
#[test]
fn a_domain_inside_is_refused() {
    let env = TestEnvironment::new();
    let inner = env.ok(&["session", "begin", "src"]).trim().to_owned();
    let text = env.error(&["session", "begin", "."], 2, "DOMAIN_INSIDE");
    assert!(text.contains("src"), "{text}");
    env.ok(&["session", "rollback", &inner]);
}

// T20: a session of a directory below a domain sees that directory and no more.
#[test]
fn a_session_below_a_domain_sees_only_its_directory() {
    let env = TestEnvironment::new();
    env.ok(&["session", "begin"]);
    let (status, doc) =
        env.json(&["run", "replace", "--base", "src", "--task", "s/colour/color/", "--json"]);
    assert_eq!(status, 0, "{doc}");
    assert_eq!(doc["changes"]["modified"], serde_json::json!(["lib.rs"]));
    assert!(env.read("src/lib.rs").contains("color"));
    assert!(!env.base().join("src/.brio").exists(), "it joined the domain");
}

#[test]
fn a_lost_state_is_said_and_adopted() {
    let env = TestEnvironment::new();
    let id = env.begin();
    fs::remove_dir_all(env.base().join(".brio")).expect("removed");
    let text = env.error(&["session", "begin"], 2, "STATE_LOST");
    assert!(text.contains(&id) && text.contains("--adopt"), "{text}");
    let list = env.ok(&["session", "list"]);
    assert!(list.contains(&id) && list.contains("lost"), "{list}");
    env.ok(&["recover", "--adopt"]);
    env.ok(&["run", "hello"]);
    assert!(env.base().join("hello.txt").exists());
}

#[test]
fn a_copied_base_is_said_and_adopted() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let copy = env.path().join("copy");
    let copied = std::process::Command::new("cp").arg("-a").arg(env.base()).arg(&copy).status();
    assert!(copied.expect("cp").success());
    let text = env.error(&["session", "begin", "../copy"], 2, "BASE_REPLACED");
    assert!(text.contains("--adopt"), "{text}");
    env.ok(&["recover", "../copy", "--adopt"]);
    env.ok(&["run", "hello", "--base", "../copy"]);
    assert!(copy.join("hello.txt").exists());
    env.ok(&["session", "rollback", &id]);
}

#[test]
fn unknown_and_ended_sessions() {
    let env = TestEnvironment::new();
    for command in ["show", "diff", "commit", "rollback"] {
        let text = env.error(&["session", command, "sess-0000"], 2, "SESSION_UNKNOWN");
        assert!(text.contains("sess-0000") && text.contains("hint: "), "{text}");
        env.error(&["session", command, ""], 2, "SESSION_UNKNOWN");
    }
    env.error(&["run", "hello", "--session", "sess-0000"], 2, "SESSION_UNKNOWN");
    let id = env.begin();
    env.ok(&["session", "rollback", &id]);
    for command in ["show", "diff", "commit", "rollback"] {
        env.error(&["session", command, &id], 2, "SESSION_ENDED");
    }
    env.error(&["run", "hello", "--session", &id], 2, "SESSION_ENDED");
}

#[test]
fn usage_is_one_line() {
    let env = TestEnvironment::new();
    let cases: [&[&str]; 8] = [
        &["bogus"],
        &["run"],
        &["run", "hello", "--env", "X"],
        &["run", "hello", "--grant", "everything"],
        &["run", "hello", "--base", ".", "--session", "x"],
        &["session", "diff", "x", "--stat", "--json"],
        &["session", "begin", ".", "--parent", "x"],
        &["completions", "dos"],
    ];
    for args in cases {
        env.error(args, 2, "USAGE");
    }
    for args in [["--memory", "lots"], ["--timeout", "soon"], ["--files", "-1x"], ["--at", "here"]]
    {
        let mut command = vec!["run", "hello"];
        let joined = format!("{}={}", args[0], args[1]);
        command.push(&joined);
        env.error(&command, 2, "CONFIG");
    }
    env.error(&["run", "hello", "--policy", "sometimes"], 2, "CONFIG");
    env.error(&["run", "hello", "--input", "missing"], 2, "INPUT");
    env.write("brio.toml", "memory = \"lots\"\n");
    let text = env.error(&["run", "hello"], 2, "CONFIG");
    assert!(text.contains("brio.toml"), "{text}");
}

#[test]
fn homes_that_cannot_be() {
    let env = TestEnvironment::new();
    let run = |name: &str, value: Option<&str>| {
        let mut command = env.command(&["session", "list"]);
        command.env_remove("BRIO_HOME").env_remove("HOME");
        if let Some(value) = value {
            command.env(name, value);
        }
        common::ran(command.output().expect("runs"))
    };
    let ran = run("", None);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.starts_with("error: NO_HOME: "), "{}", ran.stderr);
    let ran = run("BRIO_HOME", Some("/dev/null/home"));
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.starts_with("error: HOME: "), "{}", ran.stderr);
}

#[test]
fn an_empty_id_is_nobodys_and_a_slip_leads_to_the_help_of_its_command() {
    let env = TestEnvironment::new();
    for command in ["show", "logs", "wait", "cancel"] {
        let text = env.error(&["task", command, ""], 2, "TASK_UNKNOWN");
        assert!(text.contains("the id is empty"), "{text}");
    }
    for args in [&["session", "approve", ""][..], &["journal", "--session", ""]] {
        let text = env.error(args, 2, "SESSION_UNKNOWN");
        assert!(text.contains("the id is empty"), "{text}");
    }
    let text = env.error(&["task", "run"], 2, "USAGE");
    assert!(text.contains("hint: `brio task run --help`"), "{text}");
    let text = env.error(&["no-such-command"], 2, "USAGE");
    assert!(text.contains("`brio help`"), "{text}");
}

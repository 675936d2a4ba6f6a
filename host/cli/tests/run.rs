//! `brio run`: what lands, what leaves no trace, and what a script is told.

mod common;

use common::{TestEnvironment, guest};

// B-001, B-002, B-004, B-010, B-011, B-040: one command branches, works and lands, all of it at once.
#[test]
fn an_agent_lands() {
    let env = TestEnvironment::new();
    let ran = env.brio(&["run", "replace", "--task", "s/colour/color/"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(env.read("src/lib.rs"), "// TODO: write it\npub fn color() {}\n");
    assert!(ran.stderr.contains("landed: sess-"), "{}", ran.stderr);
    assert!(ran.stderr.contains("M src/lib.rs"), "{}", ran.stderr);
    assert!(ran.stdout.is_empty(), "words are for standard error: {}", ran.stdout);
    assert!(env.open_sessions().is_empty());
}

#[test]
fn the_document_has_exactly_the_documented_fields() {
    let env = TestEnvironment::new();
    let (status, doc) = env.json(&["run", "hello", "--task", "you", "--json"]);
    assert_eq!(status, 0);
    let keys = |v: &serde_json::Value| -> Vec<String> {
        let mut keys: Vec<_> = v.as_object().expect("an object").keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(
        keys(&doc),
        [
            "agent", "changes", "error", "landing", "lower", "network", "notes", "outcome",
            "result", "sandbox", "schema", "session"
        ]
    );
    assert_eq!(keys(&doc["agent"]), ["exit", "metrics", "output", "stderr", "stdout"]);
    assert_eq!(keys(&doc["changes"]), ["added", "modified", "removed"]);
    assert_eq!(doc["schema"], 1);
    assert_eq!(doc["outcome"], "succeeded");
    assert_eq!(doc["result"], "landed");
    assert_eq!(doc["landing"], 1);
    assert_eq!(doc["changes"]["added"][0], "hello.txt");
    assert!(doc["error"].is_null());
    assert_eq!(env.read("hello.txt"), "Hello, you!\n");
}

#[test]
fn nothing_to_land_is_unchanged() {
    let env = TestEnvironment::new();
    let (status, doc) = env.json(&["run", "replace", "--task", "s/nowhere/x/", "--json"]);
    assert_eq!((status, &doc["result"]), (0, &"unchanged".into()));
    assert!(doc["landing"].is_null());
    assert_eq!(doc["agent"]["metrics"], serde_json::json!({"files": 0.0, "places": 0.0}));
    assert!(env.open_sessions().is_empty());
}

// B-004, B-070, T2: an agent that fails leaves the base byte for byte as it was.
#[test]
fn a_failure_leaves_no_trace() {
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let guest = guest("fail");
    let (status, doc) = env.json(&["run", &guest, "--json"]);
    assert_eq!(status, 1, "{doc}");
    assert_eq!((&doc["outcome"], &doc["result"]), (&"failed".into(), &"rolled-back".into()));
    assert!(doc["error"]["code"].is_string() && doc["error"]["message"].is_string(), "{doc}");
    assert!(doc["error"]["paths"].is_array(), "{doc}");
    assert_eq!(env.snapshot(), before);
    assert!(env.open_sessions().is_empty());
}

// T10 at this level: a trap, a limit: status 4, rolled back, the host lives.
#[test]
fn a_trap_and_each_limit_have_names() {
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let cases: [(&str, &[&str], &str, &str); 7] = [
        ("panic", &[], "TRAPPED", "trapped"),
        ("hog", &["--memory", "32M"], "LIMIT_MEMORY", "limited"),
        ("spin", &["--timeout", "300ms"], "LIMIT_TIME", "limited"),
        ("spin", &["--cpu", "300ms"], "LIMIT_CPU", "limited"),
        ("spammer", &["--disk", "64K", "--", "bytes"], "LIMIT_DISK", "limited"),
        ("spammer", &["--files", "5", "--", "files"], "LIMIT_FILES", "limited"),
        ("spammer", &["--", "handles"], "LIMIT_HANDLES", "limited"),
    ];
    for (name, flags, code, outcome) in cases {
        let guest = guest(name);
        let mut args = vec!["run", &guest, "--json"];
        args.extend(flags);
        let (status, doc) = env.json(&args);
        assert_eq!(status, 4, "{args:?}: {doc}");
        assert_eq!(doc["error"]["code"], code, "{args:?}: {doc}");
        assert_eq!(doc["outcome"], outcome, "{args:?}: {doc}");
        assert_eq!(doc["result"], "rolled-back", "{args:?}: {doc}");
    }
    assert_eq!(env.snapshot(), before);
    assert!(env.open_sessions().is_empty());
}

// B-102, B-105: the task reaches the agent; B-100: so does its session.
#[test]
fn streams_arguments_and_environment_reach_the_agent() {
    let env = TestEnvironment::new();
    let ran = env.brio(&["run", "hello", "--task", "all", "--", "greeting.txt"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(env.read("greeting.txt"), "Hello, all!\n");
    let guest = guest("panic");
    let (_, doc) = env.json(&["run", &guest, "--json"]);
    assert!(!doc["agent"]["stdout"].as_str().expect("text").is_empty(), "{doc}");
    let shown = env.brio(&["run", &guest]);
    assert!(!shown.stdout.is_empty(), "the guest's own output is shown");
}

// A file of the task: the session's own below the base, else shown read-only.
#[test]
fn input_files_reach_the_agent() {
    let env = TestEnvironment::new();
    std::fs::write(env.path().join("rules"), "s/one/eins/\n").expect("written");
    let rules = env.path().join("rules");
    env.ok(&["run", "replace", "--input", rules.to_str().expect("UTF-8")]);
    assert_eq!(env.read("notes.txt"), "eins\ntwo\nthree\n");
    env.write("more", "s/two/zwei/\n");
    env.ok(&["run", "replace", "--input", "more", "--", "notes.txt"]);
    assert_eq!(env.read("notes.txt"), "eins\nzwei\nthree\n");
}

// B-103, B-104: agents share an open session, later ones see earlier changes, nothing leaks.
#[test]
fn agents_follow_each_other_in_one_session() {
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let id = env.begin();
    env.ok(&["run", "replace", "--task", "s/colour/color/", "--session", &id]);
    let (status, doc) =
        env.json(&["run", "replace", "--task", "s/color/hue/", "--session", &id, "--json"]);
    assert_eq!((status, &doc["result"]), (0, &"kept".into()));
    assert_eq!(doc["changes"]["modified"][0], "src/lib.rs", "it saw the first one's work");
    assert_eq!(env.snapshot(), before, "nothing lands by itself");
    let failing = guest("fail");
    let (status, doc) = env.json(&["run", &failing, "--session", &id, "--json"]);
    assert_eq!((status, &doc["result"]), (1, &"kept".into()));
    env.ok(&["session", "commit", &id]);
    assert!(env.read("src/lib.rs").contains("fn hue()"));
    assert!(env.open_sessions().is_empty());
}

// A reviewer decides and changes nothing.
#[test]
fn a_reviewer_rejects_with_its_own_status() {
    let env = TestEnvironment::new();
    assert_eq!(env.brio(&["run", "check-secrets"]).status, 0);
    env.write("key.txt", "aws_access_key_id = AKIAIOSFODNN7EXAMPLQ\n");
    let (status, doc) = env.json(&["run", "check-secrets", "--json"]);
    if status == 0 {
        // It judges changes, not the base.
        let id = env.begin();
        env.ok(&["run", "replace", "--task", "s/two/AKIAIOSFODNN7EXAMPLQ/", "--session", &id]);
        let (status, doc) = env.json(&["run", "check-secrets", "--session", &id, "--json"]);
        assert_eq!((status, &doc["outcome"]), (6, &"rejected".into()), "{doc}");
        assert_eq!(doc["error"]["code"], "REJECTED");
        return;
    }
    assert_eq!((status, &doc["outcome"]), (6, &"rejected".into()), "{doc}");
}

// B-010, B-011, B-012, B-013, B-014, B-042, B-101, T9: a guest calls every function of every interface.
#[test]
fn a_guest_works_with_sessions_of_its_own() {
    let env = TestEnvironment::new();
    let guest = guest("sessions");
    env.error(&["run", &guest], 2, "NOT_GRANTED");
    assert!(env.open_sessions().is_empty());
    let ran = env.brio(&["run", &guest, "--grant", "session-fs"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    // As it was at the checkpoint that the guest came back to at the end.
    assert_eq!(env.read("landed.txt"), "nested\n", "{}", ran.stdout);
    for absent in ["thrown-away.txt", "scratch.txt", "step.txt"] {
        assert!(!env.base().join(absent).exists(), "{absent}");
    }
    assert!(env.open_sessions().is_empty(), "no child leaks");
}

#[test]
fn the_plain_form_takes_back_what_changed() {
    let env = TestEnvironment::new();
    let (status, doc) =
        env.json(&["run", "replace", "--task", "s/colour/color/", "--preopen", "--json"]);
    assert_eq!(status, 0, "{doc}");
    assert_eq!(doc["changes"]["modified"], serde_json::json!(["src/lib.rs"]), "{doc}");
    assert!(env.read("src/lib.rs").contains("fn color()"));
    for flags in [["--disk", "1M"], ["--files", "5"], ["--grant", "session-fs"]] {
        let mut args = vec!["run", "hello", "--preopen"];
        args.extend(flags);
        env.error(&args, 2, "PREOPEN");
    }
    assert!(env.open_sessions().is_empty());
}

// T4 at this level: a program that exercises std::fs leaves the same tree through the view and
// through a plain directory, over files that lie in the base.
#[test]
fn the_plain_form_and_the_view_agree() {
    let (view, plain) = (TestEnvironment::new(), TestEnvironment::new());
    let probe = guest("fs-probe");
    for step in [&["--", "prepare"][..], &[]] {
        view.ok(&[&["run", &probe], step].concat());
        plain.ok(&[&["run", &probe, "--preopen"], step].concat());
        let relative = |env: &TestEnvironment| -> Vec<_> {
            let all = env.snapshot().into_iter();
            all.map(|(p, x)| (p.strip_prefix(env.base()).expect("below").to_owned(), x)).collect()
        };
        assert_eq!(relative(&view), relative(&plain));
    }
}

// T14: Brio's own state is in no view and in no landing.
#[test]
fn state_is_never_visible() {
    let env = TestEnvironment::new();
    let (_, doc) = env.json(&["run", "todo-report", "--json"]);
    assert!(!doc.to_string().contains(".brio"), "{doc}");
    let probe = guest("bench-stat");
    let count = |doc: &serde_json::Value| {
        let out = doc["agent"]["stdout"].as_str().expect("text").to_owned();
        out.split(' ').next().expect("a count").to_owned()
    };
    let (_, first) = env.json(&["run", &probe, "--json", "--", "."]);
    let id = env.begin();
    let (_, second) = env.json(&["run", &probe, "--json", "--", "."]);
    assert_eq!(count(&first), count(&second), "a session adds nothing to see");
    env.ok(&["session", "rollback", &id]);
}

// Ctrl-C ends the run and rolls back.
#[test]
fn an_interrupt_rolls_back() {
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let guest = guest("spin");
    let child = env
        .command(&["run", &guest, "--", "write"])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("brio starts");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while env.open_sessions().is_empty() {
        assert!(std::time::Instant::now() < until, "no session in a minute");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let pid = child.id().to_string();
    assert!(
        std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill").success()
    );
    let ran = common::ran(child.wait_with_output().expect("ends"));
    assert_eq!(ran.status, 130, "{}", ran.stderr);
    assert!(ran.stderr.contains("error: INTERRUPTED: "), "{}", ran.stderr);
    assert_eq!(env.snapshot(), before);
    assert!(env.open_sessions().is_empty());
}

//! `brio journal`

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use common::TestEnvironment;
use serde_json::{Value, json};

fn lines(env: &TestEnvironment, args: &[&str]) -> Vec<Value> {
    let args = [&["journal", "--json"], args].concat();
    let text = env.ok(&args);
    text.lines().map(|l| serde_json::from_str(l).expect("a JSON line")).collect()
}

fn append(env: &TestEnvironment, line: &Value) {
    let path = env.base().join(".brio/journal");
    let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("a journal");
    writeln!(file, "{line}").expect("written");
}

fn said(id: &str, text: &str) -> Value {
    json!({
        "time": { "secs": 1_700_000_000, "nanos": 0 }, "kind": "conversation", "what": "said",
        "session": id, "detail": { "author": "ann", "text": text },
    })
}

// B-073, B-110
#[test]
fn what_became_of_a_session_stays_in_the_journal() {
    let env = TestEnvironment::new();
    let id = env.ok(&["session", "begin", "--goal", "tidy up"]).trim().to_owned();
    let other = env.begin();
    append(&env, &said(&id, "hello\u{1b}[31m\nthere"));
    append(
        &env,
        &json!({
            "time": { "secs": 1_700_000_001, "nanos": 0 }, "kind": "decision", "what": "decided",
            "session": id,
            "detail": { "author": "ann", "title": "stop", "why": "enough", "alternatives": ["go on"] },
        }),
    );
    env.ok(&["session", "rollback", &id]);
    let of = lines(&env, &["--session", &id[5..14]]);
    let whats: Vec<_> = of.iter().map(|l| (l["kind"].clone(), l["what"].clone())).collect();
    assert_eq!(
        whats,
        [
            (json!("goal"), json!("begun")),
            (json!("conversation"), json!("said")),
            (json!("decision"), json!("decided")),
            (json!("operation"), json!("rolled-back")),
        ]
    );
    assert!(of.iter().all(|l| l["schema"] == 1 && l["session"] == json!(id)));
    assert_eq!(
        (&of[0]["goal"], &of[1]["time"]),
        (&json!("tidy up"), &json!("2023-11-14T22:13:20Z"))
    );
    assert_eq!(of[1]["detail"]["text"], "hello\u{1b}[31m\nthere");
    assert_eq!(lines(&env, &["--session", &other]).len(), 1);
    let some = lines(&env, &["--kind", "decision", "--kind", "goal"]);
    assert_eq!(some.len(), 3);
    // For people: a line each, and nothing that steers the terminal.
    let text = env.ok(&["journal", "--session", &id]);
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert!(text.contains("ann: hello\u{fffd}[31m; there"), "{text}");
    assert!(text.contains("stop, because enough; not: go on"), "{text}");
    assert!(text.contains("begun: tidy up"), "{text}");
    // From elsewhere a session is found, open or ended, and where its base is named.
    let elsewhere = tempfile::tempdir().expect("a directory");
    let run = |args: &[&str]| {
        let mut command = env.command(args);
        common::ran(command.current_dir(elsewhere.path()).output().expect("it runs"))
    };
    assert_eq!(run(&["journal", "--session", &other]).stdout.lines().count(), 1);
    assert_eq!(run(&["journal", "--session", &id]).stdout.lines().count(), 4);
    let base = env.base();
    let base = base.to_str().expect("UTF-8");
    assert_eq!(run(&["journal", base, "--session", &id]).stdout.lines().count(), 4);
    let text = env.error(&["journal", "--kind", "dream"], 2, "USAGE");
    assert!(text.contains("goal, conversation, decision"), "{text}");
}

// M-002
#[test]
fn landings_count_their_decisions_and_unknown_kinds_are_shown() {
    let env = TestEnvironment::new();
    let id = env.begin();
    for title in ["one", "two"] {
        append(
            &env,
            &json!({
                "time": { "secs": 1_700_000_000, "nanos": 0 }, "what": "decided", "session": id,
                "kind": "decision", "detail": { "title": title },
            }),
        );
    }
    append(
        &env,
        &json!({
            "time": { "secs": 1_700_000_000, "nanos": 0 }, "what": "dreamt", "kind": "dream",
            "session": id, "new": true, "detail": { "of": "sheep" },
        }),
    );
    env.ok(&["run", "replace", "--task", "s/colour/color/", "--session", &id]);
    env.ok(&["session", "commit", &id]);
    let (_, log) = env.json(&["log", "--json"]);
    let one = json!({ "session": id, "time": "2023-11-14T22:13:20Z", "title": "one" });
    assert_eq!(log["landings"][0]["decisions"][0], one);
    assert_eq!(log["landings"][0]["decisions"].as_array().map(Vec::len), Some(2));
    assert!(env.ok(&["log"]).contains("(2 decisions)"));
    let landed = lines(&env, &["--kind", "operation"]);
    let landed = landed.iter().find(|l| l["what"] == "landed").expect("a landing");
    assert_eq!(landed["decisions"][0], one);
    let text = env.ok(&["journal"]);
    assert!(text.contains("(2 decisions)"), "{text}");
    assert!(text.lines().any(|l| l.contains("dream ") && l.contains("dreamt")), "{text}");
}

#[cfg(unix)]
#[test]
fn it_is_followed_until_ctrl_c() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let mut child = env
        .command(&["journal", "--session", &id, "--json", "-f"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut next = || -> Value {
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next()["what"], "begun");
    let other = env.begin();
    append(&env, &said(&other, "not shown"));
    append(&env, &said(&id, "shown"));
    assert_eq!(next()["detail"]["text"], "shown");
    env.ok(&["session", "rollback", &id]);
    assert_eq!(next()["what"], "rolled-back");
    let pid = rustix::process::Pid::from_raw(child.id() as i32).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut out, &mut rest).expect("the end");
    assert_eq!(rest, "");
}

// M-002: an agent says and decides; the landing leads to it, and a roll-back leaves it.
#[test]
fn an_agent_says_and_decides() {
    let env = TestEnvironment::new();
    let guest = common::guest("journal");
    let ran = env.brio(&["run", &guest, "--task", "two files use it", "--json"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let (_, log) = env.json(&["log", "--json"]);
    let landing = &log["landings"][0];
    assert_eq!(landing["decisions"][0]["title"], "decided");
    let id = landing["session"].as_str().expect("an id");
    let of = lines(&env, &["--session", id, "--kind", "conversation", "--kind", "decision"]);
    assert_eq!(of.len(), 2, "{of:?}");
    let by = of[0]["detail"]["author"].as_str().expect("an author");
    assert!(by.contains("journal"), "{by}");
    assert_eq!(of[0]["detail"]["text"], "two files use it");
    let whole =
        json!({ "author": by, "title": "decided", "why": "because", "alternatives": ["not"] });
    assert_eq!(of[1]["detail"], whole);
    // Nobody fills the journal.
    let ran = env.brio(&["run", &guest, "--task", "again", "--", "flood"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let size = std::fs::metadata(env.base().join(".brio/journal")).expect("a journal").len();
    assert!(size < 3 << 20, "{size}");
}

// B-073, M-002: so does a person.
#[test]
fn a_person_says_and_decides() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let by_ann = |args: &[&str]| {
        let mut command = env.command(args);
        command.env("USER", "ann");
        command
    };
    let done = |command: &mut std::process::Command| {
        let ran = common::ran(command.output().expect("it runs"));
        assert_eq!((ran.status, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    };
    done(&mut by_ann(&["session", "say", &id[..12], "two files", "use it"]));
    let input = env.path().join("said");
    std::fs::write(&input, "two\nlines\n").expect("written");
    let input = std::fs::File::open(&input).expect("there");
    done(by_ann(&["session", "say", &id, "-"]).stdin(input));
    let why = ["--why", "it is shorter", "--alternative", "none", "--alternative", "another"];
    done(&mut by_ann(&[&["session", "decide", &id, "one function"][..], &why].concat()));
    let of = lines(&env, &["--session", &id, "--kind", "conversation", "--kind", "decision"]);
    let details: Vec<_> = of.iter().map(|line| line["detail"].clone()).collect();
    let expected = [
        json!({ "author": "ann", "text": "two files use it" }),
        json!({ "author": "ann", "text": "two\nlines" }),
        json!({
            "author": "ann", "title": "one function", "why": "it is shorter",
            "alternatives": ["none", "another"],
        }),
    ];
    assert_eq!(details, expected);
    env.ok(&["run", "hello", "--session", &id]);
    env.ok(&["session", "commit", &id]);
    assert!(env.ok(&["log"]).contains("(1 decision)"));
    env.error(&["session", "say", "sess-none", "hello"], 2, "SESSION_UNKNOWN");
    env.error(&["session", "say", &id, "hello"], 2, "SESSION_ENDED");
    let open = env.begin();
    env.error(&["session", "say", &open], 2, "USAGE");
    env.error(&["session", "say", &open, " "], 2, "JOURNAL_TEXT");
    env.error(&["session", "say", &open, &"x".repeat(70_000)], 2, "JOURNAL_TEXT");
    env.error(&["session", "decide", &open, ""], 2, "JOURNAL_TEXT");
    assert_eq!(lines(&env, &["--session", &open]).len(), 1);
}

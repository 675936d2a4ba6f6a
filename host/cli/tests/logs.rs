//! What is said on standard error for machines: an object a line, a span for each run and landing.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::process::Stdio;

use common::{Ran, TestEnvironment, ran, until};
use serde_json::Value;

const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

/// Every line, each of which is an object with what all have.
fn objects(stderr: &str) -> Vec<Value> {
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let level = value["level"].as_str().unwrap();
        assert!(LEVELS.contains(&level) && value["message"].is_string(), "{line}");
        assert!(value["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(value["target"].as_str().unwrap().starts_with("brio"), "{line}");
        value
    };
    stderr.lines().map(read).collect()
}

/// The spans of a name that were closed.
fn closed<'a>(lines: &'a [Value], name: &str) -> Vec<&'a Value> {
    let of = |line: &&Value| line["message"] == "close" && line["span"]["name"] == name;
    lines.iter().filter(of).map(|line| &line["span"]).collect()
}

fn logged(env: &TestEnvironment, args: &[&str]) -> Ran {
    let mut command = env.command(args);
    command.env("BRIO_LOG", "info").env("BRIO_LOG_FORMAT", "json");
    ran(command.output().unwrap())
}

#[test]
fn each_run_and_each_landing_is_a_span_that_says_how_it_ended() {
    let env = TestEnvironment::new();
    env.write("notes.txt", "one\nhunter2\n");
    let run = logged(&env, &["run", "replace", "--task", "s/one/1 of hunter2/"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let lines = objects(&run.stderr);
    let runs = closed(&lines, "run");
    assert_eq!(runs.len(), 1, "{}", run.stderr);
    assert_eq!((&runs[0]["agent"], &runs[0]["outcome"]), (&"replace".into(), &"succeeded".into()));
    let session = runs[0]["session"].as_str().unwrap();
    assert!(session.starts_with("sess-"), "{}", runs[0]);
    assert!(runs[0]["task"].as_str().unwrap().starts_with("task-"), "{}", runs[0]);
    assert!(runs[0]["duration_ms"].as_f64().unwrap() > 0.0, "{}", runs[0]);
    let landings = closed(&lines, "landing");
    assert_eq!(landings.len(), 1, "{}", run.stderr);
    let base = env.base().canonicalize().unwrap();
    assert_eq!(landings[0]["session"], session);
    assert_eq!((&landings[0]["landing"], &landings[0]["base"]), (&1.into(), &base.to_str().into()));
    assert!(landings[0]["duration_ms"].as_f64().unwrap() > 0.0, "{}", landings[0]);

    // What does not land says why, and a command is a run as an agent is.
    let (one, other) = (env.begin(), env.begin());
    for id in [&one, &other] {
        let script = format!("echo {id} hunter2 > new");
        let exec = ["session", "exec", "--unconfined", id, "--", "/bin/sh", "-c", &script];
        let lines = objects(&logged(&env, &exec).stderr);
        let run = closed(&lines, "run")[0].clone();
        assert_eq!((&run["command"], &run["session"]), (&"sh".into(), &id.as_str().into()));
        assert!(!lines.iter().any(|line| line.to_string().contains("hunter2")));
    }
    env.ok(&["session", "commit", &one]);
    let refused = logged(&env, &["session", "commit", &other]);
    assert_eq!(refused.status, 3, "{}", refused.stderr);
    let lines = objects(&refused.stderr);
    assert_eq!(closed(&lines, "landing")[0]["code"], "CONFLICT");
    let last = lines.last().unwrap();
    assert_eq!((&last["level"], &last["code"]), (&"ERROR".into(), &"CONFLICT".into()), "{last}");
    assert!(last["hint"].as_str().unwrap().contains("resolve"), "{last}");
    assert!(last["each"].as_array().unwrap()[0].as_str().unwrap().starts_with("new"), "{last}");
}

#[test]
fn no_span_holds_what_files_hold_or_what_was_said_to_an_agent() {
    let env = TestEnvironment::new();
    env.write("notes.txt", "hunter2\n");
    let mut command = env.command(&["run", "replace", "--task", "s/hunter2/hunter22/"]);
    command.args(["--secret", "env=KEY,host=api.example.com", "--allow-host", "api.example.com"]);
    command.env("BRIO_LOG", "info").env("BRIO_LOG_FORMAT", "json").env("KEY", "hunter2-key");
    let ran = ran(command.output().unwrap());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let lines = objects(&ran.stderr);
    let spans = ["run", "landing"].map(|name| closed(&lines, name).len());
    assert_eq!(spans, [1, 1]);
    let of_spans = lines.iter().filter(|line| !line["span"].is_null());
    for line in of_spans {
        assert!(!line.to_string().contains("hunter2"), "{line}");
    }
    assert!(!ran.stderr.contains("hunter2-key"), "{}", ran.stderr);
}

#[test]
fn everything_that_is_said_is_an_object_and_text_is_as_it_was() {
    let env = TestEnvironment::new();
    let json = ["--log-format", "json"];
    for (args, code) in [
        (&["run", "no-such-agent"][..], "AGENT_UNKNOWN"),
        (&["session", "show", "sess-none"], "SESSION_UNKNOWN"),
    ] {
        let ran = env.brio(&[&json, args].concat());
        assert_eq!(ran.status, 2, "{}", ran.stderr);
        let lines = objects(&ran.stderr);
        assert_eq!((lines.len(), &lines[0]["code"]), (1, &code.into()), "{}", ran.stderr);
        env.error(args, 2, code);
    }
    let begun = env.brio(&["task", "list", "--log-format", "json"]);
    assert_eq!(objects(&begun.stderr)[0]["message"], "no tasks");
    let usage = logged(&env, &["run", "--no-such-flag"]);
    assert_eq!(objects(&usage.stderr)[0]["code"], "USAGE", "the environment is known before");
    // The flag wins.
    let mut command = env.command(&["run", "no-such-agent", "--log-format", "text"]);
    let said = ran(command.env("BRIO_LOG_FORMAT", "json").output().unwrap());
    assert!(said.stderr.starts_with("error: AGENT_UNKNOWN: "), "{}", said.stderr);
    let mut command = env.command(&["task", "list"]);
    let said = ran(command.env("BRIO_LOG_FORMAT", "xml").output().unwrap());
    assert!(
        said.status == 2 && said.stderr.contains("BRIO_LOG_FORMAT is `xml`"),
        "{}",
        said.stderr
    );
    let mut command = env.command(&["task", "list"]);
    let said = ran(command.env("BRIO_LOG_FORMAT", "").output().unwrap());
    assert_eq!((said.status, said.stderr.as_str()), (0, "no tasks\n"));
    assert_eq!(env.brio(&[&json[..], &["-q", "task", "list"]].concat()).stderr, "");
}

#[test]
fn a_server_says_nothing_but_objects() {
    let env = TestEnvironment::new();
    let mut command = env.command(&["serve", "--log-format", "json"]);
    command.env("BRIO_LOG", "info").stderr(Stdio::piped());
    let server = command.spawn().unwrap();
    until("it serves", || env.brio(&["serve", "--status"]).status == 0);
    let file = env.path().join("t.toml");
    let text = "name = 't'\nbase = 'base'\n[[steps]]\nagent = 'hello'\n";
    std::fs::write(&file, text).unwrap();
    let id = env.ok(&["task", "submit", file.to_str().unwrap()]).trim_end().to_owned();
    env.ok(&["task", "wait", &id]);
    env.ok(&["serve", "--stop"]);
    let said = ran(server.wait_with_output().unwrap()).stderr;
    let lines = objects(&said);
    let (runs, landings) = (closed(&lines, "run"), closed(&lines, "landing"));
    assert_eq!((runs.len(), landings.len()), (1, 1), "{said}");
    assert_eq!(runs[0]["task"], id.as_str(), "the run's task is the job");
    assert!(lines.iter().any(|line| line["message"] == format!("{id}: Success")), "{said}");
}

//! `brio serve` as those see it who watch it: its status, its events, and what there is without it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use common::{TestEnvironment, until};
use serde_json::Value;

/// A command that runs until it is killed.
struct Running(Child);

impl Running {
    fn serve(env: &TestEnvironment) -> Self {
        let mut command = env.command(&["serve"]);
        let server = Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let pid = server.0.id();
        until("it serves", || env.json(&["serve", "--status", "--json"]).1["pid"] == pid);
        server
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn task(env: &TestEnvironment, from: &str, to: &str) -> String {
    let file = env.path().join(format!("{from}-{to}.toml"));
    let text = format!(
        "name = \"spell\"\nbase = \"base\"\n[[steps]]\nagent = \"replace\"\n\
         task = \"s/{from}/{to}/\"\n"
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn the_status_says_who_serves_and_scripts_can_tell() {
    let env = TestEnvironment::new();
    let none = env.brio(&["serve", "--status"]);
    assert_eq!(none.status, 1, "{}", none.stderr);
    assert_eq!(
        none.stdout,
        "nobody serves this home\ntasks: 0 run, 0 queued, 0 wait for a person\nsessions: 0 open\n"
    );
    env.begin();
    env.ok(&["task", "submit", &task(&env, "one", "two")]);
    let (status, told) = env.json(&["serve", "--status", "--json"]);
    assert_eq!((status, &told["served"], &told["pid"]), (1, &false.into(), &Value::Null));
    assert_eq!((&told["jobs"]["queued"], &told["sessions"]), (&1.into(), &1.into()), "{told}");

    let server = Running::serve(&env);
    let (status, told) = env.json(&["serve", "--status", "--json"]);
    assert_eq!((status, &told["served"]), (0, &true.into()), "{told}");
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"), "{told}");
    assert!(told["since"].as_str().unwrap().ends_with('Z'), "{told}");
    let said = env.ok(&["serve", "--status"]);
    let first = format!("served by process {}, brio {}", server.0.id(), env!("CARGO_PKG_VERSION"));
    assert!(said.starts_with(&first), "{said}");
    server.kill();
    assert_eq!(env.brio(&["serve", "--status"]).status, 1, "also with the socket that it left");
    for wrong in [&["serve", "--status", "--stop"][..], &["serve", "--events", "--jobs", "2"]] {
        env.error(wrong, 2, "USAGE");
    }
    env.error(&["serve", "--json"], 2, "USAGE");
}

/// The next update that is so.
fn next(
    lines: &mut BufReader<ChildStdout>,
    what: &str,
    mut is: impl FnMut(&Value) -> bool,
) -> Value {
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "in vain: {what}");
        let update: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(update["schema"], 1, "{line}");
        if is(&update) {
            return update;
        }
    }
}

// F-020, F-062: what happens is told, and goes on to be told whatever becomes of the server.
#[test]
fn events_are_followed_through_a_kill_of_the_server_and_without_one() {
    let env = TestEnvironment::new();
    let mut command = env.command(&["serve", "--events", "--json"]);
    let mut follows = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(follows.0.stdout.take().unwrap());
    let event = |name: &'static str| move |update: &Value| update["event"] == name;
    next(&mut lines, "nobody serves", event("unserved"));
    let ended = |id: String| {
        move |update: &Value| update["event"] == "ended" && update["job"] == id.as_str()
    };
    // Nobody serves: a command does the work itself, and is seen all the same.
    let (status, told) = env.json(&["task", "run", &task(&env, "one", "1"), "--json"]);
    assert_eq!((status, &told["outcome"]), (0, &"Success".into()), "{told}");
    let id = told["id"].as_str().unwrap().to_owned();
    let last = next(&mut lines, "the end of what ran by itself", ended(id));
    assert_eq!(last["outcome"]["kind"], "landed", "{last}");

    let server = Running::serve(&env);
    let serving = next(&mut lines, "somebody serves", event("serving"));
    assert_eq!(serving["pid"], server.0.id());
    let id = env.ok(&["task", "submit", &task(&env, "two", "2")]).trim_end().to_owned();
    next(&mut lines, "a part", |u| u["event"] == "part" && u["job"] == id.as_str());
    next(&mut lines, "its end", ended(id));
    server.kill();
    next(&mut lines, "nobody serves", event("unserved"));

    // Every command works on the queue without one.
    let ran = env.brio(&["task", "submit", &task(&env, "three", "3")]);
    assert!(ran.status == 0 && ran.stderr.contains("nobody works on the queue"), "{}", ran.stderr);
    let id = ran.stdout.trim_end().to_owned();
    let (_, list) = env.json(&["task", "list", "--json"]);
    assert_eq!(list["tasks"][0]["id"], id.as_str(), "{list}");
    let server = Running::serve(&env);
    // It may have ended before the server is found.
    let (mut served, mut done, is_end) = (false, false, ended(id));
    next(&mut lines, "another one serves, and the end of what was submitted meanwhile", |u| {
        (served, done) = (served || u["event"] == "serving", done || is_end(u));
        served && done
    });
    assert_eq!(env.read("notes.txt"), "1\n2\n3\n");
    env.ok(&["serve", "--stop"]);
    next(&mut lines, "it ends", event("unserved"));
    drop(server);
}

#[test]
fn events_are_shown_in_words_until_a_signal_comes() {
    let env = TestEnvironment::new();
    let server = Running::serve(&env);
    let mut command = env.command(&["serve", "--events"]);
    let mut follows = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(follows.0.stdout.take().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    assert!(line().starts_with(&format!("process {} serves this home", server.0.id())));
    let id = env.ok(&["task", "submit", &task(&env, "one", "1")]).trim_end().to_owned();
    assert!(line().starts_with(&format!("{id} in sess-")));
    assert!(line().starts_with("  spell/replace: ok"));
    assert_eq!(line(), format!("{id}: Success"));
    let pid = rustix::process::Pid::from_child(&follows.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(follows.0.wait().unwrap().code(), Some(0));
}

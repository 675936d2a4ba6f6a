//! `brio task run` on a terminal, and what agents write there.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::process::Command;

use common::pty::Pty;
use common::{TestEnvironment, ran, rooms};
use rustix::process::{Pid, Signal, kill_process};

/// Two children at once after a step that says what a terminal would obey.
const TASK: &str = r#"
name = "both"
order = "parallel"
[sample.files]
"a.txt" = "one\n"
[[steps]]
name = "first"
command = ["/bin/sh", "-c", "sleep 0.4; printf 'hi \\033[31m\\033[2Jred'"]
[[children]]
name = "left"
[[children.steps]]
name = "slow"
command = ["/bin/sh", "-c", "sleep 2; echo 1 > left; echo an answer that is longer than any line of this terminal can ever be, and so it is cut"]
[[children]]
name = "right"
[[children.steps]]
name = "quick"
command = ["/bin/sh", "-c", "sleep 0.3; exit 3"]
"#;

fn task_run(env: &TestEnvironment) -> Command {
    let file = env.path().join("both.toml");
    fs::write(&file, TASK).unwrap();
    let mut command = env.command(&["task", "run", file.to_str().unwrap()]);
    command.env("TERM", "xterm");
    command
}

/// A line of what runs.
fn runs(line: &str, name: &str) -> bool {
    let words: Vec<_> = line.split_whitespace().collect();
    matches!(words.as_slice(), [spinner, what, time]
        if ('⠀'..='⣿').contains(&spinner.chars().next().unwrap())
            && *what == name && time.ends_with('s'))
}

#[test]
fn on_a_terminal_what_runs_is_drawn_below_what_has_ended() {
    if !rooms("live") {
        return;
    }
    let env = TestEnvironment::new();
    let mut pty = Pty::start(&mut task_run(&env), 80);
    let mut seen = Vec::new();
    while let Some(lines) = pty.more() {
        // Ended parts stay above those that run, and no line is broken.
        let first = lines.iter().position(|l| runs(l, "both"));
        let last_end = lines.iter().rposition(|l| l.contains(": ok") || l.contains(": failed"));
        assert!(first.is_none() || first > last_end, "{lines:#?}");
        assert!(lines.iter().all(|l| l.chars().count() <= 80));
        seen.push(lines);
    }
    let shows = |names: &[&str]| {
        seen.iter().any(|lines| names.iter().all(|name| lines.iter().any(|l| runs(l, name))))
    };
    assert!(shows(&["both", "first"]), "{seen:#?}");
    assert!(shows(&["both", "left/slow", "right/quick"]), "{seen:#?}");
    let (status, lines, bytes) = pty.end();
    assert_eq!(status, Some(1));
    assert!(lines[0].starts_with("both in sess-"), "{lines:#?}");
    assert_eq!(lines[1], "  first: ok  hi \u{fffd}[31m\u{fffd}[2Jred");
    assert_eq!(lines[2], "  right/quick: failed  status 3");
    let cut = "  left/slow: ok  an answer that is longer than any line of this terminal can ev…";
    assert_eq!((lines[3].as_str(), cut.chars().count()), (cut, 80));
    assert_eq!(lines[4], "both: Success, landing 1");
    assert!(lines[5].starts_with("error: COMMAND_FAILED: right: "), "{lines:#?}");
    assert!(bytes.contains("right/quick: \u{1b}[31mfailed\u{1b}[0m"), "in colour");
}

#[test]
fn ctrl_c_leaves_the_terminal_and_the_queue_clean() {
    if !rooms("live") {
        return;
    }
    let env = TestEnvironment::new();
    let mut pty = Pty::start(&mut task_run(&env), 80);
    loop {
        let lines = pty.more().expect("it runs");
        if lines.iter().any(|l| runs(l, "left/slow")) {
            break;
        }
    }
    let pid = Pid::from_raw(pty.child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let (status, lines, _) = pty.end();
    assert_eq!(status, Some(130));
    assert!(!lines.iter().any(|l| runs(l, "both") || runs(l, "left/slow")), "{lines:#?}");
    assert_eq!(lines.last().unwrap(), "error: INTERRUPTED: both: cancelled, nothing of it is left");
    assert!(env.open_sessions().is_empty());
    assert!(env.brio(&["task", "list"]).stderr.contains("no tasks"));
}

#[test]
fn without_a_terminal_that_can_it_is_plain_lines() {
    if !rooms("live") {
        return;
    }
    let env = TestEnvironment::new();
    let piped = ran(task_run(&env).output().unwrap());
    assert!(!piped.stderr.contains(['\u{1b}', '⠋']), "{}", piped.stderr);
    let mut lines: Vec<_> = piped.stderr.lines().collect();
    assert!(lines[0].starts_with("task-") && lines[0].contains(" in sess-"), "{lines:#?}");
    assert_eq!(lines[1], "  first: ok  hi \u{fffd}[31m\u{fffd}[2Jred");
    assert_eq!(lines[2], "  right/quick: failed  status 3");
    assert_eq!(piped.stdout, "both: Success, landing 1\n");
    let (_, dumb, bytes) = Pty::start(task_run(&env).env("TERM", "dumb"), 200).end();
    assert!(!bytes.contains('\u{1b}'), "{bytes}");
    lines.insert(4, "both: Success, landing 1");
    assert_eq!(dumb.len(), lines.len(), "{dumb:#?}");
    assert_eq!(dumb[1..5], lines[1..5]);
    let (_, plain, bytes) = Pty::start(task_run(&env).env("NO_COLOR", "1"), 80).end();
    assert_eq!(plain[2], lines[2]);
    let sequences = bytes.split('\u{1b}').skip(1);
    let letter = |text: &str| text.chars().find(char::is_ascii_alphabetic);
    assert!(sequences.into_iter().all(|text| letter(text) != Some('m')), "{bytes:?}");
    let mut quiet = task_run(&env);
    let (_, quiet, bytes) = Pty::start(quiet.arg("--quiet"), 80).end();
    assert_eq!(quiet[0], "both: Success, landing 1", "{quiet:#?}");
    assert!(!bytes.contains('\u{1b}'));
}

#[test]
fn what_agents_write_is_shown_and_not_obeyed() {
    let env = TestEnvironment::new();
    let steers = "one\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}1m\u{202e}two\n";
    env.write("steers.txt", steers);
    let id = env.ok(&["session", "begin", "--goal", steers]).trim_end().to_owned();
    let task = format!("s/three/{}/", steers.trim_end());
    env.ok(&["run", "replace", "--session", &id, "--task", &task]);
    let shown = |args: &[&str]| {
        let (status, lines, _) = Pty::start(env.command(args).env("TERM", "xterm"), 200).end();
        assert_eq!(status, Some(0), "{args:?}: {lines:#?}");
        let lines = lines.join("\n");
        // The terminal of this test stops at whatever else it is told to do.
        assert!(lines.contains("two") && !lines.contains('\u{202e}'), "{args:?}: {lines}");
    };
    for command in ["diff", "show"] {
        shown(&["session", command, &id]);
    }
    shown(&["session", "list"]);
    env.ok(&["session", "commit", &id]);
    for args in [&["log"][..], &["journal"], &["blame", "notes.txt"]] {
        shown(args);
    }
    // In a pipe it is data.
    assert!(env.ok(&["blame", "steers.txt"]).contains(steers));
}

#[test]
fn a_list_of_tasks_fits_the_terminal() {
    let env = TestEnvironment::new();
    let name = "n".repeat(60);
    let ask = format!(
        "name = \"{name}\"\n[sample.files]\n\"a\" = \"1\"\n[[steps]]\nagent = \"hello\"\n\
         [[gates]]\nname = \"me\"\nperson = \"good?\"\n"
    );
    let file = env.path().join("ask.toml");
    fs::write(&file, ask).unwrap();
    env.ok(&["task", "run", file.to_str().unwrap()]);
    let id = format!("task-{}", "i".repeat(64));
    env.ok(&["task", "submit", file.to_str().unwrap(), "--id", &id]);
    let session = env.open_sessions().pop().unwrap();
    let list = ["task", "list"];
    let (status, lines, _) = Pty::start(env.command(&list).env("TERM", "xterm"), 80).end();
    assert_eq!(status, Some(0));
    assert!(lines[0].starts_with("task-") && lines[0].contains("  waiting     nnn"), "{lines:#?}");
    assert_eq!(lines[1], format!("  asks about {session}"));
    assert!(lines[2].starts_with(&id) && lines[2].ends_with('…'), "{lines:#?}");
    assert_eq!(lines[3], "nobody works on the queue now: `brio serve` does");
    assert_eq!(lines.len(), 4, "no line is broken: {lines:#?}");
    // In a pipe nothing is left out, a line each.
    let piped = env.ok(&list);
    let first: Vec<_> = piped.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(first[1..], ["waiting", name.as_str(), session.as_str()]);
    assert_eq!(piped.lines().count(), 2);
}

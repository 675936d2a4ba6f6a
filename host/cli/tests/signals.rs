//! What a terminal sends to everything in the foreground is for the supervisor alone: the
//! commands of tasks neither see it nor fail by it. None of them outlives its supervisor.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use common::{TestEnvironment, ran, rooms, until};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How often each is done: what is looked for is a race.
const TIMES: usize = 5;

/// A task with one command, in a room or outside, and a hook that says that it failed.
fn task(env: &TestEnvironment, script: &str, unconfined: bool) -> PathBuf {
    let hook = env.path().join("failed");
    let text = format!(
        "name = \"slow\"\nbase = \"base\"\n[[steps]]\nname = \"sleep\"\n\
         command = [\"/bin/sh\", \"-c\", '{script}']\nunconfined = {unconfined}\n\
         [[after.failed]]\nname = \"hook\"\ncommand = [\"/bin/sh\", \"-c\", 'echo x > {}']\n\
         unconfined = true\n",
        hook.display()
    );
    let file = env.path().join("slow.toml");
    fs::write(&file, text).unwrap();
    file
}

/// As a shell with job control starts it.
fn in_a_group(env: &TestEnvironment, args: &[&str]) -> Child {
    let mut command = env.command(args);
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Ctrl-C.
fn interrupt(group: &Child) {
    let pid = Pid::from_raw(group.id().cast_signed()).unwrap();
    kill_process_group(pid, Signal::INT).unwrap();
}

/// Until the command of the only task has said something.
fn until_it_runs(env: &TestEnvironment) -> String {
    let id = || {
        let (_, list) = env.json(&["task", "list", "--all", "--json"]);
        list["tasks"][0]["id"].as_str().map(str::to_owned)
    };
    until("it is submitted", || id().is_some());
    let id = id().unwrap();
    until("it runs", || env.brio(&["task", "logs", &id]).stdout.contains("up\n"));
    id
}

fn interrupted_run(unconfined: bool) {
    for time in 0..TIMES {
        let env = TestEnvironment::new();
        let file = task(&env, "echo up; sleep 600", unconfined);
        let run = in_a_group(&env, &["task", "run", file.to_str().unwrap()]);
        let id = until_it_runs(&env);
        interrupt(&run);
        let said = ran(run.wait_with_output().unwrap());
        let (_, told) = env.json(&["task", "show", &id, "--json"]);
        let label = format!("{time}: {told} {}", said.stderr);
        assert_eq!((said.status, &told["outcome"]), (130, &"Cancelled".into()), "{label}");
        assert!(!env.path().join("failed").exists(), "the hook ran: {label}");
        assert_eq!(env.open_sessions(), Vec::<String>::new(), "{label}");
    }
}

fn interrupted_server(unconfined: bool) {
    for time in 0..TIMES {
        let env = TestEnvironment::new();
        let file = task(&env, "echo up; sleep 600", unconfined);
        env.ok(&["task", "submit", file.to_str().unwrap()]);
        let server = in_a_group(&env, &["serve"]);
        let id = until_it_runs(&env);
        interrupt(&server);
        let said = ran(server.wait_with_output().unwrap());
        let (_, told) = env.json(&["task", "show", &id, "--json"]);
        let label = format!("{time}: {told} {}", said.stderr);
        assert_eq!((said.status, &told["state"]), (0, &"queued".into()), "{label}");
        assert!(!env.path().join("failed").exists(), "the hook ran: {label}");
    }
}

#[test]
fn an_interrupt_from_the_terminal_cancels_a_task_that_is_run() {
    if rooms("signals") {
        interrupted_run(false);
    }
}

#[test]
fn an_interrupt_from_the_terminal_cancels_an_unconfined_command_too() {
    interrupted_run(true);
}

#[test]
fn an_interrupt_from_the_terminal_puts_back_what_a_server_works_on() {
    if rooms("signals") {
        interrupted_server(false);
        interrupted_server(true);
    }
}

/// Processes of this machine with this word among their arguments.
fn processes_of(word: &str) -> Vec<Pid> {
    let has = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.ok()?.path();
        let line = fs::read(path.join("cmdline")).ok()?;
        let found = line.split(|b| *b == 0).any(|argument| argument == word.as_bytes());
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        found.then(|| Pid::from_raw(pid)).flatten()
    };
    fs::read_dir("/proc").unwrap().filter_map(has).collect()
}

#[test]
fn a_killed_server_takes_unconfined_commands_with_it() {
    // Else the next one tries again beside the first try.
    for time in 0..TIMES {
        let env = TestEnvironment::new();
        // No number of another test, nor of another run of this one.
        let word = format!("{}.{time}", 100_000 + std::process::id());
        // In the group, in another session, and with another parent.
        let script =
            format!("sleep {word} & setsid sleep {word} & (setsid sleep {word} &) ; echo up; wait");
        let file = task(&env, &script, true);
        env.ok(&["task", "submit", file.to_str().unwrap()]);
        let mut server = in_a_group(&env, &["serve"]);
        until_it_runs(&env);
        until("all three run", || processes_of(&word).len() == 3);
        server.kill().unwrap();
        server.wait().unwrap();
        until("all three are killed", || processes_of(&word).is_empty());
    }
}

#[test]
fn an_unconfined_command_whose_time_is_over_leaves_nothing() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let word = format!("{}.9", 100_000 + std::process::id());
    let asked = format!("sleep {word} & sleep {word}");
    let deaf = format!("trap \"\" TERM; {asked}; {asked}");
    for script in [asked, deaf] {
        let exec = ["session", "exec", &id, "--unconfined", "--timeout", "1s", "--"];
        let exec = [&exec[..], &["/bin/sh", "-c", &script]].concat();
        env.error(&exec, 125, "LIMIT_TIME");
        assert!(processes_of(&word).is_empty(), "{script}");
    }
    // What one that ends by itself leaves in the background is its own business.
    let script = format!("cd /; sleep {word} > /dev/null 2>&1 &");
    env.ok(&["session", "exec", &id, "--unconfined", "--", "/bin/sh", "-c", &script]);
    let left = processes_of(&word);
    assert_eq!(left.len(), 1);
    kill_process(left[0], Signal::KILL).unwrap();
}

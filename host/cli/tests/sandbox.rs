//! Agents in processes of their own, from the command line.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::process::Stdio;

use common::{NOBODY, TestEnvironment, as_nobody, guest, is_root, ran, until};
use serde_json::{Value, json};

fn confined(told: &Value) {
    let confinement = &told["sandbox"]["confinement"];
    assert_eq!(told["sandbox"]["kind"], "process", "{told}");
    assert_eq!(
        (&confinement["seccomp"], &confinement["no_new_privs"]),
        (&json!(true), &json!(true))
    );
    for namespace in ["mount", "pid", "ipc", "network"] {
        assert!(confinement["namespaces"].as_array().unwrap().contains(&json!(namespace)));
    }
}

#[test]
fn a_run_is_in_this_process_unless_another_is_asked_for() {
    let env = TestEnvironment::new();
    let told = env.json(&["run", "hello", "--task", "Ada", "--json"]).1;
    assert_eq!(told["sandbox"], json!({ "kind": "wasm", "confinement": null, "instead": null }));
    let (status, told) =
        env.json(&["run", "hello", "--task", "Bo", "--sandbox", "process", "--json"]);
    assert_eq!((status, &told["result"]), (0, &json!("landed")), "{told}");
    confined(&told);
    assert!(env.read("hello.txt").contains("Bo"));
    confined(&env.json(&["run", "hello", "--task", "Cy", "--require-sandbox", "--json"]).1);
    let asked = env
        .command(&["run", "hello", "--task", "Di", "--json"])
        .env("BRIO_SANDBOX", "process")
        .output();
    confined(&serde_json::from_slice(&asked.unwrap().stdout).unwrap());
    let said = env.brio(&["run", "hello", "--task", "Ed", "--sandbox", "process"]);
    assert!(said.stderr.contains("in a process of its own: namespaces"), "{}", said.stderr);
}

#[test]
fn what_cannot_be_had_is_refused_or_said() {
    let env = TestEnvironment::new();
    env.error(&["run", "hello", "--sandbox", "docker"], 2, "CONFIG");
    env.error(&["run", "hello", "--preopen", "--sandbox", "process"], 2, "SANDBOX");
    env.error(&["run", "hello", "--sandbox", "wasm", "--require-sandbox"], 2, "SANDBOX");
    assert!(!env.base().join("hello.txt").exists(), "nothing ran");
    // What lands in a base does not decide what keeps the next agent in.
    env.write("brio.toml", "sandbox = \"wasm\"\n");
    env.error(&["run", "hello"], 2, "CONFIG");
}

/// A system without what a process needs: no namespace of processes can be made.
#[test]
fn where_there_is_no_such_process_it_is_said_and_refused_when_required() {
    let env = TestEnvironment::new();
    let script = "echo 0 > /proc/sys/user/max_pid_namespaces && exec \"$@\"";
    let without = |args: &[&str]| {
        let mut brio = env.command(args);
        let program = brio.get_program().to_owned();
        let mut command = std::process::Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
            .arg(program);
        command.args(args).env_clear().envs(brio.get_envs().filter_map(|(k, v)| Some((k, v?))));
        command.current_dir(brio.get_current_dir().unwrap_or(&env.base()));
        brio.stdin(Stdio::null());
        ran(command.output().unwrap())
    };
    let said = without(&["run", "hello", "--task", "Ada", "--sandbox", "process"]);
    if said.stderr.contains("unshare") {
        common::skip("where_there_is_no_such_process…: no user namespace can be made here");
        return;
    }
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(said.stderr.contains("kept by WebAssembly alone: ROOM"), "{}", said.stderr);
    let refused = without(&["run", "hello", "--task", "Bo", "--require-sandbox"]);
    assert_eq!(refused.status, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("SANDBOX: ROOM"), "{}", refused.stderr);
    assert!(env.read("hello.txt").contains("Ada"));
    let serves = without(&["serve", "--require-sandbox"]);
    assert_eq!(serves.status, 2, "{}", serves.stderr);
    assert!(serves.stderr.contains("SANDBOX: ROOM"), "{}", serves.stderr);
    let doctor = without(&["doctor"]);
    assert!(doctor.stdout.contains("sandbox process none (ROOM"), "{}", doctor.stdout);
}

/// F-003: while it runs, `show` tells the process and what confines it; after it, the log does.
#[test]
fn show_tells_what_is_enforced() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let spin = guest("spin");
    let mut run = env
        .command(&["run", &spin, "--session", &id, "--sandbox", "process"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let holder =
        |env: &TestEnvironment| env.json(&["session", "show", &id, "--json"]).1["holder"].clone();
    until("it runs", || holder(&env)["worker"].is_u64());
    let told = holder(&env);
    let worker = told["worker"].as_u64().unwrap();
    assert_ne!(told["pid"], told["worker"], "{told}");
    assert!(told["sandbox"].as_str().unwrap().starts_with("process: namespaces"), "{told}");
    let text = env.ok(&["session", "show", &id]);
    assert!(text.contains(&format!("(process {worker})")), "{text}");
    env.ok(&["session", "kill", &id, "--keep"]);
    assert_eq!(run.wait().unwrap().code(), Some(4));
    assert!(!std::path::Path::new(&format!("/proc/{worker}")).exists(), "it ended with its run");
    let shown = env.json(&["session", "show", &id, "--json"]).1;
    let ran = shown["operations"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(ran["run"]["worker"], worker, "{shown}");
}

/// `brio serve` runs agents in processes of their own, and says so in a task's log.
#[test]
fn tasks_that_are_served_run_in_processes() {
    let env = TestEnvironment::new();
    let file = env.path().join("task.toml");
    let text = "name = \"t\"\nbase = \"base\"\n[[steps]]\nagent = \"hello\"\ntask = \"Ada\"\n";
    fs::write(&file, text).unwrap();
    for (flags, kind) in
        [(&["serve"][..], "process: namespaces"), (&["serve", "--sandbox", "wasm"], "wasm")]
    {
        let mut server =
            env.command(flags).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pid = server.id();
        until("it serves", || env.json(&["serve", "--status", "--json"]).1["pid"] == pid);
        let id = env.ok(&["task", "submit", file.to_str().unwrap()]);
        let id = id.split_whitespace().find(|word| word.starts_with("task-")).unwrap().to_owned();
        until("it is done", || env.json(&["task", "show", &id, "--json"]).1["state"] == "done");
        let log = env.ok(&["task", "logs", &id]);
        assert!(log.contains(&format!("sandbox: {kind}")), "{log}");
        env.ok(&["serve", "--stop"]);
        server.wait().unwrap();
    }
}

/// The same for an ordinary user, by a user namespace.
#[test]
fn an_ordinary_user_has_them_too() {
    if !is_root() {
        return common::skip("an_ordinary_user_has_them_too: needs root, to become another user");
    }
    let env = TestEnvironment::new();
    let chown = |path| std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    env.snapshot().keys().for_each(|path| chown(env.base().join(path)));
    chown(env.base());
    let said = as_nobody(&env, &["run", "hello", "--task", "Ada", "--require-sandbox", "--json"]);
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    confined(&told);
    assert_eq!(told["sandbox"]["confinement"]["privilege"], "user-namespace");
}

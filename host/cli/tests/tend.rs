//! Looking after what crashes left, by hand and by the server.

mod common;

use std::process::Stdio;

use common::{TestEnvironment, guest, ran, until};

/// A session whose run was killed after it had written something.
fn dead(env: &TestEnvironment) -> String {
    let id = env.begin();
    let spin = guest("spin");
    let mut command = env.command(&["run", &spin, "--session", &id, "--", "write"]);
    let mut run = command.stderr(Stdio::null()).spawn().expect("it starts");
    let shown = || env.json(&["session", "show", &id, "--json"]).1;
    until("something written", || shown()["changes"]["added"] != serde_json::json!([]));
    run.kill().expect("killed");
    run.wait().expect("it ends");
    id
}

// F-004, F-060, F-070: by hand; the dead are told and kept, unless somebody wants them gone.
#[test]
fn recover_all_tells_and_keeps_the_dead() {
    let env = TestEnvironment::new();
    let id = dead(&env);
    let recover = |after: Option<&str>| {
        let mut command = env.command(&["recover", "--all"]);
        command.current_dir("/");
        if let Some(after) = after {
            command.env("BRIO_DEAD_AFTER", after);
        }
        ran(command.output().expect("it runs"))
    };
    for after in [None, Some("never"), Some("1h")] {
        let said = recover(after);
        assert_eq!(said.status, 0, "{}", said.stderr);
        assert!(
            said.stderr.contains(&format!("{id}: spin died; its work is kept")),
            "{}",
            said.stderr
        );
    }
    let live = {
        let spin = guest("spin");
        let mut command = env.command(&["run", &spin]);
        command.stderr(Stdio::null()).spawn().expect("it starts")
    };
    until("a live run", || env.open_sessions().len() == 2);
    let said = recover(Some("0s"));
    assert!(said.stderr.contains(&format!("rolled back: {id}")), "{}", said.stderr);
    let left = env.open_sessions();
    assert_eq!(left.len(), 1, "T5: who lives is spared");
    env.ok(&["session", "kill", &left[0]]);
    ran(live.wait_with_output().expect("it ends"));
    let said = recover(None);
    assert!(said.status == 0 && said.stderr.contains("nothing to recover"), "{}", said.stderr);
    let mut wrong = env.command(&["recover", "--all"]);
    let said = ran(wrong.env("BRIO_DEAD_AFTER", "soon").output().expect("it runs"));
    assert!(said.stderr.contains("dead_after"), "{}", said.stderr);
}

// F-061: what a killed run was given as input does not stay in the home.
#[test]
fn what_a_killed_run_was_given_is_swept() {
    let env = TestEnvironment::new();
    let given = env.path().join("given.txt");
    std::fs::write(&given, "for the task").expect("written");
    let spin = guest("spin");
    let input = given.to_str().expect("text");
    let mut run = env.command(&["run", &spin, "--input", input]);
    let mut run = run.stderr(Stdio::null()).spawn().expect("it starts");
    let plain = env.home().join("plain");
    let lies = || std::fs::read_dir(&plain).is_ok_and(|dir| dir.count() > 0);
    until("a live run", || lies() && !env.open_sessions().is_empty());
    run.kill().expect("killed");
    run.wait().expect("it ends");
    assert!(lies());
    let said = env.brio(&["recover", "--all"]);
    assert!(said.stderr.contains("killed processes left: 1 directory"), "{}", said.stderr);
    assert!(!lies());
}

// F-032, F-061: what a killed command's session was mounted on does not stay.
#[cfg(target_os = "linux")]
#[test]
fn the_mount_of_a_killed_command_is_taken_down() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let exec = ["session", "exec", &id, "--unconfined", "--", "sh", "-c", "echo > here; sleep 600"];
    let mut exec = env.command(&exec).stderr(Stdio::null()).spawn().expect("it starts");
    let at = env.home().join("mnt").join(format!("{id}-exec"));
    let shown = || env.json(&["session", "show", &id, "--json"]).1;
    until("the command works", || shown()["changes"]["added"] != serde_json::json!([]));
    exec.kill().expect("killed");
    exec.wait().expect("it ends");
    if !at.exists() && std::fs::symlink_metadata(&at).is_ok() {
        return common::skip("the_mount_of_a_killed_command_is_taken_down: there is no FUSE");
    }
    until("nobody serves it", || std::fs::symlink_metadata(&at).is_err());
    let said = env.brio(&["recover", "--all"]);
    assert!(said.stderr.contains("killed processes left: 1 mount"), "{}", said.stderr);
    let left = std::fs::read_dir(env.home().join("mnt")).expect("a directory").count();
    assert_eq!(left, 0);
}

// F-070: the server does the same by itself.
#[test]
fn the_server_looks_after_the_home() {
    let env = TestEnvironment::new();
    let id = dead(&env);
    let mut command = env.command(&["serve"]);
    let mut server =
        command.env("BRIO_DEAD_AFTER", "0s").stderr(Stdio::null()).spawn().expect("it starts");
    until("the dead session is gone", || env.open_sessions().is_empty());
    env.error(&["session", "show", &id], 2, "SESSION_ENDED");
    env.ok(&["serve", "--stop"]);
    assert_eq!(server.wait().expect("it ends").code(), Some(0));
}

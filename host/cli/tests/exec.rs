//! Native commands in a session: what they see, what they cannot reach, what comes of them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{TestEnvironment, as_nobody, is_root, ran, rooms, skip};
use serde_json::json;

#[test]
fn a_command_works_in_the_session_at_the_path_of_its_base() {
    // B-040, B-120: begin, work, check natively, land what was checked
    if !rooms("exec") {
        return;
    }
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let id = env.begin();
    let script = "pwd; cat notes.txt; echo made > made.txt; mkdir -p d/e; ln -s ../made.txt d/l; \
                  chmod 750 made.txt; rm src/lib.rs; echo wrong >&2; exit 7";
    let done = env.brio(&["session", "exec", &id, "--", "/bin/sh", "-c", script]);
    assert_eq!(done.status, 7, "{}", done.stderr);
    let base = env.base().canonicalize().unwrap();
    assert_eq!(done.stdout, format!("{}\none\ntwo\nthree\n", base.display()));
    assert!(done.stderr.starts_with("wrong\n"), "{}", done.stderr);
    assert!(done.stderr.contains("confined: "), "the mechanism is said: {}", done.stderr);
    assert_eq!(env.snapshot(), before, "the base is what it was");
    let check =
        ["session", "exec", &id, "--", "/bin/sh", "-c", "test -e made.txt -a ! -e src/lib.rs"];
    env.ok(&check);
    env.ok(&["session", "commit", &id]);
    assert_eq!(env.read("made.txt"), "made\n");
    assert_eq!(env.read("d/l"), "made\n");
    assert!(!env.base().join("src/lib.rs").exists());
}

#[test]
fn the_status_is_the_commands_own() {
    if !rooms("exec") {
        return;
    }
    let env = TestEnvironment::new();
    let id = env.begin();
    let status =
        |script: &str| env.brio(&["session", "exec", &id, "--", "/bin/sh", "-c", script]).status;
    assert_eq!(
        [status("exit 0"), status("exit 1"), status("exit 3"), status("kill -9 $$")],
        [0, 1, 3, 137]
    );
    env.error(&["session", "exec", &id, "--", "no-such-program"], 127, "ROOM_COMMAND");
    env.error(&["session", "exec", &id, "--", "/etc/passwd"], 126, "ROOM_COMMAND");
    // Whole: the beginning of an id names the session as well.
    let nobody = "sess-00000000-0000-4000-8000-000000000000";
    env.error(&["session", "exec", nobody, "--", "/bin/true"], 125, "SESSION_UNKNOWN");
    env.error(&["session", "exec", &id, "--read", "/no/such", "--", "/bin/true"], 125, "USAGE");
    let begun = Instant::now();
    let late = ["session", "exec", &id, "--timeout", "1s", "--", "/bin/sleep", "60"];
    env.error(&late, 125, "LIMIT_TIME");
    assert!(begun.elapsed() < Duration::from_secs(30), "it was not waited for");
    // One that does not listen.
    let deaf = [
        "session",
        "exec",
        &id,
        "--timeout",
        "1s",
        "--",
        "/bin/sh",
        "-c",
        "trap '' TERM; while :; do sleep 1; done",
    ];
    env.error(&deaf, 125, "LIMIT_TIME");
    assert_eq!(env.open_sessions(), [id], "the session stays, whatever the command says");
}

#[test]
fn standard_streams_are_passed_and_kept() {
    if !rooms("exec") {
        return;
    }
    let env = TestEnvironment::new();
    let id = env.begin();
    let mut child = env.command(&["session", "exec", &id, "--", "/bin/cat"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"through\n").unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(out, "through\n");

    let script = "echo out; echo err >&2; echo x > x; exit 4";
    let (status, doc) =
        env.json(&["session", "exec", &id, "--json", "--", "/bin/sh", "-c", script]);
    assert_eq!(status, 4);
    assert_eq!(
        (&doc["schema"], &doc["end"], &doc["status"]),
        (&json!(1), &json!("exited"), &json!(4))
    );
    assert_eq!((&doc["stdout"], &doc["stderr"]), (&json!("out\n"), &json!("err\n")));
    assert_eq!(doc["changes"]["added"], json!(["x"]), "{doc}");
    assert!(doc["confinement"].as_str().unwrap().contains("namespaces"), "{doc}");
}

#[test]
fn nothing_of_the_caller_is_in_reach() {
    // T18 and the wall, as far as a user of the command sees it
    if !rooms("exec") {
        return;
    }
    let env = TestEnvironment::new();
    let id = env.begin();
    let secret = env.path().join(".ssh");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("id"), "secret").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let tries = [
        format!("cat {}/.ssh/id", env.path().display()),
        "cat ~/.ssh/id".to_owned(),
        format!("ls {}", env.home().display()),
        "ls .brio".to_owned(),
        "cat /etc/shadow".to_owned(),
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}"),
        "echo $SECRET | grep .".to_owned(),
        format!("kill -0 {}", std::process::id()),
    ];
    for script in &tries {
        let mut command = env.command(&["session", "exec", &id, "--", "/bin/bash", "-c", script]);
        let done = ran(command.env("SECRET", "x").output().unwrap());
        assert_ne!(done.status, 0, "{script}: {}{}", done.stdout, done.stderr);
        assert!(!done.stdout.contains("secret"), "{script}");
    }
    assert!(listener.accept().is_err(), "nobody came");
    // Its home is its own, at the same path, and ends with it.
    env.ok(&["session", "exec", &id, "--", "/bin/sh", "-c", "echo x > ~/escaped && cat ~/escaped"]);
    assert!(!env.path().join("escaped").exists());
    // The same is in reach when it is granted, so the tries are none that fail anyway.
    let read = secret.to_str().unwrap();
    let script = format!("cat {read}/id && ! touch {read}/new");
    let granted = ["session", "exec", &id, "--read", read, "--", "/bin/bash", "-c", &script];
    assert_eq!(env.ok(&granted), "secret");
    let script = format!("touch {read}/new");
    env.ok(&["session", "exec", &id, "--write", read, "--", "/bin/bash", "-c", &script]);
    assert!(secret.join("new").exists());
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
    env.ok(&["session", "exec", &id, "--allow-net", "--", "/bin/bash", "-c", &script]);
    assert!(listener.accept().is_ok());
    let mut command = env.command(&[
        "session",
        "exec",
        &id,
        "--env",
        "SECRET",
        "--env",
        "K=v",
        "--",
        "/bin/sh",
        "-c",
        "echo $SECRET$K",
    ]);
    assert_eq!(ran(command.env("SECRET", "x").output().unwrap()).stdout, "xv\n");
}

#[test]
fn version_control_and_limits_hold_for_commands_too() {
    if !rooms("exec") {
        return;
    }
    let env = TestEnvironment::new();
    fs::create_dir_all(env.base().join(".git/hooks")).unwrap();
    env.write(".git/config", "[core]\n");
    let id = env.begin();
    let plant = ["-c", "echo evil > .git/hooks/post-checkout"];
    let denied = env.brio(&["session", "exec", &id, "--", "/bin/sh", plant[0], plant[1]]);
    assert_ne!(denied.status, 0);
    assert!(denied.stderr.to_lowercase().contains("read-only"), "{}", denied.stderr);
    let granted = ["session", "exec", &id, "--grant", "vcs", "--", "/bin/sh", plant[0], plant[1]];
    env.ok(&granted);
    // It lands, since that was granted, and it is said.
    let landed = env.brio(&["session", "commit", &id]);
    assert!(landed.stderr.contains(".git/hooks/post-checkout"), "{}", landed.stderr);

    let id = env.begin();
    let fill = "head -c 3000000 /dev/zero > big";
    let over = ["session", "exec", &id, "--disk", "1M", "--", "/bin/sh", "-c", fill];
    let over = env.brio(&over);
    assert_ne!(over.status, 0);
    assert!(over.stderr.contains("disk limit"), "{}", over.stderr);
    env.ok(&["session", "exec", &id, "--", "/bin/sh", "-c", fill]);
}

#[test]
fn a_session_in_which_a_command_runs_is_busy_and_an_interrupt_ends_it() {
    if !rooms("exec") {
        return;
    }
    let env = TestEnvironment::new();
    let id = env.begin();
    let script = "echo half > half; echo up; sleep 60";
    let mut child = env.command(&["session", "exec", &id, "--", "/bin/sh", "-c", script]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut up = [0; 3];
    child.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
    env.error(&["session", "commit", &id], 5, "SESSION_BUSY");
    env.error(&["session", "exec", &id, "--", "/bin/true"], 125, "SESSION_BUSY");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let done = ran(child.wait_with_output().unwrap());
    assert_eq!(done.status, 130, "{}", done.stderr);
    assert!(done.stderr.contains("INTERRUPTED"), "{}", done.stderr);
    let (_, doc) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!(doc["changes"]["added"], json!(["half"]), "what it wrote is in the session: {doc}");
    assert_eq!(doc["run"], "free");
}

#[test]
fn without_confinement_it_is_said_and_written_down() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let outside = env.path().join("outside");
    let script = format!("cat notes.txt; echo x > {}; echo y > y", outside.display());
    let done = env.brio(&["session", "exec", &id, "--unconfined", "--", "/bin/sh", "-c", &script]);
    assert_eq!((done.status, done.stdout.as_str()), (0, "one\ntwo\nthree\n"), "{}", done.stderr);
    assert!(done.stderr.contains("unconfined"), "{}", done.stderr);
    assert!(outside.exists() && !env.base().join("y").exists());
    let (_, doc) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!(doc["changes"]["added"], json!(["y"]));
    let journal = fs::read_to_string(env.base().join(".brio/journal")).unwrap();
    let line =
        journal.lines().find(|l| l.contains("\"exec\"")).unwrap_or_else(|| panic!("{journal}"));
    assert!(line.contains("\"confinement\":\"none\"") && line.contains("notes.txt"), "{line}");
    env.error(&["session", "exec", &id, "--unconfined", "--", "no-such-program"], 127, "EXEC");
}

#[test]
fn an_ordinary_user_runs_commands_too() {
    if !is_root() {
        skip("exec as another user: needs root");
        return;
    }
    let env = TestEnvironment::new();
    for path in [
        env.base(),
        env.base().join("src"),
        env.base().join("notes.txt"),
        env.base().join("src/lib.rs"),
    ] {
        std::os::unix::fs::chown(path, Some(common::NOBODY), Some(common::NOBODY)).unwrap();
    }
    let begun = as_nobody(&env, &["session", "begin"]);
    assert_eq!(begun.status, 0, "{}", begun.stderr);
    let id = begun.stdout.trim_end();
    let script = "id -u; rm notes.txt; mkdir d; echo x > d/x; chmod 700 d/x; ln d/x d/y; exit 9";
    let done = as_nobody(&env, &["session", "exec", id, "--", "/bin/sh", "-c", script]);
    if done.stderr.contains("error: ROOM_REFUSED") {
        skip(&format!("exec as another user: {}", done.stderr.trim_end()));
        return;
    }
    assert_eq!((done.status, done.stdout.as_str()), (9, "65534\n"), "{}", done.stderr);
    let landed = as_nobody(&env, &["session", "commit", id]);
    assert_eq!(landed.status, 0, "{}", landed.stderr);
    assert_eq!(env.read("d/y"), "x\n");
    assert!(!env.base().join("notes.txt").exists());
}

#[test]
fn a_feature_lands_only_after_its_tests_and_its_lint() {
    // B-120: implement, tests, lint with its fix, land; each failure rolls back
    if !rooms("exec") {
        return;
    }
    let env = TestEnvironment::new();
    env.write("test.sh", "grep -q 'fn color' src/lib.rs || { echo no color; exit 1; }\n");
    let lint =
        "if [ \"$1\" = --fix ]; then sed -i 's/ *$//' src/lib.rs; fi\n! grep -n ' $' src/lib.rs\n";
    env.write("lint.sh", lint);
    let exec = |id: &str, args: &[&str]| {
        env.brio(&[&["session", "exec", id, "--", "/bin/sh"], args].concat())
    };
    let implement = |task: &str| {
        let id = env.begin();
        env.ok(&["run", "replace", "--task", task, "--session", &id]);
        id
    };
    let before = env.snapshot();

    let id = implement("s/colour/hue/");
    let tests = exec(&id, &["test.sh"]);
    assert_eq!((tests.status, tests.stdout.as_str()), (1, "no color\n"), "{}", tests.stderr);
    env.ok(&["session", "rollback", &id]);

    let id = implement("s/colour() {}/color() {}   /");
    assert_eq!(exec(&id, &["test.sh"]).status, 0);
    let found = exec(&id, &["lint.sh"]);
    assert_eq!(found.status, 1);
    assert!(found.stdout.starts_with("2:pub fn color"), "{}", found.stdout);
    assert_eq!(env.snapshot(), before, "nothing of either is in the base");
    assert_eq!(exec(&id, &["lint.sh", "--fix"]).status, 0);
    env.ok(&["session", "commit", &id]);
    assert_eq!(env.read("src/lib.rs"), "// TODO: write it\npub fn color() {}\n");
}

//! Mounts: other sessions and earlier landings beside a session, for agents and for commands.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::beside::{data, refused, script, text};
use common::{TestEnvironment, as_nobody, chmod, guest, is_root, ran, rooms, skip};
use serde_json::json;

// F-011, F-031: another session, and the base as it was.
#[test]
fn sessions_and_landings_are_mounted_read_only() {
    let env = TestEnvironment::new();
    env.ok(&["run", "hello", "--task", "one", "--", "greeting.txt"]);
    env.ok(&["run", "replace", "--task", "s/one/eins/", "--", "greeting.txt", "notes.txt"]);
    let (id, other) = (env.begin(), env.begin());
    env.ok(&["run", "hello", "--task", "other", "--session", &other, "--", "theirs.txt"]);
    env.ok(&["session", "mount", &id, &other, "/other"]);
    env.ok(&["session", "mount", &id, "landing:0", "/zero"]);
    env.ok(&["session", "mount", &id, "landing:1", "/z-one"]);
    let steps = [
        "mount\t1",
        "list\t.",
        "rename\tnotes.txt\tx",
        "link\tnotes.txt\tx",
        "set-times\tnotes.txt\t1\t0",
        "open\t0\tnotes.txt\trt",
        "unlink\tnotes.txt",
        "mount\t2",
        "list\t.",
        "stat\tnotes.txt\tno",
        "mkdir\tx",
        "mount\t3",
        "list\t.",
    ];
    let said = script(&env, &id, &[], &steps);
    assert_eq!(
        said[1], "names file:greeting.txt file:notes.txt dir:src file:theirs.txt",
        "with what it has not landed"
    );
    assert_eq!(&said[2..7], ["read-only"; 5]);
    assert_eq!(said[8], "names file:greeting.txt file:notes.txt dir:src");
    assert!(said[9].starts_with("stat file 14 "), "as the first landing left it: {}", said[9]);
    assert_eq!(said[10], "read-only");
    assert_eq!(said[12], "names file:notes.txt dir:src", "before any landing");

    // Later landings change nothing in it.
    env.ok(&["run", "hello", "--task", "x", "--", "late.txt"]);
    assert_eq!(script(&env, &id, &[], &["mount\t3", "list\t."])[1], said[12]);
    if rooms("sessions_and_landings_are_mounted_read_only") {
        let script = "ls /other /zero; cat /z-one/notes.txt /zero/notes.txt; echo x > /other/x; \
                      rm /zero/notes.txt; mv /z-one/notes.txt /tmp/; ls /tmp; echo mine > mine";
        let ran = env.brio(&["session", "exec", &id, "--", "/bin/sh", "-c", script]);
        let lines: Vec<_> = ran.stdout.lines().collect();
        let want = [
            "/other:",
            "greeting.txt",
            "notes.txt",
            "src",
            "theirs.txt",
            "",
            "/zero:",
            "notes.txt",
            "src",
            "one",
            "two",
            "three",
            "one",
            "two",
            "three",
        ];
        assert_eq!(&lines[..15], want, "{}", ran.stderr);
        assert!(ran.stderr.matches("Read-only file system").count() >= 3, "{}", ran.stderr);
        let (_, doc) = env.json(&["session", "show", &id, "--json"]);
        assert_eq!(doc["changes"]["added"], json!(["mine"]));
    }
    refused(&env, &id, &["--preopen"], "BIND_NOT_SHOWN");

    // Ended sources are said, with the way out; nothing runs without them.
    env.ok(&["session", "rollback", &other]);
    let said = refused(&env, &id, &[], "BIND_GONE");
    let way = format!("hint: `brio session unmount {id} /other` takes it away");
    assert!(said.contains("has ended (rolled-back)") && said.contains(&way), "{said}");
    env.error(&["session", "exec", &id, "--", "/bin/true"], 125, "BIND_GONE");
    env.ok(&["session", "unmount", &id, "/other"]);
    assert_eq!(script(&env, &id, &[], &["mount\t1", "list\t."])[0], "done");
    env.ok(&["session", "commit", &id]);
}

// What was there as of a landing is shown, or it is said that it is gone: never something newer.
#[test]
fn a_landing_that_is_not_kept_any_more_is_refused() {
    let env = TestEnvironment::new();
    env.ok(&["run", "replace", "--task", "s/one/eins/", "--", "notes.txt"]);
    let id = env.begin();
    env.ok(&["session", "mount", &id, "landing:0", "/zero"]);
    env.ok(&["run", "replace", "--task", "s/two/zwei/", "--", "notes.txt"]);
    assert!(
        script(&env, &id, &[], &["mount\t1", "stat\tnotes.txt\tno"])[1]
            .starts_with("stat file 14 ")
    );
    env.ok(&["gc", "--window", "0s"]);
    let said = refused(&env, &id, &[], "BIND_GONE");
    assert!(said.contains("landing:0 at /zero is not kept any more"), "{said}");
    env.ok(&["session", "unmount", &id, "/zero"]);
    env.error(&["session", "mount", &id, "landing:0", "/zero"], 5, "SNAPSHOT_GONE");
    // What the session itself stands on is kept for it.
    env.ok(&["session", "mount", &id, "landing:1", "/one"]);
    let said = script(
        &env,
        &id,
        &[],
        &["mount\t1", "read-path\tnotes.txt", "mount\t0", "read-path\tnotes.txt"],
    );
    assert_eq!(said[1], said[3]);
}

// F-031: no session is shown in itself, by whatever way.
#[test]
fn cycles_are_refused() {
    let env = TestEnvironment::new();
    let [a, b, c] = [env.begin(), env.begin(), env.begin()];
    let child = env.ok(&["session", "begin", "--parent", &a]).trim_end().to_owned();
    let cycle =
        |id: &str, other: &str| env.error(&["session", "mount", id, other, "/m"], 2, "MOUNT_CYCLE");
    cycle(&a, &a);
    cycle(&a, &child);
    cycle(&child, &a);
    env.ok(&["session", "mount", &a, &b, "/m"]);
    cycle(&b, &a);
    env.ok(&["session", "mount", &b, &c, "/m"]);
    let said = cycle(&c, &a);
    assert!(said.contains(&format!("shows {c} already, at /m of {b}")), "{said}");
    env.ok(&["session", "unmount", &b, "/m"]);
    env.ok(&["session", "mount", &c, &a, "/m"]);
}

// As a user who is nobody in particular: in a user namespace, with what they themselves may do.
#[test]
fn an_ordinary_user_has_them_as_well() {
    let test = "an_ordinary_user_has_them_as_well";
    if !is_root() {
        return skip(&format!(
            "{test}: only root can become another user; the other tests ran as one"
        ));
    }
    if !rooms(test) {
        return;
    }
    let env = TestEnvironment::new();
    let dir = data(&env);
    chmod(&dir, 0o777);
    for path in [env.base(), env.base().join("src")] {
        chmod(&path, 0o777);
    }
    let nobody = |args: &[&str]| {
        let ran = as_nobody(&env, args);
        assert_eq!(ran.status, 0, "{args:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    };
    let [id, other] = [(); 2].map(|()| nobody(&["session", "begin"]).trim_end().to_owned());
    nobody(&["session", "bind", &id, text(&dir), "/data", "--rw"]);
    nobody(&["session", "mount", &id, &other, "/other"]);
    nobody(&["session", "mount", &id, "landing:0", "/zero"]);
    let script = "cat /data/f.txt; ls /other /zero; echo made > /data/made; \
                  echo x > /other/x || echo x > /zero/x || echo refused";
    let done = as_nobody(&env, &["session", "exec", &id, "--", "/bin/sh", "-c", script]);
    if done.stderr.contains("error: ROOM_REFUSED") {
        return skip(&format!("{test}: {}", done.stderr.trim_end()));
    }
    let said = done.stdout;
    let all = "notes.txt\nsrc\n";
    assert_eq!(said, format!("from outside\n/other:\n{all}\n/zero:\n{all}refused\n"));
    assert_eq!(fs::read_to_string(dir.join("made")).unwrap(), "made\n");
    let said = nobody(&["run", &guest("fs-script"), "--session", &id, "--", "mount\t1", "list\t."]);
    assert!(said.starts_with("done\nnames dir:d file:f.txt file:made\n"), "{said}");
}

// Where nothing can be mounted, a mount is a copy, and nothing is left of it.
#[test]
fn without_fuse_a_mount_is_a_copy() {
    let test = "without_fuse_a_mount_is_a_copy";
    if !is_root() {
        return skip(&format!("{test}: only root can hide /dev/fuse"));
    }
    if !rooms(test) {
        return;
    }
    let env = TestEnvironment::new();
    let (id, other) = (env.begin(), env.begin());
    env.ok(&["run", "hello", "--task", "other", "--session", &other, "--", "theirs.txt"]);
    env.ok(&["session", "mount", &id, &other, "/other"]);
    env.ok(&["session", "mount", &id, "landing:0", "/zero"]);
    let inner = "ls /other /zero; cat /other/theirs.txt; echo x > /zero/x || echo mine > mine";
    let exec = ["session", "exec", &id, "--", "/bin/sh", "-c", inner];
    let plain = env.command(&exec);
    let mut hidden = Command::new("unshare");
    let script = "mount --bind /etc/passwd /dev/fuse && exec \"$0\" \"$@\"";
    hidden.args(["--mount", "sh", "-c", script]).arg(plain.get_program()).args(exec);
    hidden.current_dir(env.base()).env("BRIO_HOME", env.home()).env("HOME", env.path());
    let done = match hidden.stdin(Stdio::null()).output() {
        Ok(output) => ran(output),
        Err(e) => return skip(&format!("{test}: unshare: {e}")),
    };
    let own = "notes.txt\nsrc\n";
    let want = format!("/other:\n{own}theirs.txt\n\n/zero:\n{own}Hello, other!\n");
    assert_eq!((done.status, done.stdout), (0, want), "{}", done.stderr);
    assert!(done.stderr.contains("on a copy, without FUSE"), "{}", done.stderr);
    let (_, doc) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!(doc["changes"]["added"], json!(["mine"]));
    let left: Vec<_> = fs::read_dir(env.home().join("plain")).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

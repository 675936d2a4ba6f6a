//! Binds: directories of the machine beside a session, for agents and for commands.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;

use common::beside::{data, refused, script, shown, text};
use common::{TestEnvironment, guest, rooms, until};
use serde_json::{Value, json};

// F-011, F-031: a directory is shown, read-only unless told otherwise, until it is unbound.
#[test]
fn an_agent_sees_a_bind_and_cannot_change_it() {
    let env = TestEnvironment::new();
    let (dir, id, before) = (data(&env), env.begin(), env.snapshot());
    let mark = fs::metadata(dir.join("f.txt")).unwrap();
    env.ok(&["session", "bind", &id, text(&dir), "/data"]);
    let steps = [
        "mount\t1",
        "list\t.",
        "stat\tf.txt\tno",
        "open\t0\tf.txt\tw",
        "open\t0\tf.txt\trt",
        "open\t0\tnew\twc",
        "write-path\tf.txt\t0\t1\t9",
        "append-path\tf.txt\t1\t9",
        "set-len-path\tf.txt\t0",
        "set-times\tf.txt\t1\t0",
        "rename\tf.txt\tnew",
        "rename\tf.txt\td/new",
        "link\tf.txt\tnew",
        "symlink\tf.txt\tnew",
        "unlink\tf.txt",
        "mkdir\tnew",
        "rmdir\td/e",
        "open\t1\tf.txt\tr",
        "handle-times\t1\t1\t0",
        "write\t1\t0\t1\t9",
        "set-len\t1\t0",
        "rename-to\t0\tf.txt\tstolen",
        "link-to\t0\tf.txt\tstolen",
        "mount\t0",
        "open\t2\town\twc",
        "rename-to\t1\town\tnew",
        "link-to\t1\town\tnew",
    ];
    let said = script(&env, &id, &[], &steps);
    assert_eq!(&said[..2], ["done", "names dir:d file:f.txt"]);
    assert!(said[2].starts_with("stat file 13 1 "), "{}", said[2]);
    let answer = |step: &str| &said[steps.iter().position(|s| *s == step).unwrap()];
    for step in &steps[3..17] {
        assert_eq!(answer(step), "read-only", "{step}");
    }
    assert_eq!(answer("open\t1\tf.txt\tr"), "done");
    assert_eq!(answer("handle-times\t1\t1\t0"), "read-only");
    assert_eq!(answer("write\t1\t0\t1\t9"), "bad-descriptor");
    assert_eq!(answer("set-len\t1\t0"), "invalid");
    // Nor is it one file system with the session.
    for step in [
        "rename-to\t0\tf.txt\tstolen",
        "link-to\t0\tf.txt\tstolen",
        "rename-to\t1\town\tnew",
        "link-to\t1\town\tnew",
    ] {
        assert_eq!(answer(step), "cross-device", "{step}");
    }
    assert_eq!(fs::read_to_string(dir.join("f.txt")).unwrap(), "from outside\n");
    let now = fs::metadata(dir.join("f.txt")).unwrap();
    assert_eq!((now.ctime_nsec(), now.nlink()), (mark.ctime_nsec(), mark.nlink()));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);

    env.ok(&["session", "unbind", &id, "/data"]);
    let said = script(&env, &id, &[], &["mount\t1"]);
    assert_eq!(said, ["bad-descriptor"], "there is one directory");
    let (_, diff) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!(diff["changes"], json!({"added": ["own"], "modified": [], "removed": []}));
    env.ok(&["session", "rollback", &id]);
    assert_eq!(env.snapshot(), before);
}

// F-031: what is written through a writable bind is in the directory, and nowhere else.
#[test]
fn a_writable_bind_writes_outside_of_the_session_only() {
    let env = TestEnvironment::new();
    let (dir, id, before) = (data(&env), env.begin(), env.snapshot());
    fs::create_dir_all(dir.join(".git")).unwrap();
    env.ok(&["session", "bind", &id, text(&dir), "/data", "--rw"]);
    let probe = guest("fs-probe");
    let (status, doc) = env.json(&["run", &probe, "--session", &id, "--json", "--", "/data/probe"]);
    let said = doc["agent"]["stdout"].as_str().unwrap();
    let failed: Vec<_> = said.lines().filter(|l| l.starts_with("FAIL")).collect();
    assert_eq!((status, failed), (0, vec![]), "{doc}");
    assert!(dir.join("probe/read/a.txt").is_file(), "it is there by now");
    let steps = [
        "mount\t1",
        "open\t0\tmade\twc",
        "write\t0\t0\t65\t3",
        "mkdir\t.git/hooks",
        "mkdir\t.brio",
        "rename\tmade\t../made",
    ];
    let said = script(&env, &id, &[], &steps);
    assert_eq!(said, ["done", "done", "len 3", "read-only", "not-permitted", "not-permitted"]);
    assert_eq!(fs::read_to_string(dir.join("made")).unwrap(), "ABC");
    assert_eq!(script(&env, &id, &["--grant", "vcs"], &["mount\t1", "mkdir\t.git/x"])[1], "done");
    // The limits of the run count what is written there.
    let spam = guest("fs-script");
    let steps = ["mount\t1", "open\t0\tbig\twc", "write\t0\t0\t1\t70000"];
    let all = [&["run", &spam, "--session", &id, "--disk", "64K", "--json", "--"][..], &steps];
    let (status, doc) = env.json(&all.concat());
    assert_eq!((status, &doc["error"]["code"]), (4, &json!("LIMIT_DISK")), "{doc}");

    // Nothing of it is the session's: not in the diff, not landed, not rolled back.
    assert_eq!(env.ok(&["session", "diff", &id]), "");
    env.ok(&["session", "rollback", &id]);
    assert!(dir.join("made").exists());
    assert_eq!(env.snapshot(), before);
}

// F-003, F-011, F-081: recorded, shown, announced; ended by unbind and with the session.
#[test]
fn binds_are_recorded_shown_and_announced() {
    let env = TestEnvironment::new();
    let (dir, id, other) = (data(&env), env.begin(), env.begin());
    assert_eq!(shown(&env, &id), json!([]));
    let (_, doc) = env.json(&["session", "bind", &id, text(&dir), "/data", "--rw", "--json"]);
    let bound = json!({"target": "/data", "source": dir, "kind": "bind", "access": "rw"});
    assert_eq!((&doc["schema"], &doc["bind"], &doc["binds"]), (&json!(1), &bound, &json!([bound])));
    env.ok(&["session", "mount", &id, &other, "/a/other"]);
    env.ok(&["session", "mount", &id, "landing:0", "/before"]);
    let mount = |at: &str, source: &str| json!({"target": at, "source": source, "kind": "mount", "access": "ro"});
    let all = json!([mount("/a/other", &other), mount("/before", "landing:0"), bound]);
    let by_name = |list: Value| {
        let mut list = list.as_array().unwrap().clone();
        list.sort_by_key(|b| b["target"].as_str().unwrap().to_owned());
        json!(list)
    };
    assert_eq!(shown(&env, &id), by_name(all));
    let said = env.ok(&["session", "show", &id]);
    assert!(said.contains(&format!("bind     /data is {} (rw)\n", dir.display())), "{said}");
    assert!(said.contains(&format!("mount    /a/other is {other} (ro)\n")), "{said}");
    assert!(said.contains("mount    /before is landing:0 (ro)\n"), "{said}");

    env.error(&["session", "unbind", &id, "/before"], 2, "BIND_KIND");
    env.error(&["session", "unmount", &id, "/data"], 2, "BIND_KIND");
    env.error(&["session", "unbind", &id, "/nothing"], 2, "BIND_UNKNOWN");
    env.ok(&["session", "unmount", &id, "/before"]);
    let (_, doc) = env.json(&["session", "unbind", &id, "/data", "--json"]);
    assert_eq!((&doc["bind"], &doc["binds"]), (&bound, &json!([mount("/a/other", &other)])));

    let journal = env.ok(&["journal", "--json", "--session", &id]);
    let lines: Vec<Value> = journal.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let told: Vec<_> = lines
        .iter()
        .filter(|l| l["detail"]["target"].is_string())
        .map(|l| (l["what"].as_str().unwrap(), l["detail"]["target"].as_str().unwrap()))
        .collect();
    let want = [
        ("bound", "/data"),
        ("mounted", "/a/other"),
        ("mounted", "/before"),
        ("unmounted", "/before"),
        ("unbound", "/data"),
    ];
    assert_eq!(told, want, "{journal}");

    let record = env.base().join(".brio/sessions").join(&id).join("binds");
    assert!(record.is_file());
    env.ok(&["session", "commit", &id]);
    assert!(!record.exists(), "it ended with the session");
    env.error(&["session", "unmount", &id, "/a/other"], 2, "SESSION_ENDED");
}

// F-031: what would hide something, leads nowhere, or shows what nobody may see.
#[test]
fn bad_targets_and_sources_are_refused() {
    let env = TestEnvironment::new();
    let (dir, id) = (data(&env), env.begin());
    env.ok(&["session", "bind", &id, text(&dir), "/data/x"]);
    let base = env.base().canonicalize().unwrap();
    let bind = |source: &str, target: &str, code: &str, flags: &[&str]| {
        let all = [&["session", "bind", &id, source, target], flags].concat();
        env.error(&all, 2, code)
    };
    let inside = base.join("x");
    for target in [
        "data",
        "/",
        "/workspace/x",
        "/input",
        "/sessions/x",
        "/usr/x",
        "/tmp",
        "/a/",
        "/a/../b",
        "/x/.brio",
        text(&base),
        text(&inside),
        text(env.path().parent().unwrap()),
    ] {
        let said = bind(text(&dir), target, "BIND_TARGET", &[]);
        assert!(said.contains("hint: name another place"), "{said}");
    }
    for target in ["/data", "/data/x", "/data/x/y"] {
        bind(text(&dir), target, "BIND_TAKEN", &[]);
    }
    let home = env.home();
    fs::create_dir(base.join("src/inner")).unwrap();
    let all = [
        "/no/such",
        text(&dir.join("f.txt")),
        "/",
        "/proc/self",
        "/sys",
        text(&base),
        text(env.path()),
        text(&home),
        text(&home.join("domains")),
        text(&base.join(".brio")),
    ]
    .map(str::to_owned);
    let link = env.path().join("link");
    symlink(base.join(".brio/sessions"), &link).unwrap();
    for source in all.iter().map(String::as_str).chain([text(&link)]) {
        for flag in ["--ro", "--rw"] {
            bind(source, "/s", "BIND_SOURCE", &[flag]);
        }
    }
    let inner = base.join("src");
    bind(text(&inner), "/s", "BIND_SOURCE", &["--rw"]);
    env.ok(&["session", "bind", &id, text(&inner), "/s"]);
    env.error(&["session", "bind", &id, text(&dir), "/t", "--ro", "--rw"], 2, "USAGE");
    env.error(&["session", "mount", &id, "landing:7", "/m"], 2, "LANDING_UNKNOWN");
    env.error(&["session", "mount", &id, "landing:x", "/m"], 2, "USAGE");
    env.error(
        &["session", "mount", &id, "sess-00000000-0000-4000-8000-000000000000", "/m"],
        2,
        "SESSION_UNKNOWN",
    );
    // In all, not more than a run can show.
    for n in 2..32 {
        env.ok(&["session", "bind", &id, text(&dir), &format!("/many/{n}"), "--quiet"]);
    }
    bind(text(&dir), "/many/more", "BIND_MANY", &[]);
    assert_eq!(shown(&env, &id).as_array().unwrap().len(), 32);
}

// F-031: links in a bind lead nowhere else, and state is shown to nobody.
#[test]
fn a_bind_does_not_lead_out_and_shows_no_state() {
    let env = TestEnvironment::new();
    let (dir, id) = (data(&env), env.begin());
    fs::write(env.path().join("secret"), "secret").unwrap();
    symlink("../secret", dir.join("up")).unwrap();
    symlink(env.path().join("secret"), dir.join("absolute")).unwrap();
    symlink("d/../f.txt", dir.join("inside")).unwrap();
    // Another base, which Brio knows, somewhere below.
    let inner = dir.join("d/base");
    fs::create_dir(&inner).unwrap();
    env.ok(&["session", "begin", text(&inner)]);
    assert!(inner.join(".brio").is_dir());
    env.ok(&["session", "bind", &id, text(&dir), "/data", "--rw"]);
    let steps = [
        "mount\t1",
        "read-path\tup",
        "read-path\tabsolute",
        "read-path\tinside",
        "write-path\tup\t0\t1\t1",
        "read-path\t../secret",
        "list\td/base",
        "stat\td/base/.brio\tno",
        "enter\td",
        "read-path\t../f.txt",
    ];
    let said = script(&env, &id, &[], &steps);
    let no = "not-permitted";
    assert_eq!([&said[1], &said[2], &said[4], &said[5], &said[9]], [no; 5]);
    assert!(said[3].starts_with("bytes 13 "), "{}", said[3]);
    assert_eq!((said[6].as_str(), said[7].as_str()), ("names", "no-entry"));
    let said = refused(&env, &id, &["--preopen"], "BIND_NOT_SHOWN");
    assert!(said.contains("without --preopen"), "{said}");
    if rooms("a_bind_does_not_lead_out_and_shows_no_state") {
        let script = "cat /data/up /data/absolute /data/inside; ls -A /data/d/base/.brio; \
                      rm -r /data/d/base";
        let ran = env.brio(&["session", "exec", &id, "--", "/bin/sh", "-c", script]);
        assert_eq!(ran.stdout, "from outside\n", "{}", ran.stderr);
        assert!(inner.join(".brio/claim").is_file());
    }
    assert_eq!(fs::read_to_string(env.path().join("secret")).unwrap(), "secret");
}

// F-003, F-032: a record survives what kills a run, and goes with the session.
#[test]
fn a_killed_run_leaves_the_record() {
    let env = TestEnvironment::new();
    let (dir, id, other) = (data(&env), env.begin(), env.begin());
    env.ok(&["session", "bind", &id, text(&dir), "/data"]);
    env.ok(&["session", "mount", &id, &other, "/other"]);
    let before = shown(&env, &id);
    let spin = guest("spin");
    let mut run = env.command(&["run", &spin, "--session", &id]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("the run began", || env.json(&["session", "show", &id, "--json"]).1["run"] == "live");
    // Others can be shown to the next run while one lives.
    env.ok(&["session", "bind", &id, text(&dir), "/late"]);
    env.ok(&["session", "unbind", &id, "/late"]);
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(shown(&env, &id), before);
    let said = script(&env, &id, &[], &["mount\t1", "list\t.", "mount\t2", "list\t."]);
    assert_eq!(said[1], "names dir:d file:f.txt");
    env.ok(&["session", "rollback", &id]);
    assert!(!env.base().join(".brio/sessions").join(&id).exists());
    assert!(dir.join("f.txt").exists());
}

// F-031: commands see the same, by the kernel.
#[test]
fn a_command_sees_binds() {
    if !rooms("a_command_sees_binds") {
        return;
    }
    let env = TestEnvironment::new();
    let (dir, id, before) = (data(&env), env.begin(), env.snapshot());
    let second = env.path().canonicalize().unwrap().join("second");
    fs::create_dir_all(second.join(".git/hooks")).unwrap();
    env.ok(&["session", "bind", &id, text(&dir), "/data"]);
    env.ok(&["session", "bind", &id, text(&second), "/deep/er/second", "--rw"]);
    let script = "cat /data/f.txt; ls /deep/er; echo made > /deep/er/second/made; \
                  echo x > /data/x; rm /data/f.txt; ln /data/f.txt /data/l; touch /data/f.txt; \
                  mv /data/f.txt /deep/er/second/; echo x > /deep/er/second/.git/hooks/x; \
                  echo mine > mine";
    let ran = env.brio(&["session", "exec", &id, "--", "/bin/sh", "-c", script]);
    assert_eq!(ran.stdout, "from outside\nsecond\n", "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("Read-only file system").count(), 6, "{}", ran.stderr);
    assert_eq!(fs::read_to_string(second.join("made")).unwrap(), "made\n");
    assert_eq!(fs::read_to_string(dir.join("f.txt")).unwrap(), "from outside\n");
    let (_, doc) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!(doc["changes"], json!({"added": ["mine"], "modified": [], "removed": []}));
    let grant = [
        "session",
        "exec",
        &id,
        "--grant",
        "vcs",
        "--",
        "/bin/sh",
        "-c",
        "echo x > /deep/er/second/.git/hooks/x",
    ];
    env.ok(&grant);
    let plain = ["session", "exec", &id, "--unconfined", "--", "/bin/true"];
    let said = env.error(&plain, 125, "BIND_NOT_SHOWN");
    assert!(said.contains("hint: run it confined, or take it away first"), "{said}");
    fs::rename(&dir, env.path().join("elsewhere")).unwrap();
    env.error(&["session", "exec", &id, "--", "/bin/true"], 125, "BIND_GONE");
    symlink(&second, &dir).unwrap();
    env.error(&["session", "exec", &id, "--", "/bin/true"], 125, "BIND_GONE");
    env.ok(&["session", "commit", &id]);
    assert_eq!(env.read("mine"), "mine\n");
    assert_eq!(env.snapshot().len(), before.len() + 1, "nothing else landed");
}

// In the plain form a directory is shown as it is, and what cannot be is refused.
#[test]
fn the_plain_form_shows_directories() {
    let env = TestEnvironment::new();
    let (dir, id) = (data(&env), env.begin());
    let second = env.path().canonicalize().unwrap().join("second");
    fs::create_dir(&second).unwrap();
    env.ok(&["session", "bind", &id, text(&dir), "/data"]);
    env.ok(&["session", "bind", &id, text(&second), "/second", "--rw"]);
    let steps = [
        "mount\t1",
        "list\t.",
        "open\t0\tf.txt\tw",
        "open\t0\tnew\twc",
        "mkdir\tx",
        "rename\tf.txt\tx",
        "link\tf.txt\tx",
        "unlink\tf.txt",
        "set-times\tf.txt\t1\t0",
        "symlink\tf.txt\tx",
        "rmdir\td/e",
        "link-to\t2\tf.txt\tx",
        "rename-to\t2\tf.txt\tx",
        "mount\t2",
        "open\t1\tmade\twc",
        "write\t1\t0\t65\t3",
        "link-to\t1\tmade\tx",
        "rename-to\t1\tmade\tx",
    ];
    let said = script(&env, &id, &["--preopen"], &steps);
    assert_eq!(said[1], "names dir:d file:f.txt");
    let answer = |n: usize| (steps[n], said[n].as_str());
    for n in (2..13).chain([16, 17]) {
        let (step, said) = answer(n);
        assert!(["read-only", "not-permitted"].contains(&said), "{step}: {said}");
    }
    assert_eq!(&said[14..16], ["done", "len 3"]);
    assert_eq!(fs::read_to_string(second.join("made")).unwrap(), "ABC");
    assert_eq!(fs::read_dir(&second).unwrap().count(), 1);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    assert_eq!(fs::read_to_string(dir.join("f.txt")).unwrap(), "from outside\n");
    assert_eq!(env.ok(&["session", "diff", &id]), "");
}

//! The session manager: seeing every session, ending any run, throwing away what nobody needs.

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{TestEnvironment, guest, ran, until};
use serde_json::{Value, json};

/// All of the state but the journal and the reserve.
const STATE: [&str; 4] = ["sessions", "landings", "staging", "trash"];

/// A guest that spins, or sleeps or writes, in a session of its own; which that is.
fn spinning(env: &TestEnvironment, args: &[&str]) -> (Child, String) {
    let spin = guest("spin");
    let mut all = vec!["run", &spin, "--goal", "never ends", "--"];
    all.extend(args);
    let mut command = env.command(&all);
    let run = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut id = String::new();
    until("a live run", || {
        let live = listed(env).into_iter().find(|s| s["run"] == "live");
        id = live.map(|s| text(&s["id"])).unwrap_or_default();
        !id.is_empty()
    });
    (run, id)
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn listed(env: &TestEnvironment) -> Vec<Value> {
    let (status, list) = env.json(&["session", "list", "--json"]);
    assert_eq!(status, 0, "{list}");
    list["sessions"].as_array().expect("an array").clone()
}

fn signal(pid: u32, signal: &str) {
    let done = Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(done.expect("kill").success());
}

// F-041, F-082, T12: a run is ended in a loop that calls nothing, and while it waits; its session
// goes with it, and the command that ran it says that it was stopped.
#[test]
fn kill_ends_a_run_and_its_session() {
    let env = TestEnvironment::new();
    let before = env.snapshot();
    for how in [&[][..], &["sleep"], &["write"]] {
        let (run, id) = spinning(&env, how);
        let (status, killed) = env.json(&["session", "kill", &id[..14], "--json"]);
        assert_eq!((status, &killed["ending"]), (0, &json!("rolled-back")), "{killed}");
        assert_eq!(killed["run"]["pid"], run.id(), "{killed}");
        assert_eq!(killed["killed"], false, "it ended when it was asked");
        let run = ran(run.wait_with_output().expect("it ends"));
        assert_eq!(run.status, 4, "{}", run.stderr);
        assert!(run.stderr.contains("error: KILLED: "), "{}", run.stderr);
        assert!(env.open_sessions().is_empty());
        env.error(&["session", "kill", &id], 2, "SESSION_ENDED");
    }
    assert_eq!(env.snapshot(), before);
    env.error(&["session", "kill", "sess-00000000"], 2, "SESSION_UNKNOWN");
}

// F-041: `--keep` leaves what was done so far, also where the run would have thrown it away.
#[test]
fn kill_can_keep_the_session() {
    let env = TestEnvironment::new();
    let (run, id) = spinning(&env, &["write"]);
    until("something written", || {
        env.json(&["session", "show", &id, "--json"]).1["changes"]["added"] != json!([])
    });
    let (status, killed) = env.json(&["session", "kill", &id, "--keep", "--json"]);
    assert_eq!((status, &killed["ending"]), (0, &json!("kept")), "{killed}");
    assert_eq!(ran(run.wait_with_output().expect("it ends")).status, 4);
    let (_, shown) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!((&shown["state"], &shown["run"]), (&json!("open"), &json!("free")), "{shown}");
    assert_ne!(shown["changes"]["added"], json!([]), "its work is there");
    // F-011, F-053: what ran in it is in its log.
    let run = &shown["operations"][0];
    assert_eq!((&run["what"], &run["run"]["purpose"]), (&json!("run"), &json!("run")), "{shown}");
    assert_eq!(run["run"]["program"], "spin");
    assert!(run["run"]["used"]["disk_bytes"].as_u64().expect("bytes") > 0, "{run}");
    assert!(run["run"]["limits"]["memory_bytes"].as_u64().expect("bytes") > 0, "{run}");
    env.ok(&["session", "rollback", &id]);
}

// F-041, F-060: a process that does not answer is spared, until somebody says force.
#[test]
fn kill_forces_only_what_it_may() {
    let env = TestEnvironment::new();
    let (run, id) = spinning(&env, &[]);
    signal(run.id(), "-STOP");
    let kill = ["session", "kill", &id, "--patience", "300ms"];
    env.error(&kill, 5, "SESSION_BUSY");
    assert_eq!(env.open_sessions(), std::slice::from_ref(&id));
    let (status, killed) = env.json(&[&kill[..], &["--force", "--json"]].concat());
    assert_eq!((status, &killed["killed"]), (0, &json!(true)), "{killed}");
    assert_eq!(killed["ending"], "rolled-back");
    assert_eq!(ran(run.wait_with_output().expect("it ends")).status, 128 + 9);
    assert!(env.open_sessions().is_empty());
}

// F-041: what branches a session goes with it, and its runs end.
#[test]
fn kill_takes_the_children_along() {
    let env = TestEnvironment::new();
    let parent = env.begin();
    let child = env.ok(&["session", "begin", "--parent", &parent]).trim().to_owned();
    let spin = guest("spin");
    let mut run = env.command(&["run", &spin, "--session", &child]);
    let run = run.stderr(Stdio::null()).spawn().expect("it starts");
    until("a live run", || env.json(&["session", "show", &child, "--json"]).1["run"] == "live");
    let (_, killed) = env.json(&["session", "kill", &parent, "--json"]);
    assert_eq!(killed["children"][0]["session"], child, "{killed}");
    assert_eq!(killed["children"][0]["run"]["pid"], run.id(), "{killed}");
    assert_eq!(ran(run.wait_with_output().expect("it ends")).status, 4);
    assert!(env.open_sessions().is_empty());
}

// F-010, F-011, F-060, T12: a run says who it is; one whose process is gone is dead at once, its
// work is kept, and who works there next finds it in the log.
#[test]
fn a_dead_run_is_told_and_its_work_kept() {
    let env = TestEnvironment::new();
    let (mut run, id) = spinning(&env, &["write"]);
    let holder = listed(&env)[0]["holder"].clone();
    assert_eq!((&holder["pid"], &holder["program"]), (&json!(run.id()), &json!("spin")));
    assert!(text(&holder["id"]).starts_with("run-"), "{holder}");
    until("something written", || listed(&env)[0]["changes"] != json!(0));
    signal(run.id(), "-KILL");
    // Nobody has asked for its status: it is a zombie.
    until("a dead session", || listed(&env)[0]["state"] == "dead");
    run.wait().expect("it ends");
    let dead = &listed(&env)[0];
    assert_eq!((&dead["run"], &dead["holder"]["id"]), (&json!("dead"), &holder["id"]), "{dead}");
    assert_ne!(dead["changes"], json!(0), "its work is kept");
    // Collecting garbage is no sign of life.
    env.ok(&["gc"]);
    assert_eq!(listed(&env)[0]["state"], "dead");
    env.ok(&["run", "hello", "--session", &id]);
    let (_, shown) = env.json(&["session", &id, "--json"]);
    assert_eq!(shown["state"], "open", "{shown}");
    let told: Vec<_> = shown["operations"].as_array().expect("a log").iter().collect();
    assert_eq!(told[0]["what"], "run-died", "{shown}");
    assert_eq!(told[0]["run"]["id"], holder["id"]);
    assert_eq!(told[1]["run"]["program"], "hello");
    let words = env.ok(&["session", &id]);
    assert!(words.contains("its process was gone"), "{words}");
}

// F-042, F-061, T5, T19: what nobody needs goes, with all its bytes; what somebody works in stays.
#[test]
fn purge_spares_the_living_and_frees_the_rest() {
    let env = TestEnvironment::new();
    env.ok(&["session", "rollback", &env.begin()]);
    let (before, empty) = (env.snapshot(), env.taken(&STATE));
    for _ in 0..3 {
        let id = env.begin();
        env.ok(&["run", &guest("spammer"), "--session", &id, "--", "bytes", "70000"]);
        env.ok(&["session", "begin", "--parent", &id]);
    }
    let (run, live) = spinning(&env, &[]);
    env.error(&["session", "purge"], 2, "USAGE");
    let (_, plan) = env.json(&["session", "purge", "--dry-run", "--json"]);
    assert_eq!(plan["dry_run"], true);
    assert_eq!(env.open_sessions().len(), 7, "nothing was changed");
    let (status, done) = env.json(&["session", "purge", "--yes", "--json"]);
    assert_eq!(status, 0, "{done}");
    let sessions = done["sessions"].as_array().expect("an array");
    assert_eq!(sessions.iter().filter(|s| s["purged"] == true).count(), 6, "{done}");
    let spared = sessions.iter().find(|s| s["id"] == *live).expect("it is named");
    assert_eq!(spared["why"], format!("process {} works in it", run.id()));
    let freed = done["bytes_freed"].as_u64().expect("bytes");
    assert!(freed > 3 * 70_000, "{freed}");
    assert_eq!(env.open_sessions(), std::slice::from_ref(&live));
    env.ok(&["session", "purge", "--force", "--yes"]);
    assert_eq!(ran(run.wait_with_output().expect("it ends")).status, 4);
    assert!(env.open_sessions().is_empty());
    assert_eq!((env.snapshot(), env.taken(&STATE)), (before, empty), "every byte is free again");
    let said = env.brio(&["session", "-p"]);
    assert!(said.status == 0 && said.stderr.contains("nothing to throw away"), "{}", said.stderr);
}

// F-042: a purge of some.
#[test]
fn purge_takes_only_what_was_asked_for() {
    let env = TestEnvironment::new();
    let (open, parent) = (env.begin(), env.begin());
    let child = env.ok(&["session", "begin", "--parent", &parent]).trim().to_owned();
    let purge = |flags: &[&str]| {
        let (status, done) = env.json(&[&["session", "purge", "--yes", "--json"], flags].concat());
        assert_eq!(status, 0, "{done}");
        done["sessions"].as_array().expect("an array").len()
    };
    assert_eq!(purge(&["--older-than", "1h"]), 0);
    assert_eq!(purge(&["--state", "conflicted", "--state", "dead"]), 0);
    let other = env.path().join("other");
    std::fs::create_dir(&other).expect("a base");
    env.ok(&["session", "begin", other.to_str().expect("text")]);
    assert_eq!(purge(&["--base", other.to_str().expect("text")]), 1);
    assert_eq!(env.open_sessions(), [open.clone(), parent, child]);
    env.error(&["session", "purge", "--state", "nonsense"], 2, "USAGE");
    // What is on a disk that is away is not thrown away.
    std::fs::rename(env.base(), env.path().join("moved")).expect("moved");
    let mut away = env.command(&["session", "purge", "--state", "lost", "--yes", "--json"]);
    let said = ran(away.current_dir(&other).output().expect("it runs"));
    let done: Value = serde_json::from_str(&said.stdout).expect("a document");
    let lost = done["sessions"].as_array().expect("an array");
    assert_eq!(lost.iter().filter(|s| s["purged"] == false).count(), 3, "{done}");
    assert!(text(&lost[0]["why"]).contains("--forget-lost"), "{done}");
    std::fs::rename(env.path().join("moved"), env.base()).expect("moved");
    assert_eq!(env.open_sessions().len(), 3, "they are back with it");
}

// F-002: one who asks for a session that is there gets it; two who ask at once get the same.
#[test]
fn begin_can_reuse_what_is_open() {
    let env = TestEnvironment::new();
    let ask = ["session", "begin", "--reuse", "--json"];
    let children: Vec<_> = (0..8)
        .map(|_| env.command(&ask).stdout(Stdio::piped()).spawn().expect("it starts"))
        .collect();
    let ids: std::collections::BTreeSet<_> = children
        .into_iter()
        .map(|child| {
            let said = ran(child.wait_with_output().expect("it ends"));
            let begun: Value = serde_json::from_str(&said.stdout).expect("a document");
            text(&begun["session"])
        })
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let (_, again) = env.json(&ask);
    assert_eq!(again["reused"], true);
    // Another directory, another session; so it is for one that sees something else.
    let (_, below) = env.json(&["session", "begin", "src", "--reuse", "--json"]);
    assert_eq!(below["reused"], false, "{below}");
    let (_, less) = env.json(&["session", "begin", "--reuse", "--exclude", "*.o", "--json"]);
    assert_eq!(less["reused"], false, "{less}");
    assert_eq!(env.open_sessions().len(), 3);
    env.ok(&["session", "rollback", &text(&again["session"])]);
    assert_eq!(env.json(&ask).1["reused"], false, "one that has ended is not reused");
}

// F-040, F-043: the short forms.
#[test]
fn short_forms_mean_the_commands() {
    let env = TestEnvironment::new();
    let id = env.begin();
    for list in ["-l", "--list"] {
        assert_eq!(env.ok(&["session", list]), env.ok(&["session", "list"]));
    }
    assert_eq!(env.ok(&["session", &id[..13]]), env.ok(&["session", "show", &id]));
    env.ok(&["session", "--kill", &id]);
    assert!(env.open_sessions().is_empty());
    env.error(&["session", "-l", "-p"], 2, "USAGE");
    env.error(&["session", "lsit"], 2, "SESSION_UNKNOWN");
    assert_eq!(env.brio(&["session"]).status, 2);
}

// F-061, F-070: so many and no more; what ended elsewhere is not counted.
#[test]
fn sessions_are_limited() {
    let env = TestEnvironment::new();
    let limited = |args: &[&str]| {
        let mut command = env.command(args);
        ran(command.env("BRIO_MAX_SESSIONS", "2").output().expect("it runs"))
    };
    let (first, _) = (env.begin(), env.begin());
    let said = limited(&["session", "begin"]);
    assert_eq!(said.status, 5, "{}", said.stderr);
    assert!(said.stderr.contains("error: SESSION_LIMIT: 2 sessions are open"), "{}", said.stderr);
    assert_eq!(limited(&["run", "hello"]).status, 5);
    // By a process with another index.
    let mut elsewhere = env.command(&["session", "rollback", &first]);
    let other = env.path().join("other-home");
    assert_eq!(ran(elsewhere.env("BRIO_HOME", other).output().expect("it runs")).status, 0);
    assert_eq!(limited(&["run", "hello"]).status, 0);
    let mut full = env.command(&["session", "begin"]);
    let said = ran(full.env("BRIO_MIN_FREE", "100000TiB").output().expect("it runs"));
    assert_eq!(said.status, 5, "{}", said.stderr);
    assert!(said.stderr.contains("error: LOW_DISK: "), "{}", said.stderr);
    assert_eq!(env.open_sessions().len(), 1);
}

// F-052, F-061, B-024: the index may be lost, or broken; nothing is lost with it.
#[test]
fn a_broken_index_is_made_anew() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let index = env.home().join("metadata.db");
    let remove = |name: &str| {
        let _ = std::fs::remove_file(env.home().join(name));
    };
    let whole = std::fs::read(&index).expect("an index");
    for broken in [&b"this is no database, and was never one"[..], &whole[..whole.len() / 2]] {
        ["metadata.db-wal", "metadata.db-shm"].iter().for_each(|name| remove(name));
        std::fs::write(&index, broken).expect("broken");
        let said = env.brio(&["doctor", "--rebuild"]);
        assert_eq!(said.status, 0, "{}", said.stderr);
        assert!(said.stderr.contains("1 sessions of 1 bases"), "{}", said.stderr);
        assert_eq!(env.open_sessions(), std::slice::from_ref(&id));
    }
    std::fs::write(&index, "no database").expect("broken");
    ["metadata.db-wal", "metadata.db-shm"].iter().for_each(|name| remove(name));
    let said = env.brio(&["session", "list"]);
    assert!(said.status == 0 && said.stdout.contains(&id), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("was broken"), "{}", said.stderr);
    assert!(env.home().join("metadata.db.broken").exists(), "it is put aside");
    // What the home has forgotten as well is found by its directory.
    ["metadata.db", "metadata.db-wal", "metadata.db-shm"].iter().for_each(|name| remove(name));
    std::fs::remove_dir_all(env.home().join("domains")).expect("forgotten");
    let base = env.base();
    let mut rebuild = env.command(&["doctor", "--rebuild", base.to_str().expect("text")]);
    assert_eq!(ran(rebuild.current_dir("/").output().expect("it runs")).status, 0);
    let mut list = env.command(&["session", "list"]);
    let said = ran(list.current_dir("/").output().expect("it runs"));
    assert!(said.stdout.contains(&id), "{}", said.stdout);
}

// F-040, F-042: as a person sees it.
#[cfg(target_os = "linux")]
#[test]
fn a_person_sees_a_table_and_is_asked() {
    use common::pty::Pty;
    let env = TestEnvironment::new();
    let goal = "a goal that is rather too long for what is left of a line of eighty columns";
    env.ok(&["session", "begin", "--goal", goal]);
    let on_terminal = |args: &[&str]| {
        let mut command = env.command(args);
        command.env("TERM", "xterm");
        Pty::start(&mut command, 80)
    };
    let (status, lines, _) = on_terminal(&["session", "list"]).end();
    assert_eq!(status, Some(0));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("ID             STATE       RUN"), "{lines:?}");
    assert_eq!(lines[1], env.base().display().to_string());
    assert!(lines[2].contains("  open        -") && lines[2].ends_with('…'), "{lines:?}");
    for (answer, left) in [("n\n", 1), ("\n", 1), ("y\n", 0)] {
        let mut asked = on_terminal(&["session", "purge"]);
        while !asked.more().is_some_and(|lines| lines.iter().any(|l| l.contains("[y/N]"))) {}
        asked.say(answer);
        let (status, lines, _) = asked.end();
        assert_eq!(status, Some(0), "{lines:?}");
        assert_eq!(env.open_sessions().len(), left, "{answer:?}: {lines:?}");
    }
}

// F-004, F-052: where the home cannot be written, bases that it knows are worked on as ever; what
// would have to be written down there is refused with the reason, and nothing is lost.
#[cfg(target_os = "linux")]
#[test]
fn a_home_that_cannot_be_written_is_no_end() {
    use common::{NOBODY, as_nobody, chmod};
    if !common::is_root() {
        return common::skip("a_home_that_cannot_be_written_is_no_end: only root is another user");
    }
    let env = TestEnvironment::new();
    chmod(env.path(), 0o755);
    for path in ["", "src", "src/lib.rs", "notes.txt"] {
        let theirs = std::os::unix::fs::chown(env.base().join(path), Some(NOBODY), Some(NOBODY));
        theirs.expect("given away");
    }
    let fresh = env.path().join("fresh");
    std::fs::create_dir(&fresh).expect("a base");
    std::os::unix::fs::chown(&fresh, Some(NOBODY), Some(NOBODY)).expect("given away");
    let said = as_nobody(&env, &["session", "begin"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    let id = said.stdout.trim().to_owned();
    let home = env.path().join("nobody");
    let places = |mode: u32, of_file: u32| {
        fn all(path: &Path, mode: u32, of_file: u32) {
            if path.is_dir() {
                chmod(path, 0o700);
                let inside = std::fs::read_dir(path).expect("a directory");
                inside.for_each(|e| all(&e.expect("an entry").path(), mode, of_file));
                chmod(path, mode);
            } else {
                chmod(path, of_file);
            }
        }
        all(&home, mode, of_file);
    };
    for remove in [false, true] {
        if remove {
            // Nor is there an index, or one may be made.
            for name in ["metadata.db", "metadata.db-wal", "metadata.db-shm"] {
                let _ = std::fs::remove_file(home.join("brio").join(name));
            }
        }
        places(0o500, 0o400);
        for look in [&["session", "list"][..], &["session", "show", &id], &["session", "diff", &id]]
        {
            let said = as_nobody(&env, look);
            assert_eq!(said.status, 0, "{look:?}: {}", said.stderr);
            assert!(said.stderr.contains("cannot be written"), "{look:?}: {}", said.stderr);
        }
        assert!(as_nobody(&env, &["session", "list"]).stdout.contains(&id));
        // A base that the home knows can be worked on: what is true of it lies in it.
        let said = as_nobody(&env, &["session", "begin"]);
        assert_eq!(said.status, 0, "{}", said.stderr);
        let new = said.stdout.trim();
        assert!(as_nobody(&env, &["session", "list"]).stdout.contains(new));
        assert_eq!(as_nobody(&env, &["session", "rollback", new]).status, 0);
        // One that it does not know cannot be written down.
        let said = as_nobody(&env, &["session", "begin", fresh.to_str().expect("text")]);
        assert_ne!(said.status, 0, "{}", said.stdout);
        assert!(
            said.stderr.contains("error: ") && said.stderr.contains("nobody"),
            "{}",
            said.stderr
        );
        let sessions = std::fs::read_dir(fresh.join(".brio/sessions"));
        assert_eq!(sessions.map_or(0, |dir| dir.count()), 0, "no session is left");
        places(0o700, 0o600);
        assert!(as_nobody(&env, &["session", "list"]).stdout.contains(&id), "nothing was lost");
    }
}

/// What is known is worked on and landed; the index is one for a moment, and right afterwards.
#[test]
fn a_full_disk_of_the_home_is_no_end() {
    let small = match brio_tests::mounted::Mounted::new("tmpfs", 1, "") {
        Ok(mounted) => mounted,
        Err(why) => return brio_tests::skip::skip("a_full_disk_of_the_home_is_no_end", &why),
    };
    let env = TestEnvironment::new();
    let full = |args: &[&str]| {
        let mut command = env.command(args);
        ran(command.env("BRIO_HOME", small.path().join("home")).output().expect("it runs"))
    };
    let fine = |args: &[&str]| {
        let said = full(args);
        assert_eq!(said.status, 0, "{args:?}: {}", said.stderr);
        assert!(said.stderr.contains("its disk is full"), "{args:?}: {}", said.stderr);
        said.stdout
    };
    let id = full(&["session", "begin"]).stdout.trim().to_owned();
    // To the last byte.
    let filling = small.path().join("filling");
    let mut file = std::fs::File::create(&filling).expect("made");
    while std::io::Write::write(&mut file, &[7; 512]).is_ok() {}
    drop(file);
    for broken in [false, true] {
        if broken {
            let index =
                std::fs::File::options().write(true).open(small.path().join("home/metadata.db"));
            std::os::unix::fs::FileExt::write_all_at(&index.expect("there"), b"garbage", 0)
                .expect("it is there already");
        }
        assert!(fine(&["session", "list"]).contains(&id));
        fine(&["session", "show", &id]);
        fine(&["run", "hello", "--task", "Ada"]);
        fine(&["run", "hello", "--task", "Bo", "--sandbox", "process"]);
        fine(&["doctor", "--rebuild"]);
        assert!(env.read("hello.txt").contains("Bo"));
    }
    let fresh = env.path().join("fresh");
    std::fs::create_dir(&fresh).expect("a base");
    let said = full(&["session", "begin", fresh.to_str().expect("text")]);
    assert_eq!(said.status, 5, "a base that is not known cannot be: {}", said.stderr);
    assert!(said.stderr.contains("error: NO_SPACE"), "{}", said.stderr);
    std::fs::remove_file(&filling).expect("removed");
    let listed = full(&["session", "list"]);
    assert!(listed.stdout.contains(&id) && listed.stderr.is_empty(), "{}", listed.stderr);
    assert_eq!(full(&["session", "rollback", &id]).status, 0);
}

//! `brio session export` and `import`.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use brio_tests::mounted::Mounted;
use brio_tests::rng::{Rng, from_env};
use brio_tests::skip::skip;
use brio_tests::tree::{difference, on_disk, same};
use common::{TestEnvironment, ran};

#[test]
fn a_session_goes_out_and_comes_back() {
    let env = TestEnvironment::new();
    fs::write(env.base().join(".brioignore"), "target/\n").expect("written");
    let id = env.begin();
    let out = env.path().join("out");
    let dir = out.to_str().expect("UTF-8");
    let (status, told) = env.json(&["session", "export", &id, dir, "--json"]);
    assert_eq!((status, &told["schema"], &told["files"]), (0, &1.into(), &3.into()), "{told}");
    assert_eq!((&told["dirs"], &told["bytes"]), (&1.into(), &59.into()), "{told}");
    assert_eq!(told["left_out"], serde_json::json!([]));
    assert_eq!(env.ok(&["session", "import", &id, dir]), "nothing\n");

    fs::write(out.join("notes.txt"), "one\ntwo\nthree\nfour\n").expect("written");
    fs::remove_file(out.join("src/lib.rs")).expect("removed");
    fs::create_dir(out.join("target")).expect("made");
    let (_, told) = env.json(&["session", "import", &id, dir, "--dry-run", "--json"]);
    assert_eq!((&told["dry_run"], &told["excluded"]), (&true.into(), &1.into()), "{told}");
    assert_eq!(told["changes"].as_array().map(Vec::len), Some(2), "{told}");
    assert_eq!(told["vcs_differs"], false);
    assert_eq!(env.ok(&["session", "diff", &id]), "", "a look changes nothing");
    let stat = env.ok(&["session", "import", &id, dir]);
    assert_eq!(stat, env.ok(&["session", "diff", &id, "--stat"]));
    assert!(
        stat.contains("notes.txt  | +1 -0") && stat.contains("1 modified, 1 removed"),
        "{stat}"
    );
    env.ok(&["session", "commit", &id]);
    assert_eq!(env.read("notes.txt"), "one\ntwo\nthree\nfour\n");
    assert!(!env.base().join("src/lib.rs").exists());
}

#[test]
fn what_is_in_a_directory_that_nobody_may_write_comes_back_too() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let out = env.path().join("out");
    let dir = out.to_str().expect("UTF-8");
    let chmod = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    };
    for path in [env.base(), env.base().join("src")] {
        chmod(&path, 0o555);
    }
    env.ok(&["session", "export", &id, dir]);
    for path in [out.clone(), out.join("src")] {
        chmod(&path, 0o755);
        fs::write(path.join("new"), "new\n").expect("written");
        chmod(&path, 0o555);
    }
    env.ok(&["session", "import", &id, dir]);
    assert_eq!(env.ok(&["session", "diff", &id, "--name-status"]), "A\tnew\nA\tsrc/new\n");
    for path in [env.base(), env.base().join("src"), out.clone(), out.join("src")] {
        chmod(&path, 0o755);
    }
}

#[test]
fn what_is_refused_says_why_and_what_next() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let e = env.error(&["session", "export", &id, "here"], 2, "EXPORT_INSIDE");
    assert!(e.contains("hint: "), "{e}");
    env.error(&["session", "export", &id, env.home().to_str().expect("UTF-8")], 2, "EXPORT_INSIDE");
    env.error(&["session", "export", &id, "/"], 2, "EXPORT_EXISTS");
    env.error(&["session", "import", &id, "/no/such"], 5, "IO");
    env.error(&["session", "import", "sess-no", "/"], 2, "SESSION_UNKNOWN");
}

// Ctrl-C: exit 130, and nothing is left.
#[test]
fn an_interrupted_export_leaves_nothing() {
    let env = TestEnvironment::new();
    for n in 0..200 {
        fs::create_dir(env.base().join(n.to_string())).expect("made");
        for m in 0..40 {
            env.write(&format!("{n}/{m}"), "content");
        }
    }
    let id = env.begin();
    let before = names(env.path());
    let mut command = env.command(&["session", "export", &id, "../out"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let begun = Instant::now();
    // The export has begun when its working directory is there.
    while names(env.path()) == before && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_micros(200));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("signalled");
    let ran = ran(child.wait_with_output().expect("ends"));
    assert_eq!(ran.status, 130, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.starts_with("error: INTERRUPTED: "), "{}", ran.stderr);
    assert_eq!(names(env.path()), before);
    env.ok(&["session", "export", &id, "../out"]);
    assert_eq!(env.ok(&["session", "import", &id, "../out"]), "nothing\n");
}

#[test]
fn a_killed_export_or_import_leaves_all_or_nothing() {
    let env = TestEnvironment::new();
    for n in 0..300 {
        env.write(&format!("{n}"), &format!("content {n}"));
    }
    let id = env.begin();
    let mut rng = Rng::new(from_env("BRIO_SEED", 1));
    let mut killed = |args: &[&str], usual: &mut Duration| {
        let begun = Instant::now();
        let mut command = env.command(args);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        let after = Duration::from_micros(rng.next_u64() % (usual.as_micros() as u64 * 5 / 4));
        std::thread::sleep(after);
        let _ = child.kill();
        let ended = child.wait().expect("ends").success();
        if ended {
            *usual = begun.elapsed();
        }
        ended
    };

    let (mut left, mut whole) = (0, 0);
    let out = env.path().join("out");
    let before = on_disk(&env.base());
    let begun = Instant::now();
    env.ok(&["session", "export", &id, "../first"]);
    let mut usual = begun.elapsed();
    for _ in 0..30 {
        let ended = killed(&["session", "export", &id, "../out"], &mut usual);
        if out.exists() {
            assert_eq!(difference(&on_disk(&out), &before), Vec::<String>::new());
            fs::remove_dir_all(&out).expect("removed");
            whole += 1;
        } else {
            assert!(!ended, "it said that it was done");
        }
        left += usize::from(names(env.path()).iter().any(|name| name.starts_with(".out.brio-")));
    }
    env.ok(&["session", "export", &id, "../out"]);
    assert!(!names(env.path()).iter().any(|name| name.starts_with('.')), "the next one cleans up");

    let (mut old, mut new) = (0, 0);
    fs::write(out.join("first"), "first").expect("written");
    let begun = Instant::now();
    env.ok(&["session", "import", &id, "../out"]);
    usual = begun.elapsed();
    for round in 0..30 {
        let stat = env.ok(&["session", "diff", "--stat", &id]);
        for n in 0..20 {
            fs::write(out.join(format!("{}", round * 7 + n)), format!("{round}")).expect("written");
        }
        fs::write(out.join(format!("new {round}")), "new").expect("written");
        fs::remove_file(out.join(format!("{}", 299 - round))).expect("removed");
        let ended = killed(&["session", "import", &id, "../out"], &mut usual);
        if env.ok(&["session", "diff", "--stat", &id]) == stat {
            assert!(!ended, "it said that it was done");
            old += 1;
        } else {
            assert_eq!(env.ok(&["session", "import", &id, "../out"]), "nothing\n", "all of it");
            new += 1;
        }
    }
    eprintln!("exports: {left} left something, {whole} whole; imports: {old} old, {new} new");
    env.ok(&["session", "import", &id, "../out"]);
    env.ok(&["session", "commit", &id]);
    same(&on_disk(&env.base()), &on_disk(&out), "what was imported landed");
}

fn names(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).expect("a directory").map(|e| e.expect("an entry").file_name());
    let mut names: Vec<_> = names.map(|n| n.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

// Read-only directories and files are no obstacle to their owner.
#[test]
fn an_ordinary_user_exports_and_imports() {
    let env = TestEnvironment::new();
    let user = rustix::process::geteuid().is_root().then_some(65534);
    let closed = env.base().join("closed");
    fs::create_dir(&closed).expect("made");
    fs::write(closed.join("f"), "old").expect("written");
    for (path, mode) in [(closed.join("f"), 0o444), (closed.clone(), 0o555)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    }
    let run = |args: &[&str]| -> Output {
        let mut command = env.command(args);
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command.output().expect("brio starts")
    };
    if let Some(user) = user {
        let own = format!("{user}:{user}");
        Command::new("chown").args(["-R", &own]).arg(env.path()).status().expect("chown");
        if Command::new(env!("CARGO_BIN_EXE_brio"))
            .arg("--version")
            .uid(user)
            .gid(user)
            .output()
            .is_err()
        {
            return skip("an_ordinary_user_exports_and_imports", "brio cannot be run by others");
        }
    }
    let ok = |args: &[&str]| {
        let ran = ran(run(args));
        assert_eq!(ran.status, 0, "{args:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    };
    let id = ok(&["session", "begin"]).trim_end().to_owned();
    let out = env.path().join("out");
    ok(&["session", "export", &id, "../out"]);
    assert_eq!(ok(&["session", "import", &id, "../out"]), "nothing\n");
    let set = |path: &str, mode| {
        fs::set_permissions(out.join(path), fs::Permissions::from_mode(mode)).expect("set");
    };
    set("closed", 0o755);
    set("closed/f", 0o644);
    fs::write(out.join("closed/f"), "new").expect("written");
    fs::write(out.join("closed/g"), "more").expect("written");
    set("closed/f", 0o444);
    set("closed/g", 0o400);
    if let Some(user) = user {
        let own = format!("{user}:{user}");
        Command::new("chown").args(["-R", &own]).arg(&out).status().expect("chown");
    }
    set("closed", 0o555);
    let stat = ok(&["session", "import", &id, "../out"]);
    assert!(stat.contains("1 added, 1 modified"), "{stat}");
    ok(&["session", "export", &id, "../again"]);
    let again = env.path().join("again/closed");
    assert_eq!(fs::read_to_string(again.join("f")).expect("read"), "new");
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o7777;
    assert_eq!(
        (mode(&again), mode(&again.join("f")), mode(&again.join("g"))),
        (0o555, 0o444, 0o400)
    );
    // Their temporary directory can be removed again by anybody who runs this.
    for dir in [closed, out.join("closed"), again] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("set");
    }
}

// B-114, B-117: a full disk leaves no half export, and a session as it was.
#[test]
fn a_full_disk_leaves_all_as_it_was() {
    let small = match Mounted::new("tmpfs", 4, "") {
        Ok(mounted) => mounted,
        Err(why) => return skip("a_full_disk_leaves_all_as_it_was", &why),
    };
    let env = TestEnvironment::new();
    fs::write(env.base().join("big"), vec![7; 3 << 20]).expect("written");
    let id = env.begin();
    let out = small.path().join("out");
    let dir = out.to_str().expect("UTF-8");
    let e = env.error(&["session", "export", &id, dir], 5, "NO_SPACE");
    assert!(e.contains("Insufficient") && e.contains("hint: "), "{e}");
    // The guards let it through, the disk does not.
    fs::write(small.path().join("else"), vec![7; 2 << 20]).expect("written");
    let ran = ran(env
        .command(&["session", "export", &id, dir])
        .env("BRIO_DISK_SHARE", "1000")
        .env("BRIO_DISK_FACTOR", "0")
        .output()
        .expect("brio starts"));
    assert_eq!(ran.status, 5, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: NO_SPACE: "), "{}", ran.stderr);
    assert_eq!(names(&small.path()), ["else"]);

    // A session on the full disk.
    let base = small.dir("base");
    let id = env.ok(&["session", "begin", base.to_str().expect("UTF-8")]).trim_end().to_owned();
    env.error(&["session", "import", &id, env.base().to_str().expect("UTF-8")], 5, "NO_SPACE");
    assert_eq!(env.ok(&["session", "diff", &id]), "");
    fs::remove_file(small.path().join("else")).expect("removed");
    env.ok(&["session", "import", &id, env.base().join("src").to_str().expect("UTF-8")]);
    assert!(env.ok(&["session", "diff", &id, "--stat"]).contains("1 added"));
}

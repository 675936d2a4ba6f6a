//! Projects in stores, by the binary: two homes are two machines, and a third place is the store: a
//! directory, or the server that `tests/harness/s3/run` starts.
//!
//! `BRIO_STORE_KILLS=300 cargo test -p brio-cli --test stores -- --nocapture killed` is the long
//! form of the kills.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use brio_tests::rng::{Rng, from_env};
use common::{TestEnvironment, until};
use serde_json::Value;

const PROJECT: &str = "acme/web";

/// A store, and one machine whose base is in it.
struct Team {
    store: tempfile::TempDir,
    a: TestEnvironment,
}

impl Team {
    fn new() -> Self {
        let team = Self { store: tempfile::tempdir().unwrap(), a: TestEnvironment::new() };
        team.bind(&team.a);
        team.a.ok(&["project", "import", "--message", "the beginning"]);
        team
    }

    fn url(&self) -> String {
        match bucket() {
            // A prefix of its own.
            Some(bucket) => {
                let name = self.store.path().file_name().unwrap().to_str().unwrap();
                format!("s3://{bucket}/{}", name.trim_start_matches('.'))
            }
            None => self.store.path().join("store").to_str().unwrap().to_owned(),
        }
    }

    fn bind(&self, machine: &TestEnvironment) {
        machine.ok(&["project", "init", "--store", &self.url(), "--name", PROJECT]);
    }

    /// Another machine, without a directory of the project.
    fn machine(&self) -> TestEnvironment {
        let machine = TestEnvironment::new();
        machine.ok(&["session", "start", "look", "--project", PROJECT, "--store", &self.url()]);
        machine
    }

    /// Another machine, with a directory of the project.
    fn checked_out(&self) -> TestEnvironment {
        let machine = self.machine();
        fs::remove_dir_all(machine.base()).unwrap();
        let base = machine.base();
        fs::create_dir(&base).unwrap();
        machine.ok(&["project", "checkout", ".", "--project", PROJECT]);
        machine
    }
}

/// That of the server which `tests/harness/s3/run` started.
fn bucket() -> Option<String> {
    std::env::var_os("BRIO_S3_ENDPOINT")?;
    Some(std::env::var("BRIO_S3_BUCKET").expect("a bucket"))
}

/// What is about a directory as a store, or about no store at all, is not asked of a server.
fn is_of_directories() -> bool {
    if bucket().is_some() {
        println!("not asked of a server");
    }
    bucket().is_none()
}

fn start(machine: &TestEnvironment, goal: &str) -> String {
    let said = machine.ok(&["session", "start", goal, "--project", PROJECT, "--goal", goal]);
    let id = said.lines().find_map(|line| line.strip_prefix("Session ID: "));
    id.unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// Changes a word in files of a session.
fn replace(machine: &TestEnvironment, id: &str, how: &str, files: &[&str]) {
    let run = ["run", "replace", "--session", id, "--task", how, "--"];
    machine.ok(&[&run, files].concat());
}

/// Adds files to a session.
fn add(machine: &TestEnvironment, id: &str, files: &[(&str, &str)]) {
    let out = machine.path().join("out");
    let _ = fs::remove_dir_all(&out);
    machine.ok(&["session", "export", id, out.to_str().unwrap()]);
    files.iter().for_each(|(name, text)| fs::write(out.join(name), text).unwrap());
    machine.ok(&["session", "import", id, out.to_str().unwrap()]);
}

/// Everything that a session shows.
fn exported(machine: &TestEnvironment, id: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let out = machine.path().join("shown");
    let _ = fs::remove_dir_all(&out);
    machine.ok(&["session", "export", id, out.to_str().unwrap()]);
    let mut all = Vec::new();
    files(&out, &out, &mut all);
    all.sort();
    all
}

fn files(root: &Path, dir: &Path, all: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_owned();
        if name == Path::new(".brio") {
            continue;
        }
        match path.is_dir() {
            true => files(root, &path, all),
            false => all.push((name, fs::read(&path).unwrap())),
        }
    }
}

fn head(machine: &TestEnvironment) -> (u64, String) {
    let (_, status) = machine.json(&["project", "status", "--json"]);
    let head = &status["head"];
    (head["position"].as_u64().unwrap(), head["tree"].as_str().unwrap().to_owned())
}

// M-040, M-042, M-043, M-070, M-072: the worked example of the contract.
#[test]
fn a_landing_makes_the_next_tree_and_leaves_the_one_before() {
    let team = Team::new();
    let a = &team.a;
    let (position, t0) = head(a);
    assert_eq!(position, 1);
    let said = a.ok(&["session", "start", "Add auth", "--goal", "log people in"]);
    let id = said.lines().next().unwrap().strip_prefix("Session ID: ").unwrap().to_owned();
    let tree = said.lines().nth(1).unwrap().strip_prefix("Base Tree: ").unwrap();
    assert!(tree.starts_with(&format!("{t0} (position 1 of {PROJECT} in ")), "{said}");
    add(a, &id, &[("auth.go", "package auth\n"), ("main.go", "package main\n")]);
    // What others see is what it was.
    assert!(!a.base().join("auth.go").exists());
    let (_, landed) = a.json(&["session", "land", &id, "--message", "people can log in", "--json"]);
    assert_eq!((&landed["result"], &landed["landing"]), (&"landed".into(), &2.into()));
    let (position, t1) = head(a);
    assert_eq!((position, landed["head"]["tree"].as_str()), (2, Some(t1.as_str())));
    assert_eq!(a.read("auth.go"), "package auth\n");
    // The tree before is what it was: it can be checked out.
    let old = a.path().join("old");
    a.ok(&["project", "checkout", &t0, old.to_str().unwrap()]);
    assert!(old.join("notes.txt").exists() && !old.join("auth.go").exists());
    let (_, log) = a.json(&["log", "--json"]);
    let newest = &log["landings"][0];
    assert_eq!(newest["landing"], 2);
    assert_eq!(newest["goal"], "log people in");
    assert_eq!(newest["message"], "people can log in");
    assert_eq!(newest["session"], Value::from(id.clone()));
    a.error(&["session", "show", &id], 2, "SESSION_ENDED");
    // The short form lands the current one.
    let id = start(a, "again");
    replace(a, &id, "s/one/eins/", &["notes.txt"]);
    a.ok(&["session", "resume", &id]);
    a.ok(&["land"]);
    assert_eq!((head(a).0, a.read("notes.txt")), (3, "eins\ntwo\nthree\n".into()));
}

// M-002, M-022, M-041, M-044, M-050
#[test]
fn a_session_goes_on_on_another_machine() {
    let team = Team::new();
    let (a, b) = (&team.a, team.machine());
    let id = start(a, "colours");
    replace(a, &id, "s/colour/color/", &["src/lib.rs"]);
    a.ok(&["session", "say", &id, "american spelling, please"]);
    a.ok(&["session", "decide", &id, "one spelling", "--why", "search finds all"]);
    a.error(&["session", "push", "sess-nobody"], 2, "SESSION_UNKNOWN");
    let (_, pushed) = a.json(&["session", "push", &id, "--json"]);
    assert_eq!((&pushed["seq"], &pushed["project"]), (&1.into(), &PROJECT.into()));
    // Only the whole id says which one is meant that was never here.
    b.error(&["session", "show", &id[..12]], 2, "SESSION_UNKNOWN");
    let (_, shown) = b.json(&["session", "show", &id, "--json"]);
    assert_eq!((&shown["goal"], &shown["title"]), (&"colours".into(), &"colours".into()));
    assert_eq!(exported(a, &id), exported(&b, &id));
    let told = b.ok(&["journal", &base_of(&b, &id), "--session", &id]);
    assert!(told.contains("american spelling, please"), "{told}");
    assert!(told.contains("one spelling"), "{told}");
    // Both go on: the second that pushes is told, and loses nothing.
    replace(&b, &id, "s/one/uno/", &["notes.txt"]);
    b.ok(&["session", "push", &id]);
    replace(a, &id, "s/two/zwei/", &["notes.txt"]);
    a.error(&["session", "push", &id], 3, "CONFLICT");
    assert!(a.ok(&["session", "diff", &id]).contains("zwei"));
    // It lands once.
    b.ok(&["session", "land", &id]);
    let e = a.error(&["session", "land", &id], 5, "SESSION_ENDED");
    assert!(e.contains("from another machine"), "{e}");
    assert_eq!(head(a).0, 2);
    a.ok(&["project", "update"]);
    assert_eq!(a.read("notes.txt"), "uno\ntwo\nthree\n");
    let c = team.machine();
    let e = c.error(&["session", "show", &id], 2, "SESSION_ENDED");
    assert!(e.contains("position 2"), "{e}");
}

/// Where a session's base is: of a project without a directory, in the home.
fn base_of(machine: &TestEnvironment, id: &str) -> String {
    let (_, shown) = machine.json(&["session", "show", id, "--json"]);
    shown["base"].as_str().unwrap_or_else(|| panic!("{shown}")).to_owned()
}

/// How often the journal of the directory says that a session conflicts.
fn conflicts_noted(machine: &TestEnvironment, id: &str) -> usize {
    let said = machine.ok(&["journal", "--session", id, "--json"]);
    let lines = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["what"] == "conflict").count()
}

// M-036, M-050
#[test]
fn of_two_machines_one_is_told_why_and_settles_it() {
    let team = Team::new();
    let (a, b) = (&team.a, team.checked_out());
    let (of_a, of_b) = (start(a, "german"), start(&b, "spanish"));
    replace(a, &of_a, "s/one/eins/", &["notes.txt"]);
    replace(&b, &of_b, "s/one/uno/", &["notes.txt"]);
    replace(&b, &of_b, "s/TODO/DONE/", &["src/lib.rs"]);
    // Neither sees the other's.
    assert!(!a.ok(&["session", "diff", &of_a]).contains("uno"));
    a.ok(&["session", "land", &of_a]);
    let e = b.error(&["session", "land", &of_b], 3, "CONFLICT");
    assert!(e.contains("notes.txt") && e.contains("landing 2") && e.contains("german"), "{e}");
    assert_eq!(head(&b).0, 2);
    assert_eq!(b.read("notes.txt"), "one\ntwo\nthree\n");
    // The journal has each try once, whoever found out.
    assert_eq!(conflicts_noted(&b, &of_b), 1);
    b.error(&["session", "land", &of_b, "--policy", "merge"], 3, "CONFLICT");
    assert_eq!(conflicts_noted(&b, &of_b), 2);
    b.ok(&["session", "resolve", &of_b, "--take", "ours", "notes.txt"]);
    let said = b.brio(&["session", "land", &of_b]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(said.stderr.contains("position 3"), "{}", said.stderr);
    a.ok(&["project", "update"]);
    for machine in [a, &b] {
        assert_eq!(machine.read("notes.txt"), "uno\ntwo\nthree\n");
        assert!(machine.read("src/lib.rs").contains("DONE"));
    }
    // Disjoint landings all land, whoever is first.
    let (of_a, of_b) = (start(a, "a"), start(&b, "b"));
    add(a, &of_a, &[("a.txt", "a\n")]);
    add(&b, &of_b, &[("b.txt", "b\n")]);
    a.ok(&["session", "land", &of_a]);
    b.ok(&["session", "land", &of_b]);
    assert_eq!((head(a).0, b.read("a.txt")), (5, "a\n".into()));
}

// What is read counts where a session asks for it.
#[test]
fn what_was_read_counts_where_it_is_asked_for() {
    let team = Team::new();
    let (a, b) = (&team.a, team.checked_out());
    let begin = ["session", "begin", "--isolation", "serializable"];
    let id = b.ok(&begin).trim_end().to_owned();
    replace(&b, &id, "s/TODO/DONE/", &["src/lib.rs"]);
    // It reads the notes, and changes nothing there.
    let looked =
        b.brio(&["run", "replace", "--session", &id, "--task", "s/x/y/", "--", "notes.txt"]);
    assert_eq!(looked.status, 0, "{}", looked.stderr);
    let other = start(a, "german");
    replace(a, &other, "s/one/eins/", &["notes.txt"]);
    a.ok(&["session", "land", &other]);
    let e = b.error(&["session", "land", &id], 3, "CONFLICT");
    assert!(e.contains("notes.txt"), "{e}");
    b.ok(&["session", "land", &id, "--isolation", "snapshot"]);
}

// M-050, M-081: a directory follows, and what a person changed in it is never overwritten.
#[test]
fn a_directory_follows_and_drift_stays() {
    let team = Team::new();
    let (a, b) = (&team.a, team.checked_out());
    a.write("notes.txt", "mine\n");
    let (_, status) = a.json(&["project", "status", "--json"]);
    let drift = |status: &Value| -> Vec<(String, String)> {
        let paths = status["drift"].as_array().unwrap().iter();
        paths.map(|d| (text(&d["path"]), text(&d["change"]))).collect()
    };
    assert_eq!(drift(&status), [("notes.txt".into(), "modified".into())]);
    let id = start(&b, "german");
    replace(&b, &id, "s/one/eins/", &["notes.txt"]);
    replace(&b, &id, "s/TODO/DONE/", &["src/lib.rs"]);
    b.ok(&["session", "land", &id]);
    // A session sees the head, not what lies in the directory, and that is said.
    let mut on_head = String::new();
    until("it is said that something is not imported, where that is found quickly", || {
        let begun = a.brio(&["session", "begin"]);
        on_head = begun.stdout.trim_end().to_owned();
        begun.stderr.contains("1 path is changed")
    });
    let shown = exported(a, &on_head);
    assert!(shown.iter().any(|(_, text)| text == b"eins\ntwo\nthree\n"), "{shown:?}");
    let e = a.error(&["project", "import"], 3, "CONFLICT");
    assert!(e.contains("notes.txt"), "{e}");
    let updated = a.brio(&["project", "update"]);
    assert_eq!(updated.status, 0, "{}", updated.stderr);
    assert!(updated.stderr.contains("notes.txt"), "{}", updated.stderr);
    assert_eq!(
        (a.read("notes.txt"), a.read("src/lib.rs").contains("DONE")),
        ("mine\n".into(), true)
    );
    let (_, status) = a.json(&["project", "status", "--json"]);
    assert_eq!((&status["behind"], drift(&status).len()), (&0.into(), 1));
    // To land it is his decision.
    a.ok(&["project", "import", "--message", "mine"]);
    b.ok(&["project", "update"]);
    assert_eq!(b.read("notes.txt"), "mine\n");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn an_import_is_incremental_and_leaves_out_what_is_ignored() {
    let team = Team::new();
    let a = &team.a;
    a.write(".gitignore", "built\n");
    a.write("built", "large");
    a.write("new.txt", "new\n");
    // What changed just now may change again unseen: it is read once more.
    std::thread::sleep(Duration::from_millis(50));
    let (_, first) = a.json(&["project", "import", "--json"]);
    let counts = |v: &Value| ["added", "modified", "removed"].map(|k| v[k].as_u64().unwrap());
    assert_eq!(counts(&first), [2, 0, 0], "{first}");
    std::thread::sleep(Duration::from_millis(50));
    a.ok(&["project", "import"]);
    fs::remove_file(a.base().join("new.txt")).unwrap();
    let (_, third) = a.json(&["project", "import", "--json"]);
    assert_eq!((counts(&third), &third["files_read"]), ([0, 0, 1], &0.into()), "{third}");
    let (_, none) = a.json(&["project", "import", "--json"]);
    assert_eq!((&none["position"], &none["objects"]), (&Value::Null, &0.into()), "{none}");
    let b = team.checked_out();
    assert!(!b.base().join("built").exists() && b.base().join(".gitignore").exists());
    assert_eq!(head(&b), head(a));
}

// M-043: what a head's history tells and takes back.
#[test]
fn the_history_is_the_heads() {
    let team = Team::new();
    let (a, b) = (&team.a, team.checked_out());
    let id = start(a, "german");
    replace(a, &id, "s/two/zwei/", &["notes.txt"]);
    a.ok(&["session", "land", &id]);
    let landings = |machine: &TestEnvironment, args: &[&str]| -> Vec<u64> {
        let (_, log) = machine.json(&[&["log", "--json"], args].concat());
        let all = log["landings"].as_array().unwrap().iter();
        all.map(|l| l["landing"].as_u64().unwrap()).collect()
    };
    assert_eq!(landings(&b, &[]), [2, 1]);
    assert_eq!(landings(&b, &["--path", "src"]), [1]);
    b.ok(&["project", "update"]);
    let (_, blame) = b.json(&["blame", "notes.txt", "--json"]);
    let by: Vec<_> =
        blame["lines"].as_array().unwrap().iter().map(|l| l["landing"].clone()).collect();
    assert_eq!(by, [1, 2, 1].map(Value::from), "{blame}");
    b.ok(&["undo", "2"]);
    assert_eq!(b.read("notes.txt"), "one\ntwo\nthree\n");
    assert_eq!(landings(a, &[]), [3, 2, 1]);
    a.ok(&["project", "update"]);
    assert_eq!(a.read("notes.txt"), "one\ntwo\nthree\n");
    a.error(&["undo", "2"], 5, "ALREADY_UNDONE");
    a.error(&["undo", "9"], 2, "LANDING_UNKNOWN");
}

// Bad input is said, and loses nothing.
#[test]
fn what_is_wrong_is_said() {
    if !is_of_directories() {
        return;
    }
    let team = Team::new();
    let a = &team.a;
    let fresh = TestEnvironment::new();
    for name in ["..", "acme", "acme/..", "../../etc", "Acme/web", "acme/web/x", ""] {
        fresh.error(
            &["project", "init", "--store", &team.url(), "--name", name],
            2,
            "PROJECT_NAME",
        );
    }
    for url in ["ftp://x/y", "htp:/x", "s3://", "s3://b/../c", "file:store"] {
        fresh.error(&["project", "init", "--store", url, "--name", "acme/x"], 2, "STORE_URL");
    }
    fresh.error(&["project", "status"], 2, "NOT_BOUND");
    assert!(!fresh.base().join(".brio").exists());
    fresh.error(&["project", "status"], 2, "NOT_BOUND");
    let id = fresh.begin();
    fresh.error(&["session", "push", &id], 2, "NOT_SHARED");
    // No keys, and no server.
    let s3 = ["project", "init", "--store", "s3://bucket/prefix", "--name", "acme/x"];
    fresh.error(&s3, 2, "STORE_CREDENTIALS");
    let mut command = fresh.command(&s3);
    command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y");
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let ran = common::ran(command.output().unwrap());
    assert!(ran.stderr.starts_with("error: STORE_UNREACHABLE: "), "{}", ran.stderr);
    // Another project than the one that it belongs to.
    a.error(&["project", "init", "--store", &team.url(), "--name", "acme/other"], 2, "STORE_BOUND");
    a.error(
        &["session", "start", "x", "--project", "acme/none", "--store", &team.url()],
        2,
        "PROJECT_UNKNOWN",
    );
    // A directory with things of its own is no state of the project.
    let e = fresh.error(
        &["project", "init", "--store", &team.url(), "--name", PROJECT],
        2,
        "NOT_SYNCED",
    );
    assert!(e.contains("brio project checkout DIR"), "{e}");
    fresh.error(&["project", "init", "--store", "./inside", "--name", "acme/x"], 2, "STORE_URL");
    fresh.ok(&["project", "init", "--store", "--name", "acme/mine"]);
    fresh.ok(&["project", "init", "--store"]);
    fresh.error(&["session", "begin"], 2, "NOT_SYNCED");
    a.error(&["project", "checkout", "sha256:12", "x"], 2, "TREE_INVALID");
    a.error(&["project", "checkout", "src"], 2, "CHECKOUT_NOT_EMPTY");
    assert_eq!(head(a).0, 1);
}

// Who follows does not have others run programs as him.
#[test]
fn set_id_bits_do_not_come_along() {
    use std::os::unix::fs::PermissionsExt;
    let team = Team::new();
    let (a, b) = (&team.a, team.checked_out());
    let mode =
        |m: &TestEnvironment| m.base().join("notes.txt").metadata().unwrap().permissions().mode();
    common::chmod(&a.base().join("notes.txt"), 0o4755);
    a.ok(&["project", "import"]);
    assert_eq!(mode(a) & 0o7777, 0o4755);
    b.ok(&["project", "update"]);
    assert_eq!(mode(&b) & 0o7777, 0o755);
    assert_eq!(mode(&team.checked_out()) & 0o7777, 0o755);
}

// A session stays usable where its data is, and is whole when the store is back.
#[test]
fn a_store_that_goes_away_comes_back() {
    if !is_of_directories() {
        return;
    }
    let team = Team::new();
    let a = &team.a;
    let id = start(a, "german");
    replace(a, &id, "s/one/eins/", &["notes.txt"]);
    let (store, away) = (team.store.path().join("store"), team.store.path().join("away"));
    fs::rename(&store, &away).unwrap();
    a.error(&["session", "land", &id], 5, "STORE_UNREACHABLE");
    a.error(&["session", "push", &id], 5, "STORE_UNREACHABLE");
    a.error(&["session", "begin"], 5, "STORE_UNREACHABLE");
    assert!(!store.exists(), "nothing is made in the place of what is not mounted");
    fs::rename(&away, &store).unwrap();
    a.ok(&["session", "land", &id]);
    assert_eq!(a.read("notes.txt"), "eins\ntwo\nthree\n");
}

#[test]
fn damage_is_found_and_what_is_newer_is_refused() {
    if !is_of_directories() {
        return;
    }
    let team = Team::new();
    let a = &team.a;
    a.ok(&["project", "fsck", "--read-data"]);
    let blobs = team.store.path().join("store/projects/acme/web");
    let mut all = Vec::new();
    files(&blobs, &blobs, &mut all);
    let of = |kind: &str| all.iter().find(|(p, _)| p.starts_with(kind)).map(|(p, _)| blobs.join(p));
    let object = of("packs").or_else(|| of("blobs")).unwrap_or_else(|| panic!("{all:?}"));
    let was = fs::read(&object).unwrap();
    let mut bad = was.clone();
    let last = bad.len() - 1;
    bad[last] ^= 1;
    fs::set_permissions(&object, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&object, &bad).unwrap();
    let ran = a.brio(&["project", "fsck", "--read-data", "--json"]);
    assert_eq!(ran.status, 7, "{}{}", ran.stdout, ran.stderr);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["whole"], false);
    fs::write(&object, &was).unwrap();
    a.ok(&["project", "fsck", "--read-data"]);
    let project = blobs.join("project.json");
    let doc = fs::read_to_string(&project).unwrap();
    fs::set_permissions(&project, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&project, doc.replacen("\"format\":1", "\"format\":9", 1)).unwrap();
    let e = a.brio(&["project", "init", "--store", &team.url(), "--name", PROJECT]);
    assert!(e.stderr.starts_with("error: STORE_FORMAT: "), "{}", e.stderr);
}

#[test]
fn what_is_thrown_away_is_gone_everywhere() {
    let team = Team::new();
    let a = &team.a;
    let id = start(a, "nothing");
    replace(a, &id, "s/one/eins/", &["notes.txt"]);
    a.ok(&["session", "push", &id]);
    a.ok(&["session", "rollback", &id]);
    let b = team.machine();
    b.error(&["session", "show", &id], 2, "SESSION_ENDED");
    let (_, collected) = a.json(&["gc", "--store", "--dry-run", "--json"]);
    assert_eq!(collected["removed"]["count"], 0);
    a.error(&["gc", "--store", "--grace", "1m"], 2, "USAGE");
}

// Nothing that was acknowledged is lost, nothing lands twice, whenever a machine dies.
#[test]
fn machines_that_are_killed_lose_nothing() {
    let rounds: usize = std::env::var("BRIO_STORE_KILLS").map_or(10, |n| n.parse().unwrap());
    let mut rng = Rng::new(from_env("BRIO_SEED", 1));
    let team = Team::new();
    let b = team.checked_out();
    let machines = [&team.a, &b];
    let mut acknowledged = BTreeSet::new();
    let mut killed = 0;
    for round in 0..rounds {
        let machine = machines[rng.below(2)];
        let name = format!("f{round}.txt");
        let id = start(machine, &name);
        add(machine, &id, &[(&name, "text\n")]);
        let kinds: [&[&str]; 3] =
            [&["session", "land", &id], &["session", "push", &id], &["project", "update"]];
        let kind = kinds[rng.below(kinds.len())];
        let mut command = machine.command(kind);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(rng.below(120) as u64));
        let _ = child.kill();
        let landed = child.wait().unwrap().success() && kind[1] == "land";
        killed += usize::from(!landed);
        // Somebody goes on: on this machine, or, if it was pushed, on the other one.
        let done = machine.brio(&["session", "land", &id]);
        let over = done.stderr.contains("SESSION_ENDED") && done.stderr.contains("landed");
        assert!(done.status == 0 || over, "{name}: {}", done.stderr);
        assert!(!landed || over, "{name} was landed before: {}", done.stderr);
        acknowledged.insert(name);
    }
    until("both are at the head", || {
        machines.iter().all(|m| m.brio(&["project", "update"]).status == 0)
    });
    for machine in machines {
        let there = acknowledged.iter().filter(|name| machine.base().join(name).exists());
        assert_eq!(there.count(), acknowledged.len());
    }
    // Each landed once: the import, and one for each.
    let (_, log) = b.json(&["log", "--json"]);
    let goals: Vec<_> =
        log["landings"].as_array().unwrap().iter().map(|l| text(&l["goal"])).collect();
    let distinct: BTreeSet<_> = goals.iter().collect();
    assert_eq!((goals.len(), distinct.len()), (rounds + 1, rounds + 1), "{goals:?}");
    b.ok(&["project", "fsck", "--read-data"]);
    println!("{rounds} rounds, {killed} killed or pushed only, {} landings", goals.len());
}

// Notes of the project are one truth too, where that is asked for.
#[test]
fn notes_can_be_in_the_projects_store() {
    let team = Team::new();
    let (a, b) = (&team.a, team.checked_out());
    let unbound = TestEnvironment::new();
    unbound.error(&["project", "init", "--notes", "store"], 2, "NOT_BOUND");
    for machine in [a, &b] {
        let said = machine.ok(&["project", "init", "--notes", "store"]);
        assert!(said.contains("notes    the project's store"), "{said}");
    }
    a.ok(&["note", "write", "plans/next", "ship it"]);
    assert_eq!(b.ok(&["note", "read", "plans/next"]), "ship it");
    b.ok(&["project", "state", "set", "--mode", "coding"]);
    assert_eq!(a.json(&["project", "state", "--json"]).1["currentMode"], "coding");
    // What a session wrote is the project's when it lands.
    let id = start(&b, "note");
    b.ok(&["note", "write", "plans/later", "rest", "--session", &id]);
    a.error(&["note", "read", "plans/later"], 2, "NOTE_UNKNOWN");
    b.ok(&["session", "land", &id]);
    assert_eq!(a.ok(&["note", "read", "plans/later"]), "rest");
}

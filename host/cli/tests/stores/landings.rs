//! What lands on the head, and what its history tells.

use serde_json::Value;

use crate::common::TestEnvironment;
use crate::{PROJECT, Team, add, head, replace, start};

// M-040, M-042, M-043, M-070, M-072: the worked example of the contract.
#[test]
fn a_landing_makes_the_next_tree_and_leaves_the_one_before() {
    let team = Team::new();
    let a = &team.a;
    let (position, t0) = head(a);
    assert_eq!(position, 1);
    let said = a.ok(&["session", "start", "Add auth", "--goal", "log people in"]);
    let id = said.lines().next().unwrap().strip_prefix("Session ID: ").unwrap().to_owned();
    let export = format!("NFS Export: /exports/sessions/{id} (while `brio serve --nfs` runs)");
    assert_eq!(said.lines().nth(1), Some(export.as_str()));
    let tree = said.lines().nth(2).unwrap().strip_prefix("Base Tree: ").unwrap();
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

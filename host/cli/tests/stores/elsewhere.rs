//! Sessions that go on elsewhere, and stores that go away.

use std::fs;

use crate::common::TestEnvironment;
use crate::{PROJECT, Team, exported, head, is_of_directories, replace, start};

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

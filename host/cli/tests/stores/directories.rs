//! Directories of a project: compared, imported, brought to the head.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::common::{self, TestEnvironment, until};
use crate::{Team, exported, head, replace, start, text};

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

//! `brio log`, `brio undo`, `brio gc`.

mod common;

use common::TestEnvironment;
use serde_json::json;

/// Lands one replacement; returns the landing's number.
fn land(env: &TestEnvironment, task: &str, goal: &str) -> u64 {
    let id = env.ok(&["session", "begin", "--goal", goal]).trim().to_owned();
    env.ok(&["run", "replace", "--task", task, "--session", &id]);
    let (_, doc) = env.json(&["session", "commit", &id, "--message", "why", "--json"]);
    doc["landing"].as_u64().expect("a landing")
}

// T3: what landed is listed, undone, and done again.
#[test]
fn a_landing_is_logged_and_undone() {
    let env = TestEnvironment::new();
    let before = env.snapshot();
    assert_eq!(env.brio(&["log"]).status, 2, "NO_DOMAIN");
    assert_eq!(land(&env, "s/two/zwei/", "translate"), 1);
    assert_eq!(land(&env, "s/colour/color/", "spell"), 2);
    let after = env.snapshot();
    let (status, log) = env.json(&["log", "--json"]);
    assert_eq!((status, &log["schema"]), (0, &json!(1)));
    let l = &log["landings"][0];
    let mut keys: Vec<_> = l.as_object().expect("an object").keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "added",
            "agent",
            "decisions",
            "goal",
            "landing",
            "message",
            "modified",
            "notes",
            "removed",
            "session",
            "task_id",
            "time",
            "undo_of",
            "undoable",
            "undone_by",
            "who"
        ]
    );
    assert_eq!(
        (&l["landing"], &l["goal"], &l["message"]),
        (&json!(2), &json!("spell"), &json!("why"))
    );
    assert_eq!((&l["added"], &l["modified"], &l["removed"]), (&json!(0), &json!(1), &json!(0)));
    assert_eq!((&l["undo_of"], &l["undoable"]), (&json!(null), &json!(true)));
    assert!(l["time"].as_str().expect("a time").ends_with('Z'));
    let (_, log) = env.json(&["log", "--json", "-n", "5", "--path", "src"]);
    assert_eq!(log["landings"].as_array().expect("an array").len(), 1);
    let text = env.ok(&["log"]);
    assert!(
        text.lines().next().is_some_and(|l| l.contains("+0 ~1 -0") && l.contains("spell: why"))
    );

    let (status, doc) = env.json(&["undo", "2", "--json", "--message", "wrong"]);
    assert_eq!((status, &doc["schema"], &doc["undo_of"]), (0, &json!(1), &json!(2)));
    assert_eq!((&doc["result"], &doc["landing"]), (&json!("landed"), &json!(3)));
    assert_eq!(doc["changes"]["modified"], json!(["src/lib.rs"]));
    let ran = env.brio(&["undo", "1"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    assert_eq!(ran.stderr, "undone: landing 1, by landing 4 (1 modified)\n");
    assert_eq!(env.snapshot(), before);
    let text = env.error(&["undo", "1"], 5, "ALREADY_UNDONE");
    assert!(text.contains("hint: `brio undo 4`"), "{text}");
    env.ok(&["undo", "4"]);
    env.ok(&["undo", "3", "."]);
    assert_eq!(env.snapshot(), after);
    assert!(env.ok(&["log"]).contains("(undone by 3)") || env.ok(&["log"]).contains("(undone by"));
    assert_eq!(env.open_sessions(), Vec::<String>::new());
}

#[test]
fn an_undo_that_would_bury_something_is_refused() {
    // T22
    let env = TestEnvironment::new();
    land(&env, "s/two/zwei/", "translate");
    env.write("notes.txt", "mine\n");
    let text = env.error(&["undo", "1"], 3, "CONFLICT");
    assert!(text.contains("notes.txt") && text.contains("outside of brio"), "{text}");
    let (status, doc) = env.json(&["undo", "1", "--json"]);
    assert_eq!((status, &doc["result"], &doc["landing"]), (3, &json!(null), &json!(null)));
    assert_eq!(doc["error"]["code"], "CONFLICT");
    assert_eq!(doc["error"]["paths"], json!(["notes.txt"]));
    assert_eq!(env.read("notes.txt"), "mine\n");
    env.error(&["undo", "9"], 2, "LANDING_UNKNOWN");
    env.error(&["undo", "x"], 2, "USAGE");
}

#[test]
fn blame_names_the_landing_of_each_line() {
    let env = TestEnvironment::new();
    land(&env, "s/two/zwei/", "translate");
    env.write("notes.txt", "one\nzwei\nthree\nmine");
    let text = env.ok(&["blame", "notes.txt"]);
    assert_eq!(
        text,
        "before 1     1  one\n1 translate  2  zwei\nbefore 1     3  three\noutside      4  mine\n"
    );
    let file = env.base().join("notes.txt");
    let elsewhere = env
        .command(&["blame", "--json", file.to_str().expect("UTF-8")])
        .current_dir("/")
        .output()
        .expect("runs");
    let doc: serde_json::Value = serde_json::from_slice(&elsewhere.stdout).expect("JSON");
    assert_eq!((&doc["schema"], &doc["path"]), (&json!(1), &json!("notes.txt")));
    let line = &doc["lines"][1];
    assert_eq!(
        (&line["line"], &line["text"], &line["origin"], &line["landing"], &line["goal"]),
        (&json!(2), &json!("zwei"), &json!("landing"), &json!(1), &json!("translate"))
    );
    assert!(line["session"].as_str().is_some_and(|s| s.starts_with("sess-")));
    assert_eq!(doc["lines"][3]["origin"], "outside");
    let inside = env.command(&["blame", "lib.rs"]).current_dir(env.base().join("src")).output();
    assert!(inside.expect("runs").status.success());
    std::fs::write(env.base().join("binary"), [0, 1]).expect("written");
    env.error(&["blame", "binary"], 2, "BINARY");
    env.error(&["blame", "nothing"], 2, "PATH_MISSING");
    env.error(&["blame", "src"], 2, "NOT_A_FILE");
    env.error(&["blame", "/"], 2, "NO_DOMAIN");
}

// T19: what is kept to be undone, and that it is free again.
#[test]
fn gc_keeps_to_window_and_quota() {
    let env = TestEnvironment::new();
    land(&env, "s/two/zwei/", "translate");
    let idle = env.begin();
    env.ok(&["run", "replace", "--task", "s/three/three, mine/", "--session", &idle]);
    land(&env, "s/one/eins/", "translate more");
    let (status, doc) = env.json(&["gc", "--json"]);
    assert_eq!(status, 0);
    assert_eq!(
        (&doc["schema"], &doc["landings"], &doc["stale"], &doc["forgotten"], &doc["dry_run"]),
        (&json!(1), &json!([]), &json!([]), &json!([]), &json!(false))
    );
    let (_, doc) = env.json(&["gc", "--window", "0", "--dry-run", "--json"]);
    assert_eq!((&doc["landings"], &doc["dry_run"]), (&json!([1]), &json!(true)));
    let would = doc["bytes_freed"].as_u64().expect("bytes");
    assert!(would > 0);
    let (_, doc) = env.json(&["gc", "--window", "0", "--json"]);
    assert_eq!((&doc["landings"], doc["bytes_freed"].as_u64()), (&json!([1]), Some(would)));
    env.error(&["undo", "1"], 5, "LANDING_COLLECTED");
    assert!(env.ok(&["log"]).contains("(cannot be undone any more)"));
    let ran = env.brio(&["gc", "--quota", "0"]);
    assert!(ran.stderr.contains(&format!("warning: {idle} is stale")), "{}", ran.stderr);
    assert!(env.ok(&["session", "show", &idle]).contains("stale"));
    // Its own work is still shown.
    let diff = env.ok(&["session", "diff", &idle]);
    assert!(diff.contains("is no longer kept\n") && diff.contains("+three, mine\n"), "{diff}");
    assert!(env.ok(&["session", "diff", &idle, "--stat"]).contains("notes.txt"));
    env.error(&["gc", "--window", "soon"], 2, "CONFIG");
    env.error(&["gc", "--quota", "200%"], 2, "CONFIG");
    // The same by a file in the base, at the landing itself.
    env.write("brio.toml", "undo_window = \"0s\"\nundo_quota = \"1G\"\n");
    let other = env.begin();
    land(&env, "s/three/drei/", "and more");
    let (_, log) = env.json(&["log", "--json", "-n", "1"]);
    assert_eq!(log["landings"][0]["undoable"], json!(true), "a session needs it");
    env.ok(&["session", "rollback", &other]);
    let (_, log) = env.json(&["log", "--json", "-n", "1"]);
    assert_eq!(log["landings"][0]["undoable"], json!(false));
    let shown = env.ok(&["config", "show"]);
    let words: Vec<_> = shown.split_whitespace().collect();
    assert!(words.join(" ").contains("undo_window = 0s"), "{shown}");
}

#[test]
fn a_lost_base_is_forgotten_when_told_to() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let here = env.begin();
    std::fs::create_dir(env.path().join("gone")).expect("a base");
    let gone = env.path().join("gone");
    let gone = gone.to_str().expect("UTF-8");
    let lost = env.ok(&["session", "begin", gone]).trim().to_owned();
    std::fs::remove_dir_all(gone).expect("removed");
    let listed = || -> Vec<String> {
        let text = env.ok(&["session", "list"]);
        text.lines().map(|l| l.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    assert!(listed().contains(&format!("{lost} lost")));
    env.ok(&["gc"]);
    assert!(listed().contains(&format!("{lost} lost")), "never silently");
    let (_, doc) = env.json(&["gc", "--forget-lost", "--dry-run", "--json"]);
    assert_eq!(doc["forgotten"], json!([lost]));
    assert!(listed().contains(&format!("{lost} lost")));
    let (_, doc) = env.json(&["gc", "--forget-lost", "--json"]);
    assert_eq!(doc["forgotten"], json!([lost]));
    let mut left = listed();
    left.sort();
    let mut expected = vec![format!("{id} open"), format!("{here} open")];
    expected.sort();
    assert_eq!(left, expected);
    env.error(&["session", "show", &lost], 2, "SESSION_UNKNOWN");
}

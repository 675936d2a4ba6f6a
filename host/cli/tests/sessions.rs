//! `brio session …`: begin, look, land, conflict, roll back.

mod common;

use common::{TestEnvironment, guest};
use serde_json::json;

/// Works in an open session through an agent.
fn replace(env: &TestEnvironment, id: &str, task: &str) {
    env.ok(&["run", "replace", "--task", task, "--session", id]);
}

// B-113: a warning, no wall; --quiet does without.
#[test]
fn who_begins_beside_others_is_told() {
    let env = TestEnvironment::new();
    env.ok(&["session", "begin", "--goal", "one"]);
    let base = env.base().canonicalize().expect("a base");
    let said = format!("warning: 1 existing session on {}\n", base.display());
    let ran = env.brio(&["session", "begin"]);
    assert_eq!((ran.status, ran.stderr), (0, said));
    let ran = env.brio(&["run", "hello"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("warning: 2 existing sessions on "), "{}", ran.stderr);
    let ran = env.brio(&["--quiet", "session", "begin"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
}

// B-010, B-015, B-016: begin prints the id alone, and it has its shape.
#[test]
fn begin_prints_the_id_alone() {
    let env = TestEnvironment::new();
    let ran = env.brio(&["session", "begin", "--goal", "try it"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let id = ran.stdout.strip_suffix('\n').expect("one line");
    let uuid: Vec<_> = id.strip_prefix("sess-").expect("sess-").split('-').map(str::len).collect();
    assert_eq!(uuid, [8, 4, 4, 4, 12], "{id}");
    assert_eq!(env.open_sessions(), [id]);
}

// B-024, B-110: what list and show say of a session, exactly.
#[test]
fn list_and_show_have_the_documented_fields() {
    let env = TestEnvironment::new();
    let id = env.ok(&["session", "begin", "--goal", "try it"]).trim().to_owned();
    let (_, list) = env.json(&["session", "list", "--json"]);
    assert_eq!(list["schema"], 1);
    let session = &list["sessions"][0];
    let mut keys: Vec<_> = session.as_object().expect("an object").keys().collect();
    keys.sort();
    let of_index = ["agent", "base", "created_at", "goal", "id", "parent", "state", "task_id"];
    let of_itself = ["bytes", "changes", "holder", "run", "used_at"];
    let mut all = [&of_index[..], &of_itself].concat();
    all.sort_unstable();
    assert_eq!(keys, all);
    assert_eq!(session["id"], json!(id));
    assert_eq!(session["state"], "open");
    assert_eq!(session["goal"], "try it");
    assert_eq!(session["base"], json!(env.base().canonicalize().expect("a base")));
    let (_, shown) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!(
        (&shown["schema"], &shown["id"], &shown["landing"]),
        (&json!(1), &json!(id), &json!(0))
    );
    assert_eq!(shown["run"], "free");
    assert!(env.ok(&["session", "show", &id]).contains("try it"));
}

// B-001, B-011, B-020, B-021, B-022, B-023: work, look, land.
#[test]
fn a_session_lands_what_its_diff_shows() {
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let id = env.begin();
    replace(&env, &id, "s/two/zwei/");
    assert_eq!(env.snapshot(), before);
    let state = env.base().join(".brio/sessions").join(&id);
    assert!(state.join("parent").exists(), "B-023");
    let diff = env.ok(&["session", "diff", &id]);
    assert!(diff.contains("--- a/notes.txt\n+++ b/notes.txt\n"), "{diff}");
    assert!(diff.contains("\n-two\n+zwei\n"), "{diff}");
    assert!(!diff.contains('\u{1b}'), "no colour for a pipe");
    assert_eq!(env.ok(&["session", "diff", &id, "--name-status"]), "M\tnotes.txt\n");
    assert!(env.ok(&["session", "diff", &id, "--stat"]).contains("notes.txt | +1 -1"));
    let (_, doc) = env.json(&["session", "diff", &id, "--json"]);
    assert_eq!(doc["changes"][0]["path"], "notes.txt");
    assert_eq!(doc["changes"][0]["change"], "modified");
    let (status, doc) = env.json(&["session", "commit", &id, "--message", "why", "--json"]);
    assert_eq!((status, &doc["result"], &doc["landing"]), (0, &json!("landed"), &json!(1)));
    assert_eq!(env.read("notes.txt"), "one\nzwei\nthree\n");
    assert!(!state.exists());
    env.error(&["session", "commit", &id], 2, "SESSION_ENDED");
    let all = env.ok(&["session", "list", "--all"]);
    assert!(all.contains(&id) && all.contains("landed"), "{all}");
}

// T1: disjoint changes from one state both land.
#[test]
fn disjoint_changes_both_land() {
    let env = TestEnvironment::new();
    let (a, b) = (env.begin(), env.begin());
    replace(&env, &a, "s/two/zwei/");
    replace(&env, &b, "s/colour/color/");
    env.ok(&["session", "commit", &a]);
    env.ok(&["session", "commit", &b]);
    assert_eq!(env.read("notes.txt"), "one\nzwei\nthree\n");
    assert!(env.read("src/lib.rs").contains("color"));
}

// B-014, B-080, T8: a conflict names every path, both sides and who; the session is kept.
#[test]
fn a_conflict_names_paths_and_sides() {
    let env = TestEnvironment::new();
    let a = env.ok(&["session", "begin", "--goal", "make it German"]).trim().to_owned();
    let b = env.begin();
    replace(&env, &a, "s/two/zwei/");
    replace(&env, &b, "s/two/deux/");
    env.ok(&["session", "commit", &a]);
    let before = env.snapshot();
    let (status, doc) = env.json(&["session", "commit", &b, "--json"]);
    assert_eq!(status, 3, "{doc}");
    assert_eq!((&doc["result"], &doc["error"]["code"]), (&json!("conflicted"), &json!("CONFLICT")));
    assert_eq!(doc["error"]["paths"], json!(["notes.txt"]));
    let text = env.error(&["session", "commit", &b], 3, "CONFLICT");
    for word in ["notes.txt", "landing 1", &a, "make it German", "Concurrent modification detected"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(text.contains("hint: "), "{text}");
    assert_eq!(env.snapshot(), before);
    assert_eq!(env.open_sessions(), std::slice::from_ref(&b));
    env.ok(&["session", "rollback", &b]);
}

// B-080, B-082: an edit from outside is found as well.
#[test]
fn drift_is_a_conflict() {
    let env = TestEnvironment::new();
    let id = env.begin();
    replace(&env, &id, "s/two/zwei/");
    env.write("notes.txt", "mine\n");
    let text = env.error(&["session", "commit", &id], 3, "CONFLICT");
    assert!(text.contains("notes.txt") && text.contains("outside of brio"), "{text}");
    assert_eq!(env.read("notes.txt"), "mine\n");
}

// T17: what one session lands does not show up in another that is open.
#[test]
fn an_open_session_keeps_seeing_its_base() {
    let env = TestEnvironment::new();
    let (a, b) = (env.begin(), env.begin());
    replace(&env, &a, "s/two/zwei/");
    env.ok(&["session", "commit", &a]);
    replace(&env, &b, "s/zwei/never/");
    assert_eq!(env.ok(&["session", "diff", &b, "--name-status"]), "", "it still sees two");
}

// B-042, T6, T7: a child lands in its parent, the parent in the base.
#[test]
fn children_land_in_their_parent() {
    let env = TestEnvironment::new();
    let parent = env.begin();
    replace(&env, &parent, "s/one/eins/");
    let child = env.ok(&["session", "begin", "--parent", &parent]).trim().to_owned();
    replace(&env, &child, "s/eins/uno/");
    let diff = env.ok(&["session", "diff", &child]);
    assert!(diff.contains("\n-eins\n+uno\n"), "against its parent: {diff}");
    env.error(&["session", "commit", &parent], 5, "OPEN_CHILDREN");
    let (_, doc) = env.json(&["session", "commit", &child, "--json"]);
    assert_eq!((&doc["result"], &doc["landing"]), (&json!("landed"), &json!(null)));
    assert_eq!(env.read("notes.txt"), "one\ntwo\nthree\n");
    env.ok(&["session", "commit", &parent]);
    assert_eq!(env.read("notes.txt"), "uno\ntwo\nthree\n");
}

// B-070 to B-073, T19: rolled back is gone, but for a line in the journal.
#[test]
fn rollback_leaves_only_the_journal() {
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let id = env.begin();
    replace(&env, &id, "s/two/zwei/");
    env.ok(&["session", "rollback", &id]);
    assert_eq!(env.snapshot(), before);
    assert!(!env.base().join(".brio/sessions").join(&id).exists());
    let journal = std::fs::read_to_string(env.base().join(".brio/journal")).expect("a journal");
    assert!(journal.lines().any(|l| l.contains(&id) && l.contains("rolled-back")), "{journal}");
    env.error(&["session", "show", &id], 2, "SESSION_ENDED");
}

// T4 at this level: modes, symbolic links, binary files, broken hard links are said.
#[test]
fn a_diff_says_what_lines_do_not() {
    let env = TestEnvironment::new();
    std::fs::hard_link(env.base().join("notes.txt"), env.base().join("twin.txt")).expect("linked");
    let id = env.begin();
    env.ok(&["run", "replace", "--task", "s/two/zwei/", "--session", &id, "--", "notes.txt"]);
    let diff = env.ok(&["session", "diff", &id]);
    assert!(diff.contains("hard link broken"), "{diff}");
    let spammer = guest("spammer");
    env.ok(&["run", &spammer, "--session", &id, "--", "bytes", "5000"]);
    let diff = env.ok(&["session", "diff", &id]);
    assert!(diff.contains("new file mode"), "{diff}");
}

// B-015: a unique prefix is enough, also from elsewhere.
#[test]
fn ids_are_found_by_prefix_and_from_anywhere() {
    let env = TestEnvironment::new();
    let id = env.begin();
    assert!(env.ok(&["session", "show", &id[..13]]).contains(&id));
    let mut elsewhere = env.command(&["session", "show", &id["sess-".len()..][..8]]);
    let ran = common::ran(elsewhere.current_dir("/").output().expect("runs"));
    assert!(ran.stdout.contains(&id), "{}", ran.stderr);
    // B-024: the index is only an index.
    for name in ["metadata.db", "metadata.db-wal", "metadata.db-shm"] {
        let _ = std::fs::remove_file(env.home().join(name));
    }
    let mut elsewhere = env.command(&["session", "show", &id]);
    let ran = common::ran(elsewhere.current_dir("/").output().expect("runs"));
    assert!(ran.stdout.contains(&id), "{}", ran.stderr);
    env.begin();
    env.error(&["session", "show", "sess-"], 2, "SESSION_AMBIGUOUS");
}

// T5: a session that a live run holds is neither committed nor rolled back behind its back.
#[test]
fn a_live_run_is_not_robbed() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let guest = guest("spin");
    let mut run = env
        .command(&["run", &guest, "--session", &id, "--", "sleep"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while env.json(&["session", "show", &id, "--json"]).1["run"] != "live" {
        assert!(std::time::Instant::now() < until, "not live in a minute");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    env.error(&["session", "commit", &id], 5, "SESSION_BUSY");
    env.error(&["session", "rollback", &id], 5, "SESSION_BUSY");
    env.error(&["run", "hello", "--session", &id], 5, "SESSION_BUSY");
    env.ok(&["session", "commit", &id, "--stop"]);
    assert_eq!(run.wait().expect("ends").code(), Some(4), "stopped, not interrupted");
}

// T20: two homes, one domain.
#[test]
fn two_homes_share_a_domain() {
    let env = TestEnvironment::new();
    let id = env.begin();
    let mut other = env.command(&["session", "show", &id]);
    let ran = common::ran(other.env("BRIO_HOME", env.path().join("other")).output().expect("runs"));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let mut other = env.command(&["run", "hello", "--task", "other"]);
    let ran = common::ran(other.env("BRIO_HOME", env.path().join("other")).output().expect("runs"));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    replace(&env, &id, "s/two/zwei/");
    let (_, doc) = env.json(&["session", "commit", &id, "--json"]);
    assert_eq!(doc["landing"], 2);
}

// A checkpoint is made, listed, come back to, taken back and deleted; its errors say what to do.
#[test]
fn a_session_comes_back_to_a_checkpoint() {
    let env = TestEnvironment::new();
    let id = env.begin();
    replace(&env, &id, "s/two/zwei/");
    env.ok(&["session", "checkpoint", &id, "zwei"]);
    replace(&env, &id, "s/zwei/deux/");
    let (status, doc) = env.json(&["session", "restore", &id, "zwei", "--json"]);
    assert_eq!((status, &doc["schema"], &doc["session"]), (0, &json!(1), &json!(id)));
    assert_eq!(
        (&doc["checkpoint"]["name"], &doc["checkpoint"]["landing"]),
        (&json!("zwei"), &json!(0))
    );
    let diff = env.ok(&["session", "diff", &id]);
    assert!(diff.contains("+zwei"), "{diff}");
    let manifest = env.base().join(".brio/sessions").join(&id).join("manifest");
    assert!(std::fs::read_to_string(manifest).expect("a manifest").contains("notes.txt"));
    let (_, shown) = env.json(&["session", "show", &id, "--json"]);
    let names: Vec<_> =
        shown["checkpoints"].as_array().expect("a list").iter().map(|c| &c["name"]).collect();
    assert_eq!(names, [&json!("zwei"), &json!("before-restore")]);
    assert!(env.ok(&["session", "show", &id]).contains("restores zwei of 2"));
    env.ok(&["session", "restore", &id, "before-restore"]);
    assert!(env.ok(&["session", "diff", &id]).contains("+deux"));

    env.error(&["session", "checkpoint", &id, "zwei"], 2, "CHECKPOINT_EXISTS");
    env.error(&["session", "checkpoint", &id, "../x"], 2, "CHECKPOINT_NAME");
    env.error(&["session", "restore", &id, "drei"], 2, "CHECKPOINT_UNKNOWN");
    let (_, doc) = env.json(&["session", "checkpoint", &id, "zwei", "--delete", "--json"]);
    assert_eq!(doc["checkpoint"], json!(null));
    env.error(&["session", "restore", &id, "zwei"], 2, "CHECKPOINT_UNKNOWN");
    env.ok(&["session", "commit", &id]);
    assert_eq!(env.read("notes.txt"), "one\ndeux\nthree\n");
}

// B-042: --cascade lands or throws away the children first, and says so.
#[test]
fn a_cascade_takes_the_children_along() {
    let env = TestEnvironment::new();
    let parent = env.begin();
    let child = |env: &TestEnvironment, of: &str| {
        env.ok(&["session", "begin", "--parent", of]).trim().to_owned()
    };
    let one = child(&env, &parent);
    let below = child(&env, &one);
    replace(&env, &below, "s/two/zwei/");
    env.error(&["session", "commit", &parent], 5, "OPEN_CHILDREN");
    env.error(&["session", "rollback", &parent], 5, "OPEN_CHILDREN");
    let (status, doc) = env.json(&["session", "commit", &parent, "--cascade", "--json"]);
    assert_eq!((status, &doc["result"], &doc["landing"]), (0, &json!("landed"), &json!(1)));
    assert_eq!(doc["children"], json!([below, one]));
    assert_eq!(env.read("notes.txt"), "one\nzwei\nthree\n");

    let parent = env.begin();
    let (one, two) = (child(&env, &parent), child(&env, &parent));
    replace(&env, &one, "s/zwei/2/");
    replace(&env, &two, "s/zwei/deux/");
    let (status, doc) = env.json(&["session", "commit", &parent, "--cascade", "--json"]);
    assert_eq!((status, &doc["result"]), (3, &json!("conflicted")));
    assert_eq!(doc["children"], json!([one]));
    let message = doc["error"]["message"].as_str().expect("a message");
    assert!(message.contains(&format!("landed in their parents before that: {one}")), "{message}");
    assert_eq!(env.open_sessions().len(), 2);
    let ran = env.brio(&["session", "rollback", &parent, "--cascade"]);
    assert_eq!(ran.status, 0);
    assert!(ran.stderr.contains(&format!("rolled back: {two}")), "{}", ran.stderr);
    assert_eq!(env.open_sessions(), Vec::<String>::new());
    assert_eq!(env.read("notes.txt"), "one\nzwei\nthree\n");
}

// --isolation: two agents that each read what the other wrote cannot both land.
#[test]
fn what_an_agent_read_is_validated_when_asked_for() {
    for (isolation, status) in [("snapshot", 0), ("serializable", 3)] {
        let env = TestEnvironment::new();
        let begin = |goal: &str| {
            let args = ["session", "begin", "--goal", goal, "--isolation", isolation];
            env.ok(&args).trim().to_owned()
        };
        let (reader, writer) = (begin("reads"), begin("writes"));
        // It reads every file, and writes one of its own.
        env.ok(&["run", "todo-report", "--session", &reader]);
        replace(&env, &writer, "s/two/zwei/");
        env.ok(&["session", "commit", &writer]);
        let ran = env.brio(&["session", "commit", &reader]);
        assert_eq!(ran.status, status, "{isolation}: {}", ran.stderr);
        let said = ran.stderr.contains("notes.txt (ours: read; theirs: modified by landing 1");
        assert_eq!(said, status == 3, "{}", ran.stderr);
        if status == 3 {
            let (_, shown) = env.json(&["session", "show", &reader, "--json"]);
            assert_eq!(shown["isolation"], "serializable");
            env.ok(&["session", "commit", &reader, "--isolation", "snapshot"]);
        }
    }
    let env = TestEnvironment::new();
    let id = env.begin();
    replace(&env, &id, "s/two/zwei/");
    env.error(&["session", "commit", &id, "--isolation", "serializable"], 5, "NOT_TRACKED");
    assert_eq!(env.brio(&["session", "commit", &id, "--isolation", "weak"]).status, 2);
    let args = ["run", "replace", "--task", "s/one/eins/", "--isolation", "serializable"];
    env.ok(&args);
    env.ok(&[&args[..], &["--preopen"]].concat());
}

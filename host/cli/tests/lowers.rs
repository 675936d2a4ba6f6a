//! What a session sees of its base: live or frozen, with or without what is excluded; and what
//! people are told about a session.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;

use brio_tests::mounted::Mounted;
use brio_tests::skip;
use common::{NOBODY, TestEnvironment, as_nobody, chmod, is_root};
use serde_json::{Value, json};

fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        for e in fs::read_dir(path).unwrap() {
            give(&e.unwrap().path());
        }
    }
}

#[test]
fn a_frozen_session_says_how_it_was_made() {
    // B-030, B-034
    let env = TestEnvironment::new();
    let (status, doc) = env.json(&["session", "begin", "--lower", "frozen", "--json"]);
    assert_eq!((status, &doc["schema"], &doc["lower"]["kind"]), (0, &json!(1), &json!("frozen")));
    let lower = doc["lower"].clone();
    let ways = ["snapshot", "reflink", "copy"];
    let used = ways.iter().position(|w| lower["method"] == **w).expect("one of them");
    let not_used = lower["not_used"].as_array().unwrap();
    assert_eq!(not_used.len(), used, "every better one has its reason: {lower}");
    for (n, way) in not_used.iter().zip(ways) {
        assert_eq!(n["method"], way);
        assert!(!n["why"].as_str().unwrap().is_empty());
    }
    let id = doc["session"].as_str().unwrap();
    let (_, shown) = env.json(&["session", "show", id, "--json"]);
    assert_eq!(shown["lower"], lower);
    let text = env.ok(&["session", "show", id]);
    assert!(text.contains(&format!("frozen by {}", ways[used])), "{text}");

    // In text the id alone is data.
    let frozen = env.brio(&["session", "begin", "--lower", "frozen"]);
    assert!(frozen.stdout.starts_with("sess-") && frozen.stdout.lines().count() == 1);
    assert!(frozen.stderr.contains("frozen by "), "{}", frozen.stderr);
    for n in not_used {
        let line = format!("no {}: {}", n["method"].as_str().unwrap(), n["why"].as_str().unwrap());
        assert!(frozen.stderr.contains(&line) && text.contains(&line), "{line}");
    }

    // By the configuration, too; a run likewise; and it lands.
    env.write("brio.toml", "lower = \"frozen\"\n");
    let (status, doc) = env.json(&["run", "replace", "--task", "s/colour/color/", "--json"]);
    assert_eq!((status, &doc["result"]), (0, &json!("landed")), "{doc}");
    assert_eq!(doc["lower"]["kind"], "frozen");
    assert!(env.read("src/lib.rs").contains("color"));
    let (_, doc) = env.json(&["session", "begin", "--lower", "live", "--json"]);
    assert_eq!(
        doc["lower"],
        json!({"kind": "live", "method": null, "not_used": null,
        "files": null, "bytes_copied": null, "unleased": null})
    );
    env.error(&["session", "begin", "--lower", "cold"], 2, "CONFIG");
}

#[test]
fn what_is_excluded_is_in_no_diff_and_lands_never() {
    let env = TestEnvironment::new();
    fs::create_dir(env.base().join("target")).unwrap();
    env.write("target/out.txt", "a colour\n");
    env.write("x.log", "a colour\n");
    env.write(".brioignore", "target/\n");
    for lower in ["live", "frozen"] {
        let args = ["run", "replace", "--task", "s/colour/color/", "--lower", lower];
        let (status, doc) = env.json(&[&args[..], &["--exclude", "*.log", "--json"]].concat());
        assert_eq!((status, &doc["changes"]["modified"]), (0, &json!(["src/lib.rs"])), "{doc}");
        assert!(env.read("target/out.txt").contains("colour"), "{lower}");
        assert!(env.read("x.log").contains("colour"), "{lower}");
        env.write("src/lib.rs", "pub fn colour() {}\n");
    }
    let id = env.ok(&["session", "begin", "--exclude", "*.log"]).trim().to_owned();
    let (_, shown) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!(shown["excludes"], json!(["target/", "*.log"]));
    assert!(env.ok(&["session", "show", &id]).contains("excludes *.log"));
    // What a session sees was settled when it began.
    env.error(&["session", "begin", "--parent", &id, "--exclude", "a"], 2, "USAGE");
    env.error(&["run", "replace", "--session", &id, "--lower", "frozen"], 2, "USAGE");
    env.error(&["session", "begin", "--exclude", "[z-a]"], 2, "EXCLUDE_INVALID");
}

#[test]
fn the_guards_of_the_disk_have_their_words() {
    // B-112, B-114
    let env = TestEnvironment::new();
    let small = match Mounted::new("tmpfs", 16, "") {
        Ok(m) => m,
        Err(why) => return skip::skip("the_guards_of_the_disk_have_their_words", &why),
    };
    let base = small.dir("base");
    let begin = |size: usize, more: &[&str]| {
        fs::write(base.join("big"), vec![1u8; size]).unwrap();
        let at = base.to_str().unwrap().to_owned();
        env.brio(&[&["session", "begin", &at, "--lower", "frozen"], more].concat())
    };
    let ran = begin(6_000_000, &[]);
    assert_eq!(ran.status, 5, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("NO_SPACE: Insufficient space: need 12MB, have "),
        "{}",
        ran.stderr
    );
    let ran = begin(8_000_000, &[]);
    assert!(ran.stderr.contains("NO_SPACE: Insufficient disk space for session"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("--exclude") && ran.stderr.contains("symbolic links"),
        "{}",
        ran.stderr
    );
    assert_eq!(begin(6_000_000, &["--disk-factor", "1"]).status, 0);
    assert_eq!(begin(6_000_000, &["--exclude", "big"]).status, 0);
    assert_eq!(begin(1_000_000, &["--disk-share", "1"]).status, 5);
}

#[test]
fn drift_of_an_open_session_is_listed() {
    // B-080
    let env = TestEnvironment::new();
    let id = env.begin();
    env.ok(&["run", "replace", "--task", "s/colour/color/", "--session", &id]);
    let (_, shown) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!(shown["drift"], json!([]));
    env.write("src/lib.rs", "by hand\n");
    env.write("notes.txt", "not touched by the session\n");
    let (_, shown) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!(
        shown["drift"],
        json!([{"path": "src/lib.rs", "theirs": "modified outside of brio", "landing": null}])
    );
    let text = env.ok(&["session", "show", &id]);
    assert!(text.contains("drift    src/lib.rs") && !text.contains("notes.txt"), "{text}");
    // A landing is named as such.
    let other = TestEnvironment::new();
    let id = other.begin();
    other.ok(&["run", "replace", "--task", "s/colour/color/", "--session", &id]);
    other.ok(&["run", "replace", "--task", "s/colour/tint/", "--goal", "tints"]);
    let (_, shown) = other.json(&["session", "show", &id, "--json"]);
    assert_eq!(shown["drift"][0]["landing"], 1, "{shown}");
    assert!(shown["drift"][0]["theirs"].as_str().unwrap().contains("tints"), "{shown}");
}

#[test]
fn a_debug_dump_shows_what_is_on_disk() {
    // B-116
    let env = TestEnvironment::new();
    let id = env.begin();
    env.ok(&["run", "replace", "--task", "s/colour/color/", "--session", &id]);
    let text = env.ok(&["session", "show", "--debug", &id]);
    let (_, dump) = text.split_once("=== Session Debug Info ===\n").expect(&text);
    let path = env.base().canonicalize().unwrap().join(".brio/sessions").join(&id);
    assert!(dump.contains(&id) && dump.contains(path.to_str().unwrap()), "{dump}");
    for e in fs::read_dir(&path).unwrap() {
        let e = e.unwrap();
        let name = e.file_name().into_string().unwrap();
        let slash = if e.path().is_dir() { "/" } else { "" };
        let line = format!("{:>12} {name}{slash}", e.metadata().unwrap().len());
        assert!(dump.lines().any(|l| l == line), "{line}: {dump}");
    }
    let manifest = fs::read_to_string(path.join("manifest")).unwrap();
    assert!(dump.contains(manifest.trim_end()) && manifest.contains("src/lib.rs"), "{dump}");
    let (_, doc) = env.json(&["session", "show", "--debug", &id, "--json"]);
    assert_eq!(doc["debug"]["path"], path.to_str().unwrap());
    assert_eq!(doc["debug"]["manifest"], manifest);
    let files = doc["debug"]["files"].as_array().unwrap();
    let index = files.iter().find(|f| f["path"] == "index").unwrap();
    assert_eq!(index["size"], fs::metadata(path.join("index")).unwrap().size());
    let (_, doc) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!(doc["debug"], Value::Null);
}

#[test]
fn permission_trouble_is_explained_before_anything_is_touched() {
    // B-115, T18
    let name = "permission_trouble_is_explained_before_anything_is_touched";
    if !is_root() {
        return skip::skip(name, "only root can be somebody else");
    }
    let env = TestEnvironment::new();
    chmod(&env.base(), 0o755);

    // A base of somebody else: whose, and who asks.
    let text = as_nobody(&env, &["session", "begin"]);
    assert_eq!(text.status, 2, "{}", text.stderr);
    assert!(text.stderr.contains("error: BASE_READ_ONLY: "), "{}", text.stderr);
    assert!(
        text.stderr.contains("belongs to user 0, group 0; you are user 65534"),
        "{}",
        text.stderr
    );
    assert!(text.stderr.contains("Warning: UID mismatch (0, 65534)"), "{}", text.stderr);
    assert!(!env.base().join(".brio").exists());

    // A base of one's own with a directory that is not: the landing is refused before the seal.
    give(&env.base());
    let src = env.base().join("src");
    chown(&src, Some(0), Some(0)).unwrap();
    let ran = as_nobody(&env, &["session", "begin"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let id = ran.stdout.trim().to_owned();
    let ran = as_nobody(&env, &["run", "replace", "--task", "s/colour/color/", "--session", &id]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let before = env.snapshot();
    let ran = as_nobody(&env, &["session", "commit", &id]);
    assert_eq!(ran.status, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("REFUSED: src/lib.rs"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Permission denied"), "{}", ran.stderr);
    assert!(ran.stderr.contains("it is 0755 and belongs to user 0"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Warning: UID mismatch (0, 65534)"), "{}", ran.stderr);
    assert_eq!(env.snapshot(), before);
    // Given to who asks, it lands.
    chown(&src, Some(NOBODY), Some(NOBODY)).unwrap();
    let ran = as_nobody(&env, &["session", "commit", &id]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);

    // Who may write there all the same is told that it is another's.
    let ran = env.brio(&["session", "begin"]);
    assert!(
        ran.status != 0 || ran.stderr.contains("Warning: UID mismatch (65534, 0)"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_may_not_be_read_stays_unread_in_a_frozen_copy() {
    // T18
    let name = "what_may_not_be_read_stays_unread_in_a_frozen_copy";
    if !is_root() {
        return skip::skip(name, "only root can be somebody else");
    }
    let env = TestEnvironment::new();
    env.write("secret", "colour\n");
    give(&env.base());
    chown(env.base().join("secret"), Some(0), Some(0)).unwrap();
    chmod(&env.base().join("secret"), 0o600);
    chown(env.base().join("notes.txt"), Some(0), Some(0)).unwrap();
    let args = ["session", "begin", "--lower", "frozen", "--json"];
    let ran = as_nobody(&env, &args);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let doc: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(doc["lower"]["unleased"], 1, "another's file takes no lease: {doc}");
    let id = doc["session"].as_str().unwrap();
    let ran = as_nobody(&env, &["run", "replace", "--task", "s/three/four/", "--session", id]);
    assert!(ran.status == 0 || ran.stderr.contains("secret"), "{}", ran.stderr);
    let copies = env.base().join(".brio/sessions").join(id).join("lower");
    for e in fs::read_dir(copies).unwrap() {
        let path = e.unwrap().path();
        assert!(!fs::read_to_string(&path).unwrap().starts_with("colour\n"), "{path:?}");
    }
    let ran = as_nobody(&env, &["session", "rollback", id]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

#[test]
fn a_snapshot_that_could_not_be_deleted_is_not_taken() {
    // B-030, T19
    let name = "a_snapshot_that_could_not_be_deleted_is_not_taken";
    for (option, method) in [("", "reflink"), ("user_subvol_rm_allowed", "snapshot")] {
        let fs = match Mounted::new("btrfs", 256, option) {
            Ok(m) => m,
            Err(why) => return skip::skip(name, &why),
        };
        let base = fs.path().join("base");
        let made = Command::new("btrfs").args(["subvolume", "create"]).arg(&base).output();
        assert!(made.unwrap().status.success());
        fs::write(base.join("file"), "content").unwrap();
        give(&base);
        let env = TestEnvironment::new();
        let at = base.to_str().unwrap();
        let ran = as_nobody(&env, &["session", "begin", at, "--lower", "frozen", "--json"]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let doc: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(doc["lower"]["method"], method, "{doc}");
        if method == "reflink" {
            let why = doc["lower"]["not_used"][0]["why"].as_str().unwrap();
            assert!(why.contains("user_subvol_rm_allowed"), "{why}");
        }
        let id = doc["session"].as_str().unwrap();
        let ran = as_nobody(&env, &["session", "rollback", id]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        for sub in ["sessions", "staging", "trash"] {
            let left = fs::read_dir(base.join(".brio").join(sub)).unwrap().count();
            assert_eq!(left, 0, "{option}: {sub}");
        }
    }
}

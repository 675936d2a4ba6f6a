//! `brio doctor` says what is there and changes nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use brio_session::{Door, Hook, Op, Verdict};
use brio_tests::mounted::Mounted;
use brio_tests::skip::skip;
use common::{NOBODY, TestEnvironment, as_nobody, chmod, is_root};
use serde_json::{Value, json};

/// Every path of a tree with what would show that something was changed.
fn state(dir: &Path) -> Vec<(String, u64, Vec<u8>)> {
    let mut out = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(at) = todo.pop() {
        for e in fs::read_dir(&at).unwrap() {
            let path = e.unwrap().path();
            let m = path.symlink_metadata().unwrap();
            let content = if m.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            out.push((path.display().to_string(), m.ino(), content));
            if m.is_dir() {
                todo.push(path);
            }
        }
    }
    out.sort();
    out
}

#[test]
fn a_healthy_base_is_ok_and_untouched() {
    let env = TestEnvironment::new();
    let before = state(&env.base());
    let (status, doc) = env.json(&["doctor", "--json"]);
    assert_eq!((status, &doc["ok"], &doc["domain"]), (0, &json!(true), &Value::Null), "{doc}");
    assert_eq!(state(&env.base()), before, "not even a .brio was made");
    let id = env.begin();
    let before = state(&env.base());
    let (status, doc) = env.json(&["doctor", "--json"]);
    assert_eq!((status, &doc["ok"], &doc["sessions"]), (0, &json!(true), &json!(1)), "{doc}");
    assert_eq!(state(&env.base()), before);
    // What will be used, and for everything less than the best the reason.
    for part in ["exchange", "reflink", "snapshot", "fuse"] {
        let tried = &doc[part];
        assert_ne!(tried["works"] == json!(true), tried["why"].is_string(), "{part}: {tried}");
    }
    let uses = doc["uses"].as_array().unwrap();
    let of = |what: &str| uses.iter().find(|u| u["what"] == what).unwrap();
    assert_eq!((&of("sessions")["used"], doc["supported"].as_bool()), (&json!("live"), Some(true)));
    let frozen = env.json(&["session", "begin", "--lower", "frozen", "--json"]).1;
    assert_eq!(of("--lower frozen")["used"], frozen["lower"]["method"], "as it is then done");
    for u in uses {
        let used = u["used"].as_str().unwrap();
        let best = ["live", "shares blocks", "snapshot"].contains(&used)
            || u["what"] == "sandbox process" && used.starts_with("namespaces");
        assert_eq!(best || used.starts_with("a mount; "), u["why"].is_null(), "{u}");
    }
    // What is said of a room is what a command gets.
    let exec = env.json(&["session", "exec", &id, "--json", "--", "/bin/true"]).1;
    match exec["confinement"].as_str() {
        Some(room) => {
            assert!(of("session exec")["used"].as_str().unwrap().ends_with(room), "{exec}")
        }
        None => assert_eq!(of("session exec")["used"], "none", "{exec}"),
    }
    let text = env.ok(&["doctor"]);
    for line in
        ["file system", "reflink", "exchange", "landlock", "disk", "quota", "verdict         ok"]
    {
        assert!(text.lines().any(|l| l.starts_with(line)), "{line}: {text}");
    }
    env.ok(&["session", "rollback", &id]);
    env.error(&["doctor", "../absent"], 2, "BASE_MISSING");
}

#[test]
fn what_was_interrupted_is_named_and_left_alone() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    struct AfterSeal(AtomicBool);
    impl Hook for AfterSeal {
        fn verdict(&self, op: Op) -> Verdict {
            match op == Op::Exchange && self.0.swap(false, Ordering::SeqCst) {
                true => Verdict::Stop,
                false => Verdict::Go,
            }
        }
    }
    let env = TestEnvironment::new();
    let id = env.begin();
    env.ok(&["run", "replace", "--task", "s/colour/color/", "--session", &id]);
    let door = Door::with_hook(Arc::new(AfterSeal(AtomicBool::new(true))));
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned();
    let options = brio_landing::OpenOptions {
        home: Some(env.home()),
        boot_id: boot,
        door,
        ..brio_landing::OpenOptions::default()
    };
    let (domain, _) = brio_landing::Domain::open(&env.base(), options).unwrap();
    domain.commit(&id.parse().unwrap(), brio_landing::CommitOptions::default()).unwrap_err();
    drop(domain);
    let before = state(&env.base());
    let (status, doc) = env.json(&["doctor", "--json"]);
    assert_eq!((status, &doc["ok"], &doc["pending"]), (7, &json!(false), &json!([1])), "{doc}");
    assert_eq!(state(&env.base()), before, "nothing was recovered");
    let ran = env.brio(&["doctor"]);
    assert!(ran.status == 7 && ran.stdout.contains("landing 1: `brio recover`"), "{}", ran.stdout);
    env.ok(&["recover"]);
    assert_eq!(env.json(&["doctor", "--json"]).0, 0);
    assert!(env.read("src/lib.rs").contains("color"));
}

#[test]
fn a_state_that_cannot_be_used_is_damage() {
    let env = TestEnvironment::new();
    env.begin();
    fs::write(env.base().join(".brio/claim"), "{").unwrap();
    let (status, doc) = env.json(&["doctor", "--json"]);
    assert_eq!(status, 7, "{doc}");
    assert!(doc["broken"].as_str().unwrap().contains("STATE_CORRUPT"), "{doc}");
    fs::remove_dir_all(env.base().join(".brio")).unwrap();
    let (status, doc) = env.json(&["doctor", "--json"]);
    assert_eq!(status, 7, "{doc}");
    assert!(doc["broken"].as_str().unwrap().contains("STATE_LOST"), "{doc}");
    assert!(!env.base().join(".brio").exists());
}

#[test]
fn permission_trouble_is_in_the_diagnosis() {
    // B-115
    if !is_root() {
        return skip("permission_trouble_is_in_the_diagnosis", "only root can be somebody else");
    }
    let env = TestEnvironment::new();
    chmod(&env.base(), 0o755);
    let ran = as_nobody(&env, &["doctor"]);
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.contains("Permission denied: it is 0755 and belongs to user 0"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains(&format!("Warning: UID mismatch (0, {NOBODY})")), "{}", ran.stdout);
}

#[test]
fn each_file_system_is_told_for_what_it_is() {
    // B-033
    for (kind, reflink) in [("ext4", false), ("xfs", true), ("btrfs", true), ("tmpfs", false)] {
        let m = match Mounted::new(kind, 320, "") {
            Ok(m) => m,
            Err(why) => {
                skip("each_file_system_is_told_for_what_it_is", &format!("{kind}: {why}"));
                continue;
            }
        };
        let env = TestEnvironment::new();
        let base = m.dir("base");
        let (status, doc) = env.json(&["doctor", base.to_str().unwrap(), "--json"]);
        assert_eq!((status, &doc["file_system"]), (0, &json!(kind)), "{doc}");
        assert_eq!(doc["reflink"]["works"], reflink, "{doc}");
        assert_eq!(doc["exchange"]["works"], true, "{doc}");
        assert_eq!(fs::read_dir(&base).unwrap().count(), 0, "{kind}: nothing is left");
    }
}

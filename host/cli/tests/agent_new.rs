//! `brio agent new`: a project, whole or not at all. What it builds is tried by
//! `tests/harness/languages/run`.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{TestEnvironment, chmod};
use serde_json::json;

const LANGUAGES: [&str; 5] = ["rust", "c", "javascript", "python", "go"];

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(&at).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("below").display().to_string();
                all.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    all
}

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn a_project_is_the_example_with_another_name_and_what_it_needs_of_brio() {
    let env = TestEnvironment::new();
    for lang in LANGUAGES {
        let (status, made) = env.json(&["agent", "new", "my-agent", "--lang", lang, "--json"]);
        assert_eq!(status, 0, "{made}");
        let keys: Vec<_> = made.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["directory", "files", "lang", "name", "next", "schema"]);
        let dir = env.base().join("my-agent");
        assert_eq!(made["lang"], json!(lang));
        assert_eq!(made["directory"], json!(dir.canonicalize().expect("there")));
        let mut found = files(&dir);
        assert_eq!(made["files"], json!(found.keys().collect::<Vec<_>>()));
        found.retain(|name, _| !name.starts_with("brio/"));
        assert!(found == files(&repository().join("example-agents/languages").join(lang)));
        let wit = files(&dir.join("brio/wit"));
        assert!(wit == files(&repository().join("wit")), "the interface");
        assert_eq!(dir.join("brio/sdk/src/lib.rs").exists(), lang == "rust");
        fs::remove_dir_all(&dir).expect("removed");

        // Under another name nothing says the first one.
        let next = env.ok(&["agent", "new", "tidy-up", "--lang", lang]);
        assert!(next.starts_with("cd tidy-up\n") && next.contains("brio run "), "{next}");
        let readme = env.read("tidy-up/README.md");
        assert!(readme.starts_with("# tidy-up\n"), "{readme}");
        for command in next.lines().skip(1) {
            assert!(readme.contains(command), "the README does not say `{command}`");
        }
        for (name, content) in files(&env.base().join("tidy-up")) {
            let text = String::from_utf8_lossy(&content);
            for word in ["my-agent", "my_agent", "MyAgent"] {
                assert!(name.starts_with("brio/") || !text.contains(word), "{name} says {word}");
            }
        }
        let mode = fs::metadata(env.base().join("tidy-up")).expect("there").permissions().mode();
        assert_eq!(mode & 0o700, 0o700);
        assert_ne!(mode & 0o077, 0, "as any directory that is made here");
        fs::remove_dir_all(env.base().join("tidy-up")).expect("removed");
    }
}

#[test]
fn what_cannot_be_made_leaves_nothing() {
    let env = TestEnvironment::new();
    let new = |name| ["agent", "new", name, "--lang", "rust"];
    let before = env.snapshot();
    for name in ["Tidy", "tidy_up", "1st", "fn", "std", "wit-bindgen", "..", "a b", "a-"] {
        let said = env.error(&new(name), 2, "PROJECT_NAME");
        assert!(said.contains("hint: ") && said.contains("tidy-up"), "{said}");
    }
    let said = env.error(&new("no/such/tidy-up"), 2, "PROJECT_IO");
    assert!(said.contains("no/such/tidy-up") && said.contains("hint: "), "{said}");
    env.error(&["agent", "new", "tidy-up", "--lang", "cobol"], 2, "USAGE");
    env.error(&["agent", "new", "tidy-up"], 2, "USAGE");
    assert_eq!(env.snapshot(), before);

    env.write("taken", "");
    std::os::unix::fs::symlink("nowhere", env.base().join("link")).expect("a link");
    fs::create_dir(env.base().join("empty")).expect("a directory");
    let before = env.snapshot();
    for name in ["taken", "link", "empty"] {
        let said = env.error(&new(name), 2, "PROJECT_EXISTS");
        assert!(said.contains(name) && said.contains("hint: "), "{said}");
    }
    assert_eq!(env.snapshot(), before);
    if rustix::process::geteuid().is_root() {
        return; // Modes are nothing to root.
    }
    let closed = env.base().join("closed");
    fs::create_dir(&closed).expect("a directory");
    chmod(&closed, 0o555);
    env.error(&new("closed/tidy-up"), 2, "PROJECT_IO");
    assert_eq!(fs::read_dir(&closed).expect("a directory").count(), 0);
}

#[test]
fn what_a_killed_one_left_is_taken_away_by_the_next() {
    let env = TestEnvironment::new();
    let left = env.base().join(".tidy-up.brio-1-2");
    fs::create_dir_all(left.join("project/src")).expect("left");
    env.ok(&["agent", "new", "tidy-up", "--lang", "rust"]);
    assert!(!left.exists() && env.base().join("tidy-up/Cargo.toml").exists());
}

// T9, B-101, for C; `.ci/run` does the same for Rust, and `tests/harness/languages/run` for all.
#[test]
fn a_project_in_c_builds_runs_and_calls_every_function() {
    let env = TestEnvironment::new();
    let harness = repository().join("tests/harness/languages/run");
    let ran = common::ran(
        std::process::Command::new(harness)
            .args(["--brio", env!("CARGO_BIN_EXE_brio"), "c"])
            .env("TMPDIR", env.path())
            .output()
            .expect("the harness starts"),
    );
    assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
    let end = ran.stdout.lines().last().expect("the counts");
    assert!(["1 passed, 0 failed, 0 skipped", "0 passed, 0 failed, 1 skipped"].contains(&end));
}

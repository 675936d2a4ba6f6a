//! Directories that can have no `.brio`: frozen sessions in the home.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use brio_tests::mounted::ReadOnly;
use brio_tests::skip::skip;
use common::{NOBODY, Ran, TestEnvironment, as_nobody, chmod, is_root, ran};
use serde_json::{Value, json};

/// The base of an environment where nothing can be written: shown read-only, or by its mode.
struct Closed {
    env: TestEnvironment,
    at: PathBuf,
    mount: Option<ReadOnly>,
}

impl Closed {
    fn new() -> Result<Self, String> {
        let env = TestEnvironment::new();
        if !is_root() {
            let at = env.base();
            chmod(&at, 0o555);
            return Ok(Self { env, at, mount: None });
        }
        let at = env.path().join("ro");
        fs::create_dir(&at).map_err(|e| e.to_string())?;
        let mount = ReadOnly::bind(&env.base(), &at)?;
        Ok(Self { env, at, mount: Some(mount) })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(args);
        command.current_dir(&self.at);
        command
    }

    /// In the directory.
    fn brio(&self, args: &[&str]) -> Ran {
        ran(self.command(args).output().unwrap())
    }

    fn json(&self, args: &[&str]) -> (i32, Value) {
        let ran = self.brio(args);
        let doc = serde_json::from_str(&ran.stdout);
        (ran.status, doc.unwrap_or_else(|e| panic!("{args:?}: {e}: {}", ran.stderr)))
    }

    fn freeze(&self) -> String {
        let (status, doc) = self.json(&["session", "begin", "--lower", "frozen", "--json"]);
        assert_eq!(status, 0, "{doc}");
        doc["session"].as_str().unwrap().to_owned()
    }

    /// What lies in `sub` of the only domain in the home.
    fn state(&self, sub: &str) -> Vec<String> {
        let shelf = self.env.home().join("frozen");
        let claims = list(&shelf);
        assert_eq!(claims.len(), 1, "{claims:?}");
        list(&shelf.join(&claims[0]).join(sub))
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        if self.mount.is_none() && self.at.exists() {
            chmod(&self.at, 0o755);
        }
    }
}

fn list(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_directory_that_cannot_be_written_is_worked_on_in_the_home() {
    let name = "a_directory_that_cannot_be_written_is_worked_on_in_the_home";
    let c = match Closed::new() {
        Ok(c) => c,
        Err(why) => return skip(name, &why),
    };
    let (env, before) = (&c.env, c.env.snapshot());
    // Live is refused, and the text says what can be had.
    let ran = c.brio(&["session", "begin"]);
    assert_eq!(ran.status, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("error: BASE_READ_ONLY: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: ") && ran.stderr.contains("--lower frozen"));
    assert!(!env.home().join("frozen").exists());
    let (status, found) = c.json(&["doctor", "--json"]);
    assert_eq!((status, &found["domain_in_home"]), (0, &Value::Null), "{found}");

    let (status, doc) = c.json(&["session", "begin", "--lower", "frozen", "--json"]);
    assert_eq!((status, &doc["lower"]["kind"]), (0, &json!("frozen")), "{doc}");
    let why = doc["frozen_only"].as_str().unwrap().to_owned();
    let id = doc["session"].as_str().unwrap();
    // What doctor had said is what was done.
    assert_eq!(found["frozen_only"], why);
    let uses = found["uses"].as_array().unwrap();
    let of = |what: &str| uses.iter().find(|u| u["what"] == what).unwrap();
    assert!(of("sessions")["used"].as_str().unwrap().starts_with("frozen, in the home"));
    assert_eq!(of("sessions")["why"], why);
    assert_eq!(of("--lower frozen")["used"], doc["lower"]["method"]);
    assert!(found["available_in_home"].as_u64().unwrap() > 0);
    let text = c.brio(&["doctor"]).stdout;
    assert!(text.contains("in the home") && text.contains("verdict         ok"), "{text}");

    // It is found from everywhere, and works as any other does.
    assert_eq!(env.open_sessions(), [id]);
    let (_, shown) = env.json(&["session", "show", id, "--json"]);
    assert_eq!((&shown["frozen_only"], &shown["base_gone"]), (&json!(why), &Value::Null));
    assert_eq!(shown["drift"], json!([]));
    assert!(env.ok(&["session", "show", id]).contains(&why));
    env.ok(&["run", "replace", "--task", "s/colour/color/", "--session", id]);
    assert!(env.ok(&["session", "diff", id]).contains("+pub fn color() {}"));
    assert_eq!(
        env.ok(&["session", "diff", id, "--against", "base", "--name-status"]),
        "M\tsrc/lib.rs\n"
    );
    let child = env.ok(&["session", "begin", "--parent", id]).trim().to_owned();
    env.ok(&["run", "replace", "--task", "s/three/four/", "--session", &child]);
    env.ok(&["session", "commit", &child]);
    env.ok(&["session", "checkpoint", id, "good"]);
    let out = env.path().join("out");
    env.ok(&["session", "export", id, out.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(out.join("notes.txt")).unwrap(), "one\ntwo\nfour\n");
    // It has the base's own mode.
    chmod(&out, 0o755);
    fs::write(out.join("added"), "by hand\n").unwrap();
    chmod(&out, if is_root() { 0o755 } else { 0o555 });
    env.ok(&["session", "import", id, out.to_str().unwrap()]);
    chmod(&out, 0o755);
    let names = env.ok(&["session", "diff", id, "--name-status"]);
    assert_eq!(names, "A\tadded\nM\tnotes.txt\nM\tsrc/lib.rs\n");

    // Nothing lands, whatever is asked for, and the text says what to do.
    for args in [
        &["session", "commit", id][..],
        &["session", "commit", id, "--policy", "merge"],
        &["session", "commit", id, "--cascade"],
        &["session", "resolve", id],
    ] {
        let text = env.error(args, 5, "FROZEN_ONLY");
        assert!(text.contains(&format!("brio session diff {id}")), "{text}");
        assert!(text.contains(&format!("brio session export {id} DIR")), "{text}");
    }
    let undo = c.brio(&["undo", "1"]);
    assert!(undo.status == 5 && undo.stderr.contains("error: FROZEN_ONLY: "), "{}", undo.stderr);
    assert_eq!(c.brio(&["log"]).status, 0);
    assert_eq!((env.open_sessions(), env.snapshot()), (vec![id.to_owned()], before.clone()));
    env.ok(&["session", "rollback", id]);
    assert_eq!(c.brio(&["gc"]).status, 0);
    for sub in ["sessions", "staging", "trash", "landings"] {
        assert!(c.state(sub).is_empty(), "{sub}");
    }
    assert_eq!(env.snapshot(), before);
    assert!(!env.base().join(".brio").exists());
}

#[test]
fn a_run_there_is_kept_when_it_has_something_to_land() {
    let c = match Closed::new() {
        Ok(c) => c,
        Err(why) => return skip("a_run_there_is_kept_when_it_has_something_to_land", &why),
    };
    let before = c.env.snapshot();
    let args = ["run", "replace", "--task", "s/colour/color/", "--lower", "frozen", "--json"];
    let (status, doc) = c.json(&args);
    assert_eq!((status, &doc["result"]), (5, &json!("kept")), "{doc}");
    assert_eq!(doc["error"]["code"], "FROZEN_ONLY", "{doc}");
    let id = doc["session"].as_str().unwrap();
    assert_eq!(c.env.open_sessions(), [id]);
    assert!(c.env.ok(&["session", "diff", id]).contains("+pub fn color() {}"));
    // One that changes nothing ends as everywhere.
    let (status, doc) =
        c.json(&["run", "replace", "--task", "s/purple/red/", "--lower", "frozen", "--json"]);
    assert_eq!((status, &doc["result"]), (0, &json!("unchanged")), "{doc}");
    assert_eq!((c.env.open_sessions(), c.env.snapshot()), (vec![id.to_owned()], before));
}

#[test]
fn another_users_directory_is_worked_on_in_ones_own_home() {
    // B-115
    let name = "another_users_directory_is_worked_on_in_ones_own_home";
    if !is_root() {
        return skip(name, "only root can be somebody else");
    }
    let env = TestEnvironment::new();
    chmod(&env.base(), 0o755);
    env.write("secret", "colour\n");
    chmod(&env.base().join("secret"), 0o600);
    let before = env.snapshot();
    let frozen = ["session", "begin", "--lower", "frozen", "--json"];
    let begin = || {
        let ran = as_nobody(&env, &frozen);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let doc: Value = serde_json::from_str(&ran.stdout).unwrap();
        let why = doc["frozen_only"].as_str().unwrap().to_owned();
        (doc["session"].as_str().unwrap().to_owned(), why)
    };
    let (id, why) = begin();
    assert!(why.contains("belongs to user 0, group 0; you are user 65534"), "{why}");
    let ran = as_nobody(&env, &["run", "replace", "--task", "s/three/four/", "--session", &id]);
    assert!(ran.status == 0 || ran.stderr.contains("secret"), "{}", ran.stderr);
    let diff = as_nobody(&env, &["session", "diff", &id]).stdout;
    assert!(diff.contains("+four") && !diff.contains("secret"), "{diff}");
    let ran = as_nobody(&env, &["session", "commit", &id]);
    assert!(ran.status == 5 && ran.stderr.contains("error: FROZEN_ONLY: "), "{}", ran.stderr);
    let frozen_in = env.path().join("nobody/brio/frozen");
    assert_eq!(list(&frozen_in).len(), 1);
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&frozen_in).unwrap());
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(env.snapshot(), before);

    // So is one whose owner works there with Brio, and it is the same base.
    env.ok(&["run", "replace", "--task", "s/colour/color/"]);
    let ran = as_nobody(&env, &["session", "begin"]);
    assert_eq!((ran.status, ran.stderr.contains("error: ")), (2, true), "{}", ran.stderr);
    fs::remove_file(env.base().join("secret")).unwrap();
    let (second, _) = begin();
    assert_eq!(list(&frozen_in).len(), 1);
    let out = env.path().join("nobody/out");
    let ran = as_nobody(&env, &["session", "export", &second, out.to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(fs::read_to_string(out.join("src/lib.rs")).unwrap().contains("color"));
    assert!(!out.join(".brio").exists());

    // When it is given to who asks, what begins there lies there, and what was begun goes on.
    fs::remove_dir_all(env.base().join(".brio")).unwrap();
    std::os::unix::fs::chown(env.base(), Some(NOBODY), Some(NOBODY)).unwrap();
    let ran = as_nobody(&env, &["session", "begin", "--lower", "frozen"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(env.base().join(".brio/sessions").join(ran.stdout.trim()).is_dir());
    let listed = as_nobody(&env, &["session", "list"]).stdout;
    for id in [&id, &second, ran.stdout.trim()] {
        assert!(listed.contains(id), "{listed}");
        assert_eq!(as_nobody(&env, &["session", "rollback", id]).status, 0);
    }
    assert_eq!(as_nobody(&env, &["gc"]).status, 0);
}

#[test]
fn a_base_that_is_gone_is_said_and_what_was_seen_of_it_is_kept() {
    let name = "a_base_that_is_gone_is_said_and_what_was_seen_of_it_is_kept";
    let mut c = match Closed::new() {
        Ok(c) => c,
        Err(why) => return skip(name, &why),
    };
    let id = c.freeze();
    c.env.ok(&["run", "replace", "--task", "s/colour/color/", "--session", &id]);
    drop(c.mount.take());
    chmod(&c.at, 0o755);
    fs::remove_dir_all(c.env.base()).unwrap();
    fs::create_dir(c.env.base()).unwrap();
    let env = &c.env;
    assert_eq!(env.open_sessions(), [&*id]);
    let (_, shown) = env.json(&["session", "show", &id, "--json"]);
    assert_eq!((&shown["state"], &shown["drift"]), (&json!("open"), &Value::Null), "{shown}");
    let gone = shown["base_gone"].as_str().unwrap();
    assert!(env.ok(&["session", "show", &id]).contains(gone), "{gone}");
    assert!(env.ok(&["session", "diff", &id]).contains("+pub fn color() {}"));
    env.error(&["session", "diff", &id, "--against", "base"], 2, "BASE_GONE");
    env.error(&["session", "commit", &id], 5, "FROZEN_ONLY");
    let out = env.path().join("out");
    env.ok(&["session", "export", &id, out.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(out.join("notes.txt")).unwrap(), "one\ntwo\nthree\n");
    assert!(fs::read_to_string(out.join("src/lib.rs")).unwrap().contains("color"));
    chmod(&out, 0o755);
    // It is not lost, so it is not forgotten; without it nothing is left.
    let (_, doc) = env.json(&["gc", "--forget-lost", "--dry-run", "--json"]);
    assert_eq!(doc["forgotten"], json!([]));
    env.ok(&["gc", "--forget-lost"]);
    assert_eq!(env.open_sessions(), [&*id]);
    env.ok(&["session", "rollback", &id]);
    env.ok(&["gc", "--forget-lost"]);
    assert!(list(&env.home().join("frozen")).is_empty());
    assert!(env.open_sessions().is_empty());
}

#[test]
fn a_begin_that_is_killed_leaves_nothing_that_gc_does_not_sweep() {
    // T19
    let name = "a_begin_that_is_killed_leaves_nothing_that_gc_does_not_sweep";
    let c = match Closed::new() {
        Ok(c) => c,
        Err(why) => return skip(name, &why),
    };
    if c.mount.is_none() {
        chmod(&c.at, 0o755);
    }
    let big = c.env.base().join("src/many");
    fs::create_dir(&big).unwrap();
    for n in 0..2_000 {
        fs::write(big.join(n.to_string()), format!("{n}")).unwrap();
    }
    if c.mount.is_none() {
        chmod(&c.at, 0o555);
    }
    let before = c.env.snapshot();
    let shelf = c.env.home().join("frozen");
    let mut left = 0;
    for round in 0..12u64 {
        let mut begin = c.command(&["session", "begin", "--lower", "frozen"]);
        let mut begin = begin.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // As soon as it makes its domain; later in the midst of the copy.
        let until = Instant::now() + Duration::from_secs(20);
        let wanted =
            |name: &String| round % 3 == 0 || !list(&shelf.join(name).join("staging")).is_empty();
        while Instant::now() < until
            && begin.try_wait().unwrap().is_none()
            && !list(&shelf).iter().any(wanted)
        {}
        std::thread::sleep(Duration::from_millis(round * 2));
        begin.kill().unwrap();
        begin.wait().unwrap();
        for name in list(&shelf) {
            left += usize::from(
                name.starts_with('.') || !list(&shelf.join(name).join("staging")).is_empty(),
            );
        }
        let swept = c.brio(&["gc"]);
        // There may be no domain yet.
        assert!(swept.status == 0 || swept.stderr.contains("NO_DOMAIN"), "{}", swept.stderr);
        for id in c.env.open_sessions() {
            c.env.ok(&["session", "rollback", &id]);
        }
        for name in list(&shelf) {
            assert!(!name.starts_with('.'), "{name}");
            for sub in ["sessions", "staging", "trash"] {
                assert!(list(&shelf.join(&name).join(sub)).is_empty(), "{round}: {sub}");
            }
        }
        if round % 3 == 2 {
            let _ = fs::remove_dir_all(&shelf);
        }
    }
    assert!(left > 0, "none was killed in the midst of it");
    assert_eq!(c.env.snapshot(), before);
}

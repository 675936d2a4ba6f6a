//! What is shown beside a session, as the tests of binds and of mounts look at it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{TestEnvironment, guest};

/// A directory beside the base, with a file and a directory in it.
pub(crate) fn data(env: &TestEnvironment) -> PathBuf {
    let at = env.path().canonicalize().expect("it is there").join("data");
    fs::create_dir_all(at.join("d/e")).expect("made");
    fs::write(at.join("f.txt"), "from outside\n").expect("written");
    at
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// What the steps of `fs-script` answer in a session.
pub(crate) fn script(
    env: &TestEnvironment,
    id: &str,
    flags: &[&str],
    steps: &[&str],
) -> Vec<String> {
    let guest = guest("fs-script");
    let all = [&["run", &guest, "--session", id, "--json"], flags, &["--"], steps].concat();
    let (status, doc) = env.json(&all);
    assert_eq!(status, 0, "{doc}");
    doc["agent"]["stdout"].as_str().expect("text").lines().map(str::to_owned).collect()
}

pub(crate) fn shown(env: &TestEnvironment, id: &str) -> Value {
    env.json(&["session", "show", id, "--json"]).1["binds"].clone()
}

/// What a run is refused with.
pub(crate) fn refused(env: &TestEnvironment, id: &str, flags: &[&str], code: &str) -> String {
    let guest = guest("fs-script");
    let all = [&["run", guest.as_str(), "--session", id], flags, &["--", "list\t."]].concat();
    env.error(&all, 2, code)
}

//! Projects in stores, by the binary: two homes are two machines, and a third place is the store: a
//! directory, or the server that `tests/harness/s3/run` starts.
//!
//! `BRIO_STORE_KILLS=300 cargo test -p brio-cli --test stores -- --nocapture killed` is the long
//! form of the kills.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod directories;
mod elsewhere;
mod killed;
mod landings;
mod wrong;

use std::fs;
use std::path::{Path, PathBuf};

use common::TestEnvironment;
use serde_json::Value;

const PROJECT: &str = "acme/web";

/// A store, and one machine whose base is in it.
struct Team {
    store: tempfile::TempDir,
    a: TestEnvironment,
}

impl Team {
    fn new() -> Self {
        let team = Self { store: tempfile::tempdir().unwrap(), a: TestEnvironment::new() };
        team.bind(&team.a);
        team.a.ok(&["project", "import", "--message", "the beginning"]);
        team
    }

    fn url(&self) -> String {
        match bucket() {
            // A prefix of its own.
            Some(bucket) => {
                let name = self.store.path().file_name().unwrap().to_str().unwrap();
                format!("s3://{bucket}/{}", name.trim_start_matches('.'))
            }
            None => self.store.path().join("store").to_str().unwrap().to_owned(),
        }
    }

    fn bind(&self, machine: &TestEnvironment) {
        machine.ok(&["project", "init", "--store", &self.url(), "--name", PROJECT]);
    }

    /// Another machine, without a directory of the project.
    fn machine(&self) -> TestEnvironment {
        let machine = TestEnvironment::new();
        machine.ok(&["session", "start", "look", "--project", PROJECT, "--store", &self.url()]);
        machine
    }

    /// Another machine, with a directory of the project.
    fn checked_out(&self) -> TestEnvironment {
        let machine = self.machine();
        fs::remove_dir_all(machine.base()).unwrap();
        let base = machine.base();
        fs::create_dir(&base).unwrap();
        machine.ok(&["project", "checkout", ".", "--project", PROJECT]);
        machine
    }
}

/// That of the server which `tests/harness/s3/run` started.
fn bucket() -> Option<String> {
    std::env::var_os("BRIO_S3_ENDPOINT")?;
    Some(std::env::var("BRIO_S3_BUCKET").expect("a bucket"))
}

/// What is about a directory as a store, or about no store at all, is not asked of a server.
fn is_of_directories() -> bool {
    if bucket().is_some() {
        println!("not asked of a server");
    }
    bucket().is_none()
}

fn start(machine: &TestEnvironment, goal: &str) -> String {
    let said = machine.ok(&["session", "start", goal, "--project", PROJECT, "--goal", goal]);
    let id = said.lines().find_map(|line| line.strip_prefix("Session ID: "));
    id.unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// Changes a word in files of a session.
fn replace(machine: &TestEnvironment, id: &str, how: &str, files: &[&str]) {
    let run = ["run", "replace", "--session", id, "--task", how, "--"];
    machine.ok(&[&run, files].concat());
}

/// Adds files to a session.
fn add(machine: &TestEnvironment, id: &str, files: &[(&str, &str)]) {
    let out = machine.path().join("out");
    let _ = fs::remove_dir_all(&out);
    machine.ok(&["session", "export", id, out.to_str().unwrap()]);
    files.iter().for_each(|(name, text)| fs::write(out.join(name), text).unwrap());
    machine.ok(&["session", "import", id, out.to_str().unwrap()]);
}

/// Everything that a session shows.
fn exported(machine: &TestEnvironment, id: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let out = machine.path().join("shown");
    let _ = fs::remove_dir_all(&out);
    machine.ok(&["session", "export", id, out.to_str().unwrap()]);
    let mut all = Vec::new();
    files(&out, &out, &mut all);
    all.sort();
    all
}

fn files(root: &Path, dir: &Path, all: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_owned();
        if name == Path::new(".brio") {
            continue;
        }
        match path.is_dir() {
            true => files(root, &path, all),
            false => all.push((name, fs::read(&path).unwrap())),
        }
    }
}

fn head(machine: &TestEnvironment) -> (u64, String) {
    let (_, status) = machine.json(&["project", "status", "--json"]);
    let head = &status["head"];
    (head["position"].as_u64().unwrap(), head["tree"].as_str().unwrap().to_owned())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

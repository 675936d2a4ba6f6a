//! `brio task prune`: what tasks left goes, and nothing that somebody still needs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::TestEnvironment;
use serde_json::{Value, json};

const ALL: [&str; 5] = ["task", "prune", "--older-than", "0", "--json"];

/// Writes a task file and runs it; its id.
fn run(env: &TestEnvironment, name: &str, text: &str, status: i32) -> String {
    let file = env.path().join(format!("{name}.toml"));
    fs::write(&file, format!("name = '{name}'\n{text}")).unwrap();
    let ran = env.brio(&["task", "run", file.to_str().unwrap()]);
    assert_eq!(ran.status, status, "{}{}", ran.stdout, ran.stderr);
    let (_, list) = env.json(&["task", "list", "--all", "--json"]);
    let tasks = list["tasks"].as_array().unwrap();
    let its = tasks.iter().find(|task| task["name"] == name).unwrap();
    its["id"].as_str().unwrap().to_owned()
}

fn prune(env: &TestEnvironment) -> Value {
    let (status, pruned) = env.json(&ALL);
    assert_eq!(status, 0);
    pruned
}

fn left(env: &TestEnvironment) -> Vec<String> {
    let (_, list) = env.json(&["task", "list", "--all", "--json"]);
    let tasks = list["tasks"].as_array().unwrap();
    tasks.iter().map(|task| task["name"].as_str().unwrap().to_owned()).collect()
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).map_or(Vec::new(), |dir| dir.map(|e| e.unwrap().path()).collect())
}

const SAMPLE: &str = "[sample.files]\n'a.txt' = 'a'\n[[steps]]\nname = 'write'\n\
                      command = 'echo b > b.txt; echo said'\nunconfined = true\n";

#[test]
fn what_ended_long_ago_goes_with_all_that_it_left() {
    let env = TestEnvironment::new();
    let child = |name: &str| {
        let step = format!("{{ name = 's', command = 'echo > {name}', unconfined = true }}");
        format!("[[children]]\nname = '{name}'\nsteps = [{step}]\n")
    };
    let group = format!("session = 'none'\n{}{}", child("a"), child("b"));
    let id = run(&env, "sampled", SAMPLE, 0);
    run(&env, "group", &group, 0);
    let waits = env.path().join("waits.toml");
    fs::write(&waits, "name = 'waits'\nsteps = [{ agent = 'hello' }]\n").unwrap();
    env.ok(&["task", "submit", waits.to_str().unwrap()]);
    let home = env.home();
    let (log, sample) = (home.join(format!("tasks/{id}.log")), home.join("samples").join(&id));
    assert!(log.is_file() && sample.join("b.txt").is_file());
    let known = || {
        let records = entries(&home.join("domains"));
        let records = records.iter().filter(|path| path.extension().is_none());
        let texts: String = records.map(|path| fs::read_to_string(path).unwrap()).collect();
        (texts.contains(&id), texts.contains(&env.base().display().to_string()))
    };
    assert_eq!(known(), (true, true), "the sample's domain and the base's");

    let ran = env.brio(&["task", "prune"]);
    assert!(ran.stderr.starts_with("0 tasks removed"), "none ended 30 days ago: {}", ran.stderr);
    let (_, would) = env.json(&[ALL.as_slice(), &["--dry-run"]].concat());
    assert_eq!(would["tasks"].as_array().unwrap().len(), 2, "{would}");
    assert_eq!(would["tasks"][0], id.as_str());
    assert!(log.is_file() && sample.join("b.txt").is_file());
    assert_eq!(left(&env).len(), 5);

    let pruned = prune(&env);
    assert_eq!((&pruned["tasks"], &pruned["kept"]), (&would["tasks"], &json!([])));
    assert_eq!(pruned["bytes_freed"], would["bytes_freed"]);
    assert!(pruned["bytes_freed"].as_u64().unwrap() > 100, "{pruned}");
    assert_eq!(left(&env), ["waits"], "which has not ended");
    assert_eq!(entries(&home.join("tasks")), [""; 0].map(PathBuf::from));
    assert_eq!(entries(&home.join("samples")), [""; 0].map(PathBuf::from));
    assert_eq!(known(), (false, true));
    let (_, sessions) = env.json(&["session", "list", "--all", "--json"]);
    assert!(!sessions.to_string().contains("/samples/"), "{sessions}");
    assert_eq!(prune(&env)["tasks"], json!([]));
}

#[test]
fn nothing_goes_of_which_a_session_is_open() {
    let env = TestEnvironment::new();
    let base = env.base();
    let base = base.display();
    let clash = format!(
        "base = '{base}'\nlanding = {{ keep = true }}\n[[steps]]\nname = 'clash'\n\
         command = 'echo ours > notes.txt; echo theirs > {base}/notes.txt'\nunconfined = true\n"
    );
    let clashed = run(&env, "clashed", &clash, 3);
    let kept = env.open_sessions();
    assert_eq!(kept.len(), 1);
    let sampled = run(&env, "sampled", SAMPLE, 0);
    let sample = env.home().join("samples").join(&sampled);
    let begun = env.ok(&["session", "begin", sample.to_str().unwrap()]);
    let begun = begun.trim_end();

    let pruned = prune(&env);
    assert_eq!(pruned["tasks"], json!([]));
    let why = |n: usize| pruned["kept"][n]["why"].as_str().unwrap();
    assert_eq!(
        (&pruned["kept"][0]["id"], &pruned["kept"][1]["id"]),
        (&json!(clashed), &json!(sampled))
    );
    assert!(why(0).contains(&kept[0]) && why(1).contains(begun), "{pruned}");
    assert!(sample.join("b.txt").is_file());
    assert_eq!(env.open_sessions().len(), 2);

    for session in env.open_sessions() {
        env.ok(&["session", "rollback", &session]);
    }
    assert_eq!(prune(&env)["tasks"], json!([clashed, sampled]));
    assert!(!sample.exists());
}

#[test]
fn what_a_crash_left_goes_when_it_is_old() {
    let env = TestEnvironment::new();
    env.ok(&["task", "list"]);
    let home = env.home();
    for dir in ["tasks", "samples/task-x.17", "samples/task-y", "owners"] {
        fs::create_dir_all(home.join(dir)).unwrap();
    }
    fs::write(home.join("samples/task-x.17/a"), "half").unwrap();
    let strays = ["tasks/task-x.log", "owners/1-a", "samples/task-x.17", "samples/task-y"];
    for path in &strays[..2] {
        fs::write(home.join(path), "x").unwrap();
    }
    prune(&env);
    assert!(strays.iter().all(|path| home.join(path).exists()), "somebody may need them now");
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 3600);
    for path in &strays[..3] {
        File::open(home.join(path)).unwrap().set_modified(long_ago).unwrap();
    }
    assert_eq!(env.json(&[ALL.as_slice(), &["--dry-run"]].concat()).1["bytes_freed"], 6);
    assert_eq!(prune(&env)["bytes_freed"], 6);
    let there: Vec<_> = strays.iter().filter(|path| home.join(path).exists()).collect();
    assert_eq!(there, [&"samples/task-y"]);
}

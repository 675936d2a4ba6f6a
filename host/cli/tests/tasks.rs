//! `brio task` and `brio serve`: the recipes, whatever fails in them, and whoever is killed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use brio_tests::rng::{Rng, from_env};
use common::{TestEnvironment, rooms, until};
use toml::{Table, Value};

/// Every recipe, with what it calls its end.
const RECIPES: [(&str, &str); 12] = [
    ("single", "Success"),            // B-040
    ("parallel", "Success"),          // B-041
    ("nested", "Success"),            // B-042
    ("pick-best", "Success"),         // B-043
    ("feature-branch", "Success"),    // B-050
    ("experiment", "Success"),        // B-051
    ("parallel-review", "Approved"),  // B-052, B-121
    ("hotfix", "Deployed"),           // B-053
    ("shared-session", "Success"),    // B-103
    ("pipeline", "Success"),          // B-104
    ("feature", "Success"),           // B-120
    ("experiment-threshold", "Kept"), // B-122
];

fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../example-agents/recipes")
}

fn recipe(name: &str) -> String {
    fs::read_to_string(recipes().join(format!("{name}.toml"))).unwrap()
}

fn no_session_is_left(env: &TestEnvironment, of: &str) {
    assert_eq!(env.open_sessions(), Vec::<String>::new(), "{of}");
}

#[test]
fn every_recipe_runs_by_itself_and_leaves_no_session() {
    if !rooms("tasks") {
        return;
    }
    let env = TestEnvironment::new();
    let before = env.snapshot();
    let there = fs::read_dir(recipes()).unwrap().count();
    assert_eq!(there, RECIPES.len(), "all of them are here");
    for (name, outcome) in RECIPES {
        let file = recipes().join(format!("{name}.toml"));
        let (status, told) = env.json(&["task", "run", file.to_str().unwrap(), "--json"]);
        assert_eq!((status, &told["outcome"]), (0, &outcome.into()), "{name}: {told}");
        assert!(told["landing"].is_u64(), "{name}: {told}");
        no_session_is_left(&env, name);
    }
    assert_eq!(env.snapshot(), before, "nothing else is touched");
    assert!(!recipes().join(".brio").exists(), "nor is the checkout");
}

/// Ways in which a part can fail.
const FAULTS: [(&str, &str); 4] = [
    ("agent", "replace"), // its task is none: it says so
    ("agent", "no-such-agent"),
    ("reviewer", "hello"), // no reviewer
    ("command", "exit 7"),
];

/// Puts a fault into the n-th part of a task; false: it has not so many.
fn break_part(task: &mut Table, n: &mut usize, fault: (&str, &str)) -> bool {
    for list in ["steps", "gates"] {
        let Some(Value::Array(parts)) = task.get_mut(list) else { continue };
        for part in parts {
            if *n > 0 {
                *n -= 1;
                continue;
            }
            let Value::Table(part) = part else { panic!("a table") };
            let name = ["name", "agent", "reviewer"].iter().find_map(|k| part.get(*k));
            let name = name.and_then(Value::as_str).unwrap_or("broken").to_owned();
            let kept = ["failed-as", "rejected-as"].map(|k| (k, part.remove(k)));
            part.clear();
            part.insert("name".into(), name.into());
            part.extend(kept.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))));
            let (kind, what) = fault;
            let is_gate = list == "gates";
            match kind {
                "command" => part.insert("command".into(), vec!["/bin/sh", "-c", what].into()),
                _ if is_gate => part.insert("reviewer".into(), what.into()),
                kind => part.insert(kind.to_owned(), what.into()),
            };
            return true;
        }
    }
    let Some(Value::Array(children)) = task.get_mut("children") else { return false };
    children.iter_mut().any(|child| {
        let Value::Table(child) = child else { return false };
        break_part(child, n, fault)
    })
}

#[test]
fn whatever_fails_in_a_recipe_it_leaves_no_session() {
    if !rooms("tasks") {
        return;
    }
    let mut tried = 0;
    let every = usize::try_from(from_env("BRIO_FAULTS", 0)).unwrap();
    for (of, (name, _)) in RECIPES.iter().enumerate() {
        let env = TestEnvironment::new();
        for (which, fault) in FAULTS.into_iter().enumerate() {
            for n in 0.. {
                let mut task: Table = toml::from_str(&recipe(name)).unwrap();
                if !break_part(&mut task, &mut n.clone(), fault) {
                    break;
                }
                // All of them in the long run: `BRIO_FAULTS=1`.
                if every == 0 && (of + which + n) % 3 != 0 {
                    continue;
                }
                let file = env.path().join("broken.toml");
                fs::write(&file, toml::to_string(&task).unwrap()).unwrap();
                let ran = env.brio(&["task", "run", file.to_str().unwrap(), "--json"]);
                let label = format!("{name}, part {n}, {fault:?}: {}{}", ran.stdout, ran.stderr);
                assert!((0..=6).contains(&ran.status), "{label}");
                if ran.status == 2 && ran.stdout.is_empty() {
                    // What can be seen in the file is not begun.
                    assert!(ran.stderr.contains("error: "), "{label}");
                }
                no_session_is_left(&env, &label);
                tried += 1;
            }
        }
        let (_, list) = env.json(&["task", "list", "--json"]);
        assert_eq!(list["tasks"].as_array().map(Vec::len), Some(0), "{name}: all have ended");
    }
    eprintln!("{tried} faults");
    assert!(tried > 20);
}

/// A server of a home; killed when it is dropped.
struct Server(Child);

impl Server {
    fn start(env: &TestEnvironment) -> Self {
        let mut command = env.command(&["serve", "--jobs", "3"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A task on a base of its own name, which writes a number that is not there yet.
fn counter(env: &TestEnvironment, name: &str, step: &str, gates: &str) -> PathBuf {
    let base = env.path().join(name);
    if !base.exists() {
        fs::create_dir(&base).unwrap();
        fs::write(base.join("count"), "0\n").unwrap();
    }
    let file = env.path().join(format!("{name}.toml"));
    let text = format!(
        "name = \"{name}\"\nbase = \"{name}\"\n[retry]\nattempts = 30\nback-off = \"20ms\"\n\
         [[steps]]\nname = \"count\"\n\
         command = [\"/bin/sh\", \"-c\", '{step}']\n{gates}"
    );
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_server_is_reached_however_long_its_homes_path_is() {
    let env = TestEnvironment::new();
    let home = env.path().join("a-home-that-lies-deep".repeat(8));
    let there = |args: &[&str]| {
        let mut command = env.command(args);
        command.env("BRIO_HOME", &home);
        command
    };
    let quiet = |mut c: Command| c.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let server = Server(quiet(there(&["serve"])));
    let said = || there(&["serve", "--stop"]).output().unwrap();
    let ends = format!("process {} ends", server.0.id());
    until("it is reached", || String::from_utf8_lossy(&said().stderr).contains(&ends));
    let mut server = server;
    until("it ends", || server.0.try_wait().unwrap().is_some());
}

#[test]
fn whoever_says_nothing_to_a_server_or_says_it_slowly_holds_up_nobody() {
    let env = TestEnvironment::new();
    let mut server = Server::start(&env);
    until("it is reached", || env.home().join("control.sock").exists());
    let connect = || UnixStream::connect(env.home().join("control.sock")).unwrap();
    let _silent: Vec<_> = (0..100).map(|_| connect()).collect();
    let mut dripping: Vec<_> = (0..3).map(|_| connect()).collect();
    let (over, is_over) = mpsc::channel::<()>();
    let drips = std::thread::spawn(move || {
        let drip = Duration::from_millis(100);
        while is_over.recv_timeout(drip) == Err(mpsc::RecvTimeoutError::Timeout) {
            dripping.iter_mut().for_each(|peer| drop(peer.write_all(b"p")));
        }
    });
    let task = env.path().join("t.toml");
    fs::write(&task, "name = 't'\n[[steps]]\ncommand = 'true'\nunconfined = true\n").unwrap();
    let submitted = env.brio(&["task", "submit", task.to_str().unwrap()]);
    assert!(!submitted.stderr.contains("nobody works"), "it is woken: {}", submitted.stderr);
    let ran = env.brio(&["serve", "--stop"]);
    assert_eq!(ran.stderr.trim_end(), format!("process {} ends", server.0.id()));
    until("it ends", || server.0.try_wait().unwrap().is_some());
    drop(over);
    drips.join().unwrap();
}

#[test]
fn a_server_works_on_what_others_submit() {
    if !rooms("tasks") {
        return;
    }
    let env = TestEnvironment::new();
    let file = counter(&env, "one", "echo 1 > count", "");
    let file = file.to_str().unwrap();
    let ran = env.brio(&["task", "submit", file, "--id", "task-mine"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "task-mine\n"));
    assert!(ran.stderr.contains("brio serve"), "nobody works on it: {}", ran.stderr);
    let server = Server::start(&env);
    let (status, told) = env.json(&["task", "wait", "mine", "--json", "--timeout", "60s"]);
    assert_eq!((status, &told["outcome"]), (0, &"Success".into()), "{told}");
    let again = env.brio(&["task", "submit", file, "--id", "task-mine", "--json"]);
    assert!(again.stdout.contains("\"submitted\":false"), "{}", again.stdout);
    assert!(env.error(&["serve"], 2, "SERVED").contains(&server.0.id().to_string()));
    assert!(env.ok(&["task", "logs", "mine"]).contains("[count] ends well"));

    // What hangs is cancelled at once.
    let hangs = counter(&env, "two", "sleep 600", "");
    let id = env.ok(&["task", "submit", hangs.to_str().unwrap()]).trim_end().to_owned();
    until("it runs", || env.json(&["task", "show", &id, "--json"]).1["state"] == "running");
    let begun = Instant::now();
    env.ok(&["task", "cancel", &id]);
    env.error(&["task", "wait", &id], 130, "CANCELLED");
    assert!(begun.elapsed() < Duration::from_secs(20));
    no_session_is_left(&env, "cancelled");

    // What a person approved lands.
    let gates = "[[gates]]\nname = \"me\"\nperson = \"good?\"\n";
    let asks = counter(&env, "three", "echo 3 > count", gates);
    let id = env.ok(&["task", "submit", asks.to_str().unwrap()]).trim_end().to_owned();
    let (_, told) = env.json(&["task", "wait", &id, "--json"]);
    assert_eq!(told["state"], "waiting", "{told}");
    env.error(&["session", "approve", "sess-none"], 2, "SESSION_UNKNOWN");
    env.ok(&["session", "approve", told["session"].as_str().unwrap(), "-m", "fine"]);
    let (_, told) = env.json(&["task", "wait", &id, "--json"]);
    assert_eq!(told["outcome"], "Success", "{told}");
    assert_eq!(fs::read_to_string(env.path().join("three/count")).unwrap(), "3\n");
    let three = env.path().join("three");
    let (_, log) = env.json(&["log", three.to_str().unwrap(), "--json"]);
    assert_eq!(log["landings"][0]["decisions"][0]["title"], "approved", "{log}");

    env.ok(&["serve", "--stop"]);
    let mut server = server;
    until("it ends", || server.0.try_wait().unwrap().is_some());
    env.error(&["task", "show", "task-none"], 2, "TASK_UNKNOWN");
}

#[test]
fn killed_at_any_moment_the_server_forgets_nothing_and_repeats_nothing() {
    if !rooms("tasks") {
        return;
    }
    // The long run: `BRIO_SERVE_ROUNDS=300 cargo test -p brio-cli --test tasks -- --nocapture`.
    let rounds = from_env("BRIO_SERVE_ROUNDS", 8);
    let mut rng = Rng::new(from_env("BRIO_SEED", 1));
    let env = TestEnvironment::new();
    let adds = "n=$(cat count); sleep 0.05; echo $((n+1)) > count";
    let gate = "[[gates]]\nname = \"check\"\ncommand = [\"/bin/sh\", \"-c\", \"test -s count\"]\n";
    let files = [
        counter(&env, "plain", adds, ""),
        counter(&env, "gated", adds, gate),
        counter(&env, "fails", "echo x > junk; exit 3", ""),
    ];
    let mut submitted: Vec<(String, &str)> = Vec::new();
    let mut kills = 0;
    for round in 0..rounds {
        for (file, name) in files.iter().zip(["plain", "gated", "fails"]) {
            let id = format!("task-{round}-{name}");
            env.ok(&["task", "submit", file.to_str().unwrap(), "--id", &id]);
            submitted.push((id, name));
        }
        if rng.below(3) == 0 {
            let (name, _) = RECIPES[rng.below(RECIPES.len())];
            let id = format!("task-{round}-recipe");
            let file = recipes().join(format!("{name}.toml"));
            env.ok(&["task", "submit", file.to_str().unwrap(), "--id", &id]);
            submitted.push((id, "recipe"));
        }
        let server = Server::start(&env);
        std::thread::sleep(Duration::from_millis(rng.next_u64() % 1500));
        server.kill();
        kills += 1;
    }
    let server = Server::start(&env);
    for (id, name) in &submitted {
        let ran = env.brio(&["task", "wait", id, "--json", "--timeout", "120s"]);
        let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| {
            panic!("{id}: {e}: {} {}", ran.stdout, ran.stderr);
        });
        assert_eq!(told["state"], "done", "{told}");
        // Killed too often while it ran, a task is taken for the cause.
        let interrupted = told["code"] == "INTERRUPTED";
        let expected = if *name == "fails" { "Failed" } else { "Success" };
        if *name != "recipe" && !interrupted {
            assert_eq!(told["outcome"], expected, "{told}");
        }
    }
    no_session_is_left(&env, "killed");
    for name in ["plain", "gated"] {
        let landed = submitted.iter().filter(|(id, of)| {
            *of == name && env.json(&["task", "show", id, "--json"]).1["landing"].is_u64()
        });
        let count = fs::read_to_string(env.path().join(name).join("count")).unwrap();
        assert_eq!(count.trim().parse::<usize>().unwrap(), landed.count(), "{name}: each once");
    }
    assert!(!env.path().join("fails/junk").exists());
    drop(server);
    eprintln!("{kills} kills, {} tasks", submitted.len());
}

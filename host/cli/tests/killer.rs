//! Processes of every kind are killed at any moment; after each round everything is accounted for.
//!
//! `BRIO_KILLER_ROUNDS=500 cargo test -p brio-cli --test killer -- --nocapture` is the long form.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use brio_tests::rng::{Rng, from_env};
use common::{TestEnvironment, guest, ran, until};

/// What goes with sessions; the newest landing stays.
const STATE: [&str; 3] = ["sessions", "staging", "trash"];
const PAIR: &str = "pair";
const FILES: [&str; 3] = ["one.txt", "two.txt", "src/three.txt"];

/// A base whose files are of one colour, all of them.
fn world() -> TestEnvironment {
    let env = TestEnvironment::new();
    FILES.iter().for_each(|file| env.write(file, "it is red\n"));
    env
}

/// T2: no landing is half there.
fn is_of_one_colour(env: &TestEnvironment) {
    let colours: BTreeSet<_> = FILES.iter().map(|file| env.read(file)).collect();
    assert_eq!(colours.len(), 1, "a landing is half there: {colours:?}");
}

fn start(env: &TestEnvironment, args: &[&str]) -> Child {
    let mut command = env.command(args);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// Something that a person, or a script, would run.
fn work(env: &TestEnvironment, rng: &mut Rng) -> Child {
    let spin = guest("spin");
    let kinds: [&[&str]; 9] = [
        &["run", "replace", "--task", "s/red/blue/", "--", "*.txt"],
        &["run", "replace", "--task", "s/blue/red/", "--", "*.txt"],
        &["run", &spin, "--", "write"],
        &["run", &spin, "--", "sleep"],
        &["run", "replace", "--sandbox", "process", "--task", "s/red/blue/", "--", "*.txt"],
        &["run", &spin, "--sandbox", "process", "--", "write"],
        &["run", "hello", "--keep"],
        &["session", "begin", "--reuse"],
        &["task", "submit", "toggle.toml"],
    ];
    start(env, kinds[rng.below(kinds.len())])
}

/// A landing of a file and a note that say the same, under way.
fn pair(env: &TestEnvironment, n: u64) -> Child {
    let id = env.begin();
    env.ok(&[
        "run",
        "replace",
        "--session",
        &id,
        "--task",
        &format!("re:s/[0-9]+/{n}/"),
        "--",
        PAIR,
    ]);
    env.ok(&["note", "write", PAIR, &format!("{n}\n"), "--session", &id]);
    start(env, &["session", "commit", &id, "--policy", "last-write-wins"])
}

/// notes land with the files, or not at all.
fn note_and_file_agree(env: &TestEnvironment) {
    assert_eq!(env.ok(&["note", "read", PAIR]), env.read(PAIR));
}

/// What is listed is what is there.
fn list_agrees_with_disk(env: &TestEnvironment) -> Vec<serde_json::Value> {
    let (status, list) = env.json(&["session", "list", "--json"]);
    assert_eq!(status, 0, "{list}");
    let listed = list["sessions"].as_array().expect("an array").clone();
    let names = std::fs::read_dir(env.base().join(".brio/sessions")).expect("sessions");
    let names = names.map(|e| e.expect("an entry").file_name().into_string().expect("text"));
    let there: BTreeSet<String> = names.filter(|name| !name.starts_with('.')).collect();
    let ids: BTreeSet<String> =
        listed.iter().map(|s| s["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids, there, "the list and the disk");
    listed
}

/// Workers of one child: what descends from it in cells of their own.
fn workers(of: &Child) -> Vec<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let all = std::fs::read_dir("/proc").expect("processes");
    let all = all.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let descends =
        |pid: &u32| std::iter::successors(parent(*pid), |p| parent(*p)).any(|p| p == of.id());
    all.filter(descends).collect()
}

fn kill_worker(of: &Child, rng: &mut Rng) {
    let all = workers(of);
    if !all.is_empty() {
        let pid = all[rng.below(all.len())].cast_signed();
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn round(env: &TestEnvironment, rng: &mut Rng, server: &mut Child, empty: u64) {
    let mut running: Vec<_> = (0..3 + rng.below(4)).map(|_| work(env, rng)).collect();
    running.extend((0..rng.below(3)).map(|_| pair(env, rng.next_u64())).collect::<Vec<_>>());
    // Somebody who must never be robbed, in a session of its own.
    let own = env.begin();
    let mut alive = start(env, &["run", &guest("spin"), "--session", &own, "--", "sleep"]);
    std::thread::sleep(Duration::from_millis(rng.next_u64() % 400));
    for child in running.iter().chain([&*server]).filter(|_| rng.below(2) == 0).collect::<Vec<_>>()
    {
        kill_worker(child, rng);
    }
    if rng.below(3) == 0 {
        kill(server);
        *server = start(env, &["serve"]);
    }
    running.iter_mut().filter(|_| rng.below(2) == 0).for_each(kill);
    is_of_one_colour(env);
    until("the one who must not be robbed works", || {
        env.json(&["session", "show", &own, "--json"]).1["run"] == "live"
    });
    // Those that spin end only by a kill, and nobody's worker outlives him.
    let workers: Vec<u32> = running.iter().flat_map(workers).collect();
    running.iter_mut().for_each(kill);
    until("their workers are gone", || {
        workers.iter().all(|pid| !Path::new("/proc").join(pid.to_string()).exists())
    });
    until("the tasks have ended", || {
        env.json(&["task", "list", "--json"]).1["tasks"] == serde_json::json!([])
    });
    let mut recover = env.command(&["recover", "--all"]);
    let said = ran(recover.env("BRIO_DEAD_AFTER", "0s").output().expect("it runs"));
    assert_eq!(said.status, 0, "{}", said.stderr);
    let listed = list_agrees_with_disk(env);
    for session in &listed {
        assert_ne!(session["state"], "dead", "a dead run is left: {session}");
        let live = session["run"] == "live";
        assert_eq!(live, session["id"] == *own, "{session}");
    }
    is_of_one_colour(env);
    note_and_file_agree(env);
    env.ok(&["session", "purge", "--yes"]);
    let left = list_agrees_with_disk(env);
    assert!(left.len() == 1 && left[0]["id"] == *own, "T5: who lives is spared: {left:?}");
    assert_eq!(alive.try_wait().expect("a status"), None, "it lives");
    let killed = env.json(&["session", "kill", &own, "--json"]).1;
    assert_eq!(killed["ending"], "rolled-back", "{killed}");
    assert_eq!(alive.wait().expect("it ends").code(), Some(4));
    env.ok(&["gc", "--window", "0"]);
    assert_eq!((list_agrees_with_disk(env).len(), env.taken(&STATE)), (0, empty), "T19");
}

// T2, T5, T12, T19, F-032, F-060, F-070
#[test]
fn whoever_is_killed_everything_is_accounted_for() {
    let rounds = from_env("BRIO_KILLER_ROUNDS", 6);
    let env = world();
    env.write(
        "toggle.toml",
        "name = \"toggle\"\n[[steps]]\nagent = \"replace\"\ntask = \"s/red/blue/\"\nargs = [\"*.txt\"]\n",
    );
    env.write(PAIR, "1\n");
    env.ok(&["note", "write", PAIR, "1\n"]);
    env.ok(&["session", "rollback", &env.begin()]);
    let empty = env.taken(&STATE);
    let mut server = start(&env, &["serve"]);
    let mut rng = Rng::new(from_env("BRIO_SEED", 1));
    for n in 0..rounds {
        round(&env, &mut rng, &mut server, empty);
        if n % 50 == 49 {
            println!("{} rounds", n + 1);
        }
    }
    env.ok(&["serve", "--stop"]);
    assert_eq!(server.wait().expect("it ends").code(), Some(0));
    let (_, log) = env.json(&["log", "--json"]);
    let landings = log["landings"].as_array().expect("an array").len();
    println!("{rounds} rounds, {landings} landings");
    assert!(landings > 0, "nothing landed: nothing was tried");
}

//! Random histories of sessions under `serializable` have the result of running the sessions that
//! landed one after the other, in the order of their landings, on a plain directory. The checker
//! knows nothing of the engine: it runs the same programs again.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unreachable_pub, reason = "a module of a test")]

mod common;
#[path = "serializable/program.rs"]
mod program;

use std::path::Path;
use std::sync::Mutex;

use brio_landing::{BeginOptions, CommitError, CommitOptions, Domain, Isolation, Session};
use common::{open, writer};
use program::{Plain, Program, Rng, contents, fill};

/// What one session does: its own steps, those of a child (if it has one), and its own again.
#[derive(Debug, Clone, Copy)]
struct Script {
    seed: u64,
    steps: [usize; 3],
}

impl Script {
    fn new(rng: &mut Rng) -> Self {
        let child = if rng.below(3) == 0 { 1 + rng.below(5) } else { 0 };
        Self { seed: rng.next(), steps: [1 + rng.below(6), child, rng.below(6)] }
    }
}

/// Works in a session. False: its child could not land in it.
fn work(d: &Domain, s: &Session, script: Script) -> bool {
    let mut program = Program::new(script.seed);
    let [before, child, after] = script.steps;
    let w = writer(s);
    program.run(w.view(), before);
    if child > 0 {
        let c = w.begin_child(BeginOptions::default()).unwrap();
        let cw = writer(&c);
        program.run(cw.view(), child);
        cw.finish().unwrap();
        if w.commit_child(c.id(), CommitOptions::default()).is_err() {
            d.rollback(c.id(), false).unwrap();
            return false;
        }
    }
    program.run(w.view(), after);
    w.finish().unwrap();
    true
}

/// The number of the landing; `None`: refused, or nothing to land.
fn commit(d: &Domain, s: &Session) -> (Option<u64>, bool) {
    match d.commit(s.id(), CommitOptions::default()) {
        Ok(landed) => (landed.landing, false),
        Err(CommitError::Conflict { .. }) => {
            d.rollback(s.id(), false).unwrap();
            (None, true)
        }
        Err(e) => panic!("{e}"),
    }
}

/// One after the other.
fn replay(landed: &mut [(u64, Script)]) -> std::collections::BTreeMap<String, Option<String>> {
    landed.sort_by_key(|(number, _)| *number);
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let files = Plain(dir.path().to_owned());
    for (_, script) in landed {
        let mut program = Program::new(script.seed);
        program.run(&files, script.steps.iter().sum());
    }
    contents(dir.path())
}

fn scratch() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    let dir = tempfile::tempdir_in(if shm.is_dir() { shm } else { Path::new("/tmp") }).unwrap();
    fill(dir.path());
    dir
}

fn begin(d: &Domain, isolation: Isolation) -> Session {
    d.begin(BeginOptions { isolation, ..BeginOptions::default() }).unwrap()
}

/// Sessions that begin, work and commit in a random order. Whether the result is that of some
/// serial run, and how many landed and were refused.
fn history(seed: u64, isolation: Isolation) -> (bool, usize, usize) {
    let mut rng = Rng(seed);
    let dir = scratch();
    let d = open(dir.path());
    let (mut open, mut landed, mut refused) = (Vec::new(), Vec::new(), 0);
    let mut left = 12;
    while left > 0 || !open.is_empty() {
        if left > 0 && open.len() < 4 && rng.below(2) == 0 {
            left -= 1;
            open.push((begin(&d, isolation), Script::new(&mut rng), false));
        } else if !open.is_empty() {
            let i = rng.below(open.len());
            let (s, script, worked) = &mut open[i];
            if !*worked {
                assert!(work(&d, s, *script), "nobody else works in the parent");
                *worked = true;
                continue;
            }
            let (number, conflict) = commit(&d, s);
            landed.extend(number.map(|n| (n, *script)));
            refused += usize::from(conflict);
            open.swap_remove(i);
        }
    }
    let serial = replay(&mut landed) == contents(dir.path());
    (serial, landed.len(), refused)
}

#[test]
fn histories_are_serializable() {
    let (mut landed, mut refused) = (0, 0);
    for seed in 0..60 {
        let (serial, l, r) = history(seed, Isolation::Serializable);
        assert!(serial, "seed {seed}: not the result of running one after the other");
        (landed, refused) = (landed + l, refused + r);
    }
    eprintln!("{landed} landed, {refused} refused");
    assert!(landed > 200 && refused > 100, "{landed} landed, {refused} refused");
}

#[test]
fn the_checker_tells_histories_that_are_not() {
    let strange = (0..60).filter(|seed| !history(*seed, Isolation::Snapshot).0).count();
    assert!(strange >= 5, "under snapshot {strange} of 60 histories are not serial");
}

/// Sessions of one state that commit at the same time, from threads: group commit.
#[test]
fn what_lands_together_is_serializable() {
    let (mut all, mut refused) = (0, 0);
    for seed in 0..15 {
        let mut rng = Rng(0x5e71_a112 + seed);
        let dir = scratch();
        let d = open(dir.path());
        let mut landed = Vec::new();
        for _ in 0..4 {
            let sessions: Vec<_> = (0..6)
                .map(|_| {
                    let (s, script) = (begin(&d, Isolation::Serializable), Script::new(&mut rng));
                    assert!(work(&d, &s, script));
                    (s, script)
                })
                .collect();
            let done = Mutex::new(Vec::new());
            std::thread::scope(|scope| {
                for (s, script) in &sessions {
                    scope.spawn(|| {
                        let came = commit(&d, s);
                        done.lock().unwrap().push((came, *script));
                    });
                }
            });
            for ((number, conflict), script) in done.into_inner().unwrap() {
                landed.extend(number.map(|n| (n, script)));
                refused += usize::from(conflict);
            }
        }
        let (expected, found) = (replay(&mut landed), contents(dir.path()));
        assert_eq!(found, expected, "seed {seed}: not the result of running one after the other");
        all += landed.len();
    }
    eprintln!("{all} landed, {refused} refused");
    assert!(all > 60 && refused > 60, "{all} landed, {refused} refused");
}

//! Crash points of everything that passes the door: landings of many shapes, children that land
//! in their parents, rollbacks, collections and begins, each hit by a fault at a random
//! operation, half of them by a second fault in the same process or in the recovery.
//! T2, T3, T17, T22, T23, B-060, B-063.
//!
//! The long run: `BRIO_CRASH_POINTS=10000 BRIO_SEED=1 cargo test -p brio-landing --test
//! crash_points -- --nocapture`. One point: `BRIO_CRASH_POINT=SEED` as a failure names it.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "crash_points/acts.rs"]
mod acts;
mod common;
#[path = "crash_points/faults.rs"]
mod faults;
#[path = "crash_points/shapes.rs"]
mod shapes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use acts::Act;
use faults::{Fault, Random};
use shapes::SHAPES;

/// A tree as `common::tree` shows it.
type Tree = BTreeMap<Vec<u8>, String>;

/// A memory file system where there is one: thousands of syncs are not what is tested here.
fn scratch() -> PathBuf {
    match std::env::var_os("TMPDIR") {
        Some(dir) => dir.into(),
        None if PathBuf::from("/dev/shm").is_dir() => "/dev/shm".into(),
        None => std::env::temp_dir(),
    }
}

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |v| v.parse().unwrap())
}

/// How many operations an act has without faults, and what it makes of the base.
fn whole(act: Act, shape: usize) -> (usize, Tree) {
    type Known = BTreeMap<(Act, usize), (usize, Tree)>;
    static KNOWN: OnceLock<Mutex<Known>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    if let Some(w) = known.lock().unwrap().get(&(act, shape)) {
        return w.clone();
    }
    let w = acts::count(act, shape);
    known.lock().unwrap().insert((act, shape), w.clone());
    w
}

/// What became of the points.
#[derive(Debug, Default)]
struct Tally {
    reached: AtomicU64,
    second_reached: AtomicU64,
    old: AtomicU64,
    new: AtomicU64,
    /// After a lost write, the journal may not know the end of a session.
    forgotten: AtomicU64,
}

fn point(seed: u64, tally: &Tally) {
    let mut rng = Random(seed);
    let act = *rng.pick(&Act::ALL);
    let shape = rng.below(SHAPES.len());
    let (ops, new) = whole(act, shape);
    let mut first = Fault::random(&mut rng, ops);
    // It hits what undoes the first, or what recovers from it.
    let twice = rng.below(2) == 0;
    if twice {
        first.at = ops / 3 + first.at * 2 / 3;
    }
    let second = twice.then(|| (!first.survives(), Fault::random(&mut rng, 40)));
    let label = format!(
        "point {seed}: {act:?} of {}: {first:?}, then {second:?} ({ops} operations)",
        SHAPES[shape].0
    );
    acts::run(&acts::Point { act, shape, new, first, second, label }, tally);
}

#[test]
fn every_crash_point_leaves_old_or_new() {
    let begun = std::time::Instant::now();
    let tally = Tally::default();
    if let Ok(one) = std::env::var("BRIO_CRASH_POINT") {
        return point(one.parse().unwrap(), &tally);
    }
    let (points, seed) = (from_env("BRIO_CRASH_POINTS", 400), from_env("BRIO_SEED", 1));
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                // A point whose fault comes too late does not count.
                while tally.reached.load(Ordering::Relaxed) < points {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    assert!(n < points * 4, "too few faults are reached");
                    point(seed * 1_000_000_000 + n, &tally);
                }
            });
        }
    });
    eprintln!("seed {seed}: {tally:?}; {:?}", begun.elapsed());
    let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
    assert!(of(&tally.reached) >= points);
    assert!(of(&tally.old) > points / 10 && of(&tally.new) > points / 20, "{tally:?}");
    assert!(of(&tally.second_reached) > points / 20, "{tally:?}");
}

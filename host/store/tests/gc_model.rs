//! Collections beside writers, in a world of one thread and one seed: at each step something of
//! somebody's goes on, dies, is lost or comes late. What the refs reach is there after each step,
//! and in the end nothing else is.
//!
//! A long run: `BRIO_GC_STEPS=100000 BRIO_SEED=7 cargo test -p brio-store --test gc_model -- --nocapture`
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/sim.rs"]
mod sim;
#[path = "gc_model/writers.rs"]
mod writers;

use std::sync::Arc;
use std::task::{Context, Waker};

use brio_store::{Compression, Error, GRACE_MIN, GcOptions, Project, Store, StoreOptions};
use futures_util::future::BoxFuture;
use sim::{Dice, Flaw, Port, Sim, step};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A machine, with nothing near.
fn machine(sim: &Arc<Sim>, who: String, flaw: Option<Flaw>) -> Project {
    let options = StoreOptions {
        compression: Compression::None,
        memory: 1 << 20,
        clock: sim.clone(),
        chance: sim.clone(),
        ..StoreOptions::default()
    };
    let store = Store::new(Port::new(sim, who, flaw), options);
    store.project(&"test/project".parse().unwrap())
}

/// Collects again and again; each time as a process of its own.
async fn collector(
    sim: Arc<Sim>,
    who: String,
    mut dice: Dice,
    keep: Option<u64>,
    flaw: Option<Flaw>,
) {
    for n in 0u64.. {
        for _ in 0..dice.below(60) {
            step().await;
        }
        let project = machine(&sim, format!("{who}.{n}"), flaw);
        let grace = if dice.once_in(3) { 2 * GRACE_MIN } else { GRACE_MIN };
        let dry_run = dice.once_in(10);
        let options = GcOptions { grace, keep_landings: keep, dry_run };
        match project.collect(&options, &mut |_| {}).await {
            Ok(_) | Err(Error::Unreachable { .. } | Error::Busy { .. }) => {}
            // It has many flaws then.
            Err(_) if flaw.is_some() => {}
            Err(e) => panic!("a collection: {e}"),
        }
    }
}

fn run_alone<T>(sim: &Sim, mut f: BoxFuture<'_, T>) -> T {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let std::task::Poll::Ready(out) = f.as_mut().poll(&mut cx) {
            return out;
        }
        sim.pass(50);
    }
}

struct Run {
    steps: u64,
    landed: u64,
    pushed: u64,
    noted: u64,
    removed: u64,
    revived: u64,
    crashed: u64,
    digest: u64,
}

/// `Err`: what went wrong, and the last things that happened.
fn run(seed: u64, steps: u64, keep: Option<u64>, flaw: Option<Flaw>) -> Result<Run, String> {
    let sim = Sim::new(seed);
    sim.oracle(|o| o.keep = keep);
    let pool = writers::Pool::new(&sim);
    run_alone(&sim, Box::pin(writers::first(sim.clone(), pool.clone())));
    sim.faults.store(150, std::sync::atomic::Ordering::SeqCst);

    let actor = |n: u64, dice: u64| -> BoxFuture<'static, ()> {
        let (sim, pool, dice) = (sim.clone(), pool.clone(), Dice(dice));
        match n {
            0 | 1 => {
                let flaw = flaw.filter(|f| *f != Flaw::Waiting);
                Box::pin(collector(sim, format!("collector {n}"), dice, keep, flaw))
            }
            _ => {
                let flaw = flaw.filter(|f| *f == Flaw::Waiting);
                Box::pin(writers::writer(sim, pool, format!("writer {n}"), dice, flaw))
            }
        }
    };
    // In some worlds what lies there is soon old.
    let hasty = flaw.is_some() || seed.is_multiple_of(2);
    const ACTORS: u64 = 7;
    let mut actors: Vec<_> = (0..ACTORS).map(|n| actor(n, sim.dice(Dice::next))).collect();
    let mut cx = Context::from_waker(Waker::noop());
    let mut crashed = 0;
    for at in 0..steps {
        let n = sim.dice(|d| d.below(ACTORS));
        assert!(actors[n as usize].as_mut().poll(&mut cx).is_pending());
        if sim.dice(|d| d.once_in(400)) {
            crashed += 1;
            actors[n as usize] = actor(n, sim.dice(Dice::next));
        }
        sim.pass(sim.dice(|d| match d.below(5000) {
            0 => 15 * 24 * 3_600_000,
            1..30 if hasty => 3_600_000 * (1 + d.below(4)),
            1..4 => 3_600_000 * (1 + d.below(4)),
            4..6 => 60_000 * (10 + d.below(50)),
            6..30 => 60_000 * (1 + d.below(3)),
            _ => d.below(300),
        }));
        if sim.dice(|d| d.once_in(20)) {
            sim.arrive();
        }
        if let Some(wrong) = sim.oracle(|o| o.wrong.take()) {
            let trace = sim.trace().join("\n");
            return Err(format!("seed {seed}, step {at}: {wrong}\n{trace}"));
        }
    }
    drop(actors);

    // Nobody is left, and time passes: what nothing names goes, and nothing else.
    sim.faults.store(0, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..2 {
        sim.pass(24 * 3_600_000);
        let project = machine(&sim, "the last collector".into(), None);
        let options = GcOptions { grace: GRACE_MIN, keep_landings: keep, dry_run: false };
        run_alone(&sim, Box::pin(async move { project.collect(&options, &mut |_| {}).await }))
            .map_err(|e| format!("seed {seed}: the last collection: {e}"))?;
    }
    let fails = |why: String| format!("seed {seed}: in the end {why}\n{}", sim.trace().join("\n"));
    let garbage = sim.oracle(oracle::Oracle::garbage);
    if !garbage.is_empty() {
        return Err(fails(format!("there still is {garbage:#?}")));
    }
    let project = machine(&sim, "a reader".into(), None);
    for tree in sim.oracle(|o| o.trees()) {
        let read = run_alone(&sim, Box::pin(writers::read(project.clone(), tree)));
        read.map_err(|e| fails(format!("tree {tree} cannot be read: {e}")))?;
    }
    run_alone(&sim, Box::pin(writers::read_notes(project)))
        .map_err(|e| fails(format!("the notes cannot be read: {e}")))?;
    let digest = sim.digest();
    Ok(sim.oracle(|o| Run {
        steps,
        landed: o.landed,
        pushed: o.pushed,
        noted: o.noted,
        removed: o.removed,
        revived: o.revived,
        crashed,
        digest,
    }))
}

fn checked(seed: u64, steps: u64, keep: Option<u64>) {
    let r = run(seed, steps, keep, None).unwrap_or_else(|e| panic!("{e}"));
    println!(
        "seed {seed}: {} steps, {} landings, {} sessions stored, {} notes written, {} objects removed, {} of them \
         written again, {} crashes; digest {:016x}",
        r.steps, r.landed, r.pushed, r.noted, r.removed, r.revived, r.crashed, r.digest
    );
    let least = [r.landed, r.pushed, r.noted, r.removed].into_iter().min().unwrap();
    assert!(least > steps / 5000);
}

#[test]
fn what_refs_reach_stays_and_nothing_else() {
    let seed = number("BRIO_SEED").unwrap_or(1);
    let steps = number("BRIO_GC_STEPS").unwrap_or(20_000);
    checked(seed, steps, None);
}

#[test]
fn a_bounded_history_stays_as_far_as_it_is_bounded() {
    let seed = number("BRIO_SEED").unwrap_or(1);
    let steps = number("BRIO_GC_STEPS").unwrap_or(20_000);
    checked(seed, steps, Some(3));
}

#[test]
fn a_seed_is_a_run() {
    let seed = number("BRIO_SEED").unwrap_or(5);
    let digest = |seed, keep| run(seed, 4000, keep, None).map(|r| (r.digest, r.landed, r.removed));
    for keep in [None, Some(3)] {
        assert_eq!(digest(seed, keep), digest(seed, keep));
        assert_ne!(digest(seed, keep), digest(seed + 1, keep));
    }
    // What goes wrong is told in the same words.
    let wrong = || {
        (seed..seed + 300).find_map(|s| run(s, 8000, None, Some(Flaw::SecondLook)).err()).unwrap()
    };
    assert_eq!(wrong(), wrong());
}

/// A collector, or a writer, that leaves out a part of the protocol loses something.
fn is_found(flaw: Flaw) {
    // Where it is found soon: that a collection falls between a pin and its ref is rare.
    let from = if flaw == Flaw::Pins { 370 } else { 0 };
    let found = (from..from + 300).find_map(|seed| run(seed, 8_000, None, Some(flaw)).err());
    let found = found.unwrap_or_else(|| panic!("{flaw:?} was not found"));
    assert!(
        ["is needed", "is not there", "the record"].iter().any(|w| found.contains(w)),
        "{flaw:?}: {found}"
    );
    println!("{flaw:?}: {}", found.lines().next().unwrap_or_default());
}

#[test]
fn without_pins_something_is_lost() {
    is_found(Flaw::Pins);
}

#[test]
fn without_notes_something_is_lost() {
    is_found(Flaw::Notes);
}

#[test]
fn without_a_second_look_something_is_lost() {
    is_found(Flaw::SecondLook);
}

#[test]
fn without_waiting_for_a_sweep_something_is_lost() {
    is_found(Flaw::Waiting);
}

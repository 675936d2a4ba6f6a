//! `kill -9` at a random moment against the real binary, round after round on one base; then
//! `brio recover`, and everything is compared with a model. T2, T3, T22, B-060.
//!
//! The long run: `BRIO_KILL_ROUNDS=5000 BRIO_SEED=1 cargo test -p brio-cli --test kill --
//! --nocapture`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "kill/edits.rs"]
mod edits;
#[path = "kill/world.rs"]
mod world;

use std::time::{Duration, Instant};

use brio_landing::SessionError;
use brio_tests::rng::{Rng, from_env};
use brio_tests::tree::{on_disk, same};
use edits::Edits;
use world::{Ended, World};

/// When a command is killed.
#[derive(Debug, Clone, Copy)]
enum When {
    After(Duration),
    /// So long after something lies in this directory of `.brio`.
    Seen(&'static str, Duration),
}

fn when(rng: &mut Rng, usual: Duration) -> When {
    let micros = |rng: &mut Rng, n: u64| Duration::from_micros(rng.next_u64() % n.max(1));
    match rng.below(6) {
        0 | 1 => When::After(micros(rng, usual.as_micros() as u64 * 5 / 4)),
        2 => When::Seen("staging", micros(rng, 20_000)),
        3 => When::Seen("landings", Duration::ZERO),
        _ => When::Seen("landings", micros(rng, 8_000)),
    }
}

/// What the rounds met.
#[derive(Debug, Default)]
struct Met {
    acknowledged: usize,
    killed_old: usize,
    killed_new: usize,
    recovery_had_work: usize,
    recovery_killed: usize,
    edited: usize,
    rollbacks: usize,
    begins: usize,
}

#[test]
fn killed_at_any_moment_the_base_is_wholly_old_or_wholly_new() {
    let (rounds, seed) = (from_env("BRIO_KILL_ROUNDS", 200), from_env("BRIO_SEED", 1));
    let mut rng = Rng::new(seed);
    let mut world = World::new();
    let mut met = Met::default();
    let mut usual = Duration::from_millis(60);
    let begun = Instant::now();
    for round in 0..rounds {
        let label = format!("seed {seed}, round {round}");
        match rng.below(12) {
            0 => rollback(&mut world, &mut rng, &label, &mut met),
            1 => begin(&mut world, &mut rng, &label, &mut met),
            _ => land(&mut world, &mut rng, &label, &mut met, &mut usual),
        }
        world.agree(&label);
    }
    eprintln!("seed {seed}: {rounds} rounds in {:?}: {met:?}", begun.elapsed());
    assert!(met.killed_old > 0 && met.killed_new > 0 && met.acknowledged > 0, "{met:?}");
    assert!(met.recovery_had_work > 0, "no landing was killed in the middle: {met:?}");
}

fn land(world: &mut World, rng: &mut Rng, label: &str, met: &mut Met, usual: &mut Duration) {
    let old = world.tree.clone();
    let (id, new) = world.session(rng);
    let (at, landings) = (when(rng, *usual), world.names("landings"));
    let started = Instant::now();
    let ended = world.kill(&["session", "commit", id.as_str()], at, &landings);
    if matches!(ended, Ended::Success) {
        *usual = started.elapsed().max(Duration::from_millis(5));
        met.acknowledged += 1;
    }
    let label = &format!("{label}: commit of {id} killed {at:?}: {ended:?}");
    let edits =
        if rng.one_in(3) { Edits::make(world.base(), &old, &new, rng) } else { Edits::none() };
    world.edited(edits.paths());
    if rng.one_in(4) {
        // Recovery dies as well.
        let at = When::After(Duration::from_micros(rng.next_u64() % 40_000));
        world.kill(&["recover"], at, &landings);
        met.recovery_killed += 1;
    }
    let said = world.ok(&["recover"], label);
    met.recovery_had_work += usize::from(!said.contains("nothing to recover"));
    let now = on_disk(world.base());
    let landed = match world.domain().session(&id) {
        Ok(_) => false,
        Err(SessionError::Ended { state, .. }) => {
            assert_eq!(state.as_str(), "landed", "{label}");
            true
        }
        Err(e) => panic!("{label}: {e}"),
    };
    match ended {
        Ended::Success => assert!(landed, "{label}: acknowledged, and lost"),
        Ended::Failure => assert!(!landed || !edits.is_empty(), "{label}: failed, and visible"),
        Ended::Killed if landed => met.killed_new += 1,
        Ended::Killed => met.killed_old += 1,
    }
    met.edited += usize::from(!edits.is_empty());
    edits.check(&now, if landed { &new } else { &old }, &world.kept(), label);
    if edits.is_empty() && !landed {
        // T3: the retry lands.
        world.ok(&["session", "commit", id.as_str()], label);
        let now = on_disk(world.base());
        same(&now, &new, &format!("{label}: after the retry"));
    } else if !landed {
        world.ok(&["session", "rollback", id.as_str()], label);
    }
    world.tidy();
}

fn rollback(world: &mut World, rng: &mut Rng, label: &str, met: &mut Met) {
    met.rollbacks += 1;
    let (id, new) = world.session(rng);
    let at = When::After(Duration::from_micros(rng.next_u64() % 60_000));
    let ended = world.kill(&["session", "rollback", id.as_str()], at, &[]);
    let label = &format!("{label}: rollback of {id} killed {at:?}: {ended:?}");
    world.ok(&["recover"], label);
    same(&on_disk(world.base()), &world.tree, label);
    match world.domain().session(&id) {
        Ok(_) => {
            assert!(!matches!(ended, Ended::Success), "{label}");
            // What is still there is whole.
            world.ok(&["session", "commit", id.as_str()], label);
            same(&on_disk(world.base()), &new, label);
        }
        Err(SessionError::Ended { state, .. }) => {
            assert_eq!(state.as_str(), "rolled-back", "{label}")
        }
        Err(e) => panic!("{label}: {e}"),
    }
    world.tidy();
}

fn begin(world: &mut World, rng: &mut Rng, label: &str, met: &mut Met) {
    met.begins += 1;
    let before = world.open_sessions();
    let at = When::After(Duration::from_micros(rng.next_u64() % 40_000));
    let ended = world.kill(&["session", "begin"], at, &[]);
    let label = &format!("{label}: begin killed {at:?}: {ended:?}");
    world.ok(&["recover"], label);
    let more: Vec<_> =
        world.open_sessions().into_iter().filter(|id| !before.contains(id)).collect();
    assert!(more.len() <= 1, "{label}: {more:?}");
    assert!(!matches!(ended, Ended::Success) || more.len() == 1, "{label}");
    for id in more {
        world.ok(&["session", "rollback", id.as_str()], label);
    }
    same(&on_disk(world.base()), &world.tree, label);
}

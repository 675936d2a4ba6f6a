//! gc: slots go, then their landing's directory.

use crate::check::{Config, Mutant};
use crate::world::*;

/// Does the reading session look through landing `k`? Its mark does not matter.
pub(crate) fn needed(world: &World, k: usize) -> bool {
    world.reader.open && world.reader.n < number(k) && world.disk.landing[k] & ABORTED == 0
}

pub(crate) fn collect(world: &World, config: &Config, next: &mut Next) {
    let (k, i) = (world.actor.k, usize::from(world.actor.i));
    let aborted = world.disk.landing[k] & ABORTED != 0;
    match world.actor.pc {
        Pc::GcStale => go(next, world, "gc: mark stale", k, |w| {
            w.disk.stale = true;
            w.actor.pc =
                if config.is(Mutant::StaleNotSynced) { Pc::GcSlot } else { Pc::GcStaleSync };
        }),
        Pc::GcStaleSync => go(next, world, "gc: fsync the mark", k, |w| {
            w.durable.stale = true;
            w.actor.pc = Pc::GcSlot;
        }),
        Pc::GcSlot => {
            let planned =
                world.disk.slot_as_planned(k, i, aborted) || config.is(Mutant::GcDoesNotLook);
            let act = if planned { Act::Unlink } else { Act::Keep };
            if config.is(Mutant::GcLooksThenUnlinks) {
                go(next, world, "gc: looked", i, |w| {
                    w.actor.act = act;
                    w.actor.pc = Pc::GcUnlink;
                });
            } else {
                go(next, world, "gc: slot, under a file lease", i, |w| drop_slot(w, k, i, act));
            }
        }
        Pc::GcUnlink => go(next, world, "gc: slot", i, |w| drop_slot(w, k, i, w.actor.act)),
        Pc::GcDir => go(next, world, "gc: landing's directory", k, |w| {
            w.disk.landing[k] |= GONE;
            w.kill_actor();
        }),
        _ => {}
    }
}

/// Goes on to the next slot that holds something, then to what follows the slots.
pub(crate) fn next_slot(world: &mut World, config: &Config) {
    let k = world.actor.k;
    while usize::from(world.actor.i) < PATHS {
        if world.disk.slot[k][usize::from(world.actor.i)] != 0 {
            return;
        }
        world.actor.i += 1;
    }
    if directory_goes(world, config, k) {
        world.actor.pc = Pc::GcDir;
    } else {
        world.kill_actor();
    }
}

/// May the directory of a landing without slots go, with the intent in it?
pub(crate) fn directory_goes(world: &World, config: &Config, k: usize) -> bool {
    if needed(world, k) {
        // Without the intent a view would take what a landing wrote for its own.
        return config.is(Mutant::IntentGoesWithSlots);
    }
    // As long as it is there it tells that the session is over; then the session must be gone for good, by the
    // syncfs of a later landing.
    let session = 1 << world.disk.intent[k].session;
    let over = world.disk.landing[k] & ABORTED != 0
        || world.power_cuts_left == 0
        || world.durable.trashed & session != 0
        || config.is(Mutant::LandingGoesBeforeSession);
    // The newest stays, as a witness of its number.
    let newest = (k + 1..LANDINGS).all(|later| !world.disk.present(later));
    over && (!newest || config.is(Mutant::NumbersFromDirectory))
}

fn drop_slot(world: &mut World, k: usize, path: usize, act: Act) {
    let ino = world.disk.slot[k][path];
    if act == Act::Keep {
        world.disk.kept |= 1 << ino;
    }
    world.disk.slot[k][path] = 0;
    world.actor.act = Act::Nothing;
    world.actor.pc = Pc::GcSlot;
    world.actor.i += 1;
}

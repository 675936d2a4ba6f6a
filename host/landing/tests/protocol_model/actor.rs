//! The process that lands, aborts, recovers and collects garbage: everything under the exclusive lock.

use crate::check::{Config, Mutant};
use crate::collect::{collect, needed, next_slot};
use crate::land::{apply, finish, seal};
use crate::recover::{abort, recover};
use crate::world::*;

/// Every next step of this process, and every way in which it can fail or die.
pub(crate) fn step(world: &World, config: &Config, next: &mut Next) {
    match world.actor.pc {
        Pc::Idle => idle(world, config, next),
        Pc::Staged | Pc::Synced | Pc::Locked | Pc::Valid | Pc::Renamed | Pc::Fsynced => {
            seal(world, config, next)
        }
        Pc::Apply | Pc::Verify => apply(world, config, next),
        Pc::Durable | Pc::Settle | Pc::Trash | Pc::End | Pc::Over => finish(world, config, next),
        Pc::AbortWrite | Pc::AbortFsync | Pc::AbortSeq | Pc::InvertLook | Pc::InvertAct => {
            abort(world, config, next)
        }
        Pc::RecoverFsync | Pc::RecoverRaise | Pc::RecoverLook | Pc::RecoverAct => {
            recover(world, config, next)
        }
        Pc::GcStale | Pc::GcStaleSync | Pc::GcSlot | Pc::GcUnlink | Pc::GcSession | Pc::GcDir => {
            collect(world, config, next)
        }
    }
    if world.crashes_left > 0 && world.actor.pc != Pc::Idle {
        go(next, world, "kill -9", 0, |w| {
            w.crashes_left -= 1;
            w.kill_actor();
        });
    }
}

/// Takes the steps that nobody else can see and that look at nothing that others change.
pub(crate) fn hidden_steps(world: &mut World, config: &Config) {
    let done = world.disk.intent[world.actor.k].step(world.actor.i).is_none();
    match world.actor.pc {
        Pc::Apply if done => {
            if config.is(Mutant::SeqAfterApply) {
                raise(world, number(world.actor.k) * 4 + 1);
            }
            world.actor.pc = Pc::Durable;
        }
        Pc::RecoverLook if done => world.actor.pc = Pc::Durable,
        Pc::GcSlot => next_slot(world, config),
        _ => {}
    }
    if world.power_cuts_left == 0 {
        world.durable = Disk::default();
    }
}

fn idle(world: &World, config: &Config, next: &mut Next) {
    let disk = &world.disk;
    if disk.needs_recovery() {
        go(next, world, "recovery takes the lock", 0, |w| {
            w.actor.lock = true;
            w.actor.recovering = true;
            w.actor.pc = if config.is(Mutant::RecoveryActsOnUnsynced) {
                Pc::RecoverRaise
            } else {
                Pc::RecoverFsync
            };
        });
        return;
    }
    let plan = plan(world);
    // A session that is not clean under another boot id does not land.
    let torn = plan.new_is.contains(&TORN);
    if world.landings_left > 0 && world.touched == 0 && !torn && plan.steps() > 0 {
        go(next, world, "stage", 0, |w| {
            w.landings_left -= 1;
            w.actor.plan = plan;
            w.actor.pc = Pc::Staged;
        });
    }
    for k in (0..LANDINGS).filter(|&k| disk.present(k) && disk.ended(k)) {
        let needed = needed(world, k);
        if needed && disk.slot[k] == [0; PATHS] {
            continue;
        }
        let start = |w: &mut World, pc| {
            w.actor = Actor { pc, k, lock: true, ..Actor::default() };
        };
        if !needed || config.is(Mutant::GcIgnoresPins) {
            go(next, world, "gc", k, |w| start(w, Pc::GcSlot));
        } else if disk.stale {
            // The mark may be another process's that died before it was synced.
            let trusted = config.is(Mutant::StaleNotSynced) || config.is(Mutant::StaleTrusted);
            go(next, world, "gc, session is stale", k, |w| {
                start(w, if trusted { Pc::GcSlot } else { Pc::GcStaleSync })
            });
        } else if world.quota_left > 0 {
            go(next, world, "gc over the quota", k, |w| {
                w.quota_left -= 1;
                start(w, Pc::GcStale);
            });
        }
    }
}

/// What the next session wants: first remove, add, replace; then the opposite.
fn plan(world: &World) -> Intent {
    let want = if world.used == 0 {
        [0, NEW_ADDED, NEW_REPLACED]
    } else {
        [NEWER_REMOVED, 0, NEWER_REPLACED]
    };
    let disk = &world.disk;
    Intent {
        old: disk.base,
        old_is: disk.base.map(|ino| disk.is(ino)),
        new: want,
        new_is: want.map(|ino| disk.is(ino)),
    }
}

/// Makes a landing's directory durable with the records in it, and nothing else.
pub(crate) fn fsync_landing(world: &mut World, k: usize) {
    if world.durable.landing[k] & SEALED == 0 {
        world.durable.intent[k] = world.disk.intent[k];
        world.durable.slot[k] = world.disk.slot[k];
        // A step that was applied before this point left its slot already.
        for p in 0..PATHS {
            if world.disk.slot[k][p] != world.disk.intent[k].new[p] {
                world.durable.slot[k][p] = world.disk.intent[k].new[p];
            }
        }
    }
    world.durable.landing[k] = world.disk.landing[k];
    world.durable.reported[k] = world.disk.reported[k];
    world.used |= 1 << k;
}

pub(crate) fn raise(world: &mut World, seq: u8) {
    if seq < world.disk.seq {
        world.fail("the sequence went back");
    }
    world.disk.seq = seq;
}

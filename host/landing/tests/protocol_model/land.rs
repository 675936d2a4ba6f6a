//! A landing, from the staged files to the acknowledgement.

use crate::actor::{fsync_landing, raise};
use crate::check::{Config, Mutant};
use crate::judge::forward;
use crate::world::*;

pub(crate) fn seal(world: &World, config: &Config, next: &mut Next) {
    match world.actor.pc {
        Pc::Staged => go(next, world, "syncfs of staging", 0, |w| {
            if !config.is(Mutant::StagingNotSynced) {
                w.syncfs();
            }
            w.actor.pc = Pc::Synced;
        }),
        Pc::Synced if config.is(Mutant::SealWithoutGate) => {
            go(next, world, "lock, without the lease", 0, |w| {
                w.actor.lock = true;
                w.actor.pc = Pc::Locked;
            })
        }
        Pc::Synced if !world.writing => go(next, world, "lock, lease", 0, |w| {
            w.actor.lock = true;
            w.actor.gate = true;
            w.actor.pc = Pc::Locked;
        }),
        Pc::Locked => {
            let (disk, plan) = (&world.disk, &world.actor.plan);
            let valid = (0..PATHS).all(|p| {
                let old = disk.base[p] == plan.old[p] && disk.is(disk.base[p]) == plan.old_is[p];
                let new = disk.is(plan.new[p]) == plan.new_is[p];
                old && (new || config.is(Mutant::PreflightTrustsStaging))
            });
            if valid {
                go(next, world, "validated", 0, |w| w.actor.pc = Pc::Valid);
            } else {
                go(next, world, "refused: conflict", 0, World::kill_actor);
            }
        }
        Pc::Valid => {
            let k = if config.is(Mutant::NumbersFromDirectory) {
                (0..LANDINGS).rev().find(|&k| world.disk.present(k)).map_or(0, |k| k + 1)
            } else {
                usize::from(world.disk.seq / 4)
            };
            if k >= LANDINGS {
                go(next, world, "out of numbers", k, World::kill_actor);
                return;
            }
            go(next, world, "rename staging to landings/k", k, |w| {
                if w.used & (1 << k) != 0 {
                    w.fail("a landing number is used twice");
                }
                let plan = w.actor.plan;
                if (0..PATHS).any(|p| w.disk.is(plan.new[p]) != plan.new_is[p]) {
                    w.fail("what is sealed is not what the intent says");
                }
                w.disk.landing[k] = SEALED;
                w.disk.intent[k] = plan;
                w.disk.slot[k] = plan.new;
                w.actor.k = k;
                w.actor.pc =
                    if config.is(Mutant::SealNotSynced) { Pc::Fsynced } else { Pc::Renamed };
            });
        }
        Pc::Renamed => go(next, world, "fsync landings", world.actor.k, |w| {
            fsync_landing(w, w.actor.k);
            w.actor.pc = Pc::Fsynced;
        }),
        Pc::Fsynced => go(next, world, "seq = sealed", world.actor.k, |w| {
            if !config.is(Mutant::SeqAfterApply) {
                raise(w, number(w.actor.k) * 4 + 1);
            }
            w.used |= 1 << w.actor.k;
            w.actor.pc = Pc::Apply;
        }),
        _ => {}
    }
}

pub(crate) fn apply(world: &World, config: &Config, next: &mut Next) {
    let (disk, k) = (&world.disk, world.actor.k);
    let Some(p) = disk.intent[k].step(world.actor.i) else { return };
    if world.actor.pc == Pc::Verify {
        let planned = disk.slot_as_planned(k, p, false) || config.is(Mutant::ApplyDoesNotVerify);
        go(
            next,
            world,
            if planned { "displaced as planned" } else { "displaced another file" },
            p,
            |w| {
                w.actor.pc = if planned { Pc::Apply } else { Pc::AbortWrite };
                w.actor.i += u8::from(planned);
            },
        );
        return;
    }
    if world.failures_left > 0 {
        go(next, world, "step fails for good", p, |w| {
            w.failures_left -= 1;
            w.actor.pc = Pc::AbortWrite;
        });
    }
    let intent = &disk.intent[k];
    let (adds, removes) = (intent.old[p] == 0, intent.new[p] == 0);
    if (disk.base[p] == 0) != adds {
        go(next, world, "step fails: CONFLICT", p, |w| w.actor.pc = Pc::AbortWrite);
        return;
    }
    let what = if adds {
        "apply add"
    } else if removes {
        "apply remove"
    } else {
        "apply replace"
    };
    go(next, world, what, p, |w| {
        std::mem::swap(&mut w.disk.base[p], &mut w.disk.slot[k][p]);
        w.actor.pc = if adds { Pc::Apply } else { Pc::Verify };
        w.actor.i += u8::from(adds);
    });
}

pub(crate) fn finish(world: &World, config: &Config, next: &mut Next) {
    let k = world.actor.k;
    if world.actor.pc == Pc::Durable
        && world.failures_left > 0
        && !world.actor.recovering
        && !world.actor.aborting
    {
        go(next, world, "syncfs fails", k, |w| {
            w.failures_left -= 1;
            w.actor.pc = Pc::AbortWrite;
        });
    }
    match world.actor.pc {
        Pc::Durable => go(next, world, "syncfs", k, |w| {
            let agree = |p| w.is_touched(p) || forward(&w.disk, k, p, false) == Act::Nothing;
            if w.actor.recovering && !w.actor.aborting && !(0..PATHS).all(agree) {
                w.fail("recovery is not idempotent");
            }
            if !config.is(Mutant::FinishNotSynced) {
                w.syncfs();
            }
            w.actor.pc = Pc::Settle;
        }),
        Pc::Settle => go(next, world, "look at the slots again", k, |w| {
            let odd = (0..PATHS).filter(|&p| !w.disk.slot_as_planned(k, p, w.actor.aborting));
            w.actor.report = odd.map(|p| 1 << p).sum();
            if w.actor.aborting && config.is(Mutant::AbortDoesNotReport) {
                w.actor.report = 0;
            }
            w.actor.pc = Pc::End;
        }),
        Pc::End => go(next, world, "write end", k, |w| {
            w.disk.landing[k] |= if w.actor.aborting { ABORTED } else { FINISHED };
            w.disk.reported[k] = w.actor.report;
            w.actor.pc = Pc::Over;
        }),
        Pc::Over => go(next, world, "seq = ended", k, |w| {
            raise(w, number(k) * 4 + 3);
            if !w.actor.recovering && !w.actor.aborting {
                w.acknowledged |= 1 << k;
            }
            if w.actor.aborting {
                w.kill_actor();
            } else {
                w.actor.pc = Pc::Trash;
            }
        }),
        Pc::Trash => go(next, world, "session to trash", k, |w| {
            w.disk.trashed = true;
            w.kill_actor();
        }),
        _ => {}
    }
}

//! A landing, from the staged files to the acknowledgement.

use crate::actor::{fsync_landing, next_to_end, raise, settle};
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
            let (disk, plan) = (&world.disk, &world.actor.plan[usize::from(world.actor.i)]);
            let valid = (0..PATHS).filter(|&p| plan.names(p)).all(|p| {
                let old = disk.base[p] == plan.old[p] && disk.is(disk.base[p]) == plan.old_is[p];
                let new = disk.is(plan.new[p]) == plan.new_is[p];
                old && (new || config.is(Mutant::PreflightTrustsStaging))
            });
            let at = usize::from(world.actor.i);
            if valid {
                go(next, world, "validated", at, |w| w.actor.i += 1);
            } else {
                go(next, world, "leaves the batch: conflict", at, leave);
            }
        }
        Pc::Valid => rename(world, config, next),
        Pc::Renamed => {
            go(next, world, "fsync landings", world.actor.k, |w| {
                let all = w.actor.batch();
                let short = usize::from(config.is(Mutant::BatchSealedWithoutFsync));
                for k in all.start..all.end - short.min(all.len() - 1) {
                    fsync_landing(w, k);
                }
                w.actor.pc = Pc::Fsynced;
            });
            fails(next, world, "fsync landings fails", all_fail);
        }
        Pc::Fsynced => {
            go(next, world, "seq = sealed", world.actor.last(), |w| {
                let k = match config.mutant {
                    Some(Mutant::SeqRaisedPerMemberAfterApply) => w.actor.first,
                    _ => w.actor.last(),
                };
                if !config.is(Mutant::SeqAfterApply) {
                    raise(w, number(k) * 4 + 1);
                }
                for k in w.actor.batch() {
                    w.used |= 1 << k;
                }
                w.actor.k = w.actor.first;
                w.actor.pc = Pc::Apply;
            });
            fails(next, world, "seq is not written", all_fail);
        }
        _ => {}
    }
}

/// One member after the other gets a number: the commit point of all is the fsync after the last.
fn rename(world: &World, config: &Config, next: &mut Next) {
    let (disk, actor) = (&world.disk, &world.actor);
    let newest = (0..LANDINGS).rev().find(|&k| disk.present(k)).map_or(0, |k| k + 1);
    let k = if actor.members > 0 {
        actor.last() + 1
    } else if config.is(Mutant::NumbersFromDirectory) {
        newest
    } else {
        usize::from(disk.seq / 4)
    };
    if k >= LANDINGS {
        go(next, world, "out of numbers", k, leave);
        return;
    }
    let sealed = |w: &mut World| {
        if w.used & (1 << k) != 0 {
            w.fail("a landing number is used twice");
        }
        let plan = w.actor.plan[usize::from(w.actor.i)];
        if (0..PATHS).any(|p| w.disk.is(plan.new[p]) != plan.new_is[p]) {
            w.fail("what is sealed is not what the intent says");
        }
        w.disk.landing[k] = SEALED;
        w.disk.intent[k] = plan;
        w.disk.slot[k] = plan.new;
        numbered(w, k);
    };
    go(next, world, "rename staging to landings/k", k, sealed);
    fails(next, world, "rename to landings/k fails", leave);
    fails(next, world, "rename to landings/k fails, though it was done", |w| {
        sealed(w);
        w.actor.failed |= 1 << k;
    });
    if config.is(Mutant::SealsOnAfterDoubt) {
        fails(next, world, "rename to landings/k fails, and may have been done", |w| {
            numbered(w, k);
            w.actor.failed |= 1 << k;
        });
    }
}

fn numbered(world: &mut World, k: usize) {
    let actor = &mut world.actor;
    if actor.members == 0 {
        actor.first = k;
    }
    actor.k = k;
    actor.members += 1;
    leave(world);
}

/// Nothing more is to be sealed for this member.
fn leave(world: &mut World) {
    world.actor.plan[usize::from(world.actor.i)] = Intent::default();
    world.actor.i += 1;
}

fn all_fail(world: &mut World) {
    for k in world.actor.batch() {
        world.actor.failed |= 1 << k;
    }
    world.actor.landed = 0;
    next_to_end(world);
}

/// Something fails that a landing cannot go on without; what recovery meets is as if it were killed.
fn fails(next: &mut Next, world: &World, what: &'static str, then: impl FnOnce(&mut World)) {
    if world.failures_left > 0 && !world.actor.recovering {
        go(next, world, what, world.actor.k, |w| {
            w.failures_left -= 1;
            then(w);
        });
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
                w.actor.pc = Pc::Apply;
                w.actor.i += u8::from(planned);
                w.actor.failed |= u8::from(!planned) << k;
            },
        );
        return;
    }
    fails(next, world, "step fails for good", |w| w.actor.failed |= 1 << k);
    let intent = &disk.intent[k];
    let (adds, removes) = (intent.old[p] == 0, intent.new[p] == 0);
    if (disk.base[p] == 0) != adds {
        go(next, world, "step fails: CONFLICT", p, |w| w.actor.failed |= 1 << k);
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
    let (recovering, aborting) = (world.actor.recovering, world.actor.aborting);
    let interrupted = |w: &mut World| {
        w.actor.interrupted = true;
        ended(w);
    };
    match world.actor.pc {
        Pc::Durable => {
            go(next, world, "syncfs", k, |w| {
                let agree = |p| w.is_touched(p) || forward(&w.disk, k, p, false) == Act::Nothing;
                if recovering && !aborting && !(0..PATHS).all(agree) {
                    w.fail("recovery is not idempotent");
                }
                if !config.is(Mutant::FinishNotSynced) {
                    w.syncfs();
                }
                match (recovering, aborting) {
                    (_, true) => w.actor.pc = Pc::Detach,
                    (true, false) => w.actor.pc = Pc::Trash,
                    (false, false) => {
                        let early = config.is(Mutant::SettledBeforeEnd) && w.actor.failed == 0;
                        if early {
                            settle(w, number(w.actor.last()));
                        }
                        next_to_end(w);
                    }
                }
            });
            let then = if aborting { interrupted } else { all_fail };
            fails(next, world, "syncfs fails", then);
        }
        Pc::Trash => {
            go(next, world, "session to trash", k, |w| {
                w.disk.trashed |= 1 << w.disk.intent[k].session;
                w.actor.pc = Pc::Settle;
            });
            fails(next, world, "session is not moved to trash", unfinished);
        }
        Pc::Detach => {
            go(next, world, "session gets copies", k, |w| {
                if w.disk.intent[k].is_the_writers() {
                    w.disk.copies_up = !config.is(Mutant::AbortKeepsUpper);
                    if !config.is(Mutant::CopiesNotSynced) {
                        w.durable.copies_up = w.disk.copies_up;
                    }
                }
                w.actor.pc = Pc::Settle;
            });
            fails(next, world, "session gets no copies", interrupted);
        }
        Pc::Settle => go(next, world, "look at the slots again", k, |w| {
            let odd = (0..PATHS).filter(|&p| !w.disk.slot_as_planned(k, p, aborting));
            w.actor.report = odd.map(|p| 1 << p).sum();
            if aborting && config.is(Mutant::AbortDoesNotReport) {
                w.actor.report = 0;
            }
            w.actor.pc = Pc::End;
        }),
        Pc::End => {
            go(next, world, "write end", k, |w| {
                w.disk.landing[k] |= if aborting { ABORTED } else { FINISHED };
                w.disk.reported[k] = w.actor.report;
                ended(w);
            });
            let then = if aborting { interrupted } else { unfinished };
            fails(next, world, "end is not written", then);
        }
        Pc::Over => {
            go(next, world, "seq = ended", k, |w| {
                let last = number(w.actor.last());
                let despite = match config.mutant {
                    Some(Mutant::SettledDespiteInterruptedAbort) => w.actor.interrupted,
                    Some(Mutant::SettledDespiteFailedFinish) => w.actor.unwell,
                    _ => false,
                };
                if despite || !(w.actor.interrupted || w.actor.unwell) {
                    settle(w, last);
                } else if !w.actor.interrupted {
                    raise(w, last * 4 + 3);
                }
                w.acknowledged |= w.actor.acked;
                w.kill_actor();
            });
            fails(next, world, "seq is not written", |w| {
                w.acknowledged |= w.actor.acked;
                w.kill_actor();
            });
        }
        _ => {}
    }
}

/// `end` is there, or cannot be written; on to the next landing.
fn ended(world: &mut World) {
    let k = world.actor.k;
    if world.actor.recovering {
        world.actor =
            Actor { pc: Pc::RecoverNext, k, recovering: true, lock: true, ..Actor::default() };
        return;
    }
    if !world.actor.aborting {
        world.actor.acked |= 1 << k;
    }
    world.actor.failed &= !(1 << k);
    world.actor.landed &= !(1 << k);
    next_to_end(world);
}

/// The base is new and durable all the same; the landing is acknowledged with a warning.
fn unfinished(world: &mut World) {
    world.actor.unwell = true;
    ended(world);
}

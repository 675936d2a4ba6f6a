//! The process that lands, aborts, recovers and collects garbage: everything under the exclusive lock.

use crate::check::{Config, Mutant};
use crate::judge::{forward, inverse, perform};
use crate::world::*;

/// Every next step of this process, and every way in which it can fail or die.
pub(crate) fn step(world: &World, config: &Config, next: &mut Next) {
    match world.actor.pc {
        Pc::Idle => idle(world, config, next),
        Pc::Staged | Pc::Synced | Pc::Locked | Pc::Valid | Pc::Renamed | Pc::Fsynced => seal(world, config, next),
        Pc::Apply | Pc::Verify => apply(world, config, next),
        Pc::Durable | Pc::Settle | Pc::Trash | Pc::End | Pc::Over => finish(world, config, next),
        Pc::AbortWrite | Pc::AbortFsync | Pc::AbortSeq | Pc::InvertLook | Pc::InvertAct => abort(world, config, next),
        Pc::RecoverFsync | Pc::RecoverRaise | Pc::RecoverLook | Pc::RecoverAct => recover(world, config, next),
        Pc::GcStale | Pc::GcStaleSync | Pc::GcSlot | Pc::GcUnlink | Pc::GcDir => collect(world, config, next),
    }
    if world.crashes_left > 0 && world.actor.pc != Pc::Idle {
        go(next, world, "kill -9", 0, |w| {
            w.crashes_left -= 1;
            w.kill_actor();
        });
    }
}

fn idle(world: &World, config: &Config, next: &mut Next) {
    let disk = &world.disk;
    if disk.needs_recovery() {
        go(next, world, "recovery takes the lock", 0, |w| {
            w.actor.lock = true;
            w.actor.recovering = true;
            w.actor.pc = if config.is(Mutant::RecoveryActsOnUnsynced) { Pc::RecoverRaise } else { Pc::RecoverFsync };
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
            go(next, world, "gc, session is stale", k, |w| start(w, if trusted { Pc::GcSlot } else { Pc::GcStaleSync }));
        } else if world.quota_left > 0 {
            go(next, world, "gc over the quota", k, |w| {
                w.quota_left -= 1;
                start(w, Pc::GcStale);
            });
        }
    }
}

/// Does the reading session look through landing `k`? Its mark does not matter.
fn needed(world: &World, k: usize) -> bool {
    world.reader.open && world.reader.n < number(k) && world.disk.landing[k] & ABORTED == 0
}

/// What the next session wants: first remove, add, replace; then the opposite.
fn plan(world: &World) -> Intent {
    let want = if world.used == 0 { [0, NEW_ADDED, NEW_REPLACED] } else { [NEWER_REMOVED, 0, NEWER_REPLACED] };
    let disk = &world.disk;
    let mut plan = Intent::default();
    for p in 0..PATHS {
        plan.old[p] = disk.base[p];
        plan.old_is[p] = disk.is(disk.base[p]);
        plan.new[p] = want[p];
        plan.new_is[p] = disk.is(want[p]);
    }
    plan
}

fn seal(world: &World, config: &Config, next: &mut Next) {
    match world.actor.pc {
        Pc::Staged => go(next, world, "syncfs of staging", 0, |w| {
            if !config.is(Mutant::StagingNotSynced) {
                w.syncfs();
            }
            w.actor.pc = Pc::Synced;
        }),
        Pc::Synced if config.is(Mutant::SealWithoutGate) => go(next, world, "lock, without the lease", 0, |w| {
            w.actor.lock = true;
            w.actor.pc = Pc::Locked;
        }),
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
                w.actor.pc = if config.is(Mutant::SealNotSynced) { Pc::Fsynced } else { Pc::Renamed };
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

/// Makes a landing's directory durable with the records in it, and nothing else.
fn fsync_landing(world: &mut World, k: usize) {
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

fn raise(world: &mut World, seq: u8) {
    if seq < world.disk.seq {
        world.fail("the sequence went back");
    }
    world.disk.seq = seq;
}

fn apply(world: &World, config: &Config, next: &mut Next) {
    let (disk, k) = (&world.disk, world.actor.k);
    let Some(p) = disk.intent[k].step(world.actor.i) else {
        go(next, world, "all applied", k, |w| {
            if config.is(Mutant::SeqAfterApply) {
                raise(w, number(k) * 4 + 1);
            }
            w.actor.pc = Pc::Durable;
        });
        return;
    };
    if world.actor.pc == Pc::Verify {
        let planned = disk.slot_as_planned(k, p, false) || config.is(Mutant::ApplyDoesNotVerify);
        go(next, world, if planned { "displaced as planned" } else { "displaced another file" }, p, |w| {
            w.actor.pc = if planned { Pc::Apply } else { Pc::AbortWrite };
            w.actor.i += u8::from(planned);
        });
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
    let what = if adds { "apply add" } else if removes { "apply remove" } else { "apply replace" };
    go(next, world, what, p, |w| {
        let displaced = w.disk.base[p];
        w.disk.base[p] = w.disk.slot[k][p];
        w.disk.slot[k][p] = displaced;
        w.actor.pc = if adds { Pc::Apply } else { Pc::Verify };
        w.actor.i += u8::from(adds);
    });
}

fn finish(world: &World, config: &Config, next: &mut Next) {
    let k = world.actor.k;
    if world.actor.pc == Pc::Durable && world.failures_left > 0 && !world.actor.recovering && !world.actor.aborting {
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
            w.actor.pc = if w.actor.aborting || config.is(Mutant::SessionGoesAfterEnd) { Pc::End } else { Pc::Trash };
        }),
        Pc::Trash => go(next, world, "session to trash", k, |w| {
            w.disk.trashed = true;
            w.actor.pc = if w.disk.ended(k) { Pc::Over } else { Pc::End };
        }),
        Pc::End => go(next, world, "write end", k, |w| {
            w.disk.landing[k] |= if w.actor.aborting { ABORTED } else { FINISHED };
            w.disk.reported[k] = w.actor.report;
            let trash_now = config.is(Mutant::SessionGoesAfterEnd) && !w.actor.aborting;
            w.actor.pc = if trash_now { Pc::Trash } else { Pc::Over };
        }),
        Pc::Over => go(next, world, "seq = ended", k, |w| {
            raise(w, number(k) * 4 + 3);
            if !w.actor.recovering && !w.actor.aborting {
                w.acknowledged |= 1 << k;
            }
            w.kill_actor();
        }),
        _ => {}
    }
}

fn abort(world: &World, config: &Config, next: &mut Next) {
    let k = world.actor.k;
    match world.actor.pc {
        Pc::AbortWrite => go(next, world, "write aborting", k, |w| {
            w.disk.landing[k] |= ABORTING;
            w.actor.aborting = true;
            w.copies_up = !config.is(Mutant::AbortKeepsUpper);
            w.actor.pc = Pc::AbortFsync;
        }),
        Pc::AbortFsync => go(next, world, "fsync aborting", k, |w| {
            fsync_landing(w, k);
            w.actor.pc = Pc::AbortSeq;
        }),
        Pc::AbortSeq => go(next, world, "seq = aborting", k, |w| {
            raise(w, w.disk.seq.max(number(k) * 4 + 2));
            start_inverting(w, k);
        }),
        Pc::InvertLook => {
            let Some(p) = world.disk.intent[k].step(world.actor.i) else { return };
            let intent = &world.disk.intent[k];
            let mut act = inverse(&world.disk, k, p);
            if config.is(Mutant::InversionDoesNotLook) && world.actor.act == Act::Nothing {
                // Trusts its memory of what was applied.
                act = match (intent.old[p], intent.new[p]) {
                    (0, _) if world.disk.slot[k][p] == 0 => Act::TargetToSlot,
                    (_, n) if n != 0 && world.disk.slot[k][p] != n => Act::Exchange,
                    _ => act,
                };
            }
            let blind = config.is(Mutant::InversionDoesNotLook) && world.actor.act != Act::Nothing;
            if act == Act::Nothing || blind {
                go(next, world, "inversion: nothing to do", p, |w| {
                    w.actor.act = Act::Nothing;
                    if w.actor.i == 0 {
                        w.actor.pc = Pc::Durable;
                    } else {
                        w.actor.i -= 1;
                    }
                });
            } else {
                go(next, world, "inversion: looked", p, |w| {
                    w.actor.act = act;
                    w.actor.pc = Pc::InvertAct;
                });
            }
        }
        Pc::InvertAct => {
            let Some(p) = world.disk.intent[k].step(world.actor.i) else { return };
            go(next, world, "inversion: rename", p, |w| {
                perform(&mut w.disk, k, p, w.actor.act);
                if !config.is(Mutant::InversionDoesNotLook) {
                    w.actor.act = Act::Nothing;
                }
                w.actor.pc = Pc::InvertLook;
            });
        }
        _ => {}
    }
}

fn start_inverting(world: &mut World, k: usize) {
    world.actor.i = world.disk.intent[k].steps() - 1;
    world.actor.act = Act::Nothing;
    world.actor.pc = Pc::InvertLook;
}

fn recover(world: &World, config: &Config, next: &mut Next) {
    let k = world.actor.k;
    match world.actor.pc {
        Pc::RecoverFsync => go(next, world, "recovery: fsync landings", 0, |w| {
            for k in 0..LANDINGS {
                if w.disk.present(k) {
                    fsync_landing(w, k);
                }
            }
            w.actor.pc = Pc::RecoverRaise;
        }),
        Pc::RecoverRaise => go(next, world, "recovery: raise seq", 0, |w| {
            if !config.is(Mutant::RecoveryDoesNotRaise) || w.disk.unended().is_none() {
                raise(w, w.disk.raised());
            }
            let Some(k) = w.disk.unended() else {
                w.kill_actor();
                return;
            };
            w.used |= 1 << k;
            w.actor.k = k;
            w.actor.aborting = w.disk.landing[k] & ABORTING != 0;
            if w.actor.aborting {
                w.copies_up = !config.is(Mutant::AbortKeepsUpper);
                start_inverting(w, k);
            } else {
                w.actor.pc = Pc::RecoverLook;
            }
        }),
        Pc::RecoverLook => {
            let Some(p) = world.disk.intent[k].step(world.actor.i) else {
                go(next, world, "recovery: all rolled forward", k, |w| w.actor.pc = Pc::Durable);
                return;
            };
            let mut act = forward(&world.disk, k, p, config.is(Mutant::TableAsWritten));
            if config.is(Mutant::RecoveryDoesNotLook) && world.disk.intent[k].new[p] != 0 && world.disk.intent[k].old[p] != 0 {
                act = if world.actor.act == Act::Nothing { Act::Exchange } else { Act::Nothing };
            }
            if act == Act::Nothing {
                go(next, world, "recovery: nothing to do", p, |w| {
                    w.actor.i += 1;
                    w.actor.act = Act::Nothing;
                });
            } else {
                go(next, world, "recovery: looked", p, |w| {
                    w.actor.act = act;
                    w.actor.pc = Pc::RecoverAct;
                });
            }
        }
        Pc::RecoverAct => {
            let Some(p) = world.disk.intent[k].step(world.actor.i) else { return };
            go(next, world, "recovery: rename", p, |w| {
                perform(&mut w.disk, k, p, w.actor.act);
                if !config.is(Mutant::RecoveryDoesNotLook) {
                    w.actor.act = Act::Nothing;
                }
                w.actor.pc = Pc::RecoverLook;
            });
        }
        _ => {}
    }
}

fn collect(world: &World, config: &Config, next: &mut Next) {
    let (k, i) = (world.actor.k, usize::from(world.actor.i));
    let aborted = world.disk.landing[k] & ABORTED != 0;
    match world.actor.pc {
        Pc::GcStale => go(next, world, "gc: mark stale", k, |w| {
            w.disk.stale = true;
            w.actor.pc = if config.is(Mutant::StaleNotSynced) { Pc::GcSlot } else { Pc::GcStaleSync };
        }),
        Pc::GcStaleSync => go(next, world, "gc: fsync the mark", k, |w| {
            w.durable.stale = true;
            w.actor.pc = Pc::GcSlot;
        }),
        // The intent stays as long as the session: without it a view would take what a landing wrote for its own.
        Pc::GcSlot if i == PATHS && needed(world, k) && !config.is(Mutant::IntentGoesWithSlots) => {
            go(next, world, "gc: slots done, the intent stays", k, World::kill_actor);
        }
        Pc::GcSlot if i == PATHS => go(next, world, "gc: slots done", k, |w| w.actor.pc = Pc::GcDir),
        Pc::GcSlot => {
            let planned = world.disk.slot_as_planned(k, i, aborted) || config.is(Mutant::GcDoesNotLook);
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

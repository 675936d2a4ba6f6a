//! What takes a sealed landing back, or to its end after a crash.

use crate::actor::{fsync_landing, next_to_end, raise, settle, turn};
use crate::check::{Config, Mutant};
use crate::judge::{forward, inverse, perform};
use crate::world::*;

pub(crate) fn abort(world: &World, config: &Config, next: &mut Next) {
    let k = world.actor.k;
    match world.actor.pc {
        Pc::AbortWrite => {
            go(next, world, "write aborting", k, |w| {
                w.disk.landing[k] |= ABORTING;
                w.actor.aborting = true;
                w.actor.pc = Pc::AbortFsync;
            });
            if world.failures_left > 0 && !world.actor.recovering {
                go(next, world, "aborting is not written", k, |w| {
                    w.failures_left -= 1;
                    w.actor.interrupted = true;
                    w.actor.failed &= !(1 << k);
                    next_to_end(w);
                });
            }
        }
        Pc::AbortFsync => go(next, world, "fsync aborting", k, |w| {
            fsync_landing(w, k);
            w.actor.pc = Pc::AbortSeq;
        }),
        Pc::AbortSeq => go(next, world, "seq = aborting", k, |w| {
            if w.actor.recovering {
                recovery_turns(w, config, k);
            } else {
                raise(w, number(w.actor.last()) * 4 + 2);
            }
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

/// Begins to complete or to undo a landing.
fn begin(world: &mut World, config: &Config, k: usize) {
    world.used |= 1 << k;
    world.actor.k = k;
    world.actor.aborting = world.disk.landing[k] & ABORTING != 0;
    if world.actor.aborting {
        recovery_turns(world, config, k);
        start_inverting(world, k);
    } else {
        if !config.is(Mutant::RecoveryDoesNotRaise) {
            raise(world, number(k) * 4 + 1);
        }
        world.actor.pc = Pc::RecoverLook;
    }
}

fn recovery_turns(world: &mut World, config: &Config, k: usize) {
    if config.is(Mutant::RecoveryDoesNotTurn) {
        raise(world, number(k) * 4 + 2);
    } else {
        turn(world, k);
    }
}

pub(crate) fn recover(world: &World, config: &Config, next: &mut Next) {
    let k = world.actor.k;
    match world.actor.pc {
        Pc::RecoverFsync => go(next, world, "recovery: fsync landings", 0, |w| {
            for k in 0..LANDINGS {
                if w.disk.present(k) {
                    fsync_landing(w, k);
                }
            }
            w.actor.pc = Pc::RecoverNext;
        }),
        Pc::RecoverNext => {
            let disk = &world.disk;
            let open = |k: &usize| disk.present(*k) && (!disk.ended(*k) || disk.left_behind(*k));
            match (k..LANDINGS).find(open) {
                None => go(next, world, "recovery: seq = ended, settled", k, |w| {
                    let shown = (0..LANDINGS).filter(|&k| w.disk.present(k)).map(number).max();
                    let newest = shown.unwrap_or(0).max(w.disk.seq / 4);
                    settle(w, newest);
                    w.kill_actor();
                }),
                Some(k) if disk.ended(k) => {
                    go(next, world, "recovery: session to trash", k, |w| {
                        w.disk.trashed |= 1 << w.disk.intent[k].session;
                        w.actor.k = k;
                    });
                }
                Some(k) => go(next, world, "recovery: raise seq", k, |w| begin(w, config, k)),
            }
        }
        Pc::RecoverLook => {
            let Some(p) = world.disk.intent[k].step(world.actor.i) else { return };
            let mut act = forward(&world.disk, k, p, config.is(Mutant::TableAsWritten));
            if config.is(Mutant::RecoveryDoesNotLook)
                && world.disk.intent[k].new[p] != 0
                && world.disk.intent[k].old[p] != 0
            {
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
            if world.failures_left > 0 {
                go(next, world, "recovery: rename fails for good", p, |w| {
                    w.failures_left -= 1;
                    w.actor.pc = Pc::AbortWrite;
                });
            }
            go(next, world, "recovery: rename", p, |w| {
                perform(&mut w.disk, k, p, w.actor.act);
                if !config.is(Mutant::RecoveryDoesNotLook) {
                    w.actor.act = Act::Nothing;
                }
                if config.is(Mutant::RecoveryActsOnce) {
                    w.actor.i += 1;
                }
                w.actor.pc = Pc::RecoverLook;
            });
        }
        _ => {}
    }
}

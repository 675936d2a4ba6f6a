//! The process that lands, aborts, recovers and collects garbage: everything under the exclusive lock.

use crate::check::{Config, Mutant};
use crate::collect::{collect, directory_goes, needed, next_slot};
use crate::land::{apply, finish, seal};
use crate::recover::{abort, recover};
use crate::world::*;

/// All paths, one bit each.
const ALL: u8 = (1 << PATHS) - 1;

/// Every next step of this process, and every way in which it can fail or die.
pub(crate) fn step(world: &World, config: &Config, next: &mut Next) {
    match world.actor.pc {
        Pc::Idle => idle(world, config, next),
        Pc::Staged | Pc::Synced | Pc::Locked | Pc::Valid | Pc::Renamed | Pc::Fsynced => {
            seal(world, config, next)
        }
        Pc::Apply | Pc::Verify => apply(world, config, next),
        Pc::Durable | Pc::Trash | Pc::Detach | Pc::Settle | Pc::End | Pc::Over => {
            finish(world, config, next)
        }
        Pc::AbortWrite | Pc::AbortFsync | Pc::AbortSeq | Pc::InvertLook | Pc::InvertAct => {
            abort(world, config, next)
        }
        Pc::RecoverFsync | Pc::RecoverNext | Pc::RecoverLook | Pc::RecoverAct => {
            recover(world, config, next)
        }
        Pc::GcStale | Pc::GcStaleSync | Pc::GcSlot | Pc::GcUnlink | Pc::GcDir => {
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
    match world.actor.pc {
        Pc::Locked | Pc::Valid => next_to_seal(world, config),
        Pc::Apply => next_to_apply(world, config),
        Pc::RecoverLook if world.disk.intent[world.actor.k].step(world.actor.i).is_none() => {
            world.actor.pc = Pc::Durable;
        }
        Pc::GcSlot => next_slot(world, config),
        _ => {}
    }
    if !world.disk.pending(config) || config.is(Mutant::OpenDoesNotRecover) {
        world.reader.opened = true;
    }
    if world.power_cuts_left == 0 {
        world.durable = Disk::default();
    }
}

/// Goes to the next member that is to be validated or sealed, then to what follows.
fn next_to_seal(world: &mut World, config: &Config) {
    let actor = &mut world.actor;
    let left = |i: u8| (i..).zip(&actor.plan[usize::from(i)..]).find(|(_, p)| p.steps() > 0);
    if let Some((i, _)) = left(actor.i) {
        actor.i = i;
        return;
    }
    let first = left(0).map(|(i, _)| i);
    match (actor.pc, first) {
        (Pc::Locked, Some(i)) => (actor.i, actor.pc) = (i, Pc::Valid),
        // All have left the batch.
        (Pc::Locked, None) => world.kill_actor(),
        _ if actor.members == 0 => world.kill_actor(),
        _ => {
            let synced = !config.is(Mutant::SealNotSynced);
            (actor.i, actor.pc) = (0, if synced { Pc::Renamed } else { Pc::Fsynced });
        }
    }
}

/// Goes to the next step that is to be applied, of this landing or a later one of the batch; then to what follows.
fn next_to_apply(world: &mut World, config: &Config) {
    loop {
        let (k, last) = (world.actor.k, world.actor.last());
        let failed = world.actor.failed & (1 << k) != 0;
        if !failed && world.disk.intent[k].step(world.actor.i).is_some() {
            return;
        }
        let late =
            config.is(Mutant::SeqAfterApply) || config.is(Mutant::SeqRaisedPerMemberAfterApply);
        if late && !failed {
            raise(world, number(k) * 4 + 1);
        }
        world.actor.i = 0;
        if k == last {
            break;
        }
        world.actor.k += 1;
    }
    let ok = world.actor.batch().filter(|k| world.actor.failed & (1 << k) == 0);
    world.actor.landed = ok.map(|k| 1 << k).sum();
    if world.actor.landed == 0 {
        next_to_end(world);
    } else {
        world.actor.k = world.actor.first;
        world.actor.pc = Pc::Durable;
    }
}

/// Goes to the next landing that is to be aborted, then to the next that is to be finished, then to the end of all.
pub(crate) fn next_to_end(world: &mut World) {
    let actor = &mut world.actor;
    (actor.i, actor.report, actor.aborting) = (0, 0, false);
    let first = |bits: u8| (0..LANDINGS).find(|k| bits & (1 << k) != 0);
    if let Some(k) = first(actor.failed) {
        (actor.k, actor.pc) = (k, Pc::AbortWrite);
    } else if let Some(k) = first(actor.landed) {
        (actor.k, actor.pc) = (k, Pc::Trash);
    } else {
        (actor.k, actor.pc) = (actor.last(), Pc::Over);
    }
}

fn idle(world: &World, config: &Config, next: &mut Next) {
    let disk = &world.disk;
    if !disk.quiet(config) {
        go(next, world, "recovery takes the lock", 0, |w| {
            w.actor.lock = true;
            w.actor.recovering = true;
            w.actor.pc = if config.is(Mutant::RecoveryActsOnUnsynced) {
                Pc::RecoverNext
            } else {
                Pc::RecoverFsync
            };
        });
        return;
    }
    let plan = plan(world, config);
    // A session that is not clean under another boot id does not land.
    let torn = plan.iter().any(|p| p.new_is.contains(&TORN));
    if world.landings_left > 0 && world.touched == 0 && !torn && plan[0].steps() > 0 {
        go(next, world, "stage", 0, |w| {
            w.landings_left -= 1;
            w.actor.plan = plan;
            w.actor.pc = Pc::Staged;
        });
    }
    for k in (0..LANDINGS).filter(|&k| disk.present(k) && disk.ended(k)) {
        let needed = needed(world, k);
        if disk.slot[k] == [0; PATHS] && !directory_goes(world, config, k) {
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

/// What the next sessions want: first remove, add, replace, as one landing or as two; then the opposite.
fn plan(world: &World, config: &Config) -> [Intent; MEMBERS] {
    let disk = &world.disk;
    let intent = |paths: u8, want: [Ino; PATHS], session: u8| {
        let named = |p: usize| paths & (1 << p) != 0 && (disk.base[p] != 0 || want[p] != 0);
        let mut intent = Intent { session, ..Intent::default() };
        for p in (0..PATHS).filter(|&p| named(p)) {
            (intent.old[p], intent.old_is[p]) = (disk.base[p], disk.is(disk.base[p]));
            (intent.new[p], intent.new_is[p]) = (want[p], disk.is(want[p]));
        }
        intent
    };
    let (first, second) = ([0, NEW_ADDED, NEW_REPLACED], [NEWER_REMOVED, 0, NEWER_REPLACED]);
    match (world.used, config.batch) {
        (0, 0) => [intent(ALL, first, 0), Intent::default()],
        (0, _) if config.is(Mutant::NotApart) => [intent(ALL, first, 0), intent(4, second, 1)],
        (0, paths) => [intent(paths, first, 0), intent(ALL & !paths, first, 1)],
        _ => [intent(ALL, second, 2), Intent::default()],
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

/// Moves the sequence, never back.
pub(crate) fn raise(world: &mut World, seq: u8) {
    world.disk.seq = world.disk.seq.max(seq);
}

/// Moves the sequence before landing `k` is inverted, whatever recovery of another landing of its batch left there:
/// a reader's looks are sound only while no path goes forth and back under one value. May burn a number.
pub(crate) fn turn(world: &mut World, k: usize) {
    let (own, seq) = (number(k) * 4 + 2, world.disk.seq);
    world.disk.seq = match seq % 4 {
        _ if seq < own => own,
        1 => seq + 1,
        _ => (seq / 4 + 1) * 4 + 2,
    };
}

/// The last move of a batch or of recovery: all up to landing `k` have ended well and their sessions are gone.
pub(crate) fn settle(world: &mut World, k: u8) {
    raise(world, k * 4 + 3);
    world.disk.settled = k;
}

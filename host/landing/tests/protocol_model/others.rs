//! Everybody who holds no lock: frozen readers, a session's writer, programs outside, the power supply.

use crate::check::{Config, Mutant};
use crate::world::*;

/// A reader at landing N in another process; it may begin at any moment.
pub(crate) fn reader(world: &World, config: &Config, next: &mut Next) {
    let (disk, r) = (&world.disk, &world.reader);
    if !r.open {
        let halves = config.is(Mutant::BeginWithoutLock);
        if halves && r.loaded {
            go(next, world, "begin: writes sessions/<id>", usize::from(r.n), |w| {
                w.reader.open = true;
                w.reader.loaded = false;
            });
        } else if config.reader && !world.actor.lock && !disk.needs_recovery() {
            go(next, world, if halves { "begin: reads N" } else { "begin" }, usize::from(disk.seq / 4), |w| {
                w.reader.open = !halves;
                w.reader.loaded = halves;
                w.reader.n = w.disk.seq / 4;
                w.reader.expect = w.logical();
                w.reader.op = NO_OPERATION;
            });
        }
        return;
    }
    match r.pc {
        Read::Idle if !r.loaded => go(next, world, "reader: reads seq", 0, |w| {
            w.reader.seq = w.disk.seq;
            w.reader.loaded = true;
            w.reader.pc = Read::Load;
        }),
        Read::Idle => {
            for op in 0..=LISTING {
                let mut asked = world.clone();
                asked.reader.op = op;
                start(&mut asked);
                reader_step(&asked, config, next);
            }
        }
        _ => reader_step(world, config, next),
    }
}

fn start(world: &mut World) {
    world.reader.pc = match world.reader.op {
        LISTING => Read::Names,
        NO_OPERATION => Read::Idle,
        _ => Read::Slot,
    };
}

/// The earliest landing that the reader knows and that names the path.
fn decides(world: &World, path: usize) -> Option<usize> {
    (0..LANDINGS).find(|&k| world.reader.known & (1 << k) != 0 && world.disk.intent[k].names(path))
}

fn answer(world: &mut World, got: Content) {
    world.reader.got = got;
    world.reader.pc = Read::Recheck;
}

fn reader_step(world: &World, config: &Config, next: &mut Next) {
    let (disk, r) = (&world.disk, &world.reader);
    let path = r.op;
    match r.pc {
        Read::Load => go(next, world, "reader: loads intents", 0, |w| {
            let dropped = if config.is(Mutant::ReaderDropsAborting) { ABORTED | ABORTING } else { ABORTED };
            let unseen = |k: usize| config.is(Mutant::ReaderTrustsSeq) && number(k) > w.disk.seq / 4;
            let wanted = |k: &usize| !unseen(*k) && w.disk.present(*k) && w.disk.landing[*k] & dropped == 0 && number(*k) > w.reader.n;
            w.reader.known = (0..LANDINGS).filter(wanted).map(|k| 1 << k).sum();
            start(w);
        }),
        Read::Slot => {
            let Some(k) = decides(world, path) else {
                go(next, world, "reader: no landing names it, opens base", path, |w| answer(w, w.disk.is(w.disk.base[path])));
                return;
            };
            let old = disk.intent[k].old[path];
            go(next, world, "reader: looks in the slot", path, |w| {
                if old == 0 {
                    answer(w, 0);
                } else if w.disk.slot[k][path] == old {
                    answer(w, w.disk.is(old));
                } else {
                    w.reader.pc = Read::Base;
                }
            });
        }
        Read::Base => go(next, world, "reader: looks in the base", path, |w| {
            let Some(k) = decides(w, path) else { return };
            let (ino, old) = (w.disk.base[path], w.disk.intent[k].old[path]);
            if ino == old {
                answer(w, w.disk.is(old));
            } else if config.is(Mutant::ReaderRetriesForever) {
                answer(w, RETRY);
            } else {
                // Drift, unless it is what a landing left there (also when that is nothing).
                let left = |k: usize| w.reader.known & (1 << k) != 0 && w.disk.intent[k].names(path) && w.disk.intent[k].new[path] == ino;
                let landed = (0..LANDINGS).any(left);
                let landed = landed && !(config.is(Mutant::AbsentIsDrift) && ino == 0);
                w.reader.got = if landed { SNAPSHOT_GONE } else { w.disk.is(ino) };
                w.reader.pc = if config.is(Mutant::ReaderLooksOnce) { Read::Recheck } else { Read::SlotAgain };
            }
        }),
        Read::SlotAgain => go(next, world, "reader: looks in the slot again", path, |w| {
            let Some(k) = decides(w, path) else { return };
            let old = w.disk.intent[k].old[path];
            let got = if w.disk.slot[k][path] == old { w.disk.is(old) } else { w.reader.got };
            answer(w, got);
        }),
        Read::Names => go(next, world, "reader: next name of the directory", usize::from(r.position), |w| {
            let p = usize::from(w.reader.position);
            let landing = decides(w, p).filter(|_| !config.is(Mutant::ListingIsTheDirectory));
            let there = match landing {
                Some(k) => w.disk.intent[k].old[p] != 0,
                None => w.disk.base[p] != 0,
            };
            w.reader.names |= u8::from(there) << p;
            w.reader.position += 1;
            if usize::from(w.reader.position) == PATHS {
                w.reader.pc = Read::Recheck;
            }
        }),
        Read::Recheck => go(next, world, "reader: re-reads seq", path, |w| recheck(w, config)),
        Read::Idle => {}
    }
}

fn recheck(world: &mut World, config: &Config) {
    let moved = world.disk.seq != world.reader.seq && !config.is(Mutant::ReaderDoesNotRecheck);
    let (got, names, op) = (world.reader.got, world.reader.names, world.reader.op);
    world.reader.got = 0;
    world.reader.names = 0;
    world.reader.position = 0;
    if moved {
        world.reader.seq = world.disk.seq;
        world.reader.pc = Read::Load;
        return;
    }
    if got == RETRY {
        if world.actor.pc == Pc::Idle && !world.disk.needs_recovery() {
            world.fail("a reader retries for ever while nothing moves");
        }
        start(world);
        return;
    }
    world.reader.op = NO_OPERATION;
    world.reader.pc = Read::Idle;
    if world.disk.stale && got == SNAPSHOT_GONE {
        return;
    }
    let expect = world.reader.expect;
    if op == LISTING {
        if (0..PATHS).any(|p| !world.is_touched(p) && (names & (1 << p) != 0) != (expect[p] != 0)) {
            world.fail("a listing is not as of N");
        }
    } else if got == SNAPSHOT_GONE {
        // Where an edit slipped in before the exchange its file lies in the slot until the abort.
        if world.is_touched(op) {
            return;
        }
        world.fail("a pinned session misses a pre-image");
    } else if !world.is_touched(op) && got != expect[op] {
        world.fail("a reader got content that is not as of N");
    } else if (NEW_ADDED..=NEWER_REMOVED).contains(&got) && got != expect[op] {
        world.fail("a reader got what a later landing wrote");
    }
}

/// The session that lands; its process is another than the one that lands it.
pub(crate) fn writer(world: &World, config: &Config, next: &mut Next) {
    let disk = &world.disk;
    if world.writing {
        go(next, world, "session: writes, leaves the gate", 0, |w| {
            w.writing = false;
            if w.copies_up {
                return;
            }
            let reached = |ino| {
                let slot = |k: usize| w.disk.present(k) && w.disk.landing[k] & ABORTED == 0 && w.disk.slot[k].contains(&ino);
                w.disk.base.contains(&ino) || w.disk.beside.contains(&ino) || w.disk.kept & (1 << ino) != 0 || (0..LANDINGS).any(slot)
            };
            if reached(NEW_REPLACED) {
                w.fail("a session's write reached the base or a sealed landing");
            }
            w.disk.content[usize::from(NEW_REPLACED)] = SESSION_WRITE;
        });
        return;
    }
    let may_write = !disk.trashed && (!disk.needs_recovery() || config.is(Mutant::WriterDoesNotLook));
    let early = config.is(Mutant::WriterLooksBeforeLease);
    if world.writes_left > 0 && early && may_write && !world.looked {
        go(next, world, "session: looks", 0, |w| w.looked = true);
    }
    if world.writes_left > 0 && !world.actor.gate && (if early { world.looked } else { may_write }) {
        go(next, world, "session: enters the gate", 0, |w| {
            w.writes_left -= 1;
            w.looked = false;
            w.writing = true;
        });
    }
}

/// Editors and tools that know nothing of brio.
pub(crate) fn outside(world: &World, next: &mut Next) {
    if let Some((ino, path)) = world.outside_handle {
        go(next, world, "outside: writes through its handle", path, |w| {
            w.outside_handle = None;
            let written = OUTSIDE + w.edits;
            overwritten(w, ino);
            if !w.disk.linked(ino) {
                // A file without a name, as on any file system.
                w.destroyed |= 1 << w.edits;
            }
            let looked = matches!(w.actor.pc, Pc::Trash | Pc::End | Pc::Over);
            if (0..LANDINGS).any(|k| w.disk.slot[k].contains(&ino) && (w.disk.ended(k) || (looked && w.actor.k == k))) {
                w.late |= 1 << w.edits;
            }
            w.disk.content[usize::from(ino)] = written;
            w.durable.content[usize::from(ino)] = written;
            w.edits += 1;
            w.touched |= 1 << path;
        });
    }
    if world.edits_left == 0 {
        return;
    }
    for path in 0..PATHS {
        let ino = world.disk.base[path];
        if ino != 0 && world.outside_handle.is_none() {
            go(next, world, "outside: opens for writing", path, |w| {
                w.edits_left -= 1;
                w.outside_handle = Some((ino, path));
            });
        }
        if ino != 0 {
            go(next, world, "outside: deletes", path, |w| {
                w.edits_left -= 1;
                overwritten(w, ino);
                w.disk.base[path] = 0;
                w.touched |= 1 << path;
                // Counts as an edit that left nothing.
                w.destroyed |= 1 << w.edits;
                w.edits += 1;
            });
        }
        go(next, world, if ino == 0 { "outside: creates" } else { "outside: replaces" }, path, |w| {
            w.edits_left -= 1;
            overwritten(w, ino);
            let (new, content) = (OUTSIDE_INO + w.edits, OUTSIDE + w.edits);
            w.disk.content[usize::from(new)] = content;
            w.durable.content[usize::from(new)] = content;
            w.disk.base[path] = new;
            w.touched |= 1 << path;
            w.placed_at = Some(path);
            w.edits += 1;
        });
    }
}

/// Outside overwrites or unlinks an earlier edit of its own.
fn overwritten(world: &mut World, ino: Ino) {
    let content = world.disk.is(ino);
    if (OUTSIDE..SESSION_WRITE).contains(&content) {
        world.destroyed |= 1 << (content - OUTSIDE);
    }
}

/// The power fails: of what no sync covered any part may be missing. A rename is atomic, renames of different
/// paths and records are independent; contents are as they were synced.
pub(crate) fn power_cut(world: &World, next: &mut Next) {
    if world.power_cuts_left == 0 {
        return;
    }
    let mut after = world.clone();
    after.power_cuts_left -= 1;
    after.kill_actor();
    after.writing = false;
    after.looked = false;
    after.outside_handle = None;
    let fresh = Reader { open: world.reader.open, n: world.reader.n, expect: world.reader.expect, op: NO_OPERATION, ..Reader::default() };
    after.reader = fresh;
    after.disk.content = world.durable.content;
    let mut outcomes = vec![after];
    let durable = &world.durable;
    let either = |outcomes: &mut Vec<World>, revert: &dyn Fn(&mut Disk)| {
        let reverted: Vec<World> = outcomes
            .iter()
            .filter_map(|w| {
                let mut other = w.clone();
                revert(&mut other.disk);
                (other.disk != w.disk).then_some(other)
            })
            .collect();
        outcomes.extend(reverted);
    };
    for p in 0..PATHS {
        either(&mut outcomes, &|d| {
            d.base[p] = durable.base[p];
            d.beside[p] = durable.beside[p];
            for k in 0..LANDINGS {
                // A slot that was never durable comes and goes with its landing's directory.
                d.slot[k][p] = if durable.landing[k] & SEALED == 0 { d.intent[k].new[p] } else { durable.slot[k][p] };
            }
        });
    }
    for k in 0..LANDINGS {
        either(&mut outcomes, &|d| {
            d.landing[k] = durable.landing[k];
            d.reported[k] = durable.reported[k];
            if d.landing[k] == 0 {
                d.intent[k] = Intent::default();
                d.slot[k] = [0; PATHS];
            }
        });
    }
    either(&mut outcomes, &|d| d.seq = durable.seq);
    either(&mut outcomes, &|d| d.stale = durable.stale);
    either(&mut outcomes, &|d| d.trashed = durable.trashed);
    for mut w in outcomes {
        for edit in 0..w.edits {
            let content = OUTSIDE + edit;
            let found = (1..INODES).any(|ino| w.disk.is(ino) == content && w.disk.linked(ino));
            if !found {
                // Its author had not synced it.
                w.destroyed |= 1 << edit;
            }
        }
        w.placed_at = None;
        w.syncfs();
        next.push((Label { what: "power cut", at: 0 }, w));
    }
}

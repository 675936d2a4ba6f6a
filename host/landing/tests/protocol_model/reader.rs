//! A view as of landing N, read in another process.

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
        } else if config.reader && r.opened && !world.actor.lock && disk.resting() {
            go(
                next,
                world,
                if halves { "begin: reads N" } else { "begin" },
                usize::from(disk.seq / 4),
                |w| {
                    w.reader.open = !halves;
                    w.reader.loaded = halves;
                    w.reader.n = w.disk.seq / 4;
                    w.reader.expect = w.as_of(w.reader.n);
                    w.reader.op = NO_OPERATION;
                },
            );
        }
        return;
    }
    match r.pc {
        Read::Idle if !r.loaded && !r.opened => {}
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
            let dropped =
                if config.is(Mutant::ReaderDropsAborting) { ABORTED | ABORTING } else { ABORTED };
            // What lies above `seq` has done nothing yet.
            let wanted = |k: &usize| {
                w.disk.present(*k)
                    && w.disk.landing[*k] & dropped == 0
                    && (w.reader.n + 1..=w.disk.seq / 4).contains(&number(*k))
            };
            w.reader.known = (0..LANDINGS).filter(wanted).map(|k| 1 << k).sum();
            start(w);
        }),
        Read::Slot => {
            let Some(k) = decides(world, path) else {
                go(next, world, "reader: no landing names it, opens base", path, |w| {
                    answer(w, w.disk.is(w.disk.base[path]))
                });
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
                let left = |k: usize| {
                    w.reader.known & (1 << k) != 0
                        && w.disk.intent[k].names(path)
                        && w.disk.intent[k].new[path] == ino
                };
                let landed = (0..LANDINGS).any(left);
                let landed = landed && !(config.is(Mutant::AbsentIsDrift) && ino == 0);
                w.reader.got = if landed { SNAPSHOT_GONE } else { w.disk.is(ino) };
                w.reader.pc = if config.is(Mutant::ReaderLooksOnce) {
                    Read::Recheck
                } else {
                    Read::SlotAgain
                };
            }
        }),
        Read::SlotAgain => go(next, world, "reader: looks in the slot again", path, |w| {
            let Some(k) = decides(w, path) else { return };
            let old = w.disk.intent[k].old[path];
            let got = if w.disk.slot[k][path] == old { w.disk.is(old) } else { w.reader.got };
            answer(w, got);
        }),
        Read::Names => {
            go(next, world, "reader: next name of the directory", usize::from(r.position), |w| {
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
            })
        }
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
        if world.actor.pc == Pc::Idle && world.disk.quiet(config) {
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

//! Who else writes: the session's own process, and programs outside.

use crate::check::{Config, Mutant};
use crate::world::*;

/// The session that lands; its process is another than the one that lands it.
pub(crate) fn session(world: &World, config: &Config, next: &mut Next) {
    let disk = &world.disk;
    if world.writing {
        go(next, world, "session: writes, leaves the gate", 0, |w| {
            w.writing = false;
            if w.disk.copies_up {
                return;
            }
            let reached = |ino| {
                let slot = |k: usize| {
                    w.disk.present(k)
                        && w.disk.landing[k] & ABORTED == 0
                        && w.disk.slot[k].contains(&ino)
                };
                w.disk.base.contains(&ino)
                    || w.disk.beside.contains(&ino)
                    || w.disk.kept & (1 << ino) != 0
                    || (0..LANDINGS).any(slot)
            };
            if reached(NEW_REPLACED) {
                w.fail("a session's write reached the base or a sealed landing");
            }
            w.disk.content[usize::from(NEW_REPLACED)] = SESSION_WRITE;
        });
        return;
    }
    let sealed = disk.concerns_writer(config) && !config.is(Mutant::WriterDoesNotLook);
    let gone = disk.trashed & (1 << config.writer()) != 0;
    let may_write = !gone && !sealed;
    let early = config.is(Mutant::WriterLooksBeforeLease);
    if world.writes_left > 0 && early && may_write && !world.looked {
        go(next, world, "session: looks", 0, |w| w.looked = true);
    }
    if world.writes_left > 0 && !world.actor.gate && (if early { world.looked } else { may_write })
    {
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
            let looked = w.actor.pc == Pc::End;
            if (0..LANDINGS).any(|k| {
                w.disk.slot[k].contains(&ino) && (w.disk.ended(k) || (looked && w.actor.k == k))
            }) {
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
        go(
            next,
            world,
            if ino == 0 { "outside: creates" } else { "outside: replaces" },
            path,
            |w| {
                w.edits_left -= 1;
                overwritten(w, ino);
                let (new, content) = (OUTSIDE_INO + w.edits, OUTSIDE + w.edits);
                w.disk.content[usize::from(new)] = content;
                w.durable.content[usize::from(new)] = content;
                w.disk.base[path] = new;
                w.touched |= 1 << path;
                w.placed_at = Some(path);
                w.edits += 1;
            },
        );
    }
}

/// Outside overwrites or unlinks an earlier edit of its own.
fn overwritten(world: &mut World, ino: Ino) {
    let content = world.disk.is(ino);
    if (OUTSIDE..SESSION_WRITE).contains(&content) {
        world.destroyed |= 1 << (content - OUTSIDE);
    }
}

//! The power supply.

use crate::check::{Config, Mutant};
use crate::world::*;

/// The power fails: of what no sync covered any part may be missing. A rename is atomic, renames of different
/// paths and records are independent; contents are as they were synced.
pub(crate) fn cut(world: &World, config: &Config, next: &mut Next) {
    if world.power_cuts_left == 0 {
        return;
    }
    let mut after = world.clone();
    after.power_cuts_left -= 1;
    after.kill_actor();
    after.writing = false;
    after.looked = false;
    after.outside_handle = None;
    let fresh = Reader {
        open: world.reader.open,
        n: world.reader.n,
        expect: world.reader.expect,
        op: NO_OPERATION,
        ..Reader::default()
    };
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
                d.slot[k][p] = if durable.landing[k] & SEALED == 0 {
                    d.intent[k].new[p]
                } else {
                    durable.slot[k][p]
                };
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
    either(&mut outcomes, &|d| {
        d.seq = durable.seq;
        d.settled = durable.settled;
    });
    either(&mut outcomes, &|d| d.stale = durable.stale);
    for session in [1, 2, 4] {
        either(&mut outcomes, &|d| d.trashed = d.trashed & !session | durable.trashed & session);
    }
    either(&mut outcomes, &|d| d.copies_up = durable.copies_up);
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
        // Another boot.
        if !config.is(Mutant::SettledSurvivesPowerCut) {
            w.disk.settled = UNSETTLED;
        }
        w.syncfs();
        next.push((Label { what: "power cut", at: 0 }, w));
    }
}

//! What recovery and an abort do about one step, by what lies at the target and in the slot.

use crate::world::{Act, Disk, Intent};

/// What a place holds, compared with the intent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) enum Holds {
    Nothing,
    Old,
    OldEdited,
    New,
    NewEdited,
    Other,
}

pub(crate) fn holds(disk: &Disk, intent: &Intent, path: usize, ino: u8) -> Holds {
    match ino {
        0 => Holds::Nothing,
        i if i == intent.old[path] && disk.is(i) == intent.old_is[path] => Holds::Old,
        i if i == intent.old[path] => Holds::OldEdited,
        i if i == intent.new[path] && disk.is(i) == intent.new_is[path] => Holds::New,
        i if i == intent.new[path] => Holds::NewEdited,
        _ => Holds::Other,
    }
}

/// Rolls forward. The rows that FORMAT.md's first table leaves open are marked; `as_written` treats them as done.
pub(crate) fn forward(disk: &Disk, k: usize, path: usize, as_written: bool) -> Act {
    use Holds::{New, NewEdited, Nothing, Old, Other};
    let intent = &disk.intent[k];
    let target = holds(disk, intent, path, disk.base[path]);
    let slot = holds(disk, intent, path, disk.slot[k][path]);
    match (intent.old[path] != 0, intent.new[path] != 0) {
        (false, _) => match (target, slot) {
            (Nothing, New | NewEdited) => Act::SlotToTarget,
            (Other, New | NewEdited) => Act::KeepBeside,
            _ => Act::Nothing,
        },
        (true, true) => match (target, slot) {
            (Old, New) => Act::Exchange,
            // Open row: the exchange took away a later edit and the process died before it looked.
            (New, Other) if !as_written => Act::Exchange,
            (New | NewEdited, _) => Act::Nothing,
            (_, New | NewEdited) => Act::KeepBeside,
            _ => Act::Nothing,
        },
        (true, false) => match (target, slot) {
            (Old, Nothing) => Act::TargetToSlot,
            // Open row: the removal took away a later edit and the process died before it looked.
            (Nothing, Other) if !as_written => Act::SlotToTarget,
            _ => Act::Nothing,
        },
    }
}

/// Inverts. FORMAT.md has no table for it; the rule is the same: look, never displace a later edit.
pub(crate) fn inverse(disk: &Disk, k: usize, path: usize) -> Act {
    use Holds::{New, NewEdited, Nothing, Old, OldEdited, Other};
    let intent = &disk.intent[k];
    let target = holds(disk, intent, path, disk.base[path]);
    let slot = holds(disk, intent, path, disk.slot[k][path]);
    match (intent.old[path] != 0, intent.new[path] != 0) {
        (false, _) => match (target, slot) {
            (New, Nothing) => Act::TargetToSlot,
            // The inversion took away a later edit.
            (Nothing, NewEdited | Other) => Act::SlotToTarget,
            _ => Act::Nothing,
        },
        (true, true) => match (target, slot) {
            (New, Old | OldEdited | Other) => Act::Exchange,
            // The inversion took away a later edit.
            (Old, NewEdited | Other) => Act::Exchange,
            _ => Act::Nothing,
        },
        (true, false) => match (target, slot) {
            (Nothing, Old | OldEdited | Other) => Act::SlotToTarget,
            _ => Act::Nothing,
        },
    }
}

/// Carries out a decision; a rename that may not replace does nothing where the name is taken.
pub(crate) fn perform(disk: &mut Disk, k: usize, path: usize, act: Act) {
    let (target, slot) = (disk.base[path], disk.slot[k][path]);
    match act {
        Act::Exchange if target != 0 && slot != 0 => {
            disk.base[path] = slot;
            disk.slot[k][path] = target;
        }
        Act::SlotToTarget if target == 0 => {
            disk.base[path] = slot;
            disk.slot[k][path] = 0;
        }
        Act::TargetToSlot if slot == 0 => {
            disk.slot[k][path] = target;
            disk.base[path] = 0;
        }
        Act::KeepBeside if disk.beside[path] == 0 => {
            disk.beside[path] = slot;
            disk.slot[k][path] = 0;
        }
        _ => {}
    }
}

//! What to do about a step, by what lies at its target and in its slot. Pure: the table of
//! `FORMAT.md`, used by apply, abort and recovery alike.

use brio_session::{Fingerprint, Kind};

use crate::intent::{Act, New, Step};

/// What a name holds, as a step sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Nothing,
    /// The planned old one.
    Old,
    /// Its inode, with other content.
    OldEdited,
    /// What we staged.
    New,
    /// Its inode, with other content.
    NewEdited,
    Other,
}

/// Names what lies there: by inode, then by size and mtime (a rename moves the ctime).
pub(crate) fn see(now: Option<&Fingerprint>, step: &Step) -> Seen {
    let Some(now) = now else { return Seen::Nothing };
    if let Some(new) = &step.new
        && new.ino == now.ino
        && new.kind == now.kind
    {
        let same = new.kind == Kind::Dir || (new.size == now.size && new.mtime == now.mtime);
        return if same { Seen::New } else { Seen::NewEdited };
    }
    match &step.old {
        Some(old) if old.ino == now.ino && old.kind == now.kind => {
            // The mode of a directory is not its content: others may change it.
            let same = old.kind == Kind::Dir || old.same_content(now);
            if same { Seen::Old } else { Seen::OldEdited }
        }
        _ => Seen::Other,
    }
}

/// What completes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forward {
    Done,
    RenameIn,
    Exchange,
    RenameOut,
    /// The later edit stays at its path, ours goes beside.
    KeepBeside,
    /// The slot holds a later edit: it goes back; the next look puts ours beside.
    ExchangeBack,
    /// The slot holds a later edit of what we removed: it goes back.
    RenameBack,
    /// The later edit stays; there is nothing of ours to keep.
    Leave,
    SetMeta,
}

/// Rolls forward.
pub(crate) fn forward(step: &Step, target: Seen, slot: Seen) -> Forward {
    use Forward as F;
    use Seen as S;
    let dir = step.new.as_ref().is_some_and(|n| n.kind == Kind::Dir);
    match (step.act, target, slot) {
        (Act::Add { .. }, S::Nothing, S::New | S::NewEdited) => F::RenameIn,
        // Another's directory at the place of ours serves as well.
        (Act::Add { .. }, S::Other, S::New) if dir => F::Leave,
        (Act::Add { .. }, S::Other, S::New | S::NewEdited) => F::KeepBeside,
        (Act::Add { .. }, ..) => F::Done,

        (Act::Replace { .. }, S::Old, S::New | S::NewEdited) => F::Exchange,
        (Act::Replace { .. }, S::New, S::OldEdited | S::Other) => F::ExchangeBack,
        (Act::Replace { .. }, S::OldEdited | S::Other | S::Nothing, S::New | S::NewEdited) => {
            F::KeepBeside
        }
        (Act::Replace { .. }, S::Nothing, S::Other) => F::RenameBack,
        (Act::Replace { .. }, ..) => F::Done,

        (Act::Remove { .. }, S::Old, S::Nothing) => F::RenameOut,
        (Act::Remove { .. }, S::OldEdited, S::Nothing) => F::Leave,
        (Act::Remove { .. }, S::Nothing, S::OldEdited | S::Other) => F::RenameBack,
        (Act::Remove { .. }, ..) => F::Done,

        (Act::DirMeta, S::Old | S::New, _) => F::SetMeta,
        (Act::DirMeta, ..) => F::Done,
    }
}

/// What undoes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backward {
    Done,
    RenameOut,
    ExchangeBack,
    RenameBack,
    /// The target is a later edit and stays; the pre-image in the slot is kept.
    KeepOld,
    /// The target is a later edit of ours and stays.
    Leave,
    ResetMeta,
}

/// Rolls back.
pub(crate) fn backward(step: &Step, target: Seen, slot: Seen) -> Backward {
    use Backward as B;
    use Seen as S;
    match (step.act, target, slot) {
        (Act::Add { .. }, S::New, S::Nothing) => B::RenameOut,
        (Act::Add { .. }, S::NewEdited, S::Nothing) => B::Leave,
        // Outside replaced ours between our look and our rename: it goes back.
        (Act::Add { .. }, S::Nothing, S::NewEdited | S::Other) => B::RenameBack,
        (Act::Add { .. }, ..) => B::Done,

        // Whatever the slot holds is what lay at the target before.
        (Act::Replace { .. }, S::New, S::Old | S::OldEdited | S::Other) => B::ExchangeBack,
        (Act::Replace { .. }, S::Old, S::NewEdited | S::Other) => B::ExchangeBack,
        (Act::Replace { .. }, S::Nothing, S::Old | S::OldEdited | S::Other) => B::RenameBack,
        (Act::Replace { .. }, S::NewEdited | S::Other, S::Old | S::OldEdited) => B::KeepOld,
        (Act::Replace { .. }, ..) => B::Done,

        (Act::Remove { .. }, S::Nothing, S::Old | S::OldEdited | S::Other) => B::RenameBack,
        (Act::Remove { .. }, S::Other | S::NewEdited | S::New, S::Old | S::OldEdited) => B::KeepOld,
        (Act::Remove { .. }, ..) => B::Done,

        (Act::DirMeta, S::Old, _) => B::ResetMeta,
        (Act::DirMeta, ..) => B::Done,
    }
}

/// Whether a directory's metadata is what a step wants.
pub(crate) fn meta_is(now: &Fingerprint, new: &New) -> bool {
    now.mode == new.mode && new.times.is_none_or(|(_, m)| m == now.mtime)
}

#[cfg(test)]
mod tests {
    use brio_session::{RelPath, Time};

    use super::*;

    const ALL: [Seen; 6] =
        [Seen::Nothing, Seen::Old, Seen::OldEdited, Seen::New, Seen::NewEdited, Seen::Other];

    fn step(act: Act) -> Step {
        let f = Fingerprint {
            kind: Kind::File,
            ino: 1,
            mode: 0,
            nlink: 1,
            size: 1,
            mtime: Time::default(),
            ctime: Time::default(),
        };
        let n =
            New { kind: Kind::File, ino: 2, mode: 0, size: 1, mtime: Time::default(), times: None };
        let old = (!matches!(act, Act::Add { .. })).then_some(f);
        let new = (!matches!(act, Act::Remove { .. })).then_some(n);
        Step {
            path: RelPath::root(),
            act,
            old,
            new,
            cloned: false,
            old_sha256: None,
            new_sha256: None,
        }
    }

    /// What a step's two names hold after an action.
    fn after(f: Forward, target: Seen, slot: Seen) -> (Seen, Seen) {
        match f {
            Forward::RenameIn => (slot, Seen::Nothing),
            Forward::Exchange => (slot, target),
            Forward::ExchangeBack => (slot, target),
            Forward::KeepBeside => (target, Seen::Nothing),
            Forward::RenameOut => (Seen::Nothing, target),
            Forward::RenameBack => (slot, Seen::Nothing),
            Forward::Done | Forward::Leave | Forward::SetMeta => (target, slot),
        }
    }

    #[test]
    fn rolling_forward_is_idempotent_and_never_overwrites_a_later_edit() {
        // T22
        for act in [Act::Add { slot: 0 }, Act::Replace { slot: 0 }, Act::Remove { slot: 0 }] {
            for (target, slot) in ALL.into_iter().flat_map(|t| ALL.map(|s| (t, s))) {
                let s = step(act);
                let (mut t2, mut s2, mut looks) = (target, slot, 0);
                loop {
                    let f = forward(&s, t2, s2);
                    if matches!(f, Forward::Done | Forward::Leave) {
                        break;
                    }
                    looks += 1;
                    assert!(looks < 4, "{act:?} {target:?} {slot:?}: {f:?} for ever");
                    (t2, s2) = after(f, t2, s2);
                }
                for edit in [Seen::OldEdited, Seen::NewEdited, Seen::Other] {
                    if target == edit {
                        assert_eq!(t2, edit, "{act:?} {target:?} {slot:?}");
                    }
                }
                // What the slot held of others is at its path, or still in the slot to be kept.
                if matches!(slot, Seen::OldEdited | Seen::Other) {
                    assert!(t2 == slot || s2 == slot, "{act:?} {target:?} {slot:?}");
                }
            }
        }
    }

    #[test]
    fn rolling_back_what_was_applied_gives_the_old_base() {
        // B-063
        assert_eq!(
            backward(&step(Act::Add { slot: 0 }), Seen::New, Seen::Nothing),
            Backward::RenameOut
        );
        assert_eq!(
            backward(&step(Act::Replace { slot: 0 }), Seen::New, Seen::Old),
            Backward::ExchangeBack
        );
        assert_eq!(
            backward(&step(Act::Remove { slot: 0 }), Seen::Nothing, Seen::Old),
            Backward::RenameBack
        );
        for act in [Act::Add { slot: 0 }, Act::Replace { slot: 0 }] {
            assert_eq!(backward(&step(act), Seen::Old, Seen::New), Backward::Done);
        }
    }
}

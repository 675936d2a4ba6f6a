//! What exists: the disk, the processes, and what the checker remembers about them.

use std::hash::{Hash, Hasher};

/// Three paths: the first landing (or batch) removes path 0, adds path 1 and replaces path 2.
pub(crate) const PATHS: usize = 3;
/// At most three landings are sealed in one history: a batch of two, and another.
pub(crate) const LANDINGS: usize = 3;
/// A batch has two members.
pub(crate) const MEMBERS: usize = 2;
/// `settled` was written in another boot, or never.
pub(crate) const UNSETTLED: u8 = u8::MAX;

/// An inode number; 0 is "nothing there".
pub(crate) type Ino = u8;
/// A content. At the start inode `n` holds content `n`, so a fingerprint is (inode, content).
pub(crate) type Content = u8;

pub(crate) const OLD_REMOVED: Ino = 1;
pub(crate) const OLD_REPLACED: Ino = 2;
pub(crate) const NEW_ADDED: Ino = 3;
pub(crate) const NEW_REPLACED: Ino = 4;
pub(crate) const NEWER_REPLACED: Ino = 5;
pub(crate) const NEWER_REMOVED: Ino = 6;
/// Inode of a file that the first edit from outside created; the second has the next number.
pub(crate) const OUTSIDE_INO: Ino = 7;
pub(crate) const INODES: u8 = 9;

/// Content of the first edit from outside; the second has the next number.
pub(crate) const OUTSIDE: Content = 40;
/// What a session wrote through a handle on a file of its upper layer.
pub(crate) const SESSION_WRITE: Content = 50;
/// What is found after a power cut where content was never synced.
pub(crate) const TORN: Content = 60;

/// Bits of a landing's directory.
pub(crate) const SEALED: u8 = 1;
pub(crate) const ABORTING: u8 = 2;
pub(crate) const FINISHED: u8 = 4;
pub(crate) const ABORTED: u8 = 8;
/// The directory is no longer there. The other bits stay for the checker, no process looks at them.
pub(crate) const GONE: u8 = 16;

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Intent {
    pub(crate) old: [Ino; PATHS],
    pub(crate) old_is: [Content; PATHS],
    pub(crate) new: [Ino; PATHS],
    pub(crate) new_is: [Content; PATHS],
    /// Whose landing it is.
    pub(crate) session: u8,
}

/// In two words: most of a state is intents, and most of the time goes into digests.
impl Hash for Intent {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let word = |[a, b, c]: [u8; PATHS], [d, e, f]: [u8; PATHS], g| {
            u64::from_le_bytes([a, b, c, d, e, f, g, 0])
        };
        state.write_u64(word(self.old, self.old_is, self.session));
        state.write_u64(word(self.new, self.new_is, 0));
    }
}

impl Intent {
    pub(crate) fn names(&self, path: usize) -> bool {
        self.old[path] != 0 || self.new[path] != 0
    }

    /// The `i`-th step's path: removals first, then the rest.
    pub(crate) fn step(&self, i: u8) -> Option<usize> {
        let removals = (0..PATHS).filter(|&p| self.names(p) && self.new[p] == 0);
        let others = (0..PATHS).filter(|&p| self.new[p] != 0);
        removals.chain(others).nth(usize::from(i))
    }

    /// Does it land the file that its session may still have open?
    pub(crate) fn is_the_writers(&self) -> bool {
        self.new.contains(&NEW_REPLACED)
    }

    pub(crate) fn steps(&self) -> u8 {
        (0..PATHS).map(|p| u8::from(self.names(p))).sum()
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) content: [Content; INODES as usize],
    pub(crate) base: [Ino; PATHS],
    /// `<name>.brio-<k>`
    pub(crate) beside: [Ino; PATHS],
    pub(crate) slot: [[Ino; PATHS]; LANDINGS],
    pub(crate) landing: [u8; LANDINGS],
    pub(crate) intent: [Intent; LANDINGS],
    /// Slots that `end` names: not what was planned, so kept and shown to a person.
    pub(crate) reported: [u8; LANDINGS],
    /// One bit per inode in `kept/`.
    pub(crate) kept: u16,
    pub(crate) seq: u8,
    /// Written with `seq`: up to which landing all have ended well and their sessions are gone.
    pub(crate) settled: u8,
    /// The reading session is marked `stale`.
    pub(crate) stale: bool,
    /// One bit per landing session whose directory was renamed to `trash/`.
    pub(crate) trashed: u8,
    /// The writing session went through an abort and has copies of the files that were staged.
    pub(crate) copies_up: bool,
}

impl Disk {
    pub(crate) fn is(&self, ino: Ino) -> Content {
        if ino == 0 { 0 } else { self.content[usize::from(ino)] }
    }

    pub(crate) fn present(&self, k: usize) -> bool {
        self.landing[k] & SEALED != 0 && self.landing[k] & GONE == 0
    }

    pub(crate) fn ended(&self, k: usize) -> bool {
        self.landing[k] & (FINISHED | ABORTED) != 0
    }

    /// Is this inode reachable by any name outside the landing session's own layers?
    pub(crate) fn linked(&self, ino: Ino) -> bool {
        self.base.contains(&ino)
            || self.beside.contains(&ino)
            || self.kept & (1 << ino) != 0
            || (0..LANDINGS).any(|k| self.present(k) && self.slot[k].contains(&ino))
    }

    /// Is what lies in the slot exactly what an ended landing is expected to leave there?
    pub(crate) fn slot_as_planned(&self, k: usize, path: usize, aborted: bool) -> bool {
        let (ino, intent) = (self.slot[k][path], &self.intent[k]);
        let (want, is) = if aborted {
            (intent.new[path], intent.new_is[path])
        } else {
            (intent.old[path], intent.old_is[path])
        };
        ino == 0 || (ino == want && self.is(ino) == is)
    }
}

/// Landing numbers start at 1, arrays at 0.
pub(crate) fn number(k: usize) -> u8 {
    u8::try_from(k + 1).unwrap_or(u8::MAX)
}

/// Where the one process stands that holds, or wants, the exclusive lock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Pc {
    #[default]
    Idle,
    Staged,
    Synced,
    Locked,
    Valid,
    Renamed,
    Fsynced,
    Apply,
    Verify,
    Durable,
    Trash,
    Detach,
    Settle,
    End,
    Over,
    AbortWrite,
    AbortFsync,
    AbortSeq,
    InvertLook,
    InvertAct,
    RecoverFsync,
    RecoverNext,
    RecoverLook,
    RecoverAct,
    GcStale,
    GcStaleSync,
    GcSlot,
    GcUnlink,
    GcDir,
}

/// What recovery or an abort decided to do about one step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Act {
    #[default]
    Nothing,
    Exchange,
    SlotToTarget,
    TargetToSlot,
    KeepBeside,
    Unlink,
    Keep,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Actor {
    pub(crate) pc: Pc,
    pub(crate) k: usize,
    /// Which step, or before the seal which member.
    pub(crate) i: u8,
    pub(crate) act: Act,
    pub(crate) recovering: bool,
    pub(crate) aborting: bool,
    /// The domain's exclusive lock.
    pub(crate) lock: bool,
    /// The session's lease and gate, exclusively.
    pub(crate) gate: bool,
    pub(crate) report: u8,
    /// What is staged; an empty plan has left the batch.
    pub(crate) plan: [Intent; MEMBERS],
    /// The landings of the batch: how many are sealed, from which one on.
    pub(crate) first: usize,
    pub(crate) members: usize,
    /// One bit per landing: it failed for good and is to be aborted.
    pub(crate) failed: u8,
    /// One bit per landing that is applied and durable.
    pub(crate) landed: u8,
    /// One bit per landing that is acknowledged when the lock is released.
    pub(crate) acked: u8,
    /// Some `end` was not written.
    pub(crate) unwell: bool,
    /// Some abort was not completed.
    pub(crate) interrupted: bool,
}

impl Actor {
    pub(crate) fn last(&self) -> usize {
        self.first + self.members.max(1) - 1
    }

    pub(crate) fn batch(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.members
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Read {
    #[default]
    Idle,
    Load,
    Slot,
    Base,
    SlotAgain,
    Names,
    Recheck,
}

/// The operation a reader is in: a look-up of a path, or a listing.
pub(crate) const LISTING: usize = PATHS;
/// A reader has no operation, it only opens the session.
pub(crate) const NO_OPERATION: usize = PATHS + 1;
pub(crate) const RETRY: Content = 90;
pub(crate) const SNAPSHOT_GONE: Content = 91;

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Reader {
    /// Its process has opened the domain in this boot, so nothing was left to recover then.
    pub(crate) opened: bool,
    /// The session exists; `n` is its landing number.
    pub(crate) open: bool,
    pub(crate) n: u8,
    /// The base as of landing `n`.
    pub(crate) expect: [Content; PATHS],
    /// This process has loaded the intents at `seq`.
    pub(crate) loaded: bool,
    pub(crate) seq: u8,
    pub(crate) known: u8,
    pub(crate) pc: Read,
    pub(crate) op: usize,
    pub(crate) got: Content,
    pub(crate) position: u8,
    pub(crate) names: u8,
}

/// Everything, and the checker's own memory of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct World {
    pub(crate) disk: Disk,
    /// What a power cut is certain to leave.
    pub(crate) durable: Disk,
    pub(crate) actor: Actor,
    pub(crate) reader: Reader,
    /// A session's write is between entering and leaving the gate.
    pub(crate) writing: bool,
    /// Where the session looks before it takes its lease: it has looked.
    pub(crate) looked: bool,
    /// An outside program has this inode open for writing, opened through this path.
    pub(crate) outside_handle: Option<(Ino, usize)>,

    pub(crate) landings_left: u8,
    pub(crate) failures_left: u8,
    pub(crate) crashes_left: u8,
    pub(crate) power_cuts_left: u8,
    pub(crate) edits_left: u8,
    pub(crate) writes_left: u8,
    pub(crate) quota_left: u8,

    /// Edits from outside made so far, and those that outside itself overwrote or deleted.
    pub(crate) edits: u8,
    pub(crate) destroyed: u8,
    /// Edits written through a handle after the landing that moved the file away had looked.
    pub(crate) late: u8,
    /// The path at which an edit put a whole new file.
    pub(crate) placed_at: Option<usize>,
    /// Paths that were edited from outside.
    pub(crate) touched: u8,
    /// Numbers that were sealed durably, numbers that were acknowledged.
    pub(crate) used: u8,
    pub(crate) acknowledged: u8,
    /// An invariant that a step itself found violated.
    pub(crate) broken: Option<&'static str>,
}

impl World {
    pub(crate) fn is_touched(&self, path: usize) -> bool {
        self.touched & (1 << path) != 0
    }

    /// What the base must hold, by the landings that finished and nothing else.
    pub(crate) fn logical(&self) -> [Content; PATHS] {
        self.after(|k| self.disk.landing[k] & FINISHED != 0)
    }

    /// What a session must see that begins at landing `n`.
    pub(crate) fn as_of(&self, n: u8) -> [Content; PATHS] {
        self.after(|k| number(k) <= n && self.disk.landing[k] & ABORTED == 0)
    }

    fn after(&self, landed: impl Fn(usize) -> bool) -> [Content; PATHS] {
        let mut base = [OLD_REMOVED, 0, OLD_REPLACED];
        for k in 0..LANDINGS {
            if landed(k) {
                let intent = &self.disk.intent[k];
                for (p, content) in base.iter_mut().enumerate().filter(|(p, _)| intent.names(*p)) {
                    *content = intent.new_is[p];
                }
            }
        }
        base
    }

    pub(crate) fn syncfs(&mut self) {
        self.durable = self.disk.clone();
    }

    /// A process dies: its memory and its locks are gone, the disk stays.
    pub(crate) fn kill_actor(&mut self) {
        self.actor = Actor::default();
    }

    pub(crate) fn fail(&mut self, why: &'static str) {
        self.broken.get_or_insert(why);
    }
}

/// One step of a history, as it is printed in a counterexample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) what: &'static str,
    pub(crate) at: usize,
}

pub(crate) type Next = Vec<(Label, World)>;

/// Adds the state that `change` makes of `world`.
pub(crate) fn go(
    next: &mut Next,
    world: &World,
    what: &'static str,
    at: usize,
    change: impl FnOnce(&mut World),
) {
    let mut after = world.clone();
    change(&mut after);
    next.push((Label { what, at }, after));
}

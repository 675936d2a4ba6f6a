//! The explorer: every history, breadth first, each state once; the shortest counterexample.

use std::collections::{HashMap, VecDeque, hash_map::Entry};
use std::fmt::Write as _;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::world::*;
use crate::{actor, power, reader, writers};

/// One way to break the protocol. Each must be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mutant {
    /// A reader answers without reading `seq` again.
    ReaderDoesNotRecheck,
    /// It looks in the slot and in the base, but not in the slot again.
    ReaderLooksOnce,
    /// Where neither holds the old file it always retries.
    ReaderRetriesForever,
    /// It drops a landing's intent at `aborting`, not at `end {aborted}`.
    ReaderDropsAborting,
    /// A process opens the domain, and reads, before a landing that a power cut interrupted is recovered.
    OpenDoesNotRecover,
    /// It takes a name that a landing removed, and whose pre-image is gone, for drift.
    AbsentIsDrift,
    /// A listing is the base's names, whatever the intents say.
    ListingIsTheDirectory,
    /// Begin reads N and writes `sessions/<id>` in two steps, without the lock.
    BeginWithoutLock,
    /// `seq` moves after the renames.
    SeqAfterApply,
    /// Recovery rolls forward before `seq` says that the landing is sealed.
    RecoveryDoesNotRaise,
    /// Recovery raises `seq` to a landing's own aborting before it inverts, which is no move within a batch.
    RecoveryDoesNotTurn,
    /// gc does not care for sessions.
    GcIgnoresPins,
    /// gc over the quota removes the intent with the slots.
    IntentGoesWithSlots,
    /// gc marks a session stale and does not sync the mark.
    StaleNotSynced,
    /// gc does not sync a mark that is there already.
    StaleTrusted,
    /// The next number is taken from `landings/`, not from `seq`, and gc removes the newest landing as well.
    NumbersFromDirectory,
    /// A landing seals without the session's lease.
    SealWithoutGate,
    /// Preflight does not look at the new files again.
    PreflightTrustsStaging,
    /// A writer that gets the lease does not look whether its session was sealed meanwhile.
    WriterDoesNotLook,
    /// It looks before it takes the lease.
    WriterLooksBeforeLease,
    /// A session opens for writing although a finished landing that is not settled names it.
    LandedSessionOpens,
    /// gc removes a finished landing before the session is in the trash for good.
    LandingGoesBeforeSession,
    /// After an abort the session goes on writing into the files that were staged.
    AbortKeepsUpper,
    /// It gets copies of them, which are not synced.
    CopiesNotSynced,
    /// A step does not look at what it displaced.
    ApplyDoesNotVerify,
    /// Recovery exchanges whatever lies there.
    RecoveryDoesNotLook,
    /// It looks before a rename and not after it.
    RecoveryActsOnce,
    /// Recovery knows only the rows that FORMAT.md's first version lists.
    TableAsWritten,
    /// An abort inverts what it remembers, without looking.
    InversionDoesNotLook,
    /// An abort ends without looking at its slots.
    AbortDoesNotReport,
    /// gc does not look at pre-images before it unlinks them.
    GcDoesNotLook,
    /// It looks, and unlinks later, without a file lease.
    GcLooksThenUnlinks,
    /// No sync between staging and seal.
    StagingNotSynced,
    /// No fsync of `landings` before the first rename.
    SealNotSynced,
    /// No sync between the last rename and `end`.
    FinishNotSynced,
    /// Recovery acts on records that it sees but did not sync.
    RecoveryActsOnUnsynced,
    /// Two landings that share a path are members of one batch.
    NotApart,
    /// `landings` is fsynced before the last member is renamed.
    BatchSealedWithoutFsync,
    /// `seq` is raised to the first member's number, and to the next one's after that is applied.
    SeqRaisedPerMemberAfterApply,
    /// After a rename to `landings/<k>` that failed and may have been done, the next member gets `<k+1>`.
    SealsOnAfterDoubt,
    /// `settled` is trusted in another boot.
    SettledSurvivesPowerCut,
    /// It is written after the syncfs, before the sessions go and `end` is written.
    SettledBeforeEnd,
    /// It is written though some `end` could not be written.
    SettledDespiteFailedFinish,
    /// It is written though some abort was not completed.
    SettledDespiteInterruptedAbort,
    /// It is trusted without a look for the landing after it.
    QuietIgnoresNext,
}

/// What may happen in the histories that are explored, and how often.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Config {
    pub(crate) reader: bool,
    /// The reader's session is open before the first landing.
    pub(crate) reader_first: bool,
    pub(crate) landings: u8,
    pub(crate) failures: u8,
    pub(crate) crashes: u8,
    pub(crate) power_cuts: u8,
    pub(crate) edits: u8,
    pub(crate) writes: u8,
    pub(crate) quota: u8,
    /// The first landing is a batch of two: the first has these paths, one bit each. 0: one landing.
    pub(crate) batch: u8,
    pub(crate) mutant: Option<Mutant>,
}

impl Config {
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The session that replaces path 2: the one that also writes.
    pub(crate) fn writer(&self) -> u8 {
        u8::from(self.batch != 0 && self.batch & 4 == 0)
    }

    fn first(&self) -> World {
        let mut world = World {
            landings_left: self.landings,
            failures_left: self.failures,
            crashes_left: self.crashes,
            power_cuts_left: self.power_cuts,
            edits_left: self.edits,
            writes_left: self.writes,
            quota_left: self.quota,
            ..World::default()
        };
        world.disk.base = [OLD_REMOVED, 0, OLD_REPLACED];
        for ino in 1..OUTSIDE_INO {
            world.disk.content[usize::from(ino)] = ino;
        }
        world.durable = world.disk.clone();
        if self.power_cuts > 0 {
            for ino in NEW_ADDED..OUTSIDE_INO {
                world.durable.content[usize::from(ino)] = TORN;
            }
        }
        world.reader.opened = true;
        if self.reader_first {
            world.reader = Reader {
                open: true,
                opened: true,
                expect: world.logical(),
                op: NO_OPERATION,
                ..Reader::default()
            };
        }
        world
    }
}

/// The end of an exploration.
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    /// What was violated, and the history that leads there.
    pub(crate) violation: Option<(&'static str, String)>,
}

/// Each state's digest, with where it was first reached from.
type Seen = HashMap<u64, (u64, Label), BuildHasherDefault<Mix>>;

/// Visits every state that can be reached.
pub(crate) fn explore(config: &Config) -> Explored {
    let first = config.first();
    let mut seen = Seen::default();
    let root = digest(&first);
    seen.insert(root, (root, Label { what: "", at: 0 }));
    let mut queue = VecDeque::from([(root, first)]);
    let mut next = Next::new();
    let mut steps = 0;
    while let Some((from, world)) = queue.pop_front() {
        actor::step(&world, config, &mut next);
        reader::reader(&world, config, &mut next);
        writers::session(&world, config, &mut next);
        writers::outside(&world, &mut next);
        power::cut(&world, config, &mut next);
        for (label, mut after) in next.drain(..) {
            steps += 1;
            actor::hidden_steps(&mut after, config);
            let id = digest(&after);
            if let Entry::Vacant(place) = seen.entry(id) {
                place.insert((from, label));
                if let Some(why) = violated(&after, config) {
                    let violation = Some((why, history(&seen, root, id, &after)));
                    return Explored { states: seen.len(), steps, violation };
                }
                queue.push_back((id, after));
            }
        }
    }
    Explored { states: seen.len(), steps, violation: None }
}

fn history(seen: &Seen, root: u64, last: u64, world: &World) -> String {
    let mut labels = Vec::new();
    let mut id = last;
    while id != root {
        let (from, label) = seen[&id];
        labels.push(label);
        id = from;
    }
    let mut text = String::new();
    for (i, label) in labels.iter().rev().enumerate() {
        let _ = writeln!(text, "{:3}. {} [{}]", i + 1, label.what, label.at);
    }
    let _ = write!(text, "{:?}\n{:?}\n{:?}", world.disk, world.actor, world.reader);
    text
}

/// The invariants of a state.
fn violated(world: &World, config: &Config) -> Option<&'static str> {
    if world.broken.is_some() {
        return world.broken;
    }
    let disk = &world.disk;
    for edit in (0..world.edits).filter(|e| world.destroyed & (1 << e) == 0) {
        let holder = (1..INODES).find(|&ino| disk.is(ino) == OUTSIDE + edit && disk.linked(ino));
        if holder.is_none() {
            return Some("an edit from outside is lost");
        }
    }
    if world.actor.pc != Pc::Idle || !disk.quiet(config) {
        return None;
    }
    // From here on nobody looks at a landing.
    let torn = "the base is neither wholly old nor wholly new";
    if let Some(k) = (0..LANDINGS).find(|&k| disk.present(k) && !disk.ended(k)) {
        let named = |p: &usize| disk.intent[k].names(*p) && !world.is_touched(*p);
        let done = |p: &usize| disk.base[*p] == disk.intent[k].new[*p];
        let steps = (0..PATHS).filter(named);
        let mixed = steps.clone().any(|p| done(&p)) && !steps.clone().all(|p| done(&p));
        return Some(if mixed { torn } else { "nobody looks at a landing that has not ended" });
    }
    let logical = world.logical();
    for p in (0..PATHS).filter(|&p| !world.is_touched(p)) {
        if disk.is(disk.base[p]) != logical[p] {
            return Some(torn);
        }
        if disk.beside[p] != 0 {
            return Some("a version was set beside without an edit from outside");
        }
    }
    if (0..LANDINGS).any(|k| disk.left_behind(k)) {
        return Some("nobody looks at a session that has landed and is not gone");
    }
    if (0..LANDINGS).any(|k| world.acknowledged & (1 << k) != 0 && disk.landing[k] & FINISHED == 0)
    {
        return Some("an acknowledged landing is not in the base");
    }
    for edit in (0..world.edits).filter(|e| (world.destroyed | world.late) & (1 << e) == 0) {
        let hidden = |k: usize, p: usize| {
            disk.present(k)
                && disk.is(disk.slot[k][p]) == OUTSIDE + edit
                && disk.reported[k] & (1 << p) == 0
        };
        if (0..LANDINGS).any(|k| (0..PATHS).any(|p| hidden(k, p))) {
            return Some("an edit from outside is buried in a slot, unreported");
        }
    }
    if let (Some(p), 1, 0) = (world.placed_at, world.edits, world.destroyed)
        && disk.is(disk.base[p]) != OUTSIDE
    {
        return Some("a later edit does not stay in its place");
    }
    None
}

/// 64 bits of a state: among a million states, a collision in one run of thirty million.
fn digest(world: &World) -> u64 {
    let mut hasher = Mix(0x9e37_79b9_7f4a_7c15);
    world.hash(&mut hasher);
    hasher.finish()
}

#[derive(Default)]
struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.add(u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        }
        let mut rest = 0;
        for byte in chunks.remainder() {
            rest = rest << 8 | u64::from(*byte);
        }
        self.add(rest);
    }

    fn write_u8(&mut self, word: u8) {
        self.add(u64::from(word));
    }

    fn write_u16(&mut self, word: u16) {
        self.add(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.add(word.unsigned_abs() as u64);
    }

    fn finish(&self) -> u64 {
        let mut x = self.0;
        x ^= x >> 32;
        x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
        x ^ (x >> 29)
    }
}

//! Every interleaving of the landing protocol (`FORMAT.md`), in a model of one directory with three paths.
//!
//! A landing or a batch of two, their aborts, recovery and gc run one rename, one record or one look at a time;
//! beside them run a frozen reader at N in another process, the session's own writer, and programs outside that
//! write in place (open and write apart), replace, create and delete. `kill -9` and a power cut come at any moment,
//! and so does a failure of whatever may fail. A power cut keeps or loses each unsynced rename and record on its
//! own, and begins another boot. Every reachable state is visited once, breadth first, so that a counterexample is
//! a shortest one.
//!
//! Recovery runs, and looks at landings, only where `quiet` does not hold (sequence, settled, the next landing), as
//! in the code. What is held in every state, or in every state that is `quiet` and in which nobody is at work:
//! 1. a reader and a listing answer as of N, or `SNAPSHOT_GONE` where the session is stale; where an edit from
//!    outside touched the path, never what a later landing wrote;
//! 2. of every landing all paths that no edit touched are old, or all are new, whatever became of the others;
//! 3. an edit from outside is in the base, beside it, in `kept/` or in a slot that `end` reports; a single whole
//!    file that outside put in place is still in its place;
//! 4. no write of the session after the seal reaches the base or a sealed landing;
//! 5. recovery has nothing to do after itself, no number is used twice;
//! 6. an acknowledged landing is in the base;
//! 7. gc takes no pre-image from a session that is not marked;
//! 8. every landing has ended, and the session of one that finished is gone.
//!
//! Not modelled: directories and their metadata, clones of files with several links, reuse of an inode number, a
//! step that fails for good in an inversion (`damaged`), names kept beside in listings.
//!
//! `BRIO_MODEL_LARGE=1` also visits larger histories (`larger_histories`): minutes, and gigabytes of memory.
//!
//! # What the protocol needs beyond the first version of FORMAT.md
//!
//! Each is a mutant below; its shortest history is printed by `BRIO_MODEL_HISTORY=1 … -- --nocapture`.
//!
//! - `TableAsWritten`: validated; outside replaces the target; exchange; `kill -9`; recovery finds new | other,
//!   which no row names, and leaves the edit in the slot. Row for replace: new | other -> exchange back, look
//!   again. Row for remove: absent | other -> rename back, look again.
//! - `RecoveryActsOnce`: recovery looks, outside replaces the target, recovery exchanges and goes on. It looks
//!   again after each rename, until there is nothing to do.
//! - `InversionDoesNotLook`: an abort looks, outside replaces the target, the inversion takes it away. Inversion
//!   needs its own table (`judge::inverse`), and a look after each rename: old | other is exchanged back, for an
//!   addition absent | other is renamed back.
//! - `AbortDoesNotReport`: after an abort a slot may hold an edit; the slots are looked at before `end {aborted}`.
//! - `RecoveryActsOnUnsynced`: `landings/<k>` is renamed, `kill -9` before its fsync; recovery applies a step;
//!   power cut: the rename of the directory is lost, the step is not. Recovery first syncs what it saw.
//! - `LandedSessionOpens`, `LandingGoesBeforeSession`: a power cut keeps `end` and loses the session's rename to
//!   `trash/`: the session opens, and its upper file is the base's inode. A session that a finished landing names is
//!   over; the landing's directory goes only when something was flushed after its end. (In a batch all but the
//!   newest could go under the same lock.)
//! - `WriterDoesNotLook`, `WriterLooksBeforeLease`: the landing process dies after the seal and its flock goes; a
//!   writer in another process gets the lease back. It looks for a landing to recover after it has the lease.
//! - `PreflightTrustsStaging`: a write between staging and the lease changes the staged file, which is the same
//!   inode. Preflight takes the new files' fingerprints again (or the lease is taken before staging).
//! - `AbortKeepsUpper`: apply; outside writes in place into our new file; abort leaves it there ("the later edit
//!   stays"); the session goes on and writes into the base. After an abort the staged files are copied up first.
//! - `CopiesNotSynced`: then a power cut keeps `end {aborted}` and loses the copies.
//! - `ReaderLooksOnce`: slot not old, rename, base not old. The order is slot, base, slot.
//! - `ReaderRetriesForever`: where an edit replaced the path neither ever is the old file. When the third look
//!   fails and `seq` stands still: what a known landing left there is `SNAPSHOT_GONE`, anything else is drift.
//! - `AbsentIsDrift`: "what a landing left" may be nothing: a removed name without its pre-image is gone, not absent.
//! - `ReaderDropsAborting`: "aborted" is `end {aborted}`; a landing that is aborting still counts.
//! - `OpenDoesNotRecover`: after a power cut `seq` may lie below `landings/`; a reader reads intents up to `seq`, so
//!   its process waits until that is recovered before it reads anything.
//! - `IntentGoesWithSlots`: gc does not move `seq`, so an intent stays while a session has N < k, stale or not.
//! - `StaleNotSynced`, `StaleTrusted`: the mark is synced before each unlinking, also when another wrote it.
//! - `GcLooksThenUnlinks`: a handle writes between gc's look and its unlinking. gc holds a file lease over both
//!   (`F_SETLEASE`), and keeps a slot for which it gets none.
//! - `RecoveryDoesNotTurn`: a batch is applied under its last one's *sealed*; the first is marked aborting; `kill -9`;
//!   recovery inverts it, and raising `seq` to its own *aborting* is no move: a reader's three looks miss what went
//!   forth and back. Recovery moves `seq` before each inversion, if need be to a later number, which is burned.
//! - `SealsOnAfterDoubt`: a rename to `landings/<k>` fails, nobody can tell whether it was done, the next member gets
//!   `<k+1>`, `kill -9`: there is no `landings/<k>`, so all is quiet. After such a doubt none is renamed any more.
//! - `Settled…`, `QuietIgnoresNext`: `settled` comes last, if all went well, and holds in one boot.

#[path = "protocol_model/actor.rs"]
mod actor;
#[path = "protocol_model/check.rs"]
mod check;
#[path = "protocol_model/collect.rs"]
mod collect;
#[path = "protocol_model/judge.rs"]
mod judge;
#[path = "protocol_model/land.rs"]
mod land;
#[path = "protocol_model/power.rs"]
mod power;
#[path = "protocol_model/quiet.rs"]
mod quiet;
#[path = "protocol_model/reader.rs"]
mod reader;
#[path = "protocol_model/recover.rs"]
mod recover;
#[path = "protocol_model/world.rs"]
mod world;
#[path = "protocol_model/writers.rs"]
mod writers;

use check::{Config, Mutant, explore};

/// One landing that may fail, one crash, two edits; nobody reads.
const EDITS: Config = Config {
    reader: false,
    reader_first: false,
    landings: 1,
    failures: 1,
    crashes: 1,
    power_cuts: 0,
    edits: 2,
    writes: 0,
    quota: 0,
    batch: 0,
    mutant: None,
};
/// A session that began before the landing reads on, until gc over the quota, or after it.
const READING: Config = Config { reader: true, reader_first: true, edits: 1, quota: 1, ..EDITS };
/// Two landings; the reading session begins at any moment.
const TWO_LANDINGS: Config = Config { reader_first: false, edits: 0, landings: 2, ..READING };
/// The session that lands also writes.
const WRITING: Config = Config { edits: 1, writes: 1, ..EDITS };
const POWER: Config = Config { edits: 1, power_cuts: 1, ..EDITS };
const POWER_READING: Config = Config { edits: 0, power_cuts: 1, ..READING };
const POWER_TWO_LANDINGS: Config = Config { edits: 0, landings: 2, power_cuts: 1, ..EDITS };
/// The first landing is two that share a lock: one replaces path 2, one removes path 0 and adds path 1.
const BATCH: Config = Config { batch: 0b100, edits: 1, ..EDITS };
const BATCH_READING: Config = Config { edits: 0, reader: true, reader_first: true, ..BATCH };
const BATCH_POWER: Config = Config { edits: 0, power_cuts: 1, ..BATCH };
const BATCH_WRITING: Config = Config { writes: 1, ..BATCH_POWER };

#[track_caller]
fn holds(name: &str, config: Config) {
    let clock = std::time::Instant::now();
    let explored = explore(&config);
    let (states, steps) = (explored.states, explored.steps);
    println!("{name}: {states} states, {steps} steps, {:?}", clock.elapsed());
    if let Some((why, history)) = explored.violation {
        panic!("{name}: {why}\n{history}");
    }
}

#[test]
fn edits_from_outside_are_neither_lost_nor_buried() {
    holds("two edits, two crashes", Config { crashes: 2, ..EDITS });
    holds("one edit, three crashes", Config { edits: 1, crashes: 3, ..EDITS });
}

#[test]
fn a_frozen_reader_sees_nothing_of_a_landing() {
    holds("reading", READING);
}

#[test]
fn a_session_that_begins_at_any_moment_sees_whole_landings() {
    holds("two landings", TWO_LANDINGS);
}

#[test]
fn a_session_writes_nothing_into_what_it_sealed() {
    holds("writing", Config { crashes: 2, writes: 2, ..WRITING });
    holds("writing, power cut", Config { power_cuts: 1, ..WRITING });
}

#[test]
fn a_power_cut_leaves_old_or_new() {
    holds("power cut", POWER);
    holds("three power cuts", Config { edits: 0, power_cuts: 3, ..POWER });
    holds("power cut, two landings", POWER_TWO_LANDINGS);
    holds("power cut, reading", POWER_READING);
}

#[test]
fn members_of_a_batch_land_and_fail_alone() {
    holds("batch, edit", Config { crashes: 2, ..BATCH });
    holds("batch, two failures", Config { edits: 0, failures: 2, crashes: 2, ..BATCH });
    holds("batch, writing", BATCH_WRITING);
}

#[test]
fn a_frozen_reader_sees_nothing_of_a_batch() {
    holds("batch, reading", BATCH_READING);
    holds("batch, reading, power cut", Config { power_cuts: 1, failures: 0, ..BATCH_READING });
}

#[test]
fn a_power_cut_leaves_each_member_of_a_batch_old_or_new() {
    holds("batch, power cut", Config { crashes: 2, ..BATCH_POWER });
    holds("batch, power cut, then a landing", Config { landings: 2, ..BATCH_POWER });
}

/// Minutes, and gigabytes: only if `BRIO_MODEL_LARGE` is set.
#[test]
fn larger_histories() {
    if std::env::var_os("BRIO_MODEL_LARGE").is_none() {
        return;
    }
    let reading = Config { edits: 1, quota: 1, ..BATCH_READING };
    holds("reading, two crashes, two failures", Config { crashes: 2, failures: 2, ..READING });
    for batch in [0b100, 0b011, 0b101, 0b010] {
        holds(&format!("batch {batch:03b}, reading"), Config { batch, ..reading });
        let twice = Config { crashes: 2, failures: 2, batch, ..BATCH_READING };
        holds(&format!("batch {batch:03b}, reading, two of each"), twice);
        let edits = Config { edits: 2, crashes: 2, failures: 2, batch, ..BATCH };
        holds(&format!("batch {batch:03b}, edits"), edits);
        let power = Config { edits: 1, power_cuts: 2, crashes: 2, batch, ..BATCH_POWER };
        holds(&format!("batch {batch:03b}, power cuts"), power);
        let next = Config { landings: 2, power_cuts: 1, failures: 0, batch, ..BATCH_READING };
        holds(&format!("batch {batch:03b}, reading, power cut, then a landing"), next);
        let begins = Config { reader_first: false, landings: 2, quota: 1, batch, ..BATCH_READING };
        holds(&format!("batch {batch:03b}, begins at any moment, then a landing"), begins);
        let writing = Config { edits: 1, writes: 2, crashes: 2, batch, ..BATCH_WRITING };
        holds(&format!("batch {batch:03b}, writing"), writing);
    }
}

/// The check can fail: each way to break the protocol is found, and as the violation that it is.
#[test]
fn every_mutant_is_found() {
    use Mutant::*;
    let not_as_of_n = "a reader got content that is not as of N";
    let missing = "a pinned session misses a pre-image";
    let reached = "a session's write reached the base or a sealed landing";
    let moved = "a later edit does not stay in its place";
    let lost = "an edit from outside is lost";
    let torn = "the base is neither wholly old nor wholly new";
    let unended = "nobody looks at a landing that has not ended";
    let mutants = [
        (ReaderDoesNotRecheck, READING, not_as_of_n),
        (ReaderLooksOnce, READING, missing),
        (
            ReaderRetriesForever,
            Config { quota: 0, ..READING },
            "a reader retries for ever while nothing moves",
        ),
        (ReaderDropsAborting, READING, not_as_of_n),
        (OpenDoesNotRecover, POWER_READING, not_as_of_n),
        (AbsentIsDrift, READING, not_as_of_n),
        (ListingIsTheDirectory, READING, "a listing is not as of N"),
        (BeginWithoutLock, TWO_LANDINGS, missing),
        (SeqAfterApply, READING, not_as_of_n),
        (RecoveryDoesNotRaise, READING, not_as_of_n),
        (GcIgnoresPins, READING, missing),
        (IntentGoesWithSlots, TWO_LANDINGS, not_as_of_n),
        (StaleNotSynced, POWER_READING, missing),
        (StaleTrusted, POWER_READING, missing),
        (NumbersFromDirectory, TWO_LANDINGS, "a landing number is used twice"),
        (SealWithoutGate, WRITING, reached),
        (PreflightTrustsStaging, WRITING, "what is sealed is not what the intent says"),
        (WriterDoesNotLook, WRITING, reached),
        (WriterLooksBeforeLease, WRITING, reached),
        (LandedSessionOpens, Config { power_cuts: 1, ..WRITING }, reached),
        (LandingGoesBeforeSession, BATCH_WRITING, reached),
        (AbortKeepsUpper, WRITING, reached),
        (CopiesNotSynced, Config { power_cuts: 1, ..WRITING }, reached),
        (ApplyDoesNotVerify, EDITS, moved),
        (RecoveryDoesNotLook, EDITS, "recovery is not idempotent"),
        (RecoveryActsOnce, EDITS, moved),
        (TableAsWritten, EDITS, moved),
        (InversionDoesNotLook, EDITS, moved),
        (AbortDoesNotReport, EDITS, "an edit from outside is buried in a slot, unreported"),
        (GcDoesNotLook, EDITS, lost),
        (GcLooksThenUnlinks, EDITS, lost),
        (StagingNotSynced, POWER, torn),
        (SealNotSynced, POWER, torn),
        (FinishNotSynced, POWER, torn),
        (RecoveryActsOnUnsynced, POWER, torn),
        (NotApart, Config { edits: 0, ..BATCH }, torn),
        (BatchSealedWithoutFsync, BATCH_POWER, torn),
        (SeqRaisedPerMemberAfterApply, BATCH_READING, not_as_of_n),
        (RecoveryDoesNotTurn, BATCH_READING, missing),
        (SealsOnAfterDoubt, BATCH, unended),
        (SettledSurvivesPowerCut, BATCH_POWER, unended),
        (SettledBeforeEnd, BATCH, unended),
        (SettledDespiteFailedFinish, BATCH, unended),
        (SettledDespiteInterruptedAbort, Config { failures: 2, ..BATCH }, unended),
        (QuietIgnoresNext, BATCH, unended),
    ];
    let histories = std::env::var_os("BRIO_MODEL_HISTORY").is_some();
    for (mutant, config, expected) in mutants {
        let explored = explore(&Config { mutant: Some(mutant), ..config });
        let Some((why, history)) = explored.violation else {
            panic!("{mutant:?} is not found in {} states", explored.states);
        };
        println!("{mutant:?}: {why}, after {} states", explored.states);
        if histories {
            println!("{history}");
        }
        assert_eq!(why, expected, "{mutant:?}\n{history}");
    }
}

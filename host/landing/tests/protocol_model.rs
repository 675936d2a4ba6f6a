//! A model check of the landing protocol that FORMAT.md describes.

#[path = "protocol_model/actor.rs"]
mod actor;
#[path = "protocol_model/check.rs"]
mod check;
#[path = "protocol_model/judge.rs"]
mod judge;
#[path = "protocol_model/others.rs"]
mod others;
#[path = "protocol_model/world.rs"]
mod world;

use check::{Config, Mutant, explore};

fn holds(name: &str, config: Config) {
    let clock = std::time::Instant::now();
    let explored = explore(&config);
    println!("{name}: {} states, {} steps, {:?}", explored.states, explored.steps, clock.elapsed());
    if let Some((why, history)) = explored.violation {
        panic!("{name}: {why}\n{history}");
    }
}

const EDITS: Config = Config { reader: false, reader_first: false, landings: 1, failures: 1, crashes: 1, power_cuts: 0, edits: 2, writes: 0, quota: 0, mutant: None };
const READING: Config = Config { reader: true, reader_first: true, edits: 1, quota: 1, ..EDITS };


const TWO: Config = Config { reader_first: false, edits: 0, landings: 2, ..READING };
const WRITING: Config = Config { edits: 1, writes: 1, crashes: 1, ..EDITS };
const POWER: Config = Config { edits: 1, power_cuts: 1, crashes: 1, ..EDITS };
const POWER_READING: Config = Config { edits: 0, power_cuts: 1, failures: 0, ..READING };
const POWER_TWO: Config = Config { edits: 0, landings: 2, power_cuts: 1, ..EDITS };
#[test]
fn edits() { holds("edits", EDITS); }
#[test]
fn two_crashes() { holds("two crashes", Config { edits: 1, crashes: 3, ..EDITS }); }
#[test]
fn reading() { holds("reading", READING); }
#[test]
fn two_landings() { holds("two landings", TWO); }
#[test]
fn writing() { holds("writing", WRITING); }
#[test]
fn power() { holds("power", POWER); }
#[test]
fn power_two() { holds("power, two landings", POWER_TWO); }
#[test]
fn power_reading() { holds("power reading", POWER_READING); }

#[test]
fn big1() { holds("edits2 crashes2", Config { edits: 2, crashes: 2, ..EDITS }); }
#[test]
fn big2() { holds("power 2 ", Config { power_cuts:2, ..POWER }); }
#[test]
fn big3() { holds("reading+crash2 ", Config { crashes:2, ..READING }); }
#[test]
fn big4() { holds("power reading fail ", Config { failures:1, ..POWER_READING }); }
#[test]
fn mutants() {
    use Mutant::*;
    for (m, c) in [
        (ReaderDoesNotRecheck, READING),
        (ReaderLooksOnce, READING),
        (ReaderRetriesForever, Config{quota:0, ..READING}),
        (ReaderDropsAborting, READING),
        (IntentGoesWithSlots, TWO),
        (StaleNotSynced, POWER_READING),
        (StaleTrusted, POWER_READING),
        (SeqAfterApply, READING),
        (RecoveryDoesNotRaise, READING),
        (BeginWithoutLock, TWO),(ReaderTrustsSeq, POWER_READING),(ListingIsTheDirectory, READING),(AbsentIsDrift, READING),(AbortDoesNotReport, EDITS),
        (NumbersFromDirectory, TWO),
        (SealWithoutGate, WRITING),
        (PreflightTrustsStaging, WRITING),
        (WriterDoesNotLook, WRITING),(WriterLooksBeforeLease, WRITING),
        (SessionGoesAfterEnd, WRITING),
        (AbortKeepsUpper, WRITING),
        (ApplyDoesNotVerify, EDITS),
        (RecoveryDoesNotLook, EDITS),
        (TableAsWritten, EDITS),
        (InversionDoesNotLook, EDITS),
        (GcIgnoresPins, READING),
        (GcDoesNotLook, EDITS),
        (GcLooksThenUnlinks, EDITS),
        (StagingNotSynced, POWER),
        (SealNotSynced, POWER),
        (FinishNotSynced, POWER),
        (RecoveryActsOnUnsynced, POWER),
    ] {
        let clock = std::time::Instant::now();
        let e = explore(&Config { mutant: Some(m), ..c });
        match e.violation {
            Some((why, h)) => println!("MUTANT {m:?}: {why} ({} states, {} ms)\n{}", e.states, clock.elapsed().as_millis(), if std::env::var("V").is_ok() { &h } else { "" }),
            None => println!("MUTANT {m:?}: *** NOT FOUND *** ({} states)", e.states),
        }
    }
}

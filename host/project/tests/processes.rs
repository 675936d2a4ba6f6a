//! Many processes write notes of one project, and are killed: no acknowledged write is lost.
//!
//! `BRIO_NOTES_PROCESSES` and `BRIO_NOTES_WRITES` make it longer; `BRIO_SEED` makes other kills.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use brio_project::*;
use common::*;

const ROLE: &str = "BRIO_TEST_ROLE";

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn spawn(notes: &Path, writer: usize, first: usize, writes: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_other_process", "--nocapture"])
        .env(ROLE, format!("{writer} {first} {writes}"))
        .env("BRIO_TEST_NOTES", notes)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test of its own: what the other process does. Without a role it does nothing.
///
/// Each round writes a note of its own, a version of a note that all write, an update of the
/// record that all update, and one with an origin, which a predecessor may have written.
#[test]
fn the_other_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let notes: Arc<dyn Notes> =
        Arc::new(dir_notes(Path::new(&std::env::var("BRIO_TEST_NOTES").unwrap())));
    let mut role = role.split(' ').map(|n| n.parse::<usize>().unwrap());
    let (writer, first, writes) =
        (role.next().unwrap(), role.next().unwrap(), role.next().unwrap());
    let conflicts = Arc::new(AtomicU64::new(0));
    let project = Project::new(notes.clone(), clock).observed_by(conflicts.clone());
    let mut out = std::io::stdout();
    for n in first..writes {
        put(&*notes, &format!("own/{writer}/{n}"), &format!("{writer}.{n}"));
        let origin = from(&format!("{writer}.{n}"));
        notes.write(&path(&format!("once/{writer}")), &n.to_string(), &origin).unwrap();
        let shared = notes.write(&path("shared"), &format!("{writer}.{n}"), &plain()).unwrap();
        let record = project.set_session(&task(&format!("{writer}.{n}"))).unwrap();
        let counted = conflicts.swap(0, Ordering::Relaxed);
        writeln!(out, "done {n} {} {} {counted}", shared.version, record.version).unwrap();
    }
}

struct Acknowledged {
    writer: usize,
    n: usize,
    shared: u64,
    record: u64,
    conflicts: u64,
}

/// Runs one writer to its end, killed and begun again every few writes.
fn run(
    notes: &Path,
    writer: usize,
    writes: usize,
    seed: u64,
    to: &mpsc::Sender<Acknowledged>,
) -> usize {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut kills = 0;
    let mut next = 0;
    while next < writes {
        let mut child = spawn(notes, writer, next, writes);
        let out = BufReader::new(child.stdout.take().unwrap());
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let until = next + 2 + (random % 12) as usize;
        for line in out.lines().map_while(Result::ok) {
            let Some(done) = line.split_once("done ").map(|(_, done)| done) else { continue };
            let done: Vec<u64> = done.split(' ').map_while(|n| n.parse().ok()).collect();
            // The last line may be cut by the kill; then it was not acknowledged.
            let [n, shared, record, conflicts] = done[..] else { continue };
            let n = n as usize;
            to.send(Acknowledged { writer, n, shared, record, conflicts }).unwrap();
            next = n + 1;
            if next == until && next < writes {
                // Somewhere in the middle of the next writes.
                std::thread::sleep(Duration::from_micros(random % 4000));
                child.kill().unwrap();
                kills += 1;
            }
        }
        let status = child.wait().unwrap();
        assert!(status.success() || status.code().is_none(), "writer {writer}: {status}");
    }
    kills
}

#[test]
fn processes_that_are_killed_lose_no_acknowledged_write() {
    let (processes, writes) = (number("BRIO_NOTES_PROCESSES", 8), number("BRIO_NOTES_WRITES", 50));
    let seed = number("BRIO_SEED", 1) as u64;
    let tmp = scratch();
    let notes = dir_notes(tmp.path());
    let (to, acknowledged) = mpsc::channel();
    let kills: usize = std::thread::scope(|scope| {
        let one = |writer: usize| {
            let (to, at) = (to.clone(), tmp.path());
            scope.spawn(move || run(at, writer, writes, seed + writer as u64 * 7919, &to))
        };
        let all: Vec<_> = (0..processes).map(one).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    drop(to);
    let acknowledged: Vec<_> = acknowledged.iter().collect();
    assert_eq!(acknowledged.len(), processes * writes, "each was acknowledged once");

    // Notes of one writer: all there, with their content.
    let all = contents(&notes);
    for Acknowledged { writer, n, .. } in &acknowledged {
        assert_eq!(all.get(&format!("own/{writer}/{n}")), Some(&format!("{writer}.{n}")));
    }
    assert_eq!(all.len(), processes * writes + processes + 2);
    // What was repeated after a kill was applied once.
    for writer in 0..processes {
        let once = notes.read(&path(&format!("once/{writer}"))).unwrap().unwrap();
        assert_eq!((once.version, once.content), (writes as u64, (writes - 1).to_string()));
    }
    // The note of all: no two acknowledged writes have one version. Those that were made but not
    // acknowledged add at most one for each kill; so it is with the record.
    let most = processes * writes + kills;
    let versions: BTreeSet<_> = acknowledged.iter().map(|a| a.shared).collect();
    assert_eq!(versions.len(), processes * writes);
    let last = notes.read(&path("shared")).unwrap().unwrap().version;
    assert!((processes * writes..=most).contains(&(last as usize)), "{last}");
    let versions: BTreeSet<_> = acknowledged.iter().map(|a| a.record).collect();
    assert_eq!(versions.len(), processes * writes);
    let record = Project::new(Arc::new(dir_notes(tmp.path())), clock).get_session().unwrap();
    assert!((processes * writes..=most).contains(&(record.version as usize)), "{}", record.version);
    // Nothing is left behind once it was swept.
    notes.sweep().unwrap();
    for entry in std::fs::read_dir(tmp.path()).unwrap() {
        assert!(!entry.unwrap().path().join("new").exists());
    }
    let conflicts: u64 = acknowledged.iter().map(|a| a.conflicts).sum();
    println!(
        "{processes} processes, {writes} rounds of 4 writes each, {kills} kills, \
         {conflicts} conflicts counted, record version {}",
        record.version
    );
    assert!(writes < 20 || kills > 0, "somebody was killed");
}

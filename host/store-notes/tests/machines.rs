//! Many machines, one record: who writes at the same time, answers that are lost, clocks.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use brio_project::*;
use brio_store_notes::{StoreNotes, StoreNotesOptions};
use common::*;

const WRITERS: u64 = 16;
const WRITES: u64 = 12;

/// A store that loses answers, and does some of what was asked when nobody waits any more.
fn unreliable() -> Arc<Shaky> {
    let shaky = Arc::new(Shaky::default());
    shaky.lose(3);
    shaky.late(5);
    shaky
}

fn each_writer<T: Send>(work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let all: Vec<_> = (0..WRITERS).map(|w| scope.spawn(move || work(w))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

//
#[test]
fn sixteen_machines_that_race_lose_no_update_and_make_none_twice() {
    let store = unreliable();
    let at = path("shared");
    let versions = each_writer(|w| {
        let notes = notes_of(&store, &format!("machine-{w}"));
        let update = |n| {
            let line = format!("{w}.{n}\n");
            let made = notes.modify(&at, None, &mut |note| {
                Ok(format!("{}{line}", note.map_or("", |note| &note.content)))
            });
            made.unwrap().version
        };
        (0..WRITES).map(update).collect::<Vec<_>>()
    });
    for its in &versions {
        assert!(its.is_sorted_by(|a, b| a < b), "they rise: {its:?}");
    }
    let all: BTreeSet<u64> = versions.into_iter().flatten().collect();
    assert_eq!(all, (1..=WRITERS * WRITES).collect(), "each version was given once");
    let note = notes_of(&store, "reader").read(&at).unwrap().unwrap();
    let lines: Vec<&str> = note.content.lines().collect();
    assert_eq!(lines.len() as u64, WRITERS * WRITES);
    for w in 0..WRITERS {
        let its: Vec<String> = (0..WRITES).map(|n| format!("{w}.{n}")).collect();
        let found = lines.iter().copied().filter(|l| l.starts_with(&format!("{w}.")));
        assert_eq!(found.collect::<Vec<_>>(), its, "machine {w}");
    }
}

#[test]
fn sixteen_machines_that_write_the_same_thing_write_it_once() {
    let store = unreliable();
    let at = path("landed");
    let written = each_writer(|w| {
        let notes = notes_of(&store, &format!("machine-{w}"));
        let write = |n| notes.write(&at, &format!("{n}"), &from(&format!("landing {n}"))).unwrap();
        (0..WRITES).map(write).collect::<Vec<_>>()
    });
    for n in 0..WRITES as usize {
        let ours: Vec<Written> = written.iter().map(|its| its[n]).collect();
        assert!(ours.iter().all(|w| w.version == ours[0].version), "{n}: {ours:?}");
        assert_eq!(ours.iter().filter(|w| !w.replayed).count(), 1, "{n}: {ours:?}");
    }
    let history = notes_of(&store, "reader").history(&at).unwrap();
    assert_eq!(history.len() as u64, WRITES);
}

//
#[test]
fn sixteen_machines_share_one_record_and_conflicts_are_counted() {
    let store = unreliable();
    let conflicts = Arc::new(AtomicU64::new(0));
    each_writer(|w| {
        let notes = notes_of(&store, &format!("machine-{w}"));
        let project = Project::new(Arc::new(notes), clock).observed_by(conflicts.clone());
        for n in 0..4 {
            let update = Update { task: Some(format!("{w}.{n}")), ..Update::default() };
            project.set_session(&update).unwrap();
        }
    });
    let project = Project::new(Arc::new(notes_of(&store, "reader")), clock);
    assert_eq!(project.get_session().unwrap().version, WRITERS * 4);
    println!("{} conflicts counted", conflicts.load(Ordering::Relaxed));
}

// T11
#[test]
fn two_machines_see_what_the_other_wrote_and_none_is_overridden_unseen() {
    let store = Arc::new(Shaky::default());
    let conflicts = Arc::new(AtomicU64::new(0));
    let record = |by| Project::new(Arc::new(notes_of(&store, by)), clock);
    let laptop = record("laptop").observed_by(conflicts.clone());
    let server = record("server");
    let task = |task: &str| Update { task: Some(task.into()), ..Update::default() };
    laptop.set_session(&task("parser")).unwrap();
    let seen = server.get_session().unwrap();
    assert_eq!(seen.active_task.as_deref(), Some("parser"));
    let coding = Update { mode: Some(Mode::Coding), ..Update::default() };
    server.set_session(&coding).unwrap();
    // A whole record of version 1 wins as a whole, above version 2, and is counted.
    let saved = laptop.save_session(&seen).unwrap();
    assert_eq!((saved.version, conflicts.load(Ordering::Relaxed)), (3, 1));
    assert_eq!(server.get_session().unwrap(), saved);
    // What was overridden is there, and who wrote what.
    let history = server.notes().history(&path(SESSION_PATH)).unwrap();
    let overridden = Record::from_json(history[1].content.as_deref().unwrap()).unwrap();
    assert_eq!((overridden.version, overridden.current_mode), (2, Mode::Coding));
    let runner = runner();
    let its = project(store.clone(), &runner);
    let doc = runner.run(async move { its.read_note(SESSION_PATH).await }).unwrap().unwrap().doc;
    let by: Vec<_> = doc.versions().iter().map(|v| v.by.as_deref().unwrap()).collect();
    assert_eq!(by, ["laptop", "server", "laptop"]);

    let (one, two) = (notes_of(&store, "one"), notes_of(&store, "two"));
    one.write(&path("a"), "one", &expecting(0)).unwrap();
    match two.write(&path("a"), "two", &expecting(0)).unwrap_err() {
        NotesError::VersionMismatch { expected: 0, found: 1, .. } => {}
        e => panic!("{e}"),
    }
    two.remove(&path("a"), &expecting(1)).unwrap().unwrap();
    assert_eq!(one.read(&path("a")).unwrap(), None);
    assert_eq!(one.write(&path("a"), "again", &expecting(0)).unwrap().version, 3);
}

#[test]
fn a_clock_that_goes_back_does_not_take_versions_along() {
    static NOW: AtomicU64 = AtomicU64::new(1_768_816_800);
    fn wandering() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.load(Ordering::SeqCst))
    }
    let (store, runner) = (Arc::new(Shaky::default()), runner());
    let options = StoreNotesOptions::new(wandering, "laptop");
    let notes = StoreNotes::new(project(store.clone(), &runner), runner, options);
    let at = path("a");
    notes.write(&at, "first", &plain()).unwrap();
    NOW.store(0, Ordering::SeqCst);
    assert_eq!(notes.write(&at, "second", &plain()).unwrap().version, 2);
    assert_eq!(notes_of(&store, "other").write(&at, "third", &expecting(2)).unwrap().version, 3);
    NOW.store(u64::from(u32::MAX) << 10, Ordering::SeqCst);
    notes.remove(&at, &plain()).unwrap();
    let told = |v: &Version| (v.version, v.at.to_string(), v.content.clone());
    let history: Vec<_> = notes.history(&at).unwrap().iter().map(told).collect();
    assert_eq!(
        history,
        [
            (4, "9999-12-31T23:59:59.999Z".to_owned(), None),
            (3, "2026-01-19T10:00:00.000Z".to_owned(), Some("third".to_owned())),
            (2, "1970-01-01T00:00:00.000Z".to_owned(), Some("second".to_owned())),
            (1, "2026-01-19T10:00:00.000Z".to_owned(), Some("first".to_owned())),
        ]
    );
}

#[test]
fn calls_may_come_from_the_threads_of_executors() {
    let store = Arc::new(Shaky::default());
    let notes = Arc::new(notes_of(&store, "laptop"));
    let write = |n: u32| {
        let notes = notes.clone();
        async move {
            notes.write(&path("a"), &n.to_string(), &plain()).unwrap();
            notes.modify(&path("a"), None, &mut |note| Ok(note.unwrap().content.clone())).unwrap();
            drop(notes);
        }
    };
    let one = tokio::runtime::Builder::new_current_thread().build().unwrap();
    one.block_on(write(1));
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let all: Vec<_> = (2..10).map(|n| many.spawn(write(n))).collect();
    many.block_on(async {
        for task in all {
            task.await.unwrap();
        }
    });
    assert_eq!(notes.read(&path("a")).unwrap().unwrap().version, 18);
    // The last one that holds the executor of the store may be on another's thread.
    one.block_on(async move { drop(notes) });
}

//! Every operation on the disk fails, or is the last one of a killed process: a note is old or
//! new, and what was acknowledged stays.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use brio_project::*;
use brio_session::Verdict;
use common::*;

type Action = fn(&DirNotes) -> Result<(), NotesError>;

/// What is done to the note `a`, which has the content `old`.
const ACTIONS: [(&str, Action, Option<&str>); 5] = [
    ("write", |n| n.write(&path("a"), "new", &plain()).map(drop), Some("new")),
    ("write of an origin", |n| n.write(&path("a"), "new", &from("l1")).map(drop), Some("new")),
    ("expected", |n| n.write(&path("a"), "new", &expecting(3)).map(drop), Some("new")),
    ("remove", |n| n.remove(&path("a"), &plain()).map(drop), None),
    ("another note", |n| n.write(&path("b"), "new", &plain()).map(drop), Some("old")),
];

fn prepared(at: &std::path::Path) {
    let notes = dir_notes(at);
    for content in ["1", "2", "old"] {
        put(&notes, "a", content);
    }
}

/// Two versions are kept, so that each write removes one too.
fn faulty(at: &std::path::Path, door: brio_session::Door) -> Result<DirNotes, NotesError> {
    DirNotes::open(dir(at), DirOptions { door, keep: 2, ..DirOptions::new(clock) })
}

#[test]
fn a_write_that_is_interrupted_anywhere_leaves_the_old_or_the_new() {
    for (name, action, new) in ACTIONS {
        let whole = scratch();
        prepared(whole.path());
        let (counted, door) = hook(usize::MAX, Verdict::Go);
        action(&faulty(whole.path(), door).unwrap()).unwrap();
        let operations = counted.seen();
        assert!(operations >= 6, "{name}: {operations}");
        for verdict in verdicts() {
            for n in 0..operations {
                let label = format!("{name}: {verdict:?} at {n} of {operations}");
                let tmp = scratch();
                prepared(tmp.path());
                let (_, door) = hook(n, verdict);
                let done = faulty(tmp.path(), door).and_then(|notes| action(&notes));
                let notes = faulty(tmp.path(), Default::default()).unwrap();
                let read = notes.read(&path("a")).unwrap().map(|note| note.content);
                if done.is_ok() {
                    assert_eq!(read.as_deref(), new, "{label}: acknowledged");
                } else {
                    assert!(read.as_deref() == Some("old") || read.as_deref() == new, "{label}");
                }
                let b = notes.read(&path("b")).unwrap();
                assert!(b.is_none_or(|b| b.content == "new"), "{label}");
                // The history has what is not replaced, and the next write works and sweeps.
                let history = notes.history(&path("a")).unwrap();
                let texts: Vec<_> = history.iter().filter_map(|v| v.content.as_deref()).collect();
                assert!(texts.contains(&"old"), "{label}: {texts:?}");
                put(&notes, "a", "next");
                put(&notes, "b", "next");
                notes.sweep().unwrap();
                assert_eq!(notes.read(&path("a")).unwrap().unwrap().content, "next", "{label}");
                for note in ["a", "b"] {
                    let files = std::fs::read_dir(tmp.path().join(note)).unwrap();
                    let names: Vec<_> = files.map(|f| f.unwrap().file_name()).collect();
                    assert!(names.len() <= 2, "{label}: {names:?}");
                    assert!(!names.iter().any(|name| name == "new"), "{label}: {names:?}");
                }
            }
        }
    }
}

#[test]
fn a_place_for_notes_that_was_half_made_is_made_by_the_next() {
    let whole = scratch();
    let (counted, door) = hook(usize::MAX, Verdict::Go);
    with_door(whole.path(), door).unwrap();
    for verdict in verdicts() {
        for n in 0..counted.seen() {
            let tmp = scratch();
            let (_, door) = hook(n, verdict);
            let _ = with_door(tmp.path(), door);
            let notes = dir_notes(tmp.path());
            put(&notes, "a", "1");
            let names = std::fs::read_dir(tmp.path()).unwrap().count();
            assert_eq!(names, 2, "{verdict:?} at {n}: the marker and the note");
        }
    }
}

/// A session's changes: over an old note, over none, a removal, the record.
fn session(below: &Arc<DirNotes>, own: &std::path::Path) -> Overlay {
    let overlay = Overlay::new(below.clone(), dir_notes(own));
    put(&overlay, "a", "from the session");
    put(&overlay, "b", "from the session");
    overlay.remove(&path("c"), &plain()).unwrap();
    overlay
}

fn record(below: &Arc<DirNotes>, own: &std::path::Path) {
    let overlay = Overlay::new(below.clone(), dir_notes(own));
    Project::new(Arc::new(overlay), clock).set_session(&task("from the session")).unwrap();
}

// A delivery that died is repeated with its origin: each note takes its change once, also if
// others wrote it in between.
#[test]
fn a_delivery_that_is_interrupted_anywhere_is_repeated_and_applied_once() {
    let mut n = 0;
    let mut verdict = verdicts().into_iter();
    let mut now = verdict.next();
    while let Some(this) = now {
        let (base, own) = (scratch(), scratch());
        let below = Arc::new(dir_notes(base.path()));
        put(&*below, "a", "old");
        put(&*below, "c", "old");
        let project = Project::new(below.clone(), clock);
        project.set_session(&task("old")).unwrap();
        record(&below, own.path());
        let overlay = session(&below, own.path());
        assert_eq!(overlay.changes().unwrap().len(), 4);
        let (at, door) = hook(n, this);
        let first = with_door(base.path(), door)
            .map_err(ProjectError::from)
            .and_then(|to| deliver(&overlay.changes().unwrap(), &to, "landing 7", clock, &()));
        let over = at.seen() <= n;
        let label = format!("{this:?} at {n}");
        // Somebody writes over what arrived.
        let arrived = below.read(&path("a")).unwrap().unwrap().content == "from the session";
        if arrived {
            put(&*below, "a", "later");
        }
        deliver(&overlay.changes().unwrap(), &*below, "landing 7", clock, &()).unwrap();
        deliver(&overlay.changes().unwrap(), &*below, "landing 7", clock, &()).unwrap();
        let read = |at: &str| below.read(&path(at)).unwrap().map(|note| note.content);
        let wanted = if arrived { "later" } else { "from the session" };
        assert_eq!(read("a").as_deref(), Some(wanted), "{label}");
        assert_eq!(read("b").as_deref(), Some("from the session"), "{label}");
        assert_eq!(read("c"), None, "{label}");
        let record = project.get_session().unwrap();
        assert_eq!(record.active_task.as_deref(), Some("from the session"), "{label}");
        assert_eq!(record.version, 2, "{label}: once");
        let b = below.history(&path("b")).unwrap();
        assert_eq!(b.len(), 1, "{label}: {b:?}");
        (n, now) = if over {
            assert!(first.is_ok() && n > 20, "{label}");
            (0, verdict.next())
        } else {
            (n + 1, now)
        };
    }
}

//! A session is committed or rolled back together with its open children. B-042.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use brio_landing::{
    BeginOptions, CommitError, CommitOptions, Domain, Metadata, RollbackError, Session, SessionId,
};
use brio_session::ViewOptions;
use common::{begin, edit, open, read, state};

fn child(d: &Domain, parent: &Session, goal: &str, files: &[(&str, &[u8])]) -> Session {
    let metadata = Metadata { goal: Some(goal.into()), ..Metadata::default() };
    let parent = Some(parent.id().clone());
    let s = d.begin(BeginOptions { parent, metadata, ..BeginOptions::default() }).unwrap();
    edit(&s, files);
    s
}

fn cascade() -> CommitOptions {
    CommitOptions { cascade: true, ..CommitOptions::default() }
}

fn ids(of: &[&Session]) -> Vec<SessionId> {
    of.iter().map(|s| s.id().clone()).collect()
}

/// A session with two children, the first with a child of its own.
fn family(d: &Domain) -> [Session; 4] {
    let s = begin(d, "head");
    edit(&s, &[("a", b"head")]);
    let one = child(d, &s, "one", &[("one", b"1")]);
    let two = child(d, &s, "two", &[("two", b"2")]);
    let below = child(d, &one, "below", &[("below", b"3")]);
    [s, one, two, below]
}

#[test]
fn children_land_first_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let [s, one, two, below] = family(&d);
    let refused = d.commit(s.id(), CommitOptions::default()).unwrap_err();
    assert!(matches!(refused, CommitError::OpenChildren { .. }));
    let landed = d.commit(s.id(), cascade()).unwrap();
    assert_eq!(landed.landing, Some(1), "one landing of the base");
    assert_eq!(landed.children, ids(&[&below, &one, &two]));
    for (file, text) in [("a", "head"), ("one", "1"), ("two", "2"), ("below", "3")] {
        assert_eq!(std::fs::read_to_string(dir.path().join(file)).unwrap(), text);
    }
    assert_eq!(state(dir.path(), "sessions"), Vec::<String>::new());
    let entries = d.journal_entries().unwrap();
    let told: Vec<_> = entries.iter().filter(|e| e.what == "landed-in-parent").collect();
    assert_eq!(told.len(), 3);
}

#[test]
fn the_first_conflict_ends_it_and_says_what_has_landed() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let [s, one, two, below] = family(&d);
    edit(&two, &[("below", b"mine")]);
    let three = child(&d, &s, "three", &[("three", b"3")]);
    let e = d.commit(s.id(), cascade()).unwrap_err();
    assert_eq!(e.code(), "CONFLICT");
    assert_eq!(e.conflicts()[0].path.to_string(), "below");
    let CommitError::Cascade { landed, source } = &e else { panic!("{e}") };
    assert_eq!(*landed, ids(&[&below, &one]));
    assert!(matches!(&**source, CommitError::Conflict { session, .. } if session == two.id()));
    assert!(e.to_string().contains(&format!("before that: {}, {}", below.id(), one.id())), "{e}");

    // The base is untouched, what landed is in the parent, the rest is kept.
    assert!(!dir.path().join("a").exists());
    let v = s.view(ViewOptions::default()).unwrap();
    assert_eq!(read(&v, "below").unwrap(), b"3");
    assert_eq!(read(&v, "three"), None);
    for kept in [&s, &two, &three] {
        kept.info().unwrap();
    }
    d.rollback(two.id(), false).unwrap();
    let landed = d.commit(s.id(), cascade()).unwrap();
    assert_eq!(landed.children, ids(&[&three]));
    assert_eq!(std::fs::read(dir.path().join("three")).unwrap(), b"3");

    // A conflict with nothing landed before it is the plain one.
    let s = begin(&d, "head");
    edit(&s, &[("three", b"mine")]);
    let other = begin(&d, "other");
    edit(&other, &[("three", b"theirs")]);
    common::commit(&d, other.id()).unwrap();
    let e = d.commit(s.id(), cascade()).unwrap_err();
    assert!(matches!(e, CommitError::Conflict { .. }), "{e}");
}

#[test]
fn a_live_child_ends_it_too() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let [s, one, two, below] = family(&d);
    let live = common::writer(&two);
    let e = d.commit(s.id(), cascade()).unwrap_err();
    assert_eq!(e.code(), "SESSION_BUSY");
    assert!(matches!(e, CommitError::Cascade { landed, .. } if landed == ids(&[&below, &one])));
    drop(live);
    d.commit(s.id(), cascade()).unwrap();
}

#[test]
fn a_child_is_committed_with_its_children_into_a_live_parent() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let [s, one, _two, below] = family(&d);
    let w = common::writer(&s);
    let landed = w.commit_child(one.id(), cascade()).unwrap();
    assert_eq!(landed.children, ids(&[&below]));
    assert_eq!(read(w.view(), "below").unwrap(), b"3");
}

#[test]
fn leaves_are_thrown_away_first() {
    let dir = tempfile::tempdir().unwrap();
    let d = open(dir.path());
    let [s, one, two, below] = family(&d);
    let live = common::writer(&one);
    let e = d.rollback_cascade(s.id(), false).unwrap_err();
    assert_eq!(e.code(), "SESSION_BUSY");
    let RollbackError::Cascade { rolled_back, .. } = &e else { panic!("{e}") };
    assert_eq!(*rolled_back, ids(&[&two, &below]));
    s.info().unwrap();
    one.info().unwrap();
    drop(live);
    let (done, children) = d.rollback_cascade(s.id(), false).unwrap();
    assert_eq!(children, ids(&[&one]));
    assert!(done.bytes_freed > 0);
    assert_eq!(state(dir.path(), "sessions"), Vec::<String>::new());
    assert!(!dir.path().join("a").exists());
}

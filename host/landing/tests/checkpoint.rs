//! Checkpoints: a session's state under a name, and the way back to it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use brio_landing::{
    BEFORE_RESTORE, BeginOptions, CheckpointError, CommitError, CommitOptions, Domain, OpenOptions,
    Session,
};
use brio_session::{FsError, Handle, OpenOptions as Open, ViewOptions};
use common::{begin, commit, edit, names, open, options, read, state, writer};

fn base() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a"), "base a").unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    std::fs::write(dir.path().join("d/b"), "base b").unwrap();
    dir
}

fn get(s: &Session, path: &str) -> Option<Vec<u8>> {
    read(&s.view(ViewOptions::default()).unwrap(), path)
}

fn kept(s: &Session) -> Vec<String> {
    s.info().unwrap().checkpoints.into_iter().map(|c| c.name).collect()
}

fn layers(base: &Path, s: &Session) -> Vec<String> {
    // The files of layer 0 lie in the session's own directory.
    let names = state(base, &format!("sessions/{}", s.id()));
    let first = names.iter().any(|n| n == "index").then(|| "0".to_owned());
    assert!(first.is_some() || !names.iter().any(|n| brio_session::is_layer_file(n.as_bytes())));
    let others = names.into_iter().filter(|n| n.parse::<u32>().is_ok());
    first.into_iter().chain(others).collect()
}

#[test]
fn a_session_comes_back_to_a_checkpoint_and_from_there() {
    let dir = base();
    let d = open(dir.path());
    let s = begin(&d, "checkpoints");
    edit(&s, &[("a", b"one"), ("new", b"new")]);
    let made = s.checkpoint("one").unwrap();
    assert_eq!((made.name.as_str(), made.landing), ("one", 0));
    edit(&s, &[("a", b"two"), ("d/b", b"two")]);
    s.checkpoint("two").unwrap();
    edit(&s, &[("a", b"three")]);
    assert_eq!(kept(&s), ["one", "two"]);

    s.restore("one").unwrap();
    assert_eq!(get(&s, "a").unwrap(), b"one");
    assert_eq!(get(&s, "d/b").unwrap(), b"base b");
    assert_eq!(get(&s, "new").unwrap(), b"new");
    assert_eq!(kept(&s), ["one", "two", BEFORE_RESTORE]);
    // Nothing is lost by it.
    s.restore(BEFORE_RESTORE).unwrap();
    assert_eq!(get(&s, "a").unwrap(), b"three");
    assert_eq!(get(&s, "d/b").unwrap(), b"two");
    s.restore("two").unwrap();
    assert_eq!(get(&s, "a").unwrap(), b"two");

    // What lands is the state that was restored.
    edit(&s, &[("d/c", b"after")]);
    commit(&d, s.id()).unwrap();
    assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"two");
    assert_eq!(std::fs::read(dir.path().join("d/b")).unwrap(), b"two");
    assert_eq!(std::fs::read(dir.path().join("d/c")).unwrap(), b"after");
    assert_eq!(state(dir.path(), "sessions"), Vec::<String>::new());
}

#[test]
fn layers_that_nothing_lists_go() {
    let dir = base();
    let d = open(dir.path());
    let s = begin(&d, "layers");
    // Nothing is in the upper: it needs no layer of its own.
    s.checkpoint("begin").unwrap();
    assert_eq!(layers(dir.path(), &s), ["0"]);
    edit(&s, &[("a", b"one")]);
    s.checkpoint("one").unwrap();
    s.checkpoint("one-again").unwrap();
    assert_eq!(layers(dir.path(), &s), ["0", "1"]);
    edit(&s, &[("a", b"two")]);
    s.restore("one").unwrap();
    assert_eq!(layers(dir.path(), &s), ["0", "1", "2"], "1 is before-restore's");
    s.restore("begin").unwrap();
    assert_eq!(get(&s, "a").unwrap(), b"base a");
    assert_eq!(layers(dir.path(), &s), ["0", "3"], "2 was empty, and 1 is nobody's any more");
    s.delete_checkpoint("one").unwrap();
    s.delete_checkpoint("one-again").unwrap();
    assert_eq!(layers(dir.path(), &s), ["0", "3"], "0 is before-restore's");
    s.delete_checkpoint(BEFORE_RESTORE).unwrap();
    assert_eq!(layers(dir.path(), &s), ["3"]);
    edit(&s, &[("a", b"three")]);
    commit(&d, s.id()).unwrap();
    assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"three");
}

#[test]
fn names_are_checked() {
    let dir = base();
    let d = open(dir.path());
    let s = begin(&d, "names");
    let long = "x".repeat(65);
    for bad in ["", ".hidden", "-x", "a/b", "a b", "\u{e9}", BEFORE_RESTORE, &long] {
        let e = s.checkpoint(bad).unwrap_err();
        assert_eq!(e.code(), "CHECKPOINT_NAME", "{bad:?}: {e}");
    }
    s.checkpoint("v1.2_x-Y").unwrap();
    let e = s.checkpoint("v1.2_x-Y").unwrap_err();
    assert_eq!(e.code(), "CHECKPOINT_EXISTS");
    let e = s.restore("nothing").unwrap_err();
    assert_eq!(e.code(), "CHECKPOINT_UNKNOWN");
    assert!(e.to_string().contains("it has v1.2_x-Y"), "{e}");
    assert!(matches!(s.delete_checkpoint("nothing"), Err(CheckpointError::Unknown { .. })));
    for i in 1..64 {
        s.checkpoint(&format!("c{i}")).unwrap();
    }
    assert_eq!(s.checkpoint("one-more").unwrap_err().code(), "LIMIT");
    // A restore is always possible.
    s.restore("c1").unwrap();
}

#[test]
fn a_live_session_is_restored_under_its_view() {
    let dir = base();
    let d = open(dir.path());
    let s = begin(&d, "live");
    let w = writer(&s);
    let v = w.view();
    let root = v.root();
    common::write(v, "a", b"one");
    let how = Open { read: true, write: true, ..Open::default() };
    let Handle::File(f) = v.open_at(&root, b"a", &how).unwrap() else { panic!() };
    w.checkpoint("one").unwrap();
    // A checkpoint is not noticed: handles stay, and write above it.
    f.write_at(b"two", 0).unwrap();
    common::write(v, "new", b"new");
    assert_eq!(read(v, "a").unwrap(), b"two");

    w.restore("one").unwrap();
    assert_eq!(read(v, "a").unwrap(), b"one");
    assert_eq!(read(v, "new"), None);
    assert_eq!(f.read_at(&mut [0], 0), Err(FsError::Stale));
    assert_eq!(f.write_at(b"late", 0), Err(FsError::Stale));
    assert_eq!(root.list().unwrap().len(), 2);
    common::write(v, "after", b"after");
    w.restore(BEFORE_RESTORE).unwrap();
    assert_eq!(read(v, "a").unwrap(), b"two");
    assert_eq!(read(v, "new").unwrap(), b"new");
    assert_eq!(read(v, "after"), None);
    w.restore(BEFORE_RESTORE).unwrap();
    assert_eq!(read(v, "after").unwrap(), b"after");
    assert_eq!(s.restore("one").unwrap_err().code(), "SESSION_BUSY");
    w.finish().unwrap();
    assert_eq!(get(&s, "after").unwrap(), b"after");
    commit(&d, s.id()).unwrap();
    assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"one");
    assert!(!dir.path().join("new").exists());
}

#[test]
fn what_a_checkpoint_looks_at_is_kept() {
    // T17, for a checkpoint: what others landed meanwhile does not show up in it.
    let dir = base();
    let d = open(dir.path());
    let s = begin(&d, "reader");
    s.checkpoint("begin").unwrap();
    let other = begin(&d, "other");
    edit(&other, &[("a", b"landed"), ("d/b", b"landed")]);
    commit(&d, other.id()).unwrap();
    d.gc().unwrap();
    edit(&s, &[("d/c", b"mine")]);
    s.restore("begin").unwrap();
    assert_eq!(get(&s, "a").unwrap(), b"base a");
    assert_eq!(names(&s.view(ViewOptions::default()).unwrap(), "d"), ["b"]);
}

#[test]
fn children_and_checkpoints() {
    let dir = base();
    let d = open(dir.path());
    let s = begin(&d, "parent");
    edit(&s, &[("a", b"one")]);
    s.checkpoint("one").unwrap();
    let child = |goal: &str| {
        let mut o = BeginOptions { parent: Some(s.id().clone()), ..Default::default() };
        o.metadata.goal = Some(goal.into());
        d.begin(o).unwrap()
    };
    // One that stands on what the checkpoint has stays open, and lands.
    let early = child("early");
    edit(&early, &[("early", b"early")]);
    edit(&s, &[("a", b"two")]);
    s.checkpoint("with-child").unwrap();
    s.restore("one").unwrap();
    commit(&d, early.id()).unwrap();
    assert_eq!(get(&s, "early").unwrap(), b"early");
    assert_eq!(get(&s, "a").unwrap(), b"one");

    // One that stands on what came after forbids the way back, and nothing happens.
    let late = child("late");
    edit(&late, &[("late", b"late")]);
    let e = s.restore("one").unwrap_err();
    assert!(
        matches!(&e, CheckpointError::OpenChildren { children, .. } if *children == [late.id().clone()])
    );
    assert_eq!(get(&s, "early").unwrap(), b"early");
    assert_eq!(get(&late, "early").unwrap(), b"early");
    commit(&d, late.id()).unwrap();
    s.checkpoint("both").unwrap();

    // Landed children come and go with the state that they are part of.
    s.restore("one").unwrap();
    assert_eq!((get(&s, "early"), get(&s, "late")), (None, None));
    assert!(d.session(early.id()).is_err(), "it has landed, whatever the parent is now");
    s.restore("both").unwrap();
    assert_eq!(get(&s, "late").unwrap(), b"late");
    s.restore("one").unwrap();
    s.delete_checkpoint("both").unwrap();
    s.delete_checkpoint(BEFORE_RESTORE).unwrap();
    assert_eq!(state(dir.path(), "sessions"), [s.id().to_string()]);
    assert!(d.session(early.id()).is_err());
    commit(&d, s.id()).unwrap();
    assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"one");
    assert!(!dir.path().join("late").exists());
}

#[test]
fn a_child_does_not_come_back_to_what_its_parent_has_left() {
    let dir = base();
    let d = open(dir.path());
    let s = begin(&d, "parent");
    s.checkpoint("begin").unwrap();
    edit(&s, &[("a", b"one")]);
    let child =
        d.begin(BeginOptions { parent: Some(s.id().clone()), ..Default::default() }).unwrap();
    child.checkpoint("begin").unwrap();
    edit(&child, &[("a", b"child")]);
    child.restore("begin").unwrap();
    assert_eq!(get(&child, "a").unwrap(), b"one");
    assert_eq!(s.restore("begin").unwrap_err().code(), "OPEN_CHILDREN");
    let refused = commit(&d, s.id()).unwrap_err();
    assert!(matches!(refused, CommitError::OpenChildren { .. }));
    d.commit(child.id(), CommitOptions::default()).unwrap();
    assert_eq!(get(&s, "a").unwrap(), b"one");
}

#[test]
fn a_checkpoint_outlives_what_an_unclean_session_lost() {
    let dir = base();
    let boot = |id: &str| -> Domain {
        let o = OpenOptions { boot_id: id.into(), ..options(None) };
        Domain::open(dir.path(), o).unwrap().0
    };
    let d = boot("one");
    let s = begin(&d, "power cut");
    {
        let w = writer(&s);
        common::write(w.view(), "a", b"synced");
        w.checkpoint("safe").unwrap();
        common::write(w.view(), "a", b"not synced");
        // No `finish`: as if killed.
    }
    let d = boot("two");
    let s = d.session(s.id()).unwrap();
    assert!(s.info().unwrap().unclean);
    s.restore("safe").unwrap();
    assert!(!s.info().unwrap().unclean, "what is restored was synced");
    s.restore(BEFORE_RESTORE).unwrap();
    assert!(s.info().unwrap().unclean, "what was left was not");
    assert!(matches!(commit(&d, s.id()), Err(CommitError::Unclean { .. })));
    s.restore("safe").unwrap();
    commit(&d, s.id()).unwrap();
    assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"synced");
}

//! A view that is put on another stack while it is open: what a restored checkpoint needs.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::Arc;

use brio_session::{DirLower, FsError, Lower, Sealed, View};
use common::{Fixture, Short, how, open_dir, read_all};

fn fixture() -> Fixture {
    Fixture::new(|b| {
        std::fs::create_dir_all(b.join("d/e")).unwrap();
        std::fs::write(b.join("f"), "base f").unwrap();
        std::fs::write(b.join("d/g"), "base g").unwrap();
    })
}

/// Puts a view on the first `sealed` layers of the fixture and a new one.
fn switch(f: &mut Fixture, view: &View, sealed: usize) {
    let mut lower: Arc<dyn Lower> = Arc::new(DirLower::new(open_dir(&f.base())));
    for l in &f.layers[..sealed] {
        lower = Arc::new(Sealed::open(open_dir(l), lower).unwrap());
    }
    let layer = f.push_layer();
    let gate = view.gate();
    let to = gate.prepare(open_dir(&layer), lower).unwrap();
    gate.switch(to);
}

#[test]
fn look_ups_see_the_other_stack_and_old_handles_are_stale() {
    let mut f = fixture();
    let v = f.view();
    v.put("kept", b"kept").unwrap();
    v.put("f", b"first").unwrap();
    f.restack(&v);
    let root = v.root();
    v.put("f", b"second").unwrap();
    v.put("new", b"new").unwrap();
    v.unlink("kept").unwrap();
    v.mv("d", "moved").unwrap();
    let open = v.file("f", how("rw")).unwrap();
    let untouched = v.file("moved/g", how("r")).unwrap();
    let nameless = v.file("new", how("rw")).unwrap();
    v.unlink("new").unwrap();
    let dir = v.dir("moved").unwrap();
    switch(&mut f, &v, 1);

    assert_eq!(v.get("f").unwrap(), b"first");
    assert_eq!(v.get("kept").unwrap(), b"kept");
    assert_eq!(v.get("d/g").unwrap(), b"base g");
    assert_eq!(v.stat("moved"), Err(FsError::NotFound));
    assert_eq!(root.list().unwrap().len(), 3, "the root goes on");
    for file in [&open, &untouched, &nameless] {
        assert_eq!(file.read_at(&mut [0], 0), Err(FsError::Stale));
        assert_eq!(file.meta(), Err(FsError::Stale));
        assert_eq!(file.set_mode(0o600), Err(FsError::Stale));
        assert_eq!(file.sync(false), Err(FsError::Stale));
    }
    assert_eq!(open.write_at(b"late", 0), Err(FsError::Stale));
    assert_eq!(open.set_len(0), Err(FsError::Stale));
    assert_eq!(nameless.append(b"late"), Err(FsError::Stale));
    assert_eq!(dir.list().map(|_| ()), Err(FsError::Stale));
    assert_eq!(dir.path(), Err(FsError::Stale));
    assert_eq!(v.stat_at(&dir, b"g", true), Err(FsError::Stale));
    assert_eq!(v.mkdir_at(&dir, b"late"), Err(FsError::Stale));

    // The new upper takes what is written, and only that.
    v.put("f", b"third").unwrap();
    let again = v.file("f", how("r")).unwrap();
    assert_eq!(read_all(&again).unwrap(), b"third");
    switch(&mut f, &v, 1);
    assert_eq!(v.get("f").unwrap(), b"first");
    assert_eq!(again.read_at(&mut [0], 0), Err(FsError::Stale));
}

#[test]
fn a_rooted_view_stays_at_its_path() {
    let mut f = fixture();
    let v = f.view();
    f.restack(&v);
    let below = v.rooted(&brio_session::RelPath::new("d").unwrap()).unwrap();
    below.put("g", b"changed").unwrap();
    let inner = below.dir("e").unwrap();
    switch(&mut f, &v, 1);
    assert_eq!(below.get("g").unwrap(), b"base g");
    assert_eq!(inner.meta(), Err(FsError::Stale));
    below.put("g", b"again").unwrap();
    assert_eq!(v.get("d/g").unwrap(), b"again");
}

#[test]
fn a_view_that_has_ended_is_not_switched() {
    let mut f = fixture();
    let v = f.view();
    v.end();
    let layer = f.push_layer();
    let lower: Arc<dyn Lower> = Arc::new(DirLower::new(open_dir(&f.base())));
    assert_eq!(v.gate().prepare(open_dir(&layer), lower).err(), Some(FsError::Ended));
}

#[test]
fn a_layer_is_empty_until_something_changes_in_it() {
    let f = fixture();
    let v = f.view();
    assert!(View::layer_is_empty(&open_dir(&f.layers[0])).unwrap());
    v.get("f").unwrap();
    assert!(View::layer_is_empty(&open_dir(&f.layers[0])).unwrap());
    v.put("f", b"x").unwrap();
    assert!(!View::layer_is_empty(&open_dir(&f.layers[0])).unwrap());
}

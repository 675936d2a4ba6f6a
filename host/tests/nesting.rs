//! Sessions of sessions, by a program that embeds Brio.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::path::PathBuf;

use brio_host::{
    AgentSource, BeginOptions, Brio, CommitError, CommitOptions, Handle, Isolation, ListFilter,
    Metadata, OpenOptions, Place as RunPlace, RunRequest, SessionHandle, ViewOptions,
};

struct Place {
    _dir: tempfile::TempDir,
    base: PathBuf,
    brio: Brio,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    std::fs::create_dir(&base).unwrap();
    std::fs::write(base.join("words"), "one two three").unwrap();
    let brio = Brio::open(dir.path().join("home")).unwrap();
    Place { _dir: dir, base, brio }
}

fn put(s: &SessionHandle, name: &str, text: &str) {
    let writer = s.writer("test", ViewOptions::default()).unwrap();
    let view = writer.view();
    let how = OpenOptions { write: true, create: true, truncate: true, ..OpenOptions::default() };
    let Handle::File(f) = view.open_at(&view.root(), name.as_bytes(), &how).unwrap() else {
        panic!("{name}")
    };
    f.write_at(text.as_bytes(), 0).unwrap();
    writer.finish().unwrap();
}

fn child(s: &SessionHandle) -> SessionHandle {
    s.begin_child(Metadata::default()).unwrap()
}

/// What an attempt is worth: the fewer bytes it needs, the better.
fn score(s: &SessionHandle) -> i64 {
    let view = s.view().unwrap();
    -(view.stat_at(&view.root(), b"words", true).unwrap().size as i64)
}

// B-043: two children are scored, the winner is committed, the loser is rolled back, then the
// parent is committed. The base never sees the loser.
#[test]
fn the_best_of_two_is_kept() {
    let p = place();
    for (first, second) in [("1 2 3", "one"), ("a", "b c d e")] {
        let parent = p.brio.begin(&p.base, Metadata::default()).unwrap();
        put(&parent, "prepared", "yes");
        let (one, two) = (child(&parent), child(&parent));
        put(&one, "words", first);
        put(&two, "words", second);
        put(&two, if first.len() > second.len() { "winners" } else { "losers" }, "x");
        let (winner, loser) = if score(&one) > score(&two) { (one, two) } else { (two, one) };
        winner.commit(CommitOptions::default()).unwrap();
        loser.rollback(false).unwrap();
        let landed = parent.commit(CommitOptions::default()).unwrap();
        assert!(landed.landing.is_some());
        let best = if first.len() < second.len() { first } else { second };
        assert_eq!(std::fs::read_to_string(p.base.join("words")).unwrap(), best);
        assert_eq!(std::fs::read_to_string(p.base.join("prepared")).unwrap(), "yes");
        assert!(!p.base.join("losers").exists());
        assert!(p.brio.sessions(&ListFilter::default()).unwrap().is_empty());
    }
    assert!(p.base.join("winners").exists());
}

// B-042: a cascade lands all of a family at once, and the index knows each end.
#[test]
fn a_family_ends_together() {
    let p = place();
    let states = |ids: &[&SessionHandle]| -> Vec<String> {
        let filter = ListFilter { ended: true, ..ListFilter::default() };
        let rows = p.brio.sessions(&filter).unwrap();
        let state = |s: &&SessionHandle| {
            rows.iter().find(|r| r.id == s.id().as_str()).map_or("none".into(), |r| r.state.clone())
        };
        ids.iter().map(state).collect()
    };
    let parent = p.brio.begin(&p.base, Metadata::default()).unwrap();
    let (one, two) = (child(&parent), child(&parent));
    put(&one, "words", "by one");
    put(&two, "words", "by two");
    let cascade = || CommitOptions { cascade: true, ..CommitOptions::default() };
    let e = parent.commit(cascade()).unwrap_err();
    assert!(matches!(&e, CommitError::Cascade { landed, .. } if *landed == [one.id().clone()]));
    assert_eq!(states(&[&parent, &one, &two]), ["open", "landed", "conflicted"]);
    let (_, gone) = two.rollback_cascade(false).unwrap();
    assert!(gone.is_empty());
    let last = child(&parent);
    put(&last, "more", "by the last");
    parent.commit(cascade()).unwrap();
    assert_eq!(states(&[&parent, &last, &two]), ["landed", "landed", "rolled-back"]);
    assert_eq!(std::fs::read_to_string(p.base.join("words")).unwrap(), "by one");

    let parent = p.brio.begin(&p.base, Metadata::default()).unwrap();
    let only = child(&parent);
    let below = child(&only);
    let (_, gone) = parent.rollback_cascade(false).unwrap();
    assert_eq!(gone, [below.id().clone(), only.id().clone()]);
    assert_eq!(states(&[&parent, &only, &below]), ["rolled-back"; 3]);
}

// What a guest read, also in sessions that it threw away, is known to the end: it lands under
// serializable, and does not once one of these reads is no longer so.
#[test]
fn what_a_guest_read_in_its_sessions_is_known() {
    for drifts in [false, true] {
        let p = place();
        let isolation = Isolation::Serializable;
        let options = BeginOptions { isolation, ..BeginOptions::default() };
        let session = p.brio.begin_with(&p.base, options).unwrap();
        // It begins, lands and throws away sessions of its own, and reads in them.
        let wasm =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../example-agents/prebuilt/test/sessions.wasm");
        let agent = AgentSource::Named(wasm.into());
        let mut request = RunRequest::new(agent, RunPlace::Session(session.clone()));
        request.grants.session_fs = true;
        let ran = p.brio.run(request).unwrap();
        assert!(ran.report.succeeded(), "{:?}", ran.report.error);
        if drifts {
            // It has looked for this, and it was not there.
            std::fs::create_dir_all(p.base.join("no/such/directory")).unwrap();
            let e = session.commit(CommitOptions::default()).unwrap_err();
            assert_eq!(e.code(), "CONFLICT", "{e}");
            assert!(e.conflicts().iter().all(|c| c.read), "{e}");
        } else {
            session.commit(CommitOptions::default()).unwrap();
        }
    }
}

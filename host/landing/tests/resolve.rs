//! `resolve`: a conflicted session on the new base, open, with markers or the sides that were
//! taken. B-081, B-082.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;

use brio_landing::{
    BeginOptions, CommitError, CommitOptions, Domain, LowerOptions, Policy, ResolveError,
    ResolveOptions, Resolved, Session, State, Take, Unmerged, WantedLower,
};
use brio_session::{RelPath, ViewOptions};
use common::{begin, commit, edit, names, open, read, state, tree, writer};

fn path(p: &str) -> RelPath {
    RelPath::new(p).unwrap()
}

fn resolve(d: &Domain, s: &Session, takes: &[(&str, Take)]) -> Result<Resolved, ResolveError> {
    let takes = takes.iter().map(|(p, t)| (path(p), *t)).collect();
    d.resolve(s.id(), ResolveOptions { takes, ..ResolveOptions::default() })
}

fn shown(s: &Session, p: &str) -> Option<String> {
    let view = s.view(ViewOptions::default()).unwrap();
    read(&view, p).map(|b| String::from_utf8_lossy(&b).into_owned())
}

/// The layers that a session's directory holds.
fn layers(base: &std::path::Path, s: &Session) -> Vec<String> {
    let mut names = state(base, &format!("sessions/{}", s.id()));
    names.retain(|n| n == "index" || n.parse::<u32>().is_ok());
    names
}

fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(3));
}

/// A base of these files, one session that lands `theirs`, and one with `ours`, conflicted.
fn conflicted(
    base: &[(&str, &str)],
    ours: &[(&str, &[u8])],
    theirs: &[(&str, &[u8])],
) -> (tempfile::TempDir, Domain, Session) {
    let dir = tempfile::tempdir().unwrap();
    for (p, c) in base {
        let p = dir.path().join(p);
        fs::create_dir_all(p.parent().unwrap()).unwrap();
        fs::write(p, c).unwrap();
    }
    pause();
    let d = open(dir.path());
    let (one, two) = (begin(&d, "tidy up"), begin(&d, "ours"));
    edit(&one, theirs);
    edit(&two, ours);
    commit(&d, one.id()).unwrap();
    assert_eq!(commit(&d, two.id()).unwrap_err().code(), "CONFLICT");
    assert_eq!(two.info().unwrap().state, State::Conflicted);
    (dir, d, two)
}

#[test]
fn texts_get_markers_and_a_commit_waits_until_they_are_gone() {
    let (dir, d, s) = conflicted(
        &[("f", "1\n2\n3\n"), ("g", "1\n2\n3\n"), ("untouched", "x")],
        &[("f", b"1\nours\n3\n"), ("g", b"one\n2\n3\n"), ("new", b"new")],
        &[("f", b"1\ntheirs\n3\n"), ("g", b"1\n2\nthree\n")],
    );
    let before = tree(dir.path());
    let done = resolve(&d, &s, &[]).unwrap();
    assert_eq!(done.landing, 1);
    assert_eq!((done.marked, done.merged), (vec![path("f")], vec![path("g")]));
    assert_eq!(tree(dir.path()), before, "the base is not touched");
    let info = s.info().unwrap();
    assert_eq!((info.state, info.landing), (State::Open, 1));
    assert_eq!(info.unresolved, [path("f")]);
    let id = s.id().as_str();
    assert_eq!(
        shown(&s, "f").unwrap(),
        format!(
            "1\n<<<<<<< ours ({id}, \"ours\")\nours\n||||||| base\n2\n=======\ntheirs\n>>>>>>> theirs (landing 1, \"tidy up\")\n3\n"
        )
    );
    assert_eq!(shown(&s, "g").unwrap(), "one\n2\nthree\n");
    assert_eq!(shown(&s, "new").unwrap(), "new");
    assert_eq!(layers(dir.path(), &s), ["1"], "the old layer is gone");
    // It survives a restart, and does not land with markers, by no policy.
    let d = open(dir.path());
    let s = d.session(s.id()).unwrap();
    for policy in ["reject", "merge", "last-write-wins"] {
        let options = CommitOptions { policy: policy.parse().unwrap(), ..Default::default() };
        let e = d.commit(s.id(), options).unwrap_err();
        assert_eq!(e.code(), "UNRESOLVED");
        assert!(e.to_string().contains("f still has conflict markers"), "{e}");
    }
    edit(&s, &[("f", b"1\nboth\n3\n")]);
    commit(&d, s.id()).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), "1\nboth\n3\n");
    assert_eq!(fs::read_to_string(dir.path().join("g")).unwrap(), "one\n2\nthree\n");
}

#[test]
fn what_has_no_text_form_must_be_chosen_and_until_then_nothing_changes() {
    let base = [("bin", "a\0"), ("gone", "1\n"), ("text", "1\n"), ("d/x", "x")];
    let ours: [(&str, &[u8]); 4] =
        [("bin", b"b\0"), ("gone", b"2\n"), ("text", b"2\n"), ("d/x", b"ours")];
    let dir = tempfile::tempdir().unwrap();
    for (p, c) in base {
        fs::create_dir_all(dir.path().join(p).parent().unwrap()).unwrap();
        fs::write(dir.path().join(p), c).unwrap();
    }
    pause();
    let d = open(dir.path());
    let s = begin(&d, "ours");
    edit(&s, &ours);
    let other = begin(&d, "theirs");
    edit(&other, &[("bin", b"c\0"), ("text", b"3\n")]);
    let w = writer(&other);
    w.view().unlink_at(&w.view().root(), b"gone").unwrap();
    w.view().unlink_at(&w.view().root(), b"d/x").unwrap();
    w.view().rmdir_at(&w.view().root(), b"d").unwrap();
    w.finish().unwrap();
    commit(&d, other.id()).unwrap();
    let before = (
        layers(dir.path(), &s),
        fs::read(dir.path().join(format!(".brio/sessions/{}/meta.json", s.id()))).unwrap(),
    );
    let all = |e: &ResolveError| -> Vec<(String, Option<Unmerged>)> {
        e.conflicts().iter().map(|c| (c.path.to_string(), c.unmerged)).collect()
    };
    let e = resolve(&d, &s, &[]).unwrap_err();
    assert_eq!(e.code(), "CONFLICT");
    assert!(e.to_string().contains("--take"), "{e}");
    assert_eq!(
        all(&e),
        [
            ("bin".into(), Some(Unmerged::Binary)),
            ("d".into(), Some(Unmerged::Directory)),
            ("d/x".into(), Some(Unmerged::RemovedByThem)),
            ("gone".into(), Some(Unmerged::RemovedByThem)),
        ]
    );
    let e = resolve(&d, &s, &[("bin", Take::Theirs), ("d", Take::Ours)]).unwrap_err();
    assert_eq!(all(&e), [("gone".into(), Some(Unmerged::RemovedByThem))]);
    let e = resolve(&d, &s, &[("nothing", Take::Ours)]).unwrap_err();
    assert_eq!(e.code(), "NO_CONFLICT");
    // What has no base in full cannot be put back.
    let e = resolve(&d, &s, &[("d", Take::Base), ("gone", Take::Ours), ("bin", Take::Ours)])
        .unwrap_err();
    assert_eq!(all(&e)[0].0, "d");
    let now = (
        layers(dir.path(), &s),
        fs::read(dir.path().join(format!(".brio/sessions/{}/meta.json", s.id()))).unwrap(),
    );
    assert_eq!(now, before);

    let takes =
        [("bin", Take::Theirs), ("d", Take::Ours), ("gone", Take::Base), ("text", Take::Ours)];
    let done = resolve(&d, &s, &takes).unwrap();
    assert_eq!(done.marked, []);
    assert_eq!(done.taken.len(), 5);
    commit(&d, s.id()).unwrap();
    let file = |p: &str| fs::read(dir.path().join(p)).unwrap();
    assert_eq!(file("bin"), b"c\0");
    assert_eq!(file("gone"), b"1\n");
    assert_eq!(file("text"), b"2\n");
    assert_eq!(file("d/x"), b"ours");
}

#[test]
fn a_take_of_a_directory_means_all_below_and_the_longest_path_counts() {
    let (dir, d, s) = conflicted(
        &[("d/a", "1\n"), ("d/b", "1\n"), ("d/e/c", "1\n")],
        &[("d/a", b"2\n"), ("d/b", b"2\n"), ("d/e/c", b"2\n"), ("d/new", b"new")],
        &[("d/a", b"3\n"), ("d/b", b"3\n"), ("d/e/c", b"3\n")],
    );
    let done = resolve(&d, &s, &[("d", Take::Theirs), ("d/e", Take::Ours)]).unwrap();
    assert_eq!(done.taken.len(), 3);
    assert_eq!(done.landing, 1);
    commit(&d, s.id()).unwrap();
    let file = |p: &str| fs::read_to_string(dir.path().join(p)).unwrap();
    assert_eq!([file("d/a"), file("d/b"), file("d/e/c")], ["3\n", "3\n", "2\n"]);
    assert_eq!(file("d/new"), "new", "what is not in conflict is not dropped");
}

#[test]
fn strangers_in_a_directory_that_goes_are_kept_or_thrown_away_as_told() {
    for take in [Take::Ours, Take::Theirs] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("d/e")).unwrap();
        fs::write(dir.path().join("d/e/a"), "a").unwrap();
        pause();
        let d = open(dir.path());
        let s = begin(&d, "");
        let w = writer(&s);
        let root = w.view().root();
        w.view().unlink_at(&root, b"d/e/a").unwrap();
        w.view().rmdir_at(&root, b"d/e").unwrap();
        w.view().rmdir_at(&root, b"d").unwrap();
        w.finish().unwrap();
        fs::write(dir.path().join("d/e/new"), "new").unwrap();
        assert_eq!(commit(&d, s.id()).unwrap_err().code(), "CONFLICT");
        resolve(&d, &s, &[("d/e/new", take)]).unwrap();
        commit(&d, s.id()).unwrap();
        let left: Vec<_> = tree(dir.path()).into_keys().collect();
        match take {
            Take::Ours => assert!(left.is_empty(), "{left:?}"),
            _ => assert_eq!(left, [b"d".to_vec(), b"d/e".to_vec(), b"d/e/new".to_vec()]),
        }
    }
}

#[test]
fn drift_is_resolved_from_the_kept_original() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "1\n2\n3\n4\n").unwrap();
    pause();
    let d = open(dir.path());
    let s = begin(&d, "");
    edit(&s, &[("f", b"one\n2\n3\n4\n")]);
    // The original lies in a layer that is sealed by now.
    let child =
        d.begin(BeginOptions { parent: Some(s.id().clone()), ..Default::default() }).unwrap();
    d.rollback(child.id(), false).unwrap();
    edit(&s, &[("other", b"x")]);
    fs::write(dir.path().join("f"), "1\n2\n3\nfour\n").unwrap();
    let done = resolve(&d, &s, &[]).unwrap();
    assert_eq!(done.merged, [path("f")]);
    assert_eq!(shown(&s, "f").unwrap(), "one\n2\n3\nfour\n");
    // And once more, from the base that it stands on now.
    fs::write(dir.path().join("f"), "1\n2\n3\nvier\n").unwrap();
    let e = commit(&d, s.id()).unwrap_err();
    assert_eq!(e.code(), "CONFLICT");
    let done = resolve(&d, &s, &[]).unwrap();
    assert_eq!(done.merged, [path("f")]);
    assert_eq!(shown(&s, "f").unwrap(), "one\n2\n3\nvier\n");
    commit(&d, s.id()).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), "one\n2\n3\nvier\n");
}

#[test]
fn markers_that_are_in_conflict_again_must_be_chosen() {
    let (dir, d, s) = conflicted(&[("f", "1\n")], &[("f", b"2\n")], &[("f", b"3\n")]);
    resolve(&d, &s, &[]).unwrap();
    fs::write(dir.path().join("f"), "4\n").unwrap();
    let e = resolve(&d, &s, &[]).unwrap_err();
    assert_eq!(e.conflicts()[0].unmerged, Some(Unmerged::Markers));
    resolve(&d, &s, &[("f", Take::Theirs)]).unwrap();
    assert_eq!(s.info().unwrap().unresolved, []);
    assert_eq!(commit(&d, s.id()).unwrap().landing, None, "nothing of ours is left");
    assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), "4\n");
}

#[test]
fn without_a_conflict_the_session_only_moves_on() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "a").unwrap();
    pause();
    let d = open(dir.path());
    let (one, two) = (begin(&d, ""), begin(&d, ""));
    edit(&one, &[("a", b"landed"), ("b", b"b")]);
    edit(&two, &[("c", b"c")]);
    commit(&d, one.id()).unwrap();
    assert_eq!(shown(&two, "a").unwrap(), "a");
    let done = resolve(&d, &two, &[]).unwrap();
    assert_eq!(done, Resolved { landing: 1, merged: vec![], marked: vec![], taken: vec![] });
    assert_eq!(shown(&two, "a").unwrap(), "landed");
    assert_eq!(names(&two.view(ViewOptions::default()).unwrap(), "."), ["a", "b", "c"]);
    // The pre-images that it needed are free.
    d.gc().unwrap();
    assert!(state(dir.path(), "landings/1").iter().all(|n| !n.starts_with('s')));
}

#[test]
fn a_child_is_resolved_on_its_parent() {
    // B-042
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "1\n2\n3\n").unwrap();
    pause();
    let d = open(dir.path());
    let parent = begin(&d, "parent");
    edit(&parent, &[("p", b"p")]);
    let child =
        d.begin(BeginOptions { parent: Some(parent.id().clone()), ..Default::default() }).unwrap();
    edit(&child, &[("f", b"ours\n2\n3\n"), ("p", b"child")]);
    edit(&parent, &[("f", b"theirs\n2\n3\n"), ("q", b"q")]);
    assert_eq!(commit(&d, child.id()).unwrap_err().code(), "CONFLICT");
    let done = resolve(&d, &child, &[]).unwrap();
    assert_eq!(done.marked, [path("f")]);
    let text = shown(&child, "f").unwrap();
    assert!(text.contains(&format!(">>>>>>> theirs (parent {})\n", parent.id())), "{text}");
    assert_eq!(shown(&child, "q").unwrap(), "q");
    assert_eq!(shown(&child, "p").unwrap(), "child");
    assert!(matches!(commit(&d, child.id()), Err(CommitError::Unresolved { .. })));
    edit(&child, &[("f", b"both\n2\n3\n")]);
    edit(&parent, &[("r", b"r")]);
    commit(&d, child.id()).unwrap();
    assert_eq!(shown(&parent, "f").unwrap(), "both\n2\n3\n");
    commit(&d, parent.id()).unwrap();
    let file = |p: &str| fs::read_to_string(dir.path().join(p)).unwrap();
    assert_eq!([file("f"), file("p"), file("q"), file("r")], ["both\n2\n3\n", "child", "q", "r"]);
}

#[test]
fn a_session_with_an_open_child_or_a_writer_is_not_resolved() {
    let (dir, d, s) = conflicted(&[("f", "1\n")], &[("f", b"2\n")], &[("f", b"3\n")]);
    let child =
        d.begin(BeginOptions { parent: Some(s.id().clone()), ..Default::default() }).unwrap();
    assert_eq!(resolve(&d, &s, &[]).unwrap_err().code(), "OPEN_CHILDREN");
    edit(&child, &[("from-child", b"x")]);
    commit(&d, child.id()).unwrap();
    let w = writer(&s);
    assert_eq!(resolve(&d, &s, &[]).unwrap_err().code(), "SESSION_BUSY");
    drop(w);
    // What a child brought is part of it, and the child's directory holds nothing of it any more.
    resolve(&d, &s, &[("f", Take::Ours)]).unwrap();
    assert_eq!(shown(&s, "from-child").unwrap(), "x");
    assert!(!dir.path().join(".brio/sessions").join(child.id().as_str()).exists());
    commit(&d, s.id()).unwrap();
    assert_eq!(state(dir.path(), "sessions"), Vec::<String>::new());
}

#[test]
fn a_frozen_copy_is_an_ancestor_and_gives_way_to_the_base() {
    // B-030: what a frozen session saw is known in full, whatever became of the base.
    for by_policy in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let big = "0123456789abcdef\n".repeat(4096);
        for (p, c) in [("f", "1\n2\n3\n"), ("bin", "b\0"), ("big", big.as_str())] {
            fs::write(dir.path().join(p), c).unwrap();
        }
        pause();
        let d = open(dir.path());
        let lower = LowerOptions { wanted: WantedLower::Frozen, ..LowerOptions::default() };
        let s = d.begin(BeginOptions { lower, ..BeginOptions::default() }).unwrap();
        edit(&s, &[("f", b"one\n2\n3\n"), ("bin", b"ours\0")]);
        fs::write(dir.path().join("f"), "1\n2\nthree\n").unwrap();
        fs::write(dir.path().join("big"), "changed outside").unwrap();
        if by_policy {
            let options = CommitOptions { policy: Policy::Merge, ..CommitOptions::default() };
            d.commit(s.id(), options).unwrap();
        } else {
            assert_eq!(shown(&s, "big").unwrap(), big);
            let done = resolve(&d, &s, &[]).unwrap();
            assert_eq!(done.merged, [path("f")]);
            assert_eq!(shown(&s, "big").unwrap(), "changed outside");
            let d = open(dir.path());
            commit(&d, s.id()).unwrap();
        }
        let file = |p: &str| fs::read(dir.path().join(p)).unwrap();
        assert_eq!(file("f"), b"one\n2\nthree\n");
        assert_eq!(file("bin"), b"ours\0");
        assert_eq!(file("big"), b"changed outside");
        assert_eq!(state(dir.path(), "sessions"), Vec::<String>::new());
    }
}

#[test]
fn what_is_excluded_stays_out_of_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("target")).unwrap();
    fs::write(dir.path().join("target/out"), "of the base").unwrap();
    fs::write(dir.path().join("f"), "1\n2\n3\n").unwrap();
    pause();
    let d = open(dir.path());
    let lower = LowerOptions { excludes: vec!["target/".into()], ..LowerOptions::default() };
    let s = d.begin(BeginOptions { lower, ..BeginOptions::default() }).unwrap();
    let w = writer(&s);
    w.view().mkdir_at(&w.view().root(), b"target").unwrap();
    w.finish().unwrap();
    edit(&s, &[("f", b"one\n2\n3\n"), ("target/out", b"of the session")]);
    fs::write(dir.path().join("f"), "1\n2\nthree\n").unwrap();
    resolve(&d, &s, &[]).unwrap();
    assert_eq!(shown(&s, "f").unwrap(), "one\n2\nthree\n");
    assert_eq!(shown(&s, "target/out"), None, "the base's is not seen after it, either");
    fs::write(dir.path().join("f"), "1\n2\ndrei\n").unwrap();
    let options = CommitOptions { policy: Policy::LastWriteWins, ..CommitOptions::default() };
    d.commit(s.id(), options).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("target/out")).unwrap(), "of the base");
    assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), "one\n2\nthree\n");
}
